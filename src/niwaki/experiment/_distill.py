"""``niwaki distill``: from files to a wavelet, a linear model and a record."""

import math
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from niwaki import __version__
from niwaki.core import (
    ConfigError,
    DistillPoint,
    DistillRecord,
    DistillRow,
    InputError,
    RunFolderError,
    derived_seed,
    storage_error,
    write_atomic,
)
from niwaki.experiment._distill_curves import band_summaries, wavelet_curves
from niwaki.experiment._folder import make_folder
from niwaki.experiment._signals import load_teacher, read_response, read_signals
from niwaki.wavelets import (
    DistilledModel,
    FeatureOptions,
    Layout,
    Point,
    SearchOptions,
    WaveletDistiller,
    as_filter,
    best_model,
    check_readout,
    cpu_seconds,
    fit_model,
    input_gradients,
    kept_share,
    r2_score,
    start_angles,
    teacher_outputs,
    wavelet_distance,
)

FILES = ("record.json", "wavelet.tsv", "path.tsv", "report.html", "figures")
Progress = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class DistillConfig:
    """Settings of a distillation.

    Attributes
    ----------
    taps, level, mode, attribution, per_level, per_axis
        As for `niwaki.wavelets.WaveletDistiller`.
    target
        Output of the teacher (index).
    compare
        Named wavelet that the result is compared with, and one start of the search.
    readout
        ``linear``, ``ridge`` or ``lasso``.
    features, count, positions, signed
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
    target: int = 0
    compare: str = "db5"
    readout: str = "linear"
    features: str = "top"
    count: int = 6
    positions: bool = False
    signed: bool = True
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
        return FeatureOptions(self.features, self.count, self.signed, self.positions)

    def ratios(self) -> tuple[float, ...]:
        """Return the points of the path (gamma / lambda)."""
        middle = np.geomspace(0.01, 100, self.points - 2) if self.points > 2 else ()
        return (0.0, *(float(ratio) for ratio in middle), math.inf)


@dataclass(frozen=True, eq=False)
class _Material:
    """What was read: signals, their gradients, a response and the teacher's answer."""

    x: Tensor
    gradients: Tensor
    response: np.ndarray | None
    outputs: np.ndarray | None
    teacher: Callable[[Tensor], Tensor] | None
    seconds: float
    names: tuple[str, str, str]


def distill(
    model: Path,
    data: Path,
    *,
    response: Path | None = None,
    config: DistillConfig | None = None,
    out: Path,
    force: bool = False,
    progress: Progress | None = None,
) -> DistillRecord:
    """Distil a teacher into a wavelet and a linear model, and write the folder.

    Parameters
    ----------
    model
        A program written by ``torch.export.save`` (.pt2), or the teacher's input gradients (.npy)
        where the teacher is no PyTorch program.
    data
        Signals, one per row, or an array of images.
    response
        What to predict, one number per signal; by default what the teacher says.
    config
        Settings.
    out
        Folder to write to.
    force
        Replace an earlier distillation there.
    progress
        Called with the stage, steps done, steps in all, and the best objective.

    Raises
    ------
    InputError
        If a file or a setting cannot be used; nothing is written then.
    StorageError
        If the folder cannot be written.
    """
    config = config or DistillConfig()
    check_distill_folder(out, force=force)
    material = _read(model, data, response, config)
    record, point, layout = _run(material, config, progress)
    make_folder(out)
    _clear(out)
    write_atomic(out / "wavelet.tsv", _wavelet_table(point, layout))
    write_atomic(out / "path.tsv", _path_table(record))
    write_atomic(out / "record.json", record.to_json())
    return record


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


def _clear(path: Path) -> None:
    for name in FILES:
        entry = path / name
        try:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(entry, error) from error


def _read(model: Path, data: Path, response: Path | None, config: DistillConfig) -> _Material:
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
    return _Material(x, gradients, y, outputs, teacher, seconds, names)


def _ask(
    teacher: Callable[[Tensor], Tensor], x: Tensor, config: DistillConfig, path: Path
) -> tuple[Tensor, np.ndarray]:
    nodes = 64 if config.attribution == "integrated_gradients" else 0
    try:
        outputs = teacher_outputs(teacher, x, targets=(config.target,))
        gradients = input_gradients(teacher, x, targets=(config.target,), nodes=nodes)
    except (AssertionError, RuntimeError, IndexError, TypeError) as error:
        raise InputError(
            f"the model in {path} does not take signals of shape {tuple(x.shape[1:])} "
            f"({str(error).splitlines()[0][:120]}); export it for one batch of such signals."
        ) from error
    return gradients, outputs[:, 0].double().numpy()


