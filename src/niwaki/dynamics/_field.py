"""Fields: right-hand sides of an ODE over genes, and the two protocols the solver asks for.

States are gene-major, ``[gene, pair]``: the products of a step are then tall-times-wide, which runs
closer to the machine's limit than the batch-major form. Fields side by side have an axis before.
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

State = Float[Tensor, "*member gene pair"]


@runtime_checkable
class Field(Protocol):
    """Anything that gives the rate of change of a batch of states: ``dx/dt = field(x)``."""

    def __call__(self, state: State) -> State:
        """Return dx/dt (data units per time unit)."""
        ...


@runtime_checkable
class DecayField(Field, Protocol):
    """A field of the form ``v * (g(x) - x)``, whose decay exponential steps take exactly."""

    def drive(self, state: State) -> State:
        """Return g(x), the level that each gene is driven towards (data units)."""
        ...

    def rate(self) -> Float[Tensor, "*member gene"]:
        """Return v, non-negative (per time unit)."""
        ...


class ModuleField(nn.Module):
    """A user's own batch-major module as a field.

    Parameters
    ----------
    module
        Maps states ``[pair, gene]`` to their rate of change, same shape (per time unit).
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, state: State) -> State:
        """Return dx/dt."""
        change: Tensor = self.module(state.T)
        return change.T
