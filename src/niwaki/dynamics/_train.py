"""One epoch of training, and the state that a run must save to continue exactly.

What happens between epochs (pruning, selection, stopping) belongs to the caller.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from niwaki.core import ConfigError, DivergedError, Pairs, derived_seed
from niwaki.dynamics._field import Field
from niwaki.dynamics._loss import PriorTerm, data_loss
from niwaki.dynamics._solve import Method, solve

Masks = Mapping[str, Tensor]
_MOST_VALUES = 4_000_000  # genes times pairs per solve; a solve holds some 30 arrays of this size


@dataclass(frozen=True)
class PairTensors:
    """Pairs of observations as tensors on the training device."""

    start: Float[Tensor, "gene pair"]
    end: Float[Tensor, "gene pair"]
    gaps: Float[Tensor, " pair"]

    @classmethod
    def from_pairs(
        cls, pairs: Pairs, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> "PairTensors":
        """Copy `pairs` to the device."""
        start, end, gaps = (
            torch.as_tensor(array, dtype=dtype, device=device)
            for array in (pairs.start, pairs.end, pairs.gaps)
        )
        return cls(start, end, gaps)


@dataclass(frozen=True)
class Optimisation:
    """How weights are updated.

    Attributes
    ----------
    learning_rate
        Adam's step at the start and after every prune (dimensionless).
    multiplier_factor
        Factor on the learning rate of the per-gene multipliers (dimensionless).
    decay, patience, threshold, minimum
        The rate is multiplied by `decay` after `patience` epochs in which the held-out loss did
        not fall by `threshold` (squared data units), down to `minimum`.

    References
    ----------
    .. [1] dash2024, released training script (simulation).
    """

    learning_rate: float = 1e-3
    multiplier_factor: float = 5.0
    decay: float = 0.9
    patience: int = 3
    threshold: float = 1e-6
    minimum: float = 4e-5

    def __post_init__(self) -> None:
        if min(self.learning_rate, self.multiplier_factor, self.minimum) <= 0:
            raise ConfigError("learning rates must be positive.")
        if not 0 < self.decay < 1 or self.patience < 0:
            raise ConfigError(
                f"the learning-rate decay got factor {self.decay} and patience {self.patience}; "
                "expected a factor between 0 and 1 and a patience of at least 0."
            )


class Training:
    """A field, its optimiser and its learning-rate schedule: all that training changes."""

    def __init__(self, field: nn.Module, settings: Optimisation) -> None:
        self.field = field
        self.settings = settings
        self.optimiser = torch.optim.Adam(
            [{"params": [p], "lr": self._rate(name)} for name, p in field.named_parameters()],
            fused=True,
        )
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser,
            factor=settings.decay,
            patience=settings.patience,
            threshold=settings.threshold,
            threshold_mode="abs",
            min_lr=settings.minimum,
        )

    def _rate(self, name: str, fast: str = "multiplier") -> float:
        factor = self.settings.multiplier_factor if name == fast else 1.0
        return self.settings.learning_rate * factor

    def reset_learning_rate(self, *, fast: str = "multiplier") -> None:
        """Return every learning rate to its start; `fast` names the parameter with the factor.

        The released DASH code gives the factor to ``output_prod`` from the first prune on, where
        the multipliers were meant.
        """
        for group, (name, _) in zip(
            self.optimiser.param_groups, self.field.named_parameters(), strict=True
        ):
            group["lr"] = self._rate(name, fast)

    @torch.no_grad()
    def apply_masks(self, masks: Masks) -> None:
        """Set masked weights and their optimiser moments to zero, where they then stay."""
        for name, parameter in self.field.named_parameters():
            if name in masks:
                parameter.mul_(masks[name])
                for moment in self.optimiser.state[parameter].values():
                    if moment.shape == parameter.shape:
                        moment.mul_(masks[name])

    def rewind(self, noted: Mapping[str, Tensor]) -> None:
        """Return the field to noted weights, and the optimiser to its start."""
        self.field.load_state_dict(noted)
        self.optimiser.state.clear()

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor that the next step depends on, by name."""
        found = {f"field.{name}": value for name, value in self.field.state_dict().items()}
        for name, parameter in self.field.named_parameters():
            for key, value in self.optimiser.state[parameter].items():
                found[f"adam.{name}.{key}"] = value
        return {name: value.detach().clone() for name, value in found.items()}

    def numbers(self) -> dict[str, Any]:
        """Return the learning-rate schedule as plain numbers."""
        plateau = self.plateau.state_dict()
        kept = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        return {
            "plateau": {key: plateau[key] for key in kept},
            "rates": [group["lr"] for group in self.optimiser.param_groups],
        }

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Continue from what `tensors` and `numbers` returned earlier."""
        state = {name: tensors[f"field.{name}"] for name in self.field.state_dict()}
        self.field.load_state_dict(state)
        for name, parameter in self.field.named_parameters():
            prefix = f"adam.{name}."
            moments = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
            self.optimiser.state[parameter] = {k: v.clone() for k, v in moments.items()}
        self.plateau.load_state_dict({**self.plateau.state_dict(), **numbers["plateau"]})
        for group, rate in zip(self.optimiser.param_groups, numbers["rates"], strict=True):
            group["lr"] = rate


def make_batches(
    pairs: Pairs, *, size: int | Literal["trajectory"], seed: int, epoch: int
) -> list[Int[np.ndarray, " _"]]:
    """Return the pairs of one epoch in random batches.

    The order depends on seed and epoch only, so that a resumed run draws the same.

    Parameters
    ----------
    pairs
        All training pairs.
    size
        Pairs per batch (count), or ``trajectory`` for all pairs of one trajectory at a time.
    seed, epoch
        Name the random stream.

    Raises
    ------
    ConfigError
        If `size` is not positive.
    """
    rng = np.random.default_rng(derived_seed(seed, "batches", epoch))
    if size == "trajectory":
        order = rng.permutation(np.unique(pairs.trajectory))
        return [np.flatnonzero(pairs.trajectory == which) for which in order]
    if size < 1:
        raise ConfigError(f"the batch size is {size}; expected at least 1 pair, or 'trajectory'.")
    shuffled = rng.permutation(len(pairs))
    return [shuffled[at : at + size] for at in range(0, len(pairs), size)]


@runtime_checkable
class StepHook(Protocol):
    """What a method does around every optimisation step besides masking."""

    def weights(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights to solve with instead of parameters, the same for the whole solve."""
        ...

    def penalty(self, parameters: Mapping[str, Tensor]) -> Tensor | None:
        """Return what is added to the loss, or None."""
        ...

    def after_step(
        self,
        parameters: Mapping[str, Tensor],
        *,
        rate: float,
        loss: Callable[[Mapping[str, Tensor]], Tensor],
    ) -> None:
        """Change parameters in place; `loss` is that of this batch with parameters replaced."""
        ...


