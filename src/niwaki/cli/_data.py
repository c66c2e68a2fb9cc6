"""``niwaki data``: public data sets, downloaded once and checked."""

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.cli._options import Json
from niwaki.cli._output import print_json, say


@app.command(epilog="Example: niwaki data yeast")
def data(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Data set; without it, list them.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where to keep it; default NIWAKI_DATA or the user's cache.")
    ] = None,
    json: Json = False,
) -> None:
    """Download a public data set by pinned commit and check every file against its SHA-256."""
    from niwaki.data import DATA_SETS, data_folder, fetch

    if name is None:
        if json:
            print_json({"folder": str(folder or data_folder()), "names": sorted(DATA_SETS)})
        else:
            say(f"Data sets: {', '.join(sorted(DATA_SETS))} (kept in {folder or data_folder()})")
        return
    place = fetch(name, folder=folder)
    if json:
        print_json({"name": name, "folder": str(place)})
    else:
        say(f"{name} is complete and checked in {place}")
