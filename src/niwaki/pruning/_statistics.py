"""What criteria know about a weight besides its value: gradients, curvature, flow, noise."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from niwaki.core import ConfigError
from niwaki.pruning._modules._parametrize import masks_of, open_masks, weight_of

Loss = Callable[[nn.Module, Any], Tensor]
"""A loss of a module on one batch: ``loss(module, batch)``."""


@dataclass(frozen=True)
class Statistics:
    """What is known about each entry of one weight; None where it was not asked for.

    Attributes
    ----------
    alive
        True where the entry is not pruned.
    gradient
        Mean over batches of the loss gradient, pruned entries too (loss per unit of weight).
    saliency
        Mean over batches of ``abs(weight * gradient)`` (units of the loss).
    curvature
        The Hessian of the loss times `gradient`.
    flow
        ``dR/d abs(weight)`` with R the summed output of the network of absolute weights for an
        input of ones.
    movement
        Sum over training steps of ``-weight * gradient`` (units of the loss).
    noise
        Uniform numbers in [0, 1).
    """

    alive: Bool[Tensor, "*axes"]
    gradient: Float[Tensor, "*axes"] | None = None
    saliency: Float[Tensor, "*axes"] | None = None
    curvature: Float[Tensor, "*axes"] | None = None
    flow: Float[Tensor, "*axes"] | None = None
    movement: Float[Tensor, "*axes"] | None = None
    noise: Float[Tensor, "*axes"] | None = None

    def get(self, name: str) -> Tensor:
        """Return a statistic.

        Raises
        ------
        ConfigError
            If it was not collected.
        """
        value = getattr(self, name)
        if not isinstance(value, Tensor):
            raise ConfigError(
                f"the criterion needs the statistic '{name}', which was not collected; give the "
                "pruner a loss and batches (and call observe() while training for movement)."
            )
        return value


KINDS = frozenset(field.name for field in fields(Statistics)) - {"alive"}
_OF_LOSS = frozenset({"gradient", "saliency", "curvature"})


def collect_statistics(
    module: nn.Module,
    names: Sequence[str],
    *,
    needs: Set[str],
    loss: Loss | None = None,
    batches: Iterable[Any] = (),
    inputs: Tensor | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Statistics]:
    """Return what the criteria need to know, by weight; the module is left as it was.

    Parameters
    ----------
    module
        Any module, masked or not.
    names
        The weights.
    needs
        Fields of `Statistics`; ``movement`` is gathered while training instead.
    loss, batches
        For ``gradient``, ``saliency`` and ``curvature``. Batches count alike.
    inputs
        One input, whose shape ``flow`` needs.
    rng
        For ``noise``.

    Raises
    ------
    ConfigError
        If the loss, the batches or the input is missing, a weight is frozen, or the loss does not
        depend on it.
    """
    masks = masks_of(module)
    found: dict[str, dict[str, Tensor]] = {
        name: {"alive": masks.get(name, torch.ones_like(weight_of(module, name)).bool())}
        for name in names
    }
    if needs & _OF_LOSS:
        _add_gradients(module, found, needs, loss, list(batches))
    if "flow" in needs:
        for name, flow in _flows(module, names, inputs).items():
            found[name]["flow"] = flow
    if "noise" in needs:
        if rng is None:
            raise ConfigError("a random criterion draws numbers; pass an rng along with it.")
        for name, entry in found.items():
            entry["noise"] = torch.from_numpy(rng.random(tuple(weight_of(module, name).shape)))
    return {name: Statistics(**entry) for name, entry in found.items()}


def _add_gradients(
    module: nn.Module,
    found: Mapping[str, dict[str, Tensor]],
    needs: Set[str],
    loss: Loss | None,
    batches: Sequence[Any],
) -> None:
    """Add gradient, saliency and curvature to what was found."""
    if loss is None or not batches:
        raise ConfigError(
            "this criterion looks at the gradient of a loss; give the pruner loss= and batches=."
        )
    weights = [weight_of(module, name) for name in found]
    frozen = [n for n, w in zip(found, weights, strict=True) if not w.requires_grad]
    if frozen:
        raise ConfigError(
            f"the weight '{frozen[0]}' is frozen (requires_grad is False), so it has no gradient; "
            "leave it out, let it train, or choose a criterion such as magnitude."
        )
    with open_masks(module):
        gradients = [_gradient(module, loss, batch, weights, found) for batch in batches]
        means = [torch.stack(parts).mean(0) for parts in zip(*gradients, strict=True)]
        for entry, weight, mean, parts in zip(
            found.values(), weights, means, zip(*gradients, strict=True), strict=True
        ):
            entry["gradient"] = mean
            entry["saliency"] = torch.stack([(weight.detach() * p).abs() for p in parts]).mean(0)
        if "curvature" in needs:
            curved = _curvature(module, loss, batches, weights, means)
            for entry, product in zip(found.values(), curved, strict=True):
                entry["curvature"] = product


def _gradient(
    module: nn.Module,
    loss: Loss,
    batch: Any,
    weights: Sequence[nn.Parameter],
    names: Iterable[str],
) -> list[Tensor]:
    """Return the gradient on one batch."""
    parts = torch.autograd.grad(loss(module, batch), weights, allow_unused=True)
    for name, part in zip(names, parts, strict=True):
        if part is None:
            raise ConfigError(
                f"the loss does not depend on the weight '{name}'; leave it out of the names."
            )
    return list(parts)


def _curvature(
    module: nn.Module,
    loss: Loss,
    batches: Sequence[Any],
    weights: Sequence[nn.Parameter],
    direction: Sequence[Tensor],
) -> list[Tensor]:
    """Return the Hessian of the mean loss times a direction, by differentiating twice."""
    totals = [torch.zeros_like(w) for w in weights]
    for batch in batches:
        first = torch.autograd.grad(loss(module, batch), weights, create_graph=True)
        inner = sum(((g * d).sum() for g, d in zip(first, direction, strict=True)), torch.zeros(()))
        for total, part in zip(totals, torch.autograd.grad(inner, weights), strict=True):
            total += part / len(batches)
    return totals


def _flows(module: nn.Module, names: Sequence[str], inputs: Tensor | None) -> dict[str, Tensor]:
    """Return the gradient of the summed output with respect to absolute weights, in float64."""
    if inputs is None:
        raise ConfigError("synflow sends ones through the network; give the pruner inputs=.")
    twin = deepcopy(module).double().eval()
    with torch.no_grad():
        for value in (*twin.parameters(), *twin.buffers()):
            if value.is_floating_point():
                value.abs_()
    weights = [weight_of(twin, name).requires_grad_() for name in names]
    output = twin(torch.ones_like(inputs[:1], dtype=torch.float64))
    parts = torch.autograd.grad(output.sum(), weights)
    return dict(zip(names, parts, strict=True))
