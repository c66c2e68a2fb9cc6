"""Penalties taken by proximal steps, which give exact zeros: L1, group lasso, C-NODE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.pruning._rivals._sparsifier import BatchLoss, Parameters


def soft_threshold(weight: Float[Tensor, "..."], threshold: float | Tensor) -> Float[Tensor, "..."]:
    """Return ``sign(w) * max(abs(w) - threshold, 0)``, the proximal step of an L1 penalty."""
    return weight.sign() * torch.relu(weight.abs() - threshold)


def shrink_groups(
    groups: Float[Tensor, "group weight"], threshold: float
) -> Float[Tensor, "group weight"]:
    """Shorten each row by ``threshold * sqrt(length)``, to 0 at most: group lasso's step.

    References
    ----------
    .. [1] yuan2006, equation 2, with the root of the group's size as weight.
    """
    norm = groups.norm(dim=1, keepdim=True)
    cut = threshold * groups.shape[1] ** 0.5
    kept = torch.relu(1 - cut / norm.clamp(min=1e-30))
    return groups * kept


def path_pull(
    first: Float[Tensor, "hidden input"], output: Float[Tensor, "target hidden"]
) -> tuple[Float[Tensor, " hidden"], Float[Tensor, " hidden"]]:
    """Return how the summed paths ``sum(abs(C) @ abs(W))`` grow with a weight of each unit.

    The first value is for weights ``W[unit, :]``, the second for ``C[:, unit]``.
    """
    return output.abs().sum(0), first.abs().sum(1)


@dataclass(frozen=True)
class Proximal:
    """A penalty on the sizes of weights, applied after every step of the optimiser.

    - ``l1``: every weight alone.
    - ``group-lasso``: all weights that a hidden unit reads and is read by, as one group.
    - ``c-node``: the sum over all paths of the product of absolute weights; each layer's step
      takes the other layer as given.

    The step is taken in units of the optimiser's rate, which with Adam is the size of the step that
    data can make: at a strength of 1 the pull to 0 is as strong as a gradient that never changes
    sign. So the strength means the same in every layer, and is not the lambda of a plain loss.

    Attributes
    ----------
    kind
        Which penalty.
    chains
        Names of the first and the output weights of each pair of layers.
    strength
        Pull per step, in steps of the optimiser (dimensionless).

    References
    ----------
    .. [1] yuan2006, group lasso.
    .. [2] aliee2021, C-NODE: the path penalty as a term of the loss. There small weights are cut
       off at a threshold in the end; here the proximal step gives zeros by itself. Its strength is
       relative to the mean over the layer.
    """

    kind: Literal["l1", "group-lasso", "c-node"]
    chains: Sequence[tuple[str, str]]
    strength: float

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def weights(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return nothing: the step uses the weights as they are."""
        return {}

    def penalty(self, parameters: Parameters) -> None:
        """Return nothing: the penalty is a step of its own."""

    @torch.no_grad()
    def after_step(self, parameters: Parameters, *, rate: float, loss: BatchLoss) -> None:
        """Shrink the weights in place."""
        pull = self.strength * rate
        for first_name, output_name in self.chains:
            first, output = parameters[first_name], parameters[output_name]
            if self.kind == "l1":
                first.copy_(soft_threshold(first, pull))
                output.copy_(soft_threshold(output, pull))
            elif self.kind == "group-lasso":
                groups = shrink_groups(torch.cat([first, output.T], 1), pull)
                first.copy_(groups[:, : first.shape[1]])
                output.copy_(groups[:, first.shape[1] :].T)
            else:
                on_first, on_output = path_pull(first, output)
                first.copy_(soft_threshold(first, pull * _relative(on_first)[:, None]))
                output.copy_(soft_threshold(output, pull * _relative(on_output)))

    def settle(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the weights, whose zeros are exact."""
        return {n: parameters[n].detach().clone() for pair in self.chains for n in pair}

    def tensors(self) -> dict[str, Tensor]:
        """Return nothing: there is no state."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Do nothing."""


def check_strength(value: float) -> None:
    """Refuse a strength that is not positive."""
    if not value > 0:
        raise ConfigError(f"strength is {value:g}; expected a positive number.")


def _relative(values: Tensor) -> Tensor:
    """Return values divided by their mean."""
    mean = values.mean()
    return values / mean if mean > 0 else values
