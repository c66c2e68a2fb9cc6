import numpy as np
import pytest
from reference.data import integrate_one

from niwaki.core import InputError
from niwaki.data import (
    Hill,
    RegulatorySystem,
    add_noise,
    generate_network,
    integrate,
    sample_starts,
    simulate,
    write_equations,
)

CHAIN = RegulatorySystem(("A", "B"), (None, Hill("A", 0.5, 1.0)))


def test_a_chain_of_two_follows_its_closed_form():
    starts = np.array([[0.8, 0.1], [0.2, 0.9]])
    found = integrate(CHAIN, starts, [0.0, 0.5, 4.0])
    for item, (level, start) in zip(found.items, starts, strict=True):
        exact = level + (start - level) * np.exp(-item.times)  # EC50 0.5, n 1: B relaxes to A
        np.testing.assert_allclose(
            item.values[:, 1], exact, atol=1e-7
        )  # solver tolerance 1e-8 per step
        np.testing.assert_array_equal(item.values[:, 0], level)


def test_generated_systems_agree_with_the_equations_as_written(tmp_path):
    system = generate_network(12, 3, in_degree=3.0)
    write_equations(system, tmp_path / "e.csv")
    table = (tmp_path / "e.csv").read_text()
    starts = sample_starts(system, 3, 0)
    times = [1.0, 1.5, 6.0]
    for item, start in zip(integrate(system, starts, times).items, starts, strict=True):
        slow = integrate_one(table, dict(zip(system.genes, start.tolist(), strict=True)), times)
        # two solvers with tolerances of 1e-8 and 1e-10 per step
        np.testing.assert_allclose(item.values, slow, atol=1e-7)


def test_one_time_gives_the_start_states():
    starts = np.array([[0.8, 0.1]])
    np.testing.assert_array_equal(integrate(CHAIN, starts, [2.0]).items[0].values, starts)


def test_start_states_have_the_stated_distributions():
    system = generate_network(400, 0, input_share=0.5)
    starts = sample_starts(system, 500, 1)
    inputs, free = starts[:, ~system.regulated], starts[:, system.regulated]
    assert starts.min() >= 0
    assert starts.max() <= 1
    # 200 gene means of sd 0.109 (Beta(10, 10)): their mean has a standard error of 0.008
    assert inputs.mean() == pytest.approx(0.5, abs=0.03)
    assert inputs.mean(axis=0).std() == pytest.approx(0.109, abs=0.025)
    assert inputs.std(axis=0).min() > 0.008  # sd of at least 0.01, estimated from 500 draws
    # Beta(2, 2) + U(-0.25, 0.25), clipped: sd just below sqrt(0.05 + 0.0208) = 0.266
    assert free.std() == pytest.approx(0.26, abs=0.01)


def test_simulation_repeats_by_seed_and_noise_has_its_size():
    system = generate_network(50, 0)
    clean, again, noisy = (
        simulate(system, trajectories=20, times=[0.0, 1.0, 2.0], rng=5, noise_sd=sd).stack()
        for sd in (0.0, 0.0, 0.1)
    )
    np.testing.assert_array_equal(clean, again)
    assert (noisy - clean).std() == pytest.approx(0.1, abs=0.006)  # 3,000 draws: 3 errors of 2 %


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: integrate(CHAIN, np.ones((1, 3)), [0.0, 1.0]),
            "cover 3 genes but the system has 2",
        ),
        (lambda: integrate(CHAIN, np.ones((1, 2)), [0.0, 0.0]), "increase strictly"),
        (lambda: integrate(CHAIN, np.ones((1, 2)), []), "increase strictly"),
        (lambda: integrate(CHAIN, np.full((1, 2), np.nan), [0.0, 1.0]), "start state is missing"),
        (lambda: sample_starts(CHAIN, 0, 0), "at least 1"),
        (lambda: add_noise(integrate(CHAIN, np.ones((1, 2)), [0.0]), -1.0, 0), "noise level of -1"),
        (lambda: generate_network(1, 0), "at least 2 genes"),
        (lambda: generate_network(9, 0, in_degree=0.5), "mean of 0.5 regulators"),
        (lambda: generate_network(9, 0, input_share=1.5), "share of 1.5"),
    ],
)
def test_impossible_requests_say_why(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_generated_networks_have_the_promised_shape():
    system = generate_network(2000, 7)
    truth = system.truth
    regulated = int(system.regulated.sum())
    out = np.sort(np.bincount(truth.source, minlength=2000))[::-1]
    assert 2000 - regulated == 400
    assert not (truth.source == truth.target).any()
    assert not np.isin(truth.target, np.flatnonzero(~system.regulated)).any()
    assert len(truth) / regulated == pytest.approx(2.0, abs=0.1)  # Poisson: error of 0.025
    assert (truth.weight > 0).mean() == pytest.approx(0.7, abs=0.03)  # 3,200 draws: 0.008
    assert len(truth.regulators()) <= 600
    assert out[0] > 20 * np.median(out[:600])  # a heavy tail: no Poisson network has such hubs
    assert generate_network(2000, 7) == system
