"""``niwaki benchmark sim350``: one method or the whole table on the network with exact truth."""

import itertools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from niwaki.cli._benchmark._group import Quick, group, published_cell
from niwaki.cli._options import Json, Quiet
from niwaki.cli._output import job_progress, print_json, print_table, say, training_progress
from niwaki.core import ConfigError

if TYPE_CHECKING:  # it loads torch
    from niwaki.sweep import BenchmarkRow

_NOISE = 0.025
_FOLDER = "sim350-table"
_COLUMNS = (
    "method",
    "noise",
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


@group.command(
    epilog="Example: niwaki benchmark sim350 --method dash --method dash-paper --noise 0.025 --json"
)
def sim350(
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method; give the option again for more. Default: gene; with --all every method."
        ),
    ] = None,
    noise: Annotated[
        list[float] | None,
        typer.Option(
            help="0.025, 0.05 or 0.1; give the option again for more. Default: 0.025; with --all "
            "every level."
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            help="Seed; give the option again for more. Default: 0; with --all 0, 1 and 2."
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="The whole table, kept in --out; the same command continues it."
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
        typer.Option("--out", "-o", help="With --all: folder. Default: sim350-table."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="With --all: processes. Default: one per processor.", min=1),
    ] = None,
    quick: Quick = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Score methods on 350 genes with an exact truth, the prior alone beside them."""
    of_table = {"--section": section, "--workers": workers, "--out": out}
    given = [option for option, value in of_table.items() if value is not None]
    if given and not everything:
        raise ConfigError(f"{given[0]} belongs to --all; add --all, or leave it out.")
    if everything:
        seeds, folder = seed or [0, 1, 2], out or Path(_FOLDER)
        _table(_Table(section, method, noise, seeds, quick, workers, folder), quiet, json)
    else:
        _rows(method or ["gene"], noise or [_NOISE], seed or [0], quick, quiet, json)


class _Table(NamedTuple):
    """What of the table is asked for."""

    sections: list[str] | None
    methods: list[str] | None
    noise: list[float] | None
    seeds: list[int]
    quick: bool
    workers: int | None
    out: Path

    def command(self) -> str:
        """Return the command that makes this table."""
        words = ["niwaki benchmark sim350 --all"]
        words += [f"--section {name}" for name in self.sections or ()]
        words += [f"--method {shlex.quote(name)}" for name in self.methods or ()]
        words += [f"--noise {level:g}" for level in self.noise or ()]
        words += [f"--seed {seed}" for seed in self.seeds]
        words += ["--quick"] if self.quick else []
        return " ".join([*words, f"--out {shlex.quote(str(self.out))}"])


def _table(asked: _Table, quiet: bool, json: bool) -> None:
    """Run what is left of a table, and write it."""
    from niwaki import sweep

    jobs = sweep.plan_table(
        sections=asked.sections or sweep.SECTIONS,
        methods=asked.methods,
        noise=asked.noise or sweep.NOISE_LEVELS,
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
    stopped = sweep.stopped_runs(jobs, asked.out)
    path = sweep.write_table(
        rows, asked.out, command=asked.command(), missing=len(failed), stopped=stopped
    )
    if json:
        print_json([row.row.model_dump() | {"section": row.section} for row in rows])
        return
    if asked.quick:
        say("Quick form: a small model and few epochs; the numbers mean nothing.")
    for problem in (*failed, *stopped):
        say(f"failed: {problem}")
    say(f"{len(jobs) - len(failed)} of {len(jobs)} runs; {path} and {path.with_suffix('.html')}")


def _rows(
    methods: list[str], noise: list[float], seeds: list[int], quick: bool, quiet: bool, json: bool
) -> None:
    from niwaki import sweep

    rows: list[BenchmarkRow] = []
    with training_progress(quiet or json) as progress:
        for level, seed in itertools.product(noise, seeds):
            rows += sweep.benchmark_sim350(
                methods, noise=level, seed=seed, quick=quick, progress=progress
            )
    if json:
        print_json([row.model_dump() for row in rows])
        return
    if quick:
        say("Quick form: a small model and few epochs; the numbers mean nothing.")
    print_table(
        "sim350; one step, roll-out: mean squared error on noise-free test data",
        _COLUMNS,
        [
            (
                row.method,
                row.noise,
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
                published_cell(row.published),
            )
            for row in rows
        ],
    )
