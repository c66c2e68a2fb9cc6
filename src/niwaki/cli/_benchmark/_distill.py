"""``niwaki benchmark distill``: wavelets learned from networks, where the truth is known."""

import itertools
from typing import TYPE_CHECKING, Annotated

import typer

from niwaki.cli._benchmark._group import Quick, cells, group, published_cell
from niwaki.cli._options import Json, Quiet
from niwaki.cli._output import print_json, print_table, say, training_progress

if TYPE_CHECKING:  # it loads torch
    from niwaki.sweep import DistillBenchmarkRow

_COLUMNS = {
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


@group.command(epilog="Example: niwaki benchmark distill --task synthetic --seed 0 --seed 1")
def distill(
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="synthetic, tracks, maps or gene; give the option again for more. Default: all."
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Seed; give the option again for more. Default: 0."),
    ] = None,
    quick: Quick = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Distil wavelets from trained networks on simulated tasks, fixed wavelets beside them."""
    from niwaki import sweep

    rows: list[DistillBenchmarkRow] = []
    with training_progress(quiet or json, "objective") as progress:
        for name, one in itertools.product(task or sweep.DISTILL_TASKS, seed or [0]):
            rows += sweep.benchmark_distill(name, seed=one, quick=quick, progress=progress)
    if json:
        print_json([row.model_dump() for row in rows])
        return
    if quick:
        say("Quick form: few samples and epochs; the numbers mean nothing.")
    table = cells(rows, _COLUMNS)
    for line, row in zip(table, rows, strict=True):
        line[-1] = published_cell(row.published)
    print_table("Simulated tasks; published: on the real data", tuple(_COLUMNS), table)
    for row in rows:
        if row.note:
            say(f"{row.task}, seed {row.seed}, {row.method}: {row.note}")
