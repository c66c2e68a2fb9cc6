"""Which weights go together: single ones, whole units, or so many of each block."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from niwaki.core import ConfigError


@dataclass(frozen=True)
class Items:
    """What a budget chooses from in one layer.

    Attributes
    ----------
    score
        One per item; the highest stay.
    alive
        Whether an item lives; only living ones can stay.
    tier
        Items of a higher tier stay before all of a lower one, whatever their scores.
    shape
        Shape of the weight that they make up.
    """

    score: Float[Tensor, " item"]
    alive: Bool[Tensor, " item"]
    tier: Int[Tensor, " item"]
    shape: tuple[int, ...]


@runtime_checkable
class Pattern(Protocol):
    """Turns the scores of a weight into items to choose from, and a choice into a mask."""

    def items(self, score: Float[Tensor, "..."], mask: Bool[Tensor, "..."]) -> Items:
        """Return the items of one weight."""
        ...

    def mask(self, kept: Bool[Tensor, " item"], mask: Bool[Tensor, "..."]) -> Bool[Tensor, "..."]:
        """Return the part of `mask` that the kept items make up."""
        ...


@dataclass(frozen=True)
class Unstructured:
    """Each weight on its own."""

    def items(self, score: Float[Tensor, "..."], mask: Bool[Tensor, "..."]) -> Items:
        """Return every entry as an item."""
        alive = mask.flatten()
        return Items(
            score.flatten(), alive, torch.zeros_like(alive, dtype=torch.long), tuple(mask.shape)
        )

    def mask(self, kept: Bool[Tensor, " item"], mask: Bool[Tensor, "..."]) -> Bool[Tensor, "..."]:
        """Return the kept entries."""
        return kept.reshape(mask.shape) & mask


@dataclass(frozen=True)
class Units:
    """Whole units: rows of a linear layer, filters of a convolution.

    Attributes
    ----------
    axis
        0 for the units that a layer computes, 1 for those that it reads.
    """

    axis: int = 0

    def items(self, score: Float[Tensor, "..."], mask: Bool[Tensor, "..."]) -> Items:
        """Return one item per unit; its score is the sum over its living weights."""
        if not 0 <= self.axis < mask.dim():
            raise ConfigError(
                f"axis {self.axis} was asked for, but a weight has {mask.dim()} axes; take 0 for "
                "the units that a layer computes."
            )
        living = torch.where(mask, score, 0.0).movedim(self.axis, 0).flatten(1)
        alive = mask.movedim(self.axis, 0).flatten(1).any(1)
        return Items(
            living.sum(1), alive, torch.zeros_like(alive, dtype=torch.long), tuple(mask.shape)
        )

    def mask(self, kept: Bool[Tensor, " item"], mask: Bool[Tensor, "..."]) -> Bool[Tensor, "..."]:
        """Return the kept units."""
        shape = [1] * mask.dim()
        shape[self.axis] = -1
        return mask & kept.reshape(shape)


@dataclass(frozen=True)
class NOfM:
    """At most `n` living weights among each `m` consecutive inputs of a unit.

    The surplus of the blocks goes first, lowest scores first, so any number of survivors is
    reached exactly and the pattern holds from a sparsity of ``1 - n / m`` on.

    Attributes
    ----------
    n, m
        Survivors per block, and its length (counts).

    References
    ----------
    .. [1] mishra2021, the 2:4 pattern.
    """

    n: int = 2
    m: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.n < self.m:
            raise ConfigError(
                f"a pattern of {self.n} in {self.m} was asked for; expected at least 1 and fewer "
                "than the block holds, such as 2 in 4."
            )

    def items(self, score: Float[Tensor, "..."], mask: Bool[Tensor, "..."]) -> Items:
        """Return every entry as an item, the best `n` of each block in the higher tier."""
        rows = torch.where(mask, score, -torch.inf).reshape(mask.shape[0], -1)
        padded = -(-rows.shape[1] // self.m) * self.m
        blocks = rows.new_full((rows.shape[0], padded), -torch.inf)
        blocks[:, : rows.shape[1]] = rows
        order = blocks.reshape(len(rows), -1, self.m).argsort(dim=-1, descending=True, stable=True)
        rank = order.argsort(dim=-1).reshape(len(rows), padded)[:, : rows.shape[1]]
        tier = (rank < self.n).long().flatten()
        return Items(score.flatten(), mask.flatten(), tier, tuple(mask.shape))

    def mask(self, kept: Bool[Tensor, " item"], mask: Bool[Tensor, "..."]) -> Bool[Tensor, "..."]:
        """Return the kept entries."""
        return kept.reshape(mask.shape) & mask
