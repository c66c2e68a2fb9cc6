"""Contributions beside edges: the figure, the tables and the sentences of the report."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from niwaki.core import AttributedPair, AttributedRegulator, AttributionSummary, RunRecord
from niwaki.report._format import ABSENT, count, number, plural, share, shorten
from niwaki.report._svg import dot, drawing, element, line, log_limits, panel, spread, text
from niwaki.report._tables import Row, Table

_SIZE = (460.0, 360.0)
_LABELLED, _TOP = 8, 20
_BAR, _GAP, _NAME, _NUMBER = 15.0, 7.0, 150.0, 64.0


def attribution_words(record: RunRecord) -> list[str]:
    """Return what was measured and where it departs from the edges, in sentences."""
    found = record.attribution
    if found is None:
        return []
    from_what = (
        "from zero, where the field is homogeneous and one gradient is exact"
        if found.degree is not None
        else "from the mean state, by integrated gradients"
    )
    sentences = [
        f"A contribution says how much a regulator's level changes a target's rate of change, "
        f"averaged over {plural(found.states, 'observed state')}; it counts {from_what}. A gene's "
        "own decay is left out. Together the contributions miss "
        f"{_gap(found.gap)} of the rates that they explain.",
        f"Of the {count(found.compared)} strongest pairs by edge weight, "
        f"{count(found.shared)} are also among the {count(found.compared)} with the largest "
        f"contributions; of the {count(found.regulators_compared)} strongest regulators "
        f"{count(found.regulators_shared)}.",
    ]
    if found.only_by_edge or found.only_by_attribution:
        sentences.append(
            "Where they disagree, a strong edge with a small contribution starts at a gene that "
            "hardly varied here, and a weak edge with a large one at a gene that varied much: the "
            "first is a claim about an experiment that was not made, the second about this one."
        )
    return sentences


def _gap(gap: float) -> str:
    return "less than 0.1\u00a0%" if gap < 0.001 else share(gap, 1)


def attribution_figure(record: RunRecord) -> Markup | None:
    """Return every leading regulator by strength of its edges and by its contribution."""
    found = record.attribution
    shown = [] if found is None else [r for r in found.regulators if r.strength > 0]
    if len(shown) < 2:
        return None
    strength, size = [r.strength for r in shown], [r.contribution for r in shown]
    area = panel(
        _SIZE,
        log_limits(strength),
        log_limits(size),
        margins=(34.0, 24.0, 46.0, 62.0),
        log=(True, True),
    )
    points = area.at(strength, size)
    parts = [area.axes("strength of its edges (per time unit)", "contribution")]
    parts += [
        dot(point, 4.0, title=_title(r), class_="mark c3")
        for r, point in zip(shown, points, strict=True)
    ]
    chosen = sorted(range(len(shown)), key=lambda i: -_distance(shown[i], i))[:_LABELLED]
    ys = spread([points[i][1] for i in chosen], 14.0, area.y.end, area.y.start)
    for i, y in zip(chosen, ys, strict=True):
        x = points[i][0]
        far = x > (area.x.start + 2 * area.x.end) / 3
        place = (x - 8 if far else x + 8, y + 4)
        parts.append(text(place, shorten(shown[i].gene, 18), class_="note end" if far else "note"))
    return drawing(parts, size=_SIZE, label="Contribution of regulators against edge strength")


def _distance(row: AttributedRegulator, place: int) -> float:
    """Return how worth a name a regulator is: the first ones, and those whose ranks differ."""
    apart = abs(math.log((row.strength_rank or 1) / row.rank))
    return apart + (2.0 if place < 3 else 0.0)


def _title(row: AttributedRegulator) -> str:
    return (
        f"{row.gene}: contribution {number(row.contribution)} (rank {row.rank}), edge strength "
        f"{number(row.strength)} (rank {row.strength_rank or ABSENT})"
    )


def attribution_tables(record: RunRecord) -> list[Table]:
    """Return the regulators by both measures, and the pairs that stand in one list only."""
    found = record.attribution
    if found is None:
        return []
    return [_regulator_table(found), *_pair_tables(found)]


def _regulator_table(found: AttributionSummary) -> Table:
    rows = [
        Row(
            [
                r.gene,
                number(r.contribution),
                share(r.share),
                str(r.rank),
                number(r.strength),
                ABSENT if r.strength_rank is None else str(r.strength_rank),
            ]
        )
        for r in found.regulators[:_TOP]
    ]
    names = "regulator|contribution|share|rank|edge strength|rank by edges"
    return Table("Regulators by contribution, with their edges beside", names.split("|"), rows)


def _pair_tables(found: AttributionSummary) -> list[Table]:
    named = (
        ("Strong edges with a small contribution", found.only_by_edge),
        ("Large contributions of weak edges, or of none", found.only_by_attribution),
    )
    columns = "regulator|target|contribution|rank|slope here|edge weight|rank by weight".split("|")
    return [
        Table(title, columns, [Row(_pair_cells(p)) for p in pairs], words=2)
        for title, pairs in named
        if pairs
    ]


def _pair_cells(pair: AttributedPair) -> list[str]:
    return [
        pair.source,
        pair.target,
        number(pair.size),
        ABSENT if pair.rank is None else count(pair.rank),
        number(pair.slope),
        number(pair.weight),
        ABSENT if pair.weight_rank is None else count(pair.weight_rank),
    ]


def bars_figure(title: str, rows: Sequence[tuple[str, float]], unit: str) -> Markup:
    """Return signed bars, one per named contribution, in the order given.

    Parameters
    ----------
    title
        Above the bars.
    rows
        Name and contribution.
    unit
        What the bars measure, at the axis.
    """
    width, top = 520.0, 44.0
    height = top + len(rows) * (_BAR + _GAP) + 34.0
    values = [value for _, value in rows]
    low, high = min([0.0, *values]), max([0.0, *values])
    left = _NAME + (_NUMBER if low < 0 else 0.0)
    scale = (width - left - _NUMBER) / ((high - low) or 1.0)
    zero = left - low * scale
    parts = [text((0.0, 18.0), shorten(title, 70), class_="direct")]
    for place, (name, value) in enumerate(rows):
        y = top + place * (_BAR + _GAP)
        start, end = sorted((zero, zero + value * scale))
        class_ = "fill-up" if value >= 0 else "fill-down"
        parts.append(
            element("rect", x=start, y=y, width=max(end - start, 0.5), height=_BAR, class_=class_)
        )
        parts.append(text((_NAME - 8, y + 12), shorten(name, 22), class_="end"))
        side = (end + 5, "tick") if value >= 0 else (start - 5, "tick end")
        parts.append(text((side[0], y + 12), number(value), class_=side[1]))
    base = top + len(rows) * (_BAR + _GAP)
    parts.append(line((zero, top - 6), (zero, base), class_="axis"))
    parts.append(text((width, base + 20), unit, class_="label end"))
    return drawing(parts, size=(width, height), label=title)
