"""The gene-resolved field, from data and prior to a run folder."""

import csv
import io
import json

import numpy as np
import pytest
from unit.experiment.study import results

from niwaki.core import ConfigError, Network, Trajectories, Trajectory
from niwaki.data import add_noise, generate_network, integrate, sample_starts
from niwaki.experiment import (
    FitConfig,
    fit,
    load_model,
    make_config,
    make_material,
    predict,
    resume,
    shuffled_prior,
)
from niwaki.experiment._edge_field import edge_stability, make_fields
from niwaki.experiment._edge_state import (
    MOST_CANDIDATES,
    MOST_REGULATORS,
    choose_candidates,
    share_of,
)
from niwaki.experiment._edges import EdgeSearch
from niwaki.experiment._gene_arm import EdgeTable, edge_statuses
from niwaki.knowledge import move_edges

TIMES = np.array([0.0, 1.0, 2.0, 4.0, 6.0])
QUICK = {"threads": 1, "device": "cpu", "members": 8, "passes": 2}
GENES = ("a", "b", "c", "d")


def study(genes=24, trajectories=30, noise=0.02, seed=3):
    """Noisy training data, clean test data, the truth, and a prior with a fifth of it moved."""
    rng = np.random.default_rng(seed)
    system = generate_network(genes, rng)
    clean = integrate(system, sample_starts(system, trajectories + 5, rng), TIMES)
    train = add_noise(clean.subset(range(trajectories)), noise, rng)
    test = clean.subset(range(trajectories, trajectories + 5))
    return train, test, system.truth, move_edges(system.truth, 0.2, rng=rng)


def edges_of(network):
    return {(int(s), int(t)) for s, t in zip(network.source, network.target, strict=True)}


def f1(found, truth):
    return 2 * len(found & truth) / (len(found) + len(truth))


def searched(train, prior, *, passes=2, **options):
    search = EdgeSearch(train, prior, choose_candidates(train, prior), **options)
    for _ in range(passes):
        search.step()
    return search


def found_edges(search, threshold=0.0):
    target, place = np.nonzero(search.state.odds > threshold)
    return {(int(search.candidates[p]), int(t)) for p, t in zip(place, target, strict=True)}


@pytest.fixture(scope="module")
def gene_run(tmp_path_factory):
    train, test, truth, prior = study()
    material = make_material(train, prior=prior, reference=truth, test=test, scope="all")
    out = tmp_path_factory.mktemp("gene") / "run"
    return fit(material, make_config(QUICK), out=out), out, material


def table(out):
    return list(csv.DictReader(io.StringIO((out / "network.tsv").read_text()), delimiter="\t"))


def test_contributions_of_a_gene_resolved_fit_lie_on_its_edges_and_are_complete(gene_run):
    record, out, _ = gene_run
    found = record.attribution
    assert found is not None
    assert found.gap < 1e-3  # kinks only where states leave the range
    text = (out / "attribution.tsv").read_text()
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    with_edge = [row for row in rows if row["weight"]]
    assert len(with_edge) > 0.8 * len(rows)  # joint effects add pairs of their own
    assert found.shared > found.compared / 2


# ------------------------------------------------------------------------- the search itself
def test_prior_and_data_are_better_than_the_prior():
    train, _, truth, prior = study()
    found, true = found_edges(searched(train, prior)), edges_of(truth)
    assert f1(found, true) > 0.9
    assert f1(found, true) > f1(edges_of(prior), true)


def test_a_shuffled_prior_is_not_trusted_and_costs_little():
    train, _, truth, prior = study()
    bare = searched(train, None)
    mixed = searched(train, shuffled_prior(prior, 0))
    good = searched(train, prior)
    assert mixed.state.trust.shares[0] < 0.5 < good.state.trust.shares[0]
    true = edges_of(truth)
    assert f1(found_edges(mixed), true) > f1(found_edges(bare), true) - 0.1


