"""How good are attributions? Masking, infidelity, sensitivity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.attribution._forward import Model, as_inputs, run
from niwaki.attribution._target import Target, cotangent, score_of
from niwaki.core import InputError

Order = Literal["positive", "negative", "absolute"]
Action = Literal["keep", "remove"]
Explainer = Callable[[Tensor], Tensor]


def mask_fractions(count: int = 16, *, least: float = 0.01) -> tuple[float, ...]:
    """Return shares of features from `least` to 1 in equal ratios (dimensionless)."""
    return tuple(least ** (1 - i / (count - 1)) for i in range(count))


@dataclass(frozen=True)
class MaskingCurve:
    """What is left of a score while features are masked in the order of their attributions.

    Attributes
    ----------
    fractions
        Shares of features that are kept or removed (dimensionless).
    scores
        Mean target score, or share of samples whose highest output is the target for ``absolute``.
    area
        Mean of the scores over equal ratios of fractions: the area under the curve on a
        logarithmic axis, divided by its width.
    """

    fractions: tuple[float, ...]
    scores: tuple[float, ...]
    area: float


@torch.no_grad()
def masking_curve(
    model: Model,
    inputs: Float[Tensor, "sample ..."],
    values: Float[Tensor, "_sample ..."],
    target: Target,
    *,
    order: Order,
    action: Action,
    fill: Float[Tensor, "..."] | float | int = 0.0,
    fractions: tuple[float, ...] | None = None,
) -> MaskingCurve:
    """Return how a score changes when only, or all but, the most important features are masked.

    Good attributions score high for ``keep`` and ``positive`` or ``absolute``, low for ``remove``,
    and the other way round for ``negative``.

    Parameters
    ----------
    model
        A module or a function of one input.
    inputs, values
        Samples and their attributions.
    target
        As for `xgrad`; for ``absolute`` an index, or one per sample.
    order
        Features by the largest, the smallest, or the largest absolute attribution.
    action
        Whether these are kept and the rest is masked, or they are masked.
    fill
        What masked features become: a number, or a tensor that broadcasts to the inputs.
    fractions
        Shares of features; those of `mask_fractions` by default.

    Raises
    ------
    InputError
        If shapes, order or action do not fit.

    References
    ----------
    .. [1] hesse2021, section 5: six ways of masking. There the fill is a blurred image, and ours is
       the caller's choice; the area on a logarithmic axis is our reading.
    """
    (x,) = as_inputs(inputs)
    if values.shape != x.shape:
        raise InputError(
            f"the attributions have shape {tuple(values.shape)}, the inputs {tuple(x.shape)}; "
            "they must agree."
        )
    if order not in ("positive", "negative", "absolute") or action not in ("keep", "remove"):
        raise InputError(
            f"masking got order '{order}' and action '{action}'; expected positive, negative or "
            "absolute, and keep or remove."
        )
    flat = values.flatten(1)
    key = {"positive": flat, "negative": -flat, "absolute": flat.abs()}[order]
    rank = key.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    other = torch.as_tensor(fill, dtype=x.dtype, device=x.device).expand(x.shape)
    shares = fractions or mask_fractions()
    scores = []
    for share in shares:
        chosen = (rank < round(share * flat.shape[1])).reshape(x.shape)
        kept = chosen if action == "keep" else ~chosen
        output = run(model, [torch.where(kept, x, other)], keep_state=True)
        scores.append(_judged(output, target, by_rank=order == "absolute"))
    return MaskingCurve(shares, tuple(scores), sum(scores) / len(scores))


def _judged(output: Tensor, target: Target, *, by_rank: bool) -> float:
    weights = cotangent(output, target)
    if not by_rank:
        return float(score_of(output, weights).mean())
    if output.ndim != 2:
        raise InputError("masking by absolute value needs a model with one axis of outputs.")
    return float((output.argmax(1) == weights.argmax(1)).to(output).mean())


@torch.no_grad()
def infidelity(
    model: Model,
    inputs: Float[Tensor, "sample ..."],
    values: Float[Tensor, "sample ..."],
    target: Target = None,
    *,
    noise: float | int = 0.1,
    draws: int = 32,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " sample"]:
    """Return how far attributions are from predicting what perturbations do (squared score units).

    ``E over I of (I . slope - (F(x) - F(x - I)))^2`` with Gaussian I. The formula takes slopes, so
    contributions are divided by their inputs first (0 where the input is 0).

    Parameters
    ----------
    model, inputs, target
        As for `masking_curve`.
    values
        Attributions in the sense of contributions, which multiply by the input.
    noise
        Standard deviation of the perturbations (input units).
    draws
        Perturbations per sample (count).
    generator
        Source of the draws; seeded with 0 by default.

    References
    ----------
    .. [1] yeh2019, definition 2.1.
    """
    (x,) = as_inputs(inputs)
    source = generator or torch.Generator().manual_seed(0)
    slopes = torch.where(x == 0, torch.zeros_like(x), values / torch.where(x == 0, 1.0, x))
    output = run(model, [x], keep_state=True)
    weights = cotangent(output, target)
    score, total = score_of(output, weights), torch.zeros(x.shape[0]).to(x)
    for _ in range(draws):
        push = noise * torch.randn(x.shape, generator=source, dtype=torch.float64).to(x)
        after = score_of(run(model, [x - push], keep_state=True), weights)
        total += ((push * slopes).flatten(1).sum(1) - (score - after)).square()
    return total / draws


def sensitivity(
    explain: Explainer,
    inputs: Float[Tensor, "sample ..."],
    *,
    radius: float | int = 0.02,
    draws: int = 10,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " sample"]:
    """Return the largest relative change of attributions in a small box around each sample.

    Parameters
    ----------
    explain
        Attributions of a batch, for instance ``lambda x: xgrad(model, x, degree=1).value``.
    inputs
        Samples.
    radius
        Half width of the box (input units).
    draws
        Points per sample (count).
    generator
        Source of the draws; seeded with 0 by default.

    References
    ----------
    .. [1] yeh2019, definition 3.1 (max-sensitivity, relative as in Captum).
    """
    (x,) = as_inputs(inputs)
    source = generator or torch.Generator().manual_seed(0)
    base = explain(x).detach().flatten(1)
    size = base.norm(dim=1).clamp(min=torch.finfo(base.dtype).tiny)
    worst = torch.zeros(x.shape[0]).to(x)
    for _ in range(draws):
        push = radius * (2 * torch.rand(x.shape, generator=source, dtype=torch.float64) - 1)
        change = (explain(x + push.to(x)).detach().flatten(1) - base).norm(dim=1)
        worst = torch.maximum(worst, change / size)
    return worst
