"""``niwaki benchmark``: methods against a known truth, with the prior alone beside them."""

from collections.abc import Sequence
from typing import Annotated

import typer

from niwaki.cli._main import app
from niwaki.core import Record

group = typer.Typer(
    no_args_is_help=True,
    help="Run methods against known truths, controls beside: edges, wiring, or a wavelet.",
)
app.add_typer(group, name="benchmark")

OneSeed = Annotated[int, typer.Option(help="Seed of every random choice.", min=0)]
Quick = Annotated[
    bool, typer.Option("--quick", help="A few passes or epochs, to see that everything runs.")
]


def cells(rows: Sequence[Record], columns: dict[str, str]) -> list[list[object]]:
    """Return the fields of rows that a table shows, by its columns."""
    return [[getattr(row, field) for field in columns.values()] for row in rows]


def published_cell(values: dict[str, float] | None) -> str | None:
    """Return published numbers as one cell."""
    if values is None:
        return None
    return ", ".join(f"{key} {value:g}" for key, value in values.items())
