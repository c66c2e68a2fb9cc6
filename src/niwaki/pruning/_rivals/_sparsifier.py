"""What a method that sparsifies while training does around every optimisation step."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

Parameters = Mapping[str, Tensor]
BatchLoss = Callable[[Parameters], Tensor]
"""The loss on the batch of this step with some parameters replaced."""


@runtime_checkable
class Sparsifier(Protocol):
    """Called by a training loop in this order, once per step; works for any module.

    A loop of your own calls ``torch.func.functional_call(module, sparsifier.weights(p), inputs)``
    with ``p = dict(module.named_parameters())``, adds ``sparsifier.penalty(p)`` to the loss,
    differentiates, steps its optimiser, and calls ``sparsifier.after_step``.
    """

    def weights(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the weights to compute this step with, drawn once; others stay as they are."""
        ...

    def penalty(self, parameters: Parameters) -> Tensor | None:
        """Return what is added to the loss, or None."""
        ...

    def after_step(self, parameters: Parameters, *, rate: float, loss: BatchLoss) -> None:
        """Change parameters in place, or the sparsifier itself, after the optimiser's step."""
        ...

    def settle(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the weights without chance, pruned ones exactly 0: what is evaluated and kept."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Return all that the next step depends on."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what `tensors` returned."""
        ...
