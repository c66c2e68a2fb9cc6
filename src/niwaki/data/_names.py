"""Lists of gene names, in one or more columns."""

from collections.abc import Sequence
from pathlib import Path

from niwaki.core import InputError
from niwaki.data._assemble import check_genes
from niwaki.data._columns import GENE_NAMES
from niwaki.data._text import read_rows, shorten

_TITLES = {"", "x", "name", "names", "id", "gene names", "v1", *GENE_NAMES}


def read_gene_names(
    path: Path | str, *, column: int | str | None = None, count: int | None = None
) -> tuple[str, ...]:
    """Read gene names in the order of the file.

    Of several columns the first is read, which in the yeast files holds the systematic names that
    priors use; a first column that only counts the rows is passed over.

    Parameters
    ----------
    column
        Title of the column, or its place counted from 0.
    count
        Number of genes expected, if known: tells whether the first row is a header.

    Raises
    ------
    InputError
        If the file cannot be read, the column is not in it, or a name is empty or repeated.
    """
    path = Path(path)
    table = read_rows(path)
    rows = [[cell.strip() for cell in row] for row in table.rows]
    header = rows[0] if _has_header(rows, count) or isinstance(column, str) else None
    if header is not None:
        rows = rows[1:]
        if rows and len(rows[0]) == len(header) + 1:  # R leaves out the title of the row names
            header = ["", *header]
    place = _place(path, header, rows, column)
    short = next((i for i, row in enumerate(rows, start=1) if len(row) <= place), None)
    if short is not None:
        raise InputError(f"{path}: row {short} has no cell in column {place + 1}; complete it.")
    if not rows:
        raise InputError(f"{path} lists no genes; expected one name per row.")
    return check_genes(str(path), [row[place] for row in rows])


def _has_header(rows: Sequence[Sequence[str]], count: int | None) -> bool:
    if count is not None and len(rows) in {count, count + 1}:
        return len(rows) == count + 1
    return all(cell.lower() in _TITLES for cell in rows[0])


def _place(
    path: Path,
    header: Sequence[str] | None,
    rows: Sequence[Sequence[str]],
    column: int | str | None,
) -> int:
    if column is None:
        counting = [str(i) for i in range(1, len(rows) + 1)]
        wide = all(len(row) > 1 for row in rows)
        return 1 if wide and [row[0] for row in rows] == counting else 0
    if isinstance(column, str):
        if header is None or column not in header:
            raise InputError(
                f"{path} has no column '{column}'; its columns are "
                f"{shorten(', '.join(header or ()))}."
            )
        return list(header).index(column)
    width = len(rows[0]) if rows else 0
    if not 0 <= column < width:
        raise InputError(f"{path} has no column {column}; it has {width}, counted from 0.")
    return column
