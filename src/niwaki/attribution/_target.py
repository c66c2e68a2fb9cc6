"""Which output of a model is attributed: an index, one per sample, a cotangent, or all."""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from niwaki.core import InputError

Target: TypeAlias = int | tuple[int, ...] | Sequence[int] | Tensor | str | None
ALL = "all"


def cotangent(output: Tensor, target: Target) -> Tensor:
    """Return the weights that turn a model's output into one score per sample.

    Parameters
    ----------
    output
        What the model gave, samples along axis 0.
    target
        See `xgrad`; not ``"all"``.

    Raises
    ------
    InputError
        If the target does not fit the output.
    """
    rows, outputs = output.shape[0], output.shape[1:]
    if target is None:
        if outputs.numel() != 1:
            raise InputError(
                f"the model gives {tuple(outputs)} outputs per sample, so a target is needed: an "
                "index, one index per sample, a cotangent, or 'all'."
            )
        return torch.ones_like(output)
    if isinstance(target, Tensor) and target.is_floating_point():
        if target.shape != output.shape:
            raise InputError(
                f"the cotangent has shape {tuple(target.shape)}, the model's output "
                f"{tuple(output.shape)}; they must agree."
            )
        return target.to(output)
    if isinstance(target, str):
        raise InputError(f"target '{target}' is unknown; the only word is '{ALL}'.")
    places = _places(target, rows, len(outputs))
    _check_range(places, outputs, target)
    weights = torch.zeros_like(output)
    weights[(torch.arange(rows, device=output.device), *places.to(output.device).T)] = 1.0
    return weights


def _places(target: int | tuple[int, ...] | Sequence[int] | Tensor, rows: int, axes: int) -> Tensor:
    """Return one index per sample and axis, ``[sample, axis]``.

    A tuple is one index per axis, as in Captum; a list or a tensor is one index per sample.
    """
    if isinstance(target, bool):
        raise InputError("the target is a truth value; expected the index of an output.")
    if isinstance(target, int):
        places = torch.full((rows, 1), target)
    elif isinstance(target, tuple):
        places = _whole(target).reshape(1, -1).expand(rows, -1)
    else:
        places = _whole(target)
        places = places.reshape(1, 1).expand(rows, 1) if places.ndim == 0 else places
        places = places[:, None] if places.ndim == 1 else places
    if places.shape != (rows, axes):
        raise InputError(
            f"the target has {places.shape[0]} rows of {places.shape[1]} indices for {rows} "
            f"samples with {axes} output axes; give one index, or one per sample."
        )
    return places


def _whole(target: object) -> Tensor:
    try:
        found = torch.as_tensor(target).detach()
    except (TypeError, ValueError, RuntimeError):
        found = torch.zeros(0)
    if found.is_floating_point() or found.dtype == torch.bool:
        raise InputError(
            f"target {target!r} is no index; expected an index, one per sample, a cotangent of "
            f"the shape of the output, or '{ALL}'."
        )
    return found.long()


def _check_range(places: Tensor, outputs: torch.Size, target: object) -> None:
    for axis, size in enumerate(outputs):
        bad = (places[:, axis] < -size) | (places[:, axis] >= size)
        if bool(bad.any()):
            found = int(places[:, axis][bad][0])
            raise InputError(
                f"target {found} is out of range: the model gives {size} outputs per sample"
                f"{f' along axis {axis + 1}' if len(outputs) > 1 else ''}, numbered from 0."
            )


def scores(output: Tensor, weights: Tensor | None) -> Tensor:
    """Return one score per sample, or without weights every output, ``[sample, target]``."""
    if weights is not None:
        return score_of(output, weights)
    return output.flatten(1) if output.ndim > 1 else output[:, None]


def score_of(output: Tensor, weights: Tensor) -> Tensor:
    """Return one score per sample (units of the output)."""
    return (output * weights).flatten(1).sum(1) if output.ndim > 1 else output * weights
