import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from niwaki.core import InputError, Trajectories, Trajectory
from niwaki.dynamics import Kernel, Lattice, Panel, smooth_alone

SHORT, LONG = np.array([0.0, 0.3, 1.0, 2.5]), np.array([0.0, 1.0, 1.5, 4.0, 6.0])


def panel_of(times, values):
    genes = tuple(f"g{i}" for i in range(values[0].shape[1]))
    pairs = zip(times, values, strict=True)
    items = tuple(Trajectory(str(i), t, v) for i, (t, v) in enumerate(pairs))
    return Panel.from_trajectories(Trajectories(genes, items))


@pytest.fixture
def panel(rng):
    times = [SHORT, LONG, SHORT, LONG, LONG]
    return panel_of(times, [rng.normal(size=(len(t), 3)) for t in times])


def dense_covariance(panel, kernel):
    """Of all observations of one gene, in the order of the rows (relative to the noise)."""
    blocks = []
    for grid, block in zip(panel.grids, panel.values, strict=True):
        inside = grid.operators(kernel).covariance[np.ix_(grid.at, grid.at)]
        blocks += [inside + np.eye(len(grid.at))] * len(block)
    return block_diag(*blocks)


def dense_columns(panel, kernel):
    """Effect of a common start, and of a common level where there is a rate."""
    columns = []
    for grid, block in zip(panel.grids, panel.values, strict=True):
        age = grid.times - grid.times[0]
        start = np.exp(-kernel.rate * age)
        pair = [start, 1 - start] if kernel.rate > 0 else [start]
        columns += [np.stack(pair, 1)] * len(block)
    return np.concatenate(columns)


def test_trajectories_are_grouped_by_their_times_and_single_times_left_out(rng):
    times = [SHORT, LONG, np.array([0.0]), SHORT.copy()]
    values = [rng.normal(size=(len(t), 2)) for t in times]
    panel = panel_of(times, values)
    assert [list(who) for who in panel.members] == [[0, 3], [1]]
    assert (panel.genes, panel.trajectories, panel.rows) == (2, 3, 13)
    np.testing.assert_array_equal(panel.values[0][1], values[3])
    np.testing.assert_array_equal(panel.trajectory_of_row, [0] * 4 + [3] * 4 + [1] * 5)


def test_forces_forget_faster_only_where_the_times_are_dense_enough(rng):
    few = Lattice.of(panel_of([LONG], [rng.normal(size=(5, 1))]))
    many = Lattice.of(panel_of([np.arange(25.0)], [rng.normal(size=(25, 1))]))
    assert few.memories == (1 / 3,)
    assert many.memories == (1 / 3, 1 / 10)  # 2.4 gaps of one; a thirtieth would be below a gap
    assert many.kernel(0, 1, 2, 1).memory == 1 / 10
    assert many.shape == (many.rates, 9, 7, 2)


def test_data_without_two_times_anywhere_are_refused():
    with pytest.raises(InputError, match="no trajectory has two times"):
        panel_of([np.array([0.0])], [np.zeros((1, 2))])


@pytest.mark.parametrize("kernel", [Kernel(0.8, 3.0, 10.0), Kernel(0.0, 0.0, 3.0)])
def test_whitened_parts_give_the_density_of_a_dense_multivariate_normal(panel, kernel):
    noise, gene = 0.3, 1
    start = 1.7
    left = panel.white_target(kernel, gene) - start * panel.white_start(kernel)
    ours = -0.5 * (
        left @ left / noise + panel.log_det(kernel) + panel.rows * np.log(2 * np.pi * noise)
    )
    seen = np.concatenate([block[:, :, gene].ravel() for block in panel.values])
    mean = start * dense_columns(panel, kernel)[:, 0]
    twin = multivariate_normal(mean, noise * dense_covariance(panel, kernel)).logpdf(seen)
    assert ours == pytest.approx(twin, rel=1e-11)


def test_whitened_features_are_what_each_force_does_to_the_observations(panel, rng):
    kernel = Kernel(0.8, 3.0, 10.0)
    features = [
        rng.normal(size=(len(block), len(grid.nodes), 2))
        for grid, block in zip(panel.grids, panel.values, strict=True)
    ]
    ours = panel.white_features(kernel, features)
    row = 0
    for grid, each in zip(panel.grids, features, strict=True):
        part = grid.operators(kernel)
        for force in each:
            for time in range(len(grid.times)):
                for column in range(2):
                    twin = part.white[time] @ (part.force @ force[:, column])[grid.at]
                    assert ours[row, column] == pytest.approx(twin, abs=1e-12)
                row += 1
    assert row == len(ours) == panel.rows


