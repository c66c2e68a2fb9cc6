"""Which way round a table of expression is."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from niwaki.core import InputError
from niwaki.data._columns import (
    GENE_NAMES,
    TIME_NAMES,
    VALUE_NAMES,
    find_column,
    parse_labels,
    parse_time,
)
from niwaki.data._text import is_number, shorten

Layout = Literal["phoenix", "long", "samples", "genes"]

_CORNERS = {"", "id", "name", "names", "index", "rowname", "rownames", "unnamed: 0", *TIME_NAMES}


def detect_layout(preview: Sequence[Sequence[str]], *, time_key: str | None = None) -> Layout:
    """Return the layout of the table whose first rows are `preview`.

    ``phoenix``: sizes in the first row, then blocks of gene rows and a row of times. ``long``: one
    row per value. ``samples``: one row per time of a sample, genes in columns. ``genes``: one row
    per gene, times in columns.

    Raises
    ------
    InputError
        If no layout fits.
    """
    if _is_phoenix(preview):
        return "phoenix"
    header = full_header(preview)
    time = find_column(header, TIME_NAMES, key=time_key, what="time")
    gene = find_column(header, GENE_NAMES, what="gene")
    value = find_column(header, VALUE_NAMES, what="value")
    if time is not None and gene is not None and value is not None:
        return "long"
    titles = header[1:]
    if titles and all(is_number(title) for title in titles):
        _check_times_header(header)
        return "genes"
    if time is not None:
        return "samples"
    if titles and parse_labels(titles) is not None:
        return "genes"
    shown = ", ".join(f"'{shorten(title, limit=20)}'" for title in header[:6])
    raise InputError(
        f"the first row ({shown}) says neither which column is the time nor that the columns are "
        "times; expected a column called 'time' (or named by time_key, --time-key), or a header "
        "of times, or of labels such as 'donorA_t5'."
    )


def full_header(preview: Sequence[Sequence[str]]) -> list[str]:
    """Return the titles of the columns.

    Where R left out the title of the row names, an empty one is put first; empty titles at the end,
    which spreadsheets leave behind, are dropped.
    """
    header = [title.strip() for title in preview[0]]
    below = preview[1:]
    if below and all(len(row) == len(header) + 1 and row[-1].strip() for row in below):
        return ["", *header]
    while len(header) > 1 and not header[-1]:
        header.pop()
    return header


def is_corner(title: str) -> bool:
    """Tell whether `title` may stand above a column of gene names."""
    lower = title.lower()
    return lower in _CORNERS or lower in GENE_NAMES or parse_time(title) is not None


def _is_phoenix(preview: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row is two whole numbers, padded, or with no row names below."""
    first = [cell.strip() for cell in preview[0]]
    sizes, padding = first[:2], first[2:]
    if len(sizes) < 2 or any(padding) or not all(s.lstrip("+-").isdigit() for s in sizes):
        return False
    return bool(padding) or all(is_number(row[0]) for row in preview[1:])


def _check_times_header(header: Sequence[str]) -> None:
    """Raise InputError if a numeric first row may be the values of a first gene."""
    values = [float(title) for title in header[1:]]
    if not is_corner(header[0]) and any(b < a for a, b in pairwise(values)):
        raise InputError(
            f"the first row starts with '{shorten(header[0])}' and its numbers do not increase, so "
            "it looks like a gene and not like a header of times; add a first row with the times."
        )
