"""Tables of edges as people send them: encodings, delimiters, quotes, comments, Parquet."""

import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from niwaki.core import InputError, decode_text, read_bytes, sniff_delimiter

_PREVIEW = 40


@dataclass(frozen=True)
class Table:
    """A table of text whose form is not known yet.

    Attributes
    ----------
    path
        Where it comes from, for messages.
    head
        The first rows, split and stripped.
    text, delimiter
        All of it, and what separates its cells.
    """

    path: Path
    head: list[list[str]]
    text: str
    delimiter: str

    def width(self) -> int:
        """Return the number of cells in most of the first rows; of equals, the larger."""
        return _usual_width(self.head)[0]

    def cells(self, *, skip: int) -> pd.DataFrame:
        """Return the rows after the first `skip` as stripped text, missing cells empty."""
        frame = self._parse(skip, str).fillna("")
        for column in frame:
            frame[column] = frame[column].str.strip()
        return frame

    def values(self, *, skip: int, labelled: bool) -> tuple[list[str], pd.DataFrame]:
        """Return row names (none unless `labelled`) and numbers of the rows after `skip`.

        Raises
        ------
        InputError
            If a cell is not a finite number.
        """
        first = 1 if labelled else 0
        try:
            kinds = dict.fromkeys(range(first, self.width()), float) | dict.fromkeys(
                range(first), str
            )
            frame = self._parse(skip, kinds)
        except ValueError:
            frame = self._parse(skip, str)
            frame[frame.columns[first:]] = frame[frame.columns[first:]].apply(
                pd.to_numeric, errors="coerce"
            )
        numbers = frame.iloc[:, first:].astype(float)
        names = [] if not labelled else frame[0].astype(str).str.strip().tolist()
        bad = ~numbers.abs().lt(float("inf")).to_numpy()
        if bad.any():
            row, column = (int(i) for i in next(zip(*bad.nonzero(), strict=True)))
            raise InputError(
                f"{self.path}: expected a number in row {row + skip + 1}, column "
                f"{column + first + 1}, got text, a missing or an infinite value; write 0 where "
                "there is no edge."
            )
        return names, numbers

    def _parse(self, skip: int, dtype: type | Mapping[int, type]) -> pd.DataFrame:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                frame = pd.read_csv(
                    io.StringIO(self.text),
                    sep=r"\s+" if self.delimiter == " " else self.delimiter,
                    header=None,
                    names=list(range(self.width())),
                    index_col=False,
                    skiprows=skip,
                    dtype=dtype,
                    keep_default_na=False,
                    na_values=[],
                    skipinitialspace=True,
                )
        except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
            raise InputError(
                f"{self.path} has rows of different lengths (most have {self.width()} cells); "
                "check the delimiter and for an unclosed quote."
            ) from error
        return frame


def read_table(path: Path) -> Table:
    """Return the table in a text, gzipped or Parquet file.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, or has one column only.
    """
    data = read_bytes(path)
    text = _from_parquet(path) if data.startswith(b"PAR1") else decode_text(path, data)[0]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"(?m)^(#.*|[ \t]*)(\n|\Z)", "", text)
    if not text.strip():
        raise InputError(f"{path} is empty or holds nothing but comments; expected edges.")
    lines = text.split("\n", _PREVIEW)[:_PREVIEW]
    delimiter = sniff_delimiter(lines)
    head = [[cell.strip() for cell in row] for row in _split(lines, delimiter) if row]
    table = Table(path, head, text, delimiter)
    if table.width() < 2:
        raise InputError(
            f"{path} has one column only ('{lines[0].strip()[:40]}'); expected source and target "
            "separated by a comma, tab, semicolon, bar or space."
        )
    return table


def _from_parquet(path: Path) -> str:
    """Return a Parquet table as tab-separated text; a named index becomes its first column."""
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is a damaged Parquet file; copy or download it again.") from error
    labelled = not isinstance(frame.index, pd.RangeIndex)
    return frame.to_csv(sep="\t", index=labelled)


def _usual_width(rows: list[list[str]]) -> tuple[int, int]:
    """Return the most frequent number of cells (of equals, the larger), and how often it occurs."""
    widths = Counter(len(row) for row in rows)
    return max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))


def _split(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return []
    if delimiter == " ":
        rows = [[cell for cell in row if cell] for row in rows]
    return rows
