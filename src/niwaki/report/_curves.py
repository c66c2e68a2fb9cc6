"""Small multiples of observed and predicted expression."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from niwaki.core import GeneCurve, RunRecord
from niwaki.report._format import is_number, number
from niwaki.report._svg import dot, drawing, group, limits, panel, polyline

SIZE = (300.0, 176.0)
MARGINS = (14.0, 10.0, 26.0, 42.0)
MOST_GENES = 24
MOST_TRAJECTORIES = 4


def gene_panels(record: RunRecord) -> list["GenePanel"]:
    """Return one panel per gene, in the order of the record, at most `MOST_GENES`."""
    genes = list(dict.fromkeys(curve.gene for curve in record.curves))[:MOST_GENES]
    colours = {name: i for i, name in enumerate(shown_trajectories(record))}
    return [
        GenePanel(
            gene,
            _draw(
                [c for c in record.curves if c.gene == gene and c.trajectory in colours], colours
            ),
        )
        for gene in genes
    ]


def shown_trajectories(record: RunRecord) -> dict[str, bool]:
    """Return the trajectories drawn, held-out ones first, and whether each was held out."""
    held_out = {curve.trajectory: curve.held_out for curve in record.curves}
    names = sorted(held_out, key=lambda name: not held_out[name])  # stable: record order within
    return {name: held_out[name] for name in names[:MOST_TRAJECTORIES]}


def _draw(curves: Sequence[GeneCurve], colours: dict[str, int]) -> Markup:
    times = [t for c in curves for t in (*c.times, *c.predicted_times)]
    values = [v for c in curves for v in (*c.observed, *c.predicted)]
    area = panel(SIZE, limits(times, pad=0.02), limits(values), margins=MARGINS)
    parts = [area.axes("", "", counts=(3, 3))]
    for curve in curves:
        hue = f"c{1 + colours[curve.trajectory]}"
        parts.append(
            polyline(area.at(curve.predicted_times, curve.predicted), class_=f"curve {hue}")
        )
        points = area.at(curve.times, curve.observed)
        dots = [
            dot(
                point,
                2.7,
                title=f"{curve.trajectory}, time {number(t)}: observed {number(v)}",
                class_=f"mark {hue}" + ("" if curve.held_out else " hollow"),
            )
            for point, t, v in zip(points, curve.times, curve.observed, strict=True)
            if is_number(point[1])
        ]
        parts.append(group(dots))
    gene = curves[0].gene if curves else ""
    return drawing(parts, size=SIZE, label=f"Observed and predicted expression of {gene} over time")


@dataclass(frozen=True)
class GenePanel:
    """One gene and the drawing of its trajectories."""

    gene: str
    svg: Markup
