import json

import pytest

from niwaki.cli import run
from niwaki.core import ConfigError
from niwaki.sweep import METHODS, PUBLISHED, benchmark_sim350

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
    assert {METHODS[name]["select"] for name in METHODS if name.endswith("-paper")} == {"best"}
