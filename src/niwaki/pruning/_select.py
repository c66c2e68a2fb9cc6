"""Which round of the pruning path to keep."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from niwaki.core import ConfigError, PairIndex, PairVector

_SLACK = 0.02  # a mean loss higher by this share is as good


@dataclass(frozen=True)
class RoundLoss:
    """How one round does on held-out pairs.

    Attributes
    ----------
    sparsity
        Share of pruned weights (dimensionless).
    losses
        Loss of each held-out pair, the same pairs in the same order in every round (squared units
        of the data).
    """

    sparsity: float
    losses: PairVector

    def mean(self) -> float:
        """Return the mean loss (squared units of the data); infinity if it is not a number."""
        mean = float(self.losses.mean())
        return np.inf if np.isnan(mean) else mean


def sparsest_within_one_se(rounds: Sequence[RoundLoss], *, groups: PairIndex | None = None) -> int:
    """Return the sparsest round whose loss is within one standard error of the best.

    The standard error is that of the *difference* to the best round, pair by pair. Some pairs are
    hard for every round; this shared part says nothing about which round is better, and the
    usual error of the mean loss, which contains it, would accept rounds that are worse on nearly
    every pair.

    Parameters
    ----------
    rounds
        All rounds of the path.
    groups
        Trajectory of each pair. Pairs of one trajectory err together, so with two
        trajectories or more the standard error is taken over their means.

    Returns
    -------
    Index into `rounds`. With one held-out pair there is no error to speak of: the best round.
    Rounds of equal sparsity are ordered by loss.
    """
    if not rounds:
        raise ConfigError("no round to select from; expected at least one.")
    best = min(range(len(rounds)), key=lambda i: (rounds[i].mean(), -rounds[i].sparsity))
    fine = [
        i for i, entry in enumerate(rounds) if _within(entry.losses - rounds[best].losses, groups)
    ]
    return max([best, *fine], key=lambda i: (rounds[i].sparsity, -rounds[i].mean()))


def nearest_as_good(
    rounds: Sequence[RoundLoss], *, wanted: int, groups: PairIndex | None = None
) -> int:
    """Return the round nearest to a wanted one that is not clearly worse than the best.

    Clearly worse is a mean loss that is higher by 2 % and by two standard errors of the
    difference. With few held-out trajectories that error alone may be far too small.

    Parameters
    ----------
    rounds
        All rounds of the path, in order.
    wanted
        Position of the round that would be kept if losses did not matter.
    groups
        Trajectory of each pair, as for `sparsest_within_one_se`.
    """
    best = min(range(len(rounds)), key=lambda i: (rounds[i].mean(), -rounds[i].sparsity))
    slack = _SLACK * rounds[best].mean()

    def as_good(entry: RoundLoss) -> bool:
        worse = entry.losses - rounds[best].losses
        return float(worse.mean()) <= max(slack, 2 * standard_error(worse, groups))

    fine = [i for i, entry in enumerate(rounds) if as_good(entry)]
    return min([best, *fine], key=lambda i: (abs(i - wanted), i))


def nearest_sparsity(sparsities: Sequence[float], target: float) -> int:
    """Return the index of the sparsity nearest to `target`; of two equally near, the sparser.

    Parameters
    ----------
    sparsities
        Share of pruned weights in each round (dimensionless).
    target
        Wanted share (dimensionless).
    """
    if not sparsities:
        raise ConfigError("no round to select from; expected at least one.")
    return min(
        range(len(sparsities)), key=lambda i: (abs(sparsities[i] - target), -sparsities[i], i)
    )


def standard_error(losses: Float[np.ndarray, " pair"], groups: PairIndex | None = None) -> float:
    """Return the standard error of a mean over pairs, or over groups if there are several.

    0 if there is one value only.

    Parameters
    ----------
    losses
        One value per pair (any unit).
    groups
        Group of each pair; pairs are weighted equally within and between groups.
    """
    if groups is not None and len(np.unique(groups)) > 1:
        return _clustered_error(losses, groups)
    if len(losses) < 2:
        return 0.0
    return float(losses.std(ddof=1) / np.sqrt(len(losses)))


def _within(differences: np.ndarray, groups: PairIndex | None) -> bool:
    """Say whether the mean difference is at most its own standard error."""
    if not np.isfinite(differences).all():
        return False
    return float(differences.mean()) <= standard_error(differences, groups)


def _clustered_error(losses: np.ndarray, groups: PairIndex) -> float:
    """Return the standard error of the mean over all pairs, whole groups varying together."""
    _, place = np.unique(groups, return_inverse=True)
    sums = np.bincount(place, weights=losses - losses.mean())
    correction = len(sums) / (len(sums) - 1)
    return float(np.sqrt(correction * (sums**2).sum()) / len(losses))
