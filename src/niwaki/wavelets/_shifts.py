"""A wavelet's coefficients at every shift: features that stay the same when a signal moves."""

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import InputError
from niwaki.wavelets._filters import Wavelet
from niwaki.wavelets._lattice import high_pass
from niwaki.wavelets._modes import Mode, check_mode, extended_places
from niwaki.wavelets._transform import DENSE, Bands, filters_of


def undecimated(
    x: Float[Tensor, "*batch sample"], wavelet: Wavelet, *, level: int, mode: str = "zero"
) -> Bands:
    """Return the bands A_J, D_J, ..., D_1 with a coefficient for every shift of the wavelet.

    `dwt` keeps every ``2**j``-th coefficient of level j: those from ``2**j - 1`` on, in mode
    ``zero``. Which ones depends on where the signal begins, so the largest of a band changes when
    an event comes one sample later. Here all are kept. Signals are extended once, before the first
    level.

    Parameters
    ----------
    x
        Signals along the last axis.
    wavelet, level, mode
        As for `dwt`. In mode ``periodization`` each band has as many coefficients as the circle
        has samples; otherwise as many as there are shifts at which wavelet and signal meet.

    Raises
    ------
    InputError
        If the signals are empty or no floating-point numbers, or the filter is odd.
    ConfigError
        If the mode is unknown or the level negative.

    References
    ----------
    .. [1] coifman1995

    Examples
    --------
    >>> bands = undecimated(torch.tensor([1.0, 1.0, 2.0, 2.0]), "haar", level=1)
    >>> [round(c, 2) for c in bands[0].tolist()]
    [0.71, 1.41, 2.12, 2.83, 1.41]
    """
    low, known = filters_of(wavelet, level, x), check_mode(mode)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise InputError("the signals are empty; give at least one sample per signal.")
    length = x.shape[-1]
    flat = x.reshape(-1, length)
    if length > DENSE or len(flat) <= length:
        bands = _every_shift(flat, low, known)
    else:  # one product with the coefficients of every unit signal
        units = _every_shift(torch.eye(length, dtype=x.dtype, device=x.device), low, known)
        bands = list((flat @ torch.cat(units, -1)).split([u.shape[-1] for u in units], -1))
    return [band.reshape(*x.shape[:-1], -1) for band in bands]


def _every_shift(x: Tensor, low: Tensor, mode: Mode) -> Bands:
    """Return the bands by convolutions whose taps move apart from level to level."""
    taps, length = low.shape[-1], x.shape[-1]
    reach = (taps - 1) * (2 ** len(low) - 1)  # of the longest composed filter, less one
    kept = length
    if mode != "zero":
        places = extended_places(-reach, length + 2 * reach, length=length, extension=mode)
        x = x.index_select(-1, torch.as_tensor(places, device=x.device))
        kept += length % 2 if mode == "periodization" else 0
    skip = 0 if mode == "zero" else reach
    top, details, wide = x.unsqueeze(1), [], 0
    for j, filters in enumerate(low):
        pair = torch.stack([filters, high_pass(filters)]).flip(-1).unsqueeze(1)
        gap = 2**j
        both = torch.nn.functional.conv1d(top, pair, dilation=gap, padding=(taps - 1) * gap)
        wide += (taps - 1) * gap
        size = kept if mode == "periodization" else kept + wide
        top = both[:, :1]
        details.append(both[:, 1, skip : skip + size])
    size = kept if mode == "periodization" else kept + wide
    return [top[:, 0, skip : skip + size], *reversed(details)]