def test_trust_set_by_hand_is_kept():
    train, _, _, prior = study(genes=12, trajectories=12)
    search = searched(train, prior, passes=1, trust=0.6)
    inside = search.prior & search.possible & np.isfinite(search.state.error)
    np.testing.assert_allclose(share_of(search.state.prior_odds)[inside], 0.6)


def test_a_gene_that_never_moves_has_no_regulators_and_refutes_the_prior():
    train, _, _, _ = study(genes=12, trajectories=16)
    still = Trajectories(
        train.genes,
        tuple(
            Trajectory(t.name, t.times, np.where(np.arange(12) == 11, 0.4, t.values))
            for t in train.items
        ),
    )
    prior = Network(train.genes, np.array([3]), np.array([11]), np.ones(1))
    search = searched(still, prior, passes=1)
    assert search.state.smoothed.kernels[11].rate == 0
    assert not [edge for edge in found_edges(search) if edge[1] == 11]
    assert search.state.factor[11, 3] < -10
    (field,) = make_fields(search, [0.0])
    assert field.rate()[11].item() == 0


def test_a_regulator_that_never_varies_is_untested_and_kept():
    train, _, truth, prior = study(genes=12, trajectories=16)
    place = int(truth.source[0])
    flat = Trajectories(
        train.genes,
        tuple(
            Trajectory(t.name, t.times, np.where(np.arange(12) == place, 0.5, t.values))
            for t in train.items
        ),
    )
    search = searched(flat, truth, passes=1)
    moving = [
        e for e in edges_of(truth) if e[0] == place and np.isfinite(search.state.error[e[1]]).any()
    ]
    for source, target in moving:
        assert abs(search.state.factor[target, source]) < 0.1
    assert prior.genes == truth.genes


def test_the_path_only_loses_edges_and_the_field_says_which():
    train, _, _, prior = study()
    search = searched(train, prior)
    fields = make_fields(search, [-3.0, 0.0, 3.0])
    sets = [set(zip(f.source.tolist(), f.target.tolist(), strict=True)) for f in fields]
    assert sets[2] <= sets[1] <= sets[0]
    assert sets[1] == {e for e in found_edges(search) if fields[1].velocity[e[1]] > 0}


def test_stability_is_a_probability_and_agrees_with_the_sure_edges():
    train, _, _, prior = study()
    search = searched(train, prior)
    stability = edge_stability(search, members=10, seed=0)
    assert ((stability >= 0) & (stability <= 1)).all()
    sure = search.state.factor > 15
    assert stability[sure & np.isfinite(search.state.error)].mean() > 0.95
    np.testing.assert_array_equal(stability, edge_stability(search, members=10, seed=0))


def test_trajectories_of_different_times_are_used_together():
    train, _, truth, prior = study()
    items = [
        Trajectory(t.name, t.times[: 3 + i % 3], t.values[: 3 + i % 3])
        for i, t in enumerate(train.items)
    ]
    search = searched(Trajectories(train.genes, tuple(items)), prior, passes=1)
    assert len(search.panel.grids) == 3
    assert f1(found_edges(search), edges_of(truth)) > f1(edges_of(prior), edges_of(truth))


def test_one_short_trajectory_is_survived():
    train, _, _, prior = study(genes=12, trajectories=3)
    search = searched(train.subset([0]), prior, passes=1)
    assert np.isfinite(search.state.odds).all()
    assert np.isfinite(edge_stability(search, members=4, seed=0)).all()


