"""A benchmark table as Markdown and as one self-contained HTML page."""

import html
import math
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from niwaki.core import write_atomic
from niwaki.sweep._table import TableRow

_COLUMNS = {
    "sparsity": "sparsity",
    "balanced acc.": "balanced_accuracy",
    "precision": "precision",
    "recall": "recall",
    "F1": "f1",
    "edges": "edges",
    "missing found": "missing_found",
    "false rejected": "false_rejected",
    "one step": "one_step_mse",
    "roll-out": "rollout_mse",
    "epochs": "epochs",
    "CPU s": "cpu_seconds",
}
_TITLES = {
    "main": "SIM350: all methods",
    "corruption": "SIM350, noise 0.025: how much of the prior is wrong",
    "mlp": "SIM350, noise 0.025: a plain two-layer field instead of PHOENIX",
    "breast500": "Breast cancer, 500 genes, pairs of the regulators that ChIP covers",
    "hema-b": "Haematopoiesis, B cells, 529 genes: scored against the prior itself",
    "yeast500": "Yeast cell cycle, 500 genes: scored against the prior itself",
}
_STOPPED = "Runs that ended without a network"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:112rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.5rem 0 2rem}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd}
p{max-width:60rem}td{white-space:nowrap}th:first-child,td:first-child{text-align:left}
.scroll{overflow-x:auto}
code{background:#f3f3f3;padding:.1rem .3rem}
"""


def write_table(
    rows: Sequence[TableRow],
    folder: Path,
    *,
    command: str,
    missing: int = 0,
    stopped: Sequence[str] = (),
) -> Path:
    """Write ``table.md`` and ``table.html`` and return the path of the first.

    Numbers are means over seeds, with the standard deviation where there are several.

    Parameters
    ----------
    rows
        From `collect_table`.
    folder
        Where to write.
    command
        What makes the table.
    missing
        Runs that are not done (count).
    stopped
        What `stopped_runs` says: runs that are done but have no rows.
    """
    sections = _sections(rows)
    path = folder / "table.md"
    notes = _notes(command, missing)
    ends = [problem.partition(";")[0] for problem in stopped]  # without the advice
    write_atomic(path, _markdown(sections, notes, ends))
    write_atomic(folder / "table.html", _html(sections, notes, ends))
    return path


Section = tuple[str, list[list[str]]]


def _sections(rows: Sequence[TableRow]) -> list[Section]:
    """Return title and cells of each part, header first."""
    parts: dict[tuple[str, float | None], list[TableRow]] = defaultdict(list)
    for row in rows:
        parts[row.section, row.row.noise if row.section == "main" else None].append(row)
    found = []
    for (section, noise), members in parts.items():
        title = _TITLES.get(section, section)
        found.append((title if noise is None else f"{title}, noise {noise:g}", _cells(members)))
    return found


def _cells(rows: Sequence[TableRow]) -> list[list[str]]:
    """Return the cells of one part: a line per method, or per method and corruption."""
    groups: dict[tuple[str, float | None], list[TableRow]] = defaultdict(list)
    for row in rows:
        groups[row.row.method, row.moved].append(row)
    corrupted = any(row.moved is not None for row in rows)
    head = ["method", *(["prior wrong"] if corrupted else []), *_COLUMNS, "published", "seeds"]
    lines = [head]
    for (method, moved), members in groups.items():
        values = [
            _mean([getattr(m.row, name) for m in members], name) for name in _COLUMNS.values()
        ]
        published = next((m.row.published for m in members if m.row.published), None)
        given = ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in (published or {}).items())
        share = [f"{moved:.0%}" if moved is not None else ""] if corrupted else []
        lines.append([method, *share, *values, given, str(len(members))])
    return lines


def _mean(values: Sequence[float | int | None], name: str) -> str:
    """Return the mean over seeds, and their spread."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known:
        return "-"
    mean = sum(known) / len(known)
    spread = math.sqrt(sum((v - mean) ** 2 for v in known) / max(1, len(known) - 1))
    if name.endswith("mse"):
        shape = "{:.2g}"
    elif name in {"edges", "epochs", "cpu_seconds"}:
        shape = "{:,.0f}"
    else:
        shape = "{:.3f}"
    text = shape.format(mean)
    return text if len(known) == 1 else f"{text} ± {shape.format(spread)}"


def _notes(command: str, missing: int) -> list[str]:
    notes = [
        f"Made by `{command}`.",
        "Every method sees the same pairs of observations, has the same most epochs, and is tried "
        "with up to three settings; of these counts the sparsest whose held-out loss is within 2 % "
        "of its best. CPU seconds are of that one run. Means over seeds, ± standard deviation.",
        "`prior alone` is the network that the methods are given.",
    ]
    if missing:
        notes.append(f"{missing} runs are not done; the same command continues with them.")
    return notes


def _markdown(sections: Sequence[Section], notes: Sequence[str], stopped: Sequence[str]) -> str:
    lines = ["# Benchmark table", ""]
    for note in notes:
        lines += [*_wrapped(note), ""]
    for title, cells in sections:
        lines += [f"## {title}", ""]
        lines.append("| " + " | ".join(cells[0]) + " |")
        lines.append("|---" * len(cells[0]) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in cells[1:]]
        lines.append("")
    if stopped:
        lines += [f"## {_STOPPED}", ""]
        for problem in stopped:
            lines += _wrapped(problem, first="- ", rest="  ")
        lines.append("")
    return "\n".join(lines)


def _wrapped(text: str, *, first: str = "", rest: str = "") -> list[str]:
    """Return the lines of a paragraph, or of an item of a list."""
    return textwrap.wrap(
        text,
        width=110,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _html(sections: Sequence[Section], notes: Sequence[str], stopped: Sequence[str]) -> str:
    body = ["<h1>Benchmark table</h1>"]
    for note in notes:
        parts = html.escape(note).split("`")
        marked = "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
        body.append(f"<p>{marked}</p>")
    for title, cells in sections:
        body.append(f"<h2>{html.escape(title)}</h2><div class='scroll'><table><thead><tr>")
        body += [f"<th>{html.escape(name)}</th>" for name in cells[0]]
        body.append("</tr></thead><tbody>")
        for row in cells[1:]:
            body.append("<tr>" + "".join(f"<td>{html.escape(v)}</td>" for v in row) + "</tr>")
        body.append("</tbody></table></div>")
    if stopped:
        items = "".join(f"<li>{html.escape(problem)}</li>" for problem in stopped)
        body.append(f"<h2>{_STOPPED}</h2><ul>{items}</ul>")
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<title>Benchmark table</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
