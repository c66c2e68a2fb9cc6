"""What happens to weights besides training: prunes, exchanges, sparsifiers, rewinding."""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from niwaki.core import derived_seed
from niwaki.dynamics import Method, PairTensors, data_loss
from niwaki.experiment._config import FitConfig
from niwaki.experiment._model import chain_names
from niwaki.pruning import (
    Gates,
    PolicyGates,
    Proximal,
    Sparsifier,
    Statistics,
    exchange_share,
    regrow_noise,
    rewire,
)

# Each leaves well under half of the weights of a field of 60 genes after 40 epochs.
STRENGTHS = {"l1": 0.2, "group-lasso": 0.1, "c-node": 0.2}
STRENGTHS |= {"l0": 0.1, "l0-units": 0.03, "pathreg": 1e-2, "policy": 0.05}
_PAIRS = 64  # per batch of the statistics


def make_sparsifier(config: FitConfig, field: nn.Module, *, steps: int) -> Sparsifier | None:
    """Return the sparsifier that the configuration names, for `steps` optimisation steps."""
    kind = config.sparsifier
    if kind is None:
        return None
    names = [(chain.first, chain.output) for chain in chain_names(field)]
    parameters = dict(field.named_parameters())
    strength = config.strength or STRENGTHS[kind]
    seed = derived_seed(config.seed, "sparsifier")
    if kind in ("l1", "group-lasso", "c-node"):
        return Proximal(kind, names, strength)
    if kind == "policy":
        density = 1 - (config.target_sparsity or 0.5)
        gated = {output: 1 for _, output in names}
        # the last quarter of the time trains what is left
        return PolicyGates(
            gated,
            parameters,
            density=density,
            steps=max(1, 3 * steps // 4),
            rate=strength,
            seed=seed,
        )
    return Gates(
        "pathreg" if kind == "pathreg" else "l0",
        names,
        parameters,
        strength=strength,
        level="weight" if kind == "l0" else "unit",
        seed=seed,
    )


@torch.no_grad()
def settled(field: nn.Module, sparsifier: Sparsifier) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a copy of the field without chance, and the masks of what is not 0 in it.

    First-layer weights of hidden units that nothing reads are 0 in it too.
    """
    twin = copy.deepcopy(field)
    for name, value in sparsifier.settle(dict(field.named_parameters())).items():
        twin.get_parameter(name).copy_(value)
    masks = {}
    for chain in chain_names(twin):
        first, output = twin.get_parameter(chain.first), twin.get_parameter(chain.output)
        first.mul_(output.ne(0).any(0)[:, None])
        masks[chain.first], masks[chain.output] = first.ne(0), output.ne(0)
    return twin, masks


def exchange(
    field: nn.Module,
    masks: Mapping[str, Tensor],
    *,
    config: FitConfig,
    epoch: int,
    gradients: Mapping[str, Statistics],
) -> dict[str, Tensor]:
    """Return masks of the same size in which some weights gave way to others.

    Parameters
    ----------
    field
        The model as trained so far.
    masks
        Living weights by parameter name.
    config
        Says how to regrow.
    epoch
        The epoch about to begin (count).
    gradients
        Statistics with the gradient of absent weights, for regrowth by gradient.
    """
    share = exchange_share(epoch, round(0.75 * config.epochs))
    found = {}
    for name, mask in masks.items():
        if config.regrow == "random":
            seed = derived_seed(config.seed, "regrow", epoch, name)
            grow = regrow_noise(mask, torch.Generator().manual_seed(seed))
        else:
            grow = gradients[name].get("gradient").abs()
        found[name] = rewire(mask, field.get_parameter(name), grow, share=share)
    return found


def field_statistics(
    field: nn.Module,
    pairs: PairTensors,
    masks: Mapping[str, Tensor],
    *,
    needs: frozenset[str],
    method: Method,
) -> dict[str, Statistics]:
    """Return gradients of the one-step loss over all training pairs, pruned weights too.

    The curvature is a central difference of gradients in float64, since the field's own backward
    pass cannot be differentiated again.
    """
    if not needs:
        return {}
    twin = copy.deepcopy(field).double()
    weights = [twin.get_parameter(name) for name in masks]
    parts, sizes = [], []
    for low in range(0, len(pairs.gaps), _PAIRS):
        at = slice(low, low + _PAIRS)
        parts.append(_gradient(twin, pairs, at, weights, method))
        sizes.append(len(pairs.gaps[at]))
    share = np.array(sizes) / sum(sizes)
    means = [_weighted(group, share) for group in zip(*parts, strict=True)]
    found: dict[str, dict[str, Tensor]] = {n: {"alive": mask} for n, mask in masks.items()}
    for entry, weight, mean, group in zip(
        found.values(), weights, means, zip(*parts, strict=True), strict=True
    ):
        entry["gradient"] = mean
        entry["saliency"] = _weighted([(weight.detach() * g).abs() for g in group], share)
    if "curvature" in needs:
        curved = _curvature(twin, pairs, weights, means, method)
        for entry, product in zip(found.values(), curved, strict=True):
            entry["curvature"] = product
    return {name: Statistics(**entry) for name, entry in found.items()}


def _weighted(parts: "list[Tensor] | tuple[Tensor, ...]", share: np.ndarray) -> Tensor:
    return torch.stack([w * part for w, part in zip(share.tolist(), parts, strict=True)]).sum(0)


def _gradient(
    field: nn.Module, pairs: PairTensors, at: slice, weights: list[nn.Parameter], method: Method
) -> list[Tensor]:
    """Return the gradient of the mean loss over some pairs, in float64."""
    start, end, gaps = (part[..., at].double() for part in (pairs.start, pairs.end, pairs.gaps))
    loss = data_loss(field, start=start, end=end, gaps=gaps, method=method)
    return list(torch.autograd.grad(loss, weights))


def _curvature(
    field: nn.Module,
    pairs: PairTensors,
    weights: list[nn.Parameter],
    direction: list[Tensor],
    method: Method,
) -> list[Tensor]:
    """Return the Hessian times a direction over all pairs."""
    length = torch.cat([d.flatten() for d in direction]).norm()
    scale = torch.cat([w.detach().flatten() for w in weights]).norm()
    step = float(1e-5 * scale / length.clamp(min=1e-30))
    sides = []
    for sign in (1, -2):  # to one side, then from there to the other
        with torch.no_grad():
            for weight, part in zip(weights, direction, strict=True):
                weight.add_(part, alpha=sign * step)
        sides.append(_gradient(field, pairs, slice(None), weights, method))
    return [(a - b) / (2 * step) for a, b in zip(*sides, strict=True)]
