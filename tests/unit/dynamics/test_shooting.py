import numpy as np
import torch

from niwaki.core import Trajectories, Trajectory
from niwaki.dynamics import (
    Exponential,
    PairTensors,
    PhoenixField,
    previous_pairs,
    shooting_starts,
    solve,
)

GENES = 4
METHOD = Exponential(order=4, substeps=1)


def make_pairs():
    rng = np.random.default_rng(1)
    lengths = (5, 2, 4)
    items = tuple(
        Trajectory(f"t{i}", np.cumsum(rng.random(n) + 0.1), rng.random((n, GENES)))
        for i, n in enumerate(lengths)
    )
    return Trajectories(tuple("abcd"), items).pairs()


def make_starts(pairs, share, present=None):
    observed = PairTensors.from_pairs(pairs, dtype=torch.float64)
    field = PhoenixField(GENES, hidden=30, generator=torch.Generator().manual_seed(0)).double()
    found = shooting_starts(
        field,
        observed.start if present is None else present,
        observed=observed,
        previous=previous_pairs(pairs),
        share=share,
        method=METHOD,
    )
    return field, observed, found


def test_a_pair_follows_the_one_that_ends_where_it_starts_in_any_order():
    pairs = make_pairs().subset(np.array([3, 0, 6, 1, 2, 4, 7, 5]))
    for pair, before in enumerate(previous_pairs(pairs)):
        if before < 0:
            assert pairs.step[pair] == 0
        else:
            np.testing.assert_array_equal(pairs.end[:, before], pairs.start[:, pair])
            assert pairs.trajectory[before] == pairs.trajectory[pair]


def test_a_pair_whose_predecessor_is_missing_starts_from_its_observation():
    pairs = make_pairs().subset(np.array([1, 3]))
    assert previous_pairs(pairs).tolist() == [-1, -1]
    _, observed, found = make_starts(pairs, 0.7)
    torch.testing.assert_close(found, observed.start)


def test_without_a_share_states_are_the_observations():
    _, observed, found = make_starts(make_pairs(), 0.0)
    assert torch.equal(found, observed.start)


def test_starts_are_those_of_a_filter_taken_pair_by_pair():
    pairs, share = make_pairs(), 0.6
    present = PairTensors.from_pairs(pairs, dtype=torch.float64).start + 0.01
    field, observed, found = make_starts(pairs, share, present)
    for pair, before in enumerate(previous_pairs(pairs)):
        expected = observed.start[:, pair]
        if before >= 0:
            gap = observed.gaps[before : before + 1]
            arrived = solve(field, present[:, [before]], gaps=gap, method=METHOD)[:, 0]
            expected = (1 - share) * expected + share * arrived
        torch.testing.assert_close(found[:, pair], expected.detach(), rtol=1e-10, atol=1e-12)


def test_repeated_filtering_shoots_the_whole_trajectory_as_the_share_nears_one():
    pairs = make_pairs()
    field, observed, starts = make_starts(pairs, 1 - 1e-12)
    for _ in range(4):
        _, _, starts = make_starts(pairs, 1 - 1e-12, starts)
    state = observed.start[:, :1]
    for pair in range(4):  # the first trajectory
        torch.testing.assert_close(starts[:, [pair]], state, rtol=1e-8, atol=1e-9)
        state = solve(field, state, gaps=observed.gaps[pair : pair + 1], method=METHOD).detach()
