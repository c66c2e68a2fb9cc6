"""One prune: from configuration and knowledge to new masks."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from niwaki.core import Network, derived_seed
from niwaki.experiment._config import FitConfig
from niwaki.experiment._model import chain_names, chains
from niwaki.knowledge import Knowledge, knowledge_from
from niwaki.pruning import (
    CRITERIA,
    PaperSchedule,
    ScoreOptions,
    Statistics,
    prune_chain,
)


def make_schedule(config: FitConfig) -> PaperSchedule:
    """Return when and how much to prune."""
    return PaperSchedule(
        first_epoch=config.first_prune,
        first=config.first_amount,
        period=config.period,
        rate=config.amount,
        target_sparsity=config.target_sparsity,
    )


def is_event(config: FitConfig, schedule: PaperSchedule, epoch: int) -> bool:
    """Say whether a round ends before this epoch: by a prune, an exchange, or just so."""
    if config.sparsifier is not None or config.regrow is not None:
        return schedule.planned(epoch)
    return schedule.prunes_at(epoch)


def make_knowledge(prior: Network | None, ppi: Network | None) -> Knowledge | None:
    """Return what an arm knows before the data."""
    return None if prior is None else knowledge_from(prior, ppi=ppi)[0]


def prune(
    field: nn.Module,
    masks: dict[str, Tensor],
    *,
    memory: dict[str, Tensor],
    knowledge: Knowledge | None,
    config: FitConfig,
    epoch: int,
    statistics: Mapping[str, Statistics],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the masks after the prune of this epoch, and the criterion's memory.

    Parameters
    ----------
    field
        The model as trained so far.
    masks
        What survives so far, by parameter name.
    memory
        What the criterion returned at the prune before, by chain.
    knowledge
        The prior of this arm.
    config
        Names criterion, lambdas and schedule.
    epoch
        The epoch about to begin (count).
    statistics
        Gradients of the weights, for criteria that look at them.
    """
    options = ScoreOptions(lambda_ppi=config.lambda1, lambda_prior=config.lambda2)
    schedule = make_schedule(config)
    new_masks, new_memory = {}, {}
    for names, chain in zip(chain_names(field), chains(field, masks), strict=True):
        chain = replace(
            chain,
            first_statistics=statistics.get(names.first),
            output_statistics=statistics.get(names.output),
        )
        scores = CRITERIA[config.criterion or ""](
            chain,
            knowledge,
            options=options,
            state=memory.get(names.name),
            rng=np.random.default_rng(derived_seed(config.seed, "prune", epoch, names.name)),
        )
        pruned = prune_chain(chain, scores, schedule=schedule, epoch=epoch)
        new_masks[names.first], new_masks[names.output] = pruned.first_mask, pruned.output_mask
        if scores.state is not None:
            new_memory[names.name] = scores.state
    return new_masks, new_memory


def mask_counts(masks: dict[str, Tensor]) -> tuple[float, int]:
    """Return the share of pruned weights and the number of surviving ones."""
    total = sum(mask.numel() for mask in masks.values())
    kept = sum(int(torch.count_nonzero(mask)) for mask in masks.values())
    return 1 - kept / total, kept
