"""A PHOENIX field in the memory of the compiled engine."""

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from niwaki.dynamics._engine._layout import (
    FIT,
    PULL_BACK,
    SCORE,
    SOLVE,
    CJob,
    CModel,
    address,
    is_double,
)

WEIGHTS = ("weight_sum", "weight_prod", "output_sum", "output_prod")
VECTORS = ("bias_sum", "bias_prod", "multiplier")
_FIRST = ("weight_sum", "weight_prod")  # stored [hidden, gene]; the engine goes gene by gene
ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8  # torch's defaults
# Share of surviving weights from which products of whole matrices are faster, by pairs per call
# [measured: benchmarks/engine.py].
_DENSE_ABOVE = 0.4
_FEW_PAIRS, _MANY_GAPS = 16, 6


@dataclass(frozen=True)
class Scheme:
    """A method as the engine knows it: 2 and 4 for exponential steps of that order, 1 for RK4."""

    method: int
    substeps: int


@dataclass
class Slot:
    """One weight matrix by gene: where its survivors are, their values and gradients."""

    start: Tensor
    unit: Tensor
    place: Tensor | None
    value: Tensor
    grad: Tensor
    dense: Tensor | None = None

    def take(self, parameter: Tensor, *, turned: bool) -> Tensor:
        """Return the survivors of an array of the parameter's shape, gene by gene."""
        flat = (parameter.T if turned else parameter).reshape(-1)
        return flat if self.place is None else flat.index_select(0, self.place)

    def put(self, values: Tensor, parameter: Tensor, *, turned: bool) -> None:
        """Write survivors back into an array of the parameter's shape."""
        by_gene = parameter.T if turned else parameter
        if self.place is None:
            by_gene.copy_(values.view(by_gene.shape))
        else:
            whole = torch.zeros(by_gene.numel(), dtype=values.dtype)
            whole[self.place] = values
            by_gene.copy_(whole.view(by_gene.shape))


def is_turned(name: str) -> bool:
    """Return whether a weight is stored with genes in its columns."""
    return name in _FIRST


def by_gene(mask: Tensor | None, shape: torch.Size, *, turned: bool) -> tuple[Tensor, ...]:
    """Return where each gene's survivors start, their hidden units, and their places."""
    genes, hidden = (shape[1], shape[0]) if turned else (shape[0], shape[1])
    edge = np.arange(genes + 1, dtype=np.int64) * hidden
    if mask is None:
        unit = np.tile(np.arange(hidden, dtype=np.int32), genes)
        return torch.from_numpy(edge), torch.from_numpy(unit)
    living = (mask.T if turned else mask).reshape(-1)
    place = np.flatnonzero(living.numpy())  # several times faster than torch's nonzero
    start = np.searchsorted(place, edge)
    unit = (place - np.repeat(edge[:-1], np.diff(start))).astype(np.int32)
    return torch.from_numpy(start), torch.from_numpy(unit), torch.from_numpy(place)


