"""A table of numbers: one sample per row, one named feature per column."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float

from niwaki.core import (
    InputError,
    check_file,
    decode_text,
    read_bytes,
    sniff_delimiter,
    split_lines,
)


def read_features(path: Path) -> tuple[tuple[str, ...], Float[np.ndarray, "sample feature"]]:
    """Return the columns of a table of numbers; a first column of names is left out.

    Raises
    ------
    InputError
        If the file is no such table, or a cell is missing or not a number.
    """
    check_file(path)
    text, _ = decode_text(path, read_bytes(path))
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise InputError(
            f"{path} has {len(lines)} lines; expected a header and one line per sample."
        )
    header, *rows = list(split_lines(lines, sniff_delimiter(lines[:30])))
    if all(_is_number(cell) for cell in header):
        raise InputError(f"{path} begins with numbers; expected a header with one name per column.")
    labelled = not header[0].strip() or not any(_is_number(row[0]) for row in rows)
    names = [name.strip() for name in header[1 if labelled else 0 :]]
    if len(set(names)) < len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise InputError(f"{path} has two columns '{twice}'; column names must be unique.")
    values = np.empty((len(rows), len(names)))
    for number, row in enumerate(rows, 2):
        cells = row[1 if labelled else 0 :]
        if len(cells) != len(names):
            raise InputError(
                f"{path} has {len(row)} cells in line {number} and {len(header)} in its header; "
                "every line needs one per column."
            )
        for place, cell in enumerate(cells):
            if not _is_number(cell):
                raise InputError(
                    f"{path} has '{cell}' in line {number}, column '{names[place]}'; expected a "
                    "finite number with a decimal point, so fill or drop missing values first."
                )
            values[number - 2, place] = float(cell)
    return tuple(names), values


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
