"""From fields and methods to the compiled engine: solves, gradients and whole epochs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from niwaki.dynamics._engine._build import engine
from niwaki.dynamics._engine._runner import VECTORS, WEIGHTS, Gaps, Runner, Scheme, is_turned
from niwaki.dynamics._exponential import Exponential
from niwaki.dynamics._field import Field, State
from niwaki.dynamics._optimiser import Training
from niwaki.dynamics._phoenix import PhoenixField
from niwaki.dynamics._runge_kutta import RungeKutta4

_NAMES = WEIGHTS + VECTORS


def scheme_of(field: Field, method: object, *tensors: Tensor) -> Scheme | None:
    """Return how the engine names a method, or None where it has no part.

    It takes PHOENIX fields on the CPU in single or double precision, exponential and RK4 steps.
    """
    if type(field) is not PhoenixField or engine().library is None:
        return None
    dtype = field.multiplier.dtype
    arrays = (*tensors, *field.parameters())
    known = dtype in (torch.float32, torch.float64)
    if not known or any(a.dtype != dtype or a.device.type != "cpu" for a in arrays):
        return None
    if isinstance(method, Exponential):
        return Scheme(method.order, method.substeps)
    return Scheme(1, method.substeps) if isinstance(method, RungeKutta4) else None


def fused_solve(
    field: PhoenixField,
    start: State,
    gaps: Float[Tensor, " pair"],
    scheme: Scheme,
    *,
    dense: bool | None = None,
) -> Float[Tensor, "gene pair"]:
    """Return the states one gap later, all substeps of all pairs in one compiled call.

    Parameters
    ----------
    field
        The field.
    start
        Observed states (data units).
    gaps
        Time to integrate over (time units).
    scheme
        From `scheme_of`.
    dense
        Whether products use whole matrices; decided by density unless given.
    """
    parameters = {name: getattr(field, name) for name in _NAMES}
    grid = Gaps.of(gaps.detach().double().numpy())
    wanted = torch.is_grad_enabled() and any(t.requires_grad for t in (start, *parameters.values()))
    if not wanted:
        runner = make_runner(parameters, zero_masks(parameters), scheme, dense=dense)
        return runner.solve(start.detach().contiguous(), grid)
    runner = make_runner(parameters, {}, scheme, dense=dense)
    ends: Tensor = _Solve.apply(start, runner, grid, *parameters.values())  # type: ignore[no-untyped-call]
    return ends


def zero_masks(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights that are not zero: the others have no effect on a solve."""
    return {name: parameters[name].detach() != 0 for name in WEIGHTS}


def make_runner(
    parameters: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    scheme: Scheme,
    *,
    dense: bool | None = None,
) -> Runner:
    """Return a runner on as many threads as torch uses.

    Parameters
    ----------
    parameters
        The field's parameters by name.
    masks
        Surviving weights by name.
    scheme
        The method.
    dense
        Whether products use whole matrices; decided by density unless given.
    """
    library = engine().library
    if library is None:
        raise RuntimeError("there is no compiled engine; ask scheme_of first")
    return Runner(
        library,
        parameters,
        masks=masks,
        scheme=scheme,
        threads=torch.get_num_threads(),
        dense=dense,
    )


class _Solve(torch.autograd.Function):
    """A solve whose backward pass is one call too; it takes the forward steps again."""

    @staticmethod
    def forward(ctx: Any, start: Tensor, runner: Runner, grid: Gaps, *parameters: Tensor) -> Tensor:
        ctx.runner, ctx.grid = runner, grid
        ctx.save_for_backward(start.contiguous())
        return runner.solve(start.contiguous(), grid)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (start,) = ctx.saved_tensors
        runner: Runner = ctx.runner
        grad_start = runner.pull_back(start, grad.contiguous(), ctx.grid)
        return grad_start, None, None, *runner.gradients()


