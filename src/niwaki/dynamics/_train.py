"""One epoch of training, and the state that a run must save to continue exactly.

What happens between epochs (pruning, selection, stopping) belongs to the caller.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from niwaki.core import ConfigError, DivergedError, Pairs, derived_seed
from niwaki.dynamics._field import Field
from niwaki.dynamics._fused import FusedEpoch, FusedLoss, scheme_of
from niwaki.dynamics._loss import PriorTerm, data_loss
from niwaki.dynamics._optimiser import Masks, Training
from niwaki.dynamics._solve import Method, solve

MOST_VALUES = 4_000_000  # genes times pairs per solve; a solve holds some 30 arrays of this size


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
        fused: FusedLoss | None,
    ) -> None:
        super().__init__()
        self.field, self.method = field, method
        self.prior, self.generator, self.fused = prior, generator, fused

    def forward(self, start: Tensor, end: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss to differentiate and, without graph, that of the data alone."""
        if self.fused is not None:
            loss = self.fused(self.field, start, end, gaps)
        else:
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
        If the loss is no longer a finite number; names the pair and the gene.
    """
    training.apply_masks(masks)
    compiled = _compiled(training, pairs, method, added=prior is not None, hooked=hook is not None)
    if isinstance(compiled, FusedEpoch):
        mean, failed = compiled.run(
            pairs.start.contiguous(), pairs.end.contiguous(), pairs.gaps.double().numpy(), batches
        )
    else:
        batch_loss = _BatchLoss(training.field, method, prior, generator, compiled)
        mean, failed = _recorded_epoch(training, pairs, batches, batch_loss, hook)
    if failed is not None:
        raise diverged(training.field, pairs, failed, method)
    return mean


def _compiled(
    training: Training, pairs: PairTensors, method: Method, *, added: bool, hooked: bool
) -> FusedEpoch | FusedLoss | None:
    """Return the engine for these masks and this method, or None where it has no part."""
    scheme = scheme_of(training.field, method, pairs.start, pairs.end)
    if scheme is None:
        return None
    key = (added, hooked, scheme, torch.get_num_threads())
    if key not in training.cache:
        plain = not (added or hooked)
        made = FusedEpoch(training, scheme) if plain else FusedLoss(training, scheme, whole=hooked)
        training.cache = {key: made}
    found: FusedEpoch | FusedLoss = training.cache[key]
    return found


def _recorded_epoch(
    training: Training,
    pairs: PairTensors,
    batches: Sequence[Int[np.ndarray, " _"]],
    batch_loss: _BatchLoss,
    hook: StepHook | None,
) -> tuple[float, Int[np.ndarray, " _"] | None]:
    """Take the steps of an epoch by automatic differentiation: any field, any device."""
    parameters = dict(training.field.named_parameters())
    total = torch.zeros((), device=pairs.gaps.device, dtype=pairs.gaps.dtype)
    for batch in batches:
        index = torch.from_numpy(batch).to(pairs.gaps.device)
        training.field.zero_grad(set_to_none=True)
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
        if not total.is_cuda and not torch.isfinite(of_data):  # on a GPU, asking costs a wait
            return float(of_data), batch
        loss.backward()
        training.step()
        if hook is not None:
            _finish(hook, batch_loss, training, parameters, here)
    mean = float(total) / sum(len(batch) for batch in batches)
    return mean, None if np.isfinite(mean) else batches[-1]


@torch.no_grad()
def diverged(
    field: Field, pairs: PairTensors, batch: Int[np.ndarray, " _"], method: Method
) -> DivergedError:
    """Return the error that names the first pair of a batch and gene whose state is not finite."""
    index = torch.from_numpy(batch).to(pairs.gaps.device)
    start, end = (t.index_select(1, index) for t in (pairs.start, pairs.end))
    found = solve(field, start, gaps=pairs.gaps.index_select(0, index), method=method)
    place = None
    for states in (start, end, found):
        bad = (~torch.isfinite(states)).nonzero()
        if len(bad):
            place = (int(batch[int(bad[0, 1])]), int(bad[0, 0]))
            break
    where = "" if place is None else f" (pair {place[0]}, gene {place[1]}, both counted from 0)"
    return DivergedError(
        f"the training loss is no longer a finite number{where}; lower the learning rate, or check "
        "the data for a gene on a very different scale (niwaki doctor names it).",
        place=place,
    )


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
    parts = [
        (ends - pairs.end[:, at]).square().mean(0)
        for at, ends in solved_in_chunks(field, pairs, method=method, chunk=chunk)
    ]
    losses: Float[np.ndarray, " pair"] = torch.cat(parts).double().cpu().numpy()
    return losses


def solved_in_chunks(
    field: Field, pairs: PairTensors, *, method: Method, chunk: int | None = None
) -> Iterator[tuple[slice, Float[Tensor, "gene _pair"]]]:
    """Yield where the field arrives from the starts of some pairs at a time (data units).

    At most `chunk` pairs are solved at a time (count), by default as many as memory allows.
    """
    chunk = chunk or max(1, min(1024, MOST_VALUES // len(pairs.start)))
    for first in range(0, pairs.gaps.shape[0], chunk):
        at = slice(first, first + chunk)
        yield at, solve(field, pairs.start[:, at], gaps=pairs.gaps[at], method=method)
