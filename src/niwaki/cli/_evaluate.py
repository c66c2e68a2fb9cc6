"""``niwaki evaluate``: a run or any edge list against a known network."""

from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Genes, Json, Prior, Scope
from niwaki.cli._output import print_json, say
from niwaki.cli._summary import print_scores


@app.command(epilog="Example: niwaki evaluate network.tsv --reference chip.tsv --prior prior.tsv")
def evaluate(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A run folder, or a table of edges.")
    ],
    reference: Annotated[str, typer.Option("--reference", "-r", help="Table of true edges.")],
    prior: Prior = None,
    genes: Genes = None,
    scope: Scope = None,
    json: Json = False,
) -> None:
    """Score a network against a reference, with the prior alone beside it."""
    from niwaki import experiment

    scope = scope or experiment.own_scope(network)
    rows = experiment.evaluate(network, reference=reference, prior=prior, genes=genes, scope=scope)
    if json:
        print_json([row.model_dump() for row in rows])
        return
    print_scores(f"Against {reference} ({scope} regulators)", rows)
    if len(rows) == 1:
        say("Add --prior: a network that only repeats its prior has found nothing.")
