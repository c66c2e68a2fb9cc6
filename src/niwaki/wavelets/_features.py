"""From coefficients to a few numbers per sample that a linear model can use."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from niwaki.core import ConfigError, InputError
from niwaki.wavelets._filters import Wavelet, as_filter
from niwaki.wavelets._lattice import high_pass

_PIXELS = 2**22  # of maps whose peaks are sought at a time
LAPLACE = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))
ROBERTS = (
    ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 0.0)),
    ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
)


def top_coefficients(
    bands: Sequence[Tensor | Sequence[Tensor]],
    *,
    count: int = 6,
    signed: bool = True,
    positions: bool = False,
) -> Float[Tensor, "sample feature"]:
    """Return the largest coefficients of every band, in falling order.

    Parameters
    ----------
    bands
        From `dwt` (samples first) or `dwt2`; the order of features is that of the bands.
    count
        Coefficients per band (count); a shorter band gives all it has.
    signed
        Rank by value, as the original study does; otherwise by absolute value, with the sign lost.
    positions
        Add the place of each, as a share of the band's length (dimensionless). Without them the
        features are nearly blind to when something happens.

    Raises
    ------
    ConfigError
        If `count` is not positive.

    References
    ----------
    .. [1] ha2021, section 5

    Examples
    --------
    >>> top_coefficients([torch.tensor([[1.0, 5.0, -9.0]])], count=2)
    tensor([[5., 1.]])
    """
    if count < 1:
        raise ConfigError(f"{count} coefficients per band were asked for; give at least 1.")
    parts = []
    for band in _each(bands):
        flat = band.flatten(1) if signed else band.flatten(1).abs()
        most = min(count, flat.shape[1])
        if not positions:
            parts.append(_largest(flat, most))
            continue
        values, places = flat.topk(most, dim=1)
        parts += [values, places.to(values.dtype) / max(flat.shape[1] - 1, 1)]
    return torch.cat(parts, 1)


def _largest(rows: Tensor, count: int) -> Tensor:
    """Return the largest values of each row in falling order."""
    if rows.device.type != "cpu" or rows.requires_grad:
        return rows.topk(count, dim=1).values
    split = rows.shape[1] - count  # NumPy's partition takes a third of the time of topk
    found = np.partition(rows.numpy(), split, axis=1)[:, split:]
    found.sort(axis=1)
    return torch.from_numpy(found[:, ::-1].copy())


def _each(bands: Sequence[Tensor | Sequence[Tensor]]) -> list[Tensor]:
    found: list[Tensor] = []
    for band in bands:
        found.extend([band] if isinstance(band, Tensor) else band)
    return found


def peak_kernels(wavelet: Wavelet, *, width: int = 3) -> Float[Tensor, "kernel row column"]:
    """Return four small image filters of a wavelet: LL, LH, HL and HH.

    Low-pass and high-pass filter are cut to the window of `width` taps that holds the most of
    their energy; the kernels are outer products of both, the last three without their mean.

    Parameters
    ----------
    wavelet
        Name, PyWavelets object or low-pass taps.
    width
        Taps of the window (count, odd).

    References
    ----------
    .. [1] ha2021, section 6. Unlike the released code, which leaves out the last window.
    """
    low = as_filter(wavelet).to("cpu", torch.float64)
    cut = [_window(taps, width) for taps in (low, high_pass(low))]
    kernels = torch.stack([torch.outer(a, b) for a in cut for b in cut])
    kernels[1:] -= kernels[1:].mean((1, 2), keepdim=True)
    return kernels


def _window(taps: Tensor, width: int) -> Tensor:
    if width < 1 or width % 2 == 0:
        raise ConfigError(f"the window has {width} taps; give an odd number, such as 3.")
    if len(taps) < width:
        short = width - len(taps)
        return torch.nn.functional.pad(taps, (short // 2, short - short // 2))
    energy = taps.unfold(0, width, 1).square().sum(1)
    start = int(energy.argmax())
    return taps[start : start + width]


def peaks(maps: Float[Tensor, "sample row column"]) -> Bool[Tensor, "sample row column"]:
    """Return where a pixel exceeds all of its eight neighbours; border pixels never do."""
    if maps.shape[-1] < 3 or maps.shape[-2] < 3:
        raise InputError(
            f"maps of {maps.shape[-2]} by {maps.shape[-1]} pixels have no inner pixel; give maps "
            "of at least 3 by 3."
        )
    inner = maps[..., 1:-1, 1:-1]
    found = torch.zeros_like(maps, dtype=torch.bool)
    above = torch.ones_like(inner, dtype=torch.bool)
    rows, columns = maps.shape[-2:]
    for i in range(3):
        for j in range(3):
            if (i, j) != (1, 1):
                above &= inner > maps[..., i : rows - 2 + i, j : columns - 2 + j]
    found[..., 1:-1, 1:-1] = above
    return found


def peak_responses(
    maps: Float[Tensor, "sample row column"], kernels: Float[Tensor, "kernel row2 column2"]
) -> tuple[Float[Tensor, "peak kernel"], Int[Tensor, " peak"]]:
    """Return the maps filtered by each kernel at their peaks, and the map each peak is in.

    Beyond the border are zeros. Only peaks are filtered: one product with the patches around them.
    """
    side = kernels.shape[-1] // 2
    weights = kernels.to(maps).flatten(1).T
    values, samples = [], []
    size = max(1, _PIXELS // maps[0].numel())
    for start in range(0, len(maps), size):
        part = maps[start : start + size]
        sample, row, column = peaks(part).nonzero().T
        wide = torch.nn.functional.pad(part, (side,) * 4)
        patches = [
            wide[sample, row + i, column + j]
            for i in range(2 * side + 1)
            for j in range(2 * side + 1)
        ]
        values.append(torch.stack(patches, -1) @ weights)
        samples.append(sample + start)
    return torch.cat(values), torch.cat(samples)


def peak_edges(
    maps: Float[Tensor, "sample row column"],
    kernels: Float[Tensor, "kernel row2 column2"],
    *,
    bins: int = 22,
) -> Float[Tensor, "kernel edge"]:
    """Return inner bin edges per kernel: evenly filled by the peaks of `maps` (map units).

    The original study tries five hand-made ranges; quantiles need none.

    Parameters
    ----------
    maps
        Training maps.
    kernels
        From `peak_kernels`, or others of odd width.
    bins
        Bins per kernel (count).
    """
    shares = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    responses, _ = peak_responses(maps, kernels)
    if len(responses) == 0:
        raise InputError("the maps have no peak; check that they are not constant.")
    places = (shares * (len(responses) - 1)).round().long()
    return responses.double().T.sort(-1).values[:, places]


def peak_histograms(
    maps: Float[Tensor, "sample row column"],
    kernels: Float[Tensor, "kernel row2 column2"],
    edges: Float[Tensor, "kernel edge"],
) -> Float[Tensor, "sample feature"]:
    """Return how many peaks of each map fall into each bin of each filtered map (count).

    Peaks are those of the raw map. Values beyond the edges count in the outer bins.

    Parameters
    ----------
    maps
        Images.
    kernels, edges
        From `peak_kernels` and `peak_edges`.
    """
    responses, sample = peak_responses(maps, kernels)
    bins = edges.shape[1] + 1
    parts = []
    for values, inner in zip(responses.T.contiguous(), edges, strict=True):
        place = torch.bucketize(values, inner.to(maps), right=True)
        counts = torch.bincount(sample * bins + place, minlength=len(maps) * bins)
        parts.append(counts.view(len(maps), bins))
    return torch.cat(parts, 1).to(maps.dtype)