def _run(
    material: _Material, config: DistillConfig, progress: Progress | None
) -> tuple[DistillRecord, Point, Layout]:
    train, test = _split(len(material.x), config)
    began = time.process_time()
    distiller = WaveletDistiller(
        taps=config.taps,
        level=config.level,
        mode=config.mode,
        attribution=config.attribution,
        per_level=config.per_level,
        per_axis=config.per_axis,
        ratios=config.ratios(),
        starts=_starts(config),
        options=SearchOptions(beam=config.beam),
        seed=config.seed,
    ).fit(material.x[train], gradients=material.gradients[:, train], progress=progress)
    searched = time.process_time() - began
    layout, path = distiller.layout_, distiller.paths_[None]
    response = material.response if material.response is not None else material.outputs
    models: list[DistilledModel] = []
    chosen = distiller.points_[None]
    if response is not None:
        best, models = best_model(
            material.x[train],
            response[train],
            path,
            layout=layout,
            mode=config.mode,
            options=config.feature_options(),
            readout=config.readout,
        )
        chosen = best.point
    points = [
        _point(p, models[i] if models else None, material, layout, config, p is chosen)
        for i, p in enumerate(path.points)
    ]
    rows = _rows(material, config, layout, chosen, models, (train, test))
    back = distiller.select(chosen.ratio).inverse_transform(distiller.transform(material.x[:256]))
    low = layout.lows(chosen.angles)
    example = _example(material, chosen, layout)
    record = DistillRecord(
        title=f"{material.names[0]} on {material.names[1]}",
        teacher=material.names[0],
        data=material.names[1],
        samples=len(material.x),
        held_out=len(test),
        shape=list(material.x.shape[1:]),
        response=material.names[2],
        settings={k: str(v) for k, v in vars(config).items()} | {"level": str(layout.level)},
        path=points,
        rows=rows,
        curves=[
            wavelet_curves("distilled", low.reshape(-1, layout.taps)[0]),
            wavelet_curves(
                config.compare, as_filter(config.compare), low.reshape(-1, layout.taps)[0]
            ),
        ],
        bands=band_summaries(
            material.x,
            material.gradients,
            point=chosen,
            layout=layout,
            mode=config.mode,
            example=example,
        ),
        example=material.x[example].tolist() if layout.axes == 1 else [],
        reconstruction_error=float(np.abs(back - material.x[:256].numpy()).max()),
        searches=len(path.history),
        teacher_seconds=material.seconds,
        search_seconds=searched,
        warnings=distiller.notes_,
        provenance={
            "niwaki": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "seed": str(config.seed),
        },
    )
    return record, chosen, layout


def _starts(config: DistillConfig) -> tuple[str, ...]:
    fits = len(as_filter(config.compare)) <= config.taps
    return (config.compare,) if fits else ()


def _split(count: int, config: DistillConfig) -> tuple[np.ndarray, np.ndarray]:
    held = max(1, round(config.held_out * count))
    if count - held < 2:
        raise InputError(f"{count} signals are too few; give at least 4, better hundreds.")
    order = np.random.default_rng(derived_seed(config.seed, "held out")).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


def _point(
    point: Point,
    model: DistilledModel | None,
    material: _Material,
    layout: Layout,
    config: DistillConfig,
    selected: bool,
) -> DistillPoint:
    low = layout.lows(point.angles).reshape(-1, layout.taps)[0]
    kept = kept_share(material.x, material.gradients, point, layout=layout, mode=config.mode)
    return DistillPoint(
        ratio=None if math.isinf(point.ratio) else point.ratio,
        signals=point.signals,
        attributions=point.attributions,
        start=point.start,
        kept=kept,
        r2=None if model is None else model.readout.r2,
        r2_sd=None if model is None else model.readout.r2_sd,
        distance=wavelet_distance(low, config.compare),
        selected=selected,
    )


def _rows(
    material: _Material,
    config: DistillConfig,
    layout: Layout,
    chosen: Point,
    models: list[DistilledModel],
    parts: tuple[np.ndarray, np.ndarray],
) -> list[DistillRow]:
    """Return the distilled model, its controls and the teacher on the held-out samples."""
    response = material.response if material.response is not None else material.outputs
    if response is None:
        return []
    train, test = parts
    x, y = material.x[test], response[test]
    own = next(m for m in models if m.point is chosen)
    compare = as_filter(config.compare)
    fixed_layout = Layout(len(compare), layout.level, layout.axes)
    fixed = fit_model(
        material.x[train],
        response[train],
        Point(0.0, start_angles(compare)[0][None], math.nan, math.nan, config.compare),
        layout=fixed_layout,
        mode=config.mode,
        options=config.feature_options(),
        readout=config.readout,
    )
    named = [("distilled", own), ("no attribution", models[0]), (config.compare, fixed)]
    rows = [
        DistillRow(
            method=name,
            parameters=m.parameters,
            kept=kept_share(x, material.gradients[:, test], m.point, layout=m.layout, mode=m.mode),
            cv_r2=m.readout.r2,
            test_r2=r2_score(y, m.predict(x)),
            seconds=m.seconds(x),
        )
        for name, m in named
    ]
    if material.outputs is None:
        return rows
    teacher, seconds = material.teacher, None
    if teacher is not None:
        seconds = cpu_seconds(lambda: teacher_outputs(teacher, x, targets=(config.target,)))
    score = r2_score(y, material.outputs[test])
    return [
        *rows,
        DistillRow(
            method="teacher", parameters=None, kept=None, cv_r2=None, test_r2=score, seconds=seconds
        ),
    ]


def _example(material: _Material, point: Point, layout: Layout) -> int:
    """Return the sample whose gradients are of median size: neither idle nor extreme."""
    sizes = material.gradients.flatten(2).norm(dim=2).amax(0)
    return int((sizes - sizes.median()).abs().argmin())


def _wavelet_table(point: Point, layout: Layout) -> str:
    low = layout.lows(point.angles)
    low = low if low.ndim == 3 else low.unsqueeze(1)
    lines = ["level\taxis\t" + "\t".join(f"h{n}" for n in range(layout.taps))]
    for level, axes in enumerate(low.tolist(), 1):
        for axis, taps in enumerate(axes):
            lines.append(f"{level}\t{axis}\t" + "\t".join(repr(float(tap)) for tap in taps))
    return "\n".join(lines) + "\n"


def _path_table(record: DistillRecord) -> str:
    names = list(DistillPoint.model_fields)
    lines = ["\t".join(names)]
    for point in record.path:
        values = point.model_dump() | {"ratio": "inf" if point.ratio is None else point.ratio}
        lines.append("\t".join("" if values[n] is None else str(values[n]) for n in names))
    return "\n".join(lines) + "\n"
