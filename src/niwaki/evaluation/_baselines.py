"""Predictors that know no network: what a model must beat to be worth reading."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg

from niwaki.core import GeneVector, Pairs, PairVector, StateArray, Trajectories
from niwaki.evaluation._forecast import Predictor

_RIDGES = np.logspace(-6, 6, 37)  # relative to the mean squared input, from none to all shrunk
_FOLDS = 10  # groups that are left out in turn to choose the ridge
_TERMS = 18  # 1/19! = 8e-18 is below the rounding of float64 where |step M| <= 1


def persistence() -> Predictor:
    """Return the predictor that nothing changes."""

    def predict(start: StateArray, gaps: PairVector, times: PairVector) -> StateArray:
        return start

    return predict


def mean_at_t(train: Trajectories) -> Predictor:
    """Return the predictor of the training mean at the time asked for, whatever the start.

    The mean is over all trajectories observed at exactly that time; between training times it is
    interpolated by lines, outside them it stays constant. It speaks about test data only if their
    clock is the training data's: times of another origin or unit are not noticed.
    """
    grid, place = np.unique(
        np.concatenate([item.times for item in train.items]), return_inverse=True
    )
    values = train.stack()
    sums = np.zeros((len(grid), values.shape[1]))
    np.add.at(sums, place, values)
    means = (sums / np.bincount(place)[:, None]).T

    def predict(start: StateArray, gaps: PairVector, times: PairVector) -> StateArray:
        asked = np.interp(times + gaps, grid, np.arange(len(grid)))  # position on the grid
        left = asked.astype(np.int64)
        right = np.minimum(left + 1, len(grid) - 1)
        share = asked - left
        blended: StateArray = means[:, left] * (1 - share) + means[:, right] * share
        return blended

    return predict


@dataclass(frozen=True)
class LinearOde:
    """``dx/dt = A (x - m) + b`` with A of low rank, ``A = U V^T``, solved exactly.

    In the coordinates ``z = (V^T (x - m), 1)`` the system is ``dz/dt = M z`` with a small M, and
    ``x(t) = x(0) + (U, b) F(t) z(0)``, where ``E(t) = exp(t M)`` and F is the integral of E from 0
    to t. A gap is a whole number of short steps and a rest: the rest is a Taylor sum, the whole
    steps are products of stored powers ``E(step 2^k)``, so that a thousand different gaps
    (pseudotime) cost no more than one.

    Attributes
    ----------
    left, right
        U and V: as many columns as A has rank, never a gene-by-gene matrix when pairs are few.
    mean, drift
        m and b (data units; data units per time unit).
    """

    left: Float[np.ndarray, "gene rank"]
    right: Float[np.ndarray, "gene rank"]
    mean: GeneVector
    drift: GeneVector

    def __call__(self, start: StateArray, gaps: PairVector, times: PairVector) -> StateArray:
        """Return the states one gap later; not finite where the system explodes."""
        with np.errstate(over="ignore", invalid="ignore"):
            inner = self.right.T @ (start - self.mean[:, None])
            moved = self._integral(np.vstack([inner, np.ones(len(gaps))]), gaps)
            end: StateArray = start + self.left @ moved[:-1] + self.drift[:, None] * moved[-1]
        return end

    def _integral(self, state: np.ndarray, gaps: PairVector) -> np.ndarray:
        """Return ``F(gap) state``, each column with its own gap."""
        whole, rest = np.divmod(gaps, self._step)
        total, state = _taylor(self._system, state, rest)
        count = whole.astype(np.int64)
        for level in range(int(count.max(initial=0)).bit_length()):
            integral, power = self._power(level)
            odd = (count >> level) & 1 == 1
            total[:, odd] += integral @ state[:, odd]
            state[:, odd] = power @ state[:, odd]
        return total

    @cached_property
    def _system(self) -> np.ndarray:
        """M."""
        rank = self.left.shape[1]
        system = np.zeros((rank + 1, rank + 1))
        system[:rank, :rank] = self.right.T @ self.left
        system[:rank, rank] = self.right.T @ self.drift
        return system

    @cached_property
    def _step(self) -> float:
        """Length of a short step, 1 / |M| (time units)."""
        size = float(np.abs(self._system).sum(0).max())
        return 1 / size if size else np.inf

    @cached_property
    def _powers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """F and E of one short step; `_power` appends those of two, four, ... steps."""
        one = np.eye(len(self._system))
        return [_taylor(self._system, one, np.full(len(one), self._step))]

    def _power(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Return F and E of ``2^level`` short steps."""
        while len(self._powers) <= level:
            integral, power = self._powers[-1]
            self._powers.append((integral + integral @ power, power @ power))
        return self._powers[level]


