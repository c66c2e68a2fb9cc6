"""Masks with exactly the wanted number of survivors; they only ever shrink."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from niwaki.core import ConfigError, DivergedError
from niwaki.pruning._criteria._chain import Chain, Scores
from niwaki.pruning._schedules import Schedule


def keep_top(
    mask: Bool[Tensor, "*axes"],
    score: Float[Tensor, "*axes"],
    *,
    keep: int,
    ties: Float[Tensor, "*axes"] | None = None,
) -> Bool[Tensor, "*axes"]:
    """Return a mask of exactly `keep` entries, those with the highest score.

    Only entries of `mask` can survive, so pruned weights never come back; if fewer than `keep`
    live, all stay. Equal scores are ordered by `ties` (the higher stays), then by index (the lower
    stays), so the count is exact whatever the scores.

    Raises
    ------
    DivergedError
        If the score of a living entry is not a finite number.
    """
    living = np.flatnonzero(mask.detach().cpu().numpy())
    surplus = living.size - max(keep, 0)
    if surplus <= 0:
        return mask.clone()
    values = _values(score)[living]
    if not np.isfinite(values).all():
        raise DivergedError(
            "a pruning score is not a finite number, so the training diverged before this prune; "
            "lower the learning rate."
        )
    second = np.zeros(living.size) if ties is None else _values(ties)[living]
    kept = mask.detach().flatten().clone()
    dropped = living[_lowest(values, second, surplus)]
    kept[torch.from_numpy(dropped).to(kept.device)] = False
    return kept.reshape(mask.shape)


def prune_chain(chain: Chain, scores: Scores, *, schedule: Schedule, epoch: int) -> Chain:
    """Return the chain with both masks pruned as the schedule plans for this epoch."""
    first = keep_top(
        chain.first_mask,
        scores.first,
        keep=schedule.kept_after(epoch, chain.first_mask.numel()),
        ties=scores.first_ties,
    )
    output = keep_top(
        chain.output_mask,
        scores.output,
        keep=schedule.kept_after(epoch, chain.output_mask.numel()),
        ties=scores.output_ties,
    )
    return Chain(
        chain.name,
        chain.first,
        chain.output,
        first,
        output,
        chain.output_scale,
        chain.multiplicative,
    )


def full_masks(module: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """Return masks that keep everything, for the named parameters of any module.

    Raises
    ------
    ConfigError
        If the module has no such parameter.
    """
    parameters = dict(module.named_parameters())
    for name in names:
        if name not in parameters:
            raise ConfigError(
                f"the model has no weight named '{name}'; it has {', '.join(parameters)}."
            )
    return {name: torch.ones_like(parameters[name], dtype=torch.bool) for name in names}


def apply_masks(module: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set the pruned weights of a module to 0, in place; call it after every optimiser step."""
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].mul_(mask)


def _values(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy().ravel()


def _lowest(values: np.ndarray, ties: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the `count` lowest values: by value, by tie, then last first."""
    threshold = np.partition(values, count - 1)[count - 1]
    below = np.flatnonzero(values < threshold)
    equal = np.flatnonzero(values == threshold)
    order = np.lexsort((-equal, ties[equal]))
    return np.concatenate([below, equal[order[: count - below.size]]])
