"""``niwaki benchmark``: methods against a known truth, with the prior alone beside them."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from niwaki.cli._main import app
from niwaki.cli._moth import run_moth
from niwaki.cli._options import Json, Quiet
from niwaki.cli._output import job_progress, print_json, print_table, say, training_progress
from niwaki.core import ConfigError, Record

if TYPE_CHECKING:  # it loads torch
    from niwaki.sweep import BenchmarkRow, DistillBenchmarkRow

_NOISE, _COUNT = 0.025, 100
_FOLDER = "sim350-table"
_COLUMNS = (
    "method",
    "seed",
    "sparsity",
    "edges",
    "precision",
    "recall",
    "F1",
    "balanced acc.",
    "missing found",
    "false rejected",
    "one step",
    "roll-out",
    "CPU s",
    "published",
)
_NETWORK_COLUMNS = {
    "network": "dataset",
    "method": "method",
    "genes": "genes",
    "noise": "noise",
    "moved": "moved",
    "edges": "edges",
    "precision": "precision",
    "recall": "recall",
    "F1": "f1",
    "missing found": "missing_found",
    "false rejected": "false_rejected",
    "one step": "one_step_mse",
    "roll-out": "rollout_mse",
    "CPU s": "cpu_seconds",
}
_DISTILL_COLUMNS = {
    "task": "task",
    "seed": "seed",
    "method": "method",
    "R2": "r2",
    "RMSE": "rmse",
    "CV R2": "cv_r2",
    "distance": "distance",
    "kept": "kept",
    "numbers": "parameters",
    "predict s": "predict_seconds",
    "CPU s": "cpu_seconds",
    "published": "published",
}
_RELIABILITY_COLUMNS = {
    "bin": "low",
    "to": "high",
    "edges": "edges",
    "mean": "mean",
    "true": "true_share",
    "in prior": "prior_edges",
    "mean ": "prior_mean",
    "true ": "prior_true_share",
    "others": "other_edges",
    "mean  ": "other_mean",
    "true  ": "other_true_share",
}


@app.command(
    epilog="Example: niwaki benchmark sim350 --method dash --method dash-paper --noise 0.025 --json"
)
def benchmark(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The benchmark: sim350, networks, moth or distill."),
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="sim350: method (default: gene); distill: task (default: all). May be repeated."
        ),
    ] = None,
    noise: Annotated[
        float | None, typer.Option(help="sim350: 0.025, 0.05 or 0.1. Default: 0.025.")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Seed; not for networks, give the option again for more. Default: 0."),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="sim350: the whole table (every method unless --method, every noise unless "
            "--noise, three seeds unless --seed), kept in --out; the same command resumes.",
        ),
    ] = False,
    section: Annotated[
        list[str] | None,
        typer.Option(
            help="With --all: main, corruption, mlp, breast500, hema-b or yeast500; give the "
            "option again for more. Default: all."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="With --all, and moth: folder; the same command continues it. Default: "
            "sim350-table, and moth-study.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="With --all: processes. Default: one per processor.", min=1),
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="networks: how many fresh networks. Default: 100.", min=1)
    ] = None,
    networks: Annotated[
        int | None,
        typer.Option(help="moth: how many networks to train and prune. Default: 4.", min=1),
    ] = None,
    criterion: Annotated[
        str | None,
        typer.Option(help="moth: magnitude, random, snip, grasp, synflow, taylor or movement."),
    ] = None,
    published: Annotated[
        bool,
        typer.Option("--published", help="moth: the published schedule, about three times longer."),
    ] = False,
    quirk: Annotated[
        list[str] | None,
        typer.Option(
            help="moth: repeat a slip of the released code: bias-at-weight-cutoff, regrowth, "
            "one-too-few or repeated-batch; give the option again for more."
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="moth: train with products of fewer digits.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="moth: cpu or cuda. Default: cpu.")] = None,
    reliability: Annotated[
        bool,
        typer.Option(
            "--reliability",
            help="networks: print how often edges of a probability or stability are true instead.",
        ),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few passes or epochs, to see that everything runs.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Run methods against known truths, controls beside: edges, wiring, or a wavelet."""
    of_moth: dict[str, object] = {
        "--networks": networks,
        "--criterion": criterion,
        "--published": published or None,
        "--quirk": quirk,
        "--fast": fast or None,
        "--device": device,
    }
    of_networks: dict[str, object] = {"--count": count, "--reliability": reliability or None}
    of_sim350: dict[str, object] = {
        "--method": method,
        "--noise": noise,
        "a second --seed": seed if seed and len(seed) > 1 else None,
        "--all": everything or None,
    }
    of_table: dict[str, object] = {"--section": section, "--workers": workers}
    if name != "moth":
        of_table["--out"] = out
    given = [option for option, value in of_table.items() if value is not None]
    if given and not everything:
        raise ConfigError(f"{given[0]} belongs to --all; add --all, or leave it out.")
    if name == "sim350":
        _refuse(name, {**of_networks, **of_moth})
        if everything:
            seeds, folder = seed or [0, 1, 2], out or Path(_FOLDER)
            asked = _Table(section, method, noise, seeds, quick, workers, folder)
            _table(asked, quiet, json)
        else:
            level = _NOISE if noise is None else noise
            _sim350(method or ["gene"], level, seed or [0], quick, quiet, json)
    elif name == "networks":
        _refuse(name, {**of_sim350, **of_moth})
        _networks(count or _COUNT, (seed or [0])[0], reliability, quick, quiet, json)
    elif name == "moth":
        _refuse(name, {**of_sim350, **of_networks})
        run_moth(
            networks or 4,
            seed=(seed or [0])[0],
            out=out,
            criterion=criterion or "magnitude",
            published=published,
            quirks=quirk or [],
            fast=fast,
            device=device or "cpu",
            quick=quick,
            quiet=quiet,
            json=json,
        )
    elif name == "distill":
        _refuse(name, {"--noise": noise, "--all": everything or None, **of_networks, **of_moth})
        _distill(method, seed or [0], quick, quiet, json)
    else:
        raise ConfigError(
            f"benchmark '{name}' is unknown; there are sim350, networks, moth and distill."
        )


