"""The network of a run in the forms of other programs."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from niwaki.core import ConfigError, RunFolderError, Trajectories, storage_error, write_atomic
from niwaki.experiment._folder import RunFolder, open_run
from niwaki.experiment._material import read_material
from niwaki.experiment._network import REMOVED

FORMATS = ("tsv", "graphml", "json", "h5ad")


def export(run: Path | str, out: Path | str, *, form: str | None = None) -> Path:
    """Write the network of a finished run as a file for another program.

    Parameters
    ----------
    run
        The run folder.
    out
        The file to write.
    form
        ``tsv``, ``graphml``, ``json`` (Cytoscape), or ``h5ad``: the run's expression data with
        the network in ``varp['niwaki']``, a sparse matrix ``[target, regulator]``, and a summary in
        ``uns['niwaki']``. By default the extension of `out`.

    Raises
    ------
    ConfigError
        If the form is unknown.
    RunFolderError
        If the run is not finished, or was not fitted from a file (only for ``h5ad``).
    """
    path = Path(out)
    chosen = form or path.suffix.lstrip(".")
    if chosen not in FORMATS:
        raise ConfigError(
            f"the form '{chosen}' is unknown; expected {', '.join(FORMATS)}, by --format or as the "
            "extension of the file."
        )
    folder, _, inputs = open_run(Path(run))
    if not folder.done:
        raise RunFolderError(
            f"{folder.path} is not finished; finish it with niwaki fit --resume {folder.path}."
        )
    if chosen in ("tsv", "graphml"):
        write_atomic(path, _read(folder, f"network.{chosen}"))
    elif chosen == "json":
        write_atomic(path, json.dumps(_cytoscape(folder), indent=1, ensure_ascii=False) + "\n")
    elif inputs is None:
        raise RunFolderError(f"{run} was not fitted from a file, so there is no data to write to.")
    else:
        data = read_material(inputs.expression_only()).data
        annotated = _annotated(data, Path(inputs.data))
        _add_network(annotated, folder)
        _write(annotated, path)
    return path


def _read(folder: RunFolder, name: str) -> str:
    path = folder.path / name
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(
            f"{path} cannot be read; write it again with niwaki fit --resume {folder.path}."
        ) from error


def _edges(folder: RunFolder) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(_read(folder, "network.tsv")), delimiter="\t")
    return [row for row in rows if row["status"] != REMOVED]


def _cytoscape(folder: RunFolder) -> dict[str, Any]:
    edges = _edges(folder)
    linked = sorted({edge[end] for edge in edges for end in ("source", "target")})
    place = {gene: f"n{i}" for i, gene in enumerate(linked)}
    return {
        "data": {"name": folder.path.name},
        "elements": {
            "nodes": [{"data": {"id": key, "name": gene}} for gene, key in place.items()],
            "edges": [
                {
                    "data": {
                        "id": f"e{i}",
                        "source": place[edge["source"]],
                        "target": place[edge["target"]],
                        "weight": float(edge["weight"]),
                        "sign": edge["sign"],
                        "status": edge["status"],
                    }
                }
                for i, edge in enumerate(edges)
            ],
        },
    }


def _annotated(data: Trajectories, path: Path) -> anndata.AnnData:
    """Return the user's own object where there is one, else one made of the trajectories."""
    if path.suffix == ".h5ad":
        return anndata.read_h5ad(path)
    count = sum(len(item.times) for item in data.items)
    obs = pd.DataFrame(
        {
            "trajectory": [item.name for item in data.items for _ in item.times],
            "time": np.concatenate([item.times for item in data.items]),
        },
        index=[str(i) for i in range(count)],
    )
    return anndata.AnnData(data.stack(), obs=obs, var=pd.DataFrame(index=list(data.genes)))


def _add_network(annotated: anndata.AnnData, folder: RunFolder) -> None:
    edges = _edges(folder)
    place = {str(gene): i for i, gene in enumerate(annotated.var_names)}
    target = [place[edge["target"]] for edge in edges]
    source = [place[edge["source"]] for edge in edges]
    weight = [float(edge["weight"]) for edge in edges]
    shape = (annotated.n_vars, annotated.n_vars)
    annotated.varp["niwaki"] = sparse.csr_matrix((weight, (target, source)), shape=shape)
    record = json.loads(_read(folder, "record.json"))
    kept = ("version", "title", "criterion", "field", "lambda1", "lambda2", "edges_total")
    annotated.uns["niwaki"] = {name: record[name] for name in kept} | {
        "matrix": "varp['niwaki'][target, regulator]"
    }


def _write(annotated: anndata.AnnData, path: Path) -> None:
    """Write the object whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        annotated.write_h5ad(temporary)
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
