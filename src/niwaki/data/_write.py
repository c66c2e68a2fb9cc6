"""Writing trajectories in forms that `read_expression` reads back exactly."""

import csv
import io
from pathlib import Path

from niwaki.core import Trajectories, write_atomic


def write_long(trajectories: Trajectories, path: Path | str) -> None:
    """Write one row per value (trajectory, time, gene, value); tabs for ``.tsv``, else commas.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    path = Path(path)
    out = io.StringIO()
    # Names in quotes: one that starts with '#' would else make its row a comment.
    delimiter = "\t" if path.suffix == ".tsv" else ","
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["trajectory", "time", "gene", "value"])
    for item in trajectories.items:
        for time, state in zip(item.times.tolist(), item.values.tolist(), strict=True):
            writer.writerows(
                (item.name, time, gene, value)
                for gene, value in zip(trajectories.genes, state, strict=True)
            )
    write_atomic(path, out.getvalue())


def write_phoenix(
    trajectories: Trajectories, path: Path | str, *, genes_path: Path | str | None = None
) -> None:
    """Write the PHOENIX format and, beside it, the gene names that it has no place for.

    Parameters
    ----------
    genes_path
        Where the gene names go, under the title ``gene``; without it they are not written.

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    width = max(2, *(len(item.times) for item in trajectories.items))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")

    def write_padded(cells: list[float] | list[int]) -> None:
        writer.writerow([*cells, *[""] * (width - len(cells))])

    write_padded([len(trajectories.genes), len(trajectories)])
    for item in trajectories.items:
        for values in item.values.T.tolist():
            write_padded(values)
        write_padded(item.times.tolist())
    write_atomic(Path(path), out.getvalue())
    if genes_path is not None:
        names = io.StringIO()
        lines = csv.writer(names, lineterminator="\n", quoting=csv.QUOTE_ALL)
        lines.writerows([["gene"], *([gene] for gene in trajectories.genes)])
        write_atomic(Path(genes_path), names.getvalue())
