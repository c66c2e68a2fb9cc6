"""Observations of all genes, grouped by time grid, and smooth paths through them."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from niwaki.core import InputError, Trajectories
from niwaki.dynamics._timegrid import Kernel, Operators, TimeGrid

Block = Float[np.ndarray, "_trajectory _time gene"]
Path = Float[np.ndarray, "_trajectory _node gene"]
Point = tuple[int, int, int, int]  # on the lattice: rate, force, start, memory

FORCES = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
STARTS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
LONG_FORCES = (0.0, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
MEMORIES = (1 / 3, 1 / 10, 1 / 30, 1 / 100)
_LONG = 64  # trajectories of more times say little about their start
_FINE, _COARSE = 8, 1  # rates per doubling; long trajectories make every kernel dear
_MOST_OCTAVES = 8


@dataclass(frozen=True)
class Panel:
    """Observed trajectories over one list of genes.

    Attributes
    ----------
    grids
        The distinct time grids.
    values
        Per grid, the observations (data units).
    members
        Per grid, which trajectories of the data they are.
    """

    grids: tuple[TimeGrid, ...]
    values: tuple[Block, ...]
    members: tuple[Int[np.ndarray, " _trajectory"], ...]

    @classmethod
    def from_trajectories(cls, data: Trajectories) -> "Panel":
        """Group trajectories that share their times; those with one time are left out.

        Raises
        ------
        InputError
            If no trajectory has two times.
        """
        groups: dict[bytes, list[int]] = {}
        for index, item in enumerate(data.items):
            if len(item.times) > 1:
                groups.setdefault(item.times.tobytes(), []).append(index)
        if not groups:
            raise InputError("no trajectory has two times; a dynamic model needs at least two.")
        chosen = list(groups.values())
        return cls(
            tuple(TimeGrid(data.items[index[0]].times) for index in chosen),
            tuple(
                np.stack([data.items[i].values for i in index]).astype(float) for index in chosen
            ),
            tuple(np.array(index) for index in chosen),
        )

    @property
    def genes(self) -> int:
        """Number of genes (count)."""
        return int(self.values[0].shape[2])

    @property
    def rows(self) -> int:
        """Number of observations per gene (count)."""
        return sum(block.shape[0] * block.shape[1] for block in self.values)

    @property
    def trajectories(self) -> int:
        """Number of trajectories (count)."""
        return sum(len(block) for block in self.values)

    @property
    def trajectory_of_row(self) -> Int[np.ndarray, " row"]:
        """The trajectory of each row, as positions in the data."""
        parts = zip(self.members, self.values, strict=True)
        return np.concatenate([np.repeat(who, block.shape[1]) for who, block in parts])

    def operators(self, kernel: Kernel) -> list[Operators]:
        """Return the operators of a kernel on every grid."""
        return [grid.operators(kernel) for grid in self.grids]

    def log_det(self, kernel: Kernel) -> float:
        """Return the log-determinant of the covariance of one gene's observations."""
        pairs = zip(self.operators(kernel), self.values, strict=True)
        return sum(part.log_det * len(block) for part, block in pairs)

    def white_target(self, kernel: Kernel, gene: int) -> Float[np.ndarray, " row"]:
        """Return the whitened observations of one gene."""
        parts = zip(self.operators(kernel), self.values, strict=True)
        return np.concatenate([(block[:, :, gene] @ part.white.T).ravel() for part, block in parts])

    def white_start(self, kernel: Kernel) -> Float[np.ndarray, " row"]:
        """Return the whitened effect of a start that all trajectories share."""
        parts = zip(self.operators(kernel), self.values, strict=True)
        return np.concatenate([np.tile(part.white_start, len(block)) for part, block in parts])

    def white_features(
        self, kernel: Kernel, features: list[Float[np.ndarray, "_trajectory _node column"]]
    ) -> Float[np.ndarray, "row column"]:
        """Return what forces of the shape of `features` do to the whitened observations."""
        parts = zip(self.operators(kernel), features, strict=True)
        white = [np.matmul(part.white_force, each) for part, each in parts]
        return np.concatenate([a.reshape(a.shape[0] * a.shape[1], a.shape[2]) for a in white])


