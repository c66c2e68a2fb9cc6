"""X-Gradient: the exact integrated gradients of a homogeneous model in one pass."""

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
from niwaki.attribution._homogeneity import homogeneity_report
from niwaki.attribution._result import Attribution
from niwaki.attribution._target import ALL, Target, cotangent, scores
from niwaki.core import InputError

X_GRADIENT, GRADIENT = "x-gradient", "gradient"


def xgrad(
    model: Model,
    inputs: Inputs,
    target: Target = None,
    *,
    degree: float | int | None = None,
    create_graph: bool = False,
    chunk: int | None = None,
) -> Attribution:
    """Return ``x * dF/dx / k``, which is integrated gradients from zero if F has degree k.

    One forward and one backward pass. Where ``F(a x) = a^k F(x)`` for all a > 0, the gradient
    grows with ``a^(k-1)`` along the path from zero, so the path integral is closed.

    Parameters
    ----------
    model
        A module or a function; one or several inputs, one output, samples along axis 0.
    inputs
        A tensor or several of them (any unit; zero must mean absent).
    target
        None for one output per sample; an index; a tuple, one index per output axis; a list or
        tensor, one index per sample; a tensor of the output's shape as cotangent; ``"all"``.
    degree
        The degree k (dimensionless). None checks the model on the first samples and refuses one
        that has no positive degree. A number takes your word for it, which is what a training
        loop wants: the check costs some twenty passes.
    create_graph
        Make the values differentiable, so that a penalty on them reaches the weights; the pass
        then counts as one of training, and running statistics move.
    chunk
        With all targets, how many are differentiated at once (count); all by default.

    Raises
    ------
    InputError
        If inputs, target or model cannot be used, or the model is not homogeneous.

    References
    ----------
    .. [1] hesse2021, section 3. The division by k is ours; the authors use k = 1.

    Examples
    --------
    >>> layer = torch.nn.Linear(3, 1, bias=False)
    >>> found = xgrad(layer, torch.ones(2, 3))
    >>> bool((found.gap.abs() < 1e-6).all())
    True
    """
    parts = as_inputs(inputs)
    check_graph(create_graph)
    power = _positive(degree) if degree is not None else _degree_of(model, parts)
    return _weighted(
        model, parts, target, degree=power, create_graph=create_graph, chunk=chunk, by_input=True
    )


def gradient(
    model: Model,
    inputs: Inputs,
    target: Target = None,
    *,
    create_graph: bool = False,
) -> Attribution:
    """Return the plain gradient as an attribution: local, and complete for no model.

    Parameters
    ----------
    model, inputs, target, create_graph
        As for `xgrad`.

    Raises
    ------
    InputError
        As for `xgrad`.
    """
    parts = as_inputs(inputs)
    check_graph(create_graph)
    return _weighted(
        model, parts, target, degree=1.0, create_graph=create_graph, chunk=None, by_input=False
    )


def _weighted(
    model: Model,
    parts: tuple[Tensor, ...],
    target: Target,
    *,
    degree: float | int,
    create_graph: bool,
    chunk: int | None,
    by_input: bool,
) -> Attribution:
    """Return gradients, times the inputs over the degree where asked."""
    with gradients_on():
        points = leaves(parts, create_graph=create_graph)
        output = run(model, points, keep_state=not create_graph)
        if isinstance(target, str) and target == ALL:
            score = scores(output, None)
            slopes = pull_all(score, points, create_graph=create_graph, chunk=chunk)
            scales = tuple(point[:, None] for point in points)
        else:
            weights = cotangent(output, target)
            score = scores(output, weights)
            slopes = pull(score.sum(), points, create_graph=create_graph)
            scales = points
        values = (
            tuple(s * x / degree for s, x in zip(slopes, scales, strict=True))
            if by_input
            else slopes
        )
    if not create_graph:
        output, score, values = output.detach(), score.detach(), tuple(v.detach() for v in values)
    return Attribution(
        output=output,
        score=score,
        values=values,
        baseline_score=torch.zeros_like(score),
        method=X_GRADIENT if by_input else GRADIENT,
        degree=degree if by_input else None,
    )


def _positive(degree: object) -> float:
    if not isinstance(degree, int | float):
        raise InputError(f"degree is {degree!r}; expected a number, or None to check the model.")
    if not degree > 0:
        raise InputError(
            f"degree {degree:g} has no closed form: a function of degree 0 does not change along "
            "the path from zero. Use integrated_gradients with a baseline of your choice."
        )
    return float(degree)


def _degree_of(model: Model, parts: tuple[Tensor, ...]) -> float:
    report = homogeneity_report(model, tuple(part[:4] for part in parts))
    if report.degree is None or not report.holds:
        raise InputError(
            f"the closed form does not hold for this model: {report.reason} Use "
            "integrated_gradients (or attribute, which chooses), convert the model with to_xdnn, "
            "or take the error knowingly with degree=1."
        )
    return _positive(report.degree)
