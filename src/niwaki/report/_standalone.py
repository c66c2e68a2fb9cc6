"""The figures of a report as files of their own, for papers and slides."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from niwaki.core import MotifSummary, write_atomic
from niwaki.report._attribution import bars_figure
from niwaki.report._motifs import motif_figure
from niwaki.report._page import load_figures, static_file

_OPENING = "<svg "
_NAMESPACE = '<svg xmlns="http://www.w3.org/2000/svg" '


def write_figures(folder: Path) -> list[Path]:
    """Write every figure of a finished run to ``figures/*.svg`` and return the paths.

    Each file carries its own style, dark scheme included, and opens in a browser, Inkscape or
    Illustrator.

    Raises
    ------
    RunFolderError
        If the folder does not hold a finished run.
    StorageError
        If a file cannot be written.
    """
    figures = load_figures(folder)
    place = folder / "figures"
    place.mkdir(exist_ok=True)
    written = []
    for name, figure in figures.items():
        path = place / f"{name}.svg"
        write_atomic(path, with_style(figure) + "\n")
        written.append(path)
    return written


def motif_svg(summary: MotifSummary) -> str | None:
    """Return the figure of motifs as a file of its own; None where every null fixes every motif."""
    figure = motif_figure(summary.rows)
    return None if figure is None else with_style(figure) + "\n"


def write_bars(path: Path, title: str, rows: Sequence[tuple[str, float]], *, unit: str) -> None:
    """Write signed bars as an SVG file of their own.

    Parameters
    ----------
    path
        The file.
    title, rows, unit
        Heading, names with their numbers in order, and what the numbers measure.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    write_atomic(path, with_style(bars_figure(title, rows, unit)) + "\n")


def with_style(markup: Markup) -> str:
    """Return the figure with the page's rules for plots inside and the page's paper behind."""
    figure = str(markup)  # text operations on Markup would escape our own elements
    start = figure.index(">") + 1
    opening = figure[:start].replace(_OPENING, _NAMESPACE, 1)
    rules = "\n".join(_rules(static_file("report.css")))
    paper = '<rect width="100%" height="100%" fill="var(--paper)"/>'
    return f"{opening}<style>\n{rules}\n</style>{paper}{figure[start:]}"


def _rules(style: str) -> Iterator[str]:
    """Return the colours and the rules of plots and networks out of the page's style."""
    yield style[: style.index("* {")].strip()
    wanted = (".plot", ".edge", ".head.", ".pill", ".hub-name", ".leaf")
    yield from (line for line in style.splitlines() if line.startswith(wanted))
