import csv
import io

import numpy as np
import pytest
import torch
from torch import nn
from unit.attribution.nets import seeded
from unit.experiment.study import chain_network, small, wave

from niwaki.attribution import jacobian_attribution
from niwaki.core import ConfigError, InputError, Network, RunFolderError, RunRecord
from niwaki.dynamics import GeneField, ModuleField, PhoenixField, RungeKutta4, _phoenix
from niwaki.experiment import FittedModel, attribute_run, fit, load_model, make_material
from niwaki.experiment._attribution import attribute_field, field_contributions, observed_states
from niwaki.experiment._network import read_out
from niwaki.pruning import EffectiveNetwork

GENES = ("a", "b", "c", "d")


def model_of(field) -> FittedModel:
    return FittedModel(GENES, field, {}, RungeKutta4(4))


def chain_field() -> GeneField:
    """a drives b strongly, b drives c weakly."""
    field = GeneField(4, edges=2)
    with torch.no_grad():
        field.source.copy_(torch.tensor([0, 1]))
        field.target.copy_(torch.tensor([1, 2]))
        field.weight.copy_(torch.tensor([2.0, -0.1]))
        field.centre.fill_(0.5)
    return field


def test_a_fit_records_contributions_beside_edges(finished):
    record = RunRecord.from_json((finished / "record.json").read_text())
    found = record.attribution
    assert found is not None
    assert found.method == "integrated gradients"
    assert found.baseline == "mean state"
    assert found.gap < 0.05
    assert 0 <= found.shared <= found.compared
    ranks = [r.rank for r in found.regulators]
    assert ranks == sorted(ranks)
    sizes = [r.contribution for r in found.regulators]
    assert sizes == sorted(sizes, reverse=True)
    text = (finished / "attribution.tsv").read_text()
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    assert [*rows[0]] == ["source", "target", "sign", "size", "mean", "weight"]
    sizes = [float(row["size"]) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    by_gene = {r.gene: r.contribution for r in found.regulators}
    total = sum(float(r["size"]) for r in rows if r["source"] == found.regulators[0].gene)
    assert total == pytest.approx(by_gene[found.regulators[0].gene], rel=1e-4)


def test_contributions_are_the_slope_times_the_way_from_the_mean():
    model = model_of(chain_field())
    states = observed_states(model, wave())
    found = field_contributions(model, states)
    pairs = dict(zip(zip(found.source, found.target, strict=True), found.size, strict=True))
    assert set(pairs) == {(0, 1), (1, 2)}
    spread = (states[0] - states[0].mean()).abs().mean()
    assert pairs[0, 1] == pytest.approx(2.0 * float(spread), rel=1e-5)
    assert found.gap < 1e-5


def test_a_homogeneous_field_gets_the_closed_form_from_zero():
    module = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 4, bias=False))
    model = model_of(ModuleField(seeded(module, seed=3)))
    found = field_contributions(model, observed_states(model, wave()))
    assert (found.method, found.degree) == ("x-gradient", 1)
    assert found.gap < 1e-5


def test_a_gene_that_does_not_vary_has_strong_edges_and_no_contribution():
    data = wave()
    for item in data.items:
        item.values[:, 0] = 0.5
    model = model_of(chain_field())
    network = read_out(model.field, {}, GENES, limit=None)
    summary, _ = attribute_field(model, data, network)
    assert summary is not None
    assert summary.regulators[0].gene == "b"
    assert summary.regulators[0].strength_rank == 2
    assert [(p.source, p.target, p.rank) for p in summary.only_by_edge] == [("a", "b", None)]
    assert summary.compared == 2
    assert summary.shared == 1