class _Table(NamedTuple):
    """What of the table is asked for."""

    sections: list[str] | None
    methods: list[str] | None
    noise: float | None
    seeds: list[int]
    quick: bool
    workers: int | None
    out: Path

    def command(self) -> str:
        """Return the command that makes this table."""
        words = ["niwaki benchmark sim350 --all"]
        words += [f"--section {name}" for name in self.sections or ()]
        words += [f"--method {shlex.quote(name)}" for name in self.methods or ()]
        words += [] if self.noise is None else [f"--noise {self.noise:g}"]
        words += [f"--seed {seed}" for seed in self.seeds]
        words += ["--quick"] if self.quick else []
        return " ".join([*words, f"--out {shlex.quote(str(self.out))}"])


def _table(asked: _Table, quiet: bool, json: bool) -> None:
    """Run what is left of a table, and write it."""
    from niwaki import sweep

    jobs = sweep.plan_table(
        sections=asked.sections or sweep.SECTIONS,
        methods=asked.methods,
        noise=sweep.NOISE_LEVELS if asked.noise is None else [asked.noise],
        seeds=asked.seeds,
        quick=asked.quick,
    )
    if not jobs:
        raise ConfigError(
            "these methods are in none of these sections; leave out --section or --method."
        )
    with job_progress(quiet or json) as progress:
        failed = sweep.run_table(jobs, asked.out, workers=asked.workers, progress=progress)
    rows = sweep.collect_table(jobs, asked.out)
    path = sweep.write_table(rows, asked.out, command=asked.command(), missing=len(failed))
    if json:
        print_json([row.row.model_dump() | {"section": row.section} for row in rows])
        return
    if asked.quick:
        say("Quick form: a small model and few epochs; the numbers mean nothing.")
    for problem in failed:
        say(f"failed: {problem}")
    say(f"{len(jobs) - len(failed)} of {len(jobs)} runs; {path} and {path.with_suffix('.html')}")


