"""What each weight of a swarm is worth, by the criteria of the library."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from niwaki.core import ConfigError
from niwaki.pruning import WEIGHT_CRITERIA, Statistics, collect_statistics, magnitude_score
from niwaki.sweep._moth_train import Swarm

MOTH_CRITERIA = tuple(name for name, c in WEIGHT_CRITERIA.items() if not c.knows)
_BATCHES, _ROWS = 8, 1_024  # of the training part, for criteria that look at a gradient


def check_criterion(name: str) -> None:
    """Refuse a criterion that the moth study cannot use.

    Raises
    ------
    ConfigError
        If it is unknown, or needs knowledge, which the moth does not have.
    """
    if name not in MOTH_CRITERIA:
        raise ConfigError(
            f"criterion '{name}' is unknown to the moth study; there are "
            f"{', '.join(MOTH_CRITERIA)} (others need prior knowledge, which the moth has not)."
        )


def swarm_scores(
    swarm: Swarm,
    criterion: str,
    *,
    inputs: Tensor,
    targets: Tensor,
    rngs: Sequence[np.random.Generator],
) -> list[Tensor]:
    """Return a score for every weight and bias of every network, shaped as `Swarm.parameters`.

    Parameters
    ----------
    swarm
        The networks.
    criterion
        One of `MOTH_CRITERIA`; the lowest scores go.
    inputs, targets
        Training rows; criteria that look at a gradient take the first 8,192.
    rngs
        One source of draws per network.
    """
    parameters = [p.detach() for p in swarm.parameters()]
    if criterion == "magnitude":
        return [magnitude_score(p) for p in parameters]
    if criterion == "movement":
        return [m.clone() for m in swarm.movement or [torch.zeros_like(p) for p in parameters]]
    batches = list(zip(inputs.split(_ROWS), targets.split(_ROWS), strict=True))[:_BATCHES]
    found = [_scores(swarm, n, criterion, batches, rng) for n, rng in enumerate(rngs)]
    return [torch.stack(parts) for parts in zip(*found, strict=True)]


def _scores(
    swarm: Swarm, network: int, criterion: str, batches: Sequence[Any], rng: np.random.Generator
) -> list[Tensor]:
    """Return the scores of one network, shaped as its parameters in the swarm."""
    module, names = _module(swarm, network)
    chosen = WEIGHT_CRITERIA[criterion]
    statistics = collect_statistics(
        module,
        names,
        needs=chosen.needs,
        loss=_loss,
        batches=batches,
        inputs=batches[0][0][:1],
        rng=rng,
    )
    scores = [_score(criterion, module.get_parameter(n), statistics[n]) for n in names]
    half = len(scores) // 2
    return [*(s.mT for s in scores[:half]), *(s[None] for s in scores[half:])]


def _score(criterion: str, weight: Tensor, statistics: Statistics) -> Tensor:
    return WEIGHT_CRITERIA[criterion].score(weight, statistics, None).to(weight)


def _loss(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    gap: Tensor = module(batch[0]) - batch[1]
    return gap.square().mean()


def _module(swarm: Swarm, network: int) -> tuple[nn.Sequential, list[str]]:
    """Return one network as a module, and the names of its weights, then of its biases."""
    layers: list[nn.Module] = []
    for weight, bias in zip(*swarm.living(), strict=True):
        ins, outs = weight[network].shape
        linear = nn.Linear(ins, outs, device=weight.device)
        with torch.no_grad():
            linear.weight.copy_(weight[network].mT)
            linear.bias.copy_(bias[network, 0])
        layers += [linear, nn.Tanh()]
    places = range(0, len(layers), 2)
    names = [f"{i}.{kind}" for kind, i in itertools.product(("weight", "bias"), places)]
    return nn.Sequential(*layers[:-1]), names
