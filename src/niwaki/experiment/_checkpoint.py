"""Checkpoints: named tensors and plain numbers in one safetensors file, never pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from niwaki.core import RunFolderError, write_atomic

_PACKED = "packed."


def save_tensors(path: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Write tensors and numbers as one file, whole or not at all.

    Raises
    ------
    StorageError
        If the disk is full; an earlier file of that name stays intact.
    """
    # a copy of its own for each tensor: weights that a module shares cannot be written else
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, save(plain, metadata={"numbers": json.dumps(numbers)}))


def load_tensors(path: Path, *, remedy: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `save_tensors` wrote.

    Parameters
    ----------
    path
        The file.
    remedy
        What a person can do if the file cannot be read.

    Raises
    ------
    RunFolderError
        If the file is missing, cut off or damaged.
    """
    try:
        with safe_open(path, framework="pt") as handle:
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}
            numbers: dict[str, Any] = json.loads((handle.metadata() or {})["numbers"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise RunFolderError(
            f"{path} is missing, cut off or damaged and cannot be read; {remedy}."
        ) from error
    return tensors, numbers


def pack(tensors: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `tensors` with masked ones as surviving values and a bit mask, so disk use shrinks."""
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in masks:
            mask = masks[name].cpu()
            packed[f"{_PACKED}{name}.values"] = tensor.cpu()[mask]
            packed[f"{_PACKED}{name}.bits"] = _to_bits(mask)
        else:
            packed[name] = tensor
    return packed


def unpack(
    packed: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the tensors and masks that `pack` was given; `shapes` names their shapes."""
    tensors: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if name in packed:
            tensors[name] = packed[name]
            continue
        masks[name] = _from_bits(packed[f"{_PACKED}{name}.bits"], shape)
        values = packed[f"{_PACKED}{name}.values"]
        tensors[name] = torch.zeros(shape, dtype=values.dtype).masked_scatter_(masks[name], values)
    return tensors, masks


_WEIGHTS = 2 ** torch.arange(8, dtype=torch.uint8)


def _to_bits(mask: Tensor) -> Tensor:
    flat = torch.nn.functional.pad(mask.flatten().to(torch.uint8), (0, -mask.numel() % 8))
    return (flat.view(-1, 8) * _WEIGHTS).sum(1, dtype=torch.uint8)


def _from_bits(bits: Tensor, shape: torch.Size) -> Tensor:
    flat = (bits[:, None] & _WEIGHTS) > 0
    return flat.flatten()[: shape.numel()].view(shape)