class FusedLoss:
    """The mean squared error of a solve and its gradient from one call, while masks stay.

    For steps that add to the loss or replace weights; others have `FusedEpoch`.

    Parameters
    ----------
    training
        What is trained; its masks are applied.
    scheme
        From `scheme_of`.
    whole
        Whether weights at pruned places count, as those of a hook may.
    """

    def __init__(self, training: Training, scheme: Scheme, *, whole: bool) -> None:
        self._runner = _training_runner(training, scheme, whole=whole)

    def __call__(
        self, field: nn.Module, start: State, end: State, gaps: Float[Tensor, " pair"]
    ) -> Tensor:
        """Return the loss of the field, or of one like it (squared data units)."""
        parameters = {name: getattr(field, name) for name in _NAMES}
        grid = Gaps.of(gaps.double().numpy())
        self._runner.load(parameters)
        if not torch.is_grad_enabled():
            return self._runner.score(start, end, grid).mean().to(start.dtype)
        loss: Tensor = _Loss.apply(self._runner, start, end, grid, *parameters.values())  # type: ignore[no-untyped-call]
        return loss


class _Loss(torch.autograd.Function):
    """A loss whose gradient is taken along with it."""

    @staticmethod
    def forward(
        ctx: Any, runner: Runner, start: Tensor, end: Tensor, grid: Gaps, *parameters: Tensor
    ) -> Tensor:
        loss = start.new_tensor(runner.differentiate(start, end, grid))
        ctx.save_for_backward(*runner.gradients())
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, None, *(grad * part for part in ctx.saved_tensors)


def _training_runner(training: Training, scheme: Scheme, *, whole: bool = False) -> Runner:
    masks = {} if whole else {name: alive.mask for name, alive in training.survivors.items()}
    return make_runner(dict(training.field.named_parameters()), masks, scheme)


class FusedEpoch:
    """Epochs of one training in the engine, until its masks or its method change.

    Parameters
    ----------
    training
        What is trained; its masks are applied.
    scheme
        From `scheme_of`.
    """

    def __init__(self, training: Training, scheme: Scheme) -> None:
        self._training = training
        self._parameters = dict(training.field.named_parameters())
        self._runner = _training_runner(training, scheme)
        self._steps = 0

    @torch.no_grad()
    def run(
        self,
        start: State,
        end: State,
        gaps: Float[np.ndarray, " pair"],
        batches: Sequence[Int[np.ndarray, " _"]],
    ) -> tuple[float, Int[np.ndarray, " _"] | None]:
        """Take one step per batch; return the mean loss, and the batch at which it was infinite.

        Parameters
        ----------
        start, end
            Observed states (data units).
        gaps
            Times between them (time units).
        batches
            Columns of every step.
        """
        turned = self.prepare()
        total, taken, failed = 0.0, 0, None
        for batch in batches:
            loss = self.step(start, end, gaps, batch)
            if not math.isfinite(loss):
                failed, total = batch, loss
                break
            total, taken = total + loss * len(batch), taken + 1
        self._runner.store(self._parameters)
        self._detach(turned, taken)
        return total / sum(len(batch) for batch in batches), failed

    def step(
        self,
        start: State,
        end: State,
        gaps: Float[np.ndarray, " pair"],
        batch: Int[np.ndarray, " _"],
    ) -> float:
        """Take one step over some columns and return its loss; call `prepare` before the first."""
        loss = self._runner.fit(start, end, Gaps.of(gaps, batch), step=self._steps + 1)
        self._steps += math.isfinite(loss)
        return loss

    def prepare(self) -> dict[str, tuple[Tensor, ...]]:
        """Hand weights and Adam's moments to the engine; return the moments that it got turned."""
        self._runner.load(self._parameters)
        turned: dict[str, tuple[Tensor, ...]] = {}
        for name, parameter, group in self._training.groups():
            state = self._training.adam_state(group)
            moments = (state["exp_avg"], state["exp_avg_sq"])
            if is_turned(name) and moments[0].shape == parameter.shape:
                by_gene = (moments[0].T.contiguous(), moments[1].T.contiguous())
                turned[name] = (*moments, *by_gene)
                moments = by_gene
            self._runner.attach(name, *moments, rate=group["lr"])
            self._steps = int(state["step"])
        return turned

    def _detach(self, turned: dict[str, tuple[Tensor, ...]], taken: int) -> None:
        for first, second, new_first, new_second in turned.values():
            first.copy_(new_first.T)
            second.copy_(new_second.T)
        for _, _, group in self._training.groups():
            self._training.optimiser.state[group["params"][0]]["step"] += taken
