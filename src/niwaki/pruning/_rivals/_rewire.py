"""Dynamic sparse training: as many weights grow as fall, the number stays."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.pruning._masks import keep_top


def rewire(
    mask: Bool[Tensor, "*axes"],
    weight: Float[Tensor, "*axes"],
    grow: Float[Tensor, "*axes"],
    *,
    share: float,
) -> Bool[Tensor, "*axes"]:
    """Drop the smallest living weights and grow as many where `grow` is highest.

    A weight that just fell can grow again only if `grow` says so. Grown weights are to start at 0.
    With a random `grow` this is SET, with absolute gradients of absent weights RigL.

    Parameters
    ----------
    mask
        Living weights.
    weight
        Their values (any unit).
    grow
        How much an absent weight is wanted (any unit).
    share
        Share of the living weights to exchange, in [0, 1] (dimensionless).

    Raises
    ------
    ConfigError
        If the share is out of range.

    References
    ----------
    .. [1] mocanu2018, random regrowth.
    .. [2] evci2020, regrowth by gradient; weights that fell in this update do not return in it,
       as there.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"the share to exchange is {share:g}; expected 0 to 1.")
    absent = ~mask
    count = min(round(share * int(mask.sum())), int(absent.sum()))
    kept = keep_top(mask, weight.detach().abs(), keep=int(mask.sum()) - count)
    grown = keep_top(absent, grow.detach(), keep=count)
    return kept | grown


def exchange_share(step: int, end: int, *, start: float = 0.3) -> float:
    """Return the share to exchange at a step: half a cosine from `start` to 0 at `end`.

    Parameters
    ----------
    step, end
        This update and the last (epochs, or optimisation steps).
    start
        Share at step 0 (dimensionless).

    References
    ----------
    .. [1] evci2020, f_decay with alpha 0.3.
    """
    return start / 2 * (1 + math.cos(math.pi * min(step, end) / end)) if end > 0 else 0.0


def regrow_noise(mask: Bool[Tensor, "*axes"], generator: torch.Generator) -> Tensor:
    """Return uniform numbers for a random regrowth."""
    return torch.rand(mask.shape, generator=generator, dtype=torch.float64)
