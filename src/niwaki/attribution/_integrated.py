"""Integrated and expected gradients: for models without a closed form, and as references."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from niwaki.attribution._forward import (
    Inputs,
    Model,
    as_inputs,
    check_graph,
    gradients_on,
    leaves,
    pull,
    pull_all,
    run,
)
from niwaki.attribution._result import Attribution
from niwaki.attribution._target import ALL, Target, cotangent, scores
from niwaki.core import InputError

INTEGRATED, EXPECTED = "integrated gradients", "expected gradients"
Baseline = float | int | Tensor | Sequence[Tensor | float | int] | None


def integrated_gradients(
    model: Model,
    inputs: Inputs,
    target: Target = None,
    *,
    baseline: Baseline = None,
    nodes: int = 50,
    chunk: int | None = None,
    create_graph: bool = False,
) -> Attribution:
    """Return the integral of the gradient along the straight path from a baseline.

    ``IG_i = (x_i - b_i) * integral over a in [0, 1] of dF/dx_i at b + a (x - b)``, by
    Gauss-Legendre quadrature: exact where the gradient along the path is a polynomial of degree
    ``2 nodes - 1`` or less, so that one node suffices for a homogeneous model and b = 0.

    Parameters
    ----------
    model, inputs, target
        As for `xgrad`.
    baseline
        Where paths begin: None or 0 for zero, a number, a tensor that broadcasts to the input, or
        one of these per input (units of the input).
    nodes
        Gradient evaluations per sample (count).
    chunk
        Rows (samples times nodes) per pass (count); all at once by default.
    create_graph
        Make the values differentiable.

    Raises
    ------
    InputError
        If inputs, target, baseline or model cannot be used.

    References
    ----------
    .. [1] sundararajan2017, equation 1; the paper sums over equal steps, here the nodes and
       weights are those of Gauss and Legendre.
    """
    parts = as_inputs(inputs)
    check_graph(create_graph)
    _check_counts(nodes=nodes, chunk=chunk)
    starts = _baselines(baseline, parts)
    places, weights = np.polynomial.legendre.leggauss(nodes)
    rows = parts[0].shape[0]
    alpha = torch.as_tensor((places + 1) / 2).to(parts[0]).repeat(rows)
    weight = torch.as_tensor(weights / 2).to(parts[0]).repeat(rows)
    walk = _Walk(starts, torch.arange(rows).repeat_interleave(nodes), alpha, weight)
    return _along_paths(
        model, parts, target, walk, chunk=chunk, create_graph=create_graph, method=INTEGRATED
    )


def expected_gradients(
    model: Model,
    inputs: Inputs,
    references: Inputs,
    target: Target = None,
    *,
    draws: int | None = None,
    generator: torch.Generator | None = None,
    chunk: int | None = None,
    create_graph: bool = False,
) -> Attribution:
    """Return integrated gradients averaged over references drawn from data.

    Each draw takes a reference and one random place on the path from it, so the values are
    complete in expectation only; the gap says how far the draws are from it.

    Parameters
    ----------
    model, inputs, target, chunk, create_graph
        As for `integrated_gradients`.
    references
        Background samples, one tensor per input (units of the input).
    draws
        References per sample (count); all of `references`, each once, by default.
    generator
        Source of the draws, on the processor; seeded with 0 by default.

    Raises
    ------
    InputError
        If inputs, references, target or model cannot be used.

    References
    ----------
    .. [1] erion2021, equation 5.
    """
    parts, behind = as_inputs(inputs), as_inputs(references)
    check_graph(create_graph)
    shapes = [tuple(p.shape[1:]) for p in parts], [tuple(b.shape[1:]) for b in behind]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the references have shapes {shapes[1]} per sample and the inputs {shapes[0]}; they "
            "must agree."
        )
    count = behind[0].shape[0] if draws is None else draws
    _check_counts(draws=count, chunk=chunk)
    source = generator or torch.Generator().manual_seed(0)
    rows, known = parts[0].shape[0], behind[0].shape[0]
    if draws is None:
        chosen = torch.arange(known).repeat(rows)
    else:
        chosen = torch.randint(known, (rows * count,), generator=source)
    alpha = torch.rand(rows * count, generator=source, dtype=torch.float64).to(parts[0])
    weight = torch.full_like(alpha, 1 / count)
    walk = _Walk(behind, chosen, alpha, weight)
    return _along_paths(
        model, parts, target, walk, chunk=chunk, create_graph=create_graph, method=EXPECTED
    )


class _Walk(NamedTuple):
    """Places on paths to the inputs, all those of the first sample first.

    `starts` are the baselines of all samples, or all references; `origin` is the one that each
    place's path sets out from.
    """

    starts: tuple[Tensor, ...]
    origin: Tensor
    alpha: Tensor
    weight: Tensor


def _along_paths(
    model: Model,
    parts: tuple[Tensor, ...],
    target: Target,
    walk: _Walk,
    *,
    chunk: int | None,
    create_graph: bool,
    method: str,
) -> Attribution:
    """Return weighted gradients at points between starts and inputs, times the way between."""
    ends, origin, alpha, weight = walk
    rows = parts[0].shape[0]
    count = len(alpha) // rows
    with gradients_on():
        points = leaves(parts, create_graph=create_graph)
        output = run(model, points, keep_state=not create_graph)
        weights = None if isinstance(target, str) and target == ALL else cotangent(output, target)
        score = scores(output, weights)
        totals = [_zeros(part, score) for part in points]
        for at in torch.arange(len(alpha), device=alpha.device).split(chunk or len(alpha)):
            owner = at // count
            starts = tuple(end[origin.to(at.device)[at]] for end in ends)
            moved = tuple(
                s + (p[owner] - s) * _fit(alpha[at], p) for s, p in zip(starts, points, strict=True)
            )
            moved = moved if create_graph else leaves(moved, create_graph=False)
            found = run(model, moved, keep_state=True)
            picked = scores(found, None if weights is None else weights[owner])
            picked = picked * _fit(weight[at], picked)
            if weights is None:
                slopes = pull_all(picked, moved, create_graph=create_graph)
            else:
                slopes = pull(picked.sum(), moved, create_graph=create_graph)
            for number, (slope, start, point) in enumerate(
                zip(slopes, starts, points, strict=True)
            ):
                way = point[owner] - start
                part = slope * (way if weights is not None else way[:, None])
                totals[number] = totals[number].index_add(0, owner, part)
            if not create_graph:
                totals = [total.detach() for total in totals]
        with torch.no_grad():
            base_output = run(model, ends, keep_state=True)
            if method == EXPECTED:
                base_output = base_output.mean(0, keepdim=True).expand_as(output)
            base = scores(base_output, weights)
    if not create_graph:
        output, score = output.detach(), score.detach()
    return Attribution(output, score, tuple(totals), base, method, nodes=count)


def _zeros(part: Tensor, score: Tensor) -> Tensor:
    """Return what attributions are summed into; with all targets, these are axis 1."""
    return part.new_zeros(part.shape[0], *score.shape[1:], *part.shape[1:])


def _fit(alpha: Tensor, part: Tensor) -> Tensor:
    return alpha.reshape(-1, *[1] * (part.ndim - 1))


def _baselines(baseline: Baseline, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return one baseline per sample and input."""
    several = isinstance(baseline, Sequence)
    given = list(baseline) if isinstance(baseline, Sequence) else [baseline] * len(parts)
    if len(given) != len(parts):
        raise InputError(
            f"there are {len(given)} baselines for {len(parts)} inputs; give one per input, or a "
            "single number for all."
        )
    if isinstance(baseline, Tensor) and len(parts) > 1 and not several:
        raise InputError("one baseline tensor was given for several inputs; give one per input.")
    return tuple(_baseline(one, part) for one, part in zip(given, parts, strict=True))


def _baseline(one: Tensor | float | int | None, part: Tensor) -> Tensor:
    if one is None:
        return torch.zeros_like(part.detach())
    start = torch.as_tensor(one, dtype=part.dtype, device=part.device).detach()
    if not bool(torch.isfinite(start).all()):
        raise InputError("the baseline holds NaN or infinite values; give finite ones.")
    try:
        return start.expand(part.shape).clone()
    except RuntimeError as error:
        raise InputError(
            f"the baseline has shape {tuple(start.shape)}, the input {tuple(part.shape)}; the "
            "baseline must be a number or broadcast to the input."
        ) from error


def _check_counts(**counts: object) -> None:
    for name, value in counts.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InputError(f"{name} is {value}; expected a whole number of at least 1.")
