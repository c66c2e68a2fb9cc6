from dataclasses import replace

import numpy as np
import pytest

from niwaki.dynamics import Couplings, JointSmoother, Kernel, Smoothed, TimeGrid
from niwaki.dynamics._joint import _JITTER, _LOOSE

GENES, TRAJECTORIES = 5, 3
KERNELS = [
    Kernel(0.5, 1.0, 3.0),
    Kernel(1.2, 3.0, 1.0),
    Kernel(0.3, 10.0, 1.0),
    Kernel(0.0, 0.0, 3.0),
    Kernel(2.0, 0.3, 10.0),
]
EDGES = [(0, 1, 0.8), (0, 2, -0.5), (1, 2, 0.6), (3, 1, 0.4), (2, 0, 0.3), (4, 4, -0.2)]


class Study:
    """Random observations, paths and models, and the dense posterior of what corrects them."""

    def __init__(self, rng, kernels=KERNELS):
        self.kernels = kernels
        self.grid = TimeGrid(np.array([0.0, 0.4, 1.5, 2.0, 4.0, 5.0, 7.5]))
        nodes = len(self.grid.nodes)
        self.observed = rng.normal(size=(TRAJECTORIES, 7, GENES))
        self.paths = rng.normal(size=(TRAJECTORIES, nodes, GENES))
        self.model = self.paths + 0.3 * rng.normal(size=self.paths.shape)
        self.noise = rng.uniform(0.05, 0.4, size=GENES)
        self.smoothed = Smoothed([self.paths], [None] * GENES, kernels, self.noise)

    def smoother(self, edges=EDGES):
        source, target, weight = (np.array(each) for each in zip(*edges, strict=True))
        couplings = Couplings(source, target, weight)
        return JointSmoother(
            self.grid, self.observed, self.smoothed, self.paths, self.model, couplings
        )

    def dense(self, basis, trajectory, *, without=None, edges=EDGES):
        """Mean correction of every path, all genes' statements stacked and conditioned on."""
        k = basis.shape[1]
        rows, asked, spread = [], [], []
        for gene in range(GENES):
            if gene == without:
                continue
            part = self.grid.operators(self.kernels[gene])
            tie = np.zeros((k, GENES, k))
            tie[:, gene] += np.eye(k)
            for source, target, weight in edges:
                if target == gene:
                    tie[:, source] -= weight * basis.T @ part.force @ basis
            inside = self.noise[gene] * basis.T @ part.covariance @ basis
            gap = self.paths[trajectory, :, gene] - self.model[trajectory, :, gene]
            rows.append(tie.reshape(k, -1))
            asked.append(-basis.T @ gap)
            spread.append(inside + _JITTER * np.trace(inside) / k * np.eye(k))
            see = np.zeros((len(self.grid.at), GENES, k))
            see[:, gene] = basis[self.grid.at]
            rows.append(see.reshape(len(see), -1))
            seen = self.paths[trajectory, self.grid.at, gene]
            asked.append(self.observed[trajectory, :, gene] - seen)
            spread.append(self.noise[gene] * np.eye(len(see)))
        matrix, wanted = np.concatenate(rows), np.concatenate(asked)
        precision = _LOOSE * np.eye(GENES * k)
        moment = np.zeros(GENES * k)
        at = 0
        for noise in spread:
            block = slice(at, at + len(noise))
            inverse = np.linalg.inv(noise)
            precision += matrix[block].T @ inverse @ matrix[block]
            moment += matrix[block].T @ inverse @ wanted[block]
            at = block.stop
        mean = np.linalg.solve(precision, moment).reshape(GENES, k)
        return basis @ mean.T


@pytest.fixture
def study(rng):
    return Study(rng)


def test_basis_is_a_few_orthonormal_shapes_in_time(study):
    smoother = study.smoother()
    assert smoother.basis.shape == (len(study.grid.nodes), 5)
    np.testing.assert_allclose(smoother.basis.T @ smoother.basis, np.eye(5), atol=1e-12)


