"""``niwaki export``: the network of a run for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Json
from niwaki.cli._output import print_json, say


@app.command(epilog="Example: niwaki export run --out network.h5ad")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="tsv, graphml, json (Cytoscape) or h5ad (AnnData); default: the extension.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write the network for Cytoscape, networkx, igraph or scanpy."""
    from niwaki import experiment

    path = experiment.export(run, out, form=form)
    if json:
        print_json({"file": str(path)})
    else:
        say(f"Wrote {path}")
