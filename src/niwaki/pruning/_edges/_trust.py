"""How far a prior can be trusted, learned from the data: calibrated beliefs about edges."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, ndtr

Table = Float[np.ndarray, "target candidate"]
Effects = Float[np.ndarray, "..."]

_MOST_OUTSIDE = 5.0  # a target has no more regulators beyond the prior than this, in expectation
_OUT_OFFSET = 0.3  # expected targets of a regulator that has shown none yet
_PASSES = 30
_SURE = 30.0
_LOWEST, _HIGHEST = -14.0, 6.5  # log odds that no belief may leave


@dataclass(frozen=True)
class Trust:
    """Log odds of an edge before its own data, for edges inside and outside the prior.

    Each is linear in the logarithm of how many *other* edges of the same regulator stand: a
    regulator whose other edges hold up is more credible.

    Attributes
    ----------
    inside, outside
        Intercept and slope for edges of the prior and for all others.
    shares
        Expected share of true edges inside and outside the prior, over all regulators.
    signs
        Share of the prior's signs that hold; 0.5 says nothing.
    """

    inside: tuple[float, float] = (1.4, 0.0)
    outside: tuple[float, float] = (-5.0, 0.0)
    shares: tuple[float, float] = (0.8, 0.01)
    signs: float = 0.75

    def log_odds(self, prior: Bool[np.ndarray, "target candidate"], support: Table) -> Table:
        """Return the log odds of every edge, given the log support of its regulator."""
        inside = self.inside[0] + self.inside[1] * support
        outside = self.outside[0] + self.outside[1] * support
        return np.clip(np.where(prior, inside, outside), _LOWEST, _HIGHEST)


def sign_log_bayes_factor(
    sign: Effects, estimate: Effects, error: Effects, variance: Effects, *, hold: float
) -> Effects:
    """Return what the agreement of an estimated effect with the prior's sign says for an edge.

    Parameters
    ----------
    sign
        +1, -1, or 0 where the prior gives none.
    estimate, error, variance
        Estimated effect, its standard error, and the prior variance of a true effect.
    hold
        Share of the prior's signs that hold.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(np.isfinite(error), sign * estimate / error, 0.0)
        agrees = ndtr(z * np.sqrt(variance / (variance + np.square(error))))
    agrees = np.where(np.isfinite(agrees), agrees, 0.5)
    mixed = np.log(2 * (hold * agrees + (1 - hold) * (1 - agrees)) + 1e-12)
    return np.where(sign != 0, mixed, 0.0)


def learn_trust(
    log_bayes_factor: Table,
    prior: Bool[np.ndarray, "target candidate"],
    possible: Bool[np.ndarray, "target candidate"],
    testable: Bool[np.ndarray, "target candidate"],
    *,
    before: Trust,
    fixed: float | None = None,
) -> tuple[Trust, Table]:
    """Return the trust that explains the data best (empirical Bayes), and every edge's log odds.

    First one share of true edges for each population is found by expectation-maximisation; with
    it, every regulator's number of standing edges; with that, the two logistic laws. Networks are
    taken to be sparse: beyond its prior a target is expected to have five regulators at most. Else
    a single smooth series, in which all genes move alike, would find nearly every edge.

    Parameters
    ----------
    log_bayes_factor
        What the data say about each edge.
    prior
        Edges of the prior.
    possible
        Edges that could be (no gene regulates itself).
    testable
        Edges whose target moves; an edge into a gene that never moves is taken as refuted.
    before
        Where the fit of the laws starts; its `signs` are kept.
    fixed
        Share of true edges in the prior, set by hand.

    References
    ----------
    .. [1] george2000: the share of true effects learned by empirical Bayes.
    """
    inside, outside = prior & possible, ~prior & possible
    data = np.clip(log_bayes_factor, -_SURE, _SURE)
    most = min(0.5, _MOST_OUTSIDE / prior.shape[1])
    shares = [0.8 if fixed is None else fixed, min(0.003, most)]
    true = np.zeros(prior.shape)
    for _ in range(2 * _PASSES):
        odds = np.where(prior, *(_logit(s) for s in shares))
        true = np.where(testable, expit(odds + data), 0.0)
        if fixed is None and inside.any():
            shares[0] = _share(true[inside], 1.0, 2.0, 1e-4, 0.998)
        shares[1] = _share(true[outside], 0.1, 2.0, 1e-6, most)
    support = np.log(true.sum(0) - true + _OUT_OFFSET)
    laws = [before.inside, before.outside]
    if fixed is not None:
        laws[0] = (_logit(fixed), 0.0)
    for _ in range(_PASSES):
        if fixed is None and inside.any():
            laws[0] = _logistic(support[inside], true[inside], laws[0])
        laws[1] = _capped(
            _logistic(support[outside], true[outside], laws[1]), support, outside, most
        )
        trust = Trust(laws[0], laws[1], (shares[0], shares[1]), before.signs)
        odds = trust.log_odds(prior, support)
        true = np.where(testable, expit(odds + data), 0.0)
    return trust, odds


def _capped(
    law: tuple[float, float],
    support: Table,
    outside: Bool[np.ndarray, "target candidate"],
    most: float,
) -> tuple[float, float]:
    """Return a law that expects at most a share `most` of the edges outside the prior."""
    intercept, slope = law
    share = float(expit(intercept + slope * support)[outside].mean()) if outside.any() else 0.0
    return (intercept if share <= most else intercept + _logit(most) - _logit(share)), slope


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _share(true: np.ndarray, count: float, total: float, low: float, high: float) -> float:
    return float(np.clip((true.sum() + count) / (true.size + total), low, high))


def _logistic(
    x: Float[np.ndarray, " edge"], share: Float[np.ndarray, " edge"], start: tuple[float, float]
) -> tuple[float, float]:
    """Return intercept and slope (0 to 1) of soft labels on x, by ridge-penalised Newton.

    A slope of 1 makes the odds proportional to the number of standing edges; a steeper one would
    only feed on the edges it has itself put out.
    """
    x = np.concatenate([x, np.full(2, x.mean())])
    share = np.concatenate([share, [0.0, 1.0]])  # so that no share is exactly 0 or 1
    intercept, slope = start
    for free in (True, False):
        for _ in range(15):
            p = expit(intercept + slope * x)
            rest, weight = share - p, p * (1 - p) + 1e-9
            gradient = np.array([rest.sum(), (rest * x).sum() - slope])
            mixed = (weight * x).sum()
            hessian = np.array(
                [[weight.sum() + 1e-6, mixed], [mixed, (weight * x * x).sum() + 1.0]]
            )
            move = np.linalg.solve(hessian, gradient) if free else gradient / hessian[0, 0]
            move = np.clip(move, -2, 2)
            intercept += float(move[0])
            slope += float(move[1]) if free else 0.0
            if np.abs(move[: 1 + free]).max() < 1e-4:
                break
        if 0 <= slope <= 1:
            break
        slope = float(np.clip(slope, 0, 1))  # and the intercept once more beside it
    return intercept, slope
