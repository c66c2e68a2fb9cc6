"""Signals, responses and teachers from files."""

import csv
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from niwaki.core import InputError, check_file, decode_text, read_bytes, sniff_delimiter

_NUMPY = b"\x93NUMPY"


def read_signals(path: Path, what: str = "signals") -> np.ndarray:
    """Return the numbers of a ``.npy`` array or of a text table, one sample per row.

    A first line of names and a first column of names are left out. Nothing is unpickled.

    Raises
    ------
    InputError
        If the file is missing, holds objects, text where numbers belong, or missing values.
    """
    data = read_bytes(path)
    values = _array(path, data) if data.startswith(_NUMPY) else _table(path, data)
    if values.size == 0:
        raise InputError(f"{path} holds no {what}; give one sample per row.")
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise InputError(
            f"{path} has a missing or infinite value in sample {row + 1}; remove that sample or "
            "fill the value."
        )
    return values


def _array(path: Path, data: bytes) -> np.ndarray:
    try:
        values = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(
            f"{path} is no plain array of numbers ({error}); save it with numpy.save and a "
            "numeric type."
        ) from error
    if values.dtype.kind not in "fiub":
        raise InputError(f"{path} holds values of type {values.dtype}; save numbers.")
    return np.asarray(values, dtype=np.float64 if values.dtype.kind != "f" else values.dtype)


def _table(path: Path, data: bytes) -> np.ndarray:
    text, _ = decode_text(path, data)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise InputError(f"{path} has no line with values; give one sample per line.")
    rows = list(csv.reader(lines, delimiter=sniff_delimiter(lines[:50]), skipinitialspace=True))
    if _number(rows[0][-1]) is None:
        rows = rows[1:]
    if rows and all(_number(row[0]) is None for row in rows) and len(rows[0]) > 1:
        rows = [row[1:] for row in rows]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        odd = next(i for i, row in enumerate(rows) if len(row) != len(rows[0]))
        raise InputError(
            f"{path} has {len(rows[odd])} values in sample {odd + 1} and {len(rows[0])} in the "
            "first; give signals of one length, cut or padded alike."
        )
    values = np.empty((len(rows), widths.pop() if widths else 0))
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            found = _number(cell)
            if found is None:
                raise InputError(
                    f"{path} has '{cell}' as value {j + 1} of sample {i + 1}; expected a number "
                    "with a decimal point; fill what is missing, or leave that sample out."
                )
            values[i, j] = found
    return values


def _number(cell: str) -> float | None:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        return None


def read_response(path: Path, samples: int) -> np.ndarray:
    """Return one number per sample.

    Raises
    ------
    InputError
        If there is not exactly one per sample.
    """
    values = read_signals(path, "responses")
    if values.size != samples:
        raise InputError(
            f"{path} has {values.size} responses for {samples} signals; give one number per "
            "signal, in the same order."
        )
    return values.reshape(-1).astype(np.float64)


def load_teacher(path: Path) -> Callable[[Tensor], Tensor]:
    """Return the program that ``torch.export.save`` wrote, as a function of a batch.

    A program exported for batches of one fixed size is fed in batches of that size.

    Raises
    ------
    InputError
        If the file is not such a program. Pickled models are not read: they can run any code.
    """
    check_file(path)
    if path.suffix != ".pt2":
        raise InputError(
            f"{path} is not an exported program (.pt2) nor an array of gradients (.npy); write the "
            "model with torch.export.save(torch.export.export(model.eval(), (example,)), FILE)."
        )
    try:
        with warnings.catch_warnings(), _quiet("torch.export"):
            warnings.simplefilter("ignore")  # notes on the archive's format
            program: Any = torch.export.load(str(path))
        module = program.module()
        fixed = _batch(program)
    except Exception as error:  # a damaged archive fails in many ways: decision 11
        raise InputError(
            f"{path} cannot be read as an exported program; write it again with torch.export.save "
            f"and this version of PyTorch ({torch.__version__})."
        ) from error
    return module if fixed is None else _in_batches(module, fixed)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a logger from printing the traceback of a damaged archive."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _batch(program: Any) -> int | None:
    names = set(program.graph_signature.user_inputs)
    shapes = [
        node.meta["val"].shape
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names
    ]
    if len(shapes) != 1:
        raise ValueError("expected one input")
    first = shapes[0][0]
    return first if isinstance(first, int) else None


def _in_batches(module: Callable[[Tensor], Tensor], size: int) -> Callable[[Tensor], Tensor]:
    def call(x: Tensor) -> Tensor:
        spare = -len(x) % size
        padded = torch.cat([x, x[-1:].expand(spare, *x.shape[1:])]) if spare else x
        return torch.cat([module(part) for part in padded.split(size)])[: len(x)]

    return call
