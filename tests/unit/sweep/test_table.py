import json
import os
from dataclasses import replace

import pytest

from niwaki.cli import run
from niwaki.core import ConfigError, DivergedError, InputError, StorageError
from niwaki.experiment import make_config
from niwaki.sweep import (
    GRIDS,
    METHODS,
    SECTIONS,
    Job,
    _plan,
    _table,
    collect_table,
    plan_table,
    run_table,
    stopped_runs,
    write_table,
)
from niwaki.sweep._rows import BenchmarkRow

NOISE = (0.025, 0.1)


def row(method, **values):
    empty = dict.fromkeys(("precision", "recall", "f1", "balanced_accuracy", "auprc"), 0.5)
    fields = {"edges": 10, "mean_out_degree": 1.0, "auprc_ratio": 1.0, "early_precision": 0.5}
    where = {"dataset": "sim350", "noise": 0.025, "seed": 0}
    return BenchmarkRow(method=method, **{**empty, **fields, **where, **values})


def pretend(job):
    """Rows in which a later setting is sparser and, at the third, clearly worse."""
    loss = (1.0, 1.01, 1.5)[job.setting]
    shared = {"noise": job.noise, "seed": job.seed}
    return [
        row("prior alone", **shared),
        row(
            job.method,
            sparsity=0.5 + 0.2 * job.setting,
            held_out_loss=loss,
            cpu_seconds=2.0,
            f1=0.6 + 0.1 * job.seed,
            **shared,
        ),
    ]


def plan(**changes):
    asked = {"sections": ["main"], "methods": ["l1", "dash"], "noise": NOISE, "seeds": [0, 1]}
    return plan_table(**{**asked, **changes})


def test_every_setting_of_every_grid_is_a_configuration_and_grids_are_of_one_size():
    assert set(GRIDS) <= set(METHODS)
    for name, grid in GRIDS.items():
        assert len(grid) == 3
        for changes in grid:
            make_config({**METHODS[name], **changes}, name).resolve(20)


def test_a_plan_has_every_run_once_and_keys_tell_them_apart():
    jobs = plan()
    assert len(jobs) == 2 * 3 * 2 * 2  # methods, settings, levels, seeds
    assert len({job.key for job in jobs}) == len(jobs)
    whole = plan_table(sections=SECTIONS, methods=None, noise=NOISE, seeds=[0])
    assert {job.section for job in whole} == set(SECTIONS)
    assert {job.moved for job in whole if job.section == "corruption"} == {0, 0.1, 0.2, 0.3, 0.4}
    assert all(METHODS[j.method]["field"] == "mlp" for j in whole if j.section == "mlp")


def test_a_key_changes_with_what_the_result_depends_on(monkeypatch):
    job = Job("main", "l1", 0, 0.025, 0)
    others = [replace(job, seed=1), replace(job, setting=1), replace(job, quick=True)]
    assert len({job.key, *(o.key for o in others)}) == 4
    before = job.key
    monkeypatch.setattr(_plan, "METHODS", {**METHODS, "l1": {**METHODS["l1"], "epochs": 7}})
    assert job.key != before


def test_a_stopped_table_goes_on_where_it_was_and_equals_one_run(tmp_path, monkeypatch):
    jobs, ran = plan(), []

    def stops(job):
        if len(ran) == 7:
            raise KeyboardInterrupt
        ran.append(job)
        return pretend(job)

    monkeypatch.setattr(_table, "_rows_of", stops)
    with pytest.raises(KeyboardInterrupt):
        run_table(jobs, tmp_path / "halves", workers=1)
    monkeypatch.setattr(_table, "_rows_of", lambda job: ran.append(job) or pretend(job))
    assert run_table(jobs, tmp_path / "halves", workers=1) == []
    assert len(ran) == len(jobs) == len({job.key for job in ran})
    run_table(jobs, tmp_path / "whole", workers=1)
    halves, whole = (collect_table(jobs, tmp_path / name) for name in ("halves", "whole"))
    assert halves == whole
    seen = []
    run_table(jobs, tmp_path / "whole", workers=1, progress=lambda *a: seen.append(a))
    assert seen == [(len(jobs), len(jobs), "done before")]


def test_a_failed_run_is_named_and_tried_again(tmp_path, monkeypatch):
    def fails(job):
        if job.setting == 2:
            raise InputError("the data is gone.")
        return pretend(job)

    jobs = plan(methods=["l1"], noise=[0.025], seeds=[0])
    monkeypatch.setattr(_table, "_rows_of", fails)
    assert run_table(jobs, tmp_path, workers=1) == [
        "main, l1, noise 0.025, seed 0: the data is gone."
    ]
    monkeypatch.setattr(_table, "_rows_of", pretend)
    assert run_table(jobs, tmp_path, workers=1) == []


