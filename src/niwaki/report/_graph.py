"""A picture of the strongest edges: regulators in the middle, their targets on either side.

The layout is a layered drawing in which each column is sorted by the mean position of its
neighbours, a few times over, so that lines cross little. It is deterministic.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from niwaki.report._edges import Edge, EdgeSummary
from niwaki.report._format import clean, number, probability, shorten
from niwaki.report._svg import Point, dot, drawing, element, group, text

EDGES = 60
REGULATORS = 14
LOST = 12
WIDTH = 820.0
ROW = 21.0
PILL = 122.0
SIDE = 122.0  # room for target names on either side [px]
TOP = 22.0
SWEEPS = 6


def network_figure(edges: EdgeSummary) -> Markup | None:
    """Return the drawing of the strongest edges among the main regulators; None without edges."""
    shown = picked_edges(edges)
    if not shown:
        return None
    layout = arrange(shown)
    strongest = max(abs(e.weight) for e in shown) or 1.0
    parts = [_markers()]
    parts.append(group([_edge(layout, e, strongest) for e in reversed(shown)], class_="edges"))
    parts.append(group([_regulator(layout, name) for name in layout.regulators], class_="hubs"))
    parts.append(group([_target(layout, name) for name in layout.targets], class_="leaves"))
    label = (
        f"Network picture: {len(shown)} edges from {len(layout.regulators)} regulators to "
        f"{len(layout.targets)} targets; the table below lists them"
    )
    return drawing(
        parts, size=(WIDTH, layout.height), label=label, role="group", class_="plot network"
    )


def picked_edges(edges: EdgeSummary) -> list[Edge]:
    """Return the strongest edges of the main regulators, then lost edges between the same genes.

    The main regulators are those with the largest summed strength among the strongest edges.
    """
    strength: dict[str, float] = defaultdict(float)
    for edge in edges.strongest:
        strength[edge.source] += abs(edge.weight)
    main = set(sorted(strength, key=lambda name: (-strength[name], name))[:REGULATORS])
    present = [edge for edge in edges.strongest if edge.source in main][:EDGES]
    sources, targets = {e.source for e in present}, {e.target for e in present}
    lost = [e for e in edges.lost if e.source in sources and e.target in targets]
    return present + lost[:LOST]


def arrange(edges: Sequence[Edge]) -> "Layout":
    """Return places for regulators (one column) and targets (two columns) with few crossings."""
    targets_of: dict[str, list[str]] = defaultdict(list)
    sources_of: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        targets_of[edge.source].append(edge.target)
        sources_of[edge.target].append(edge.source)
    regulators = sorted(targets_of, key=lambda name: (-len(targets_of[name]), name))
    targets = sorted(sources_of)
    for _ in range(SWEEPS):
        targets = _sorted_by_mean(targets, sources_of, regulators)
        regulators = _sorted_by_mean(regulators, targets_of, targets)
    targets = _sorted_by_mean(targets, sources_of, regulators)
    left, right = targets[0::2], targets[1::2]
    height = 2 * TOP + ROW * max(len(left), 1.6 * len(regulators))
    return Layout(
        height,
        _column(regulators, WIDTH / 2, height),
        {**_column(left, SIDE, height), **_column(right, WIDTH - SIDE, height)},
        {name: str(i) for i, name in enumerate(sorted({*regulators, *targets}))},
    )


def _sorted_by_mean(
    names: Sequence[str], neighbours: Mapping[str, Sequence[str]], others: Sequence[str]
) -> list[str]:
    place = {name: (i + 0.5) / len(others) for i, name in enumerate(others)}
    mean = {n: sum(place[m] for m in neighbours[n]) / len(neighbours[n]) for n in names}
    return sorted(names, key=lambda name: (mean[name], name))


def _column(names: Sequence[str], x: float, height: float) -> dict[str, Point]:
    step = (height - 2 * TOP) / max(len(names), 1)
    return {name: (x, TOP + (i + 0.5) * step) for i, name in enumerate(names)}


def _edge(layout: "Layout", edge: Edge, strongest: float) -> Markup:
    x, y = layout.regulators[edge.source]
    u, v = layout.targets[edge.target]
    side = 1.0 if u > x else -1.0
    start, end = x + side * PILL / 2, u - side * 9
    middle = (start + end) / 2
    sign = "gone" if not edge.present else ("up" if edge.activates else "down")
    verb = {"gone": "regulated (prior only)", "up": "activates", "down": "represses"}[sign]
    title = f"{edge.source} {verb} {edge.target}; {edge.status}"
    if edge.present:
        title += f", strength {number(edge.weight)}"
    if edge.probability is not None:
        title += f", probability {probability(edge.probability)}"
    return element(
        "path",
        element("title", title),
        d=f"M{start:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {v:.1f} {end:.1f} {v:.1f}",
        class_=f"edge {sign} {edge.status}",
        stroke_width=0.8 + 2.6 * abs(edge.weight) / strongest if edge.present else 1.0,
        marker_end=f"url(#end-{sign})" if edge.present else None,
        data_s=layout.numbers[edge.source],
        data_t=layout.numbers[edge.target],
    )


def _regulator(layout: "Layout", name: str) -> Markup:
    x, y = layout.regulators[name]
    box = element("rect", x=x - PILL / 2, y=y - 12, width=PILL, height=24.0, rx=12.0, class_="pill")
    label = text((x, y + 4.5), shorten(clean(name), 15), class_="hub-name mid")
    return group(
        [element("title", name), box, label], class_="node hub", data_n=layout.numbers[name]
    )


def _target(layout: "Layout", name: str) -> Markup:
    x, y = layout.targets[name]
    left = x < WIDTH / 2
    place = (x - 9 if left else x + 9, y + 4)
    label = text(place, shorten(clean(name), 15), class_="leaf-name end" if left else "leaf-name")
    return group(
        [element("title", name), dot((x, y), 3.2, class_="leaf"), label],
        class_="node",
        data_n=layout.numbers[name],
    )


def _markers() -> Markup:
    """Return the line ends that biologists expect: an arrow activates, a bar represses."""
    common: dict[str, str | float] = {
        "markerUnits": "userSpaceOnUse",
        "markerWidth": 10.0,
        "markerHeight": 12.0,
        "orient": "auto",
        "refX": 6.0,
        "refY": 6.0,
    }
    arrow = element("path", d="M0 2L8 6L0 10Z", class_="head up")
    bar = element("path", d="M6 1V11", class_="head down")
    return element(
        "defs",
        element("marker", arrow, id="end-up", **common),
        element("marker", bar, id="end-down", **common),
    )


@dataclass(frozen=True)
class Layout:
    """Where each regulator and each target stands; a gene that is both stands twice.

    `numbers` gives each gene one number for its two places.
    """

    height: float
    regulators: dict[str, Point]
    targets: dict[str, Point]
    numbers: dict[str, str]
