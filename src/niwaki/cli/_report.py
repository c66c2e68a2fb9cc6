"""``niwaki report``: write a run's page again."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Json
from niwaki.cli._output import print_json, say


@app.command(epilog="Example: niwaki report run")
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")],
    json: Json = False,
) -> None:
    """Write report.html from a finished run folder; needs nothing else."""
    from niwaki.report import write_report

    page = write_report(run)
    if json:
        print_json({"report": str(page)})
    else:
        say(f"Report   {page}")
