"""Holding data out: whole trajectories, or the last times where there is one trajectory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from niwaki.core import InputError, Trajectories, Trajectory, as_generator


@dataclass(frozen=True)
class Split:
    """Data to train on and data to judge by.

    Attributes
    ----------
    train, held_out
        Both hold at least one pair of consecutive observations, and share none.
    kind
        Whether whole trajectories are held out, or the last times of the only one.
    held_out_index
        Positions of the held-out trajectories in the data, or of the held-out observations in the
        only trajectory with more than one time.
    """

    train: Trajectories
    held_out: Trajectories
    kind: Literal["trajectories", "last times"]
    held_out_index: tuple[int, ...]


def split(
    trajectories: Trajectories,
    *,
    share: float = 0.2,
    rng: np.random.Generator | int | None = None,
    held_out: Sequence[int] | None = None,
) -> Split:
    """Hold out a share of the trajectories, drawn at random, or else the last times.

    Only trajectories with two times or more are drawn, at least one and never all of them. Where
    there is only one, its last times are held out; that part begins at the last observation trained
    on, so its first pair predicts the first time not seen.

    Parameters
    ----------
    share
        Share of trajectories, or of steps in time, to hold out (between 0 and 1, both excluded).
    rng
        Random generator or seed of the draw.
    held_out
        Positions of the trajectories to hold out, instead of a draw.

    Raises
    ------
    InputError
        If `share` or `held_out` is out of range, or there are too few times to split.
    """
    if not 0 < share < 1:
        raise InputError(f"a held-out share of {share:g} was given; expected more than 0, below 1.")
    usable = [i for i, item in enumerate(trajectories.items) if len(item.times) > 1]
    if not usable:
        trajectories.pairs()  # its error says what is missing
    if held_out is not None:
        return _by_trajectory(trajectories, _check_chosen(trajectories, usable, held_out))
    if len(usable) == 1:
        return _by_time(trajectories, usable[0], share)
    count = _count(share, len(usable))
    drawn = as_generator(rng).choice(usable, size=count, replace=False)
    return _by_trajectory(trajectories, sorted(int(i) for i in drawn))


def _count(share: float, total: int) -> int:
    """Return the number to hold out of `total`: at least 1, and at least 1 is left."""
    return min(max(1, round(share * total)), total - 1)


def _by_trajectory(trajectories: Trajectories, index: Sequence[int]) -> Split:
    chosen = set(index)
    rest = [i for i in range(len(trajectories)) if i not in chosen]
    return Split(
        trajectories.subset(rest), trajectories.subset(index), "trajectories", tuple(index)
    )


def _by_time(trajectories: Trajectories, place: int, share: float) -> Split:
    whole = trajectories.items[place]
    steps = len(whole.times) - 1
    if steps < 2:
        raise InputError(
            f"the only trajectory with several times, '{whole.name}', has {steps + 1}; at least 3 "
            "are needed to train on one step and judge by another, or add a second trajectory."
        )
    last = steps - _count(share, steps)  # the last observation trained on
    head = Trajectory(whole.name, whole.times[: last + 1], whole.values[: last + 1])
    tail = Trajectory(whole.name, whole.times[last:], whole.values[last:])
    items = list(trajectories.items)
    items[place] = head
    return Split(
        Trajectories(trajectories.genes, tuple(items)),
        Trajectories(trajectories.genes, (tail,)),
        "last times",
        tuple(range(last + 1, steps + 1)),
    )


def _check_chosen(
    trajectories: Trajectories, usable: Sequence[int], held_out: Sequence[int]
) -> list[int]:
    chosen = sorted(set(held_out))
    if any(not 0 <= i < len(trajectories) for i in chosen):
        raise InputError(
            f"trajectories {chosen} were to be held out, but the data has {len(trajectories)}, "
            "counted from 0."
        )
    inside = set(chosen) & set(usable)
    if not inside or len(inside) == len(usable):
        raise InputError(
            f"trajectories {chosen} cannot be held out: a trajectory with at least two times must "
            "be among them, and another must be left to train on."
        )
    return chosen
