"""Weights that neither the data nor the prior support go first."""

import numpy as np
from torch import Tensor

from niwaki.knowledge import Knowledge
from niwaki.pruning._criteria._chain import Chain, ScoreOptions, Scores, needed, scored
from niwaki.pruning._structure._layer_scores import ChainKnowledge, layer_scores


def dash(
    chain: Chain,
    knowledge: Knowledge | None,
    *,
    options: ScoreOptions,
    state: Tensor | None,
    rng: np.random.Generator,
) -> Scores:
    """Mix magnitude and knowledge, each as shares of its sum over the surviving weights.

    With lambda 0 the order is that of magnitude, exactly; with lambda 1 it is that of knowledge
    alone. Then the weights decide only ties (above all among genes that the prior does not name)
    and which hidden unit takes which group of regulators, because knowledge fixes the groups but
    not their places.

    The knowledge of the first layer is solved to convergence among surviving weights, from the data
    scores plus their mean (so that a weight of 0 can still be called for); the knowledge of the
    output layer follows from the mixed scores of the first. No randomness, no state.

    References
    ----------
    .. [1] dash2024, released scripts. Unlike there: normalised, solved, sizes instead of
       ``exp(W)``; see ``dash-paper`` for the original.
    """
    known = needed(knowledge, "dash")
    return _mixed(
        chain,
        known,
        lambda_ppi=options.lambda_ppi,
        lambda_prior=options.lambda_prior,
        ridge=options.ridge,
    )


def knowledge_alone(
    chain: Chain,
    knowledge: Knowledge | None,
    *,
    options: ScoreOptions,
    state: Tensor | None,
    rng: np.random.Generator,
) -> Scores:
    """Score weights by knowledge only: `dash` with both lambdas 1 ("BioPrune").

    References
    ----------
    .. [1] dash2024, released scripts with lambda (1, 1).
    """
    known = needed(knowledge, "knowledge")
    return _mixed(chain, known, lambda_ppi=1.0, lambda_prior=1.0, ridge=options.ridge)


def _mixed(
    chain: Chain,
    knowledge: Knowledge,
    *,
    lambda_ppi: float,
    lambda_prior: float,
    ridge: float,
) -> Scores:
    """Return the mixed scores of both layers."""
    found = layer_scores(
        [chain.living_first().abs(), chain.living_output().abs() * chain.scale()[:, None]],
        [chain.first_mask.cpu(), chain.output_mask.cpu()],
        ChainKnowledge.from_knowledge(knowledge),
        inner=lambda_ppi,
        last=lambda_prior,
        ridge=ridge,
    )
    return scored(chain, found.mixed[0], found.mixed[1])
