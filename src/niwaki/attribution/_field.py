"""Attribution of dynamics: regulators to targets, and start states to forecasts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from niwaki.attribution._forward import gradients_on
from niwaki.attribution._repeated import RepeatedColumns
from niwaki.core import InputError

State = Float[Tensor, "gene state"]
Map = Callable[[Tensor], Tensor]
_ROUNDING = 64  # contributions below so many units in the last place of the largest are none
BUDGET = 1 << 22  # numbers in one array of a batch of gradients: 16 MB in float32


@dataclass(frozen=True)
class MapAttribution:
    """Contributions of every gene at the start (source) to every gene's result (target).

    Pairs are kept as lists, so that 11,000 genes never ask for a dense gene-by-gene table unless
    all pairs are kept.

    Attributes
    ----------
    source, target
        The pairs, strongest source first within each target.
    mean
        Mean contribution over the states (units of the result).
    size
        Mean absolute contribution (same units).
    slope
        Mean slope along the way, weighted by its squared length (units of the result per unit of
        the state): its sign is the direction of the effect, also where the mean cancels.
    total_of_source
        Summed size over targets, of all pairs, kept or not.
    result, baseline_result
        Mean result of each target, and its result at the baseline (0 in the closed form).
    gap
        Root mean square over targets and states of what the contributions miss, relative to the
        root mean square of what they explain.
    method, degree, nodes
        As in `Attribution`.
    """

    source: Int[np.ndarray, " pair"]
    target: Int[np.ndarray, " pair"]
    mean: Float[np.ndarray, " pair"]
    size: Float[np.ndarray, " pair"]
    slope: Float[np.ndarray, " pair"]
    total_of_source: Float[np.ndarray, " gene"]
    result: Float[np.ndarray, " target"]
    baseline_result: Float[np.ndarray, " target"]
    gap: float
    method: str
    degree: float | int | None
    nodes: int

    def dense(self, what: str = "mean") -> Float[np.ndarray, "target gene"]:
        """Return ``mean``, ``size`` or ``slope`` ``[target, source]``; 0 for pairs not kept."""
        genes = len(self.total_of_source)
        table = np.zeros((genes, genes))
        table[self.target, self.source] = getattr(self, what)
        return table


def jacobian_attribution(
    field: Map,
    states: State,
    *,
    degree: float | int = 1.0,
    baseline: Float[Tensor, " _gene"] | None = None,
    nodes: int = 1,
    targets: Int[Tensor, " target"] | None = None,
    keep: int | None = None,
    budget: int = BUDGET,
) -> MapAttribution:
    """Attribute a field to regulators: ``x_i df_j/dx_i`` over states, reduced on the fly.

    Where the field is homogeneous of degree k, the contributions of all genes to ``dx_j/dt`` sum
    to k times it, and are divided by k. With a baseline they are integrated gradients along the
    way from it, which are complete for any field if `nodes` suffice: a field that is a polynomial
    of degree d within the range of the data needs d/2 nodes. To leave a known decay out of what a
    gene does to itself, give the field without it.

    Parameters
    ----------
    field
        The right-hand side, gene-major, one state per column and each by itself.
    states
        States to average over, such as all cells (data units).
    degree
        Degree of the field (dimensionless), where there is no baseline.
    baseline
        State to explain the difference from, for instance the mean state (data units).
    nodes
        Gauss-Legendre nodes of the way from the baseline (count).
    targets
        Targets to attribute; all by default.
    keep
        Pairs kept per target, strongest first (count); all by default.
    budget
        Numbers that a batch of gradients may hold (count).

    Raises
    ------
    InputError
        If shapes do not fit, or states or results are not finite.

    References
    ----------
    .. [1] hesse2021, section 3, applied to each component of a field.
    """
    return _attributed(
        field, states, degree=degree, baseline=baseline, nodes=nodes,
        targets=targets, keep=keep, budget=budget,
    )  # fmt: skip


def flow_attribution(
    flow: Map,
    start: State,
    *,
    degree: float | int = 1.0,
    baseline: Float[Tensor, " _gene"] | None = None,
    nodes: int = 16,
    targets: Int[Tensor, " target"] | None = None,
    keep: int | None = None,
    budget: int = BUDGET,
) -> MapAttribution:
    """Attribute a forecast to the genes at its start.

    The flow of an autonomous field of degree one has degree one, also under a Runge-Kutta method
    with fixed steps, so ``x_i dx_j(T)/dx_i`` is exact and complete. An adaptive solver breaks that
    through its absolute tolerance, and saturation or explicit time break it altogether; give a
    baseline then.

    Parameters
    ----------
    flow
        From states at the start to states at the end, gene-major, each column by itself, whatever
        their number: for instance ``lambda x: solve(field, x, gaps=..., method=...)``.
    start
        Start states (data units).
    degree, baseline, nodes, targets, keep, budget
        As for `jacobian_attribution`; nodes count only with a baseline.

    Raises
    ------
    InputError
        As for `jacobian_attribution`.
    """
    return _attributed(
        flow, start, degree=degree, baseline=baseline, nodes=nodes,
        targets=targets, keep=keep, budget=budget,
    )  # fmt: skip


def _attributed(
    function: Map,
    states: State,
    *,
    degree: float | int,
    baseline: Float[Tensor, " _gene"] | None,
    nodes: int,
    targets: Int[Tensor, " target"] | None,
    keep: int | None,
    budget: int,
) -> MapAttribution:
    """Return the contributions of a map from states to states, a few targets at a time."""
    nodes = nodes if baseline is not None else 1
    _check(states, baseline, degree, nodes)
    chosen = torch.arange(states.shape[0]) if targets is None else targets.cpu()
    if len(chosen) == 0 or int(chosen.min()) < 0 or int(chosen.max()) >= states.shape[0]:
        raise InputError(f"a target points outside the {states.shape[0]} genes of the states.")
    paths = _Paths(function, states.detach(), baseline, nodes, degree, budget)
    parts: list[tuple[np.ndarray, ...]] = []
    total = np.zeros(states.shape[0])
    missed = explained = 0.0
    for batch in chosen.split(paths.targets_at_once):
        mean, size, slope, sums = paths.reduced(batch)
        wanted = paths.explained(batch)
        missed += float((wanted - sums).double().square().sum())
        explained += float(wanted.double().square().sum())
        total += size.double().sum(0).cpu().numpy()
        parts.append(_kept(batch, (mean, size, slope), keep))
    source, target, *values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return MapAttribution(
        source, target, values[0], values[1], values[2], total,
        result=paths.result[chosen].double().mean(1).cpu().numpy(),
        baseline_result=paths.base[chosen].double().mean(1).cpu().numpy(),
        gap=(missed / explained) ** 0.5 if explained else missed**0.5,
        method="x-gradient" if baseline is None else "integrated gradients",
        degree=degree if baseline is None else None,
        nodes=nodes,
    )  # fmt: skip


def _check(states: Tensor, baseline: Tensor | None, degree: float | int, nodes: int) -> None:
    if not bool(torch.isfinite(states).all()) or states.numel() == 0:
        raise InputError("the states to attribute are empty, or hold NaN or infinite values.")
    if baseline is not None and baseline.shape != states.shape[:1]:
        raise InputError(
            f"the baseline has {baseline.shape[0]} genes, the states {states.shape[0]}; give one "
            "state, genes in the same order."
        )
    if not degree > 0 or nodes < 1:
        raise InputError(
            f"degree {degree:g} and {nodes} nodes were given; both must be positive, and a field "
            "without a degree needs a baseline."
        )


def _kept(
    batch: Tensor, tables: tuple[Tensor, Tensor, Tensor], keep: int | None
) -> tuple[np.ndarray, ...]:
    """Return the pairs of some targets, strongest first, without those that are rounding only."""
    _, size, _ = tables
    count = size.shape[1] if keep is None else min(keep, size.shape[1])
    top = size.topk(count, dim=1)
    least = _ROUNDING * torch.finfo(size.dtype).eps * top.values[:, :1]
    real = (top.values > least).cpu().numpy()
    target = np.repeat(batch.numpy(), count).reshape(real.shape)
    values = (table.gather(1, top.indices).double().cpu().numpy() for table in tables)
    return top.indices.cpu().numpy()[real], target[real], *(value[real] for value in values)


class _Paths:
    """Recorded passes at the nodes of all paths, from which any target can be pulled back."""

    def __init__(
        self,
        function: Map,
        states: Tensor,
        baseline: Tensor | None,
        nodes: int,
        degree: float | int,
        budget: int,
    ) -> None:
        self.degree, self.baseline = degree, baseline is not None
        self.start = (
            torch.zeros_like(states[:, :1]) if baseline is None else baseline.to(states)[:, None]
        )
        self.states = states
        places, weights = np.polynomial.legendre.leggauss(nodes)
        alpha = [1.0] if baseline is None else ((places + 1) / 2).tolist()
        self.weights = [1.0] if baseline is None else (weights / 2).tolist()
        genes, count = states.shape
        self.columns = max(1, min(count, budget // (genes * nodes)))
        self.targets_at_once = max(1, budget // (genes * nodes * self.columns))
        self.passes = list(self._record(function, alpha))
        with torch.no_grad():
            self.result = _checked(function, states)
            base = _checked(function, self.start.expand_as(states[:, :1]).contiguous())
            self.base = base if baseline is not None else torch.zeros_like(base)

    def _record(self, function: Map, alpha: list[float]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield, per chunk of states, the way, the points and the results there."""
        for part in self.states.split(self.columns, dim=1):
            way = part - self.start
            with gradients_on():
                points = torch.cat([self.start + a * way for a in alpha], 1).requires_grad_()
                yield way, points, _checked(function, points)

    def explained(self, batch: Tensor) -> Tensor:
        """Return what the contributions to some targets should sum to, ``[target, state]``."""
        return self.result[batch] - self.base[batch]

    def reduced(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Return mean, mean absolute, slope of contributions, and their sums over sources."""
        genes, count = self.states.shape
        mean = torch.zeros(len(batch), genes).to(self.states)
        size, slope_of, sums = torch.zeros_like(mean), torch.zeros_like(mean), []
        for way, points, results in self.passes:
            slopes = _pulled(results, points, batch)
            first, *others = slopes.split(way.shape[1], 2)  # in place from here: these are large
            found = first.mul_(self.weights[0])
            for weight, slope in zip(self.weights[1:], others, strict=True):
                found.add_(slope, alpha=weight)
            found.mul_(way / self.degree)
            mean += found.sum(2) / count
            sums.append(found.sum(1))
            slope_of += torch.einsum("tgs,gs->tg", found, way)
            size += found.abs_().sum(2) / count
        length = (self.states - self.start).square().sum(1).clamp(min=torch.finfo(mean.dtype).tiny)
        return mean, size, slope_of / length, torch.cat(sums, 1)


def _pulled(results: Tensor, points: Tensor, batch: Tensor) -> Tensor:
    """Return the gradients of some targets at every point, ``[target, gene, point]``.

    States do not mix, so one cotangent serves all of them; targets are batched.
    """
    if not results.requires_grad:
        return torch.zeros(len(batch), *points.shape).to(points)

    def backward(seed: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(
            results, points, seed[:, None].expand_as(results),
            retain_graph=True, allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        return found

    seeds = torch.zeros(len(batch), results.shape[0]).to(results)
    seeds[torch.arange(len(batch)), batch] = 1.0
    try:
        with RepeatedColumns():  # type: ignore[no-untyped-call]
            return torch.func.vmap(backward)(seeds).contiguous()
    except RuntimeError:  # an operation without a batching rule: one target at a time
        return torch.stack([backward(seed) for seed in seeds])


def _checked(function: Map, states: Tensor) -> Tensor:
    found = function(states)
    if not isinstance(found, Tensor) or found.shape != states.shape:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            f"the map gives {shape} for states of shape {tuple(states.shape)}; expected the same "
            "shape, genes along axis 0."
        )
    if not bool(torch.isfinite(found).all()):
        raise InputError(
            "the map leaves the finite range for some of these states; they may be far from the "
            "data that it was fitted to, or the time too long."
        )
    return found