# ------------------------------------------------------------------------- who may regulate
def test_candidates_are_all_genes_the_priors_regulators_or_the_most_variable(rng):
    genes = tuple(f"g{i}" for i in range(MOST_CANDIDATES + 5))
    values = rng.normal(size=(3, len(genes))) * np.linspace(1, 2, len(genes))
    wide = Trajectories(genes, (Trajectory("s", np.arange(3.0), values),))
    small = wide.select_genes(genes[:10])
    prior = Network(genes, np.array([7, 2, 7]), np.array([0, 1, 3]), np.ones(3))
    assert choose_candidates(wide, prior).tolist() == [2, 7]
    assert len(choose_candidates(wide, None)) == MOST_CANDIDATES
    assert len(choose_candidates(wide, None, "all")) == len(genes)
    assert len(choose_candidates(small, None)) == 10
    many = MOST_REGULATORS + 3  # of which the last has most targets
    crowd = Trajectories(
        tuple(f"g{i}" for i in range(many)), (Trajectory("s", np.arange(2.0), np.zeros((2, many))),)
    )
    source = np.append(np.arange(many), many - 1)
    target = np.append((np.arange(many) + 1) % many, 5)
    full = Network(crowd.genes, source, target, np.ones(many + 1))
    chosen = choose_candidates(crowd, full)
    assert (len(chosen), chosen[-1]) == (MOST_REGULATORS, many - 1)
    assert len(choose_candidates(crowd, full, "prior")) == many
    with pytest.raises(ConfigError, match="needs a prior"):
        choose_candidates(small, None, "prior")


# ------------------------------------------------------------------------- configuration
def test_the_field_is_gene_unless_a_setting_of_training_is_given():
    assert make_config({}).resolve(20).field == "gene"
    assert make_config({"criterion": "posterior"}).resolve(20).field == "gene"
    assert make_config({"hidden": 9}).resolve(20).field == "phoenix"
    assert make_config({"criterion": "dash"}).resolve(20).field == "phoenix"
    assert make_config({"field": "gene", "hidden": 9}).resolve(20).field == "gene"
    trained = make_config({"field": "phoenix"}).resolve(20)
    assert (trained.criterion, trained.select) == ("dash", "one-se")
    assert FitConfig().resolve(20).select == "posterior"


