"""Figures of a distillation, as inline SVG."""

import math

from markupsafe import Markup

from niwaki.core import BandSummary, DistillRecord
from niwaki.report._format import number, share, short
from niwaki.report._svg import (
    Panel,
    band,
    dot,
    drawing,
    element,
    limits,
    line,
    panel,
    polyline,
    spread,
    text,
)

SIZE = (460.0, 300.0)
MARGINS = (34.0, 100.0, 46.0, 52.0)
_FINITE = 3.0  # decades beyond the path's finite ends at which 0 and infinity are drawn


def wavelet_figure(record: DistillRecord, which: str) -> Markup:
    """Return the wavelet or scaling function, learned against fixed."""
    curves = [(c.name, c.positions, getattr(c, which)) for c in record.curves]
    low, high = min(min(x) for _, x, _ in curves), max(max(x) for _, x, _ in curves)
    values = [v for _, _, y in curves for v in y]
    area = panel(SIZE, (low, high), limits(values), margins=MARGINS)
    parts = [area.axes("samples of the finest level", f"{which} function")]
    labels = []
    for i, (name, x, y) in reversed(list(enumerate(curves))):
        style = "curve c1" if i == 0 else "curve c0 dashed"
        points = area.at(x, y)
        parts.append(polyline(points, class_=style))
        labels.append((points[-1][1] + (14 * (i - 0.5)), name, f"direct c{1 - i}"))
    parts += _labels(area, labels)
    return drawing(parts, size=SIZE, label=f"{which} function of the learned and the fixed filter")


def response_figure(record: DistillRecord) -> Markup:
    """Return the gain of both filters over frequency, learned against fixed."""
    area = panel(SIZE, (0.0, 0.5), (0.0, 1.5), margins=MARGINS)
    parts = [area.axes("cycles per sample", "gain")]
    labels = []
    for i, curve in reversed(list(enumerate(record.curves))):
        style = " dashed" if i else ""
        for gains, colour, name in (
            (curve.low_gain, "c1", "low-pass"),
            (curve.high_gain, "c2", "high-pass"),
        ):
            points = area.at(curve.frequencies, gains)
            parts.append(polyline(points, class_=f"curve {colour}{style}"))
            if i == 0:
                labels.append((points[-1][1], name, f"direct {colour}"))
    note = f"dashed: {record.curves[1].name}"
    parts += _labels(area, labels)
    parts.append(text((area.x.end + 8, (area.y.start + area.y.end) / 2), note, class_="note"))
    return drawing(parts, size=SIZE, label="Frequency response of low-pass and high-pass filter")


def path_figure(record: DistillRecord) -> Markup | None:
    """Return the sparsity of data and attributions, and the score, along gamma / lambda."""
    if len(record.path) < 2:
        return None
    places = _places(record)
    values = [v for p in record.path for v in (p.signals, p.attributions)]
    area = panel(SIZE, (places[0], places[-1]), limits(values), margins=MARGINS)
    parts = [area.axes("gamma / lambda", "sparsity (lower is sparser)", x_ticks=_ticks(record))]
    chosen = next(i for i, p in enumerate(record.path) if p.selected)
    x = area.x(places[chosen])
    parts.append(line((x, area.y.end), (x, area.y.start), class_="chosen"))
    parts.append(text((x + 5, area.y.end + 2), "chosen", class_="note"))
    lines = [("data", "c0", [p.signals for p in record.path])]
    lines.append(("attributions", "c1", [p.attributions for p in record.path]))
    labels = []
    for name, colour, found in lines:
        points = area.at(places, found)
        parts.append(polyline(points, class_=f"curve {colour}"))
        parts += [
            dot(point, 2.6, title=f"{name} {number(v)}", class_=f"mark {colour}")
            for point, v in zip(points, found, strict=True)
        ]
        labels.append((points[-1][1], name, f"direct {colour}"))
    return drawing(
        [*parts, *_labels(area, labels)], size=SIZE, label="The path over gamma / lambda"
    )


