"""Printing for people and for machines."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


def print_json(content: Any) -> None:
    """Print one JSON document on standard output; NaN becomes null."""
    print(json.dumps(_plain(content), indent=1, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def say(text: str = "") -> None:
    """Print a line for a person, with nothing in it read as markup."""
    Console(soft_wrap=True, highlight=False).print(escape(text))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; None is shown as a dash."""
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=None)
    for number, name in enumerate(columns):
        table.add_column(escape(name), justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row))
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False).print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1e-2 or abs(value) >= 1e4 else f"{value:.3f}"
    return str(value)


@contextmanager
def training_progress(
    quiet: bool, measure: str = "held-out"
) -> Iterator[Callable[[str, int, int, float], None] | None]:
    """Give a callback that draws one bar per arm or stage, with its measure and the time left."""
    if quiet:
        yield None
        return
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn(measure + " {task.fields[loss]:.3g}"),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        tasks: dict[str, Any] = {}

        def show(arm: str, epoch: int, epochs: int, loss: float) -> None:
            if arm not in tasks:
                tasks[arm] = bars.add_task(arm, total=epochs, loss=loss)
            bars.update(tasks[arm], completed=epoch, loss=loss)

        yield show


@contextmanager
def job_progress(quiet: bool) -> Iterator[Callable[[int, int, str], None] | None]:
    """Give a callback that draws one bar over many runs on standard error, with time remaining."""
    if quiet:
        yield None
        return
    console = Console(stderr=True)
    with Progress(
        TextColumn("runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task("", total=None)

        def show(done: int, total: int, what: str) -> None:
            bars.update(task, completed=done, total=total, description=escape(what))

        yield show
