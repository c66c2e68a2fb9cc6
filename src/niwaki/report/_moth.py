"""The page of the moth study: one offline HTML file and the same tables as Markdown."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from niwaki.core import MothMotif, MothStageRow, MothStudy, write_atomic
from niwaki.report._format import ABSENT, count, number, plural, share
from niwaki.report._moth_figures import (
    convergence_figure,
    error_figure,
    inputs_figure,
    significance_figure,
)
from niwaki.report._page import REPORT, environment, page_policy, static_file
from niwaki.report._tables import Row, Table

_AIM = 1e-3  # mean squared error up to which a network is good enough (squared scaled units)
_NEAR = 0.1  # a published mean counts as met within this share
_LATE = 0.93
_NULLS = {"uniform": "edges per block kept", "degree": "degrees kept"}


def write_moth_report(folder: Path, study: MothStudy, *, command: str) -> Path:
    """Write ``report.html`` and ``report.md`` of a moth study; return the path of the first.

    Parameters
    ----------
    folder
        Where to write.
    study
        Finished or not.
    command
        What makes and continues it.

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    path = folder / REPORT
    write_atomic(folder / "report.md", moth_markdown(study, command=command))
    write_atomic(path, build_moth_report(study, command=command))
    return path


def build_moth_report(study: MothStudy, *, command: str) -> str:
    """Return the page; the same study always gives the same page."""
    style = static_file("report.css")
    return (
        environment()
        .get_template("moth.html.j2")
        .render(
            study=study,
            command=command,
            headline=moth_words(study),
            tables=moth_tables(study),
            figures={
                "error": error_figure(study),
                "convergence": convergence_figure(study),
                "inputs": inputs_figure(study),
                **{null: significance_figure(study, null) for null in _NULLS},
            },
            style=Markup(style),  # ours, from the package
            policy=page_policy(style, ""),
        )
    )


def moth_markdown(study: MothStudy, *, command: str) -> str:
    """Return words and tables of a study as Markdown."""
    lines = ["# Moth study", "", f"Made by `{command}`.", ""]
    for sentence in [*moth_words(study), *study.notes]:
        lines += [sentence, ""]
    for table in moth_tables(study):
        lines += [f"## {table.caption}", "", "| " + " | ".join(table.columns) + " |"]
        lines.append("|---" * len(table.columns) + "|")
        lines += ["| " + " | ".join(row.cells) + " |" for row in table.rows]
        lines.append("")
    return "\n".join(lines)


def moth_words(study: MothStudy) -> list[str]:
    """Return what the study says so far, a sentence per question."""
    words = [] if not study.quick else ["Quick form: few updates; the numbers mean nothing."]
    if not study.finished:
        last = max(s.sparsity for s in study.stages)
        words.append(
            f"The study is not finished: {plural(study.networks, 'network')}, the furthest at "
            f"{last:.0%} sparsity. Rows of later stages hold fewer networks."
        )
    return [*words, *_error_words(study), *_convergence_words(study), *_input_words(study)]


def _error_words(study: MothStudy) -> list[str]:
    chosen = [row for row in study.rows if row.selected]
    words = []
    if chosen:
        places = sorted(row.sparsity for row in chosen)
        words.append(
            f"{len(chosen)} of {plural(study.networks, 'network')} have a stage with an error of "
            f"at most 0.001; the sparsest such stages lie from {places[0]:.0%} to {places[-1]:.0%}."
        )
    steps = list(zip(study.stages, study.stages[1:], strict=False))
    late = [(a, b) for a, b in steps if a.sparsity >= 0.9]
    if late:
        a, b = max(late, key=lambda pair: pair[1].mse / pair[0].mse)
        words.append(
            f"From 90 % on, the median error rises most between {a.sparsity:.0%} and "
            f"{b.sparsity:.0%}: from {number(a.mse)} to {number(b.mse)}."
        )
    return words


def _convergence_words(study: MothStudy) -> list[str]:
    words = []
    for null, name in _NULLS.items():
        known = [(s, c) for s in study.stages if (c := s.cosine.get(null)) is not None]
        if known:
            (first, low), (last, high) = known[0], known[-1]
            words.append(
                f"With {name}, the mean cosine between motif profiles of two networks goes from "
                f"{low:.2f} at {first.sparsity:.0%} to {high:.2f} at {last.sparsity:.0%} "
                f"({plural(last.networks, 'network')})."
            )
    return words


def _input_words(study: MothStudy) -> list[str]:
    late = [s for s in study.stages if s.sparsity <= _LATE + 1e-9]
    gone = [name for name, kept in late[-1].inputs.items() if kept < 0.01]
    if not gone or late[-1].sparsity < 0.9:
        return []
    return [f"At {late[-1].sparsity:.0%} nearly all edges are gone of {' and '.join(gone)}."]


