import time
import tracemalloc

import numpy as np
import pytest
from reference.evaluation import (
    largest_within_one_se,
    left_out_errors,
    linear_flow,
    ridge_fit,
    rows,
)
from scipy import linalg

from niwaki.core import Trajectories, Trajectory
from niwaki.evaluation import LinearOde, mean_at_t, persistence, ridge_linear_ode
from niwaki.evaluation._baselines import _RIDGES


def data(*samples):
    items = tuple(
        Trajectory(f"s{i}", np.asarray(times, float), np.asarray(values, float))
        for i, (times, values) in enumerate(samples)
    )
    return Trajectories(tuple(f"g{i}" for i in range(items[0].values.shape[1])), items)


def walks(rng, genes, samples=2, points=6, *, uneven=True):
    """Random walks on irregular times."""
    out = []
    for _ in range(samples):
        steps = rng.uniform(0.1, 2, points) if uneven else np.ones(points)
        out.append((np.cumsum(steps), np.cumsum(rng.normal(size=(points, genes)), axis=0)))
    return data(*out)


def dense_system(ode):
    matrix = ode.left @ ode.right.T
    return matrix, ode.drift - matrix @ ode.mean


def flow_each(ode, start, gaps):
    matrix, constant = dense_system(ode)
    return np.stack(
        [linear_flow(matrix, constant, start[:, p], gaps[p]) for p in range(len(gaps))], axis=1
    )


def test_persistence_predicts_no_change():
    start = np.random.default_rng(0).normal(size=(3, 2))
    np.testing.assert_array_equal(persistence()(start, np.ones(2), np.zeros(2)), start)


def test_mean_at_t_averages_samples_joins_times_by_lines_and_stays_constant_outside():
    train = data(([0, 2], [[0, 4], [2, 0]]), ([0, 6], [[2, 0], [10, 8]]))
    # means: (1, 2) at 0, (2, 0) at 2, (10, 8) at 6
    predict = mean_at_t(train)
    asked = {-5.0: (1, 2), 0.0: (1, 2), 1.0: (1.5, 1), 2.0: (2, 0), 5.0: (8, 6), 99.0: (10, 8)}
    gaps = np.full(len(asked), 0.5)
    got = predict(np.full((2, len(asked)), 77.0), gaps, np.array(list(asked)) - gaps)
    np.testing.assert_allclose(got.T, list(asked.values()))


def test_mean_at_t_of_a_single_time_is_that_mean():
    predict = mean_at_t(data(([3], [[1, 2]]), ([3], [[3, 6]])))
    got = predict(np.zeros((2, 3)), np.ones(3), np.array([0.0, 3.0, 9.0]))
    np.testing.assert_array_equal(got, [[2, 2, 2], [4, 4, 4]])


@pytest.mark.parametrize("genes", [1, 3, 30])
def test_low_rank_propagation_equals_a_dense_exponential(genes):
    rng = np.random.default_rng(genes)
    ode = ridge_linear_ode(walks(rng, genes), ridge=1e-3)
    start, gaps = rng.normal(size=(genes, 9)), np.append(rng.uniform(0.01, 4, 8), 1e-9)
    # 1e-8 of the largest state: rounding of two exponentials
    expected = flow_each(ode, start, gaps)
    got = ode(start, gaps, np.zeros(9))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_stiff_oscillating_and_defective_systems_are_followed_too(scale):
    rng = np.random.default_rng(1)
    rotation = linalg.qr(rng.normal(size=(6, 6)))[0]
    matrix = linalg.block_diag(
        [[-50.0, 0.0], [0.0, -0.1]],  # fast beside slow
        [[0.0, 3.0], [-3.0, 0.0]],  # undamped
        [[-1.0, 1.0], [0.0, -1.0]],  # a chain of two equal rates: too few eigenvectors
    )
    matrix = rotation @ matrix @ rotation.T / scale
    basis, sizes, axes = linalg.svd(matrix)
    ode = LinearOde(basis * sizes, axes.T, rng.normal(size=6), rng.normal(size=6) / scale)
    start, gaps = rng.normal(size=(6, 5)), np.array([1e-3, 0.1, 1.0, 1.7, 20.0]) * scale
    # 1e-8 of states near 1: about 1,000 times the fast rate times the precision
    np.testing.assert_allclose(
        ode(start, gaps, gaps), flow_each(ode, start, gaps), rtol=1e-8, atol=1e-8
    )


