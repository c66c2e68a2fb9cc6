"""``niwaki benchmark networks``: fits of fresh networks, and how far to trust what they say."""

from typing import Annotated

import typer

from niwaki.cli._benchmark._group import OneSeed, Quick, cells, group
from niwaki.cli._options import Json, Quiet
from niwaki.cli._output import print_json, print_table, say, training_progress

_COLUMNS = {
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


@group.command(epilog="Example: niwaki benchmark networks --count 20 --reliability")
def networks(
    count: Annotated[int, typer.Option(help="How many fresh networks.", min=1)] = 100,
    seed: OneSeed = 0,
    reliability: Annotated[
        bool,
        typer.Option(
            "--reliability",
            help="Print how often edges of a probability or stability are true instead.",
        ),
    ] = False,
    quick: Quick = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Fit simulated networks of many kinds, and compare each with its truth and its prior."""
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
                cells([r for r in found.reliability if r.measure == measure], _RELIABILITY_COLUMNS),
            )
    else:
        print_table(
            "Fresh networks; one step, roll-out: mean squared error on noise-free test data",
            tuple(_COLUMNS),
            cells(found.rows, _COLUMNS),
        )
    summary = found.summary
    say(
        f"F1 of the fit is above the prior's in {summary.better} of {summary.networks} networks; "
        f"mean F1 {summary.fit_f1:.3f}, of the prior alone {summary.prior_f1:.3f}."
    )
