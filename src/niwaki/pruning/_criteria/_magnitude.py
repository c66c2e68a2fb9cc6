"""Small weights go first."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from niwaki.knowledge import Knowledge
from niwaki.pruning._criteria._chain import Chain, ScoreOptions, Scores, scored


def magnitude(
    chain: Chain,
    knowledge: Knowledge | None,
    *,
    options: ScoreOptions,
    state: Tensor | None,
    rng: np.random.Generator,
) -> Scores:
    """Score weights by size; output weights times the factor of their row.

    Iterative magnitude pruning of the literature (DASH with both lambdas 0).

    References
    ----------
    .. [1] dash2024, released scripts with lambda (0, 0). There a multiplicative branch is scored by
       ``exp(W)``, here by size.
    """
    return scored(
        chain,
        chain.living_first().abs(),
        chain.living_output().abs() * chain.scale()[:, None],
    )


def magnitude_score(weight: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Score any weight tensor by size, in float64 on the CPU."""
    return weight.detach().to("cpu").double().abs()
