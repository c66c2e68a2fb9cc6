"""A study small enough to fit in a second: 12 genes, 6 trajectories, 5 hidden units."""

import json
from pathlib import Path

import numpy as np

from niwaki.core import Network, Trajectories, Trajectory
from niwaki.experiment import FitConfig, Inputs, make_config, write_example

# Prunes at epochs 3, 4 and 8, so that the path has four rounds.
SMALL = {
    "hidden": 5,
    "epochs": 9,
    "period": 4,
    "batch": 16,
    "solver": "etd2",
    "threads": 1,
    "device": "cpu",
}
RESULTS = ("model.safetensors", "network.tsv", "network.graphml", "path.tsv", "metrics.jsonl")


def small(**changes: object) -> FitConfig:
    return make_config({**SMALL, **changes})


def write_study(folder: Path, *, seed: int = 0, force: bool = False) -> Inputs:
    return write_example(folder, genes=12, trajectories=6, seed=seed, force=force)


def results(folder: Path) -> dict[str, object]:
    """Everything that must not depend on when or how often a run was interrupted."""
    files: dict[str, object] = {name: (folder / name).read_bytes() for name in RESULTS}
    record = json.loads((folder / "record.json").read_text())
    del record["provenance"]
    return files | {"record.json": record}


def all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def wave(genes=("a", "b", "c", "d"), *, trajectories=4, times=(0.0, 1.0, 2.0)) -> Trajectories:
    """Smooth curves with another phase for each gene and trajectory."""
    grid = np.array(times)
    phase = np.arange(len(genes))
    items = [
        Trajectory(f"s{i}", grid, 0.5 + 0.3 * np.sin(grid[:, None] + phase + 0.4 * i))
        for i in range(trajectories)
    ]
    return Trajectories(tuple(genes), tuple(items))


def chain_network(genes=("a", "b", "c", "d")) -> Network:
    return Network.from_edges(genes[:-1], genes[1:], genes=genes)
