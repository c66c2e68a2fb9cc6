"""Losses: agreement with the next observation, and with a linear prior model."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.dynamics._field import DecayField, Field, State
from niwaki.dynamics._solve import Method, solve


def data_loss(
    field: Field,
    *,
    start: State,
    end: State,
    gaps: Float[Tensor, " pair"],
    method: Method,
) -> Tensor:
    """Return the mean squared error of predicting `end` from `start` (squared data units)."""
    return (solve(field, start, gaps=gaps, method=method) - end).square().mean()


@dataclass(frozen=True)
class PriorTerm:
    """The prior as a linear model of the drive: mean of ``(g(x) - A x)²`` over random states.

    Attributes
    ----------
    prior
        A as a torch sparse matrix ``[target, regulator]`` (data units per data unit).
    low, high
        Range of each gene to draw states from (data units). The paper draws from (-0.5, 0.5) for
        every gene, which covers only the lower half of data in (0, 1); the range of the data is
        the default of ``from_data``.
    weight
        Share of this term in the loss; the data term gets the rest (dimensionless).
    samples
        Random states per step (count). The paper evaluates one fixed set of 10,000 in every step;
        fresh small sets have the same expectation at a fraction of the cost.

    References
    ----------
    .. [1] phoenix2024, Methods.
    """

    prior: Tensor
    low: Float[Tensor, " gene"]
    high: Float[Tensor, " gene"]
    weight: float
    samples: int = 64

    @classmethod
    def from_data(
        cls,
        prior: sparse.csr_array,
        states: Float[Tensor, "gene pair"],
        *,
        weight: float,
        samples: int = 64,
    ) -> "PriorTerm":
        """Return the term that samples each gene's observed range."""
        entries = prior.tocoo()
        target, regulator = (torch.from_numpy(axis.astype("int64")) for axis in entries.coords)
        matrix = torch.sparse_coo_tensor(
            torch.stack([target, regulator]),
            torch.from_numpy(entries.data).to(states.dtype),
            entries.shape,
            check_invariants=False,
        ).coalesce()
        return cls(
            matrix.to(states.device),
            states.min(1).values,
            states.max(1).values,
            weight=weight,
            samples=samples,
        )

    def __call__(self, field: Field, generator: torch.Generator) -> Tensor:
        """Return the unweighted loss over freshly drawn states (squared data units).

        Raises
        ------
        ConfigError
            If the field has no drive.
        """
        if not isinstance(field, DecayField):
            raise ConfigError(
                f"the prior loss needs a field with a drive, and {type(field).__name__} has none; "
                "set the prior loss to 0 or use the phoenix field."
            )
        unit = torch.rand(
            self.low.shape[0], self.samples, generator=generator, dtype=self.low.dtype
        ).to(self.low.device)
        states = torch.addcmul(self.low[:, None], unit, (self.high - self.low)[:, None])
        linear: Tensor = torch.sparse.mm(self.prior, states)
        return (field.drive(states) - linear).square().mean()
