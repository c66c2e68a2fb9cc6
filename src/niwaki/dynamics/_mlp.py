"""A plain multi-layer perceptron as a field: what knowledge adds is measured against it."""

import torch
from torch import Tensor, nn

from niwaki.core import ConfigError
from niwaki.dynamics._field import State


class MlpField(nn.Module):
    """``dx/dt = C elu(W x + b) + c``: two linear layers, no decay term, no structure.

    Parameters
    ----------
    genes
        Number of genes (count).
    hidden
        Hidden units (count).
    generator
        Source of the random start (torch's default uniform range).

    Raises
    ------
    ConfigError
        If a size is not positive.

    References
    ----------
    .. [1] dash2024, Table 10 (DASH on a two-layer ELU network).
    """

    def __init__(self, genes: int, *, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        if genes < 1 or hidden < 1:
            raise ConfigError(
                f"an MLP field got {genes} genes and {hidden} hidden units; both must be at "
                "least 1."
            )

        def uniform(*shape: int, fan_in: int) -> nn.Parameter:
            return nn.Parameter((torch.rand(shape, generator=generator) * 2 - 1) / fan_in**0.5)

        self.weight = uniform(hidden, genes, fan_in=genes)
        self.bias = uniform(hidden, fan_in=genes)
        self.output = uniform(genes, hidden, fan_in=hidden)
        self.output_bias = uniform(genes, fan_in=hidden)

    def forward(self, state: State) -> State:
        """Return dx/dt (data units per time unit)."""
        hidden: Tensor = torch.addmm(self.bias[:, None], self.weight, state)
        return torch.addmm(self.output_bias[:, None], self.output, nn.functional.elu(hidden))