def score_figure(record: DistillRecord) -> Markup | None:
    """Return the cross-validated score of the linear model along gamma / lambda."""
    scores = [p.r2 for p in record.path if p.r2 is not None]
    if len(scores) < 2:
        return None
    places = _places(record)
    errors = [p.r2_sd or 0.0 for p in record.path]
    low = [s - e for s, e in zip(scores, errors, strict=True)]
    high = [s + e for s, e in zip(scores, errors, strict=True)]
    area = panel(SIZE, (places[0], places[-1]), limits(low + high), margins=MARGINS)
    points = area.at(places, scores)
    parts = [
        area.axes("gamma / lambda", "R², cross-validated", x_ticks=_ticks(record)),
        band(area.at(places, low), area.at(places, high), class_="band c3"),
        polyline(points, class_="curve c3"),
    ]
    for point, p in zip(points, record.path, strict=True):
        style = "mark c3" + (" picked" if p.selected else "")
        parts.append(dot(point, 4.4 if p.selected else 2.8, title=number(p.r2), class_=style))
    return drawing(parts, size=SIZE, label="Score of the linear model along the path")


def distance_figure(record: DistillRecord) -> Markup | None:
    """Return the canonical distance to the fixed wavelet along the path."""
    if len(record.path) < 2:
        return None
    places = _places(record)
    found = [p.distance for p in record.path]
    area = panel(SIZE, (places[0], places[-1]), (0.0, 1.08 * max(*found, 1e-9)), margins=MARGINS)
    name = record.curves[1].name
    points = area.at(places, found)
    parts = [
        area.axes("gamma / lambda", f"distance to {name}", x_ticks=_ticks(record)),
        polyline(points, class_="curve c1"),
        *(
            dot(
                point,
                4.4 if p.selected else 2.8,
                title=number(p.distance),
                class_="mark c1" + (" picked" if p.selected else ""),
            )
            for point, p in zip(points, record.path, strict=True)
        ),
    ]
    label = f"Distance to {name} along the path, shift, reversal and sign not counted"
    return drawing(parts, size=SIZE, label=label)


def shares_figure(record: DistillRecord) -> Markup:
    """Return bars: the share of each band in the energy of data and of attributions."""
    rows = record.bands
    height = 52.0 + 42.0 * len(rows)
    top = max([b.data for b in rows] + [b.attributions for b in rows])
    area = panel(
        (SIZE[0], height), (0.0, 1.08 * top), (0.0, 1.0), margins=(20.0, 16.0, 46.0, 120.0)
    )
    base = area.y.start
    parts = [line((area.x.start, base), (area.x.end, base), class_="axis")]
    for tick in area.x.ticks(4):
        parts.append(text((area.x(tick), base + 17), share(tick, 0), class_="tick mid"))
    parts.append(text((area.x.end, base + 35), "share of energy", class_="label end"))
    for i, row in enumerate(rows):
        y = 16.0 + 42.0 * i
        parts.append(text((0.0, y + 15), row.name, class_="hub-name"))
        parts.append(text((28.0, y + 15), periods(row), class_="note"))
        for j, (value, colour) in enumerate(((row.data, "c0"), (row.attributions, "c1"))):
            parts.append(
                element(
                    "rect",
                    element("title", f"{'attributions' if j else 'data'} {share(value)}"),
                    x=area.x.start,
                    y=y + 14.0 * j,
                    width=max(area.x(value) - area.x.start, 0.0),
                    height=12.0,
                    class_=f"mark {colour}",
                )
            )
    return drawing(
        parts, size=(SIZE[0], height), label="Share of each band in data and attributions"
    )


def bands_figure(record: DistillRecord) -> Markup | None:
    """Return one signal, its coefficients band by band, and their attributions."""
    if not record.example:
        return _maps_figure(record) if any(b.map for b in record.bands) else None
    width, each = 940.0, 76.0
    count = len(record.bands) + 1
    height = 40.0 + each * count
    parts = []
    rows: list[tuple[str, list[float], list[float]]] = [("signal", record.example, [])]
    rows += [(b.name, b.example, b.example_attributions) for b in record.bands]
    most = max((abs(a) for _, _, found in rows for a in found), default=0.0) or 1.0
    for i, (name, values, found) in enumerate(rows):
        low, high = limits([*values, 0.0])
        area = panel(
            (width, height),
            (-0.5, len(values) - 0.5),
            (low, high),
            margins=(20.0 + each * i, 20.0, height - 20.0 - each * (i + 1) + 14.0, 60.0),
        )
        zero = area.y(0.0)
        parts.append(line((area.x.start, zero), (area.x.end, zero), class_="rule"))
        parts.append(text((0.0, zero + 4), name, class_="hub-name"))
        if i == 0:
            points = area.at([float(k) for k in range(len(values))], values)
            parts.append(polyline(points, class_="curve c0"))
            continue
        parts += _stems(area, values, found, most)
    label = "One signal and its coefficients; bars are coefficients, dots grow with attribution"
    return drawing(parts, size=(width, height), label=label)


