import numpy as np
import pytest
from reference.evaluation import one_step_errors
from reference.evaluation import rollout_errors as slow_rollout_errors

from niwaki.core import InputError, Trajectories, Trajectory
from niwaki.evaluation import (
    mean_at_t,
    pair_errors,
    persistence,
    ridge_linear_ode,
    rollout,
    rollout_errors,
    score_forecast,
)

GENES = ("a", "b")


def data(*samples):
    return Trajectories(
        GENES,
        tuple(
            Trajectory(f"s{i}", np.asarray(times, float), np.asarray(values, float))
            for i, (times, values) in enumerate(samples)
        ),
    )


def doubling(start, gaps, times):
    """Each gene doubles per time unit, so both errors can be worked out by hand."""
    return start * 2**gaps


def drifting(start, gaps, times):
    """Uses everything it is given, so that a wrong gap, start time or order shows."""
    return start * np.cos(gaps) + np.sin(times) + gaps * np.array([[0.3], [-0.2]])


def unequal(rng):
    """Three grids, one of them shared by three samples that do not stand together."""
    grids = [[0, 1, 3], [0.5, 0.75, 2, 4], [0, 1, 3], [7], [0, 1, 3]]
    return data(*[(times, rng.normal(size=(len(times), 2))) for times in grids])


def test_one_step_starts_from_each_observation_and_a_rollout_from_the_first():
    seen = data(([0, 1, 3], [[1, 0], [2, 1], [6, 4]]))
    # one step: (1,0)->(2,0) against (2,1), and (2,1)->(8,4) against (6,4)
    np.testing.assert_allclose(pair_errors(doubling, seen), [0.5, 2.0])
    # roll-out: (2,0), then (8,0) against (6,4)
    np.testing.assert_allclose(rollout(doubling, seen.items[0]), [[2, 0], [8, 0]])
    np.testing.assert_allclose(rollout_errors(doubling, seen), [0.5, 10.0])
    row = score_forecast("fit", "test", doubling, seen)
    assert (row.method, row.data) == ("fit", "test")
    assert (row.one_step_mse, row.rollout_mse) == (1.25, 5.25)


def test_every_prediction_sets_out_from_the_estimate_of_an_observed_state_only():
    seen = data(([0, 1, 3], [[1, 0], [2, 1], [6, 4]]))
    # one step: (3,2)->(6,4) against (2,1), (4,3)->(16,12) against (6,4); roll-out: (6,4), (24,16)
    row = score_forecast("fit", "test", doubling, seen, estimate=lambda states: states + 2)
    assert (row.one_step_mse, row.rollout_mse) == ((12.5 + 82) / 2, (12.5 + 234) / 2)


def test_errors_equal_those_of_one_pair_at_a_time():
    seen = unequal(np.random.default_rng(0))
    np.testing.assert_allclose(pair_errors(drifting, seen), one_step_errors(drifting, seen))
    np.testing.assert_allclose(
        np.sort(rollout_errors(drifting, seen)), np.sort(slow_rollout_errors(drifting, seen))
    )


def test_rolling_out_samples_of_one_grid_together_changes_nothing():
    seen = unequal(np.random.default_rng(1))
    alone = [rollout_errors(drifting, seen.subset([i])) for i in (0, 1, 2, 4)]
    np.testing.assert_allclose(
        np.sort(rollout_errors(drifting, seen)), np.sort(np.concatenate(alone))
    )
    for item in seen.items:
        errors = np.square(rollout(drifting, item) - item.values[1:]).mean(1)
        if len(errors):
            np.testing.assert_allclose(
                errors, slow_rollout_errors(drifting, Trajectories(GENES, (item,)))
            )


def test_samples_of_one_grid_take_one_call_per_step():
    calls = []

    def counting(start, gaps, times):
        calls.append(len(gaps))
        return start

    grid = np.array([0.0, 1.0, 3.0])
    rollout_errors(counting, data(*[(grid, np.zeros((3, 2)))] * 50))
    assert calls == [50, 50]


def test_a_rollout_of_one_time_point_is_empty():
    only = data(([2], [[1, 1]])).items[0]
    assert rollout(doubling, only).shape == (0, 2)


def test_a_set_without_any_pair_is_an_error():
    with pytest.raises(InputError, match="one time point only"):
        score_forecast("fit", "test", persistence(), data(([0], [[1, 1]]), ([1], [[1, 1]])))


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_prediction_that_is_not_finite_gives_none(bad):
    seen = data(([0, 1, 2], np.zeros((3, 2))))

    def breaks(start, gaps, times):
        return np.where(times >= 1, bad, start)

    row = score_forecast("fit", "test", breaks, seen)
    assert (row.one_step_mse, row.rollout_mse) == (None, None)


def test_a_predictor_that_diverges_only_when_rolled_out_keeps_its_one_step_error():
    times = np.arange(6.0)
    seen = data((times, np.ones((6, 2))))

    def explodes(start, gaps, times):
        return start * 1e100  # the fourth step leaves the range of float64

    row = score_forecast("fit", "test", explodes, seen)
    assert row.one_step_mse == pytest.approx(1e200)
    assert row.rollout_mse is None


def test_an_unstable_linear_model_diverges_without_a_warning():
    grow = 4.0 ** np.arange(4)[:, None] * [1.0, 2.0]
    predict = ridge_linear_ode(data((np.arange(4.0), grow)), ridge=1e-9)
    seen = data(([0, 1000, 2000], np.ones((3, 2))))
    row = score_forecast("ridge", "test", predict, seen)
    assert (row.one_step_mse, row.rollout_mse) == (None, None)


def test_perfect_predictions_score_zero():
    times = np.linspace(0, 2, 5)
    seen = data((times, 2 ** times[:, None] * [1.0, 3.0]))
    row = score_forecast("fit", "test", doubling, seen)
    # rounding of powers of two that are not whole
    assert row.one_step_mse == pytest.approx(0, abs=1e-28)
    assert row.rollout_mse == pytest.approx(0, abs=1e-28)


def test_the_mean_at_t_scores_the_spread_around_it():
    rng = np.random.default_rng(0)
    seen = data(*[([0, 1, 2], rng.normal(size=(3, 2))) for _ in range(5)])
    values = np.stack([t.values for t in seen.items])
    row = score_forecast("mean", "train", mean_at_t(seen), seen)
    spread = np.square(values - values.mean(0))[:, 1:].mean()
    assert row.one_step_mse == pytest.approx(spread)
    assert row.rollout_mse == pytest.approx(spread)
