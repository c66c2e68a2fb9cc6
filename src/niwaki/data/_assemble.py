"""From observations in any order to trajectories, with every assumption written down."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from niwaki.core import InputError, Trajectories, Trajectory
from niwaki.data._text import shorten


@dataclass(frozen=True)
class Reading:
    """Expression as read from a file.

    Attributes
    ----------
    trajectories
        The expression.
    layout
        How the file was understood: ``h5ad``, ``long``, ``samples`` (one row per sample and time),
        ``genes`` (one row per gene) or ``phoenix``.
    notes
        What was assumed or changed, one sentence each, for the user to check.
    """

    trajectories: Trajectories
    layout: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Observations:
    """Rows of expression as they stand in a file; times and values may be missing (NaN).

    Attributes
    ----------
    labels
        The trajectory of each row.
    times
        The time of each row (any one unit).
    values
        Expression, genes in columns (any scale).
    """

    genes: Sequence[str]
    labels: Sequence[str]
    times: Float[np.ndarray, " row"]
    values: Float[np.ndarray, "row gene"]


def assemble(source: str, found: Observations, notes: list[str]) -> Trajectories:
    """Return trajectories in order of first appearance, each sorted by time.

    Rows without any value are left out and rows of the same trajectory and time are averaged, both
    with a note appended to `notes`.

    Parameters
    ----------
    source
        Name of the file, for messages.

    Raises
    ------
    InputError
        If gene or trajectory names are missing, genes are repeated, or a time or value is missing
        or infinite.
    """
    genes = check_genes(source, found.genes)
    _check_lines(source, (*genes, *dict.fromkeys(found.labels)))
    nameless = sum(not label for label in found.labels)
    if nameless:
        raise InputError(
            f"{source}: {nameless} rows do not say which trajectory they belong to; name it or "
            "remove them."
        )
    keep = ~np.isnan(found.values).all(axis=1)
    if not keep.any():
        raise InputError(f"{source} holds no values; every cell is empty.")
    if not keep.all():
        notes.append(f"{int((~keep).sum())} time points without any value were left out.")
    codes, names = pd.factorize(np.array(found.labels, dtype=object)[keep])
    times, values = found.times[keep], found.values[keep]
    _check_times(source, times)
    _check_values(source, genes, names[codes], times, values)
    if (np.diff(codes) >= 0).all() and _increasing(codes, times).all():
        return _split(genes, names, codes, times, values)
    order = np.lexsort((times, codes))
    if (np.diff(times)[np.diff(codes) == 0] < 0).any():
        notes.append("Rows that were not in order of time were sorted.")
    codes, times, values = codes[order], times[order], values[order]
    return _split(genes, names, *_average_ties(codes, times, values, notes))


def check_genes(source: str, genes: Sequence[str]) -> tuple[str, ...]:
    """Return `genes` as a tuple of names.

    Raises
    ------
    InputError
        If a name is empty or stands twice.
    """
    seen: dict[str, int] = {}
    for place, gene in enumerate(genes, start=1):
        if not gene.strip():
            raise InputError(f"{source}: gene number {place} has no name; name it or remove it.")
        if seen.setdefault(gene, place) != place:
            raise InputError(
                f"{source}: gene '{shorten(gene)}' stands twice (as number {seen[gene]} and "
                f"{place}); merge or rename the copies."
            )
    return tuple(genes)


def constant_genes(trajectories: Trajectories) -> tuple[str, ...]:
    """Return the genes that never change, in any trajectory, from the first value seen."""
    values = trajectories.stack()
    constant = (values == values[0]).all(axis=0)
    return tuple(g for g, same in zip(trajectories.genes, constant, strict=True) if same)


def _check_lines(source: str, names: Sequence[str]) -> None:
    """Raise InputError if a name holds a line break, which an unclosed quote leaves behind."""
    for name in names:
        if len(name.splitlines()) > 1:
            raise InputError(
                f"{source}: the name '{shorten(name)}' holds a line break; check for a quote that "
                "is not closed."
            )


def _check_times(source: str, times: Float[np.ndarray, " row"]) -> None:
    bad = int((~np.isfinite(times)).sum())
    if bad:
        raise InputError(
            f"{source}: {bad} of {len(times)} rows have a missing or infinite time; remove those "
            "rows (cells that a pseudotime method could not place) or give their times."
        )


def _check_values(
    source: str,
    genes: Sequence[str],
    labels: np.ndarray,
    times: Float[np.ndarray, " row"],
    values: Float[np.ndarray, "row gene"],
) -> None:
    finite = np.isfinite(values)
    if finite.all():
        return
    row, gene = np.argwhere(~finite)[0]
    raise InputError(
        f"{source}: gene '{genes[gene]}' has a missing or infinite value in '{labels[row]}' at "
        f"time {times[row]:g} ({int((~finite).sum())} such values in all); fill them in, or remove "
        "the genes or time points that have them."
    )


def _increasing(
    codes: Int[np.ndarray, " row"], times: Float[np.ndarray, " row"]
) -> Bool[np.ndarray, " step"]:
    increasing: Bool[np.ndarray, " step"] = (np.diff(codes) != 0) | (np.diff(times) > 0)
    return increasing


def _average_ties(
    codes: Int[np.ndarray, " row"],
    times: Float[np.ndarray, " row"],
    values: Float[np.ndarray, "row gene"],
    notes: list[str],
) -> tuple[Int[np.ndarray, " kept"], Float[np.ndarray, " kept"], Float[np.ndarray, "kept gene"]]:
    """Average sorted rows that share trajectory and time."""
    first = np.flatnonzero(np.concatenate([[True], _increasing(codes, times)]))
    if len(first) == len(times):
        return codes, times, values
    counts = np.diff(np.append(first, len(times)))
    notes.append(
        f"{int(counts[counts > 1].sum())} rows share trajectory and time with another row; they "
        f"were averaged into {int((counts > 1).sum())} (if they are different samples, name the "
        "column that tells samples apart)."
    )
    means = np.add.reduceat(values, first, axis=0) / counts[:, None]
    return codes[first], times[first], means


def _split(
    genes: tuple[str, ...],
    names: np.ndarray,
    codes: Int[np.ndarray, " row"],
    times: Float[np.ndarray, " row"],
    values: Float[np.ndarray, "row gene"],
) -> Trajectories:
    """Cut sorted rows into one trajectory per code."""
    cuts = np.flatnonzero(np.diff(codes)) + 1
    parts = zip(names, np.split(times, cuts), np.split(values, cuts), strict=True)
    return Trajectories(genes, tuple(Trajectory(str(n), t, v) for n, t, v in parts))