def test_two_steps_are_one_step_of_both_gaps():
    rng = np.random.default_rng(2)
    ode = ridge_linear_ode(walks(rng, 4), ridge=0.01)
    start, zero = rng.normal(size=(4, 3)), np.zeros(3)
    halfway = ode(start, np.array([0.3, 1.1, 5.0]), zero)
    np.testing.assert_allclose(
        ode(halfway, np.array([0.9, 2.0, 0.1]), zero),
        ode(start, np.array([1.2, 3.1, 5.1]), zero),
        rtol=1e-10,  # rounding
    )


def test_a_later_call_with_longer_gaps_agrees_with_a_fresh_model():
    rng = np.random.default_rng(3)
    train = walks(rng, 5)
    used, fresh = ridge_linear_ode(train, ridge=0.01), ridge_linear_ode(train, ridge=0.01)
    start = rng.normal(size=(5, 1))
    used(start, np.array([0.5]), np.zeros(1))
    gaps = np.array([12.5])
    np.testing.assert_array_equal(used(start, gaps, gaps), fresh(start, gaps, gaps))


def linear_samples(matrix, constant, rng, *, step, points, samples):
    times = step * np.arange(points)
    out = []
    for _ in range(samples):
        states = [rng.normal(size=len(constant))]
        for _ in times[1:]:
            states.append(linear_flow(matrix, constant, states[-1], step))
        out.append((times, states))
    return data(*out)


def test_fine_noise_free_linear_data_give_the_system_back():
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(4, 4)) - 2 * np.eye(4)
    constant = rng.normal(size=4)
    train = linear_samples(matrix, constant, rng, step=1e-3, points=30, samples=6)
    found, offset = dense_system(ridge_linear_ode(train))
    # the chosen ridge is the smallest, 1e-6, and the thinnest axis has a hundredth of the power
    np.testing.assert_allclose(found, matrix, atol=2e-5 * np.abs(matrix).max())
    np.testing.assert_allclose(offset, constant, atol=1e-4)


def test_finer_steps_recover_with_second_order():
    rng = np.random.default_rng(5)
    matrix, constant = rng.normal(size=(3, 3)) - 2 * np.eye(3), rng.normal(size=3)
    errors = []
    for step in (0.04, 0.02):
        train = linear_samples(
            matrix, constant, np.random.default_rng(6), step=step, points=20, samples=6
        )
        found, _ = dense_system(ridge_linear_ode(train, ridge=1e-14))
        errors.append(np.abs(found - matrix).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)  # leading term only


def mean_power(middles, slopes, gaps):
    """Mean squared input per axis, inputs being gap times distance from the weighted mean."""
    centre = gaps**2 @ middles / (gaps**2).sum()
    inputs = gaps[:, None] * (middles - centre)
    return np.square(inputs).sum() / min(middles.shape[1], len(gaps) - 1)


@pytest.mark.parametrize("genes", [2, 25])  # fewer and more genes than pairs
@pytest.mark.parametrize("ridge", [1e-4, 0.1, 10.0])
def test_the_fit_is_that_of_the_normal_equations(genes, ridge):
    train = walks(np.random.default_rng(7), genes)
    middles, slopes, gaps = rows(train)
    scale = mean_power(middles, slopes, gaps)
    matrix, constant = ridge_fit(middles, slopes, gaps, ridge * scale)
    found, offset = dense_system(ridge_linear_ode(train, ridge=ridge))
    # the normal equations lose the digits of their condition number, up to 1e4 / 1e-4
    np.testing.assert_allclose(found, matrix, atol=1e-7)
    np.testing.assert_allclose(offset, constant, atol=1e-7)