def _stems(area: Panel, values: list[float], found: list[float], most: float) -> list[Markup]:
    parts = []
    zero = area.y(0.0)
    for k, (value, attribution) in enumerate(zip(values, found, strict=True)):
        x, y = area.x(float(k)), area.y(value)
        parts.append(line((x, zero), (x, y), class_="axis"))
        radius = 7.0 * math.sqrt(abs(attribution) / most)
        if radius > 0.7:
            colour = "c1" if attribution > 0 else "c2"
            title = f"coefficient {number(value)}, attribution {number(attribution)}"
            parts.append(dot((x, y), radius, title=title, class_=f"mark {colour}"))
    return parts


def _maps_figure(record: DistillRecord) -> Markup:
    """Return the bands of one image above their attributions, as sizes over all orientations."""
    side, gap, left = 140.0, 14.0, 92.0
    width = left + len(record.bands) * (side + gap)
    parts = [
        text((0.0, 24.0 + side / 2), "coefficients", class_="note"),
        text((0.0, 24.0 + side / 2 + side + gap), "attributions", class_="note"),
    ]
    for i, found in enumerate(record.bands):
        x = left + i * (side + gap)
        parts.append(text((x, 14.0), found.name, class_="hub-name"))
        for row, (values, colour) in enumerate(((found.map, "c0"), (found.map_attributions, "c1"))):
            parts += _cells(values, (x, 22.0 + row * (side + gap)), side, colour)
    label = "Bands of one image and their attributions; the darker, the larger"
    return drawing(parts, size=(width, 22.0 + 2 * (side + gap)), label=label)


def _cells(
    values: list[list[float]], corner: tuple[float, float], side: float, colour: str
) -> list[Markup]:
    """Return a square of cells in five shades, one path each, which keeps the page small."""
    most = max((v for row in values for v in row), default=0.0) or 1.0
    high, wide = side / len(values), side / len(values[0])
    shades: dict[int, list[str]] = {}
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            shade = min(5, math.ceil(5 * value / most))
            place = f"M{corner[0] + j * wide:.1f} {corner[1] + i * high:.1f}"
            shades.setdefault(shade, []).append(f"{place}h{wide:.1f}v{high:.1f}h-{wide:.1f}z")
    frame = element(
        "rect", x=corner[0], y=corner[1], width=side, height=side, class_="frame", fill="none"
    )
    return [
        *(
            element("path", d="".join(found), class_=f"mark {colour}", fill_opacity=0.2 * shade)
            for shade, found in sorted(shades.items())
            if shade
        ),
        frame,
    ]


def periods(band: BandSummary) -> str:
    """Return the periods that a band holds, in words."""
    if band.longest is None:
        return f"> {short(band.shortest)} samples"
    return f"{short(band.shortest)}\u2013{short(band.longest)} samples"


def _places(record: DistillRecord) -> list[float]:
    """Return positions on a log scale, with 0 and infinity a step beyond the ends."""
    finite = [math.log10(p.ratio) for p in record.path if p.ratio]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    step = max((high - low) / 8, 0.4)
    return [
        high + step if p.ratio is None else low - step if p.ratio == 0 else math.log10(p.ratio)
        for p in record.path
    ]


def _ticks(record: DistillRecord) -> list[tuple[float, str]]:
    ticks: list[tuple[float, str]] = []
    for place, point in zip(_places(record), record.path, strict=True):
        if point.ratio is None or point.ratio == 0:
            ticks.append((place, "∞" if point.ratio is None else "0"))
        elif abs(place - round(place)) < 0.06 and all(abs(place - t) > 0.5 for t, _ in ticks):
            ticks.append((place, short(10.0 ** round(place))))
    return ticks or [(0.0, "1")]


def _labels(area: Panel, labels: list[tuple[float, str, str]]) -> list[Markup]:
    ys = spread([y for y, _, _ in labels], 15.0, area.y.end, area.y.start)
    return [
        text((area.x.end + 8, y + 4), name, class_=class_)
        for y, (_, name, class_) in zip(ys, labels, strict=True)
    ]
