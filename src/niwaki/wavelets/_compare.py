"""How far two wavelets are apart, and what a wavelet looks like."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.wavelets._filters import Wavelet, as_filter
from niwaki.wavelets._lattice import high_pass


def cascade(
    wavelet: Wavelet, *, level: int = 5
) -> tuple[Float[Tensor, " point"], Float[Tensor, " point"], Float[Tensor, " point"]]:
    """Return positions, the scaling function and the wavelet function of a filter.

    Both are the cascade of the synthesis filter at `level`, scaled so that their square integrates
    to 1 over the positions.

    Parameters
    ----------
    wavelet
        Name, PyWavelets object or low-pass taps.
    level
        Refinements (count): 2 ** level points per unit.

    References
    ----------
    .. [1] daubechies1992
    """
    low = as_filter(wavelet).to("cpu", torch.float64).flip(-1)
    high = high_pass(low.flip(-1)).flip(-1)
    found = []
    for first in (low, high):
        values = first
        for _ in range(level - 1):
            values = _refine(values, low)
        found.append(values * 2 ** (level / 2))
    positions = torch.arange(len(found[0]), dtype=torch.float64) / 2**level
    return positions, found[0], found[1]


def _refine(values: Tensor, low: Tensor) -> Tensor:
    wide = torch.zeros(2 * len(values) - 1, dtype=values.dtype)
    wide[::2] = values
    return torch.nn.functional.conv1d(
        wide[None, None], low.flip(-1)[None, None], padding=len(low) - 1
    )[0, 0]


def frequency_response(
    wavelet: Wavelet, *, points: int = 129
) -> tuple[Float[Tensor, " frequency"], Float[Tensor, " frequency"], Float[Tensor, " frequency"]]:
    """Return frequencies (cycles per sample) and the gains of low-pass and high-pass filter.

    For an orthonormal filter the squares of both gains sum to 2 at every frequency.

    Examples
    --------
    >>> _, low, high = frequency_response("db2", points=3)
    >>> bool(torch.allclose(low**2 + high**2, torch.tensor(2.0).double()))
    True
    """
    low = as_filter(wavelet).to("cpu", torch.float64)
    frequencies = torch.linspace(0, 0.5, points, dtype=torch.float64)
    turns = 2 * math.pi * frequencies[:, None] * torch.arange(len(low))
    waves = torch.polar(torch.ones_like(turns), -turns)
    gains = [(waves @ taps.to(waves.dtype)).abs() for taps in (low, high_pass(low))]
    return frequencies, gains[0], gains[1]


def wavelet_distance(first: Wavelet, second: Wavelet, *, level: int = 5) -> float:
    """Return how far apart two wavelets are, up to shift, reversal and sign (dimensionless).

    The Euclidean distance of their wavelet functions at `level` of the cascade, unscaled as in the
    original study, whose numbers it can be compared with; both then have norm ``sqrt(2) **
    level``, 5.66 at level 5. Reversal and sign are no difference: the mirror image of a filter is
    as sparse on mirrored signals, and the sign of a coefficient is a convention.

    Parameters
    ----------
    first, second
        Names, PyWavelets objects or low-pass taps.
    level
        Refinements (count).

    References
    ----------
    .. [1] ha2021, section 4. There the shift is circular and the sign counts; here the shift is
       free, by the cross-correlation of both, and the sign does not.

    Examples
    --------
    >>> round(wavelet_distance("sym5", "db5"), 2)
    1.28
    """
    one, two = (cascade(wavelet, level=level)[2] for wavelet in (first, second))
    size = len(one) + len(two)
    spectrum = torch.fft.rfft(one, size)
    best = max(
        float(torch.fft.irfft(spectrum * torch.fft.rfft(other, size).conj(), size).abs().max())
        for other in (two, two.flip(-1))
    )
    square = float(one.square().sum() + two.square().sum()) - 2 * best
    return math.sqrt(max(square, 0.0))
