"""Does the closed form hold for this model? By algebra, by scaling, by Euler's identity."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from niwaki.attribution._degree import _trace
from niwaki.attribution._forward import (
    Inputs,
    Model,
    as_inputs,
    gradients_on,
    leaves,
    pull,
    run,
)
from niwaki.core import InputError

EXPONENTS = (-6, -3, -1, 1, 3, 6)
_CLOSE = {torch.float64: 1e-9, torch.float32: 1e-4}  # where powers do not come out bit for bit
_COARSE = 2e-2  # half precision
_CUT = 5e-2  # of Euler's identity; rounding stays far below


@dataclass(frozen=True)
class HomogeneityReport:
    """Whether ``F(a x) = a^k F(x)``, for which k, how sure that is, and what breaks it.

    Attributes
    ----------
    degree
        k (dimensionless); None where there is none.
    holds
        Whether the closed form may be used: the algebra proves the degree and the numbers agree,
        or the algebra has no rule and the numbers agree bit for bit.
    proven
        Whether the degree follows from the graph alone.
    culprit
        The first module or operation that breaks the property, or that no rule covers; empty
        where there is none.
    reason
        A sentence for a person.
    exact
        Whether all powers of two from 2^-6 to 2^6 came out bit for bit.
    residual
        Largest relative deviation over these scales.
    euler
        Relative deviation from Euler's identity ``sum x dF/dx = k F``.
    bias_share
        Share of the output that comes from biases rather than from the input: 0 for a model
        without, 1 for one that ignores its input.
    traced
        Whether the model's graph could be read.
    """

    degree: float | None
    holds: bool
    proven: bool
    culprit: str
    reason: str
    exact: bool
    residual: float
    euler: float
    bias_share: float
    traced: bool

    def __str__(self) -> str:
        degree = "none" if self.degree is None else f"{self.degree:g}"
        return (
            f"degree {degree}; {self.reason} Powers of two: "
            f"{'bit-exact' if self.exact else f'off by {self.residual:.2g}'}; Euler's identity "
            f"off by {self.euler:.2g}; {100 * self.bias_share:.3g} % of the output from biases."
        )


def homogeneity_report(model: Model, example: Inputs) -> HomogeneityReport:
    """Say whether one gradient gives exact integrated gradients for this model.

    Three checks, since each alone can be fooled: degree inference over the traced graph sees
    saturation that the example never reaches; scaling by powers of two is exact in floating point
    and needs no rule; Euler's identity is what completeness rests on. A graph that cannot be
    traced leaves the other two, and modules are then compared one by one.

    Parameters
    ----------
    model
        A module or a function; one or several inputs, samples along axis 0.
    example
        A few samples of the usual size (any unit).

    Raises
    ------
    InputError
        If the model does not run on the example.

    References
    ----------
    .. [1] hesse2021, for degree one. Degree inference, exact scaling and the bias share are ours.
    .. [2] srinivas2019, for the identity behind the bias share.

    Examples
    --------
    >>> report = homogeneity_report(nn.Sequential(nn.Linear(3, 2, bias=False), nn.Tanh()),
    ...                             torch.ones(1, 3))
    >>> report.holds, report.culprit
    (False, '1')
    """
    parts = tuple(part.detach() for part in as_inputs(example))
    base = _forward(model, parts)
    if not bool(torch.isfinite(base).all()):
        raise InputError(
            "the model gives NaN or infinite values on the example; nothing can be attributed "
            "there, so check the example and the model."
        )
    static = _trace.infer(model, parts, keep=state_kept)
    guess = static.degree if static is not None else None
    degree = guess if guess is not None else _fitted_degree(model, parts, base)
    exact, residual = _scaling(model, parts, base, degree)
    euler, share = _identities(model, parts, degree)
    steady = torch.equal(base, _forward(model, parts))
    close = residual <= _CLOSE.get(base.dtype, _COARSE)
    unproven = static is None or (static.degree is None and not static.broken)
    nothing = ""
    if not steady:
        nothing = (
            "two passes over the same input differ (dropout in training mode?); call model.eval() "
            "first."
        )
    elif unproven and not bool(base.any()):
        nothing = (
            "the model gives only zeros on the example, which say nothing; give other samples."
        )
    elif euler > _CUT and close and degree > 0 and (unproven or guess is not None):
        nothing = (
            f"its output scales with degree {degree:g}, but its gradient does not account for it; "
            "something cuts or replaces gradients (detach, rounding, a backward pass of its own)."
        )
    if nothing:
        return HomogeneityReport(
            None, False, False, "", nothing, exact, residual, euler, share, static is not None
        )
    holds, culprit, reason = _verdict(model, parts, static, degree, exact=exact, close=close)
    proven = guess is not None and holds
    kept = degree if holds or (guess is not None and close) else None
    return HomogeneityReport(
        kept, holds, proven, culprit, reason, exact, residual, euler, share, static is not None
    )


def _verdict(
    model: Model,
    parts: tuple[Tensor, ...],
    static: _trace.Inference | None,
    degree: float,
    *,
    exact: bool,
    close: bool,
) -> tuple[bool, str, str]:
    """Return whether it holds, what breaks it, and a sentence."""
    if static is not None and static.broken:
        return False, static.culprit, f"{_the(static.culprit)}: {static.reason}"
    if static is not None and static.degree is not None:
        if not close:
            return (
                False,
                "",
                (
                    "the graph is homogeneous, but the numbers are not; the model overflows, or "
                    "does something that its graph does not show."
                ),
            )
        if static.degree <= 0:
            return (
                False,
                "the output",
                (f"it has degree {static.degree:g}, so nothing is gained on the path from zero."),
            )
        return True, "", f"homogeneous of degree {static.degree:g}, by its operations."
    return _by_numbers(model, parts, static, degree, exact=exact)


def _by_numbers(
    model: Model,
    parts: tuple[Tensor, ...],
    static: _trace.Inference | None,
    degree: float,
    *,
    exact: bool,
) -> tuple[bool, str, str]:
    """Return the verdict where the algebra has none: the graph or a rule is missing."""
    unread = "its graph cannot be read" if static is None else static.reason.rstrip(".")
    if not exact or degree <= 0:
        culprit = _first_that_breaks(model, parts)
        name = _the(culprit) if culprit else "an operation between its modules"
        return False, culprit, f"{name} is not homogeneous, by numbers ({unread})."
    bounded, why = _part_that_would_break(model, parts)
    if bounded:
        return False, bounded, f"{_the(bounded)}: {why}"
    where = static.culprit if static is not None else ""
    return True, where, f"homogeneous of degree {degree:g} as far as numbers show ({unread})."


def _the(culprit: str) -> str:
    return culprit if culprit.startswith("the ") else f"module '{culprit}'"


def _forward(model: Model, parts: Sequence[Tensor]) -> Tensor:
    with torch.inference_mode(False), torch.no_grad():
        return run(model, parts, keep_state=True)


def _fitted_degree(model: Model, parts: tuple[Tensor, ...], base: Tensor) -> float:
    """Return the whole number that fits the growth from x to 2 x best; 0 where there is none."""
    grown = _forward(model, [2 * part for part in parts])
    ratio = float(grown.double().norm() / base.double().norm().clamp(min=1e-300))
    if not (math.isfinite(ratio) and ratio > 0):
        return 0.0
    return float(max(-8, min(8, round(math.log2(ratio)))))


def _scaling(
    model: Model, parts: tuple[Tensor, ...], base: Tensor, degree: float
) -> tuple[bool, float]:
    """Return whether all powers of two come out bit for bit, and the largest deviation."""
    exact, worst = True, 0.0
    for exponent in EXPONENTS:
        scale = 2.0**exponent
        found = _forward(model, [scale * part for part in parts])
        wanted = base * scale**degree
        exact = exact and torch.equal(found, wanted)
        size = wanted.double().norm().clamp(min=1e-300)
        off = float((found.double() - wanted.double()).norm() / size)
        worst = max(worst, off) if math.isfinite(off) else math.inf
    return exact, worst


def _identities(model: Model, parts: tuple[Tensor, ...], degree: float) -> tuple[float, float]:
    """Return the residual of Euler's identity, and the share of the output due to biases."""
    with gradients_on():
        points = leaves(parts, create_graph=False)
        biases = _biases(model)
        output = run_with(model, points, {name: b for name, (b, _) in biases.items()})
        weights = output.detach() / output.detach().abs().amax().clamp(min=1e-30)
        score = (output * weights).sum()  # weighted by itself, so that outputs do not cancel
        slopes = pull(score, [*points, *(b for b, _ in biases.values())], create_graph=False)
    reached = sum(
        float((s * p.detach()).double().sum()) for s, p in zip(slopes, points, strict=False)
    )
    offset = 0.0
    for slope, (_, effect) in zip(slopes[len(points) :], biases.values(), strict=True):
        offset += float((slope * effect).double().sum())
    value = float(score.detach().double())
    euler = abs(reached - degree * value) / max(abs(value), 1e-300)
    both = abs(reached) + abs(offset)
    return euler, abs(offset) / both if both else 0.0


