"""Small, pure helpers that write SVG: elements, scales, ticks, axes, lines, bands and points.

Colours, strokes and type come from the style sheet by class name, so that one drawing serves the
light scheme, the dark scheme and paper.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from niwaki.report._format import clean, is_number

Point = tuple[float, float]
# A step of 1, 2 or 5 up to the geometric mean with the next one.
_STEPS = ((1.0, math.sqrt(2)), (2.0, math.sqrt(10)), (5.0, math.sqrt(50)))
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def element(name: str, *children: Markup | str, **attributes: str | float | None) -> Markup:
    """Return one SVG element; text and attribute values are escaped, None leaves one out.

    An underscore in an attribute name becomes a hyphen; ``class_`` becomes ``class``.
    """
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    head = name + "".join(parts)
    body = "".join(
        child if isinstance(child, Markup) else escape(clean(child)) for child in children
    )
    return Markup(f"<{head}>{body}</{name}>" if body else f"<{head}/>")  # escaped above


def group(children: Sequence[Markup], **attributes: str | float | None) -> Markup:
    """Return a ``g`` element around `children`."""
    return element("g", *children, **attributes)


def drawing(
    children: Sequence[Markup],
    *,
    size: tuple[float, float],
    label: str,
    role: str = "img",
    class_: str = "plot",
) -> Markup:
    """Return the ``svg`` element of `size` that assistive software announces as `label`."""
    width, height = size
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        class_=class_,
        role=role,
        aria_label=label,
    )


def text(point: Point, content: str, **attributes: str | float | None) -> Markup:
    """Return a line of text at `point`."""
    return element("text", content, x=point[0], y=point[1], **attributes)


def line(start: Point, end: Point, **attributes: str | float | None) -> Markup:
    """Return a straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], **attributes)


def path_data(points: Sequence[Point]) -> str:
    """Return the path commands through `points`; the line breaks where one is not finite."""
    commands: list[str] = []
    pen_down = False
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen_down = False
            continue
        commands.append(f"{'L' if pen_down else 'M'}{_value(x)} {_value(y)}")
        pen_down = True
    return "".join(commands)


def polyline(points: Sequence[Point], **attributes: str | float | None) -> Markup:
    """Return an open line through `points`, broken where a point is not finite."""
    return element("path", d=path_data(points), fill="none", **attributes)


def band(
    lower: Sequence[Point], upper: Sequence[Point], **attributes: str | float | None
) -> Markup:
    """Return the area between two lines over the same positions; points not finite are skipped."""
    pairs = [
        (low, high)
        for low, high in zip(lower, upper, strict=True)
        if all(math.isfinite(v) for v in (*low, *high))
    ]
    outline = [low for low, _ in pairs] + [high for _, high in reversed(pairs)]
    data = path_data(outline) + "Z" if outline else ""
    return element("path", d=data, **attributes)


def dot(
    point: Point, radius: float, *, title: str = "", **attributes: str | float | None
) -> Markup:
    """Return a circle, with a hover title if one is given."""
    children = [element("title", title)] if title else []
    return element("circle", *children, cx=point[0], cy=point[1], r=radius, **attributes)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers (1, 2 or 5 times a power of ten) inside [low, high]."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    factor = next((m for m, bound in _STEPS if raw / power < bound), 10.0)
    step = factor * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten inside [low, high], with 2 and 5 times them where there are few.

    A range so narrow that it holds one of them at most gets round numbers.
    """
    if not 0 < low <= high < math.inf:
        return []
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        ticks = [f * 10.0**p for p in powers for f in factors]
        inside = [t for t in ticks if low * 0.999 <= t <= high * 1.001]
        if len(inside) >= 3:
            step = math.ceil(len(inside) / 6)
            return inside[::step]
    return inside if len(inside) > 1 else nice_ticks(low, high, 3)


def tick_label(value: float) -> str:
    """Return a short label: ``1,000``, ``0.05`` or ``10⁻⁵``."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.10g}".replace("-", "\u2212")
    power = math.floor(math.log10(abs(value)) + 1e-9)
    mantissa = f"{value / 10.0**power:.3g}"
    lead = "" if mantissa == "1" else mantissa.replace("-", "\u2212") + "×"
    return f"{lead}10{str(power).translate(_SUPERSCRIPT)}"


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return `positions` moved apart so that neighbours are `gap` from each other.

    The order is kept, and all stay inside [low, high] where there is room.
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    placed = list(positions)
    floor = low
    for i in order:
        placed[i] = max(placed[i], floor)
        floor = placed[i] + gap
    ceiling = high
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return placed


def limits(values: Sequence[float | None], *, pad: float = 0.06) -> tuple[float, float]:
    """Return the range of the finite values with a margin of the share `pad` on either side."""
    finite = [v for v in values if v is not None and is_number(v)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    margin = pad * (high - low) or max(abs(high), 1e-12) * 0.1
    return low - margin, high + margin


def log_limits(values: Sequence[float | None]) -> tuple[float, float]:
    """Return the range of the finite positive values, with a margin that is even on a log axis."""
    logs = [math.log10(v) for v in values if v is not None and is_number(v) and v > 0]
    low, high = limits(logs) if logs else (0.0, 1.0)
    return 10.0**low, 10.0**high


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return clean(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Scale:
    """A map from data in [low, high] to pixels from `start` to `end`, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float | None) -> float:
        """Return the pixel of `value`; NaN where it has none."""
        if value is None or not math.isfinite(value) or (self.log and value <= 0):
            return math.nan
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round tick values inside the scale."""
        if self.log:
            return log_ticks(self.low, self.high)
        return nice_ticks(self.low, self.high, count)


@dataclass(frozen=True)
class Panel:
    """A plotting area: its size, its margins (top, right, bottom, left) and its two scales."""

    size: tuple[float, float]
    x: Scale
    y: Scale

    def at(self, x: Sequence[float], y: Sequence[float | None]) -> list[Point]:
        """Return the pixels of the data points."""
        return [(self.x(a), self.y(b)) for a, b in zip(x, y, strict=True)]

    def axes(
        self,
        x_label: str,
        y_label: str,
        *,
        x_ticks: Sequence[tuple[float, str]] | None = None,
        counts: tuple[int, int] = (5, 4),
    ) -> Markup:
        """Return a base line, light horizontal rules, ticks and axis labels."""
        across = x_ticks or [(t, tick_label(t)) for t in self.x.ticks(counts[0])]
        left, right, base = self.x.start, self.x.end, self.y.start
        parts = [line((left, base), (right, base), class_="axis")]
        for value in self.y.ticks(counts[1]):
            y = self.y(value)
            parts.append(line((left, y), (right, y), class_="rule"))
            parts.append(text((left - 7, y + 4), tick_label(value), class_="tick end"))
        for value, label in across:
            x = self.x(value)
            parts.append(line((x, base), (x, base + 4), class_="axis"))
            parts.append(text((x, base + 17), label, class_="tick mid"))
        if x_label:
            parts.append(text((right, base + 35), x_label, class_="label end"))
        if y_label:
            parts.append(text((0.0, self.y.end - 14), y_label, class_="label"))
        return group(parts)


def panel(
    size: tuple[float, float],
    x: tuple[float, float],
    y: tuple[float, float],
    *,
    margins: tuple[float, float, float, float],
    log: tuple[bool, bool] = (False, False),
) -> Panel:
    """Return a panel of `size` [px] whose scales cover the data ranges `x` and `y`."""
    top, right, bottom, left = margins
    width, height = size
    return Panel(
        size,
        Scale(*x, left, width - right, log[0]),
        Scale(*y, height - bottom, top, log[1]),
    )
