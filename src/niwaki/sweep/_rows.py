"""The rows that a benchmark prints: one shape for every network, whoever made it."""

from niwaki.core import ForecastScore, NetworkScore, Record


class BenchmarkRow(Record):
    """One network on one data set.

    Attributes
    ----------
    noise
        Standard deviation of the noise, and share of the prior's edges that are wrong.
    missing_found, false_rejected
        Shares of the true edges missing from the prior, and of its false edges.
    one_step_mse, rollout_mse
        On noise-free test trajectories (squared share of full expression).
    epochs
        Passes over the data before the network was reached (count).
    published
        The same quantities as published, where they are.
    """

    method: str
    dataset: str
    noise: float
    seed: int
    sparsity: float | None
    edges: int
    mean_out_degree: float
    precision: float | None
    recall: float | None
    f1: float | None
    balanced_accuracy: float | None
    auprc: float | None
    early_precision: float | None
    missing_found: float | None
    false_rejected: float | None
    one_step_mse: float | None = None
    rollout_mse: float | None = None
    held_out_loss: float | None = None
    epochs: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    published: dict[str, float] | None = None
    quick: bool = False


def network_row(
    score: NetworkScore,
    *,
    dataset: str,
    noise: float,
    seed: int,
    quick: bool,
    forecast: ForecastScore | None = None,
    **further: float | int | dict[str, float] | None,
) -> BenchmarkRow:
    """Return the row of a scored network; `further` fills the fields of training."""
    return BenchmarkRow.model_validate(
        {
            "dataset": dataset,
            "noise": noise,
            "seed": seed,
            "quick": quick,
            **{name: getattr(score, name) for name in _SCORED},
            "one_step_mse": forecast.one_step_mse if forecast else None,
            "rollout_mse": forecast.rollout_mse if forecast else None,
            **further,
        }
    )


_SCORED = (
    "method",
    "sparsity",
    "edges",
    "mean_out_degree",
    "precision",
    "recall",
    "f1",
    "balanced_accuracy",
    "auprc",
    "early_precision",
    "missing_found",
    "false_rejected",
)
