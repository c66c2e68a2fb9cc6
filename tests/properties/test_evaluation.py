import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.evaluation import dense, network_score, one_step_errors, rollout_errors

from niwaki.core import Network, Trajectories, Trajectory
from niwaki.evaluation import (
    mean_at_t,
    pair_errors,
    persistence,
    ridge_linear_ode,
    rollout,
    score_network,
)
from niwaki.evaluation import rollout_errors as fast_rollout_errors

seeds = st.integers(0, 10_000)


def networks(seed, *, genes, count=3):
    """Networks of any density, with ties and zero weights."""
    rng = np.random.default_rng(seed)
    names = tuple(str(i) for i in range(genes))
    drawn = []
    for _ in range(count):
        keys = np.flatnonzero(rng.random(genes * genes) < rng.choice([0, 0.1, 0.5, 0.95, 1]))
        rng.shuffle(keys)
        weight = rng.integers(-2, 3, len(keys)).astype(float)
        drawn.append(Network(names, keys % genes, keys // genes, weight))
    return drawn


def moved(network, order):
    """The same network with its genes listed in another order."""
    place = np.argsort(order)
    names = tuple(network.genes[i] for i in order)
    return Network(names, place[network.source], place[network.target], network.weight)


@given(seed=seeds, genes=st.integers(1, 7), scope=st.booleans(), with_prior=st.booleans())
@settings(deadline=None)
def test_scores_equal_the_dense_twin(seed, genes, scope, with_prior):
    fit, truth, prior = networks(seed, genes=genes)
    prior = prior if with_prior else None
    sources = np.flatnonzero(np.random.default_rng(seed).random(genes) < 0.5) if scope else None
    row = score_network(fit, truth, method="fit", prior=prior, sources=sources)
    twin = network_score(dense(fit), dense(truth), dense(prior) if with_prior else None, sources)
    for name, value in twin.items():
        expected = value if value is None else pytest.approx(value, rel=1e-12)  # order of sums
        assert getattr(row, name) == expected, name


@given(seed=seeds, genes=st.integers(2, 7))
@settings(deadline=None)
def test_permuting_genes_changes_nothing(seed, genes):
    fit, truth, prior = networks(seed, genes=genes)
    order = np.random.default_rng(seed).permutation(genes)
    plain = score_network(fit, truth, method="fit", prior=prior)
    other = score_network(
        moved(fit, order), moved(truth, order), method="fit", prior=moved(prior, order)
    )
    assert plain == other


def trajectories(seed):
    """Several samples on few time grids, some of one time only, genes on different scales."""
    rng = np.random.default_rng(seed)
    genes = int(rng.integers(1, 5))
    grids = [np.sort(rng.choice(20, size, replace=False)) / 4 for size in (2, 3, 3, 5, 1)]
    items = []
    for i in range(int(rng.integers(1, 8))):
        times = grids[0] if i == 0 else grids[rng.integers(len(grids))]
        items.append(Trajectory(f"s{i}", times, rng.normal(size=(len(times), genes))))
    return Trajectories(tuple(f"g{i}" for i in range(genes)), tuple(items))


@given(seed=seeds, kind=st.sampled_from(["persistence", "mean", "ridge"]))
@settings(deadline=None, max_examples=50)
def test_errors_equal_one_pair_and_one_trajectory_at_a_time(seed, kind):
    train, test = trajectories(seed), trajectories(seed)
    predict = {
        "persistence": lambda: persistence(),
        "mean": lambda: mean_at_t(train),
        "ridge": lambda: ridge_linear_ode(train, ridge=0.1),
    }[kind]()
    # rounding only: batches sum in another order
    np.testing.assert_allclose(
        pair_errors(predict, test), one_step_errors(predict, test), rtol=1e-9, atol=1e-12
    )
    # trajectories of one grid are rolled out together, so the order of errors may differ
    np.testing.assert_allclose(
        np.sort(fast_rollout_errors(predict, test)),
        np.sort(rollout_errors(predict, test)),
        rtol=1e-9,
        atol=1e-12,
    )
    for item in test.items:
        assert rollout(predict, item).shape == (len(item.times) - 1, len(test.genes))
