import numpy as np
import pytest

from niwaki.core import InputError, Trajectories, Trajectory
from niwaki.data import split


def make(*lengths):
    return Trajectories(
        ("A",),
        tuple(
            Trajectory(f"s{i}", np.arange(float(n)), np.arange(float(n))[:, None])
            for i, n in enumerate(lengths)
        ),
    )


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.3, 3), (0.99, 9)])
def test_whole_trajectories_are_held_out(share, count):
    data = make(*[3] * 10)
    parts = split(data, share=share, rng=0)
    assert parts.kind == "trajectories"
    assert len(parts.held_out) == count == len(parts.held_out_index)
    names = {t.name for t in parts.train.items} | {t.name for t in parts.held_out.items}
    assert names == {t.name for t in data.items}
    assert len(parts.train) + len(parts.held_out) == 10


def test_the_draw_follows_the_seed():
    data = make(*[3] * 20)
    draws = {split(data, rng=seed).held_out_index for seed in (1, 1, 2, 3)}
    assert len(draws) == 3


def test_trajectories_of_one_time_are_never_held_out():
    for seed in range(10):
        parts = split(make(1, 3, 1, 3), share=0.9, rng=seed)
        assert parts.held_out_index in {(1,), (3,)}


def test_given_trajectories_are_held_out():
    assert split(make(3, 3, 3), held_out=[2, 0]).held_out_index == (0, 2)


def test_the_last_times_of_the_only_trajectory_are_held_out():
    parts = split(make(1, 11), share=0.2)
    assert (parts.kind, parts.held_out_index) == ("last times", (9, 10))
    np.testing.assert_array_equal(parts.held_out.items[0].times, [8, 9, 10])
    np.testing.assert_array_equal(parts.train.items[1].times, np.arange(9.0))
    assert len(parts.train.pairs()) + len(parts.held_out.pairs()) == 10


def test_three_times_leave_one_step_on_each_side():
    parts = split(make(3), share=0.9)
    assert len(parts.train.pairs()) == len(parts.held_out.pairs()) == 1


@pytest.mark.parametrize(
    ("lengths", "options", "message"),
    [
        ((2,), {}, "has 2; at least 3 are needed"),
        ((1, 1), {}, "one time point only"),
        ((3, 3), {"share": 0.0}, "share of 0"),
        ((3, 3), {"share": 1.0}, "share of 1"),
        ((3, 3), {"held_out": [2]}, "the data has 2"),
        ((3, 3), {"held_out": [0, 1]}, "cannot be held out"),
        ((3, 3, 1), {"held_out": [2]}, "cannot be held out"),
    ],
)
def test_impossible_splits_say_why(lengths, options, message):
    with pytest.raises(InputError, match=message):
        split(make(*lengths), **options)
