"""``niwaki report``: write a run's page again."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._benchmark._moth import is_moth, report_moth
from niwaki.cli._main import app
from niwaki.cli._options import Json
from niwaki.cli._output import print_json, say


@app.command(epilog="Example: niwaki report run")
def report(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A finished run folder, or that of a moth study, finished or not.",
        ),
    ],
    figures: Annotated[
        bool, typer.Option("--figures", help="Write each figure as an .svg file too.")
    ] = False,
    json: Json = False,
) -> None:
    """Write report.html from a finished run folder; needs nothing else."""
    from niwaki.report import write_figures, write_report

    study = is_moth(run)
    page = report_moth(run) if study else write_report(run)
    drawn = write_figures(run) if figures and not study else []
    if json:
        print_json({"report": str(page), "figures": [str(path) for path in drawn]})
        return
    say(f"Report   {page}")
    for path in drawn:
        say(f"Figure   {path}")
