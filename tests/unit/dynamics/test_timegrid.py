from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal

from niwaki.core import InputError
from niwaki.dynamics import Kernel, TimeGrid, _timegrid

UNEVEN = np.array([-1.0, -0.8, 0.5, 0.6, 4.0])


def relaxation(grid, rate):
    """Effect of the force at each node on the state at each node."""
    return grid.operators(Kernel(rate, 0.0, 1.0)).force


def integrated(rate, nodes, force, end):
    """The integral of ``v exp(-v (t - s)) f(s)``, gap by gap, f linear between nodes."""

    def inside(s):
        return rate * np.exp(-rate * (end - s)) * np.interp(s, nodes, force)

    return sum(quad(inside, a, b, epsabs=1e-13)[0] for a, b in pairwise(nodes) if b <= end + 1e-12)


def test_nodes_hold_every_observation_and_five_between():
    grid = TimeGrid(UNEVEN)
    assert len(grid.nodes) == 6 * (len(UNEVEN) - 1) + 1
    np.testing.assert_array_equal(grid.nodes[grid.at], UNEVEN)
    # equal steps within a gap, to rounding
    np.testing.assert_allclose(np.diff(grid.nodes), np.repeat(np.diff(UNEVEN) / 6, 6), atol=1e-14)


def test_dense_observations_are_the_nodes_themselves(rng):
    times = np.cumsum(rng.uniform(0.1, 2.0, size=40))
    grid = TimeGrid(times)
    np.testing.assert_array_equal(grid.nodes, times)
    np.testing.assert_array_equal(grid.at, np.arange(40))


@pytest.mark.parametrize("times", [[1.0], [0.0, 0.0], [0.0, 2.0, 1.0]])
def test_times_that_do_not_increase_are_refused(times):
    with pytest.raises(InputError, match="at least two times, strictly increasing"):
        TimeGrid(np.array(times))


@pytest.mark.parametrize("seed", range(4))
def test_relaxation_equals_the_integral_over_a_force_linear_between_nodes(seed):
    rng = np.random.default_rng(seed)
    grid = TimeGrid(np.cumsum(rng.uniform(0.05, 3.0, size=4)))
    rate = float(10 ** rng.uniform(-2, 1))
    force = rng.normal(size=len(grid.nodes))
    ours = relaxation(grid, rate) @ force
    twin = [integrated(rate, grid.nodes, force, end) for end in grid.times]
    # the quadrature is good to 1e-13 per gap; the closed form cancels two digits at slow rates
    np.testing.assert_allclose(ours[grid.at], twin, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("rate", [0.003, 0.4, 7.0, 300.0])
def test_a_force_linear_in_time_is_solved_exactly(rate):
    grid = TimeGrid(UNEVEN)
    t = grid.nodes - grid.nodes[0]
    level, slope = 1.7, -0.6
    done = -np.expm1(-rate * t)  # the solution of dx/dt = v (level + slope t - x) from 0
    exact = level * done + slope * (t - done / rate)
    # 1e-12: the weights of slow rates are differences of numbers near one
    np.testing.assert_allclose(relaxation(grid, rate) @ (level + slope * t), exact, atol=1e-12)


def test_relaxation_never_looks_ahead_and_never_leaves_the_range_of_the_force(rng):
    matrix = relaxation(TimeGrid(UNEVEN), 2.0)
    np.testing.assert_array_equal(np.triu(matrix, 1), 0.0)
    assert (matrix >= 0).all()
    assert (matrix.sum(1) <= 1 + 1e-14).all()


def test_gene_of_rate_zero_feels_no_force_and_keeps_its_start():
    grid = TimeGrid(UNEVEN)
    part = grid.operators(Kernel(0.0, 5.0, 3.0))
    np.testing.assert_array_equal(part.force, 0.0)
    np.testing.assert_array_equal(part.start, 1.0)
    np.testing.assert_array_equal(part.covariance, 3.0)


@pytest.mark.parametrize(
    "kernel",
    [
        Kernel(0.7, 4.0, 2.0),
        Kernel(5.0, 0.0, 30.0),
        Kernel(0.1, 100.0, 0.3),
        Kernel(2.0, 9.0, 1.0, 0.05),
    ],
)
def test_covariance_is_that_of_a_random_start_and_a_half_drifting_force(kernel):
    grid = TimeGrid(UNEVEN)
    nodes = grid.nodes
    weights = relaxation(grid, kernel.rate)
    ages = np.exp(-kernel.rate * (nodes - nodes[0]))
    drift = np.empty((len(nodes), len(nodes)))
    for i, s in enumerate(nodes):
        for j, t in enumerate(nodes):
            drift[i, j] = 0.5 + 0.5 * np.exp(-abs(s - t) / (kernel.memory * (nodes[-1] - nodes[0])))
    twin = np.zeros_like(drift)
    for i in range(len(nodes)):
        for j in range(len(nodes)):
            twin[i, j] = kernel.start * ages[i] * ages[j]
            twin[i, j] += kernel.force * weights[i] @ drift @ weights[j]
    np.testing.assert_allclose(grid.operators(kernel).covariance, twin, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kernel", [Kernel(0.7, 4.0, 2.0), Kernel(0.0, 0.0, 3.0)])
def test_whitening_gives_the_density_of_a_dense_multivariate_normal(rng, kernel):
    grid = TimeGrid(UNEVEN)
    part = grid.operators(kernel)
    seen = rng.normal(size=len(UNEVEN))
    dense = part.covariance[np.ix_(grid.at, grid.at)] + np.eye(len(UNEVEN))
    white = part.white @ seen
    ours = -0.5 * (white @ white + part.log_det + len(seen) * np.log(2 * np.pi))
    assert ours == pytest.approx(multivariate_normal(cov=dense).logpdf(seen), rel=1e-12)
    np.testing.assert_allclose(part.white_start, part.white @ part.start[grid.at], rtol=1e-12)
    np.testing.assert_allclose(part.white_force, part.white @ part.force[grid.at], atol=1e-13)


def test_gain_is_the_mean_of_the_state_given_its_observations(rng):
    grid = TimeGrid(UNEVEN)
    part = grid.operators(Kernel(0.7, 4.0, 2.0))
    # the joint normal of all nodes and all observations, conditioned through its precision
    see = np.eye(len(grid.nodes))[grid.at]
    precision = np.linalg.inv(part.covariance + 1e-9 * np.eye(len(grid.nodes))) + see.T @ see
    seen = rng.normal(size=len(UNEVEN))
    twin = np.linalg.solve(precision, see.T @ seen)
    # 1e-5: the covariance of smooth paths is singular, the twin adds 1e-9 to invert it
    np.testing.assert_allclose(part.gain @ seen, twin, atol=1e-5)


def test_operators_are_made_once_per_kernel():
    grid = TimeGrid(UNEVEN)
    assert grid.operators(Kernel(0.7, 4.0, 2.0)) is grid.operators(Kernel(0.7, 4.0, 2.0))


def test_of_many_kernels_the_last_used_are_kept(monkeypatch):
    grid = TimeGrid(UNEVEN)
    monkeypatch.setattr(_timegrid, "_MOST_KEPT", 5 * len(grid.nodes) ** 2)
    kernels = [Kernel(0.1 * (k + 1), 1.0, 1.0) for k in range(6)]
    first, second, *_ = [grid.operators(kernel) for kernel in kernels[:5]]
    assert grid.operators(kernels[0]) is first  # now last in line
    grid.operators(kernels[5])
    assert grid.operators(kernels[0]) is first
    again = grid.operators(kernels[1])
    assert again is not second
    np.testing.assert_array_equal(again.gain, second.gain)
