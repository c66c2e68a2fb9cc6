"""How well expression is predicted: one step ahead, and rolled out from the start."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from niwaki.core import ForecastScore, PairVector, StateArray, Trajectories, Trajectory, ValuesArray


@runtime_checkable
class Predictor(Protocol):
    """Anything that predicts states one gap later."""

    def __call__(self, start: StateArray, gaps: PairVector, times: PairVector) -> StateArray:
        """Return the states at ``times + gaps``.

        Parameters
        ----------
        start
            States at the start (data units).
        gaps
            Time to predict over (time units).
        times
            Time of each start (time units).
        """
        ...


Estimate = Callable[[StateArray], StateArray]


def _as_measured(states: StateArray) -> StateArray:
    return states


def pair_times(trajectories: Trajectories) -> PairVector:
    """Return the start time of every pair, in the order of `Trajectories.pairs`."""
    return np.concatenate([t.times[:-1] for t in trajectories.items if len(t.times) > 1])


def pair_errors(
    predict: Predictor, trajectories: Trajectories, *, estimate: Estimate = _as_measured
) -> Float[np.ndarray, " pair"]:
    """Return the mean squared error over genes of every pair of observations."""
    pairs = trajectories.pairs()
    ends = predict(estimate(pairs.start), pairs.gaps, pair_times(trajectories))
    errors: Float[np.ndarray, " pair"] = np.square(ends - pairs.end).mean(0)
    return errors


def rollout(predict: Predictor, trajectory: Trajectory) -> ValuesArray:
    """Return predictions at all later times from the first observation, step upon step."""
    state, later = trajectory.values[:1].T, [np.empty((0, trajectory.values.shape[1]))]
    for time, gap in zip(trajectory.times[:-1], np.diff(trajectory.times), strict=True):
        state = predict(state, np.array([gap]), np.array([time]))
        later.append(state.T)
    return np.concatenate(later)


def rollout_errors(
    predict: Predictor, trajectories: Trajectories, *, estimate: Estimate = _as_measured
) -> Float[np.ndarray, " later"]:
    """Return the mean squared error over genes at every later time of every trajectory.

    Trajectories observed at the same times are rolled out together.
    """
    grids: dict[bytes, list[Trajectory]] = {}
    for item in trajectories.items:
        if len(item.times) > 1:
            grids.setdefault(item.times.tobytes(), []).append(item)
    errors = []
    with np.errstate(over="ignore", invalid="ignore"):
        for group in grids.values():
            observed = np.stack([item.values.T for item in group], axis=1)
            times, count = group[0].times, len(group)
            state = estimate(observed[:, :, 0])
            for at, gap in enumerate(np.diff(times)):
                state = predict(state, np.full(count, gap), np.full(count, times[at]))
                errors.append(np.square(state - observed[:, :, at + 1]).mean(0))
    return np.concatenate(errors)


def score_forecast(
    method: str,
    data: str,
    predict: Predictor,
    trajectories: Trajectories,
    *,
    estimate: Estimate = _as_measured,
) -> ForecastScore:
    """Return one-step and roll-out errors; None where a prediction left the finite range.

    Parameters
    ----------
    method, data
        Labels of the row.
    predict
        The predictor.
    trajectories
        What really happened.
    estimate
        From measured states to the states that predictions start from.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        one_step = float(pair_errors(predict, trajectories, estimate=estimate).mean())
        rolled = float(rollout_errors(predict, trajectories, estimate=estimate).mean())
    return ForecastScore(
        method=method, data=data, one_step_mse=_finite(one_step), rollout_mse=_finite(rolled)
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
