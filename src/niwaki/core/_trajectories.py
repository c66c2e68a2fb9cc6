"""Expression followed over time: what readers produce and models are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from niwaki.core._arrays import PairIndex, PairVector, StateArray, TimesArray, ValuesArray
from niwaki.core._errors import InputError


@dataclass(frozen=True)
class Trajectory:
    """One sample followed over time.

    Attributes
    ----------
    name
        Label of the sample (donor, replicate, branch).
    times
        Strictly increasing observation times (any one unit per data set).
    values
        Expression at each time, genes in columns (any scale).
    """

    name: str
    times: TimesArray
    values: ValuesArray

    def __post_init__(self) -> None:
        where = f"trajectory '{self.name}'"
        if self.values.ndim != 2 or self.times.shape != (self.values.shape[0],):
            raise InputError(
                f"{where} has {self.times.shape} times for values of shape {self.values.shape}; "
                "expected one row of values per time."
            )
        if not np.isfinite(self.times).all():
            raise InputError(
                f"{where} has a missing or infinite time; remove that row or give its time."
            )
        if not np.isfinite(self.values).all():
            row, gene = np.argwhere(~np.isfinite(self.values))[0]
            raise InputError(
                f"{where} has a missing or infinite value (gene number {gene + 1}, "
                f"time {self.times[row]:g}); fill or remove it before fitting."
            )
        steps = np.diff(self.times)
        if (steps <= 0).any():
            late = int(np.argmax(steps <= 0)) + 1
            raise InputError(
                f"{where} has time {self.times[late]:g} after {self.times[late - 1]:g}; times must "
                "increase strictly, so sort the rows, or average replicates at one time, or name "
                "the column that tells samples apart."
            )


@dataclass(frozen=True)
class Pairs:
    """Consecutive observations of the same trajectory, gene-major for the solver.

    Attributes
    ----------
    start, end
        Observed states at both ends of each pair.
    gaps
        Time from start to end (unit of the data), all positive.
    trajectory, step
        Where each pair comes from: index of its trajectory, and of its start time within it.
    """

    start: StateArray
    end: StateArray
    gaps: PairVector
    trajectory: PairIndex
    step: PairIndex

    def __len__(self) -> int:
        return int(self.gaps.shape[0])

    def subset(self, index: PairIndex) -> "Pairs":
        """Return the pairs at `index`, in that order."""
        return Pairs(
            self.start[:, index],
            self.end[:, index],
            self.gaps[index],
            self.trajectory[index],
            self.step[index],
        )


@dataclass(frozen=True)
class Trajectories:
    """Trajectories over one list of genes.

    Attributes
    ----------
    genes
        Gene names, unique, in the order of the columns of every trajectory.
    items
        The trajectories; lengths and times may differ.
    """

    genes: tuple[str, ...]
    items: tuple[Trajectory, ...]

    def __post_init__(self) -> None:
        if len(set(self.genes)) != len(self.genes):
            twice = next(g for i, g in enumerate(self.genes) if g in self.genes[:i])
            raise InputError(
                f"gene '{twice}' stands twice in the expression data; gene names must be unique, "
                "so merge or rename the copies."
            )
        if not self.items or not self.genes:
            raise InputError("the expression data holds no values; expected genes and times.")
        for item in self.items:
            if item.values.shape[1] != len(self.genes):
                raise InputError(
                    f"trajectory '{item.name}' has {item.values.shape[1]} genes, but "
                    f"{len(self.genes)} gene names were given; both must agree."
                )

    def __len__(self) -> int:
        return len(self.items)

    def subset(self, index: Sequence[int]) -> "Trajectories":
        """Return the trajectories at `index`, in that order."""
        return Trajectories(self.genes, tuple(self.items[i] for i in index))

    def select_genes(self, genes: Sequence[str]) -> "Trajectories":
        """Return the same trajectories with only `genes`, in that order.

        Raises
        ------
        InputError
            If a gene is not in the data.
        """
        place = {gene: i for i, gene in enumerate(self.genes)}
        missing = [gene for gene in genes if gene not in place]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(genes)} genes (first: '{missing[0]}') are not in the "
                "expression data; both files must use the same gene names."
            )
        columns = [place[gene] for gene in genes]
        return Trajectories(
            tuple(genes),
            tuple(Trajectory(t.name, t.times, t.values[:, columns]) for t in self.items),
        )

    def stack(self) -> ValuesArray:
        """Return all observations of all trajectories, one below the other."""
        return np.concatenate([item.values for item in self.items])

    def pairs(self) -> Pairs:
        """Return all pairs of consecutive observations.

        Raises
        ------
        InputError
            If no trajectory has two time points.
        """
        kept = [(i, t) for i, t in enumerate(self.items) if len(t.times) > 1]
        if not kept:
            raise InputError(
                "every trajectory has one time point only; a dynamic model needs at least two "
                "times of the same sample, so check which columns hold time and sample."
            )
        return Pairs(
            start=np.concatenate([t.values[:-1] for _, t in kept]).T.copy(),
            end=np.concatenate([t.values[1:] for _, t in kept]).T.copy(),
            gaps=np.concatenate([np.diff(t.times) for _, t in kept]),
            trajectory=np.concatenate([np.full(len(t.times) - 1, i) for i, t in kept]),
            step=np.concatenate([np.arange(len(t.times) - 1) for _, t in kept]),
        )
