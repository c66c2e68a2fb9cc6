"""What a distiller is given: signals, groups and ratios, checked."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from niwaki.core import InputError


def as_signals(values: Any, what: str = "signals") -> Tensor:
    """Return an array as finite floating-point numbers; raise InputError if it holds none."""
    try:
        x = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"the {what} are not an array of numbers ({error}).") from error
    x = x.detach() if x.is_floating_point() else x.double()
    if x.numel() == 0:
        raise InputError(f"the {what} are empty; give at least one sample.")
    if not bool(torch.isfinite(x).all()):
        raise InputError(f"the {what} hold missing or infinite values; remove or fill them first.")
    return x


def parts_of(band: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return a band as a tuple: of one, or of the three details of images."""
    return (band,) if isinstance(band, Tensor) else band


def members(groups: Sequence[Hashable] | None, count: int) -> dict[Hashable, np.ndarray]:
    """Return the samples of each group; the one key is None without groups."""
    if groups is None:
        return {None: np.arange(count)}
    labels = list(groups)
    if len(labels) != count:
        raise InputError(
            f"there are {len(labels)} group labels for {count} signals; give one per signal."
        )
    found: dict[Hashable, list[int]] = {}
    for i, label in enumerate(labels):
        found.setdefault(label, []).append(i)
    return {label: np.array(index) for label, index in found.items()}


def apart(ratio: float, wanted: float) -> float:
    """Return a distance of ratios that is even on a log scale and knows 0 and infinity."""
    angles = [math.pi / 2 if math.isinf(r) else math.atan(math.sqrt(r)) for r in (ratio, wanted)]
    return abs(angles[0] - angles[1])