def test_pairs_in_one_list_only_are_shown_with_both_ranks():
    genes = tuple(f"g{i:02d}" for i in range(40))
    rng = np.random.default_rng(0)
    weights = np.zeros((40, 40))
    weights[np.arange(1, 40), np.arange(39)] = np.linspace(1, 3, 39)
    field = GeneField(40, edges=39)
    with torch.no_grad():
        field.source.copy_(torch.arange(39))
        field.target.copy_(torch.arange(1, 40))
        field.weight.copy_(torch.linspace(1, 3, 39))
        field.centre.fill_(0.5)
    data = wave(genes, trajectories=6)
    for item in data.items:
        item.values[:, 38] = 0.5 + 1e-3 * rng.normal(size=len(item.times))
    model = FittedModel(genes, field, {}, RungeKutta4(4))
    network = read_out(field, {}, genes, limit=None)
    summary, _ = attribute_field(model, data, network)
    assert summary is not None
    assert summary.compared == 20
    (lost,) = [p for p in summary.only_by_edge if p.source == "g38"]
    assert lost.weight_rank == 1
    assert lost.rank == 39
    assert all(p.rank <= 20 < p.weight_rank for p in summary.only_by_attribution)


def test_a_field_that_diverges_loses_no_run():
    field = chain_field()
    with torch.no_grad():
        field.weight.fill_(torch.inf)
    empty = Network(GENES, np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    network = EffectiveNetwork(empty, 0, np.zeros(4, int), np.zeros(4))
    summary, table = attribute_field(model_of(field), wave(), network)
    assert summary is None
    assert table.count("\n") == 1


def test_a_run_is_attributed_as_its_record_says(finished):
    found = attribute_run(finished)
    record = RunRecord.from_json((finished / "record.json").read_text())
    first = record.attribution.regulators[0]
    total = sum(
        row.size for t in found.targets for row in t.contributions if row.source == first.gene
    )
    assert total == pytest.approx(first.contribution, rel=1e-5)
    rows = list(csv.DictReader(io.StringIO(found.table()), delimiter="\t"))
    assert len(rows) == sum(len(t.contributions) for t in found.targets)


def test_a_forecast_is_attributed_to_the_start(finished):
    model = load_model(finished)
    found = attribute_run(finished, targets=[model.genes[3]], horizon=1.5)
    assert [t.target for t in found.targets] == [model.genes[3]]
    assert "1.5 time units later" in found.about
    assert found.gap < 0.05
    assert found.targets[0].contributions


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"targets": ["nobody"]}, ConfigError, "not a gene"),
        ({"horizon": 0}, ConfigError, "horizon"),
        ({"horizon": float("nan")}, ConfigError, "horizon"),
        ({"data": wave(("x", "y"))}, InputError, "not in the expression data"),
    ],
)
def test_bad_requests_get_a_sentence(finished, options, error, words):
    with pytest.raises(error, match=words):
        attribute_run(finished, **options)


def test_a_run_from_objects_needs_data(tmp_path):
    material = make_material(wave(), prior=chain_network())
    fit(material, small(controls=False, epochs=2), out=tmp_path / "run")
    with pytest.raises(RunFolderError, match="give DATA"):
        attribute_run(tmp_path / "run")
    assert attribute_run(tmp_path / "run", wave()).samples == 12


def test_the_states_shown_to_attribution_are_bounded():
    model = model_of(chain_field())
    data = wave(trajectories=200)
    assert observed_states(model, data).shape == (4, 256)
    assert jacobian_attribution(model.field, observed_states(model, data)).gap > 0


def test_targets_of_a_phoenix_field_are_pulled_back_in_one_batch(monkeypatch):
    field = PhoenixField(12, hidden=4, generator=torch.Generator().manual_seed(0))
    model = FittedModel(tuple(f"g{i}" for i in range(12)), field, {}, RungeKutta4())
    states = torch.rand(12, 5, generator=torch.Generator().manual_seed(1))
    expected = field_contributions(model, states)
    seen = []
    backward = _phoenix._Drive.backward

    def note(ctx, grad):
        seen.append(ctx.needs_input_grad)
        return backward(ctx, grad)

    monkeypatch.setattr(_phoenix._Drive, "backward", staticmethod(note))
    found = field_contributions(model, states)
    np.testing.assert_array_equal(found.mean, expected.mean)
    assert len(seen) < 12
    assert not any(any(needs[1:]) for needs in seen[1:])  # no gradients of weights
    assert all(p.requires_grad for p in field.parameters())