def test_lattice_spans_half_of_the_longest_span_to_twice_the_usual_gap(panel):
    lattice = Lattice.of(panel)
    gap = np.median(np.concatenate([np.diff(SHORT), np.diff(LONG)]))
    fastest = lattice.kernel(lattice.rates - 1, 0, 0, 0).rate
    assert lattice.kernel(0, 0, 0, 0).rate == 0.5 / 6.0
    assert 2 / gap <= fastest < 2 / gap * 2 ** (1 / 8)
    assert lattice.kernel(8, 0, 0, 0).rate == 2 * lattice.kernel(0, 0, 0, 0).rate
    assert {k.rate for k in lattice.frozen()} == {0.0}
    assert len(lattice.coarse()) == -(-lattice.rates // 8) * 9 * 7


def test_long_trajectories_get_one_rate_per_octave_and_one_width_of_starts(rng):
    lattice = Lattice.of(panel_of([np.arange(65.0)], [rng.normal(size=(65, 1))]))
    assert len(lattice.starts) == 1
    assert lattice.kernel(1, 0, 0, 0).rate == 2 * lattice.kernel(0, 0, 0, 0).rate
    assert len(lattice.coarse()) == lattice.rates * len(lattice.forces) * len(lattice.memories)
    assert (
        lattice.kernel(lattice.rates - 1, 0, 0, 0).rate == 0.5 / 64 * 2**8
    )  # eight octaves at most


def test_smoothing_alone_equals_dense_regression_over_every_kernel(panel):
    lattice = Lattice(0.2, 8, 17, (0.0, 3.0), (1.0, 30.0), (1 / 3, 1 / 10))
    smoothed = smooth_alone(panel, lattice)
    kernels = [lattice.kernel(*point) for point in lattice.coarse()] + lattice.frozen()
    for gene in range(panel.genes):
        seen = np.concatenate([block[:, :, gene].ravel() for block in panel.values])
        tried = {}
        for kernel in kernels:
            inverse = np.linalg.inv(dense_covariance(panel, kernel))
            columns = dense_columns(panel, kernel)
            normal = columns.T @ inverse @ columns
            best = np.linalg.solve(normal, columns.T @ inverse @ seen)
            left = seen - columns @ best
            rest = left @ inverse @ left
            evidence = (
                -len(seen) / 2 * np.log(rest)
                + np.linalg.slogdet(inverse)[1] / 2
                - np.linalg.slogdet(normal)[1] / 2
            )
            tried[kernel] = (evidence, rest / len(seen), best)
        kernel = max(tried, key=lambda k: tried[k][0])
        _, noise, best = tried[kernel]
        assert smoothed.kernels[gene] == kernel
        assert smoothed.noise[gene] == pytest.approx(noise, rel=1e-10)
        assert (smoothed.points[gene] is None) == (kernel.rate == 0)
        for grid, block, path in zip(panel.grids, panel.values, smoothed.paths, strict=True):
            age = grid.nodes - grid.nodes[0]
            start = np.exp(-kernel.rate * age)
            mean = np.stack([start, 1 - start], 1)[:, : len(best)] @ best
            cov = grid.operators(kernel).covariance
            inside = cov[np.ix_(grid.at, grid.at)] + np.eye(len(grid.at))
            for one, ours in zip(block[:, :, gene], path[:, :, gene], strict=True):
                twin = mean + cov[:, grid.at] @ np.linalg.solve(inside, one - mean[grid.at])
                np.testing.assert_allclose(ours, twin, atol=1e-10)


def test_smoothing_alone_tells_still_genes_from_relaxing_ones_and_finds_their_rates(rng):
    times, count, noise = np.linspace(0.0, 6.0, 9), 10, 0.08
    rates = np.array([0.0, 0.3, 1.0, 0.0, 2.5])
    values = []
    for _ in range(count):
        start, level = rng.normal(2.0, 1.0, size=5), np.array([0.0, 1.0, -1.0, 0.0, 0.5])
        clean = level + (start - level) * np.exp(-rates * times[:, None])
        values.append(clean + noise * rng.normal(size=clean.shape))
    panel = panel_of([times] * count, values)
    smoothed = smooth_alone(panel, Lattice.of(panel))
    found = np.array([kernel.rate for kernel in smoothed.kernels])
    np.testing.assert_array_equal(found == 0, rates == 0)
    moving = rates > 0
    # the coarse lattice has one rate per octave
    assert (np.abs(np.log2(found[moving] / rates[moving])) <= 0.75).all()
    # 90 observations tell a variance to a seventh; a free force may take noise of a moving gene
    np.testing.assert_allclose(smoothed.noise[~moving], noise**2, rtol=0.4)
    assert (np.abs(np.log(smoothed.noise[moving] / noise**2)) < np.log(3)).all()
    for grid, path, block in zip(panel.grids, smoothed.paths, panel.values, strict=True):
        assert np.abs(path[:, grid.at] - block).max() < 6 * noise
