"""Text tables as people send them: encodings, delimiters, quotes, comments, blank lines."""

import csv
import gzip
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from niwaki.core import InputError

DELIMITERS = ("\t", ",", ";", "|", " ")
_PREVIEW = 30
_MISSING = frozenset({"", "na", "nan", "n/a", "#n/a", "null", "none"})
_SIGNATURES = {
    b"PK\x03\x04": "an Excel workbook or zip archive",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"RDX": "an R data file",
}


class Rows(NamedTuple):
    """A table as a stream of rows of text, with the first rows seen already."""

    preview: list[list[str]]
    rows: Iterator[list[str]]
    notes: list[str]


def check_file(path: Path) -> None:
    """Raise InputError unless `path` is a file with content that may be read."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file inside it.")
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name and the folder.")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes); it may not have been saved or copied.")
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}).") from error


def read_text(path: Path) -> tuple[str, list[str]]:
    """Return the text of a plain or gzipped file, and what was assumed about its encoding.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged or not text.
    """
    check_file(path)
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is a truncated or damaged gzip file ({error}); copy or download it again."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    text, notes = _decode(path, data)
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


def sniff_delimiter(lines: list[str]) -> str:
    """Return the delimiter that splits `lines` most evenly into more than one column.

    A delimiter inside quotes does not count. Where several split equally evenly, the earlier of
    tab, comma, semicolon, bar and space wins.
    """

    def evenness(delimiter: str) -> float:
        try:
            widths = [len(row) for row in _split(lines, delimiter)]
        except csv.Error:
            return -1.0
        width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if max(widths, default=1) == 1:
            return -1.0
        return times / len(widths) if width > 1 else 0.0

    return max(DELIMITERS, key=evenness)


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


def _decode(path: Path, data: bytes) -> tuple[str, list[str]]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
        kind = next((k for mark, k in _SIGNATURES.items() if data.startswith(mark)), None)
        if kind is None and b"\0" in data[:4096]:
            kind = "a binary file"
        if kind is not None:
            raise InputError(f"{path} is {kind}, not a text table; export it as CSV or TSV.")
    try:
        return data.decode(encoding), []
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["The file is not UTF-8; it was read as Latin-1."]


def _content_lines(text: str) -> Iterator[str]:
    """Yield lines without blank and comment lines; inside quotes every line counts."""
    inside = False
    for line in io.StringIO(text, newline=""):
        if not inside and (not line.strip() or line.startswith("#")):
            continue
        inside ^= line.count('"') % 2 == 1
        yield line


def _split(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " ")


def _parse(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from _split(_content_lines(text), delimiter)
    except csv.Error as error:
        raise InputError(
            f"{path} cannot be split into cells ({error}); check for an unclosed quote."
        ) from error
