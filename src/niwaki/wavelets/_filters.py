"""Low-pass filters by name, from a PyWavelets object, or from taps; where searches start."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import InputError
from niwaki.wavelets._lattice import complete_angles, filter_from_angles, project
from niwaki.wavelets._table import ANGLES

NAMES = tuple(ANGLES)
_NOT_TRIVIAL = 1e-6  # distance from which a projection is worth a word


@runtime_checkable
class NamedWavelet(Protocol):
    """What a ``pywt.Wavelet`` offers and is used here."""

    dec_lo: list[float]


Wavelet = str | Tensor | np.ndarray | list[float] | tuple[float, ...] | NamedWavelet


def named_filter(name: str, dtype: torch.dtype = torch.float64) -> Float[Tensor, " tap"]:
    """Return the low-pass analysis filter of a named wavelet, in the order of PyWavelets' dec_lo.

    Parameters
    ----------
    name
        ``haar``, ``db1`` to ``db10``, ``sym2`` to ``sym10`` or ``coif1`` to ``coif5``.
    dtype
        Of the taps.

    Raises
    ------
    InputError
        If the name is another.

    References
    ----------
    .. [1] daubechies1992

    Examples
    --------
    >>> named_filter("haar")
    tensor([0.7071, 0.7071], dtype=torch.float64)
    """
    key = {"db1": "haar", "sym1": "haar"}.get(name.lower(), name.lower())
    if key not in ANGLES:
        raise InputError(
            f"wavelet '{name}' is unknown; choose haar, db1 to db10, sym2 to sym10 or coif1 to "
            "coif5, or give the taps of its low-pass filter."
        )
    return filter_from_angles(torch.tensor(ANGLES[key], dtype=torch.float64)).to(dtype)


def as_filter(wavelet: Wavelet) -> Tensor:
    """Return the low-pass taps of a name, a PyWavelets object, a list or an array, unchanged.

    Raises
    ------
    InputError
        If there is no such name, or the taps are no numbers.
    """
    if isinstance(wavelet, str):
        return named_filter(wavelet)
    taps = getattr(wavelet, "dec_lo", wavelet)
    if isinstance(taps, Tensor):
        return taps
    try:
        return torch.as_tensor(np.asarray(taps, dtype=float))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected a wavelet's name, a PyWavelets object or its low-pass taps, got "
            f"{type(wavelet).__name__}; give for instance 'db5'."
        ) from error


def start_angles(wavelet: Wavelet, taps: int | None = None) -> tuple[Tensor, list[str]]:
    """Return free angles for a search that starts at a wavelet, and what had to be changed.

    Parameters
    ----------
    wavelet
        Name, PyWavelets object or taps; projected onto the lattice if not orthonormal.
    taps
        Wanted length; a shorter filter is extended by zeros on both sides.

    Returns
    -------
    Free angles (radians, float64), and sentences for the user.

    Raises
    ------
    InputError
        If the filter is longer than wanted, of odd length, or no low-pass filter.
    """
    low = as_filter(wavelet).to("cpu", torch.float64)
    if low.ndim != 1:
        raise InputError(
            f"the start filter has shape {tuple(low.shape)}; give one row of low-pass taps."
        )
    free, distance = project(low)
    notes = []
    if distance > _NOT_TRIVIAL:
        notes.append(
            f"The start filter is not orthonormal; the nearest orthonormal one, at distance "
            f"{distance:.2g}, is used."
        )
    if taps is None or taps == len(low):
        return free, notes
    if taps < len(low) or taps % 2:
        raise InputError(
            f"{taps} taps were asked for, but the start has {len(low)}; give an even number that "
            "is not smaller."
        )
    made = filter_from_angles(complete_angles(free))
    lead = 2 * ((taps - len(low)) // 4)  # an even shift keeps it a filter of the lattice
    wide = torch.nn.functional.pad(made, (lead, taps - len(low) - lead))
    return project(wide)[0], notes


def named_starts(taps: int) -> list[str]:
    """Return the named wavelets of exactly `taps` taps."""
    return [name for name, angles in ANGLES.items() if 2 * len(angles) == taps]
