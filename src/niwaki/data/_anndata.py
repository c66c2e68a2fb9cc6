"""Expression from AnnData objects and files."""

import warnings
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from jaxtyping import Float

from niwaki.core import InputError, check_file
from niwaki.data._assemble import Observations, Reading, assemble
from niwaki.data._columns import TIME_NAMES, TRAJECTORY_NAMES, find_column
from niwaki.data._tables import SINGLE, choose_labels, parse_time_column


def read_h5ad(
    path: Path, *, time_key: str | None, trajectory_key: str | None, layer: str | None
) -> Reading:
    """Read an ``.h5ad`` file; see `read_anndata`.

    Raises
    ------
    InputError
        If the file is damaged or does not hold what is asked for.
    """
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # repeated genes and the like get our own sentence
            data = anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be read as AnnData ({type(error).__name__}); it may be truncated or "
            "not an .h5ad file, so copy it again or write it anew with adata.write_h5ad()."
        ) from error
    return read_anndata(
        data, time_key=time_key, trajectory_key=trajectory_key, layer=layer, source=str(path)
    )


def read_anndata(
    adata: anndata.AnnData,
    *,
    time_key: str | None = None,
    trajectory_key: str | None = None,
    layer: str | None = None,
    source: str = "the AnnData object",
) -> Reading:
    """Read samples (or cells) x genes with time and trajectory in ``obs``.

    Parameters
    ----------
    time_key, trajectory_key
        Columns of ``obs``; without them common names are tried (``time``, ``pseudotime``,
        ``dpt_pseudotime``, ...; ``trajectory``, ``sample``, ``donor``, ...).
    layer
        Layer to read instead of ``X``.
    source
        Name of the data, for messages.

    Raises
    ------
    InputError
        If a key or layer is not there, or a time or value is not usable.
    """
    columns = [str(column) for column in adata.obs.columns]
    try:
        time = find_column(columns, TIME_NAMES, key=time_key, what="time")
        place = find_column(columns, TRAJECTORY_NAMES, key=trajectory_key, what="trajectory")
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    if time is None:
        raise InputError(
            f"{source}: no column of obs is a time ({', '.join(columns) or 'obs has no columns'}); "
            "name it with time_key (--time-key)."
        )
    notes = [f"Column '{columns[time]}' of obs is the time."]
    texts = _texts(adata.obs.iloc[:, time])
    times = parse_time_column(Path(source), texts, column=columns[time])
    labels = [SINGLE] * len(times)
    if place is not None:
        found = _texts(adata.obs.iloc[:, place])
        asked = trajectory_key is not None
        labels = choose_labels(found, times, columns[place], asked=asked, notes=notes)
    genes = [str(gene) for gene in adata.var_names]
    found_rows = Observations(genes, labels, times, _values(adata, layer, source))
    return Reading(assemble(source, found_rows, notes), "h5ad", tuple(notes))


def _texts(column: pd.Series) -> list[str]:
    return ["" if pd.isna(entry) else str(entry) for entry in column]


def _values(
    adata: anndata.AnnData, layer: str | None, source: str
) -> Float[np.ndarray, "row gene"]:
    if layer is not None and layer not in adata.layers:
        shown = ", ".join(map(str, adata.layers)) or "none"
        raise InputError(f"{source} has no layer '{layer}'; its layers are: {shown}.")
    matrix: Any = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise InputError(f"{source} has no values in X; name the layer that holds them.")
    dense = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    try:
        return np.asarray(dense, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{source} holds values that are not numbers ({error}).") from error