def test_corrected_paths_are_the_mean_of_the_dense_posterior(study):
    smoother = study.smoother()
    ours = smoother.corrected(study.paths) - study.paths
    for one in range(TRAJECTORIES):
        # prior precisions span eight digits (the jitter), so nine of sixteen digits are left
        twin = study.dense(smoother.basis, one)
        np.testing.assert_allclose(ours[one], twin, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("target", range(GENES))
def test_without_a_target_equals_a_posterior_that_never_heard_of_it(study, target):
    smoother = study.smoother()
    others = np.array([gene for gene in range(GENES) if gene != target])
    ours = smoother.without(target, others)
    for one in range(TRAJECTORIES):
        twin = study.dense(smoother.basis, one, without=target)[:, others]
        # taking rows out again costs the digits between their noise and what then remains, which
        # for a gene without unexplained force is only the loose prior
        np.testing.assert_allclose(ours[one], twin, atol=1e-3)


@pytest.mark.parametrize("noise", [1e-1, 1e-4])
@pytest.mark.parametrize("force", [0.0, 0.03, 30.0])
def test_a_target_is_taken_out_whole_however_sure_its_dynamics_are(rng, force, noise):
    study = Study(rng, [replace(kernel, force=force) for kernel in KERNELS])
    study.noise[:] = noise
    study.observed = study.paths[:, study.grid.at] + np.sqrt(noise) * study.observed
    smoother = study.smoother()
    others = np.array([0, 1, 3, 4])
    ours = smoother.without(2, others)
    twin = np.stack([study.dense(smoother.basis, i, without=2) for i in range(TRAJECTORIES)])
    # without unexplained force the tie to the regulators is as tight as the jitter allows
    assert np.abs(ours - twin[:, :, others]).max() < 0.01 * np.abs(twin[:, :, others]).max()


@pytest.mark.parametrize("target", [0, 2])
def test_what_is_known_without_a_target_does_not_depend_on_its_data_or_model(study, target):
    others = np.array([gene for gene in range(GENES) if gene != target])
    before = study.smoother()
    study.observed[:, :, target] += 5.0
    study.model[:, :, target] -= 3.0
    after = study.smoother()
    assert np.abs(after.correction - before.correction).max() > 0.1
    ours, again = (smoother.without(target, others) for smoother in (before, after))
    np.testing.assert_allclose(again, ours, atol=1e-3)  # digits lost as above


def test_without_edges_every_gene_is_corrected_by_itself(study):
    none = Couplings(np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros(0))
    first = JointSmoother(
        study.grid, study.observed, study.smoothed, study.paths, study.model, none
    )
    study.observed[:, :, 0] += 5.0
    second = JointSmoother(
        study.grid, study.observed, study.smoothed, study.paths, study.model, none
    )
    change = second.corrected(study.paths) - first.corrected(study.paths)
    np.testing.assert_allclose(change[:, :, 1:], 0.0, atol=1e-9)
    assert np.abs(change[:, :, 0]).max() > 1.0


def test_a_target_seen_clearly_corrects_the_path_of_a_regulator_seen_badly():
    grid = TimeGrid(np.linspace(0.0, 6.0, 13))
    kernels = [Kernel(1.0, 100.0, 100.0), Kernel(1.5, 0.03, 0.3)]
    truth = np.sin(grid.nodes)
    driven = grid.operators(kernels[1]).force @ truth
    observed = np.stack([np.zeros(13), driven[grid.at]], 1)[None]
    paths = np.zeros((1, len(grid.nodes), 2))
    smoothed = Smoothed([paths], [None] * 2, kernels, np.array([4.0, 1e-4]))
    edge = Couplings(np.array([0]), np.array([1]), np.array([1.0]))
    joint = JointSmoother(grid, observed, smoothed, paths, np.zeros_like(paths), edge)
    found = joint.corrected(paths)[0, :, 0]
    assert np.corrcoef(found, truth)[0, 1] > 0.95
    alone = joint.without(1, np.array([0]))
    np.testing.assert_allclose(alone, 0.0, atol=1e-3)  # its own observations say nothing