def _taylor(
    system: np.ndarray, state: np.ndarray, gaps: PairVector
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``F(gap) state`` and ``E(gap) state`` for gaps of at most one short step."""
    term, moved, total = state, state.copy(), state * gaps
    for k in range(1, _TERMS + 1):
        term = (system @ term) * (gaps / k)
        moved += term
        total += term * (gaps / (k + 1))
    return total, moved


def ridge_linear_ode(train: Trajectories, *, ridge: float | None = None) -> LinearOde:
    """Fit a linear ODE by ridge regression of changes on midpoints of consecutive observations.

    A change ``x_1 - x_0`` is taken as ``gap (A (x_0 + x_1) / 2 + b)``, exact to second order in the
    gap. Changes, not slopes: with slopes, two cells at almost the same pseudotime, whose difference
    is noise divided by nearly nothing, would decide the fit.

    Parameters
    ----------
    train
        Trajectories; every pair of consecutive observations is one row.
    ridge
        Penalty relative to the mean squared input (dimensionless, positive). By default the one
        that is the largest within one standard error of the best on pairs left out: whole
        trajectories at a time, or stretches of time where there is one trajectory, because
        neighbouring pairs share a noisy observation.
    """
    pairs = train.pairs()
    middle, change, gaps = (pairs.start + pairs.end).T / 2, (pairs.end - pairs.start).T, pairs.gaps
    unit = gaps / np.linalg.norm(gaps)
    mean = (unit**2) @ middle
    drift = unit @ change / np.linalg.norm(gaps)
    inputs = gaps[:, None] * (middle - mean)
    outputs = change - gaps[:, None] * drift
    basis, sizes, axes = linalg.svd(inputs, full_matrices=False, check_finite=False)
    kept = sizes > sizes.max(initial=0) * 1e-10
    basis, sizes, axes = basis[:, kept], sizes[kept], axes[kept]
    scale = float(np.square(sizes).mean()) if kept.any() else 1.0
    if ridge is None:
        ridge = _best_ridge(basis, sizes**2 / scale, unit, outputs, groups=_groups(pairs))
    left = (sizes / (sizes**2 + ridge * scale))[:, None] * (basis.T @ outputs)
    return LinearOde(left.T, axes.T, mean, drift)


def _groups(pairs: Pairs) -> Int[np.ndarray, " pair"]:
    """Return which pairs are left out together."""
    _, place = np.unique(pairs.trajectory, return_inverse=True)
    if place.max() > 0:
        return place % _FOLDS
    return np.arange(len(pairs)) * min(_FOLDS, len(pairs)) // len(pairs)


def _best_ridge(
    basis: np.ndarray,
    power: np.ndarray,
    unit: PairVector,
    outputs: np.ndarray,
    *,
    groups: Int[np.ndarray, " pair"],
) -> float:
    """Return the largest ridge within one standard error of the least error on groups left out.

    Errors are squared and genes weigh alike; the standard error is that of the paired difference.
    The least error itself chooses too small a ridge where neighbouring cells of a pseudotime share
    their noise, and a baseline that explodes would be too easy to beat.

    With H the matrix that maps changes to fitted changes, the error on a group g that the fit has
    not seen is ``(1 - H_gg)^-1`` times its residual: no refit is needed.
    """
    if len(outputs) < outputs.shape[1]:  # turning the genes' axes changes no squared error
        outputs = linalg.qr(outputs.T, mode="r", check_finite=False)[0][: len(outputs)].T
    projected = basis.T @ outputs

    def errors(ridge: float) -> PairVector:
        shrink = power / (power + ridge)
        residual = outputs - basis @ (shrink[:, None] * projected)
        found = np.empty(len(outputs))
        for group in np.unique(groups):
            at = groups == group
            seen = (basis[at] * shrink) @ basis[at].T + np.outer(unit[at], unit[at])
            left_out = np.linalg.solve(np.eye(len(seen)) - seen, residual[at])
            found[at] = np.square(left_out).sum(1)
        return found

    if not basis.shape[1]:
        return 1.0
    curve = np.stack([errors(ridge) for ridge in _RIDGES])
    worse = curve - curve[curve.sum(1).argmin()]
    spread = worse.std(1, ddof=1) / np.sqrt(len(unit)) if len(unit) > 1 else 0.0
    return float(_RIDGES[worse.mean(1) <= spread].max())
