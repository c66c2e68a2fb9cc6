"""A fit's result in the terminal."""

from pathlib import Path

from niwaki.cli._output import print_table, say
from niwaki.core import NetworkScore, RunRecord
from niwaki.report import headline

SCORE_COLUMNS = (
    "network",
    "edges",
    "precision",
    "recall",
    "F1",
    "balanced acc.",
    "AUPRC",
    "x chance",
    "early prec.",
    "missing found",
    "false rejected",
)


def print_scores(title: str, scores: list[NetworkScore]) -> None:
    """Print network scores, one row per network."""
    rows = [
        (
            s.method,
            s.edges,
            s.precision,
            s.recall,
            s.f1,
            s.balanced_accuracy,
            s.auprc,
            s.auprc_ratio,
            s.early_precision,
            s.missing_found,
            s.false_rejected,
        )
        for s in scores
    ]
    print_table(title, SCORE_COLUMNS, rows)


def print_record(record: RunRecord, folder: Path, page: Path) -> None:
    """Print the headline, the scores and where the files are."""
    for sentence in headline(record):
        say(sentence)
    say()
    print_table(
        "Forecast (mean squared error, lower is better)",
        ("predictor", "data", "one step", "roll-out"),
        [(f.method, f.data, f.one_step_mse, f.rollout_mse) for f in record.forecasts],
    )
    if record.networks:
        say()
        print_scores("Network against the reference", record.networks)
    for warning in record.warnings:
        say(f"! {warning}")
    say()
    say(f"Report   {page}")
    say(f"Network  {folder / 'network.tsv'}")
