"""How large the effect of a true edge is, and what an estimate of it says for the edge."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logsumexp

Effects = Float[np.ndarray, "..."]

_TAILS = np.array([1.0, 2.0, 4.0, 8.0])
_WIDEST = 2.0  # no effect is wider (target units per regulator unit)
_TAIL_COUNTS = np.array([2.0, 0.5, 0.5, 0.5])  # pseudo-counts of the tails
_MOST_EFFECTS = 20_000
_PASSES = 15


@dataclass(frozen=True)
class EffectLaw:
    """Effects of true edges: centred normal, with tails, smaller where many share a target.

    Attributes
    ----------
    size
        Deviation of the effect of a sole regulator (target units per regulator unit).
    decay
        Factor by which a further regulator of the same target shrinks it (dimensionless).
    tails
        Shares of effects that are 1, 2, 4 and 8 times as wide.

    References
    ----------
    .. [1] stephens2017: a mixture of centred normals as the learned law of effects.
    """

    size: float = 0.7
    decay: float = 0.8
    tails: tuple[float, ...] = (0.85, 0.05, 0.05, 0.05)

    def deviations(self, crowd: Effects) -> Float[np.ndarray, "tail ..."]:
        """Return the deviation of each tail for targets with `crowd` regulators."""
        base = self.size * self.decay ** (np.asarray(crowd) - 1)
        return np.asarray(np.minimum(np.multiply.outer(_TAILS, base), _WIDEST))

    def log_bayes_factor(self, estimate: Effects, error: Effects, crowd: Effects) -> Effects:
        """Return the log odds that an estimate gives to "there is an edge" against "there is none".

        Parameters
        ----------
        estimate, error
            Estimated effect, and its standard error (target units per regulator unit); an infinite
            error says nothing.
        crowd
            Expected number of regulators of the target (count).
        """
        return np.asarray(logsumexp(self._parts(estimate, error, crowd), axis=0))

    def expected_variance(self, estimate: Effects, error: Effects, crowd: Effects) -> Effects:
        """Return the prior variance of an effect, averaged over the tails that fit its estimate."""
        parts = self._parts(estimate, error, crowd)
        weights = np.exp(parts - logsumexp(parts, axis=0))
        return np.asarray((weights * np.square(self.deviations(crowd))).sum(0))

    def _parts(
        self, estimate: Effects, error: Effects, crowd: Effects
    ) -> Float[np.ndarray, "tail ..."]:
        wide = np.square(self.deviations(crowd))
        shape = (-1, *(1,) * (wide.ndim - 1))
        return normal_log_bayes_factor(estimate, error, wide) + np.log(self.tails).reshape(shape)


def normal_log_bayes_factor(estimate: Effects, error: Effects, variance: Effects) -> Effects:
    """Return the log Bayes factor of an effect ``N(0, variance)`` against none.

    Parameters
    ----------
    estimate, error
        Estimated effect and its standard error.
    variance
        Prior variance of the effect.
    """
    spread = np.square(error)
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = variance / (variance + spread)
        signal = np.where(np.isfinite(error), np.square(estimate / error), 0.0)
    return np.asarray(0.5 * (np.log1p(-np.minimum(pull, 1 - 1e-15)) + signal * pull))


def fit_effect_law(
    estimate: Float[np.ndarray, " edge"],
    error: Float[np.ndarray, " edge"],
    crowd: Float[np.ndarray, " edge"],
    *,
    log_odds: Float[np.ndarray, " edge"],
) -> EffectLaw:
    """Return the law of highest likelihood for edges of which a part is true.

    The share of true edges is free as well: the prior log odds are shifted as a whole to fit.

    Parameters
    ----------
    estimate, error, crowd
        Of each edge, as for `EffectLaw.log_bayes_factor`; errors finite.
    log_odds
        Prior log odds of each edge.
    """
    if len(estimate) < 5:
        return EffectLaw()
    step = max(1, len(estimate) // _MOST_EFFECTS)
    estimate, error, crowd, log_odds = (a[::step] for a in (estimate, error, crowd, log_odds))
    best, found = -np.inf, EffectLaw()
    for size in np.geomspace(0.05, 2.0, 14):
        for decay in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
            law = EffectLaw(float(size), decay)
            wide = np.square(law.deviations(crowd))
            likelihood, tails = _fit_tails(normal_log_bayes_factor(estimate, error, wide), log_odds)
            # else size s and size s / 8, all in the tail of 8, would be the same law
            if likelihood > best and tails[0] > 0.5:
                best, found = likelihood, EffectLaw(float(size), decay, tails)
    return found


def _fit_tails(
    parts: Float[np.ndarray, "tail edge"], log_odds: Float[np.ndarray, " edge"]
) -> tuple[float, tuple[float, ...]]:
    """Return the log likelihood at its best tails and share of true edges (EM)."""
    tails, shift = _TAIL_COUNTS / _TAIL_COUNTS.sum(), 0.0
    for _ in range(_PASSES):
        mixed = parts + np.log(tails)[:, None]
        total = logsumexp(mixed, axis=0)
        true = expit(log_odds + shift + total)
        believed = expit(log_odds + shift)
        shift += float(np.clip(_logit(true.mean()) - _logit(believed.mean()), -1, 1))
        tails = (np.exp(mixed - total) * true).sum(1) + _TAIL_COUNTS
        tails /= tails.sum()
    odds = log_odds + shift
    total = logsumexp(parts + np.log(tails)[:, None], axis=0)
    likelihood = (np.logaddexp(odds + total, 0) - np.logaddexp(odds, 0)).sum()
    return float(likelihood), tuple(float(t) for t in tails)


def _logit(share: float) -> float:
    share = min(max(float(share), 1e-3), 1 - 1e-3)
    return float(np.log(share / (1 - share)))
