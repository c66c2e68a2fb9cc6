"""The rows that a benchmark prints: one shape for every network, whoever made it."""

from typing import Any, TypeVar

from niwaki.core import ForecastScore, NetworkScore


class BenchmarkRow(NetworkScore):
    """One network on one data set: its score, and what it took.

    Attributes
    ----------
    noise
        Standard deviation of the noise, and share of the prior's edges that are wrong.
    one_step_mse, rollout_mse
        On noise-free test trajectories (squared share of full expression).
    epochs
        Passes over the data before the network was reached (count).
    published
        The same quantities as published, where they are.
    """

    dataset: str
    noise: float
    seed: int
    one_step_mse: float | None = None
    rollout_mse: float | None = None
    held_out_loss: float | None = None
    epochs: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    published: dict[str, float] | None = None
    quick: bool = False


Row = TypeVar("Row", bound=BenchmarkRow)


def network_row(
    score: NetworkScore, *, forecast: ForecastScore | None, kind: type[Row], **further: Any
) -> Row:
    """Return the row of a scored network; `further` fills the row's own fields."""
    errors = forecast.model_dump(include={"one_step_mse", "rollout_mse"}) if forecast else {}
    return kind.model_validate({**score.model_dump(), **errors, **further})