@dataclass(frozen=True)
class Lattice:
    """The kernels that are tried: a lattice of rates, forces and starts.

    Attributes
    ----------
    slowest
        The lowest rate (per time unit).
    per_octave, rates
        Rates per doubling, and in all (count).
    forces, starts
        Variances of force and start that are tried (in units of the noise's).
    memories
        Correlation times of the force that are tried, as shares of a grid's span.
    """

    slowest: float
    per_octave: int
    rates: int
    forces: tuple[float, ...]
    starts: tuple[float, ...]
    memories: tuple[float, ...]

    @classmethod
    def of(cls, panel: Panel) -> "Lattice":
        """Return the lattice between half of the longest span and twice the shortest usual gap."""
        span = max(grid.times[-1] - grid.times[0] for grid in panel.grids)
        gap = float(np.median(np.concatenate([np.diff(grid.times) for grid in panel.grids])))
        octaves = min(max(1.0, np.log2(4 * span / gap)), _MOST_OCTAVES)
        long = any(len(g.times) > _LONG for g in panel.grids)
        fine = _COARSE if long else _FINE
        return cls(
            slowest=0.5 / span,
            per_octave=fine,
            rates=int(np.ceil(octaves * fine)) + 1,
            forces=LONG_FORCES if long else FORCES,
            starts=(30.0,) if long else STARTS,
            memories=tuple(m for m in MEMORIES if m == MEMORIES[0] or m * span >= gap),
        )

    def kernel(self, rate: int, force: int, start: int, memory: int) -> Kernel:
        """Return the kernel at a lattice point."""
        v = self.slowest * 2 ** (rate / self.per_octave)
        return Kernel(float(v), self.forces[force], self.starts[start], self.memories[memory])

    @property
    def shape(self) -> Point:
        """Number of rates, forces, starts and memories (count)."""
        return self.rates, len(self.forces), len(self.starts), len(self.memories)

    @property
    def size(self) -> int:
        """Number of lattice points (count)."""
        return math.prod(self.shape)

    def frozen(self) -> list[Kernel]:
        """Return the kernels of genes that do not move."""
        return [Kernel(0.0, 0.0, start) for start in self.starts]

    def coarse(self) -> list[Point]:
        """Return lattice points one octave apart."""
        rates, forces, starts, memories = (range(count) for count in self.shape)
        return list(product(rates[:: self.per_octave], forces, starts, memories))


@dataclass
class Smoothed:
    """Smooth paths of every gene, and the kernel and noise that they rest on.

    Attributes
    ----------
    paths
        Per grid, the expected state at the nodes (data units).
    points
        Lattice point of each gene's kernel; None for a gene that does not move.
    kernels
        Kernel of each gene.
    noise
        Variance of each gene's noise (squared data units).
    """

    paths: list[Path]
    points: list[Point | None]
    kernels: list[Kernel]
    noise: Float[np.ndarray, " gene"]


def smooth_alone(panel: Panel, lattice: Lattice) -> Smoothed:
    """Smooth every gene by itself: relaxation to a level that nothing explains yet.

    Kernel and noise are those of the highest evidence, gene by gene, over the coarse lattice and
    over genes that do not move.
    """
    genes, rows = panel.genes, panel.rows
    best = np.full(genes, -np.inf)
    sizes = [(len(b), len(g.nodes)) for g, b in zip(panel.grids, panel.values, strict=True)]
    smoothed = Smoothed(
        [np.zeros((*size, genes)) for size in sizes],
        [None] * genes,
        [Kernel(0.0, 0.0, 1.0)] * genes,
        np.ones(genes),
    )
    choices: list[tuple[Point | None, Kernel]] = [
        *((point, lattice.kernel(*point)) for point in lattice.coarse()),
        *((None, kernel) for kernel in lattice.frozen()),
    ]
    for point, kernel in choices:
        evidence, noise, coefficients = _null_evidence(panel, kernel)
        better = np.flatnonzero(evidence > best)
        best[better], smoothed.noise[better] = evidence[better], noise[better] / rows
        for gene in better:
            smoothed.points[gene], smoothed.kernels[gene] = point, kernel
        for path, grid, block in zip(smoothed.paths, panel.grids, panel.values, strict=True):
            path[:, :, better] = _conditioned(
                grid, kernel, coefficients[:, better], block[:, :, better]
            )
    return smoothed


def _null_columns(part: Operators, kernel: Kernel) -> Float[np.ndarray, "node column"]:
    level = [part.force.sum(1)] if kernel.rate > 0 else []
    return np.stack([part.start, *level], 1)


def _null_evidence(
    panel: Panel, kernel: Kernel
) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, "column gene"]]:
    """Return log evidence and residual sum of every gene, and the common start and level."""
    parts = list(zip(panel.operators(kernel), panel.grids, panel.values, strict=True))
    design = np.concatenate(
        [np.tile(o.white @ _null_columns(o, kernel)[g.at], (len(b), 1)) for o, g, b in parts]
    )
    target = np.concatenate([np.matmul(o.white, b).reshape(-1, panel.genes) for o, _, b in parts])
    normal = design.T @ design
    coefficients = np.linalg.solve(normal, design.T @ target)
    residual = np.maximum(np.square(target - design @ coefficients).sum(0), 1e-12)
    evidence = (
        -panel.rows / 2 * np.log(residual)
        - panel.log_det(kernel) / 2
        - np.linalg.slogdet(normal)[1] / 2
    )
    return evidence, residual, coefficients


def _conditioned(
    grid: TimeGrid, kernel: Kernel, coefficients: Float[np.ndarray, "column gene"], block: Block
) -> Path:
    """Return the expected paths of some genes given their observations."""
    part = grid.operators(kernel)
    mean = _null_columns(part, kernel) @ coefficients
    return np.asarray(mean + np.matmul(part.gain, block - mean[grid.at]))
