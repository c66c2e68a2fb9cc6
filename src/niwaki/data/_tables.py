"""Long and wide tables of expression, as observations."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from niwaki.core import InputError
from niwaki.data._assemble import Observations
from niwaki.data._columns import (
    GENE_NAMES,
    TIME_NAMES,
    TRAJECTORY_NAMES,
    VALUE_NAMES,
    find_column,
    is_called,
    parse_labels,
    parse_time,
    parse_times,
)
from niwaki.data._layout import full_header, is_corner
from niwaki.data._text import Rows, is_number, number, numbers, shorten, text_cell

SINGLE = "sample 1"


def read_long(
    path: Path, table: Rows, *, time_key: str | None, trajectory_key: str | None
) -> Observations:
    """Read one value per row: time, gene, value and perhaps trajectory, in any order of columns.

    Raises
    ------
    InputError
        If a column is missing or a cell is not what its column holds.
    """
    header = full_header(table.preview)
    places = [
        _need(header, TIME_NAMES, time_key, "time"),
        _need(header, GENE_NAMES, None, "gene"),
        _need(header, VALUE_NAMES, None, "value"),
    ]
    trajectory = find_column(header, TRAJECTORY_NAMES, key=trajectory_key, what="trajectory")
    if trajectory is not None:
        places.append(trajectory)
    texts, genes, written, *labels = _columns(path, table, places)
    times = parse_time_column(path, texts, column=header[places[0]])
    try:
        values = np.array(numbers(written))
    except ValueError as error:
        bad = int(error.args[0])
        raise text_cell(path, written[bad], where=f"the value column, row {bad + 1}") from error
    groups = labels[0] if trajectory is not None else [SINGLE] * len(times)
    if trajectory is not None:
        _note_groups(header[trajectory], groups, table.notes)
    return _pivot(path, genes, groups, times, values, table.notes)


def read_samples(
    path: Path, table: Rows, *, time_key: str | None, trajectory_key: str | None
) -> Observations:
    """Read one row per time of a sample, with a column per gene.

    Raises
    ------
    InputError
        If there is no column of times or a cell is not a number.
    """
    header = full_header(table.preview)
    time = _need(header, TIME_NAMES, time_key, "time")
    trajectory = find_column(header, TRAJECTORY_NAMES, key=trajectory_key, what="trajectory")
    other = {time, trajectory, *_annotations(header, table, {time, trajectory})}
    places = [i for i in range(len(header)) if i not in other]
    if not places:
        raise InputError(
            f"{path} has no gene columns beside '{shorten(header[time])}'; add one per gene."
        )
    genes = [header[i] for i in places]
    texts, labels, values = [], [], []
    for row in _body(path, table, len(header)):
        texts.append(row[time].strip())
        labels.append(SINGLE if trajectory is None else row[trajectory].strip())
        where = f"row {len(texts)} below the header"
        values.append(_numbers(path, [row[i] for i in places], genes, where))
    times = parse_time_column(path, texts, column=header[time])
    if trajectory is not None:
        labels = choose_labels(
            labels, times, header[trajectory], asked=trajectory_key is not None, notes=table.notes
        )
    return Observations(genes, labels, times, np.array(values))


def read_genes(path: Path, table: Rows, *, sure: bool) -> Observations:
    """Read one row per gene, with a column per time or per sample and time.

    Parameters
    ----------
    sure
        Whether the user asked for this layout, so that plain numbers after a sample are times.

    Raises
    ------
    InputError
        If the header does not give times or a cell is not a number.
    """
    header = full_header(table.preview)
    titles = header[1:]
    try:
        columns = parse_labels(titles, sure=sure)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not titles or columns is None:
        bad = next((title for title in titles if parse_time(title) is None), "")
        raise InputError(
            f"{path}: column '{shorten(bad)}' is not a time; with genes in rows, the header must "
            "hold times such as '5' or '5h', or labels such as 'donorA_t5'."
        )
    if not is_corner(header[0]):
        table.notes.append(f"The first row, '{shorten(header[0])}', was read as a header of times.")
    if any(not is_number(title) for title in titles):
        table.notes.append(
            f"Column '{titles[0]}' was read as time {columns[0].time:g} of '{columns[0].sample}', "
            "and the others likewise."
        )
    genes, values = [], []
    for row in _body(path, table, len(header)):
        genes.append(row[0].strip())
        values.append(_numbers(path, row[1:], titles, f"the row of gene '{shorten(genes[-1])}'"))
    return Observations(
        genes,
        [column.sample for column in columns],
        np.array([column.time for column in columns]),
        np.array(values).T,
    )


def parse_time_column(
    path: Path, texts: Sequence[str], *, column: str
) -> Float[np.ndarray, " row"]:
    """Return the times of a column; units are taken off, missing times are NaN.

    Raises
    ------
    InputError
        If a cell is not a time, or the units differ.
    """
    try:
        return np.array(numbers(list(texts)))
    except ValueError:
        pass
    present = [i for i, text in enumerate(texts) if parse_time(text) or not _is_missing(text)]
    try:
        times = parse_times([texts[i] for i in present])
    except InputError as error:
        raise InputError(f"{path}: column '{shorten(column)}': {error}") from error
    if times is None:
        bad = next(i for i in present if parse_time(texts[i]) is None)
        raise text_cell(path, texts[bad], where=f"column '{shorten(column)}', row {bad + 1}")
    column_times = np.full(len(texts), np.nan)
    column_times[present] = times
    return column_times


def choose_labels(
    labels: Sequence[str],
    times: Float[np.ndarray, " row"],
    column: str,
    *,
    asked: bool,
    notes: list[str],
) -> list[str]:
    """Return the labels, or one label for all where the column only names the rows.

    A column found by its name (not `asked` for) that is different in every row, while times differ
    too, names observations and not trajectories.
    """
    if not asked and len(set(labels)) == len(labels) > 1 and len(np.unique(times)) > 1:
        notes.append(
            f"Column '{shorten(column)}' is different in every row, so it was taken as the names "
            "of the rows; all rows were read as one trajectory."
        )
        return [SINGLE] * len(labels)
    _note_groups(column, labels, notes)
    return list(labels)


def _note_groups(column: str, labels: Sequence[str], notes: list[str]) -> None:
    notes.append(f"Column '{shorten(column)}' tells {len(set(labels))} trajectories apart.")


def _need(header: Sequence[str], names: Sequence[str], key: str | None, what: str) -> int:
    place = find_column(header, names, key=key, what=what)
    if place is None:
        shown = ", ".join(f"'{shorten(title, limit=20)}'" for title in header[:8])
        raise InputError(f"no column for the {what} was found among {shown}; call it '{names[0]}'.")
    return place


def _annotations(header: Sequence[str], table: Rows, used: set[int | None]) -> set[int]:
    """Return the columns that are row names or further descriptions of the samples, with notes."""
    found = set()
    for place, title in enumerate(header):
        if place in used:
            continue
        cells = [row[place] for row in islice(table.preview, 1, None) if place < len(row)]
        names = place == 0 and (not title or not any(is_number(cell) for cell in cells))
        known = is_called(title, (*TIME_NAMES, *TRAJECTORY_NAMES))
        if names or known:
            found.add(place)
            column = f"Column '{shorten(title)}'" if title else "The first column"
            table.notes.append(f"{column} describes the rows and was not read as a gene.")
    return found


def _body(path: Path, table: Rows, width: int) -> Iterator[list[str]]:
    """Yield the rows below the header, each `width` cells wide; raise InputError otherwise."""
    place = 0
    for row in islice(table.rows, 1, None):
        if not any(row) or not any(cell.strip() for cell in row):
            continue
        place += 1
        if len(row) != width and (len(row) < width or any(cell.strip() for cell in row[width:])):
            raise InputError(
                f"{path}: row {place} below the header has {len(row)} cells, expected {width}; "
                "check for a missing cell, or for a name that holds the delimiter without quotes."
            )
        yield row[:width]
    if place == 0:
        raise InputError(f"{path} has a header but no rows below it; expected values.")


def _columns(path: Path, table: Rows, places: Sequence[int]) -> list[list[str]]:
    """Return the columns at `places`; lists of text only, which millions of rows need."""
    columns: list[list[str]] = [[] for _ in places]
    adders = [(column.append, place) for column, place in zip(columns, places, strict=True)]
    for row in _body(path, table, len(full_header(table.preview))):
        for add, place in adders:
            add(row[place].strip())
    return columns


def _numbers(
    path: Path, cells: list[str], titles: Sequence[str], where: str
) -> Float[np.ndarray, " column"]:
    try:
        return np.array(numbers(cells))
    except ValueError as error:
        bad = int(error.args[0])
        raise text_cell(
            path, cells[bad], where=f"column '{shorten(titles[bad])}', {where}"
        ) from error


def _is_missing(text: str) -> bool:
    try:
        return bool(np.isnan(number(text)))
    except ValueError:
        return False


def _pivot(
    path: Path,
    genes: Sequence[str],
    labels: Sequence[str],
    times: Float[np.ndarray, " row"],
    values: Float[np.ndarray, " row"],
    notes: list[str],
) -> Observations:
    """Return one row per trajectory and time; repeated values are averaged, absent ones NaN."""
    if np.isnan(times).any():
        raise InputError(
            f"{path}: {int(np.isnan(times).sum())} rows have no time; give it or remove them."
        )
    gene_code, gene_names = pd.factorize(np.array(genes, dtype=object))
    label_code, label_names = pd.factorize(np.array(labels, dtype=object))
    time_code, distinct = pd.factorize(times)
    spots, spot = np.unique(label_code * len(distinct) + time_code, return_inverse=True)
    cell = spot * len(gene_names) + gene_code
    size = len(spots) * len(gene_names)
    counts = np.bincount(cell, minlength=size)
    sums = np.bincount(cell, weights=values, minlength=size)
    if counts.max() > 1:
        notes.append(
            f"{int((counts > 1).sum())} values of the same trajectory, time and gene stand in "
            "more than one row; they were averaged."
        )
    with np.errstate(invalid="ignore"):
        table = (sums / counts).reshape(-1, len(gene_names))
    return Observations(
        list(gene_names),
        list(label_names[spots // len(distinct)]),
        distinct[spots % len(distinct)],
        table,
    )
