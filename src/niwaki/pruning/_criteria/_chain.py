"""What every criterion takes and gives."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.knowledge import Knowledge
from niwaki.pruning._statistics import Statistics


@dataclass(frozen=True)
class Chain:
    """Two linear layers in a row, from genes through hidden units back to genes.

    Attributes
    ----------
    name
        Which part of the model this is, for instance ``sum``.
    first, output
        Weights of both layers (any unit); entries outside the masks count as 0.
    first_mask, output_mask
        True where a weight still lives.
    output_scale
        Non-negative factor on each row of `output`, such as the rectified multipliers of PHOENIX;
        None for 1.
    multiplicative
        Whether the hidden units are exponentials of weighted sums.
    first_statistics, output_statistics
        What criteria that look at gradients need to know of both layers.
    """

    name: str
    first: Float[Tensor, "hidden gene"]
    output: Float[Tensor, "gene hidden"]
    first_mask: Bool[Tensor, "hidden gene"]
    output_mask: Bool[Tensor, "gene hidden"]
    output_scale: Float[Tensor, " gene"] | None = None
    multiplicative: bool = False
    first_statistics: Statistics | None = None
    output_statistics: Statistics | None = None

    def living_first(self) -> Float[Tensor, "hidden gene"]:
        """Return the first weights in float64 on the CPU, pruned ones 0."""
        return _living(self.first, self.first_mask)

    def living_output(self) -> Float[Tensor, "gene hidden"]:
        """Return the output weights in float64 on the CPU, pruned ones 0, without the scale."""
        return _living(self.output, self.output_mask)

    def scale(self) -> Float[Tensor, " gene"]:
        """Return the factor on each row of `output`, in float64 on the CPU."""
        if self.output_scale is None:
            return torch.ones(self.output.shape[0], dtype=torch.float64)
        return self.output_scale.detach().to("cpu", torch.float64)


@dataclass(frozen=True)
class PaperQuirks:
    """Oddities of the released DASH code, each on by default and each with its own switch.

    Attributes
    ----------
    raw_knowledge
        Knowledge scores enter as they come, up to 5,000 times larger than the data scores; off:
        divided by their sum.
    random_start
        The first prune starts from Uniform(0, 1); off: from the data scores.
    stored_state
        Each prune takes one step from the mixed scores of the prune before; off: from the start
        value again.
    exponential_data
        The data score of a multiplicative branch is ``exp(W)``, so strong repression goes first;
        off: ``abs(W)``.
    multiplier_in_output
        Output weights are scored times the multiplier of their gene; off: alone.
    plain_inverse
        ``S @ S.T`` is inverted as it is; off: with the ridge of the default criterion.
    pruned_entries_count
        Sums for normalising run over pruned entries too; off: over surviving ones.
    """

    raw_knowledge: bool = True
    random_start: bool = True
    stored_state: bool = True
    exponential_data: bool = True
    multiplier_in_output: bool = True
    plain_inverse: bool = True
    pruned_entries_count: bool = True


@dataclass(frozen=True)
class ScoreOptions:
    """Settings of the criteria that use knowledge.

    Attributes
    ----------
    lambda_ppi
        Weight of knowledge in the first layer, in [0, 1] (dimensionless).
    lambda_prior
        Weight of knowledge in the output layer, in [0, 1] (dimensionless).
    ridge
        Penalty when solving for the output layer, relative to the mean diagonal (dimensionless).
    quirks
        Used by ``dash-paper`` only.
    """

    lambda_ppi: float = 0.5
    lambda_prior: float = 0.5
    ridge: float = 1e-3
    quirks: PaperQuirks = field(default_factory=PaperQuirks)

    def __post_init__(self) -> None:
        for name in ("lambda_ppi", "lambda_prior"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is {value:g}; expected 0 (data only) to 1 (prior only).")
        if not self.ridge > 0:
            raise ConfigError(f"ridge is {self.ridge:g}; expected a positive number such as 1e-3.")


@dataclass(frozen=True)
class Scores:
    """How much each weight of a chain matters; the lowest go first.

    Attributes
    ----------
    first, output
        Scores of both layers, float64; ties are broken by `first_ties` and `output_ties`.
    first_ties, output_ties
        Magnitudes, float64.
    state
        What the criterion needs at the next prune, or None.
    """

    first: Float[Tensor, "hidden gene"]
    output: Float[Tensor, "gene hidden"]
    first_ties: Float[Tensor, "hidden gene"]
    output_ties: Float[Tensor, "gene hidden"]
    state: Float[Tensor, "hidden gene"] | None = None


@runtime_checkable
class Criterion(Protocol):
    """Scores a chain; pure but for `rng`.

    `knowledge` may be None for criteria that use none. `state` is what the same criterion returned
    for the same chain at the prune before, None at the first.
    """

    def __call__(
        self,
        chain: Chain,
        knowledge: Knowledge | None,
        *,
        options: ScoreOptions,
        state: Tensor | None,
        rng: np.random.Generator,
    ) -> Scores: ...


def scored(chain: Chain, first: Tensor, output: Tensor, *, state: Tensor | None = None) -> Scores:
    """Return scores of a chain with magnitudes as tie breakers."""
    return Scores(
        first, output, chain.living_first().abs(), chain.living_output().abs(), state=state
    )


def needed(knowledge: Knowledge | None, criterion: str) -> Knowledge:
    """Return the knowledge, or say that there is none.

    Raises
    ------
    ConfigError
        If there is no knowledge.
    """
    if knowledge is None:
        raise ConfigError(
            f"the criterion '{criterion}' needs a prior; give one with --prior, or choose "
            "'magnitude'."
        )
    return knowledge


def shares(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return non-negative values divided by their sum, over the entries that `mask` marks."""
    kept = values if mask is None else values * mask.to(values.device)
    total = kept.sum()
    return kept / total if total > 0 else kept


def _living(weight: Tensor, mask: Tensor) -> Tensor:
    """Return the weights in float64 on the CPU, pruned ones 0."""
    return torch.where(mask, weight.detach(), torch.zeros_like(weight)).to("cpu", torch.float64)