@pytest.mark.parametrize("wrong", [{"trust": 1.5}, {"passes": 0}, {"select": 1.5}, {"select": -1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        make_config(wrong)


# ------------------------------------------------------------------------- the run folder
def test_every_edge_has_a_status_a_probability_and_a_stability(gene_run):
    record, out, material = gene_run
    rows = table(out)
    counts = {name: sum(row["status"] == name for row in rows) for name in STATUSES}
    assert record.evidence is not None
    assert counts == {name: getattr(record.evidence, name) for name in STATUSES}
    assert sum(counts.values()) == len(rows)
    chosen = [row for row in rows if float(row["weight"]) != 0]
    assert len(chosen) == record.edges_total
    assert all(float(row["probability"]) > 0.5 for row in chosen)
    assert all(0 <= float(row["stability"]) <= 1 for row in chosen)
    assert {row["status"] for row in rows if row["in_prior"] == "0"} == {"added"}
    listed = {(row["source"], row["target"]) for row in rows}
    prior = material.prior.network
    names = np.array(prior.genes)
    assert set(zip(names[prior.source], names[prior.target], strict=True)) <= listed


STATUSES = ("kept", "added", "refuted", "untested")


def test_the_fit_beats_prior_and_baselines_and_has_its_controls(gene_run):
    record, _, _ = gene_run
    scores = {row.method: row for row in record.networks}
    assert scores["fit"].f1 > scores["prior alone"].f1
    assert {"fit, shuffled prior", "fit, no prior"} <= scores.keys()
    errors = {f.method: f.one_step_mse for f in record.forecasts if f.data == "test"}
    assert errors["fit"] < min(errors["persistence"], errors["ridge linear ODE"])
    assert [arm.method for arm in record.arms] == ["fit", "shuffled prior", "no prior"]


def test_the_path_goes_from_many_edges_to_few_with_one_chosen(gene_run):
    record, _, _ = gene_run
    edges = [point.edges for point in record.path]
    assert edges == sorted(edges, reverse=True)
    assert [point.selected for point in record.path].count(True) == 1
    assert [p.probability for p in record.path] == sorted(p.probability for p in record.path)


def test_the_saved_model_forecasts_as_the_run_did(gene_run):
    record, out, material = gene_run
    model = load_model(out)
    ends = predict(model, material.test, measured=True).stack()
    fitted = next(f for f in record.forecasts if (f.method, f.data) == ("fit", "test"))
    starts = np.cumsum([0] + [len(t.times) for t in material.test.items[:-1]])
    later = np.delete(ends - material.test.stack(), starts, axis=0)
    np.testing.assert_allclose(np.square(later).mean(), fitted.rollout_mse, rtol=1e-6)


def test_measured_starts_are_estimated_and_exact_ones_are_taken_as_they_are(gene_run):
    _, out, material = gene_run
    model, first = load_model(out), material.test.items[0]
    now = np.array([0.0, 1e-9])
    exact, measured = (
        predict(model, material.test.subset([0]), times=now, measured=m).items[0].values[1]
        for m in (False, True)
    )
    np.testing.assert_allclose(exact, first.values[0], atol=1e-6)
    np.testing.assert_allclose(measured, model.estimate(first.values[:1].T)[:, 0], atol=1e-6)
    ratio = model.field.reliability
    assert ((ratio > 0.3) & (ratio < 1)).all()


def test_another_round_can_be_chosen_afterwards_without_a_new_search(tmp_path):
    train, _, _, prior = study(genes=12, trajectories=12)
    material = make_material(train, prior=prior)
    first = fit(material, make_config(QUICK | {"controls": False}), out=tmp_path / "run")
    steps = []
    again = resume(
        tmp_path / "run", material=material, select=0, progress=lambda *a: steps.append(a)
    )
    assert not steps
    assert again.path[0].selected
    assert again.edges_total == first.path[0].edges
    assert "select = 0" in (tmp_path / "run" / "config.toml").read_text()
    with pytest.raises(ConfigError, match="round 99"):
        resume(tmp_path / "run", material=material, select=99)
    back = resume(tmp_path / "run", material=material, select="posterior")
    assert back.edges_total == first.edges_total


def test_an_interrupted_search_resumes_to_the_same_files(tmp_path):
    train, _, _, prior = study(genes=12, trajectories=12)
    material = make_material(train, prior=prior)
    config = make_config(QUICK)
    fit(material, config, out=tmp_path / "whole")

    def stop(arm, number, *_):
        if (arm, number) == ("shuffled prior", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(material, config, out=tmp_path / "cut", progress=stop)
    assert not (tmp_path / "cut" / "DONE").exists()
    resume(tmp_path / "cut", material=material)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


def test_without_a_prior_every_edge_is_added(tmp_path):
    train, _, _, _ = study(genes=12, trajectories=12)
    record = fit(make_material(train), make_config(QUICK), out=tmp_path / "run")
    assert record.evidence.prior_trust is None
    assert {row["status"] for row in table(tmp_path / "run")} == {"added"}
    assert json.loads((tmp_path / "run" / "record.json").read_text())["field"] == "gene"


def test_statuses_follow_the_bayes_factor_and_the_choice():
    network = Network(GENES, np.array([0, 1, 2]), np.array([1, 2, 3]), np.ones(3), signed=True)
    prior = Network(GENES, np.array([0, 1, 3, 3]), np.array([1, 2, 0, 1]), np.ones(4))
    numbers = np.array([5.0, 0.1, 8.0, -4.0, -0.2])
    known = EdgeTable(
        np.array([0, 1, 2, 3, 3]),
        np.array([1, 2, 3, 0, 1]),
        *[np.ones(5)] * 2,
        numbers,
        *[np.ones(5)] * 2,
    )
    listed, statuses = edge_statuses(known, network, prior)
    found = dict(zip(zip(listed.source, listed.target, strict=True), statuses, strict=True))
    assert found == {
        (0, 1): "kept",
        (1, 2): "untested",
        (2, 3): "added",
        (3, 0): "refuted",
        (3, 1): "untested",
    }