@pytest.mark.parametrize("genes", [2, 25])  # fewer and more genes than pairs
@pytest.mark.parametrize("samples", [1, 2, 13])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_ridge_is_the_largest_within_one_se_of_the_best_on_groups_left_out(
    genes, samples, seed
):
    rng = np.random.default_rng(seed)
    train = walks(rng, genes, samples=samples, points=24 // samples + 2)
    # half random, half a real decay, so that neither no ridge nor an endless one is always best
    train = data(*[(t.times, t.values + 5 * np.exp(-t.times)[:, None]) for t in train.items])
    table = rows(train)
    if samples == 1:  # ten stretches of time
        groups = [10 * pair // 25 for pair in range(25)]
    else:  # whole samples, the ones past ten sharing a group
        groups = [i % 10 for i, item in enumerate(train.items) for _ in item.times[1:]]
    scale = mean_power(*table)
    errors = [left_out_errors(*table, ridge * scale, groups) for ridge in _RIDGES]
    expected = ridge_linear_ode(train, ridge=largest_within_one_se(_RIDGES, errors))
    np.testing.assert_array_equal(ridge_linear_ode(train).left, expected.left)


def test_a_pair_of_almost_equal_times_does_not_ruin_the_fit():
    rng = np.random.default_rng(8)
    times = np.sort(np.append(np.linspace(0, 3, 30), 1.5 + 1e-7))
    values = np.exp(-times)[:, None] * [1.0, 2.0] + 1e-3 * rng.normal(size=(31, 2))
    predict = ridge_linear_ode(data((times, values)))
    start = np.array([[1.0], [2.0]])
    got = predict(start, np.ones(1), np.zeros(1))
    # noise of 0.001 per observation; an unweighted slope over 1e-7 would be about 10,000
    np.testing.assert_allclose(got, start / np.e, rtol=0.05)


def test_one_pair_alone_predicts_its_own_drift():
    predict = ridge_linear_ode(data(([0, 2], [[1, 5], [3, 4]])))
    got = predict(np.array([[10.0], [10.0]]), np.array([4.0]), np.zeros(1))
    np.testing.assert_allclose(got, [[14.0], [8.0]])


def test_constant_data_stay_constant():
    predict = ridge_linear_ode(data((np.arange(5.0), np.full((5, 3), 0.7))))
    got = predict(np.array([[0.7, 1.0]] * 3), np.array([1.0, 1e6]), np.zeros(2))
    np.testing.assert_allclose(got, [[0.7, 1.0]] * 3)


def test_a_constant_gene_among_others_stays_where_it_is():
    rng = np.random.default_rng(9)
    train = walks(rng, 3)
    for item in train.items:
        item.values[:, 1] = 2.0
    got = ridge_linear_ode(train)(rng.normal(size=(3, 4)), np.ones(4), np.zeros(4))
    again = ridge_linear_ode(train)(np.full((3, 1), 2.0), np.array([3.0]), np.zeros(1))
    assert np.isfinite(got).all()
    assert again[1, 0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("genes", "pairs"), [(3_551, 23), pytest.param(11_000, 185, marks=pytest.mark.slow)]
)
def test_many_genes_fit_and_roll_out_in_seconds_without_a_dense_matrix(genes, pairs):
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.1, 1, pairs + 1))
    train = data((times, rng.normal(size=(pairs + 1, genes))))
    tracemalloc.start()
    before = time.process_time()
    ode = ridge_linear_ode(train)
    table = train.pairs()
    end = ode(table.start, table.gaps, times[:-1])
    seconds = time.process_time() - before
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(end).all()
    assert ode.left.shape[1] < pairs
    assert peak < 20 * 8 * genes * pairs  # twenty copies of the data; gene by gene is 60 to 150
    assert seconds < 60  # two at most in truth; the limit rules out one exponential per gap


def test_pseudotime_in_which_no_two_gaps_are_equal_takes_no_exponential_per_gap():
    rng = np.random.default_rng(0)
    train = walks(rng, 100, samples=1, points=120)
    ode = ridge_linear_ode(train)
    before = time.process_time()
    ode(rng.normal(size=(100, 2000)), rng.uniform(0.001, 3, 2000), np.zeros(2000))
    assert time.process_time() - before < 5  # one exponential of 300 x 300 per gap: minutes
