"""Tables of the report: columns with a meaning, cells as text, the fit's own row marked."""

from dataclasses import dataclass

from niwaki.core import FIT, PRIOR_ALONE, AlignmentReport, NetworkScore, PathPoint, RunRecord
from niwaki.report._format import ABSENT, count, number, share, short
from niwaki.report._headline import network_score

REGULATORS = 20


def path_table(record: RunRecord) -> "Table":
    """Return the rounds of the pruning path."""
    weighed = record.evidence is not None
    rows = [
        Row(
            [
                str(p.round),
                *([short(p.probability)] if weighed else _pruned(p)),
                count(p.edges),
                number(p.mean_out_degree),
                number(p.train_loss),
                f"{number(p.held_out_loss)} ± {number(p.held_out_se, 2)}",
                "chosen" if p.selected else "",
            ],
            strong=p.selected,
        )
        for p in record.path
    ]
    how = "probability above" if weighed else "best epoch|sparsity|weights left"
    names = f"round|{how}|edges|edges per gene|training loss|held-out loss ± s.e.|choice"
    return Table("Rounds of the pruning path", names.split("|"), rows)


def _pruned(point: PathPoint) -> list[str]:
    return [count(point.epoch), share(point.sparsity), count(point.weights)]


def regulator_rows(record: RunRecord) -> list["RegulatorBar"]:
    """Return the strongest regulators, with a bar length in [0, 100] for each."""
    ranked = sorted(record.regulators, key=lambda r: (-r.strength, r.gene))[:REGULATORS]
    top = ranked[0].strength if ranked and ranked[0].strength > 0 else 1.0
    return [
        RegulatorBar(
            r.gene,
            number(r.strength),
            f"{max(0.0, 100 * r.strength / top):.1f}",
            [count(n) for n in (r.targets, r.prior_targets, r.kept, r.added, r.removed)],
        )
        for r in ranked
    ]


def score_table(record: RunRecord) -> "Table":
    """Return all networks against the reference; the prior alone always stands beside the fit."""
    scores = record.networks
    rows = [Row(_score_cells(s), strong=s.method == FIT) for s in scores]
    if network_score(record, PRIOR_ALONE) is None:
        rows.append(Row([PRIOR_ALONE, "no prior was given", *[ABSENT] * 10]))
    names = (
        "network|edges|edges per gene|precision|recall|F1|balanced accuracy|AUPRC|AUPRC / chance|"
        "early precision|missing edges found|false edges rejected"
    )
    return Table("Networks against the reference", names.split("|"), rows)


def forecast_table(record: RunRecord) -> "Table":
    """Return the errors of all predictors."""
    rows = [
        Row(
            [f.method, f.data, number(f.one_step_mse), number(f.rollout_mse)],
            strong=f.method == FIT,
        )
        for f in record.forecasts
    ]
    return Table(
        "Forecast errors (mean squared; lower is better)",
        ["predictor", "data", "one-step error", "roll-out error"],
        rows,
        words=2,
    )


def arm_table(record: RunRecord) -> "Table":
    """Return the fit beside its control refits."""
    weighed = record.evidence is not None
    rows = [
        Row(
            [
                a.method,
                count(a.epochs),
                str(a.selected_round),
                *([] if weighed else [share(a.sparsity)]),
                count(a.edges),
                f"{number(a.held_out_loss)} ± {number(a.held_out_se, 2)}",
            ],
            strong=a.method == FIT,
        )
        for a in record.arms
    ]
    how = "passes|chosen round" if weighed else "epochs|chosen round|sparsity"
    names = f"refit|{how}|edges|held-out loss ± s.e."
    return Table("The fit and its control refits", names.split("|"), rows)


def input_table(record: RunRecord) -> "Table":
    """Return how each table of edges fits the genes of the data."""
    named = (("prior", record.prior), ("PPI", record.ppi), ("reference", record.reference))
    rows = [Row(_alignment_cells(name, report)) for name, report in named if report is not None]
    names = "table|file|edges used|genes shared|regulators found|signs|orientation"
    return Table("How the edge tables fit the data", names.split("|"), rows, words=2)


def _score_cells(score: NetworkScore) -> list[str]:
    values = (
        score.precision,
        score.recall,
        score.f1,
        score.balanced_accuracy,
        score.auprc,
        score.auprc_ratio,
        score.early_precision,
    )
    return [
        score.method,
        count(score.edges),
        number(score.mean_out_degree),
        *[number(value) for value in values],
        _of(score.missing_found, score.missing),
        _of(score.false_rejected, score.false),
    ]


def _of(part: float | None, total: int | None) -> str:
    return ABSENT if part is None or total is None else f"{share(part, 0)} of {count(total)}"


def _alignment_cells(name: str, report: AlignmentReport) -> list[str]:
    return [
        name,
        report.file,
        f"{count(report.edges_kept)} of {count(report.edges_read)}",
        f"{count(report.genes_shared)} of {count(report.genes_read)}",
        f"{count(report.regulators_found)} of {count(report.regulators_read)}",
        "given" if report.signed else "none",
        report.orientation,
    ]


@dataclass(frozen=True)
class Row:
    """One row; the first cell is its header. `strong` marks the row of the fit."""

    cells: list[str]
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a caption; its first `words` columns are text, the rest are numbers."""

    caption: str
    columns: list[str]
    rows: list[Row]
    words: int = 1


@dataclass(frozen=True)
class RegulatorBar:
    """One regulator with its strength as text and as a bar length in percent of the top one."""

    gene: str
    strength: str
    length: str
    counts: list[str]
