"""Models as exported programs: read without running anything that a file brings along."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from niwaki.core import InputError, read_bytes

# What a graph may call, and the words its sizes may consist of. torch looks both up by name, or
# evaluates them, so that a file could otherwise name anything that Python can reach.
_TARGET = re.compile(
    r"torch\.ops\.aten\.\w+\.\w+|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg"
    r"|eq|ne|lt|le|gt|ge|and_|or_|not_)"
)
_SIZES = re.compile(r"[\w\s'=+\-*/(),<>&|~]*")
_SIZE_WORDS = re.compile(
    r"[suz]\d+|Symbol|Integer|Mul|Add|Pow|Max|Min|Mod|FloorDiv|CeilDiv|PythonMod|Eq|Ne|Lt|Le|Gt|Ge"
    r"|positive|integer|nonnegative|True|False|And|Or|Not"
)
_NAME = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Program:
    """An exported model and what it takes.

    Attributes
    ----------
    model
        Takes any number of samples, whatever number it was exported for.
    inner, rows
        The model as it was exported, and the number of samples that it takes; None for any.
    shape
        Shape of one sample.
    dtype
        Type of its numbers.
    """

    model: nn.Module
    inner: nn.Module
    rows: int | None
    shape: tuple[int, ...]
    dtype: torch.dtype


class _Rebatched(nn.Module):
    """A model that was exported for a fixed number of samples, for any number."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model = model
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Run batches of the one size, the last one filled up, and drop what was filled."""
        missing = -len(x) % self.size
        filled = torch.cat([x, x[-1:].expand(missing, *x.shape[1:])])
        return torch.cat([self.model(part) for part in filled.split(self.size)])[: len(x)]


def load_program(path: Path) -> Program:
    """Return the model in a file that ``torch.export.save`` wrote.

    Nothing in it is unpickled: files that hold pickled weights, objects or compiled code, or whose
    graph calls anything but tensor operations, are refused.

    Raises
    ------
    InputError
        If the file is no such program, or holds what would have to be run to be read.
    """
    data = read_bytes(path)
    try:
        _check_archive(path, data)
        program = torch.export.load(io.BytesIO(data))
        return _ready(path, program)
    except InputError:
        raise
    except Exception as error:  # whatever torch makes of a damaged file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"{path} could not be read as an exported program ({reason}); write it with "
            "torch.export.save of this torch version."
        ) from error


def _ready(path: Path, program: torch.export.ExportedProgram) -> Program:
    names = program.graph_signature.user_inputs
    nodes = [n.meta["val"] for n in program.graph.nodes if n.name in names]
    if len(nodes) != 1 or not isinstance(nodes[0], Tensor) or nodes[0].ndim < 2:
        raise InputError(
            f"{path} takes {len(nodes)} inputs; a table can be attributed to a model of one input "
            "with samples along its first axis, so use niwaki.attribution from Python."
        )
    rows, *shape = nodes[0].shape
    model: nn.Module = program.module()
    fixed = rows if isinstance(rows, int) else None
    whole = model if fixed is None else _Rebatched(model, fixed)
    return Program(whole, model, fixed, tuple(int(size) for size in shape), nodes[0].dtype)


def _check_archive(path: Path, data: bytes) -> None:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise InputError(
            f"{path} is neither a run folder nor an exported program; write one with "
            "torch.export.save(torch.export.export(model, (example,)), 'model.pt2')."
        )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        graphs = [n for n in names if re.search(r"(^|/)models/[^/]+\.json$", n)]
        if len(graphs) != 1:
            raise InputError(
                f"{path} holds {len(graphs)} exported programs; expected one, as "
                "torch.export.save writes it (a file of torch.save or TorchScript is not read, "
                "since reading it would run code)."
            )
        for name in names:
            if re.search(r"/data/(weights|constants)/[^/]+\.pt$|/data/aotinductor/", name):
                _refuse(path, f"'{name}', pickled or compiled content")
            if re.search(r"/data/(weights|constants)/[^/]+_config\.json$", name):
                _check_payload(path, json.loads(archive.read(name)))
            if "/data/sample_inputs/" in name:
                _check_samples(path, archive.read(name))
        _check_graph(path, json.loads(archive.read(graphs[0])))


def _refuse(path: Path, what: str) -> None:
    raise InputError(
        f"{path} holds {what}, which would have to be run to be read; export the plain model "
        "again, with tensors as its only weights and constants."
    )


def _check_payload(path: Path, content: Any) -> None:
    for name, entry in content["config"].items():
        if entry["use_pickle"] or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"]):
            _refuse(path, f"'{name}' as a pickled object")


def _check_samples(path: Path, content: bytes) -> None:
    """Refuse example inputs that torch could read by unpickling only, as it would."""
    try:
        if content:
            torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # noqa: BLE001  whatever the file makes torch raise
        _refuse(path, "example inputs that are more than tensors")


def _check_graph(path: Path, content: Any) -> None:
    if content.get("guards_code"):
        _refuse(path, "guards as Python code")
    for key, value in _texts(content):
        if key == "target" and not _TARGET.fullmatch(value):
            _refuse(path, f"a call of '{value}'")
        if key == "expr_str":
            words = re.findall(r"[A-Za-z_]\w*", value)
            if not _SIZES.fullmatch(value) or not all(_SIZE_WORDS.fullmatch(w) for w in words):
                _refuse(path, f"a size of '{value}'")
        if key == "name" and value and not _NAME.fullmatch(value):
            _refuse(path, f"the name '{value}'")


def _texts(content: Any) -> Iterator[tuple[str, str]]:
    """Yield every text in nested JSON with its key."""
    items = content.items() if isinstance(content, dict) else ()
    for key, value in items:
        if isinstance(value, str):
            yield key, value
        elif key != "metadata":
            yield from _texts(value)
    if isinstance(content, list):
        for value in content:
            yield from _texts(value)
