"""What a report draws of a wavelet and its bands."""

import torch
from torch import Tensor

from niwaki.core import BandSummary, WaveletCurves
from niwaki.wavelets import (
    Layout,
    Point,
    band_shares,
    cascade,
    coefficient_attributions,
    coefficient_attributions2,
    dwt,
    dwt2,
    frequency_response,
)

_PLACES = 24  # of a drawn band of an image, along either axis


def wavelet_curves(name: str, low: Tensor, beside: Tensor | None = None) -> WaveletCurves:
    """Return scaling function, wavelet function and frequency response of a filter.

    With another filter to stand `beside`, the curves are moved, reversed and turned to lie on that
    filter's wavelet function as well as they can.
    """
    positions, scaling, wavelet = cascade(low)
    if beside is not None:
        positions, scaling, wavelet = _beside(cascade(beside)[2], positions, scaling, wavelet)
    frequencies, low_gain, high_gain = frequency_response(low, points=65)
    return WaveletCurves(
        name=name,
        taps=low.tolist(),
        positions=positions.tolist(),
        scaling=scaling.tolist(),
        wavelet=wavelet.tolist(),
        frequencies=frequencies.tolist(),
        low_gain=low_gain.tolist(),
        high_gain=high_gain.tolist(),
    )


def _beside(
    other: Tensor, positions: Tensor, scaling: Tensor, wavelet: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    size = len(other) + len(wavelet)
    best = (-1.0, 0, 1.0, False)
    for turned in (False, True):
        spectrum = torch.fft.rfft(wavelet.flip(-1) if turned else wavelet, size)
        match = torch.fft.irfft(torch.fft.rfft(other, size) * spectrum.conj(), size)
        place = int(match.abs().argmax())
        shift = place if place <= len(other) else place - size
        best = max(best, (float(match[place].abs()), shift, float(match[place].sign()), turned))
    _, shift, sign, turned = best
    if turned:
        scaling, wavelet = scaling.flip(-1), wavelet.flip(-1)
    step = positions[1] - positions[0]
    return positions + shift * step, scaling, sign * wavelet


@torch.no_grad()
def band_summaries(
    x: Tensor,
    gradients: Tensor,
    *,
    point: Point,
    layout: Layout,
    mode: str,
    example: int,
) -> list[BandSummary]:
    """Return the bands, how much of data and attributions they hold, and one example.

    Parameters
    ----------
    x, gradients
        Signals and input gradients.
    point, layout, mode
        The wavelet.
    example
        Sample to show (index).
    """
    data = band_shares(x, point=point, layout=layout, mode=mode)
    flat = gradients.flatten(0, 1)
    attributed = band_shares(flat, point=point, layout=layout, adjoint=True, mode=mode)
    level = layout.level
    coefficients: list[list[float]] = [[] for _ in data]
    attributions: list[list[float]] = [[] for _ in data]
    if layout.axes == 1:
        low = layout.lows(point.angles).to(x.dtype)
        one, gradient = x[example], gradients[0, example]
        coefficients = [b.tolist() for b in dwt(one, low, level=level, mode=mode)]
        found = coefficient_attributions(gradient, low, level=level, mode=mode)
        attributions = [b.tolist() for b in found]
    maps = _maps(x, gradients, point, layout, mode, example) if layout.axes == 2 else {}
    names = [f"A{level}", *(f"D{j}" for j in range(level, 0, -1))]
    depths = [level, *range(level, 0, -1)]
    return [
        BandSummary(
            name=name,
            shortest=2.0 ** (depth + 1) if name[0] == "A" else 2.0**depth,
            longest=None if name[0] == "A" else 2.0 ** (depth + 1),
            data=data[i],
            attributions=attributed[i],
            example=coefficients[i],
            example_attributions=attributions[i],
            map=maps.get("map", {}).get(i, []),
            map_attributions=maps.get("map_attributions", {}).get(i, []),
        )
        for i, (name, depth) in enumerate(zip(names, depths, strict=True))
    ]


def _maps(
    x: Tensor, gradients: Tensor, point: Point, layout: Layout, mode: str, example: int
) -> dict[str, dict[int, list[list[float]]]]:
    """Return the sizes of one image's coefficients and of their attributions, band by band."""
    low, level = layout.lows(point.angles).to(x.dtype), layout.level
    found = {
        "map": dwt2(x[example], low, level=level, mode=mode),
        "map_attributions": coefficient_attributions2(
            gradients[0, example], low, level=level, mode=mode
        ),
    }
    return {
        name: {i: _pooled(band) for i, band in enumerate(bands)} for name, bands in found.items()
    }


def _pooled(band: Tensor | tuple[Tensor, ...]) -> list[list[float]]:
    sizes = band.abs() if isinstance(band, Tensor) else torch.stack(band).square().sum(0).sqrt()
    shape = (min(_PLACES, sizes.shape[0]), min(_PLACES, sizes.shape[1]))
    pooled: list[list[float]] = torch.nn.functional.adaptive_max_pool2d(sizes[None], shape)[
        0
    ].tolist()
    return pooled