def moth_tables(study: MothStudy) -> list[Table]:
    """Return every table of a study."""
    tables = [_stage_table(study.stages)]
    if study.published:
        tables.append(_published_table(study))
    tables += [_motif_table(study.stages, null) for null in _NULLS]
    tables.append(_late_table(study.stages))
    tables.append(_input_table(study.stages))
    chosen = [row for row in study.rows if row.selected]
    if chosen:
        columns = "network|sparsity|effective|error|edges|live nodes per layer"
        rows = [
            Row(
                [
                    str(r.network),
                    share(r.sparsity, 0),
                    share(r.effective_sparsity),
                    number(r.mse),
                    count(r.edges),
                    " ".join(map(str, r.live)),
                ]
            )
            for r in chosen
        ]
        title = "Sparsest stage of each network with an error of at most 0.001"
        tables.append(Table(title, columns.split("|"), rows))
    return tables


def _stage_table(stages: Sequence[MothStageRow]) -> Table:
    columns = (
        "sparsity|networks|median error|lowest|highest|effective sparsity|live edges|live nodes|"
        "cosine, edges kept|cosine, degrees kept|coherent diamonds|CPU s per network"
    )
    rows = [
        Row(
            [
                share(s.sparsity, 0),
                str(s.networks),
                number(s.mse),
                number(s.mse_low),
                number(s.mse_high),
                share(s.effective_sparsity),
                f"{s.edges:,.0f}",
                " ".join(f"{n:.0f}" for n in s.live),
                _two(s.cosine.get("uniform")),
                _two(s.cosine.get("degree")),
                share(s.coherent_diamonds),
                f"{s.cpu_seconds:.0f}",
            ],
            strong=s.mse <= _AIM,
        )
        for s in stages
    ]
    return Table("Stages of pruning", columns.split("|"), rows)


def _two(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}"


def _published_table(study: MothStudy) -> Table:
    columns = "quantity|published|ours|ratio|ours without biases|ratio|within 10 %"
    rows = []
    for r in study.published:
        bare = r.without_biases / r.published
        near = [abs(ratio - 1) <= _NEAR for ratio in (r.ratio, bare)]
        values = (f"{r.published:,.1f}", f"{r.ours:,.1f}", f"{r.ratio:.2f}")
        more = (f"{r.without_biases:,.1f}", f"{bare:.2f}", _met(near))
        rows.append(Row([_quantity(r.quantity), *values, *more], strong=all(near)))
    return Table("Means at 93 % beside the published means", columns.split("|"), rows)


def _met(near: Sequence[bool]) -> str:
    """Return whether ours, and ours without biases, are near the published mean."""
    return "both" if all(near) else "without biases" if near[1] else "ours" if near[0] else "no"


def _quantity(name: str) -> str:
    kind, _, rest = name.partition("_")
    if kind == "live":
        return f"live nodes, layer {rest}"
    if name.startswith("reachable"):
        return f"pairs of ends {name[-1]} edges apart"
    return name


def _motif_table(stages: Sequence[MothStageRow], null: str) -> Table:
    """Return the mean z of every motif at every stage; fixed ones are left out."""
    free = dict.fromkeys(m.motif for s in stages for m in s.motifs if _is_free(m, null))
    found = {(s.stage, m.motif): m for s in stages for m in s.motifs if m.null == null}
    rows = []
    for s in stages:
        cells = [share(s.sparsity, 0)]
        for motif in free:
            here = found.get((s.stage, motif))
            cells.append(ABSENT if here is None or here.z is None else _score(here))
        rows.append(Row(cells))
    names = [motif.replace("_", " ") for motif in free]
    title = f"Significance, {_NULLS[null]}: mean z (share of networks beyond ±1.96)"
    return Table(title, ["sparsity", *names], rows)


def _is_free(motif: MothMotif, null: str) -> bool:
    return motif.null == null and motif.z is not None


def _score(motif: MothMotif) -> str:
    return f"{number(motif.z)} ({motif.beyond:.0%})"


def _late_table(stages: Sequence[MothStageRow]) -> Table:
    """Return both nulls side by side at 93 %, or at the last stage before it."""
    stage = [s for s in stages if s.sparsity <= _LATE + 1e-9][-1]
    columns = "motif|pattern|count|z, edges kept|ratio|z, degrees kept|ratio"
    found = {(m.motif, m.null): m for m in stage.motifs}
    rows = []
    for motif in dict.fromkeys(m.motif for m in stage.motifs):
        pair = [found.get((motif, null)) for null in _NULLS]
        first = next((m for m in pair if m is not None and m.z is not None), None)
        if first is None:  # the number of edges, which every null fixes
            continue
        cells = [motif.replace("_", " "), first.pattern, f"{first.observed:,.0f}"]
        for m in pair:
            cells += [_with_spread(m), ABSENT if m is None or m.z is None else _two(m.ratio)]
        rows.append(Row(cells))
    return Table(f"Both nulls at {stage.sparsity:.0%}", columns.split("|"), rows, words=2)


def _with_spread(motif: MothMotif | None) -> str:
    if motif is None or motif.z is None:
        return "fixed"
    return number(motif.z) + ("" if motif.z_sd is None else f" ± {number(motif.z_sd, 2)}")


def _input_table(stages: Sequence[MothStageRow]) -> Table:
    rows = [
        Row([share(s.sparsity, 0), *[share(kept) for kept in s.inputs.values()]]) for s in stages
    ]
    return Table("Edges that each input keeps", ["sparsity", *stages[0].inputs], rows)
