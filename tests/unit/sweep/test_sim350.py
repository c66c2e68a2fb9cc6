import json

import pytest
from unit.experiment.study import chain_network, wave

from niwaki.cli import run
from niwaki.core import ConfigError
from niwaki.experiment import Aligned, make_config, shuffled_prior
from niwaki.knowledge import align
from niwaki.sweep import METHODS, PUBLISHED, _sim350, benchmark_sim350
from niwaki.sweep._methods import QUICK, SHOWN

ROW_NAMES = {
    "method",
    "dataset",
    "noise",
    "seed",
    "sparsity",
    "edges",
    "precision",
    "recall",
    "f1",
    "balanced_accuracy",
    "auprc",
    "missing_found",
    "false_rejected",
    "one_step_mse",
    "rollout_mse",
    "epochs",
    "cpu_seconds",
    "wall_seconds",
    "published",
}


def test_unknown_method_and_noise_are_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r"choose from 'gene', .*'dash', 'dash-paper'"):
        benchmark_sim350(["dashh"])
    with pytest.raises(ConfigError, match="choose one of"):
        benchmark_sim350(["dash"], noise=0.3)


def test_every_published_number_belongs_to_a_method():
    assert set(PUBLISHED) <= set(METHODS)


@pytest.mark.slow
def test_quick_benchmark_prints_the_prior_alone_and_both_rows_of_the_paper(data_folder, capsys):
    arguments = ["benchmark", "sim350", "--method", "dash-paper", "--quick", "--json"]
    assert run(arguments) == 0
    rows = {row["method"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == [
        "prior alone",
        "shuffled prior alone",
        "dash-paper",
        "dash-paper-selected",
    ]
    assert all(ROW_NAMES <= set(row) and row["quick"] for row in rows.values())
    # facts of the shipped files: 27 or 28 of 550 edges moved
    assert rows["prior alone"]["balanced_accuracy"] == pytest.approx(0.975, abs=0.001)
    assert rows["prior alone"]["f1"] == pytest.approx(0.951, abs=0.001)
    assert rows["prior alone"]["missing_found"] == 0
    assert rows["dash-paper"]["published"] == {"sparsity": 0.946, "balanced_accuracy": 0.906}
    assert rows["dash-paper"]["one_step_mse"] > 0


def test_released_methods_keep_the_round_of_the_lowest_validation_loss():
    rules = {name: METHODS[name]["select"] for name in METHODS if name.endswith("-paper")}
    assert rules.pop("pinn+mp-paper") == "last"  # pruned once, then only that round counts
    assert set(rules.values()) == {"best"}


def test_every_method_and_its_quick_form_is_a_configuration():
    for name, values in METHODS.items():
        assert make_config(dict(values)).resolve(20).field == values["field"]
        quick = make_config({**values, **QUICK[values["field"]]}, name)
        assert quick.resolve(20).field == values["field"]


def test_gene_methods_differ_in_the_prior_that_they_see_alone():
    genes = [name for name in METHODS if METHODS[name]["field"] == "gene"]
    assert genes == ["gene", "gene, no prior", "gene, shuffled prior"]
    assert all(METHODS[name] == METHODS["gene"] for name in genes)
    assert set(SHOWN) == set(genes[1:])


def test_a_method_is_shown_the_prior_none_or_a_shuffled_one():
    data = wave(tuple("abcdefgh"))
    study = _sim350.Sim350(data, data, chain_network(data.genes), data.genes)
    prior = Aligned(*align(study.truth, data.genes, file="prior"))
    case = _sim350.Case(study, prior, 0.025, 3, True)
    assert case.shown("gene") is case.shown("dash") is prior
    assert case.shown("gene, no prior") is None
    mixed = case.shown("gene, shuffled prior").network.keys()
    assert mixed.tolist() == shuffled_prior(study.truth, 3).keys().tolist()
    assert sorted(mixed) != sorted(study.truth.keys())


@pytest.mark.slow
def test_gene_method_beats_its_prior_and_is_ranked_by_probability(data_folder):
    rows = {row.method: row for row in benchmark_sim350(["gene"], quick=True)}
    assert list(rows) == ["prior alone", "shuffled prior alone", "gene"]
    alone, fitted = rows["prior alone"], rows["gene"]
    assert fitted.f1 > alone.f1  # 0.981 and 0.951 when written
    assert fitted.auprc > alone.auprc
    assert fitted.published is None
