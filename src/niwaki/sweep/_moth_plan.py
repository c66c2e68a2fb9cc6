"""What the moth study trains on, and by which plan."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError, derived_seed
from niwaki.data import sample_flights
from niwaki.sweep._moth_scores import check_criterion
from niwaki.sweep._moth_train import Quirks, TrainPlan

# Nominal sparsities of the publication, and those of a shorter study.
PUBLISHED_SPARSITIES = (
    *(0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85),
    *(0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98),
)
SPARSITIES = (0.15, 0.25, 0.35, 0.55, 0.65, 0.75, 0.85, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95)
GOOD_ERROR = 1e-3  # a network is good enough up to this mean squared error (squared scaled units)


@dataclass(frozen=True)
class MothPlan:
    """All that decides what the networks of the moth study become.

    Attributes
    ----------
    flights
        Simulated flights; 64 % train, 16 % tell when to stop, 20 % test (count).
    first
        Updates before the first prune (count).
    stage
        Training between prunes.
    sparsities
        Nominal sparsity after each prune (dimensionless).
    criterion
        Which weights of a layer go: one of `MOTH_CRITERIA`.
    quirks
        Slips of the released code to repeat.
    seed
        Of flights, networks and batches.
    group
        Networks that train together (count).
    fast
        Train with products of matrices whose factors are rounded to fewer digits, where the
        processor gains by it (bfloat16 on a CPU, TF32 on a GPU); errors are always of full ones.

    References
    ----------
    .. [1] zahn2022, the schedule: there 10 million flights, 50,000 updates before the first prune,
       up to 8,000 after each, and all of `PUBLISHED_SPARSITIES`; the defaults here are shorter.
    """

    flights: int = 200_000
    first: int = 15_000
    stage: TrainPlan = field(default_factory=lambda: TrainPlan(most=4_000))
    sparsities: tuple[float, ...] = SPARSITIES
    criterion: str = "magnitude"
    quirks: Quirks = field(default_factory=Quirks)
    seed: int = 0
    group: int = 4
    fast: bool = False

    def __post_init__(self) -> None:
        check_criterion(self.criterion)
        rising = all(a < b for a, b in zip(self.sparsities, self.sparsities[1:], strict=False))
        if not self.sparsities or not rising or not 0 < self.sparsities[0] < 1:
            raise ConfigError("sparsities of the moth study must rise, between 0 and 1.")
        if self.sparsities[-1] >= 1 or self.flights < 1_000 or self.first < 1 or self.group < 1:
            raise ConfigError(
                "the moth study needs at least 1,000 flights, one update, one network per group, "
                "and sparsities below 1."
            )

    def options(self) -> str:
        """Return the options of the command that make this plan, each after a space."""
        parts = [f"--criterion {self.criterion}"] if self.criterion != "magnitude" else []
        parts += ["--published"] if self.sparsities == PUBLISHED_SPARSITIES else []
        parts += [f"--quirk {n.replace('_', '-')}" for n, on in vars(self.quirks).items() if on]
        parts += ["--fast"] if self.fast else []
        parts += [f"--seed {self.seed}"] if self.seed else []
        return "".join(f" {part}" for part in parts)


@dataclass(frozen=True)
class Rows:
    """Scaled inputs and targets of one part of the data."""

    inputs: Float[Tensor, "row ins"]
    targets: Float[Tensor, "row outs"]


@dataclass(frozen=True)
class MothData:
    """The three parts, each column scaled to [-0.5, 0.5] over the training part."""

    train: Rows
    validation: Rows
    test: Rows


def moth_data(plan: MothPlan, device: str = "cpu") -> MothData:
    """Return the flights of a plan, split 64 to 16 to 20 and scaled."""
    flights = sample_flights(plan.flights, np.random.default_rng(derived_seed(plan.seed, "moth")))
    inputs, targets = flights.inputs(), flights.outputs()
    first, second = round(0.64 * plan.flights), round(0.8 * plan.flights)
    tensors = [_scaled(values, first).to(device) for values in (inputs, targets)]
    cuts = (slice(0, first), slice(first, second), slice(second, None))
    return MothData(*(Rows(*(t[cut] for t in tensors)) for cut in cuts))


def _scaled(values: np.ndarray, train: int) -> Tensor:
    low, high = values[:train].min(0), values[:train].max(0)
    return torch.from_numpy(((values - low) / (high - low) - 0.5).astype(np.float32))


def quick_plan(plan: MothPlan) -> MothPlan:
    """Return a plan of few updates, whose numbers mean nothing."""
    return replace(
        plan,
        flights=4_000,
        first=150,
        stage=TrainPlan(most=50, least=50),
        sparsities=(0.5, 0.9),
        group=2,
    )
