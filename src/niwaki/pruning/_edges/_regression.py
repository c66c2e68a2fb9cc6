"""One target's regulators: prune and regrow until no single change raises the posterior.

All candidates are judged at once. With the chosen regulators in the regression, each candidate's
effect and standard error follow from one factorisation; for a chosen one they are what the
regression would say without its own prior. Effects of pairs of chosen regulators (AND, OR, XOR)
come and go in the same way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import solve_triangular

from niwaki.pruning._edges._effects import EffectLaw, normal_log_bayes_factor
from niwaki.pruning._edges._trust import sign_log_bayes_factor

Row = Float[np.ndarray, " candidate"]
Pair = tuple[int, int]
JointColumns = Callable[[list[Pair]], Float[np.ndarray, "row pair"]]

_FLAT = 1e-8  # precision of what every target has: its start and its level
_GAIN = 0.02  # smallest gain in log posterior that is worth a change
_MOST_CHANGES = 60
_MOST_PAIRED = 8  # regulators whose pairs are tried, the surest first
_OUT = -30.0


@dataclass(frozen=True)
class Beliefs:
    """What is believed before the data of a target.

    Attributes
    ----------
    law
        Sizes of true effects.
    log_odds
        Prior log odds of each candidate.
    sign, sign_hold
        Sign that the prior gives each candidate (0 for none), and the share of signs that hold.
    crowd
        Expected number of regulators of the target (count).
    joint_log_odds, joint_variance
        Prior log odds and variance of an effect of a pair.
    allowed
        Candidates that may regulate the target.
    """

    law: EffectLaw
    log_odds: Row
    sign: Row
    sign_hold: float
    crowd: float
    joint_log_odds: float
    joint_variance: float
    allowed: Bool[np.ndarray, " candidate"]


@dataclass(frozen=True)
class TargetData:
    """The whitened regression of one target.

    Attributes
    ----------
    response
        Observations, in units of the noise's deviation up to `noise`.
    base
        Columns that every model has (start and level).
    candidates
        Column of each candidate regulator.
    joint
        Returns the columns of pairs of candidates.
    noise
        Variance of the noise (squared data units).
    """

    response: Float[np.ndarray, " row"]
    base: Float[np.ndarray, "row base"]
    candidates: Float[np.ndarray, "row candidate"]
    joint: JointColumns
    noise: float


@dataclass
class Support:
    """The chosen regulators of a target, and the chosen pairs of them.

    Attributes
    ----------
    edges, pairs
        Candidates, and pairs of them.
    variances
        Prior variance of each chosen effect, from the law.
    """

    edges: list[int] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    variances: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """What the data of a target say about every candidate, given the support.

    Attributes
    ----------
    estimate, error
        Effect of each candidate and its standard error (target units per regulator unit).
    log_bayes_factor
        Of the edge against none, pairs and signs included.
    log_odds
        Posterior log odds of the edge.
    pairs
        Posterior log odds of each chosen pair.
    coefficients
        Of the base columns, the chosen edges and the chosen pairs, in this order.
    """

    estimate: Row
    error: Row
    log_bayes_factor: Row
    log_odds: Row
    pairs: dict[Pair, float]
    coefficients: Float[np.ndarray, " column"]


@dataclass(frozen=True)
class Regression:
    """A ridge regression with its factorisation.

    Attributes
    ----------
    design, precision
        Columns, and the prior precision of each (in units of 1 / noise).
    factor, projected, coefficients
        Cholesky factor of the normal matrix, the response in its coordinates, the estimate.
    residual
        Penalised residual sum of squares.
    """

    design: Float[np.ndarray, "row column"]
    precision: Float[np.ndarray, " column"]
    factor: Float[np.ndarray, "column column2"]
    projected: Float[np.ndarray, " column"]
    coefficients: Float[np.ndarray, " column"]
    residual: float

    def log_evidence(self, rows: int) -> float:
        """Return the log evidence up to a constant, the noise integrated out."""
        prior = np.log(self.precision[self.precision > 2 * _FLAT]).sum() / 2
        return float(
            prior
            - np.log(np.diag(self.factor)).sum()
            - rows / 2 * np.log(max(self.residual, 1e-300))
        )


def regress(data: TargetData, support: Support, *, joint_variance: float) -> Regression:
    """Return the regression of a target on its support."""
    columns = [data.base, data.candidates[:, support.edges]]
    precision = [np.full(data.base.shape[1], _FLAT)]
    precision.append(np.array([data.noise / support.variances[j] for j in support.edges]))
    if support.pairs:
        columns.append(data.joint(support.pairs))
        precision.append(np.full(len(support.pairs), data.noise / joint_variance))
    design, weights = np.concatenate(columns, 1), np.concatenate(precision)
    normal = design.T @ design
    normal[np.diag_indices_from(normal)] += weights + 1e-12 * normal.max()
    factor = np.linalg.cholesky(normal)
    projected = solve_triangular(factor, design.T @ data.response, lower=True)
    coefficients = solve_triangular(factor.T, projected)
    residual = float(data.response @ data.response - projected @ projected)
    return Regression(design, weights, factor, projected, coefficients, residual)


def judge(data: TargetData, beliefs: Beliefs, support: Support) -> Judgement:
    """Return what the data say about every candidate, given the support."""
    return _judge(data, beliefs, support, _fitted(data, beliefs, support))


def _fitted(data: TargetData, beliefs: Beliefs, support: Support) -> Regression:
    base = beliefs.law.deviations(np.array(beliefs.crowd))[0] ** 2
    for edge in support.edges:
        support.variances.setdefault(edge, float(base) + 0.01)
    return regress(data, support, joint_variance=beliefs.joint_variance)


def _judge(data: TargetData, beliefs: Beliefs, support: Support, fit: Regression) -> Judgement:
    estimate, error = _effects(data, fit, data.candidates)
    inverse = solve_triangular(fit.factor, np.eye(len(fit.factor)), lower=True)
    spread = np.square(inverse).sum(0)
    first = data.base.shape[1]
    chosen = np.arange(first, first + len(support.edges))
    estimate[support.edges], error[support.edges] = _own(fit, spread, chosen, data.noise)
    error[~beliefs.allowed] = np.inf
    law, crowd = beliefs.law, np.full(len(estimate), beliefs.crowd)
    factor: Row = law.log_bayes_factor(estimate, error, crowd) + sign_log_bayes_factor(
        beliefs.sign,
        estimate,
        error,
        law.expected_variance(estimate, error, crowd),
        hold=beliefs.sign_hold,
    )
    paired = np.arange(first + len(support.edges), len(spread))
    pair_effect, pair_error = _own(fit, spread, paired, data.noise)
    pair_odds = beliefs.joint_log_odds + normal_log_bayes_factor(
        pair_effect, pair_error, np.full(len(paired), beliefs.joint_variance)
    )
    pairs = {pair: float(odds) for pair, odds in zip(support.pairs, pair_odds, strict=True)}
    for pair, odds in pairs.items():
        for edge in set(pair):
            factor[edge] += max(odds, 0.0)
    posterior = np.where(beliefs.allowed, beliefs.log_odds + factor, _OUT)
    return Judgement(estimate, error, factor, posterior, pairs, fit.coefficients)


def _effects(
    data: TargetData, fit: Regression, columns: Float[np.ndarray, "row column"]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the effect of each column beside the regression, and its standard error."""
    overlap = solve_triangular(fit.factor, fit.design.T @ columns, lower=True)
    left = np.maximum(np.square(columns).sum(0) - np.square(overlap).sum(0), 1e-9)
    return (columns.T @ data.response - overlap.T @ fit.projected) / left, np.sqrt(
        data.noise / left
    )


