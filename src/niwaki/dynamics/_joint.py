"""Smoothing all genes together: what a target shows also says something about its regulators.

Around the present paths every gene's dynamics is linear, so all paths of a trajectory are one
Gaussian with a posterior in closed form. To judge the regulators of a target, its own observations
and its own dynamics are taken out of that posterior again, exactly and cheaply; else an edge
would confirm itself, and a sibling would pass for a regulator.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_factor, cho_solve

from niwaki.dynamics._panel import Block, Panel, Path, Smoothed
from niwaki.dynamics._timegrid import TimeGrid

_RANK = 5  # smooth shapes in time that a path may be corrected by
_JITTER = 1e-5
_REMOVAL = 1e-12  # jitter of what is left when rows are taken out
_LOOSE = 1e-3  # a weak pull of every correction to zero (per squared data unit)

Weights = Float[np.ndarray, " edge"]


@dataclass(frozen=True)
class Couplings:
    """The edges of the linearised dynamics.

    Attributes
    ----------
    source, target, weight
        Regulator and target of each edge, and the slope of the target's driven level.
    """

    source: Int[np.ndarray, " edge"]
    target: Int[np.ndarray, " edge"]
    weight: Weights


def joint_size(panel: Panel) -> int:
    """Return how many corrections the genes of a panel have together (count)."""
    return panel.genes * min(_RANK, *(len(grid.nodes) for grid in panel.grids))


class JointSmoother:
    """The joint posterior of all corrections to the paths on one time grid.

    Parameters
    ----------
    grid, observed
        The times, and the observations of every trajectory.
    smoothed, paths
        Kernels and noise of every gene, and the present paths on this grid.
    model
        Path of each gene that its own model gives, from the present paths of its regulators.
    couplings
        The edges.
    """

    def __init__(
        self,
        grid: TimeGrid,
        observed: Block,
        smoothed: Smoothed,
        paths: Path,
        model: Path,
        couplings: Couplings,
    ) -> None:
        self._genes, self._noise = observed.shape[2], smoothed.noise
        parts = [grid.operators(kernel) for kernel in smoothed.kernels]
        covariances = [v * part.covariance for v, part in zip(smoothed.noise, parts, strict=True)]
        self.basis = _basis(covariances)
        # many observations say as much of few corrections as their projections on a basis of these
        onto, self._seen = np.linalg.qr(self.basis[grid.at])
        self.rank = self.basis.shape[1]
        self._prior = np.stack([_inside(self.basis, c) for c in covariances])
        relax = {g: self.basis.T @ parts[g].force @ self.basis for g in np.unique(couplings.target)}
        self._dynamics = self._linear_dynamics(couplings, relax)
        # what each gene's dynamics and observations ask of the corrections [gene, row, trajectory]
        self._dynamic_gap = -np.einsum("qk,rqg->gkr", self.basis, paths - model)
        gap = (observed - paths[:, grid.at]).transpose(2, 1, 0)
        self._observed_gap = onto.T @ gap
        self._solve()

    def _linear_dynamics(
        self, couplings: Couplings, relax: dict[np.int64, np.ndarray]
    ) -> Float[np.ndarray, "gene rank column"]:
        n, k = self._genes, self.rank
        rows = np.zeros((n, k, n, k))
        rows[np.arange(n), :, np.arange(n), :] = np.eye(k)
        edges = zip(couplings.source, couplings.target, couplings.weight, strict=True)
        for source, target, weight in edges:
            rows[target, :, source, :] -= weight * relax[target]
        return rows.reshape(n, k, n * k)

    def _solve(self) -> None:
        n, k = self._genes, self.rank
        weighted = np.linalg.solve(self._prior, self._dynamics)
        flat, flat_weighted = (a.reshape(n * k, n * k) for a in (self._dynamics, weighted))
        precision = flat.T @ flat_weighted
        wanted = flat_weighted.T @ self._dynamic_gap.reshape(n * k, -1)
        blocks = precision.reshape(n, k, n, k)
        own = np.einsum("tk,tl->kl", self._seen, self._seen) / self._noise[:, None, None]
        blocks[np.arange(n), :, np.arange(n), :] += own + _LOOSE * np.eye(k)
        wanted += (
            np.einsum("tk,gtr->gkr", self._seen, self._observed_gap) / self._noise[:, None, None]
        ).reshape(n * k, -1)
        factor = cho_factor(precision, lower=True)
        self._posterior = cho_solve(factor, np.eye(n * k))
        self.correction = self._posterior @ wanted

    def corrected(self, paths: Path) -> Path:
        """Return the paths that all observations ask for together."""
        return np.asarray(paths + self._path(self.correction))

    def without(self, target: int, genes: Int[np.ndarray, " chosen"]) -> Path:
        """Return corrections of chosen genes' paths that know nothing of one target's dynamics.

        The target's observations and the tie between it and its regulators are removed from the
        posterior; what its own targets say about it stays.
        """
        k, seen = self.rank, len(self._seen)
        mine = slice(target * k, (target + 1) * k)
        rows = np.zeros((k + seen, self._genes * k))
        rows[:k] = self._dynamics[target]
        rows[k:, mine] = self._seen
        scale = np.zeros((k + seen, k + seen))  # whitens the rows: their noises differ by orders
        scale[:k, :k] = np.linalg.inv(np.linalg.cholesky(self._prior[target]))
        scale[k:, k:] = np.eye(seen) / np.sqrt(self._noise[target])
        rows = scale @ rows
        touched = np.flatnonzero(np.abs(rows).sum(0))
        spread = self._posterior[:, touched] @ rows[:, touched].T
        left = (1 + _REMOVAL) * np.eye(len(rows)) - rows[:, touched] @ spread[touched]
        asked = scale @ np.concatenate([self._dynamic_gap[target], self._observed_gap[target]])
        excess = rows[:, touched] @ self.correction[touched] - asked
        at = (genes[:, None] * k + np.arange(k)).ravel()
        change = self.correction[at] + spread[at] @ np.linalg.solve(left, excess)
        return self._path(change)

    def _path(self, correction: Float[np.ndarray, "column trajectory"]) -> Path:
        shaped = correction.reshape(-1, self.rank, correction.shape[1])
        return np.asarray(np.einsum("qk,gkr->rqg", self.basis, shaped, optimize=True))


def _basis(covariances: list[Float[np.ndarray, "node node2"]]) -> Float[np.ndarray, "node rank"]:
    """Return the main shapes of the genes' prior covariances."""
    mean = np.mean([c / max(float(np.trace(c)), 1e-12) for c in covariances], axis=0)
    _, vectors = np.linalg.eigh(mean + 1e-12 * np.eye(len(mean)))
    return np.asarray(vectors[:, ::-1][:, :_RANK])


def _inside(basis: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    part = basis.T @ covariance @ basis
    return np.asarray(
        part + _JITTER * max(float(np.trace(part)), 1e-9) / len(part) * np.eye(len(part))
    )