def _refuse(name: str, options: dict[str, object]) -> None:
    """Refuse options that another benchmark has."""
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise ConfigError(f"benchmark {name} does not take {given[0]}; leave it out.")


def _sim350(
    methods: list[str], noise: float, seeds: list[int], quick: bool, quiet: bool, json: bool
) -> None:
    from niwaki import sweep

    rows: list[BenchmarkRow] = []
    with training_progress(quiet or json) as progress:
        for one in seeds:
            rows += sweep.benchmark_sim350(
                methods, noise=noise, seed=one, quick=quick, progress=progress
            )
    if json:
        print_json([row.model_dump() for row in rows])
        return
    if quick:
        say("Quick form: a small model and few epochs; the numbers mean nothing.")
    print_table(
        f"sim350, noise {noise:g}; one step, roll-out: mean squared error on noise-free test data",
        _COLUMNS,
        [
            (
                row.method,
                row.seed,
                row.sparsity,
                row.edges,
                row.precision,
                row.recall,
                row.f1,
                row.balanced_accuracy,
                row.missing_found,
                row.false_rejected,
                row.one_step_mse,
                row.rollout_mse,
                row.cpu_seconds,
                _published(row.published),
            )
            for row in rows
        ],
    )


def _networks(
    count: int, seed: int, reliability: bool, quick: bool, quiet: bool, json: bool
) -> None:
    from niwaki import sweep

    with training_progress(quiet or json) as progress:
        found = sweep.benchmark_networks(count, seed=seed, quick=quick, progress=progress)
    if json:
        print_json(
            {
                "summary": found.summary.model_dump(),
                "reliability": [row.model_dump() for row in found.reliability],
                "rows": [row.model_dump() for row in found.rows],
            }
        )
        return
    if quick:
        say("Quick form: three networks at most; the numbers mean little.")
    if reliability:
        for measure in ("probability", "stability"):
            print_table(
                f"Share of edges that exist, by {measure}: all edges, those of the prior, others",
                tuple(_RELIABILITY_COLUMNS),
                _cells(
                    [r for r in found.reliability if r.measure == measure], _RELIABILITY_COLUMNS
                ),
            )
    else:
        print_table(
            "Fresh networks; one step, roll-out: mean squared error on noise-free test data",
            tuple(_NETWORK_COLUMNS),
            _cells(found.rows, _NETWORK_COLUMNS),
        )
    summary = found.summary
    say(
        f"F1 of the fit is above the prior's in {summary.better} of {summary.networks} networks; "
        f"mean F1 {summary.fit_f1:.3f}, of the prior alone {summary.prior_f1:.3f}."
    )


def _distill(
    tasks: list[str] | None, seeds: list[int], quick: bool, quiet: bool, json: bool
) -> None:
    from niwaki import sweep

    rows: list[DistillBenchmarkRow] = []
    with training_progress(quiet or json, "objective") as progress:
        for task in tasks or sweep.DISTILL_TASKS:
            for seed in seeds:
                rows += sweep.benchmark_distill(task, seed=seed, quick=quick, progress=progress)
    if json:
        print_json([row.model_dump() for row in rows])
        return
    if quick:
        say("Quick form: few samples and epochs; the numbers mean nothing.")
    cells = _cells(rows, _DISTILL_COLUMNS)
    for line, row in zip(cells, rows, strict=True):
        line[-1] = _published(row.published)
    print_table("Simulated tasks; published: on the real data", tuple(_DISTILL_COLUMNS), cells)
    for row in rows:
        if row.note:
            say(f"{row.task}, seed {row.seed}, {row.method}: {row.note}")


def _cells(rows: Sequence[Record], columns: dict[str, str]) -> list[list[object]]:
    return [[getattr(row, field) for field in columns.values()] for row in rows]


def _published(values: dict[str, float] | None) -> str | None:
    if values is None:
        return None
    return ", ".join(f"{key} {value:g}" for key, value in values.items())
