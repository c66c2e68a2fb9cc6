"""The page and the model card, put together from templates."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from niwaki.core import RunFolderError, RunRecord, write_atomic
from niwaki.report._attribution import (
    attribution_figure,
    attribution_tables,
    attribution_words,
)
from niwaki.report._curves import gene_panels, shown_trajectories
from niwaki.report._edges import (
    STATUSES,
    WEIGHED_STATUSES,
    EdgeSummary,
    read_edges,
    read_metrics,
)
from niwaki.report._figures import edges_figure, loss_figure, scores_figure, training_figure
from niwaki.report._format import clean, count, number, plural, probability, share, short
from niwaki.report._graph import network_figure
from niwaki.report._headline import headline, rule_words, scores_shown
from niwaki.report._motifs import motif_figure, motif_table, motif_words
from niwaki.report._summary import key_numbers
from niwaki.report._tables import (
    arm_table,
    forecast_table,
    input_table,
    path_table,
    regulator_rows,
    score_table,
)

REPORT = "report.html"
MODEL_CARD = "MODEL_CARD.md"


def build_report(folder: Path) -> str:
    """Return the report on the run in `folder` as one HTML page that needs no network.

    It reads ``record.json``, ``network.tsv`` and, if present, ``metrics.jsonl``. The same folder
    always gives the same page.

    Raises
    ------
    RunFolderError
        If one of the files is missing, damaged or of another version.
    """
    record = _record(folder)
    edges = read_edges(folder / "network.tsv")
    style, script = static_file("report.css"), static_file("report.js")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            record=record,
            headline=headline(record),
            rule=rule_words(record),
            key_numbers=key_numbers(record),
            hints=_hints(record),
            figures=_figures(record, folder),
            attribution_words=attribution_words(record),
            attribution_tables=attribution_tables(record),
            panels=gene_panels(record),
            trajectories=shown_trajectories(record),
            network=network_figure(edges),
            edges=edges,
            statuses=STATUSES if record.evidence is None else WEIGHED_STATUSES,
            listing=_listing(record, edges),
            motif_words=motif_words(record.motifs) if record.motifs else [],
            motif_table=motif_table(record.motifs) if record.motifs else None,
            **_tables(record),
            style=Markup(style),  # ours, from the package
            script=Markup(script),
            policy=page_policy(style, script),
        )
    )


def write_report(folder: Path) -> Path:
    """Write ``report.html`` and ``MODEL_CARD.md`` into the run folder; return the page's path.

    Each file is written whole or not at all.

    Raises
    ------
    RunFolderError
        If the folder does not hold a finished run.
    StorageError
        If the page cannot be written.
    """
    path = folder / REPORT
    write_atomic(path, build_report(folder))
    write_atomic(folder / MODEL_CARD, model_card(_record(folder)))
    return path


def load_figures(folder: Path) -> dict[str, Markup]:
    """Return every figure of a finished run by name; raises as `build_report` does."""
    record = _record(folder)
    figures = _figures(record, folder)
    figures["network"] = network_figure(read_edges(folder / "network.tsv"))
    return {name: figure for name, figure in figures.items() if figure is not None}


def model_card(record: RunRecord) -> str:
    """Return ``MODEL_CARD.md``: what the model is, how good it is, and what it is not for."""
    environment = Environment(
        loader=PackageLoader("niwaki.report"),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown: `_markdown` escapes every value instead
        finalize=_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(_FILTERS)
    return environment.get_template("model_card.md.j2").render(
        record=record, headline=headline(record), hints=_hints(record), **_tables(record)
    )


def _record(folder: Path) -> RunRecord:
    path = folder / "record.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RunFolderError(
            f"{path} cannot be read ({reason}); give the folder of a finished `niwaki fit`."
        ) from error
    return RunRecord.from_json(text, where=str(path))


def _tables(record: RunRecord) -> dict[str, Any]:
    return {
        "path_table": path_table(record),
        "regulators": regulator_rows(record),
        "score_table": score_table(record) if scores_shown(record) else None,
        "forecast_table": forecast_table(record),
        "arm_table": arm_table(record),
        "input_table": input_table(record),
    }


def _figures(record: RunRecord, folder: Path) -> dict[str, Markup | None]:
    trained = record.evidence is None  # a search in closed form has no training to show
    epochs = read_metrics(folder / "metrics.jsonl") if trained else []
    return {
        "loss": loss_figure(record) if record.path else None,
        "edges": edges_figure(record) if record.path else None,
        "scores": scores_figure(record) if record.path else None,
        "training": training_figure(epochs) if epochs else None,
        "motifs": motif_figure(record.motifs.rows) if record.motifs else None,
        "attribution": attribution_figure(record),
    }


def _listing(record: RunRecord, edges: EdgeSummary) -> str:
    """Return how much of the network the table shows, and where the rest is."""
    shown = (
        f"Showing the strongest {count(len(edges.strongest))} of "
        f"{plural(record.edges_total, 'edge')}"
    )
    if edges.lost:
        fate = "were removed" if record.evidence is None else "it lacks"
        shown += f" and {count(len(edges.lost))} of {count(edges.absent)} prior edges that {fate}"
    if record.edges_written < record.edges_total:
        return f"{shown}; the strongest {count(record.edges_written)} are in network.tsv."
    return shown + "; all are in network.tsv."


def _hints(record: RunRecord) -> list[str]:
    """Return the warnings of the run, then the hints of the alignment reports, without repeats."""
    reports = (record.prior, record.ppi, record.reference)
    hints = [hint for report in reports if report is not None for hint in report.hints]
    return list(dict.fromkeys([*record.warnings, *hints]))


@cache
def environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("niwaki.report"),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment


def static_file(name: str) -> str:
    """Return a style or script of the package."""
    return (files("niwaki.report") / "static" / name).read_text(encoding="utf-8")


def page_policy(style: str, script: str) -> str:
    """Return a content policy that allows our style and script, by hash, and nothing else."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _visible(value: object) -> object:
    """Make control characters in names visible; what is marked as safe is ours."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _markdown(value: object) -> object:
    """Escape what Markdown or HTML would read as markup."""
    if not isinstance(value, str):
        return value
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", clean(value).replace("&", "&amp;"))


_FILTERS = {
    "count": count,
    "number": number,
    "plural": plural,
    "probability": probability,
    "share": share,
    "short": short,
}
