"""Discrete wavelet transforms in one and two dimensions, and their inverses."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from niwaki.core import ConfigError, InputError
from niwaki.wavelets._engine import (
    analyse_framed,
    analyse_rows,
    composed_matrix,
    convolve_axes,
    level_matrix,
    records_gradient,
    synthesise_framed,
    synthesise_rows,
)
from niwaki.wavelets._filters import Wavelet, as_filter
from niwaki.wavelets._modes import (
    Extension,
    Mode,
    adjoint_extension,
    band_lengths,
    check_mode,
)

DENSE = 256  # longest signal whose levels are one matrix, and longest row that is one product
FEW = 64  # most rows of an image that are one product, where framing would cost more
Bands = list[Tensor]
Details = tuple[Tensor, Tensor, Tensor]
Bands2 = list[Tensor | Details]


def max_level(length: int, taps: int) -> int:
    """Return the most levels at which a band still holds a coefficient free of the ends.

    Examples
    --------
    >>> max_level(64, 10)
    2
    """
    level = 0
    while taps > 1 and (taps - 1) * 2 ** (level + 1) <= length:
        level += 1
    return level


def dwt(
    x: Shaped[Tensor, " *signals"], wavelet: Wavelet, *, level: int, mode: str = "zero"
) -> Bands:
    """Return the bands A_J, D_J, ..., D_1 of signals, in PyWavelets' order and convention.

    Signals up to 256 samples are one product with the composed matrix of all levels; longer ones
    one product per level, in overlapping frames. Differentiable by signals and filter.

    Parameters
    ----------
    x
        Signals along the last axis, of any length from 1.
    wavelet
        Name, PyWavelets object, or low-pass taps: ``[tap]``, or ``[level, tap]`` with the finest
        level first.
    level
        Number of levels; 0 gives the signals themselves.
    mode
        Beyond the ends: ``zero``; ``periodization`` (a circle, as few coefficients as samples;
        an odd signal repeats its last sample); ``symmetric``, ``reflect``, ``periodic``.

    Raises
    ------
    InputError
        If the signals are empty or no floating-point numbers, the filter is odd, or ``reflect``
        meets one sample.
    ConfigError
        If the mode is unknown or the level negative.

    Examples
    --------
    >>> bands = dwt(torch.tensor([1.0, 1.0, 2.0, 2.0]), "haar", level=1)
    >>> [[round(c, 4) for c in band.tolist()] for band in bands]
    [[1.4142, 2.8284], [0.0, 0.0]]
    """
    low = filters_of(wavelet, level, x)
    return analyse(x, low, _check(x, low, mode))


def idwt(
    bands: Sequence[Tensor], wavelet: Wavelet, *, length: int, mode: str = "zero"
) -> Float[Tensor, "*batch sample"]:
    """Return the signals of `length` samples that have these bands: the inverse of `dwt`.

    It is the adjoint of the analysis under zeros beyond the ends (on the circle for
    ``periodization``), whatever the mode, and inverts it exactly if the filter is orthonormal.

    Raises
    ------
    InputError
        If the bands do not have the lengths that `dwt` gives for `length`.
    """
    low = filters_of(wavelet, len(bands) - 1, bands[0])
    return synthesise(bands, low, length=length, mode=check_mode(mode))


def dwt2(
    x: Shaped[Tensor, " *images"],
    wavelet: Wavelet,
    *,
    level: int,
    mode: str = "zero",
) -> Bands2:
    """Return A_J, (H, V, D)_J, ..., (H, V, D)_1 of images, in PyWavelets' order and convention.

    Parameters
    ----------
    x
        Images along the last two axes.
    wavelet
        As for `dwt`; taps may also be ``[level, 2, tap]``, a filter for rows' axis and one for
        columns' (the second-last axis first).
    level, mode
        As for `dwt`.

    Raises
    ------
    InputError, ConfigError
        As `dwt`.
    """
    if x.ndim < 2:
        raise InputError("dwt2 got one axis; give images with two, or use dwt for signals.")
    low = filters_of(wavelet, level, x, axes=2)
    _check(x.transpose(-1, -2), low, mode)
    return analyse2(x, low, _check(x, low, mode))


def idwt2(
    bands: Sequence[Tensor | Details],
    wavelet: Wavelet,
    *,
    shape: tuple[int, int],
    mode: str = "zero",
) -> Float[Tensor, "*batch row column"]:
    """Return the images of `shape` that have these bands: the inverse of `dwt2`.

    Raises
    ------
    InputError
        If the bands do not have the shapes that `dwt2` gives for `shape`.
    """
    first = bands[0]
    if not isinstance(first, Tensor):
        raise InputError("the first band is a tuple; expected the approximation A_J there.")
    low = filters_of(wavelet, len(bands) - 1, first, axes=2)
    return synthesise2(bands, low, shape=shape, mode=check_mode(mode))


def analyse(x: Tensor, low: Float[Tensor, "level tap"], extension: Extension) -> Bands:
    """Return the bands under any extension, also that of the adjoint of a synthesis."""
    length, (level, taps) = x.shape[-1], low.shape
    lengths = band_lengths(length, taps=taps, level=level, extension=extension)
    if length <= DENSE and level:
        flat = x @ composed_matrix(low, length, extension).T
        return list(flat.split([lengths[-1], *reversed(lengths[1:])], -1))
    details = []
    for j in range(level):
        x, detail = analyse_framed(x, low[j], extension)
        details.append(detail)
    return [x, *reversed(details)]


def synthesise(
    bands: Sequence[Tensor], low: Float[Tensor, "level tap"], *, length: int, mode: Mode
) -> Tensor:
    """Return the adjoint of the analysis, by which every mode is inverted."""
    level, taps = low.shape
    extension = adjoint_extension(mode)
    lengths = band_lengths(length, taps=taps, level=level, extension=extension)
    wanted = [lengths[-1], *reversed(lengths[1:])]
    if [band.shape[-1] for band in bands] != wanted:
        raise InputError(
            f"the bands have lengths {[band.shape[-1] for band in bands]}, but a signal of "
            f"{length} samples has {wanted}; give the length of the signals they came from."
        )
    if length <= DENSE and level:
        return torch.cat(list(bands), -1) @ composed_matrix(low, length, extension)
    x = bands[0]
    for j, detail in zip(reversed(range(level)), bands[1:], strict=True):
        x = synthesise_framed((x, detail), low[j], length=lengths[j], extension=extension)
    return x


def analyse2(x: Tensor, low: Float[Tensor, "level axis tap"], extension: Extension) -> Bands2:
    """Return the bands of images under any extension."""
    details: list[Details] = []
    for pair in low:
        x, detail = analyse_axes(x, pair, extension)
        details.append(detail)
    return [x, *reversed(details)]


def analyse_axes(
    x: Tensor, pair: Float[Tensor, "axis tap"], extension: Extension
) -> tuple[Tensor, Details]:
    """Return approximation and (H, V, D) of one level: one product per axis."""
    if x.dtype == torch.float32 and not records_gradient(x, pair) and max(x.shape[-2:]) > FEW:
        a, h, v, d = convolve_axes(x, pair, extension).unbind(-3)
        return a, (h, v, d)
    wide = join_columns(x, pair[1], extension)  # first, as most often `x` needs no gradient
    halves = split_rows(wide, pair[0], extension)
    (a, v), (h, d) = (half.split(half.shape[-1] // 2, -1) for half in halves)
    return a, (h, v, d)


def synthesise2(
    bands: Sequence[Tensor | Details],
    low: Float[Tensor, "level axis tap"],
    *,
    shape: tuple[int, int],
    mode: Mode,
) -> Tensor:
    """Return the adjoint of `analyse2`, by which every mode is inverted."""
    level, taps = low.shape[0], low.shape[-1]
    extension = adjoint_extension(mode)
    rows, columns = (band_lengths(n, taps=taps, level=level, extension=extension) for n in shape)
    x = bands[0]
    for j, details in zip(reversed(range(level)), bands[1:], strict=True):
        size = (rows[j + 1], columns[j + 1])
        parts = [x, *details]
        found = [tuple(part.shape[-2:]) for part in parts if isinstance(part, Tensor)]
        if found != [size] * 4:
            raise InputError(
                f"level {j + 1} has bands of shapes {found}, but images of shape {shape} have "
                f"four of {size} there; give the shape of the images they came from."
            )
        a, h, v, d = (part for part in parts if isinstance(part, Tensor))
        top = _back(a, v, low[j, 1], columns[j], extension)
        bottom = _back(h, d, low[j, 1], columns[j], extension)
        x = _back_rows(top, bottom, low[j, 0], rows[j], extension)
    if not isinstance(x, Tensor):
        raise InputError("the first band is a tuple; expected the approximation A_J there.")
    return x


def join_columns(x: Tensor, low: Tensor, extension: Extension) -> Tensor:
    """Return low and high band of images along the last axis, side by side."""
    if x.shape[-1] > DENSE:
        return torch.cat(analyse_framed(x, low, extension), -1)
    return x @ level_matrix(low, x.shape[-1], extension).T


def split_rows(x: Tensor, low: Tensor, extension: Extension) -> tuple[Tensor, Tensor]:
    """Return low and high band of images along the second-last axis."""
    if x.shape[-2] > FEW:
        return analyse_rows(x, low, extension)
    both = level_matrix(low, x.shape[-2], extension) @ x
    first, second = both.split(both.shape[-2] // 2, -2)
    return first, second


def _back(a: Tensor, b: Tensor, low: Tensor, length: int, extension: Extension) -> Tensor:
    if length > DENSE:
        return synthesise_framed((a, b), low, length=length, extension=extension)
    return torch.cat([a, b], -1) @ level_matrix(low, length, extension)


def _back_rows(a: Tensor, b: Tensor, low: Tensor, length: int, extension: Extension) -> Tensor:
    if length > FEW:
        return synthesise_rows((a, b), low, length=length, extension=extension)
    return level_matrix(low, length, extension).T @ torch.cat([a, b], -2)


def filters_of(wavelet: Wavelet, level: int, like: Tensor, *, axes: int = 0) -> Tensor:
    """Return taps as ``[level, tap]``, or ``[level, axis, tap]`` for images."""
    if level < 0:
        raise ConfigError(f"level is {level}; give 0 or more levels.")
    low = as_filter(wavelet)
    if low.shape[-1:].numel() == 0 or low.shape[-1] % 2 or low.shape[-1] == 0:
        raise InputError(
            f"the filter has {low.shape[-1] if low.ndim else 0} taps; an orthonormal filter has "
            "an even number, so append a zero or leave out a tap."
        )
    if not like.is_floating_point():
        raise InputError(
            f"the signals have type {like.dtype}; give floating-point numbers: x.double()."
        )
    low = low.to(like.device, like.dtype)
    if low.ndim == 2 and axes:
        low = low.unsqueeze(1)
    shape = (level, axes, low.shape[-1]) if axes else (level, low.shape[-1])
    try:
        return low.expand(shape)
    except RuntimeError as error:
        raise InputError(
            f"the filters have shape {tuple(low.shape)}, which does not fit {level} levels; give "
            "one filter, one per level (finest first), or one per level and axis."
        ) from error


def _check(x: Tensor, low: Tensor, mode: str) -> Mode:
    known = check_mode(mode)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise InputError("the signals are empty; give at least one sample per signal.")
    if mode == "reflect" and low.shape[0]:
        lengths = band_lengths(
            x.shape[-1], taps=low.shape[-1], level=low.shape[0], extension="reflect"
        )
        if 1 in lengths[:-1]:
            raise InputError(
                "a level has one sample, which mode reflect cannot extend; use fewer levels or "
                "another mode."
            )
    return known
