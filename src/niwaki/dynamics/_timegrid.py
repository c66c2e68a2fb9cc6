"""Relaxation towards a driven level on a fixed grid of times, as linear operators.

A gene that follows ``dx/dt = v (f(t) - x)`` is linear in its start and in its force ``f``: on the
nodes of a grid ``x = e x(0) + W f``, with ``W`` exact for a force that is linear between nodes.
What is not known of the force is a Gaussian process, so smoothing and evidence are in closed form
[1]_.

References
----------
.. [1] alvarez2009: latent forces that drive linear differential equations.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import blas, lapack

from niwaki.core import InputError, TimesArray

NODES_PER_GAP = 6
_DENSE_TIMES = 40  # from here on the observations themselves are dense enough as nodes
_MOST_KEPT = 6_000_000  # kept operators of a grid: this many kernels per square of its nodes

Key = TypeVar("Key")
Value = TypeVar("Value")
Nodes = Float[np.ndarray, " node"]
Square = Float[np.ndarray, "node node2"]


@dataclass(frozen=True)
class Kernel:
    """How one gene relaxes and what is uncertain about it.

    Attributes
    ----------
    rate
        Relaxation rate v (per time unit); 0 for a gene that stays where it starts.
    force
        Variance of the unexplained force, relative to the variance of the noise.
    start
        Variance of the start, relative to the variance of the noise.
    memory
        Correlation time of the unexplained force, as a share of the grid's span.
    """

    rate: float
    force: float
    start: float
    memory: float = 1 / 3


@dataclass(frozen=True)
class Operators:
    """What one kernel means on one grid; ``white`` is in units of the noise's deviation.

    Attributes
    ----------
    start, force
        Effect of a unit start and of the force at each node on the state at each node.
    white_start, white_force, white
        Whitening matrix of the observations, times `start`, times `force`, and alone.
    log_det
        Log-determinant of the covariance of one trajectory's observations.
    covariance
        Of the state at the nodes, before any observation (relative to the noise).
    at
        Which nodes are observations.
    """

    start: Nodes
    force: Square
    white_start: Float[np.ndarray, " time"]
    white_force: Float[np.ndarray, "time node"]
    white: Float[np.ndarray, "time time2"]
    log_det: float
    covariance: Square
    at: Int[np.ndarray, " time"]

    @cached_property
    def gain(self) -> Float[np.ndarray, "node time"]:
        """From deviations at the observations to the expected deviations at the nodes."""
        return np.asarray((self.covariance[:, self.at] @ self.white.T) @ self.white)


@dataclass
class TimeGrid:
    """Times that some trajectories were observed at, with nodes between them.

    Attributes
    ----------
    times
        Strictly increasing observation times (time units of the data), at least two.
    nodes, at
        The nodes, and which of them are observations.
    """

    times: TimesArray
    nodes: Nodes = field(init=False)
    at: Int[np.ndarray, " time"] = field(init=False)
    _known: dict[Kernel, Operators] = field(init=False, default_factory=dict, repr=False)
    _forced: dict[tuple[float, float], tuple[Square, Square]] = field(
        init=False, default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        if len(self.times) < 2 or not (np.diff(self.times) > 0).all():
            raise InputError("a time grid needs at least two times, strictly increasing.")
        per_gap = 1 if len(self.times) >= _DENSE_TIMES else NODES_PER_GAP
        steps = np.arange(per_gap) / per_gap
        starts = self.times[:-1, None] + np.diff(self.times)[:, None] * steps
        self.nodes = np.append(starts.ravel(), self.times[-1])
        self.at = np.arange(len(self.times)) * per_gap

    def operators(self, kernel: Kernel) -> Operators:
        """Return the operators of a kernel; the last used are kept, as memory allows."""
        return _recalled(self._known, kernel, self._room, lambda: self._make(kernel))

    @property
    def _room(self) -> int:
        return max(4, _MOST_KEPT // len(self.nodes) ** 2)

    @property
    def _few(self) -> int:
        return max(4, self._room // 2)

    def operator_bytes(self, kernels: int) -> int:
        """Return what the operators that are kept take when so many kernels are tried (bytes)."""
        nodes, times = len(self.nodes), len(self.times)
        each = nodes**2 + 2 * nodes * times + times**2
        return 8 * (min(self._room, kernels) * each + min(self._few, kernels) * 2 * nodes**2)

    def _make(self, kernel: Kernel) -> Operators:
        force, forced = self._force(kernel.rate, kernel.memory)
        start = np.exp(-kernel.rate * (self.nodes - self.nodes[0]))
        covariance = kernel.start * np.outer(start, start)
        if kernel.force > 0 and kernel.rate > 0:
            covariance += kernel.force * forced
        observed = covariance[np.ix_(self.at, self.at)] + np.eye(len(self.at))
        factor = np.linalg.cholesky(observed)
        white, _ = lapack.dtrtri(factor, lower=1)  # a sixth of the work of a general inverse
        return Operators(
            start=start,
            force=force,
            white_start=white @ start[self.at],
            white_force=blas.dtrmm(1.0, white, force[self.at], lower=1),
            white=white,
            log_det=2 * float(np.log(np.diag(factor)).sum()),
            covariance=covariance,
            at=self.at,
        )

    def _force(self, rate: float, memory: float) -> tuple[Square, Square]:
        """Return the effect of a force, and the covariance of states that a unit force gives."""

        def make() -> tuple[Square, Square]:
            force = _relaxation(self.nodes, rate)
            half = blas.dtrmm(1.0, force, self._force_covariance(memory), lower=1)
            return force, np.asarray(blas.dtrmm(1.0, force, half.T, lower=1))

        return _recalled(self._forced, (rate, memory), self._few, make)

    def _force_covariance(self, memory: float) -> Square:
        """Half of an unexplained force differs between trajectories only, half drifts in time."""
        scale = memory * (self.nodes[-1] - self.nodes[0])
        apart = np.abs(self.nodes[:, None] - self.nodes)
        return np.asarray(0.5 + 0.5 * np.exp(-apart / scale))


def _recalled(known: dict[Key, Value], key: Key, room: int, make: Callable[[], Value]) -> Value:
    """Return what is known under a key, or make it; of all, the last used are kept."""
    found = known.pop(key) if key in known else make()
    known[key] = found  # last in line
    while len(known) > room:
        del known[next(iter(known))]
    return found


def _relaxation(nodes: Nodes, rate: float) -> Square:
    """Return W: exact integrals of ``v exp(-v (t - s)) f(s)`` for f linear between nodes."""
    matrix = np.zeros((len(nodes), len(nodes)))
    if rate == 0:
        return matrix
    for k, gap in enumerate(np.diff(nodes)):
        decay = np.exp(-rate * gap)
        mean = -np.expm1(-rate * gap) / (rate * gap)
        matrix[k + 1] = decay * matrix[k]
        matrix[k + 1, k] += mean - decay
        matrix[k + 1, k + 1] += 1 - mean
    return matrix
