"""What a signal is beyond its ends: index tables shared by every way to compute a level."""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from niwaki.core import ConfigError

Mode = Literal["zero", "periodization", "symmetric", "reflect", "periodic"]
# The adjoint of the synthesis: zeros beyond the ends, or a circle closed by a zero if odd.
Extension = Literal[Mode, "periodization-zero"]
MODES: tuple[Mode, ...] = get_args(Mode)
_OUTSIDE = -1


def check_mode(mode: str) -> Mode:
    """Return `mode` as a boundary mode; raise ConfigError if it is none."""
    for known in MODES:
        if mode == known:
            return known
    raise ConfigError(f"boundary mode '{mode}' is unknown; choose one of {', '.join(MODES)}.")


def adjoint_extension(mode: Mode) -> Extension:
    """Return the extension under which analysis is the adjoint of the synthesis of `mode`."""
    return "periodization-zero" if mode == "periodization" else "zero"


def coefficient_count(length: int, taps: int, extension: Extension) -> int:
    """Return how many coefficients each band of one level has for a signal of `length`."""
    if extension.startswith("periodization"):
        return (length + 1) // 2
    return (length + taps - 1) // 2


def band_lengths(length: int, *, taps: int, level: int, extension: Extension) -> list[int]:
    """Return the length of the signal that each level analyses, then of the last approximation."""
    lengths = [length]
    for _ in range(level):
        lengths.append(coefficient_count(lengths[-1], taps, extension))
    return lengths


@lru_cache(maxsize=256)
def extension_index(length: int, taps: int, extension: Extension) -> np.ndarray:
    """Return which sample stands at each place of the extended signal; -1 stands for zero.

    Coefficient k of a band weighs places 2k to 2k + taps - 1 with the reversed filter.
    """
    count = coefficient_count(length, taps, extension)
    circular = extension.startswith("periodization")
    first = 1 - taps // 2 if circular else 2 - taps
    return extended_places(first, 2 * (count - 1) + taps, length=length, extension=extension)


def extended_places(first: int, count: int, *, length: int, extension: Extension) -> np.ndarray:
    """Return which sample of a signal stands at places `first` and on; -1 stands for zero."""
    places = np.arange(first, first + count)
    if extension.startswith("periodization"):
        index = places % (length + length % 2)
        gap = _OUTSIDE if extension == "periodization-zero" else length - 1
        return np.where(index < length, index, gap)
    if extension == "periodic":
        return places % length
    if extension == "symmetric":
        folded = places % (2 * length)
        return np.minimum(folded, 2 * length - 1 - folded)
    if extension == "reflect":
        folded = places % max(2 * length - 2, 1)
        return np.minimum(folded, (2 * length - 2) - folded)
    return np.where((places >= 0) & (places < length), places, _OUTSIDE)


@lru_cache(maxsize=64)
def level_design(
    length: int, taps: int, extension: Extension, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return which tap multiplies which sample: ``[2 * coefficient * sample, tap]``.

    Times a low-pass filter this is the matrix of one level, rows of the low band before those of
    the high band, whose filter is the reversed one with alternating sign. Where an end makes two
    taps meet one sample, both count.
    """
    count = coefficient_count(length, taps, extension)
    index = extension_index(length, taps, extension)
    low = np.zeros((count, length, taps))
    for tap in range(taps):
        sample = index[2 * np.arange(count) + taps - 1 - tap]
        inside = sample != _OUTSIDE
        low[np.flatnonzero(inside), sample[inside], tap] = 1
    high = low[..., ::-1] * (-1.0) ** np.arange(taps)
    both = np.concatenate([low, high]).reshape(-1, taps)
    return torch.as_tensor(both, dtype=dtype, device=device)


@lru_cache(maxsize=64)
def frame_design(taps: int, outputs: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the same for one frame: ``[(2 * outputs + taps - 2) * outputs, tap]``."""
    design = np.zeros((2 * outputs + taps - 2, outputs, taps))
    for k in range(outputs):
        for tap in range(taps):
            design[2 * k + taps - 1 - tap, k, tap] = 1
    return torch.as_tensor(design.reshape(-1, taps), dtype=dtype, device=device)
