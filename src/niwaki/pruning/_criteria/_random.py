"""Any weight may go."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.knowledge import Knowledge
from niwaki.pruning._criteria._chain import Chain, ScoreOptions, Scores, scored


def random(
    chain: Chain,
    knowledge: Knowledge | None,
    *,
    options: ScoreOptions,
    state: Tensor | None,
    rng: np.random.Generator,
) -> Scores:
    """Score weights uniformly at random: the control that every criterion must beat."""
    return scored(chain, random_score(chain.first, rng=rng), random_score(chain.output, rng=rng))


def random_score(
    weight: Float[Tensor, "*axes"], *, rng: np.random.Generator
) -> Float[Tensor, "*axes"]:
    """Score any weight tensor uniformly at random, in float64 on the CPU."""
    return torch.from_numpy(rng.random(tuple(weight.shape)))
