import itertools
import json

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from unit.experiment.study import all_files, chain_network, results, small, wave, write_study

from niwaki.core import AlignmentError, ConfigError, InputError, Network, RunFolderError, RunRecord
from niwaki.data import read_anndata
from niwaki.experiment import (
    Inputs,
    _folder,
    _results,
    fit,
    load_model,
    make_material,
    predict,
    read_material,
    resume,
)
from niwaki.experiment._checkpoint import load_tensors


def perceptron(genes=4, hidden=3):
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(genes, hidden), nn.Tanh(), nn.Linear(hidden, genes))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
    return module


# ------------------------------------------------------------------------- what a run leaves
def test_a_finished_run_holds_everything_and_no_pickle(finished):
    names = {path.relative_to(finished).as_posix() for path in all_files(finished)}
    assert {
        "config.toml", "inputs.json", "model.safetensors", "metrics.jsonl", "path.tsv",
        "network.tsv", "network.graphml", "record.json", "run.log", "DONE",
    } <= names  # fmt: skip
    assert {name.rpartition(".")[2] for name in names} <= {
        "toml", "json", "safetensors", "jsonl", "tsv", "graphml", "log", "DONE", "md", "svg",
    }  # fmt: skip
    for path in all_files(finished):
        head = path.read_bytes()[:2]
        assert head[:1] != b"\x80"  # pickle protocol 2 and later
        assert head != b"PK"  # torch's zip of pickles
    log = (finished / "run.log").read_text()
    assert "fit: 9 epochs, 4 rounds" in log
    assert log.splitlines()[-1].startswith("done in")


def test_done_is_written_last(material, inputs, tmp_path, monkeypatch):
    written = []
    write = _folder.RunFolder.write

    def note(self, name, content):
        written.append(name)
        write(self, name, content)

    monkeypatch.setattr(_folder.RunFolder, "write", note)
    fit(material, small(controls=False), out=tmp_path / "run", inputs=inputs)
    assert (written[:2], written[-2:]) == (["inputs.json", "config.toml"], ["record.json", "DONE"])


def test_the_record_agrees_with_the_tables(finished):
    record = RunRecord.from_json((finished / "record.json").read_text())
    path = pd.read_csv(finished / "path.tsv", sep="\t")
    metrics = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    network = pd.read_csv(finished / "network.tsv", sep="\t")
    chosen = next(point for point in record.path if point.selected)
    fitted = record.arms[0]
    assert [arm.method for arm in record.arms] == ["fit", "shuffled prior", "no prior"]
    assert path["sparsity"].tolist() == pytest.approx([p.sparsity for p in record.path])
    assert path["sparsity"].is_monotonic_increasing
    assert [m["epoch"] for m in metrics] == list(range(1, 10))
    assert (fitted.sparsity, fitted.edges) == (chosen.sparsity, chosen.edges)
    assert (network["status"] != "removed").sum() == record.edges_written == fitted.edges
    assert network["in_prior"].sum() == record.prior.edges_kept
    rows = {row.method: row for row in record.networks}
    assert {"fit", "prior alone", "shuffled prior alone", "fit, no prior"} <= rows.keys()
    assert rows["fit"].edges == fitted.edges
    assert {f.data for f in record.forecasts} == {"held-out", "test"}
    assert record.solver_audit is not None


def test_pruned_weights_are_zero_and_never_come_back(finished):
    model = load_model(finished)
    parameters = dict(model.field.named_parameters())
    assert len(model.masks) == 4
    for name, mask in model.masks.items():
        assert not parameters[name][~mask].any()
    bits = [
        load_tensors(path, remedy="")[0]["packed.output_sum.bits"]
        for path in sorted((finished / "checkpoint" / "fit").glob("round_*"))
    ]
    for before, after in itertools.pairwise(bits):
        assert not (after & ~before).any()


def test_a_prune_before_any_training_is_possible(tmp_path):
    material = make_material(wave(), prior=chain_network())
    record = fit(material, small(first_prune=1, controls=False), out=tmp_path / "run")
    assert [point.round for point in record.path] == [1, 2, 3]


def test_a_model_that_leaves_the_finite_range_does_not_lose_the_run(
    material, inputs, tmp_path, monkeypatch
):
    def diverge(*args, **kwargs):
        raise _results.DivergedError("far away")

    monkeypatch.setattr(_results, "predict", diverge)
    record = fit(material, small(controls=False), out=tmp_path / "run", inputs=inputs)
    assert np.isnan(record.curves[0].predicted).all()
    text = (tmp_path / "run" / "record.json").read_text()
    assert RunRecord.from_json(text).curves[0].observed == record.curves[0].observed


