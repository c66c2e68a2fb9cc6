"""What a search for edges knows, and what it learns from all targets together."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from niwaki.core import ConfigError, Network, Trajectories
from niwaki.dynamics import Smoothed
from niwaki.pruning import (
    EffectLaw,
    Support,
    Trust,
    fit_effect_law,
    learn_trust,
    sign_log_bayes_factor,
)

MOST_CANDIDATES = 1_000  # up to this many genes every gene may regulate every other
MOST_REGULATORS = 2_000  # of a prior, that are searched unless all are asked for
OUT = -30.0  # log odds of what cannot be
_WEAK = 0.3  # a prior less trusted than this does not tell how large true effects are

Table = Float[np.ndarray, "target candidate"]
Marks = Bool[np.ndarray, "target candidate"]


def choose_candidates(
    data: Trajectories, prior: Network | None, which: str = "auto"
) -> Int[np.ndarray, " candidate"]:
    """Return the genes that may regulate.

    Parameters
    ----------
    data
        Training trajectories.
    prior
        Aligned prior, or None.
    which
        ``all`` genes, the ``prior``'s regulators, or ``auto``: all up to 1,000 genes; above, the
        prior's regulators (the 2,000 of the most targets, if it has more), or without a prior the
        1,000 genes that vary most.

    Raises
    ------
    ConfigError
        If the prior's regulators are asked for and there are none.
    """
    genes = len(data.genes)
    if which == "all" or (which == "auto" and genes <= MOST_CANDIDATES):
        return np.arange(genes)
    if prior is not None and len(prior):
        regulators = prior.regulators()
        if which == "prior" or len(regulators) <= MOST_REGULATORS:
            return regulators
        targets = np.bincount(prior.source, minlength=genes)[regulators]
        return np.sort(regulators[np.argsort(-targets, kind="stable")[:MOST_REGULATORS]])
    if which == "prior":
        raise ConfigError("candidates 'prior' needs a prior, and none was given; add --prior FILE.")
    spread = data.stack().std(0)
    return np.sort(np.argsort(-spread, kind="stable")[:MOST_CANDIDATES])


@dataclass
class EdgeState:
    """All that changes from one pass to the next.

    Attributes
    ----------
    smoothed
        Paths, kernels and noise of every gene.
    supports
        Chosen regulators of each target, as positions among the candidates.
    law, trust
        Learned sizes of effects, and learned trust in the prior.
    prior_odds, crowd
        Log odds of every edge before its own data; expected regulators of each target (count).
    estimate, error, factor, paired, odds
        Effect, standard error, log Bayes factor (`paired`: of the edge's pairs alone) and posterior
        log odds of every edge.
    joint_share
        Share of pairs of regulators that have an effect of their own.
    coefficients
        Of each target's start, level, chosen edges and chosen pairs.
    """

    smoothed: Smoothed
    supports: list[Support]
    law: EffectLaw
    trust: Trust
    prior_odds: Table
    crowd: Float[np.ndarray, " target"]
    estimate: Table
    error: Table
    factor: Table
    paired: Table
    odds: Table
    joint_share: float = 0.1
    coefficients: list[np.ndarray] = field(default_factory=list)


def learn(
    state: EdgeState, prior: Marks, sign: Table, possible: Marks, *, fixed: float | None
) -> None:
    """Learn the law of effects and the trust in the prior from all targets together.

    Parameters
    ----------
    state
        After every target was judged; changed in place.
    prior, sign
        Edges of the prior, and their signs where it gives them (else 0).
    possible
        Edges that could be.
    fixed
        Share of true edges in the prior, set by hand; None learns it.
    """
    testable = np.isfinite(state.error)
    true = np.where(testable, share_of(state.odds), 0.0)
    trusted = float(true[prior].mean()) if prior.any() else 0.0
    outside = np.where(prior, 0.0, true).sum(1)
    state.crowd = np.maximum(1.0, trusted * prior.sum(1) + outside)
    telling = (prior if trusted > _WEAK else true > 0.5) & testable
    crowd = np.broadcast_to(state.crowd[:, None], true.shape)
    state.law = fit_effect_law(
        state.estimate[telling],
        state.error[telling],
        crowd[telling],
        log_odds=state.prior_odds[telling],
    )
    for target in np.flatnonzero(testable.any(1)):
        _rejudge(state, sign, int(target))
    state.trust, state.prior_odds = learn_trust(
        state.factor, prior, possible, testable, before=state.trust, fixed=fixed
    )
    state.odds = np.where(testable, np.clip(state.prior_odds + state.factor, OUT, -OUT), OUT)
    state.trust = replace(state.trust, signs=_signs_held(state, sign))
    pairs = sum(len(s.pairs) for s in state.supports)
    tried = sum(len(s.edges) * (len(s.edges) + 1) // 2 for s in state.supports)
    state.joint_share = (pairs + 1) / (tried + 10)


def _rejudge(state: EdgeState, sign: Table, target: int) -> None:
    """Bring the Bayes factors of a target up to the law just learned."""
    crowd = np.full(sign.shape[1], state.crowd[target])
    effects = (state.estimate[target], state.error[target])
    factor = state.law.log_bayes_factor(*effects, crowd)
    wide = state.law.expected_variance(*effects, crowd)
    factor += sign_log_bayes_factor(sign[target], *effects, wide, hold=state.trust.signs)
    state.factor[target] = factor + state.paired[target]


def _signs_held(state: EdgeState, sign: Table) -> float:
    """Return the share of the prior's signs that the sure edges bear out."""
    sure = (sign != 0) & (state.odds > 0) & (np.abs(state.estimate) > 2 * state.error)
    agreed = (np.sign(state.estimate[sure]) == sign[sure]).sum()
    return float((agreed + 1.5) / (sure.sum() + 2))


def prior_tables(
    prior: Network | None, candidates: Int[np.ndarray, " candidate"], genes: int
) -> tuple[Bool[np.ndarray, "target candidate"], Table]:
    """Return which edges the prior holds, and their signs where it gives them."""
    inside = np.zeros((genes, len(candidates)), dtype=bool)
    sign = np.zeros(inside.shape)
    if prior is not None:
        place = np.full(genes, -1)
        place[candidates] = np.arange(len(candidates))
        known = place[prior.source] >= 0
        at = (prior.target[known], place[prior.source[known]])
        inside[at] = True
        if prior.signed:
            sign[at] = np.sign(prior.weight[known])
    return inside, sign


def log_odds_of(share: float) -> float:
    """Return the log odds of a share, kept finite."""
    share = min(max(share, 1e-6), 1 - 1e-6)
    return float(np.log(share / (1 - share)))


def share_of(odds: Table) -> Table:
    """Return the probability of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, OUT, -OUT))))