class Runner:
    """Solves, pulls back and fits one field; all arrays stay where they are between calls.

    Parameters
    ----------
    library
        The compiled engine.
    parameters
        The field's parameters by name.
    masks
        Surviving weights by name; without one, all survive.
    scheme
        The method.
    threads
        How many (count); no more than there are processors to run on.
    dense
        Whether products use whole matrices; by default decided from the density.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        parameters: Mapping[str, Tensor],
        *,
        masks: Mapping[str, Tensor],
        scheme: Scheme,
        threads: int,
        dense: bool | None = None,
    ) -> None:
        self._library, self.scheme = library, scheme
        self.dtype = parameters["bias_sum"].dtype
        self.genes, self.hidden = len(parameters["multiplier"]), len(parameters["bias_sum"])
        self.threads = max(1, min(threads, usable_processors(), self.genes, 256))
        self.slots = {n: self._slot(parameters[n], masks.get(n), n, dense) for n in WEIGHTS}
        self.vectors = {n: _contiguous(parameters[n]) for n in VECTORS}
        self.vector_grads = {n: torch.empty_like(v) for n, v in self.vectors.items()}
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}
        self._model = self._describe()
        self._work: Tensor | None = None
        self._space: dict[tuple[int, int, int], int] = {}
        self._refresh = True
        self._run = library.niwaki_run_f64 if self.double else library.niwaki_run_f32

    @property
    def double(self) -> bool:
        """Whether values are in double precision."""
        return is_double(self.dtype)

    def _slot(self, parameter: Tensor, mask: Tensor | None, name: str, dense: bool | None) -> Slot:
        turned = is_turned(name)
        if mask is not None and bool(mask.all()):
            mask = None
        start, unit, *place = by_gene(mask, parameter.shape, turned=turned)
        slot = Slot(start, unit, place[0] if place else None, parameter, parameter)
        slot.value = slot.take(parameter.detach(), turned=turned).clone()
        slot.grad = torch.empty_like(slot.value)
        share = len(slot.value) / parameter.numel()
        if share > _DENSE_ABOVE if dense is None else dense:
            lanes = self._library.niwaki_padded(self.hidden, self.double)
            slot.dense = torch.zeros(self.genes, lanes, dtype=self.dtype)
        return slot

    def _describe(self) -> CModel:
        model = CModel(self.genes, self.hidden, self.scheme.method, self.scheme.substeps)
        model.threads = self.threads
        model.beta1, model.beta2, model.epsilon = *ADAM_BETAS, ADAM_EPSILON
        for to, name in zip(model.matrix, WEIGHTS, strict=True):
            slot = self.slots[name]
            to.start, to.unit = address(slot.start), address(slot.unit)
            to.value, to.grad = address(slot.value), address(slot.grad)
            to.dense = address(slot.dense)
        for to, name in zip(model.vector, VECTORS, strict=True):
            to.value = address(self.vectors[name])
            to.grad = address(self.vector_grads[name])
        return model

    def load(self, parameters: Mapping[str, Tensor]) -> None:
        """Take the values that the field's parameters have now."""
        for name, slot in self.slots.items():
            slot.value.copy_(slot.take(parameters[name].detach(), turned=is_turned(name)))
        for name, vector in self.vectors.items():
            vector.copy_(parameters[name].detach())
        self._refresh = True

    def attach(self, name: str, first: Tensor, second: Tensor, *, rate: float) -> None:
        """Let Adam keep the moments of a parameter in these arrays, at this learning rate.

        They hold its survivors gene by gene; the runner keeps them alive, and a step changes them.
        """
        self._moments[name] = (first, second)
        at = WEIGHTS.index(name) if name in WEIGHTS else VECTORS.index(name)
        to = (self._model.matrix if name in WEIGHTS else self._model.vector)[at]
        to.first, to.second, to.rate = address(first), address(second), rate

    def store(self, parameters: Mapping[str, Tensor]) -> None:
        """Give the field's parameters the values of the last step."""
        for name, slot in self.slots.items():
            slot.put(slot.value, parameters[name].detach(), turned=is_turned(name))
        for name, vector in self.vectors.items():
            parameters[name].detach().copy_(vector)

    # --------------------------------------------------------------------------- calls
    def solve(self, start: Tensor, grid: "Gaps") -> Tensor:
        """Return the states one gap later."""
        ends = torch.empty_like(start)
        self._call(SOLVE, start, None, grid, column=grid.order, ends=ends)
        return ends

    def pull_back(self, start: Tensor, cotangent: Tensor, grid: "Gaps") -> Tensor:
        """Return the gradient of the start states; those of the parameters are left in place."""
        grad = torch.empty_like(start)
        self._call(PULL_BACK, start, cotangent, grid, column=grid.order, grad_start=grad)
        return grad

    def score(self, start: Tensor, end: Tensor, grid: "Gaps") -> Tensor:
        """Return the mean squared error of each pair, in their order (squared data units)."""
        found = torch.empty(len(grid.order), dtype=torch.float64)
        self._call(SCORE, start, end, grid, column=grid.order, pair_loss=found)
        losses = torch.empty_like(found)
        losses[torch.from_numpy(grid.order)] = found
        return losses

    def fit(self, start: Tensor, end: Tensor, grid: "Gaps", *, step: int) -> float:
        """Take one optimisation step over some columns of `start`; return its mean squared error.

        A step whose loss is not finite changes nothing.
        """
        return self._call(FIT, start, end, grid, column=grid.order, adam_step=step)

    def differentiate(self, start: Tensor, end: Tensor, grid: "Gaps") -> float:
        """Return the mean squared error; the gradients of the parameters are left in place."""
        return self._call(FIT, start, end, grid, column=grid.order)

    def gradients(self) -> list[Tensor]:
        """Return the gradients of the last call in the parameters' shapes, 0 where pruned."""
        found = []
        for name, slot in self.slots.items():
            shape = (self.hidden, self.genes) if is_turned(name) else (self.genes, self.hidden)
            found.append(torch.empty(shape, dtype=self.dtype))
            slot.put(slot.grad, found[-1], turned=is_turned(name))
        return found + [self.vector_grads[name].clone() for name in VECTORS]

    def products(self, name: str, units: Tensor, state: Tensor, out: Tensor, back: Tensor) -> None:
        """Multiply by one weight matrix, and take both gradients; for benchmarks.

        Parameters
        ----------
        name
            The weight, sparse and in single precision; its gradient is left in its slot.
        units, state
            ``[hidden, panel]`` and ``[gene, panel]``, of the width ``niwaki_panel()``.
        out, back
            What becomes of them, ``[gene, panel]`` and ``[hidden, panel]``.
        """
        alone = CModel(self.genes, self.hidden, threads=1)
        alone.matrix[0] = self._model.matrix[WEIGHTS.index(name)]
        arrays = [address(array) for array in (units, state, out, back)]
        self._library.niwaki_products(ctypes.byref(alone), *arrays)

    def _call(
        self,
        mode: int,
        start: Tensor,
        other: Tensor | None,
        grid: "Gaps",
        *,
        column: Int[np.ndarray, " _pair"],
        adam_step: int = 0,
        **out: Tensor,
    ) -> float:
        job = CJob(address(start), address(other), start.stride(0))
        job.lead_other = 0 if other is None else other.stride(0)
        job.pairs, job.gaps = len(column), len(grid.distinct)
        steps = grid.distinct / self.scheme.substeps
        job.column, job.gap, job.step = (
            column.ctypes.data,
            grid.which.ctypes.data,
            steps.ctypes.data,
        )
        job.mode, job.adam_step, job.refresh = mode, adam_step, self._refresh
        for name, tensor in out.items():
            setattr(job, name, address(tensor))
        job.work = address(self._workspace(job))
        loss = float(self._run(ctypes.byref(self._model), ctypes.byref(job)))
        self._refresh = False
        return loss

    def _workspace(self, job: CJob) -> Tensor:
        key = (job.gaps, job.pairs, job.mode)
        if key not in self._space:
            self._space[key] = self._library.niwaki_work(
                ctypes.byref(self._model), *key, self.double
            )
        if self._work is None or len(self._work) < self._space[key]:
            self._work = torch.empty(self._space[key], dtype=torch.uint8)
        return self._work


