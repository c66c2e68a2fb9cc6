"""Text tables as people send them: encodings, delimiters, quotes, comments, blank lines."""

import csv
import io
import math
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from niwaki.core import InputError, decode_text, read_bytes, sniff_delimiter, split_lines

_PREVIEW = 30
_MISSING = frozenset({"", "na", "nan", "n/a", "#n/a", "null", "none"})


class Rows(NamedTuple):
    """A table as a stream of rows of text, with the first rows seen already."""

    preview: list[list[str]]
    rows: Iterator[list[str]]
    notes: list[str]


def read_text(path: Path) -> tuple[str, list[str]]:
    """Return the text of a plain or gzipped file, and what was assumed about its encoding.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged or not text.
    """
    text, notes = decode_text(path, read_bytes(path))
    if not text.strip():
        raise InputError(f"{path} holds no text; expected a table.")
    return text, notes


def read_rows(path: Path) -> Rows:
    """Return the rows of a text table; the delimiter is found from the content.

    Lines that are blank or start with ``#`` are skipped.

    Raises
    ------
    InputError
        If the file is not a readable text table.
    """
    text, notes = read_text(path)
    delimiter = sniff_delimiter(list(islice(_content_lines(text), _PREVIEW)))
    rows = _parse(path, text, delimiter)
    preview = list(islice(rows, _PREVIEW))
    if not preview:
        raise InputError(f"{path} holds nothing but comments or blank lines; expected a table.")
    return Rows(preview, chain(preview, rows), notes)


def number(text: str) -> float:
    """Return a number; missing markers such as ``NA`` give NaN.

    Raises
    ------
    ValueError
        If the text is neither.
    """
    text = text.strip()
    if text.lower() in _MISSING:
        return math.nan
    if "_" in text:  # Python would read 1_2 as 12
        raise ValueError(text)
    return float(text)


def is_number(text: str) -> bool:
    """Tell whether `text` is a number, missing markers not counted."""
    try:
        return math.isfinite(number(text))
    except ValueError:
        return False


def numbers(cells: list[str]) -> list[float]:
    """Return a row of numbers; raise ValueError(position) at the first cell that is text."""
    try:
        if not any("_" in cell for cell in cells):
            return list(map(float, cells))
    except ValueError:
        pass
    values = []
    for place, cell in enumerate(cells):
        try:
            values.append(number(cell))
        except ValueError:
            raise ValueError(place) from None
    return values


def text_cell(path: Path, cell: str, *, where: str) -> InputError:
    """Return the error for a text cell among numbers, with a hint for decimal commas."""
    hint = "correct it, leave it empty if it is missing, or remove what is not expression"
    if re.fullmatch(r"\s*-?\d+,\d+\s*", cell):
        hint = "it looks like a decimal comma, so export the table with decimal points"
    return InputError(f"{path}: expected a number in {where}, got '{shorten(cell)}'; {hint}.")


def shorten(text: str, *, limit: int = 40) -> str:
    """Return `text` on one line, cut to `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def _content_lines(text: str) -> Iterator[str]:
    """Yield lines without blank and comment lines; inside quotes every line counts."""
    inside = False
    for line in io.StringIO(text, newline=""):
        if not inside and (not line.strip() or line.startswith("#")):
            continue
        inside ^= line.count('"') % 2 == 1
        yield line


def _parse(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from split_lines(_content_lines(text), delimiter)
    except csv.Error as error:
        raise InputError(
            f"{path} cannot be split into cells ({error}); check for an unclosed quote."
        ) from error
