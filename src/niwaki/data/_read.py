"""Reading expression from a file of any supported form."""

from pathlib import Path

import pandas as pd

from niwaki.core import InputError, check_file
from niwaki.data._anndata import read_h5ad
from niwaki.data._assemble import Observations, Reading, assemble
from niwaki.data._layout import detect_layout
from niwaki.data._phoenix import read_phoenix
from niwaki.data._tables import read_genes, read_long, read_samples
from niwaki.data._text import Rows, read_rows, shorten

_TEXT = {".csv", ".tsv", ".txt", ".tab"}
_PARQUET = {".parquet", ".pq"}


def read_expression(
    path: Path | str,
    *,
    genes_file: Path | str | None = None,
    layout: str = "auto",
    time_key: str | None = None,
    trajectory_key: str | None = None,
    layer: str | None = None,
    number_genes: bool = False,
) -> Reading:
    """Read expression over time from AnnData, a long or wide table, or the PHOENIX format.

    Rows are sorted by time, observations of one trajectory at one time are averaged, and time
    points without any value are left out; the notes of the result say where that happened.

    Parameters
    ----------
    path
        ``.h5ad``, ``.parquet``, or text (``.csv``, ``.tsv``, ``.txt``, ``.tab``, each also
        ``.gz``) whose delimiter is found from its content.
    genes_file
        List of gene names for the PHOENIX format, which holds none.
    layout
        ``long``, ``samples`` (one row per sample and time), ``genes`` (one row per gene),
        ``phoenix``, or ``auto``; only for tables.
    time_key, trajectory_key
        Columns of time and trajectory; without them common names are tried.
    layer
        Layer of an AnnData file to read instead of ``X``.
    number_genes
        Whether genes of a PHOENIX file without `genes_file` may be called g1, g2, ...

    Raises
    ------
    InputError
        If the file cannot be read or understood; the sentence names it and says what to do.
    """
    path = Path(path)
    suffix = _suffix(path)
    if suffix == ".h5ad":
        return read_h5ad(path, time_key=time_key, trajectory_key=trajectory_key, layer=layer)
    if suffix not in _TEXT | _PARQUET:
        raise InputError(
            f"{path} has the unknown extension '{suffix}'; expected .h5ad, .csv, .tsv, .txt, .tab "
            "(also .gz) or .parquet."
        )
    table = read_rows(path) if suffix in _TEXT else _read_parquet(path)
    try:
        found = detect_layout(table.preview, time_key=time_key) if layout == "auto" else layout
        if found == "phoenix":
            names = None if genes_file is None else Path(genes_file)
            rows = read_phoenix(path, table, genes_file=names, number_genes=number_genes)
        else:
            if genes_file is not None:
                table.notes.append("The table names its genes; the separate list was not used.")
            keys = (time_key, trajectory_key)
            rows = _read_named(path, table, found, keys=keys, sure=layout == "genes")
        trajectories = assemble(str(path), rows, table.notes)
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error
    return Reading(trajectories, found, tuple(table.notes))


def _read_named(
    path: Path, table: Rows, layout: str, *, keys: tuple[str | None, str | None], sure: bool
) -> Observations:
    """Read a table that holds its gene names; `sure` if the user named the layout."""
    if layout == "genes":
        return read_genes(path, table, sure=sure)
    if layout == "long":
        return read_long(path, table, time_key=keys[0], trajectory_key=keys[1])
    if layout == "samples":
        return read_samples(path, table, time_key=keys[0], trajectory_key=keys[1])
    raise InputError(
        f"the layout '{layout}' is unknown; expected auto, long, samples, genes or phoenix."
    )


def _suffix(path: Path) -> str:
    """Return the extension in lower case, that before ``.gz`` for compressed files."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _read_parquet(path: Path) -> Rows:
    """Return a Parquet table as rows of text; an index that was saved comes first."""
    check_file(path)
    try:
        frame = pd.read_parquet(path)
        if frame.index.nlevels == 1 and frame.index.name is None:
            if not isinstance(frame.index, pd.RangeIndex):
                frame.insert(0, "", frame.index)
        else:
            frame = frame.reset_index()
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet ({shorten(str(error), limit=80)}); it may be "
            "truncated, so copy or write it again."
        ) from error
    header = [str(title) for title in frame.columns]
    body = frame.astype(object).where(frame.notna(), "").to_numpy()
    rows = [header, *([str(cell) for cell in row] for row in body)]
    return Rows(rows[:30], iter(rows), [])
