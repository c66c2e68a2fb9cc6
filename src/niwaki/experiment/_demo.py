"""The built-in example: a simulated network, noisy expression and a corrupted prior."""

import csv
import io
from pathlib import Path

import numpy as np

from niwaki.core import ConfigError, Network, derived_seed, write_atomic
from niwaki.data import add_noise, generate_network, integrate, sample_starts, write_long
from niwaki.experiment._config import Inputs
from niwaki.experiment._folder import make_folder
from niwaki.knowledge import move_edges

_FILES = ("expression.csv", "test.csv", "truth.tsv", "prior.tsv")
_TIMES = np.array([0.0, 1.0, 2.0, 4.0, 6.0, 9.0])


def write_example(
    folder: Path,
    *,
    genes: int = 100,
    trajectories: int = 60,
    noise: float = 0.025,
    moved: float = 0.2,
    seed: int = 0,
    force: bool = False,
) -> Inputs:
    """Write the files of a simulated study and return them as inputs of a fit.

    Parameters
    ----------
    folder
        Where to write; made if needed.
    genes, trajectories
        Size of the study (count).
    noise
        Standard deviation of the measurement noise (share of full expression).
    moved
        Share of the true edges that the prior has in a wrong place (dimensionless).
    seed
        Seed of network, expression, noise and prior.
    force
        Replace files of the same names.

    Raises
    ------
    ConfigError
        If the folder holds a file of such a name and `force` is off.
    """
    taken = [name for name in _FILES if (folder / name).exists()]
    if taken and not force:
        raise ConfigError(
            f"{folder} holds {taken[0]} already; choose another folder, or replace it with --force."
        )
    make_folder(folder)
    system = generate_network(genes, derived_seed(seed, "network"))
    rng = np.random.default_rng(derived_seed(seed, "expression"))
    held = 10
    clean = integrate(system, sample_starts(system, trajectories + held, rng), _TIMES)
    train = add_noise(clean.subset(range(trajectories)), noise, rng)
    write_long(train, folder / "expression.csv")
    write_long(clean.subset(range(trajectories, trajectories + held)), folder / "test.csv")
    write_edges(system.truth, folder / "truth.tsv")
    prior = move_edges(system.truth, moved, rng=np.random.default_rng(derived_seed(seed, "prior")))
    write_edges(prior, folder / "prior.tsv")
    return Inputs(
        data=str(folder / "expression.csv"),
        prior=str(folder / "prior.tsv"),
        reference=str(folder / "truth.tsv"),
        test=str(folder / "test.csv"),
        scope="all",
    )


def write_edges(network: Network, path: Path) -> None:
    """Write a network as TSV: source, target, weight and, where known, sign."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(["source", "target", "weight", *(["sign"] if network.signed else [])])
    for source, target, weight in zip(network.source, network.target, network.weight, strict=True):
        sign = ["+" if weight > 0 else "-"] if network.signed else []
        size = abs(weight) if network.signed else weight
        writer.writerow([network.genes[source], network.genes[target], f"{size:.6g}", *sign])
    write_atomic(path, out.getvalue())