@dataclass(frozen=True)
class Gaps:
    """The pairs of a call, sorted by gap.

    Attributes
    ----------
    order
        Columns of the pairs, those of equal gaps together.
    which
        Of each pair in that order, the position of its gap in `distinct`.
    distinct
        The gaps that occur (time units).
    """

    order: Int[np.ndarray, " _pair"]
    which: Int[np.ndarray, " _pair"]
    distinct: np.ndarray

    @classmethod
    def of(cls, gaps: np.ndarray, columns: Int[np.ndarray, " _pair"] | None = None) -> "Gaps":
        """Return the given columns (by default all) sorted by their gaps."""
        chosen = (gaps if columns is None else gaps[columns]).astype(np.float64)
        order = np.argsort(chosen, kind="stable")
        ordered = chosen[order]
        distinct, which = ordered, np.arange(len(ordered))  # one after the other reads faster
        if len(chosen) > _FEW_PAIRS:
            new = np.append(True, ordered[1:] != ordered[:-1])
            if np.count_nonzero(new) <= _MANY_GAPS:
                distinct, which = ordered[new], np.cumsum(new) - 1
        return cls(
            order if columns is None else np.ascontiguousarray(columns[order], dtype=np.int64),
            which,
            distinct,
        )


def usable_processors() -> int:
    """Return how many processors this process may run on (count)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _contiguous(parameter: Tensor) -> Tensor:
    return parameter.detach().clone(memory_format=torch.contiguous_format)
