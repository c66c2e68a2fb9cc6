"""The 350-gene benchmark: its repair from the public files, and its parts as objects."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from niwaki.core import InputError, Network, Trajectories, storage_error, write_atomic
from niwaki.data._equations import read_equations, write_equations
from niwaki.data._read import read_expression
from niwaki.data._simulate import simulate
from niwaki.data._system import And, Hill, Or, RegulatorySystem, Rule, both, either
from niwaki.data._text import read_rows
from niwaki.data._write import write_phoenix

NOISES = ("0.025", "0.05", "0.1")
TRAIN, TEST = "train_150samples.csv", "test_10samples.csv"
BUILT_FILES = (
    "equations.csv",
    "genes.txt",
    "truth.tsv",
    *(f"prior_{noise}.tsv" for noise in NOISES),
    TRAIN,
)
_TIMES = (0.0, 2.0, 3.0, 7.0, 9.0)
_TRAIN_SAMPLES = 150


@dataclass(frozen=True)
class Sim350:
    """The 350-gene benchmark.

    Attributes
    ----------
    train, test
        Noise-free trajectories (share of full expression); noise is added by whoever uses them.
    truth
        The signed network that made them.
    genes
        Gene names, in the order of the data.
    """

    train: Trajectories
    test: Trajectories
    truth: Network
    genes: tuple[str, ...]


def read_sim350(folder: Path | str) -> Sim350:
    """Read the benchmark from its folder.

    Raises
    ------
    InputError
        If a file is missing from the folder or damaged.
    """
    folder = Path(folder)
    needed = ("equations.csv", "genes.txt", TRAIN, TEST)
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} lacks {', '.join(missing)} of the sim350 data; fetch it with "
            "'niwaki data sim350' or set NIWAKI_DATA to the folder that holds 'sim350'."
        )
    system = read_equations(folder / "equations.csv")
    genes = folder / "genes.txt"
    train, test = (
        read_expression(folder / name, genes_file=genes, layout="phoenix").trajectories
        for name in (TRAIN, TEST)
    )
    if system.genes != train.genes:
        raise InputError(f"{folder}: equations.csv and genes.txt disagree; fetch the data again.")
    return Sim350(train, test, system.truth, train.genes)


def build_sim350(
    original: Path | str, out: Path | str, *, rng: np.random.Generator | int | None = 350
) -> None:
    """Turn the public files into the benchmark, by three repairs.

    The public equations lack three edges that the public edge list has, have other Hill exponents
    than those that made the public test trajectories, and are in another order of genes. Training
    samples are drawn afresh, since the public ones carry noise.

    Parameters
    ----------
    original
        Folder with the public files.
    out
        Folder to write to; it is made if absent.
    rng
        Random generator or seed of the training samples.

    Raises
    ------
    InputError
        If a public file is missing or not as expected.
    StorageError
        If a file cannot be written.

    References
    ----------
    .. [1] phoenix2024 and dash2024, released data. Unlike them: the equations are complete.
    """
    original, out = Path(original), Path(out)
    system = _repair(
        read_equations(original / "ode_system_functions_350.csv"),
        _read_edges(original / "edge_properties_G350.csv"),
    )
    priors = {
        noise: _read_prior(original / f"edge_prior_matrix_simu_350_noise_{noise}.csv", system.genes)
        for noise in NOISES
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(out, error) from error
    write_equations(system, out / "equations.csv")
    write_atomic(out / "genes.txt", "".join(f"{gene}\n" for gene in system.genes))
    _write_signed(system.truth, out / "truth.tsv")
    for noise, prior in priors.items():
        _write_signed(prior, out / f"prior_{noise}.tsv")
    train = simulate(system, trajectories=_TRAIN_SAMPLES, times=_TIMES, rng=rng)
    write_phoenix(train, out / TRAIN)


def _repair(system: RegulatorySystem, edges: dict[tuple[str, str], Hill]) -> RegulatorySystem:
    """Restore three edges, rescale exponents, and order genes as in the public data."""
    rules = dict(zip(system.genes, system.rules, strict=True))
    try:
        fur4, gal1 = rules["FUR4"], rules["GAL1"]
        if rules["SIN3"] is not None or fur4 is None or gal1 is None:
            raise InputError(
                "the equations of SIN3, FUR4 and GAL1 are not those of the public file; fetch the "
                "original files again."
            )
        order = [gene for gene in system.genes if rules[gene] is None and gene != "SIN3"]
        rules["SIN3"] = edges["REB1", "SIN3"]
        rules["FUR4"] = both(edges["GLN3", "FUR4"], fur4)
        rules["GAL1"] = either(edges["UME6", "GAL1"], gal1)
    except KeyError as error:
        raise InputError(f"the original sim350 files lack {error}; fetch them again.") from error
    order += [gene for gene in system.genes if rules[gene] is not None]
    return RegulatorySystem(
        tuple(order), tuple(rule and _rescaled(rule) for rule in map(rules.__getitem__, order))
    )


def _rescaled(rule: Rule) -> Rule:
    """Return `rule` with exponents from 1.39..1.80 stretched to 1.01..1.70."""
    if isinstance(rule, Hill):
        return replace(rule, exponent=1.01 + 0.69 * (rule.exponent - 1.39) / 0.41)
    kind = And if isinstance(rule, And) else Or
    return kind(tuple(_rescaled(part) for part in rule.parts))


def _read_edges(path: Path) -> dict[tuple[str, str], Hill]:
    """Return the Hill term of each edge of the public edge list."""
    header, *rows = read_rows(path).rows
    try:
        records = [dict(zip(header, row, strict=True)) for row in rows]
        return {
            (r["from"], r["to"]): Hill(
                r["from"], float(r["EC50"]), float(r["n"]), activates=r["activation"] == "TRUE"
            )
            for r in records
        }
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is not the public edge list ({error}).") from error


def _read_prior(path: Path, genes: tuple[str, ...]) -> Network:
    """Read a square matrix in which rows act on columns."""
    try:
        matrix = np.array(list(read_rows(path).rows), dtype=float)
    except ValueError as error:
        raise InputError(f"{path} is not a square matrix of numbers ({error}).") from error
    if matrix.shape != (len(genes), len(genes)):
        raise InputError(f"{path} is {matrix.shape}; expected {len(genes)} rows and columns.")
    return Network.from_matrix(matrix.T.copy(), genes, signed=True)


def _write_signed(network: Network, path: Path) -> None:
    order = np.lexsort((network.target, network.source))
    rows = [
        f"{network.genes[network.source[i]]}\t{network.genes[network.target[i]]}\t"
        f"{network.weight[i]:+g}\n"
        for i in order
    ]
    write_atomic(path, "source\ttarget\tsign\n" + "".join(rows))