def _biases(model: Model) -> dict[str, tuple[Tensor, Tensor]]:
    """Return every bias, ready for a gradient, and what it adds in effect.

    A BatchNorm in evaluation adds its shift less the scaled running mean.
    """
    found: dict[str, tuple[Tensor, Tensor]] = {}
    if not isinstance(model, nn.Module):
        return found
    for name, module in model.named_modules():
        for own, value in module.named_parameters(recurse=False):
            if own.startswith("bias") and value.is_floating_point():
                effect = value.detach()
                mean = getattr(module, "running_mean", None)
                if mean is not None and not module.training:
                    spread = torch.sqrt(module.running_var + module.eps)
                    effect = effect - mean * module.weight.detach() / spread
                full = f"{name}.{own}" if name else own
                found[full] = (value.detach().clone().requires_grad_(), effect)
    return found


def run_with(model: Model, parts: Sequence[Tensor], changed: dict[str, Tensor]) -> Tensor:
    """Return the output of a model with some parameters replaced and its buffers left alone."""
    if not isinstance(model, nn.Module):
        return run(model, parts, keep_state=True)
    tensors = {name: b.detach().clone() for name, b in model.named_buffers()} | changed

    def call(*inputs: Tensor) -> Any:
        return torch.func.functional_call(model, tensors, inputs, tie_weights=False)

    return run(call, parts, keep_state=False)


