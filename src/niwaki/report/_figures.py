"""Figures of the pruning path and of the training, as inline SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from niwaki.core import PRIOR_ALONE, NetworkScore, PathPoint, RunRecord
from niwaki.report._edges import Epoch
from niwaki.report._format import count, is_number, number, share, short
from niwaki.report._headline import network_score, scores_shown, selected_point
from niwaki.report._svg import (
    Panel,
    Point,
    band,
    dot,
    drawing,
    group,
    limits,
    line,
    log_limits,
    panel,
    polyline,
    spread,
    text,
)

SIZE = (460.0, 300.0)
MARGINS = (34.0, 24.0, 46.0, 58.0)
WITH_LABELS = (34.0, 112.0, 46.0, 40.0)
SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)
PROBABILITIES = (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
MOST_EPOCHS = 800  # points drawn of the training curve: about two per pixel
SCORES: tuple[tuple[str, str], ...] = (
    ("f1", "F1"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("balanced_accuracy", "balanced acc."),
)


def loss_figure(record: RunRecord) -> Markup:
    """Return held-out loss with its standard error along the path."""
    path = _by_sparsity(record)
    low = [p.held_out_loss - p.held_out_se for p in path]
    high = [p.held_out_loss + p.held_out_se for p in path]
    log = _wide([p.held_out_loss for p in path])
    if log:
        low = [max(a, p.held_out_loss / 10) for a, p in zip(low, path, strict=True)]
    y = log_limits(low + high) if log else limits(low + high)
    area = _path_panel(record, path, y, log=log)
    x = [_along(record).place(p) for p in path]
    points = area.at(x, [p.held_out_loss for p in path])
    parts = [
        *_base(record, area, "held-out mean squared error"),
        band(area.at(x, low), area.at(x, high), class_="band c1"),
        polyline(points, class_="curve c1"),
        *_dots(record, path, points, _loss_title),
    ]
    return drawing(parts, size=SIZE, label=_label(record, "Held-out loss"))


def edges_figure(record: RunRecord) -> Markup:
    """Return the number of edges, on a log scale, along the path."""
    path = _by_sparsity(record)
    edges = [float(p.edges) for p in path]
    area = _path_panel(record, path, log_limits(edges), log=True)
    points = area.at([_along(record).place(p) for p in path], edges)
    parts = [
        *_base(record, area, "edges between genes"),
        polyline(points, class_="curve c3"),
        *_dots(record, path, points, lambda p: f"{count(p.edges)} edges", class_="mark c3"),
    ]
    return drawing(parts, size=SIZE, label=_label(record, "Edges"))


def scores_figure(record: RunRecord) -> Markup | None:
    """Return agreement with the reference along the path, with the F1 of the prior alone.

    None where no reference was given, or where the prior was not scored beside it.
    """
    path = [p for p in _by_sparsity(record) if p.score is not None]
    prior = network_score(record, PRIOR_ALONE)
    if not path or (record.prior is not None and (prior is None or not scores_shown(record))):
        return None
    area = _path_panel(record, path, (0.0, 1.0), log=False, margins=WITH_LABELS)
    x = [_along(record).place(p) for p in path]
    parts = _base(record, area, "agreement with the reference")
    labels: list[tuple[float, str, str]] = []
    for i, (name, label) in enumerate(SCORES, start=1):
        values = [_score(p.score, name) for p in path]
        points = area.at(x, values)
        parts.append(polyline(points, class_=f"curve c{i}"))
        title = _score_title(name, label)
        parts += _dots(record, path, points, title, class_=f"mark c{i}", radius=2.2)
        labels.append((_last(points, area), label, f"direct c{i}"))
    if prior is not None and is_number(prior.f1):
        y = area.y(prior.f1)
        parts.append(line((area.x.start, y), (area.x.end, y), class_="curve c1 dashed"))
        labels.append((y, f"prior F1 {number(prior.f1, 2)}", "direct c1"))
    parts += _direct_labels(area, labels)
    return drawing(parts, size=SIZE, label=_label(record, "Network scores"))


def training_figure(epochs: Sequence[Epoch]) -> Markup | None:
    """Return training and held-out loss against the epoch, with a tick at every prune."""
    shown = _thinned(epochs)
    losses = [e.train_loss for e in shown] + [e.held_out_loss for e in shown]
    if not any(is_number(value) and value > 0 for value in losses):
        return None
    first, last = float(shown[0].epoch), float(shown[-1].epoch)
    low, high = log_limits(losses)
    area = panel(
        SIZE,
        (first, max(last, first + 1.0)),
        (low / (high / low) ** 0.14, high),  # room for the ticks below the curves
        margins=(34.0, 84.0, 46.0, 58.0),
        log=(False, True),
    )
    x = [float(e.epoch) for e in shown]
    train, held_out = area.at(x, losses[: len(shown)]), area.at(x, losses[len(shown) :])
    parts = [
        area.axes("epoch", "mean squared error"),
        *_prunes(epochs, area),
        polyline(train, class_="curve c0"),
        polyline(held_out, class_="curve c1"),
        *_direct_labels(
            area,
            [
                (_last(train, area), "training", "direct c0"),
                (_last(held_out, area), "held out", "direct c1"),
            ],
        ),
    ]
    return drawing(parts, size=SIZE, label=f"Training curve over {count(len(epochs))} epochs")


def _by_sparsity(record: RunRecord) -> list[PathPoint]:
    return sorted(record.path, key=lambda p: (p.sparsity, p.round))


def _density(point: PathPoint) -> float:
    """Return the share of weights left, kept above zero so that a logarithm exists."""
    return max(1.0 - point.sparsity, 0.5 / max(point.weights, 1), 1e-7)


def _odds(point: PathPoint) -> float:
    """Return the odds of the least probable edge that the network may have."""
    return (point.probability or 0.0) / (1.0 - (point.probability or 0.0))


def _along(record: RunRecord) -> "Axis":
    return SPARSITY if record.evidence is None else PROBABILITY


def _path_panel(
    record: RunRecord,
    path: Sequence[PathPoint],
    y: tuple[float, float],
    *,
    log: bool,
    margins: tuple[float, float, float, float] = MARGINS,
) -> Panel:
    axis = _along(record)
    places = [axis.place(p) for p in path] or [1.0]
    low, high = min(places) / axis.pad[0], max(places) * axis.pad[1]
    x = (low, high) if axis.rising else (high, low)  # the sparser, the further right
    return panel(SIZE, x, y, margins=margins, log=(True, log))


def _base(record: RunRecord, area: Panel, y_label: str) -> list[Markup]:
    axis = _along(record)
    parts = [area.axes(axis.label, y_label, x_ticks=_ticks(axis, area))]
    chosen = selected_point(record)
    if chosen is None:
        return parts
    x = area.x(axis.place(chosen))
    near_end = x > (area.x.start + 2 * area.x.end) / 3
    label = (x - 6 if near_end else x + 6, area.y.end + 2)
    return [
        *parts,
        line((x, area.y.end - 6), (x, area.y.start), class_="chosen"),
        text(label, "chosen", class_="note end" if near_end else "note"),
    ]


def _ticks(axis: "Axis", area: Panel) -> list[tuple[float, str]]:
    """Return those of the usual values that fit on the axis without touching."""
    ticks: list[tuple[float, str]] = []
    right = -math.inf
    low, high = sorted((area.x.low, area.x.high))
    for place, label in axis.ticks:
        if low <= place <= high and area.x(place) - right >= 42:
            ticks.append((place, label))
            right = area.x(place)
    if ticks:
        return ticks
    middle = math.sqrt(low * high)
    return [(middle, axis.name_of(middle))]


def _dots(
    record: RunRecord,
    path: Sequence[PathPoint],
    points: Sequence[Point],
    title: Callable[[PathPoint], str],
    *,
    class_: str = "mark c1",
    radius: float = 3.0,
) -> list[Markup]:
    return [
        dot(
            point,
            radius + 1.6 if p.selected else radius,
            title=f"round {p.round}, {_along(record).words(p)}: {title(p)}",
            class_=class_ + (" picked" if p.selected else ""),
        )
        for p, point in zip(path, points, strict=True)
        if all(math.isfinite(v) for v in point)
    ]


def _direct_labels(area: Panel, labels: Sequence[tuple[float, str, str]]) -> list[Markup]:
    ys = spread([y for y, _, _ in labels], 15.0, area.y.end, area.y.start)
    return [
        text((area.x.end + 8, y + 4), label, class_=class_)
        for y, (_, label, class_) in zip(ys, labels, strict=True)
    ]


def _prunes(epochs: Sequence[Epoch], area: Panel) -> list[Markup]:
    base = area.y.start
    starts = [float(b.epoch) for a, b in pairwise(epochs) if b.round != a.round]
    ticks = [line((area.x(e), base), (area.x(e), base - 9), class_="prune") for e in starts]
    if not ticks:
        return []
    note = text((area.x(starts[0]) + 5, base - 12), "prunes", class_="note")
    return [group(ticks), note]


def _thinned(epochs: Sequence[Epoch]) -> list[Epoch]:
    step = max(1, math.ceil(len(epochs) / MOST_EPOCHS))
    kept = list(epochs[::step])
    return kept if not epochs or kept[-1] is epochs[-1] else [*kept, epochs[-1]]


def _last(points: Sequence[Point], area: Panel) -> float:
    finite = [y for _, y in points if math.isfinite(y)]
    return finite[-1] if finite else area.y.start


def _wide(values: Sequence[float]) -> bool:
    """Return whether positive values span so much that only a log axis shows them all."""
    finite = [v for v in values if math.isfinite(v)]
    return bool(finite) and min(finite) > 0 and max(finite) / min(finite) > 12


def _score(score: NetworkScore | None, name: str) -> float | None:
    value = None if score is None else getattr(score, name)
    return None if value is None else float(value)


def _loss_title(point: PathPoint) -> str:
    return f"held-out loss {number(point.held_out_loss)} ± {number(point.held_out_se, 2)}"


def _score_title(name: str, label: str) -> Callable[[PathPoint], str]:
    return lambda point: f"{label} {number(_score(point.score, name))}"


def _label(record: RunRecord, what: str) -> str:
    axis, point = _along(record), selected_point(record)
    label = f"{what} against {axis.name}"
    if point is None:
        return label
    return (
        f"{label}; chosen: round {point.round}, {axis.words(point)}, "
        f"{count(point.edges)} edges, held-out loss {number(point.held_out_loss)}"
    )


@dataclass(frozen=True)
class Axis:
    """What the path is drawn along, on a log scale.

    Attributes
    ----------
    name, label
        In a sentence, and at the axis.
    place
        Position of a round (share of weights left, or odds; dimensionless).
    words
        Where a round stands.
    ticks
        Usual positions and their labels.
    name_of
        Label of any other position.
    rising
        Whether positions grow along the path.
    pad
        Factors by which the axis is longer than the path at its low and its high end.
    """

    name: str
    label: str
    place: Callable[[PathPoint], float]
    words: Callable[[PathPoint], str]
    ticks: tuple[tuple[float, str], ...]
    name_of: Callable[[float], str]
    rising: bool
    pad: tuple[float, float]


SPARSITY = Axis(
    "sparsity",
    "sparsity (log scale of remaining weights)",
    _density,
    lambda point: f"sparsity {share(point.sparsity)}",
    tuple((1.0 - s, f"{100 * s:.6g}\u202f%") for s in SPARSITIES),
    lambda density: share(1 - density),
    rising=False,
    pad=(1.08, 1.04),
)
PROBABILITY = Axis(
    "the least probability of an edge",
    "least posterior probability of an edge (scale of log odds)",
    _odds,
    lambda point: f"probability above {short(point.probability)}",
    tuple((p / (1.0 - p), short(p)) for p in PROBABILITIES),
    lambda odds: short(odds / (1.0 + odds)),
    rising=True,
    pad=(1.3, 1.3),
)
