"""Settings, files and folder of a distillation."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from niwaki.core import ConfigError, InputError, RunFolderError, storage_error
from niwaki.experiment._signals import load_teacher, read_response, read_signals
from niwaki.wavelets import (
    FeatureOptions,
    as_filter,
    check_readout,
    input_gradients,
    teacher_outputs,
)

FILES = ("record.json", "wavelet.tsv", "path.tsv", "history.tsv", "report.html", "figures")


@dataclass(frozen=True)
class DistillConfig:
    """Settings of a distillation.

    Attributes
    ----------
    taps, level, mode, attribution, per_level, per_axis
        As for `niwaki.wavelets.WaveletDistiller`.
    targets
        Outputs of the teacher to attribute (index); the first is what it says.
    compare
        Named wavelet that the result is compared with, and one start of the search.
    readout
        ``linear``, ``ridge`` or ``lasso``.
    features, count, positions, signed, shifts
        Features of the linear model: see `niwaki.wavelets.FeatureOptions`.
    held_out
        Share of samples that only the final scores see (dimensionless).
    points
        Points of the path from data alone to attributions alone (count).
    beam
        Filters grown at a time (count).
    seed
        Of every random choice.
    """

    taps: int = 10
    level: int | None = None
    mode: str = "zero"
    attribution: str = "saliency"
    per_level: bool = False
    per_axis: bool = False
    targets: tuple[int, ...] = (0,)
    compare: str = "db5"
    readout: str = "linear"
    features: str = "top"
    count: int = 6
    positions: bool = False
    signed: bool = True
    shifts: bool = False
    held_out: float = 0.25
    points: int = 20
    beam: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a share that leaves nothing to learn from or to judge on."""
        if not 0 < self.held_out < 1:
            raise ConfigError(f"held_out is {self.held_out}; give a share between 0 and 1.")
        if self.points < 2:
            raise ConfigError(f"points is {self.points}; a path has at least 2.")
        as_filter(self.compare)
        check_readout(self.readout)
        self.feature_options()

    def feature_options(self) -> FeatureOptions:
        """Return the features of the linear model."""
        return FeatureOptions(
            self.features, self.count, self.signed, self.positions, shifts=self.shifts
        )

    def ratios(self) -> tuple[float, ...]:
        """Return the points of the path (gamma / lambda)."""
        middle = np.geomspace(0.01, 100, self.points - 2) if self.points > 2 else ()
        return (0.0, *(float(ratio) for ratio in middle), math.inf)


@dataclass(frozen=True, eq=False)
class DistillMaterial:
    """What was read: signals, their gradients, a response and the teacher's answer."""

    x: Tensor
    gradients: Tensor
    response: np.ndarray | None
    outputs: np.ndarray | None
    teacher: Callable[[Tensor], Tensor] | None
    seconds: float
    names: tuple[str, str, str]

    @property
    def wanted(self) -> np.ndarray | None:
        """What the linear model predicts: the response, or what the teacher says."""
        return self.response if self.response is not None else self.outputs


def check_distill_folder(path: Path, *, force: bool) -> None:
    """Refuse a folder that holds something else, or an earlier result without `force`.

    Raises
    ------
    RunFolderError
        If it does.
    """
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"{path} is a file; choose another folder with --out.")
    if not path.exists() or not any(path.iterdir()):
        return
    if not (path / "wavelet.tsv").exists():
        raise RunFolderError(
            f"{path} is not empty and not a distillation, so it is left alone; choose another "
            "folder with --out."
        )
    if not force:
        raise RunFolderError(
            f"{path} holds a distillation; replace it with --force, or choose another folder with "
            "--out."
        )


def clear_distill(path: Path) -> None:
    """Remove what an earlier distillation left in a folder, and nothing else."""
    for name in FILES:
        entry = path / name
        try:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(entry, error) from error


def read_distill(
    model: Path, data: Path, response: Path | None, config: DistillConfig
) -> DistillMaterial:
    """Return signals, response and gradients; raises `InputError` where they do not fit."""
    values = read_signals(data)
    if values.ndim == 4 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (2, 3):
        raise InputError(
            f"{data} has shape {values.shape}; give [sample, time] for signals or [sample, row, "
            "column] for images."
        )
    if config.features == "peaks" and values.ndim == 2:
        raise InputError(f"peak histograms need images, and {data} has signals; use top or all.")
    if config.shifts and values.ndim == 3:
        raise InputError(f"every shift needs signals, and {data} has images; use features peaks.")
    teacher, given = None, None
    if model.suffix == ".npy":
        given = read_signals(model, "gradients")
    else:
        teacher = load_teacher(model)
    y = None if response is None else read_response(response, len(values))
    began, outputs = time.process_time(), None
    if teacher is not None:
        x = torch.as_tensor(values, dtype=torch.float32)
        gradients, outputs = _ask(teacher, x, config, model)
    else:
        x = torch.as_tensor(values, dtype=torch.float64)
        gradients = torch.as_tensor(given, dtype=torch.float64)
        gradients = gradients if gradients.ndim > x.ndim else gradients.unsqueeze(0)
        if gradients.shape[1:] != x.shape:
            raise InputError(
                f"{model} has gradients of shape {tuple(gradients.shape[1:])}, {data} signals of "
                f"shape {tuple(x.shape)}; give one gradient per value, in the same order."
            )
    seconds = time.process_time() - began
    what = "the teacher's output" if response is None else response.name
    names = (model.name, data.name, what if y is not None or outputs is not None else "none")
    return DistillMaterial(x, gradients, y, outputs, teacher, seconds, names)


def _ask(
    teacher: Callable[[Tensor], Tensor], x: Tensor, config: DistillConfig, path: Path
) -> tuple[Tensor, np.ndarray]:
    nodes = 64 if config.attribution == "integrated_gradients" else 0
    try:
        outputs = teacher_outputs(teacher, x, targets=config.targets)
        gradients = input_gradients(teacher, x, targets=config.targets, nodes=nodes)
    except (AssertionError, RuntimeError, IndexError, TypeError) as error:
        raise InputError(
            f"the model in {path} does not take signals of shape {tuple(x.shape[1:])} "
            f"({str(error).splitlines()[0][:120]}); give one signal per row, of the length that "
            "the model was exported for."
        ) from error
    return gradients, outputs[:, 0].double().numpy()