@contextmanager
def state_kept(model: nn.Module) -> Iterator[None]:
    """Put the buffers of a module back as they were."""
    before = {name: b.detach().clone() for name, b in model.named_buffers()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in before and not torch.equal(buffer, before[name]):
                    buffer.copy_(before[name])


def _first_that_breaks(model: Model, parts: tuple[Tensor, ...]) -> str:
    """Return the first module without children that does not pass a factor of two on."""
    if not isinstance(model, nn.Module):
        return ""
    seen: list[dict[str, tuple[list[Tensor], list[Tensor]]]] = []
    for factor in (1.0, 2.0):
        seen.append(_recorded(model, [factor * part for part in parts]))
    for name, (inputs, outputs) in seen[0].items():
        if name not in seen[1]:
            continue
        later = seen[1][name]
        if _grows(inputs, later[0]) and not _grows(outputs, later[1]):
            return name
    return ""


def _part_that_would_break(model: Model, parts: tuple[Tensor, ...]) -> tuple[str, str]:
    """Return the first innermost module that the algebra breaks, though the example does not.

    Without a graph of the whole, bounds that the example never reaches show in the parts. A part
    whose inputs do not grow with those of the model may be any function.
    """
    if not isinstance(model, nn.Module):
        return "", ""
    once, twice = (_recorded(model, [f * part for part in parts]) for f in (1.0, 2.0))
    for name, (inputs, _) in once.items():
        same = all(map(torch.equal, inputs, twice[name][0])) if name in twice else True
        module = model if name == "the model" else model.get_submodule(name)
        found = None if same else _trace.infer(module, inputs, keep=state_kept)
        if found is not None and found.broken:
            return name, found.reason
    return "", ""


def _recorded(
    model: nn.Module, parts: Sequence[Tensor]
) -> dict[str, tuple[list[Tensor], list[Tensor]]]:
    """Return the inputs and outputs of every innermost module, in the order of their calls."""
    seen: dict[str, tuple[list[Tensor], list[Tensor]]] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, given: Any, made: Any) -> None:
            if name not in seen:
                copies = ([t.clone() for t in _trace.flat_tensors(v)] for v in (given, made))
                seen[name] = (next(copies), next(copies))

        return hook

    inner = [(n, m) for n, m in model.named_modules() if not list(m.children())]
    handles = [m.register_forward_hook(note(n or "the model")) for n, m in inner]
    try:
        _forward(model, parts)
    except InputError:
        return {}
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _grows(before: list[Tensor], after: list[Tensor]) -> bool:
    """Return whether tensors all grew by one power of two, bit for bit."""
    if len(before) != len(after):
        return False
    for a, b in zip(before, after, strict=True):
        if not any(torch.equal(b, a * 2.0**k) for k in range(-2, 4)):
            return False
    return True
