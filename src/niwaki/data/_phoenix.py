"""The PHOENIX CSV format: sizes, then per sample one row per gene and a row of times."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from niwaki.core import InputError
from niwaki.data._assemble import Observations
from niwaki.data._names import read_gene_names
from niwaki.data._text import Rows, numbers, shorten, text_cell


def read_phoenix(
    path: Path, table: Rows, *, genes_file: Path | None, number_genes: bool
) -> Observations:
    """Read all samples; cells that are empty from the right on are times that were not measured.

    Raises
    ------
    InputError
        If the sizes in the first row, the rows and the gene names do not agree.
    """
    genes, samples = _sizes(path, next(table.rows))
    names = _gene_names(path, genes, genes_file, number_genes, table.notes)
    rows = list(table.rows)
    expected = samples * (genes + 1)
    if len(rows) != expected:
        raise InputError(
            f"{path}: the first row announces {genes} genes and {samples} samples, which makes "
            f"{expected} further rows (per sample one per gene and one of times), but there are "
            f"{len(rows)}; correct the first row or complete the file."
        )
    labels: list[str] = []
    blocks = []
    for sample in range(samples):
        block = rows[sample * (genes + 1) : (sample + 1) * (genes + 1)]
        blocks.append(_block(path, block, names, f"sample {sample + 1}"))
        labels += [f"sample {sample + 1}"] * blocks[-1].shape[1]
    values = np.concatenate(blocks, axis=1)
    return Observations(names, labels, values[-1], values[:-1].T)


def _sizes(path: Path, first: Sequence[str]) -> tuple[int, int]:
    try:
        genes, samples = (int(cell) for cell in first[:2])
    except ValueError:
        raise InputError(
            f"{path}: the PHOENIX format starts with a row 'genes,samples' (two whole numbers), "
            f"got '{shorten(','.join(first[:2]))}'."
        ) from None
    if genes < 1 or samples < 1:
        raise InputError(
            f"{path}: the first row announces {genes} genes and {samples} samples; both must be "
            "positive."
        )
    return genes, samples


def _gene_names(
    path: Path, genes: int, genes_file: Path | None, number_genes: bool, notes: list[str]
) -> tuple[str, ...]:
    if genes_file is not None:
        names = read_gene_names(genes_file, count=genes)
        if len(names) != genes:
            raise InputError(
                f"{genes_file} names {len(names)} genes but {path} holds {genes}; both must list "
                "the same genes in the same order."
            )
        return names
    if not number_genes:
        raise InputError(
            f"{path} is in the PHOENIX format, which holds no gene names; give the file that lists "
            "them in the order of the rows (--genes FILE, genes_file= in Python)."
        )
    notes.append("The file holds no gene names; genes are called g1, g2, ... in its order.")
    return tuple(f"g{i + 1}" for i in range(genes))


def _block(
    path: Path, rows: Sequence[Sequence[str]], names: Sequence[str], sample: str
) -> Float[np.ndarray, "row time"]:
    """Return genes and times of one sample without the columns that are empty throughout."""
    width = max(len(row) for row in rows)
    block = np.full((len(rows), width), np.nan)
    titles = (*names, "(the times)")
    for place, row in enumerate(rows):
        try:
            block[place, : len(row)] = numbers(list(row))
        except ValueError as error:
            bad = int(error.args[0])
            where = f"{sample}, row of '{titles[place]}', column {bad + 1}"
            raise text_cell(path, row[bad], where=where) from error
    block = block[:, ~np.isnan(block).all(axis=0)]
    timeless = np.isnan(block[-1])
    if block.shape[1] == 0 or timeless.any():
        raise InputError(
            f"{path}: {sample} has {int(timeless.sum())} columns of values without a time; its "
            "last row must hold the time of each column."
        )
    return block
