"""Criteria for any weight, applied to both layers of a chain: SNIP, GraSP, SynFlow, Taylor."""

import numpy as np
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.knowledge import Knowledge
from niwaki.pruning._criteria._chain import Chain, Criterion, ScoreOptions, Scores, scored
from niwaki.pruning._weight_criteria import WEIGHT_CRITERIA

# What each criterion needs to know of the weights beforehand.
CHAIN_NEEDS = {name: WEIGHT_CRITERIA[name].needs for name in ("snip", "grasp", "taylor")}


def synflow(
    chain: Chain,
    knowledge: Knowledge | None,
    *,
    options: ScoreOptions,
    state: Tensor | None,
    rng: np.random.Generator,
) -> Scores:
    """Score weights by the flow through them in the linear chain of absolute weights.

    The flow through ``W[k, i]`` is ``abs(W[k, i])`` times the sum over targets of
    ``scale * abs(C[:, k])``, and the other way round for C: the sum over paths, in closed form.

    References
    ----------
    .. [1] tanaka2020, equation 2. The field's non-linearities are left out, as in its read-out.
    """
    first = chain.living_first().abs()
    output = chain.living_output().abs() * chain.scale()[:, None]
    return scored(chain, first * output.sum(0)[:, None], output * first.sum(1))


def of_weights(name: str) -> Criterion:
    """Return the criterion of chains that scores both layers by a criterion for any weight."""
    criterion = WEIGHT_CRITERIA[name]

    def score(
        chain: Chain,
        knowledge: Knowledge | None,
        *,
        options: ScoreOptions,
        state: Tensor | None,
        rng: np.random.Generator,
    ) -> Scores:
        if chain.first_statistics is None or chain.output_statistics is None:
            raise ConfigError(
                f"the criterion '{name}' needs gradients; put them into the chain's "
                "first_statistics and output_statistics."
            )
        return scored(
            chain,
            criterion.score(chain.first, chain.first_statistics, None).cpu().double(),
            criterion.score(chain.output, chain.output_statistics, None).cpu().double(),
        )

    return score