# --------------------------------------------------------------------------- kinds of input
def test_without_a_prior_the_data_alone_prune(material, tmp_path):
    bare = make_material(material.data)
    with pytest.raises(ConfigError, match="needs a prior"):
        fit(bare, small(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    record = fit(bare, small(criterion="magnitude"), out=tmp_path / "run")
    assert (record.prior, record.networks, len(record.arms)) == (None, [], 1)
    table = pd.read_csv(tmp_path / "run" / "network.tsv", sep="\t")
    assert set(table["status"]) == {"added"}


def test_regulator_interactions_of_ones_own_change_the_fit(material, finished, tmp_path):
    genes = material.data.genes
    ppi = Network.from_edges(genes[:3], genes[3:6], genes=genes)
    options = small(lambda1=1.0, controls=False)
    own = fit(
        make_material(material.data, prior=material.prior.network, ppi=ppi),
        options,
        out=tmp_path / "own",
    )
    fit(make_material(material.data, prior=material.prior.network), options, out=tmp_path / "none")
    assert own.ppi.edges_kept == 3
    assert results(tmp_path / "own")["network.tsv"] != results(tmp_path / "none")["network.tsv"]


def test_a_single_trajectory_holds_out_its_last_times(tmp_path):
    data = wave(trajectories=1, times=tuple(np.linspace(0, 4, 9)))
    record = fit(
        make_material(data, prior=chain_network()), small(controls=False), out=tmp_path / "run"
    )
    assert record.data.held_out == "the last 2 steps of the only trajectory"


def test_an_anndata_object_and_its_file_give_the_same_fit(tmp_path):
    data, prior = wave(), chain_network()
    adata = anndata.AnnData(
        data.stack(),
        obs=pd.DataFrame(
            {
                "pseudotime": np.concatenate([t.times for t in data.items]),
                "donor": [t.name for t in data.items for _ in t.times],
            },
            index=[str(i) for i in range(12)],
        ),
        var=pd.DataFrame(index=list(data.genes)),
    )
    adata.write_h5ad(tmp_path / "x.h5ad")
    (tmp_path / "p.csv").write_text("source,target\na,b\nb,c\nc,d\n")
    keys = {"time_key": "pseudotime", "trajectory_key": "donor"}
    inputs = Inputs(data=str(tmp_path / "x.h5ad"), prior=str(tmp_path / "p.csv"), **keys)
    fit(read_material(inputs), small(), out=tmp_path / "file", inputs=inputs)
    made = make_material(read_anndata(adata, **keys).trajectories, prior=prior)
    fit(made, small(), out=tmp_path / "object")
    for name in ("model.safetensors", "network.tsv", "metrics.jsonl"):
        assert results(tmp_path / "file")[name] == results(tmp_path / "object")[name]


def test_made_material_is_matched_by_gene_name():
    data = wave()
    prior = Network.from_edges(["d", "z"], ["a", "a"])
    test = wave(("z", "d", "c", "b", "a"))
    made = make_material(data, prior=prior, test=test)
    assert (made.prior.report.edges_read, made.prior.report.edges_kept) == (2, 1)
    assert made.test.genes == data.genes
    np.testing.assert_array_equal(made.test.items[0].values[:, 0], test.items[0].values[:, 4])
    with pytest.raises(AlignmentError, match="the prior shares no gene name"):
        make_material(data, prior=Network.from_edges(["A"], ["B"]))
    with pytest.raises(InputError, match="'b'"):
        make_material(data, test=wave(("a", "c", "d")))


# ---------------------------------------------------------------------------- other fields
def test_a_module_of_ones_own_is_trained_pruned_and_loaded(tmp_path):
    module = perceptron()
    before = module[0].weight.detach().clone()
    material = make_material(wave(), prior=chain_network())
    record = fit(material, small(), out=tmp_path / "run", module=module)
    assert (record.field, len(record.path)) == ("module", 4)
    assert torch.equal(module[0].weight, before)  # a copy is trained
    model = load_model(tmp_path / "run", module=module)
    assert set(model.masks) == {"module.0.weight", "module.2.weight"}
    assert len(predict(model, wave())) == 4
    with pytest.raises(ConfigError, match="a module of your own"):
        load_model(tmp_path / "run")
    with pytest.raises(RunFolderError, match="does not fit the model"):
        load_model(tmp_path / "run", module=perceptron(hidden=2))


def test_a_run_with_a_module_resumes_with_it(tmp_path):
    def stop(arm, epoch, epochs, loss):
        if (arm, epoch) == ("fit", 5):
            raise KeyboardInterrupt

    material = make_material(wave(), prior=chain_network())
    options = small(controls=False)
    with pytest.raises(KeyboardInterrupt):
        fit(material, options, out=tmp_path / "run", module=perceptron(), progress=stop)
    with pytest.raises(ConfigError, match="pass it from Python"):
        resume(tmp_path / "run", material=material)
    resume(tmp_path / "run", material=material, module=perceptron())
    fit(material, options, out=tmp_path / "whole", module=perceptron())
    assert results(tmp_path / "run") == results(tmp_path / "whole")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (perceptron(genes=5), "takes 5 genes, but the data has 4"),
        (nn.Sequential(nn.Linear(4, 4)), "two linear layers"),
        (nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 4)), "two linear layers"),
        (nn.Sequential(*perceptron(), nn.Flatten(0)), r"an array of shape \(8,\)"),
    ],
)
def test_an_unusable_module_is_refused_before_anything_is_written(module, message, tmp_path):
    material = make_material(wave(), prior=chain_network())
    with pytest.raises(ConfigError, match=message):
        fit(material, small(), out=tmp_path / "run", module=module)
    assert not (tmp_path / "run").exists()


def test_a_module_in_double_precision_and_with_shared_weights_is_fitted(tmp_path):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = perceptron()
            self.gain = self.again = nn.Parameter(torch.ones(4, dtype=torch.float64))

        def forward(self, state):
            return self.gain * self.net(state) * self.again

    material = make_material(wave(), prior=chain_network())
    module = Shared().double()
    fit(material, small(controls=False), out=tmp_path / "run", module=module)
    assert load_model(tmp_path / "run", module=module).field.module.gain.dtype == torch.float32


def test_awkward_gene_names_survive_a_run(tmp_path):
    names = ("com,ma", 'qu"ote', "<script>alert(1)</script>", "Ångström-β")
    material = make_material(wave(names), prior=chain_network(names))
    fit(material, small(controls=False), out=tmp_path / "run")
    assert load_model(tmp_path / "run").genes == names
    table = pd.read_csv(tmp_path / "run" / "network.tsv", sep="\t")
    assert set(table["source"]) <= set(names)


def test_the_example_is_replaced_by_force_only_and_is_the_same(tmp_path):
    first = write_study(tmp_path)
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="--force"):
        write_study(tmp_path)
    assert write_study(tmp_path, force=True) == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == content