class _BatchLoss(nn.Module):
    """The loss of a field on pairs as a module, so that its weights can be replaced."""

    def __init__(
        self,
        field: nn.Module,
        method: Method,
        prior: PriorTerm | None,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self.field, self.method = field, method
        self.prior, self.generator = prior, generator

    def forward(self, start: Tensor, end: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss to differentiate and, without graph, that of the data alone."""
        loss = data_loss(self.field, start=start, end=end, gaps=gaps, method=self.method)
        total = _with_prior(loss, self.field, prior=self.prior, generator=self.generator)
        return total, loss.detach()


def train_epoch(
    training: Training,
    pairs: PairTensors,
    *,
    batches: Sequence[Int[np.ndarray, " _"]],
    method: Method,
    masks: Masks,
    prior: PriorTerm | None = None,
    generator: torch.Generator | None = None,
    hook: StepHook | None = None,
) -> float:
    """Take one optimisation step per batch and return the mean data loss (squared data units).

    A `hook` replaces weights within a step, adds to the loss, or changes weights after the step.

    Raises
    ------
    ConfigError
        If `prior` comes without a `generator`.
    DivergedError
        If the loss is no longer a finite number; the field then holds useless values.
    """
    parameters = dict(training.field.named_parameters())
    masked = [(parameters[name], mask) for name, mask in masks.items()]
    batch_loss = _BatchLoss(training.field, method, prior, generator)
    total = torch.zeros((), device=pairs.gaps.device, dtype=pairs.gaps.dtype)
    for batch in batches:
        index = torch.from_numpy(batch).to(pairs.gaps.device)
        training.optimiser.zero_grad(set_to_none=True)
        here = (
            pairs.start.index_select(1, index),
            pairs.end.index_select(1, index),
            pairs.gaps.index_select(0, index),
        )
        if hook is None:
            loss, of_data = batch_loss(*here)
        else:
            loss, of_data = _hooked(hook, batch_loss, parameters, here)
        total += of_data * len(batch)
        loss.backward()
        for parameter, mask in masked:
            if parameter.grad is not None:
                parameter.grad.mul_(mask)
        training.optimiser.step()
        if hook is not None:
            _finish(hook, batch_loss, training, parameters, here)
    mean = float(total) / sum(len(batch) for batch in batches)
    if not np.isfinite(mean):
        raise DivergedError(
            "the training loss is no longer a finite number; lower the learning rate, or check "
            "the data for a gene on a very different scale (niwaki doctor names it)."
        )
    return mean


def _hooked(
    hook: StepHook,
    batch_loss: _BatchLoss,
    parameters: Mapping[str, Tensor],
    here: tuple[Tensor, ...],
) -> tuple[Tensor, Tensor]:
    """Return the loss with the hook's weights and penalty, and that of the data alone."""
    loss, of_data = _replaced(batch_loss, hook.weights(parameters), here)
    penalty = hook.penalty(parameters)
    return loss if penalty is None else loss + penalty, of_data


def _finish(
    hook: StepHook,
    batch_loss: _BatchLoss,
    training: Training,
    parameters: Mapping[str, Tensor],
    here: tuple[Tensor, ...],
) -> None:
    """Let the hook act after the optimiser's step."""
    rate = min(group["lr"] for group in training.optimiser.param_groups)
    hook.after_step(
        parameters, rate=rate, loss=lambda weights: _replaced(batch_loss, weights, here)[1]
    )


def _replaced(
    batch_loss: _BatchLoss, weights: Mapping[str, Tensor], here: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor]:
    """Return the losses with some parameters replaced."""
    named = {f"field.{name}": value for name, value in weights.items()}
    losses: tuple[Tensor, Tensor] = torch.func.functional_call(batch_loss, named, here)
    return losses


def _with_prior(
    loss: Tensor, field: Field, *, prior: PriorTerm | None, generator: torch.Generator | None
) -> Tensor:
    if prior is None:
        return loss
    if generator is None:
        raise ConfigError("the prior loss draws random states; pass a generator along with it.")
    return (1 - prior.weight) * loss + prior.weight * prior(field, generator)


@torch.no_grad()
def pair_losses(
    field: Field, pairs: PairTensors, *, method: Method, chunk: int | None = None
) -> Float[np.ndarray, " pair"]:
    """Return the mean squared error over genes of each pair (squared data units).

    At most `chunk` pairs are solved at a time (count), by default as many as memory allows.
    """
    chunk = chunk or max(1, min(1024, _MOST_VALUES // len(pairs.start)))
    parts = [
        (solve(field, pairs.start[:, at], gaps=pairs.gaps[at], method=method) - pairs.end[:, at])
        .square()
        .mean(0)
        for at in (slice(i, i + chunk) for i in range(0, pairs.gaps.shape[0], chunk))
    ]
    losses: Float[np.ndarray, " pair"] = torch.cat(parts).double().cpu().numpy()
    return losses
