"""Networks from files: edge lists, wide matrices and square matrices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from niwaki.core import ConfigError, EdgeVector, InputError, Network
from niwaki.knowledge._columns import find_columns, is_number, parse_signs
from niwaki.knowledge._table import Table, read_table

_EDGE_LIST_WIDTH = 4  # an all-number table up to this wide may list edges between numbered genes


@dataclass(frozen=True)
class ReadNetwork:
    """A network as a file gives it, and sentences on what was assumed while reading."""

    network: Network
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Edges:
    """Edges as read, before copies are merged; `sign` is None where the file states none."""

    source: np.ndarray
    target: np.ndarray
    weight: EdgeVector
    sign: EdgeVector | None
    genes: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def read_network(
    path: str | Path,
    *,
    genes: Sequence[str] | None = None,
    rows: Literal["source", "target"] = "source",
    signed: bool | None = None,
) -> ReadNetwork:
    """Return the network in a table of edges or a matrix, whatever its form.

    Known forms, as CSV, TSV, Parquet or gzipped text: an edge list with a header (``source,target``
    and its aliases, such as ``TF,target,importance`` or ``from,to``) or without one (source first);
    a matrix with gene names along both sides; a square matrix without names.

    Parameters
    ----------
    path
        The file.
    genes
        Names for a matrix that has none, in its order; otherwise unused.
    rows
        Whether the rows of a matrix are regulators or targets. In the files of PHOENIX a row acts
        on a column.
    signed
        None: signs count if the file has a column of signs. True: a negative weight is
        repression. False: no signs.

    Raises
    ------
    InputError
        If the file cannot be used; the sentence names it and says what to do.
    """
    if rows not in ("source", "target"):
        raise ConfigError(f"rows is '{rows}'; expected 'source' or 'target'.")
    table = read_table(Path(path))
    form = _form(table, genes)
    edges = _edge_list(table) if form == "list" else _matrix(table, form, genes=genes, rows=rows)
    return _network(table.path, edges, signed)


def _form(table: Table, genes: Sequence[str] | None) -> str:
    """Say whether the table is a ``list``, or a ``wide``, ``titled`` or ``bare`` matrix.

    A titled matrix has column names only, a bare one no names.
    """
    width, body = table.width(), [row for row in table.head[1:] if row] or table.head
    if {"source", "target"} <= find_columns(table.head[0]).keys():
        return "list"
    later = all(is_number(cell) for row in body for cell in row)
    if later and all(is_number(cell) for cell in table.head[0]):
        numbered = width <= _EDGE_LIST_WIDTH and (genes is None or len(genes) != width)
        return "list" if numbered else "bare"
    if later:
        return "titled"
    named = not all(is_number(cell) for cell in table.head[0][1:])
    if width > 2 and named and all(is_number(cell) for row in body for cell in row[1:]):
        return "wide"
    return "list"


def _edge_list(table: Table) -> _Edges:
    """Return the edges of a long table."""
    header = table.head[0]
    if len(header) == table.width() - 1:  # R writes no title above its row numbers
        header = ["", *header]
    columns = find_columns(header)
    notes: tuple[str, ...] = ()
    skip = 1
    if not {"source", "target"} <= columns.keys():
        columns, skip = _without_header(table)
        notes = ("No known header: the first column was read as source, the second as target.",)
    cells = table.cells(skip=skip)
    missing = (cells[columns["source"]] == "") | (cells[columns["target"]] == "")
    if missing.any():
        notes += (f"{int(missing.sum())} rows without a source or target were left out.",)
    line = np.flatnonzero(~missing) + skip + 1
    cells = cells[~missing]
    weight = np.ones(len(cells))
    if "weight" in columns:
        weight = _weights(table.path, cells[columns["weight"]], line)
    sign = parse_signs(cells[columns["sign"]]) if "sign" in columns else None
    if sign is not None and not sign[weight != 0].all():  # no weight, no edge, so no sign to state
        notes += (_unknown_signs(sign[weight != 0], header[columns["sign"]] if skip else ""),)
        sign = None
    return _Edges(
        cells[columns["source"]].to_numpy(object),
        cells[columns["target"]].to_numpy(object),
        weight,
        sign,
        None,
        notes,
    )


def _without_header(table: Table) -> tuple[dict[str, int], int]:
    """Guess what the columns after source and target are; say how many rows hold no edge."""
    known = find_columns(table.head[0])
    titles = not any(is_number(cell) for cell in table.head[0])  # TF is also a gene
    if titles and ("source" in known or "target" in known):
        missing = "target" if "source" in known else "source"
        raise InputError(
            f"{table.path} has columns {', '.join(table.head[0])}, none of which is known as the "
            f"{missing}; rename the columns to source, target and weight."
        )
    columns, body = {"source": 0, "target": 1}, table.head[1:] or table.head
    if all(is_number(row[1]) for row in body if len(row) > 1) and not is_number(body[0][0]):
        raise InputError(
            f"{table.path} has gene names in its first column only; expected a source and a target "
            "gene in each row."
        )
    for place in range(2, table.width()):
        cells = pd.Series([row[place] for row in body if len(row) > place], dtype=object)
        numbers = all(is_number(cell) for cell in cells)
        plus = any(row[place].startswith("+") for row in table.head if len(row) > place)
        if parse_signs(cells).all() and (plus or not numbers):
            columns.setdefault("sign", place)
        elif numbers:
            columns.setdefault("weight", place)
    strength = columns.get("weight")
    titled = strength is not None and not is_number(table.head[0][strength])
    return columns, int(titled)


def _matrix(
    table: Table, form: str, *, genes: Sequence[str] | None, rows: Literal["source", "target"]
) -> _Edges:
    """Return the non-zero entries of a matrix as edges."""
    labelled = form == "wide"
    names, frame = table.values(skip=0 if form == "bare" else 1, labelled=labelled)
    values = frame.to_numpy()
    if form == "bare":
        columns = names = _names_for(table.path, values.shape, genes)
    else:
        title = table.head[0]
        columns = title[1:] if labelled and len(title) == table.width() else title
        names = names if labelled else columns
        if len(columns) != values.shape[1] or len(names) != values.shape[0]:
            raise InputError(
                f"{table.path} names {len(columns)} genes above a matrix of {values.shape[0]} x "
                f"{values.shape[1]}; give each row its gene name, or as many rows as columns."
            )
    row, column = np.nonzero(values)
    sides = (np.asarray(names, object)[row], np.asarray(columns, object)[column])
    source, target = sides if rows == "source" else sides[::-1]
    return _Edges(
        source,
        target,
        values[row, column],
        None,
        tuple(dict.fromkeys([*names, *columns])),
        (f"Matrix of {values.shape[0]} x {values.shape[1]}: each row was read as a {rows}.",),
    )


def _names_for(path: Path, shape: tuple[int, ...], genes: Sequence[str] | None) -> list[str]:
    """Return gene names for a square matrix without names."""
    if shape[0] != shape[1]:
        raise InputError(
            f"{path} is a matrix of {shape[0]} x {shape[1]} without gene names; expected a square "
            "one, or names along both sides."
        )
    if genes is None:
        raise InputError(
            f"{path} is a matrix without gene names; give the names in its order, or use an edge "
            "list."
        )
    if len(genes) != shape[0]:
        raise InputError(
            f"{path} is a matrix of {shape[0]} x {shape[1]} without gene names, but there are "
            f"{len(genes)} genes; both must agree, so use a file with gene names."
        )
    return list(genes)


def _weights(path: Path, cells: pd.Series, line: np.ndarray) -> EdgeVector:
    """Return the weights, or name the first cell that is none."""
    numbers = np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise InputError(
            f"{path}: expected a finite weight in row {line[bad[0]]}, got "
            f"'{cells.iloc[bad[0]][:40]}'; write a number such as 0.5, or remove the row."
        )
    return numbers


def _unknown_signs(sign: EdgeVector, title: str) -> str:
    unknown = int((sign == 0).sum())
    return (
        f"{unknown} of {len(sign)} edges state no sign that is understood"
        f"{f' in column {title}' if title else ''}, so signs are not used."
    )


def _network(path: Path, edges: _Edges, signed: bool | None) -> ReadNetwork:
    """Return the network with copies merged, and all notes."""
    notes = list(edges.notes)
    weight, negative = edges.weight, int((edges.weight < 0).sum())
    stated = edges.sign is not None
    if stated:
        weight = np.abs(weight) * edges.sign
    elif negative and signed is None:
        notes.append(
            f"{negative} of {len(weight)} weights are negative, but no column says that this means "
            "repression, so signs are not used."
        )
    use_signs = signed if signed is not None else stated
    weight = weight if use_signs else np.abs(weight)
    living = weight != 0
    if not living.any():
        raise InputError(f"{path} holds no edges; expected rows with a source and a target gene.")
    if not living.all():
        notes.append(f"{int((~living).sum())} edges of weight 0 were left out.")
    kept = replace(
        edges,
        source=edges.source[living],
        target=edges.target[living],
        weight=weight[living],
        sign=None,  # it is in the weight now
    )
    network, more = _merged(kept, signed=use_signs)
    return ReadNetwork(network, (*notes, *more))


def _merged(edges: _Edges, *, signed: bool) -> tuple[Network, list[str]]:
    """Return the network with the strongest copy of each edge, and notes."""
    names = edges.genes or tuple(sorted({*edges.source, *edges.target}))
    index = pd.Index(names)
    source = index.get_indexer(pd.Index(edges.source)).astype(np.int64)
    target = index.get_indexer(pd.Index(edges.target)).astype(np.int64)
    keys = target * len(names) + source
    order = np.lexsort((np.arange(len(keys)), -np.abs(edges.weight), keys))
    first = np.ones(len(keys), dtype=bool)
    first[1:] = keys[order][1:] != keys[order][:-1]
    keep = np.sort(order[first])
    notes = []
    if len(keep) < len(keys):
        notes.append(
            f"{len(keys) - len(keep)} repeated edges were merged; the strongest weight counts."
        )
    loops = int((source[keep] == target[keep]).sum())
    if loops:
        notes.append(f"{loops} edges from a gene to itself were kept.")
    return Network(names, source[keep], target[keep], edges.weight[keep], signed), notes
