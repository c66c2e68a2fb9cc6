"""Attributions of wavelet coefficients: in closed form, and by autograd for any transform."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.wavelets._filters import Wavelet
from niwaki.wavelets._gradients import Teacher, check_attribution, path_nodes
from niwaki.wavelets._modes import adjoint_extension, check_mode
from niwaki.wavelets._transform import (
    Bands,
    Bands2,
    analyse,
    analyse2,
    dwt,
    dwt2,
    filters_of,
)


def coefficient_attributions(
    gradients: Float[Tensor, "*batch sample"],
    wavelet: Wavelet,
    *,
    level: int,
    mode: str = "zero",
    x: Float[Tensor, "*batch2 sample"] | None = None,
) -> Bands:
    """Return the attribution of every wavelet coefficient, without evaluating the teacher again.

    With ``x = S c`` the teacher's gradient by the coefficients is the adjoint of the synthesis S
    applied to its gradient by the input. S is the adjoint of the analysis under zeros beyond the
    ends, so this is the DWT of the gradient in mode ``zero`` (for ``periodization`` on the circle,
    an odd signal closed by a zero), also where the signals are analysed in another mode.

    Parameters
    ----------
    gradients
        From `input_gradients` (output units per input unit). For Integrated Gradients its mean
        over the path.
    wavelet, level, mode
        As for `dwt`; the mode is that of the signals.
    x
        The inputs themselves, for input times gradient or Integrated Gradients (output units);
        without them the result is the saliency (output units per coefficient).

    Returns
    -------
    Bands in the order of `dwt`.

    References
    ----------
    .. [1] ha2021, section 3, there by autograd through the inverse transform (TRIM).
    """
    low = filters_of(wavelet, level, gradients)
    bands = analyse(gradients, low, adjoint_extension(check_mode(mode)))
    if x is None:
        return bands
    return [c * g for c, g in zip(dwt(x, wavelet, level=level, mode=mode), bands, strict=True)]


def coefficient_attributions2(
    gradients: Float[Tensor, "*batch row column"],
    wavelet: Wavelet,
    *,
    level: int,
    mode: str = "zero",
    x: Float[Tensor, "*batch2 row column"] | None = None,
) -> Bands2:
    """Return the same for images, in the order of `dwt2`.

    Parameters
    ----------
    gradients, wavelet, level, mode, x
        As for `coefficient_attributions`.
    """
    low = filters_of(wavelet, level, gradients, axes=2)
    bands = analyse2(gradients, low, adjoint_extension(check_mode(mode)))
    if x is None:
        return bands
    own = dwt2(x, wavelet, level=level, mode=mode)
    return [_times(c, g) for c, g in zip(own, bands, strict=True)]


def _times(c: object, g: object) -> "Tensor | tuple[Tensor, Tensor, Tensor]":
    if isinstance(c, Tensor) and isinstance(g, Tensor):
        return c * g
    if isinstance(c, tuple) and isinstance(g, tuple):
        return (c[0] * g[0], c[1] * g[1], c[2] * g[2])
    raise TypeError("two lists of bands of different form")


def trim_attributions(
    teacher: Teacher,
    x: Float[Tensor, " sample *signal"],
    *,
    analysis: Callable[[Tensor], Sequence[Tensor]],
    synthesis: Callable[[Sequence[Tensor]], Tensor],
    attribution: str = "saliency",
    target: int = 0,
    nodes: int = 64,
    create_graph: bool = False,
) -> list[Tensor]:
    """Return attributions of the coefficients of any transform, by autograd through its inverse.

    The fallback for transforms that are not orthonormal, redundant or nonlinear: what the closed
    form gives in one product costs here a forward and a backward pass of the teacher per call.
    What the synthesis leaves of `x` is added as a constant, so that the teacher sees `x` exactly.

    Parameters
    ----------
    teacher
        From ``[sample, ...]`` to ``[sample]`` or ``[sample, output]``, in the mode you want.
    x
        Inputs.
    analysis, synthesis
        The transform and its (approximate) inverse.
    attribution
        ``saliency``, ``input_x_gradient``, or ``integrated_gradients`` with a zero baseline.
    target
        Output to attribute (index).
    nodes
        Gauss-Legendre nodes of Integrated Gradients (count). Along the path the residual shrinks
        with the coefficients; released code keeps it whole and so evaluates one point only.
    create_graph
        Keep the result differentiable by what `analysis` and `synthesis` depend on.

    Raises
    ------
    ConfigError
        If the attribution is unknown.

    References
    ----------
    .. [1] ha2021, section 3
    """
    kind = check_attribution(attribution)
    places, weights = path_nodes(nodes if kind == "integrated_gradients" else 0)
    bands = [band if band.requires_grad else band.requires_grad_() for band in analysis(x)]
    residual = (x - synthesis(bands)).detach()
    total = [torch.zeros_like(band) for band in bands]
    for place, weight in zip(places, weights, strict=True):
        scaled = [place * band for band in bands]
        outputs = teacher(synthesis(scaled) + place * residual)
        column = outputs.reshape(len(x), -1)[:, target]
        found = torch.autograd.grad(column.sum(), scaled, create_graph=create_graph)
        total = [t + weight * f for t, f in zip(total, found, strict=True)]
    if kind == "saliency":
        return total
    products = [band * t for band, t in zip(bands, total, strict=True)]
    return products if create_graph else [p.detach() for p in products]
