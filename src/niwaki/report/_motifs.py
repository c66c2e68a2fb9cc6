"""Motifs and their significance: a table, a figure, and words."""

from collections.abc import Sequence

from markupsafe import Markup

from niwaki.core import MotifRow, MotifSummary
from niwaki.report._format import ABSENT, clean, count, number, plural
from niwaki.report._svg import dot, drawing, limits, line, panel, text
from niwaki.report._tables import Row, Table

NULLS = {
    "uniform": "as many edges, anywhere",
    "degree": "the degrees of every node",
    "min-degree": "at least one edge per node",
    "signs": "the same edges, signs shuffled",
}
_SURE = 0.05  # false discovery rate below which a motif is called
_ROW, _LEFT, _WIDTH = 21.0, 190.0, 640.0


def motif_table(summary: MotifSummary) -> Table:
    """Return one row per motif and null."""
    rows = [
        Row(
            [
                clean(row.motif.replace("_", " ")),
                row.pattern,
                row.null,
                count(row.observed),
                number(row.mean),
                "fixed" if row.fixed else number(row.z),
                number(row.ratio),
                number(row.p) if row.p is not None else ABSENT,
                number(row.q) if row.q is not None else ABSENT,
            ],
            strong=row.q is not None and row.q <= _SURE,
        )
        for row in summary.rows
        if row.observed or row.mean
    ]
    names = "motif|pattern|null|observed|expected|z|ratio|p|false discovery rate"
    return Table("Motifs against random networks", names.split("|"), rows, words=3)


def motif_words(summary: MotifSummary) -> list[str]:
    """Return what stands out, one sentence per null."""
    sentences = []
    for null in dict.fromkeys(row.null for row in summary.rows):
        rows = [r for r in summary.rows if r.null == null and not r.fixed]
        called = [r for r in rows if r.q is not None and r.q <= _SURE]
        more = [r.motif.replace("_", " ") for r in called if (r.z or 0) > 0]
        fewer = [r.motif.replace("_", " ") for r in called if (r.z or 0) < 0]
        if not rows:
            sentences.append(
                f"Every random network with {NULLS[null]} has the same motifs: this null fixes all."
            )
            continue
        parts = [f"more often: {', '.join(more)}"] if more else []
        parts += [f"less often: {', '.join(fewer)}"] if fewer else []
        found = "; ".join(parts) if parts else "nothing stands out"
        sentences.append(
            f"Against random networks with {NULLS[null]} ({plural(len(rows), 'motif')} free): "
            f"{found}{_too_few(rows, summary.samples)}."
        )
    return sentences


def _too_few(rows: Sequence[MotifRow], samples: int) -> str:
    """Return a warning where even the smallest p-value of a sample cannot be called."""
    sampled = [row for row in rows if not row.exact]
    if not sampled or 2 / (samples + 1) * len(sampled) <= _SURE:
        return ""
    return f" ({samples} random networks are too few to call a single motif; take more)"


def motif_figure(rows: Sequence[MotifRow]) -> Markup | None:
    """Return z of every motif under every null, side by side; None where every null fixes all."""
    shown = list(dict.fromkeys(r.motif for r in rows if r.z is not None))
    nulls = list(dict.fromkeys(r.null for r in rows))
    if not shown:
        return None
    height = 96.0 + _ROW * len(shown)
    found = {(r.motif, r.null): r for r in rows}
    names = {r.motif: _name(r) for r in rows}
    values = [r.z for r in rows if r.z is not None]
    area = panel(
        (_WIDTH, height),
        limits([*values, -2.5, 2.5]),
        (float(len(shown)) - 0.5, -0.5),
        margins=(50.0, 20.0, 46.0, _LEFT),
    )
    # the first motif stands on top
    base, top = area.y.start, area.y.end
    parts = [line((area.x.start, base), (area.x.end, base), class_="axis")]
    for tick in area.x.ticks(7):
        x = area.x(tick)
        parts.append(line((x, base), (x, base + 4), class_="axis"))
        parts.append(text((x, base + 17), number(tick, 2) if tick else "0", class_="tick mid"))
    for edge in (-1.96, 0.0, 1.96):
        kind = "axis" if edge == 0 else "rule"
        parts.append(line((area.x(edge), top), (area.x(edge), base), class_=kind))
    parts.append(text((area.x.end, base + 35), "z (deviations from random)", class_="label end"))
    for i, motif in enumerate(shown):
        y = area.y(float(i))
        parts.append(line((area.x.start, y), (area.x.end, y), class_="rule"))
        parts.append(text((_LEFT - 10, y + 4), names[motif], class_="tick end"))
        for k, null in enumerate(nulls, start=1):
            row = found.get((motif, null))
            if row is not None and row.z is not None:
                title = f"{motif} ({row.pattern}), {null}: z {number(row.z)}"
                parts.append(dot((area.x(row.z), y), 4.2, title=title, class_=f"mark c{k}"))
    parts += _legend(nulls)
    return drawing(parts, size=(_WIDTH, height), label="Motifs against random networks")


def _name(row: MotifRow) -> str:
    """Return a motif's name; the codes of triads with their pattern."""
    plain = row.motif.replace("_", " ")
    return f"{plain}  {row.pattern}" if plain[0].isdigit() else plain


def _legend(nulls: Sequence[str]) -> list[Markup]:
    parts = []
    for k, null in enumerate(nulls, start=1):
        x, y = _LEFT + 225.0 * ((k - 1) % 2), 14.0 + 18.0 * ((k - 1) // 2)
        parts.append(dot((x, y - 4), 4.2, title=NULLS[null], class_=f"mark c{k}"))
        parts.append(text((x + 9, y), NULLS[null], class_=f"direct c{k}"))
    return parts
