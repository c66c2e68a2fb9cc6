"""The record and the tables of a distillation."""

import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from niwaki import __version__
from niwaki.core import DistillPoint, DistillRecord, DistillRow
from niwaki.experiment._distill_curves import band_summaries, wavelet_curves
from niwaki.experiment._distill_inputs import DistillConfig, DistillMaterial
from niwaki.wavelets import (
    DistilledModel,
    Layout,
    Point,
    Step,
    WaveletDistiller,
    as_filter,
    cpu_seconds,
    fit_model,
    kept_share,
    r2_score,
    start_angles,
    teacher_outputs,
    wavelet_distance,
)


@dataclass(frozen=True, eq=False)
class Found:
    """What the search and the linear models ended with.

    Attributes
    ----------
    distiller
        Fitted to the training samples, with the chosen point selected.
    models
        One per point of the path, if there is something to predict.
    train, test
        Samples of either part (index).
    seconds
        Processor time of the search (seconds).
    """

    distiller: WaveletDistiller
    models: list[DistilledModel]
    train: np.ndarray
    test: np.ndarray
    seconds: float

    @property
    def chosen(self) -> Point:
        """The chosen point of the path."""
        return self.distiller.points_[None]


def distill_record(material: DistillMaterial, config: DistillConfig, found: Found) -> DistillRecord:
    """Return all results of a distillation."""
    layout, chosen = found.distiller.layout_, found.chosen
    path = found.distiller.paths_[None]
    low = layout.lows(chosen.angles).reshape(-1, layout.taps)[0]
    example = _example(material)
    points = [
        _point(p, found.models[i] if found.models else None, material, layout, config, p is chosen)
        for i, p in enumerate(path.points)
    ]
    return DistillRecord(
        title=f"{material.names[0]} on {material.names[1]}",
        teacher=material.names[0],
        data=material.names[1],
        samples=len(material.x),
        held_out=len(found.test),
        shape=list(material.x.shape[1:]),
        response=material.names[2],
        settings={k: str(v) for k, v in vars(config).items()} | {"level": str(layout.level)},
        path=points,
        rows=_rows(material, config, found),
        curves=[
            wavelet_curves("distilled", low),
            wavelet_curves(config.compare, as_filter(config.compare), low),
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
        reconstruction_error=_error(material, found.distiller),
        searches=len(path.history),
        teacher_seconds=material.seconds,
        search_seconds=found.seconds,
        warnings=found.distiller.notes_,
        provenance={
            "niwaki": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "seed": str(config.seed),
        },
    )


def _error(material: DistillMaterial, distiller: WaveletDistiller) -> float:
    """Return the largest error of reconstruction over some samples (data units)."""
    some = material.x[:256]
    back = distiller.inverse_transform(distiller.transform(some))
    return float(np.abs(back - some.numpy()).max())


def _point(
    point: Point,
    model: DistilledModel | None,
    material: DistillMaterial,
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


def _rows(material: DistillMaterial, config: DistillConfig, found: Found) -> list[DistillRow]:
    """Return the distilled model, its controls and the teacher on the held-out samples."""
    response, layout = material.wanted, found.distiller.layout_
    if response is None:
        return []
    train, test = found.train, found.test
    x, y = material.x[test], response[test]
    own = next(m for m in found.models if m.point is found.chosen)
    compare = as_filter(config.compare)
    fixed = fit_model(
        material.x[train],
        response[train],
        Point(0.0, start_angles(compare)[0][None], math.nan, math.nan, config.compare),
        layout=Layout(len(compare), layout.level, layout.axes),
        mode=config.mode,
        options=config.feature_options(),
        readout=config.readout,
    )
    named = [("distilled", own), ("no attribution", found.models[0]), (config.compare, fixed)]
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
    teacher = material.teacher
    if teacher is None or material.outputs is None:
        return rows
    seconds = cpu_seconds(lambda: teacher_outputs(teacher, x, targets=config.targets[:1]))
    return [
        *rows,
        DistillRow(
            method="teacher",
            parameters=None,
            kept=None,
            cv_r2=None,
            test_r2=r2_score(y, material.outputs[test]),
            seconds=seconds,
        ),
    ]


def _example(material: DistillMaterial) -> int:
    """Return the sample whose gradients are of median size: neither idle nor extreme."""
    sizes = material.gradients.flatten(2).norm(dim=2).amax(0)
    return int((sizes - sizes.median()).abs().argmin())


def wavelet_table(distiller: WaveletDistiller) -> str:
    """Return the chosen low-pass taps, one line per level and axis."""
    low, layout = distiller.filters(), distiller.layout_
    low = low if low.ndim == 3 else low.unsqueeze(1)
    lines = ["level\taxis\t" + "\t".join(f"h{n}" for n in range(layout.taps))]
    for level, axes in enumerate(low.tolist(), 1):
        for axis, taps in enumerate(axes):
            lines.append(f"{level}\t{axis}\t" + "\t".join(repr(float(tap)) for tap in taps))
    return "\n".join(lines) + "\n"


def history_table(history: Sequence[Step]) -> str:
    """Return what every stage of the search did, one line each."""
    names = [entry.name for entry in fields(Step)]
    lines = ["\t".join(names)]
    lines += ["\t".join(str(getattr(step, name)) for name in names) for step in history]
    return "\n".join(lines) + "\n"


def path_table(record: DistillRecord) -> str:
    """Return every point of the path, one line each."""
    names = list(DistillPoint.model_fields)
    lines = ["\t".join(names)]
    for point in record.path:
        values = point.model_dump() | {"ratio": "inf" if point.ratio is None else point.ratio}
        lines.append("\t".join("" if values[n] is None else str(values[n]) for n in names))
    return "\n".join(lines) + "\n"
