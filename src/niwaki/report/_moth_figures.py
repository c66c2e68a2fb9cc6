"""Figures of the moth study, as inline SVG."""

from collections.abc import Sequence

from markupsafe import Markup

from niwaki.core import MothStageRow, MothStudy
from niwaki.report._format import number, share
from niwaki.report._svg import (
    Panel,
    dot,
    drawing,
    element,
    limits,
    line,
    log_limits,
    panel,
    polyline,
    spread,
    text,
)

SIZE = (560.0, 320.0)
MARGINS = (34.0, 150.0, 46.0, 52.0)
_AIM = 1e-3
_ROW = 22.0


def error_figure(study: MothStudy) -> Markup:
    """Return the test error of every network by stage, and the median."""
    places, ticks = _axis(study.stages)
    errors = [row.mse for row in study.rows]
    area = panel(
        SIZE,
        (-0.4, len(places) - 0.6),
        log_limits([*errors, _AIM]),
        margins=MARGINS,
        log=(False, True),
    )
    parts = [area.axes("sparsity (%)", "mean squared test error", x_ticks=ticks)]
    parts.append(line((area.x.start, area.y(_AIM)), (area.x.end, area.y(_AIM)), class_="chosen"))
    for row in study.rows:
        where = (area.x(places[row.stage]), area.y(row.mse))
        title = f"network {row.network}, {row.sparsity:.0%}: {number(row.mse)}"
        parts.append(dot(where, 3.2, title=title, class_="mark c0"))
    median = [s.mse for s in study.stages]
    points = area.at([places[s.stage] for s in study.stages], median)
    parts.append(polyline(points, class_="curve c1"))
    labels = [(points[-1][1], "median", "direct c1"), (area.y(_AIM), "good enough", "note")]
    return drawing([*parts, *_labels(area, labels)], size=SIZE, label="Test error by sparsity")


def convergence_figure(study: MothStudy) -> Markup | None:
    """Return the mean cosine between profiles by stage under both nulls; None for one network."""
    places, ticks = _axis(study.stages)
    area = panel(SIZE, (-0.4, len(places) - 0.6), (-0.35, 1.05), margins=MARGINS)
    parts = [area.axes("sparsity (%)", "mean cosine between profiles", x_ticks=ticks)]
    parts.append(line((area.x.start, area.y(0.0)), (area.x.end, area.y(0.0)), class_="axis"))
    labels = []
    for k, (null, name) in enumerate((("uniform", "edges kept"), ("degree", "degrees kept")), 1):
        known = [
            (places[s.stage], c) for s in study.stages if (c := s.cosine.get(null)) is not None
        ]
        if not known:
            continue
        points = area.at([x for x, _ in known], [max(c, -0.35) for _, c in known])
        parts.append(polyline(points, class_=f"curve c{k}"))
        parts += [dot(p, 3.2, class_=f"mark c{k}") for p in points]
        labels.append((points[-1][1], name, f"direct c{k}"))
    if not labels:
        return None
    return drawing([*parts, *_labels(area, labels)], size=SIZE, label="Convergence of profiles")


def significance_figure(study: MothStudy, null: str) -> Markup | None:
    """Return the mean z of every motif by stage under one null; None where all are fixed."""
    places, ticks = _axis(study.stages)
    curves: dict[str, list[tuple[float, float]]] = {}
    for stage in study.stages:
        for motif in stage.motifs:
            if motif.null == null and motif.z is not None:
                curves.setdefault(motif.motif, []).append((places[stage.stage], motif.z))
    if not curves:
        return None
    values = [z for points in curves.values() for _, z in points]
    area = panel(SIZE, (-0.4, len(places) - 0.6), limits([*values, -2.5, 2.5]), margins=MARGINS)
    parts = [area.axes("sparsity (%)", "mean z over networks", x_ticks=ticks)]
    for edge in (-1.96, 1.96):
        y = area.y(edge)
        parts.append(line((area.x.start, y), (area.x.end, y), class_="chosen"))
    labels = []
    for name, found in curves.items():
        kind = "c1" if name in {"bifan", "biparallel"} else "c0"
        points = area.at([x for x, _ in found], [z for _, z in found])
        parts.append(polyline(points, class_=f"curve {kind}"))
        labels.append((points[-1][1], name.replace("_", " "), f"direct {kind}"))
    return drawing([*parts, *_labels(area, labels)], size=SIZE, label=f"Mean z by sparsity, {null}")


def inputs_figure(study: MothStudy) -> Markup:
    """Return the edges that each input keeps at 93 %, or at the last stage before it."""
    stage = [s for s in study.stages if s.sparsity <= 0.93 + 1e-9][-1]
    ordered = sorted(stage.inputs.items(), key=lambda item: -item[1])
    size = (SIZE[0], 60.0 + _ROW * len(ordered))
    top = max([kept for _, kept in ordered] + [1e-9])
    area = panel(size, (0.0, 1.08 * top), (0.0, 1.0), margins=(20.0, 70.0, 36.0, 90.0))
    parts = []
    for i, (name, kept) in enumerate(ordered):
        y = area.y.end + _ROW * i
        width = area.x(kept) - area.x.start
        parts.append(text((area.x.start - 8, y + 13), name, class_="tick end"))
        parts.append(
            element("rect", x=area.x.start, y=y, width=width, height=_ROW - 6, class_="mark c1")
        )
        parts.append(text((area.x.start + width + 6, y + 13), share(kept), class_="tick"))
    return drawing(parts, size=size, label=f"Edges that each input keeps at {stage.sparsity:.0%}")


def _axis(stages: Sequence[MothStageRow]) -> tuple[dict[int, float], list[tuple[float, str]]]:
    """Return stages side by side, which are not evenly spaced in sparsity, and their labels."""
    places = {s.stage: float(i) for i, s in enumerate(stages)}
    return places, [(float(i), f"{100 * s.sparsity:.0f}") for i, s in enumerate(stages)]


def _labels(area: Panel, labels: Sequence[tuple[float, str, str]]) -> list[Markup]:
    """Return names at the right end of their lines, moved apart."""
    heights = spread([y for y, _, _ in labels], 13.0, area.y.end, area.y.start)
    return [
        text((area.x.end + 8, y + 4), name, class_=kind)
        for y, (_, name, kind) in zip(heights, labels, strict=True)
    ]