def _own(
    fit: Regression, spread: np.ndarray, columns: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return effects and errors of columns of the regression, their own prior taken out."""
    information = np.maximum(1 / spread[columns] - fit.precision[columns], 1e-9)
    effect = fit.coefficients[columns] / spread[columns] / information
    return effect, np.sqrt(noise / information)


def prune_and_regrow(data: TargetData, beliefs: Beliefs, support: Support) -> None:
    """Change the support one edge or pair at a time, the largest gain first, until none gains."""
    seen: set[tuple[frozenset[int], frozenset[Pair]]] = set()
    for _ in range(_MOST_CHANGES):
        fit = _fitted(data, beliefs, support)
        found = _judge(data, beliefs, support, fit)
        wide = beliefs.law.expected_variance(
            found.estimate[support.edges],
            found.error[support.edges],
            np.full(len(support.edges), beliefs.crowd),
        )
        support.variances = {
            edge: float(v) + 1e-6 for edge, v in zip(support.edges, wide, strict=True)
        }
        state = (frozenset(support.edges), frozenset(support.pairs))
        if state in seen or not _change(data, beliefs, support, found, fit):
            return
        seen.add(state)


def _change(
    data: TargetData, beliefs: Beliefs, support: Support, found: Judgement, fit: Regression
) -> bool:
    """Make the single change of the largest gain; False if none gains."""
    chosen = set(support.edges)
    outside = found.log_odds.copy()
    outside[support.edges] = _OUT
    new = int(np.argmax(outside))
    weakest = min(support.edges, key=lambda j: found.log_odds[j], default=None)
    faint = min(found.pairs, key=lambda p: found.pairs[p], default=None)
    gains = {
        "grow": float(outside[new]),
        "prune": _OUT if weakest is None else -float(found.log_odds[weakest]),
        "part": _OUT if faint is None else -found.pairs[faint],
    }
    best = max(gains, key=lambda name: gains[name])
    if best != "grow" or gains[best] <= _GAIN:
        pair, gain = _best_pair(data, beliefs, support, found, fit)
        if pair is not None and gain > max(gains[best], _GAIN):
            support.pairs.append(pair)
            return True
    if gains[best] <= _GAIN:
        return False
    if best == "grow":
        support.edges.append(new)
    elif best == "prune" and weakest is not None:
        support.edges.remove(weakest)
        support.pairs = [pair for pair in support.pairs if weakest not in pair]
    elif faint is not None:
        support.pairs.remove(faint)
    return set(support.edges) != chosen or best == "part"


def _best_pair(
    data: TargetData, beliefs: Beliefs, support: Support, found: Judgement, fit: Regression
) -> tuple[Pair | None, float]:
    """Return the pair of chosen regulators that gains most, and its gain."""
    sure = sorted(support.edges, key=lambda j: -abs(found.estimate[j] / found.error[j]))
    tried = combinations_with_replacement(sorted(sure[:_MOST_PAIRED]), 2)
    pairs = [pair for pair in tried if pair not in support.pairs]
    if not pairs:
        return None, _OUT
    effect, error = _effects(data, fit, data.joint(pairs))
    gain = beliefs.joint_log_odds + normal_log_bayes_factor(
        effect, error, np.full(len(pairs), beliefs.joint_variance)
    )
    best = int(np.argmax(gain))
    return pairs[best], float(gain[best])
