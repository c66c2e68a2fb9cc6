"""``niwaki benchmark``: methods against a known truth, with the prior alone beside them."""

from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Json, Quiet
from niwaki.cli._output import print_json, print_table, say, training_progress
from niwaki.core import ConfigError

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


@app.command(
    epilog="Example: niwaki benchmark sim350 --method dash --method dash-paper --noise 0.025 --json"
)
def benchmark(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The benchmark: sim350.")],
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method; give the option again for more. Default: dash."),
    ] = None,
    noise: Annotated[float, typer.Option(help="0.025, 0.05 or 0.1.")] = 0.025,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seed; give the option again for more. Default: 0.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few epochs, to see that everything runs.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Run methods against an exactly known network; the prior alone is always a row."""
    from niwaki import sweep

    if name != "sim350":
        raise ConfigError(f"benchmark '{name}' is unknown; there is sim350.")
    rows: list[sweep.BenchmarkRow] = []
    with training_progress(quiet or json) as progress:
        for one in seed or [0]:
            rows += sweep.benchmark_sim350(
                method or ["dash"], noise=noise, seed=one, quick=quick, progress=progress
            )
    if json:
        print_json([row.model_dump() for row in rows])
        return
    if quick:
        say("Quick form: a small model and few epochs; the numbers mean nothing.")
    print_table(
        f"{name}, noise {noise:g}; one step, roll-out: mean squared error on noise-free test data",
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


def _published(values: dict[str, float] | None) -> str | None:
    if values is None:
        return None
    return ", ".join(f"{key} {value:g}" for key, value in values.items())
