"""Predictors that know no network: what a model must beat to be worth reading."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy import linalg

from niwaki.core import PairVector, StateArray, Trajectories
from niwaki.evaluation._forecast import Predictor

_RIDGES = np.logspace(-8, 4, 49)  # relative to the mean squared input, from none to all shrunk


def persistence() -> Predictor:
    """Return the predictor that nothing changes."""

    def predict(start: StateArray, gaps: PairVector, times: PairVector) -> StateArray:
        return start

    return predict


def mean_at_t(train: Trajectories) -> Predictor:
    """Return the predictor of the training mean at the time asked for, whatever the start.

    Means stand at the training times, joined by lines, and stay constant outside.
    """
    times = np.concatenate([item.times for item in train.items])
    values = train.stack()
    grid, place = np.unique(times, return_inverse=True)
    sums = np.zeros((len(grid), values.shape[1]))
    np.add.at(sums, place, values)
    means = sums / np.bincount(place)[:, None]

    def predict(start: StateArray, gaps: PairVector, times: PairVector) -> StateArray:
        asked = (times + gaps).clip(grid[0], grid[-1])
        right = np.searchsorted(grid, asked).clip(1, max(len(grid) - 1, 1))
        if len(grid) == 1:
            return np.repeat(means.T, len(asked), axis=1)
        left = right - 1
        share = (asked - grid[left]) / (grid[right] - grid[left])
        blended: StateArray = (means[left].T * (1 - share)) + means[right].T * share
        return blended

    return predict


@dataclass(frozen=True)
class LinearOde:
    """``dx/dt = A (x - m) + b`` with A of low rank, ``A = U V^T``, solved exactly.

    Attributes
    ----------
    left, right
        U and V: as many columns as A has rank, never a gene-by-gene matrix when pairs are few.
    mean, drift
        m and b (data units; data units per time unit).
    """

    left: Float[np.ndarray, "gene rank"]
    right: Float[np.ndarray, "gene rank"]
    mean: Float[np.ndarray, " gene"]
    drift: Float[np.ndarray, " gene"]
    _steps: dict[float, tuple[np.ndarray, np.ndarray]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __call__(self, start: StateArray, gaps: PairVector, times: PairVector) -> StateArray:
        """Return the states one gap later."""
        end = np.empty_like(start)
        for gap in np.unique(gaps):
            at = gaps == gap
            inner, forced = self._step(float(gap))
            centred = start[:, at] - self.mean[:, None]
            end[:, at] = (
                start[:, at] + self.left @ (inner @ (self.right.T @ centred)) + forced[:, None]
            )
        return end

    def _step(self, gap: float) -> tuple[np.ndarray, np.ndarray]:
        """Return ``t phi_1(t M)``, M = V^T U, and what the drift adds in one gap.

        ``exp(t U V^T) = 1 + U t phi_1(t M) V^T``, and the integral of it over the gap is
        ``t + U t^2 phi_2(t M) V^T``; both phis stand in one exponential of a block matrix.
        """
        if gap not in self._steps:
            rank = self.left.shape[1]
            block = np.zeros((3 * rank, 3 * rank))
            block[:rank, :rank] = gap * (self.right.T @ self.left)
            block[:rank, rank : 2 * rank] = block[rank : 2 * rank, 2 * rank :] = np.eye(rank)
            with np.errstate(over="ignore", invalid="ignore"):
                powers = linalg.expm(block)
            phi1, phi2 = powers[:rank, rank : 2 * rank], powers[:rank, 2 * rank :]
            forced = gap * self.drift + self.left @ (gap**2 * (phi2 @ (self.right.T @ self.drift)))
            self._steps[gap] = gap * phi1, forced
        return self._steps[gap]


def ridge_linear_ode(train: Trajectories, *, ridge: float | None = None) -> LinearOde:
    """Fit a linear ODE by ridge regression of slopes on midpoints of consecutive observations.

    Parameters
    ----------
    train
        Trajectories; every pair of consecutive observations is one row.
    ridge
        Penalty relative to the mean squared input (dimensionless); by default the one with the
        least leave-one-out error, in closed form.
    """
    pairs = train.pairs()
    middle = ((pairs.start + pairs.end) / 2).T
    slopes = ((pairs.end - pairs.start) / pairs.gaps).T
    mean, drift = middle.mean(0), slopes.mean(0)
    inputs, outputs = middle - mean, slopes - drift
    basis, sizes, axes = linalg.svd(inputs, full_matrices=False, check_finite=False)
    kept = sizes > sizes.max(initial=0) * 1e-10
    basis, sizes, axes = basis[:, kept], sizes[kept], axes[kept]
    scale = float(np.square(sizes).mean()) if kept.any() else 1.0
    projected = basis.T @ outputs
    penalty = scale * (_best_ridge(basis, sizes, outputs, scale) if ridge is None else ridge)
    left = (sizes / (sizes**2 + penalty))[:, None] * projected
    return LinearOde(left.T, axes.T, mean, drift)


def _best_ridge(basis: np.ndarray, sizes: np.ndarray, outputs: np.ndarray, scale: float) -> float:
    """Return the ridge with the least leave-one-out error, all genes weighing alike."""
    projected = basis.T @ outputs
    rows = len(basis)

    def error(ridge: float) -> float:
        shrink = sizes**2 / (sizes**2 + ridge * scale)
        residual = outputs - basis @ (shrink[:, None] * projected)
        leverage = np.square(basis) @ shrink + 1 / rows  # the mean was fitted too
        return float(np.square(residual / np.maximum(1 - leverage, 1e-9)[:, None]).sum())

    return float(min(_RIDGES, key=error))