@pytest.mark.parametrize("kind", [DivergedError, ConfigError])
def test_a_run_that_its_settings_stop_is_kept_as_such_and_not_tried_again(
    tmp_path, monkeypatch, kind
):
    ran = []

    def stops(job):
        ran.append(job)
        if job.setting == 2:
            raise kind("the loss is <not> finite; try less.")
        return pretend(job)

    jobs = plan(methods=["l1"], noise=[0.025], seeds=[0])
    monkeypatch.setattr(_table, "_rows_of", stops)
    for _ in range(2):
        assert run_table(jobs, tmp_path, workers=1) == []
    assert len(ran) == len(jobs)
    (named,) = stopped_runs(jobs, tmp_path)
    assert named.startswith("main, l1, noise 0.025, seed 0, strength ")
    assert named.endswith(": the loss is <not> finite; try less.")
    rows = collect_table(jobs, tmp_path)
    assert {r.row.method for r in rows} == {"prior alone", "l1"}
    path = write_table(rows, tmp_path, command="niwaki benchmark x", stopped=[named])
    assert f"- {named.removesuffix('; try less.')}" in " ".join(path.read_text().split())
    page = (tmp_path / "table.html").read_text()
    assert "the loss is &lt;not&gt; finite</li>" in page
    assert "not done" not in page


@pytest.mark.slow
def test_a_killed_worker_costs_only_what_was_running(tmp_path, monkeypatch):
    """In worker processes; the first to come by kills itself as the system would."""
    jobs = plan(methods=["l1"])
    marker = tmp_path / "killed"
    monkeypatch.setattr(_table, "run_job", _Killer(str(marker)))
    assert run_table(jobs, tmp_path / "out", workers=2) == []
    assert marker.exists()
    assert len(list((tmp_path / "out" / "jobs").glob("*.json"))) == len(jobs)


class _Killer:
    """A stand-in for a run that needs no data."""

    def __init__(self, marker):
        self.marker = marker

    def __call__(self, job, place):
        if not os.path.exists(self.marker):  # noqa: PTH110
            with open(self.marker, "w"):  # noqa: PTH123
                pass
            os.kill(os.getpid(), 9)
        rows = [entry.model_dump() for entry in pretend(job)]
        (place / f"{job.key}.json").write_text(json.dumps({"setting": "", "rows": rows}))
        return job.method, None


def test_workers_killed_again_and_again_end_in_a_sentence(tmp_path, monkeypatch):
    def killed(*_):
        raise _table.TerminatedWorkerError("killed")

    monkeypatch.setattr(_table, "_run", killed)
    monkeypatch.setattr(_table.time, "sleep", lambda _: None)
    with pytest.raises(StorageError, match="fewer --workers"):
        run_table(plan(), tmp_path, workers=2)


def test_the_sparsest_setting_that_is_as_good_counts_and_the_prior_stands_once(
    tmp_path, monkeypatch
):
    jobs = plan(noise=[0.025])
    monkeypatch.setattr(_table, "_rows_of", pretend)
    run_table(jobs, tmp_path, workers=1)
    rows = collect_table(jobs, tmp_path)
    assert sorted((r.row.method, r.row.seed) for r in rows) == sorted(
        (method, seed) for method in ("prior alone", "l1", "dash") for seed in (0, 1)
    )
    chosen = next(r for r in rows if r.row.method == "l1")
    assert (chosen.row.sparsity, chosen.setting) == (0.7, "strength 0.1")
    assert chosen.tried_cpu_seconds == 6
    path = write_table(rows, tmp_path, command="niwaki benchmark <x>", missing=2)
    text, page = path.read_text(), (tmp_path / "table.html").read_text()
    assert "| l1 | 0.700 ± 0.000 |" in text
    assert "0.650 ± 0.071" in text  # F1 of seeds 0 and 1
    assert "2 runs are not done" in text
    assert "niwaki benchmark &lt;x&gt;" in page
    assert "<script" not in page and "http" not in page


def test_unknown_sections_and_options_out_of_place_are_refused(tmp_path, capsys):
    with pytest.raises(ConfigError, match="'mian' is unknown; choose from main"):
        plan(sections=["mian"])
    for arguments, words in (
        (["--out", "x"], "--out belongs to --all"),
        (["--all", "--section", "mlp", "--method", "l1"], "in none of these sections"),
    ):
        assert run(["benchmark", "sim350", *arguments]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.slow
def test_the_quick_table_is_made_and_resumed_by_its_command(data_folder, tmp_path, capsys):
    out = tmp_path / "table"
    arguments = [*("benchmark", "sim350", "--all", "--quick", "--section", "main", "--seed", "0")]
    arguments += [*("--method", "magnitude", "--noise", "0.025", "--out", str(out))]
    assert run([*arguments, "--workers", "1", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert [r["method"] for r in first][:3] == ["prior alone", "shuffled prior alone", "magnitude"]
    assert all(r["quick"] for r in first)
    assert run([*arguments, "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert "--method magnitude --noise 0.025 --seed 0 --quick" in (out / "table.md").read_text()
