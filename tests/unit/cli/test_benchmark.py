import json

import numpy as np
import pytest
from unit.sweep.generated import shrink

from niwaki import sweep
from niwaki.sweep._reliability import Claims, reliability

ROW = {
    **{"method": "gene", "edges": 3, "mean_out_degree": 1.0, "f1": 0.75, "dataset": "network 000"},
    **{"noise": 0.1, "seed": 0, "genes": 9, "moved": 0.2, "in_degree": 2.0, "or_share": 0.5},
    "activation_share": 0.7,
    **dict.fromkeys(("precision", "recall", "balanced_accuracy")),
    **dict.fromkeys(("auprc", "auprc_ratio", "early_precision")),
}
REFUSED = [
    ("networks", ["--noise", 0.1], "No such option: --noise"),
    ("networks", ["--method", "dash"], "No such option: --method"),
    ("sim350", ["--count", 3], "No such option: --count"),
    ("sim350", ["--reliability"], "No such option: --reliability"),
    ("sim350", ["--workers", 2], "--workers belongs to --all; add --all, or leave it out."),
    ("nets", [], "No such command 'nets'. Did you mean 'networks'?"),
    ("networks", ["--count", 0], "--count"),
]


@pytest.fixture
def asked(monkeypatch):
    """Replace the benchmark by a made-up result; returns what it was called with."""
    calls = []
    yes = np.ones(2, dtype=bool)
    claim = Claims(np.array([0.4, 0.95]), np.array([0.2, 0.6]), yes, yes)
    found = sweep.NetworksBenchmark(
        [sweep.GeneratedRow.model_validate(ROW)],
        sweep.NetworksSummary(networks=4, better=3, fit_f1=0.9, prior_f1=0.8),
        reliability([claim]),
    )

    def run(count, *, seed, quick, progress):
        calls.append((count, seed, quick))
        return found

    monkeypatch.setattr(sweep, "benchmark_networks", run)
    return calls


@pytest.mark.parametrize(("name", "options", "expected"), REFUSED)
def test_options_of_the_other_benchmark_are_refused(name, options, expected, asked, refused):
    assert expected in refused("benchmark", name, *options)
    assert not asked


def test_one_network_runs_from_the_command_line(monkeypatch, niwaki):
    shrink(monkeypatch)
    code, out, error = niwaki("benchmark", "networks", "--count", 1, "--quick", "--json")
    assert (code, error) == (0, "")
    found = json.loads(out)
    rows = found["rows"]
    assert found["summary"]["networks"] == 1
    assert [(row["method"], row["quick"]) for row in rows] == [
        ("prior alone", True),
        ("gene", True),
    ]
    assert set(rows[0]) == set(rows[1]) == set(sweep.GeneratedRow.model_fields)
    assert rows[1]["cpu_seconds"] > 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], (100, 0, False)),
        (["--quick"], (100, 0, True)),
        (["--count", 7, "--seed", 5, "--quiet"], (7, 5, False)),
    ],
)
def test_options_reach_the_benchmark(options, expected, asked, niwaki):
    assert niwaki("benchmark", "networks", *options)[0] == 0
    assert asked == [expected]


def test_a_table_of_networks_ends_in_the_count_of_those_above_their_prior(asked, niwaki):
    out = niwaki("benchmark", "networks", "--quick")[1]
    assert out.startswith("Quick form: three networks at most")
    assert "network 000" in out
    assert "above the prior's in 3 of 4 networks; mean F1 0.900, of the prior alone 0.800." in out


def test_reliability_is_printed_for_both_measures_or_as_rows(asked, niwaki):
    out = niwaki("benchmark", "networks", "--reliability")[1]
    assert "by probability" in out
    assert "by stability" in out
    assert "network 000" not in out
    rows = json.loads(niwaki("benchmark", "networks", "--json")[1])["reliability"]
    assert len(rows) == 14
    assert all(set(row) == set(sweep.ReliabilityRow.model_fields) for row in rows)
    full = [(row["measure"], row["low"], row["mean"]) for row in rows if row["edges"]]
    assert full == [
        *[("probability", 0.3, 0.4), ("probability", 0.9, 0.95)],
        *[("stability", 0.1, 0.2), ("stability", 0.5, 0.6)],
    ]
    assert all(row["true_share"] is None for row in rows if not row["edges"])
