"""Fields side by side against the same fields one by one."""

import numpy as np
import pytest
import torch

from niwaki.dynamics import (
    DormandPrince,
    Exponential,
    MlpField,
    Optimisation,
    PairTensors,
    PhoenixField,
    RungeKutta4,
    Training,
    can_stack,
    diverged,
    losses_together,
    pair_losses,
    shooting_starts,
    shooting_together,
    train_epoch,
    train_together,
)

GENES, HIDDEN = 9, 4
COUNTS = (23, 20, 24)  # pairs of the members: 3, 3 and 3 batches of eight, two of them short
METHODS = [Exponential(4, 2), Exponential(2, 3), RungeKutta4(2)]
NAMES = ["etd4", "etd2", "rk4"]


@pytest.fixture(autouse=True)
def slow(monkeypatch):
    """Train one by one by automatic differentiation: no engine."""
    for place in ("_train", "_solve", "_stacked"):
        monkeypatch.setattr(f"niwaki.dynamics.{place}.scheme_of", lambda *_: None)


def members(counts=COUNTS):
    """Trainings with rates of their own, pairs, and masks of half of some weights."""
    found = []
    for seed, count in enumerate(counts):
        generator = torch.Generator().manual_seed(seed)
        field = PhoenixField(GENES, hidden=HIDDEN, generator=generator).double()
        training = Training(field, Optimisation(learning_rate=1e-3 * (seed + 1)))
        start = torch.rand(GENES, count, generator=generator).double()
        gaps = torch.rand(count, generator=generator).double() + 0.1
        mask = torch.rand(HIDDEN, GENES, generator=generator) < 0.5
        found.append((training, PairTensors(start, start.roll(1, 0), gaps), {"weight_sum": mask}))
    return found


def batches_of(count, epoch, size=8):
    order = np.random.default_rng([count, epoch]).permutation(count)
    return [order[at : at + size] for at in range(0, count, size)]


def one_by_one(found, method, masked):
    return [
        [
            train_epoch(
                training,
                pairs,
                batches=batches_of(len(pairs.gaps), epoch),
                method=method,
                masks=masks if masked and epoch else {},
            )
            for epoch in range(3)
        ]
        for training, pairs, masks in found
    ]


def side_by_side(found, method, masked):
    trainings, pairs, masks = zip(*found, strict=True)
    epochs = [
        train_together(
            trainings,
            pairs,
            batches=[batches_of(len(seen.gaps), epoch) for seen in pairs],
            method=method,
            masks=masks if masked and epoch else [{} for _ in masks],
        )
        for epoch in range(3)
    ]
    return [[loss for loss, _ in found] for found in zip(*epochs, strict=True)]


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "pruned"])
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_members_learn_side_by_side_what_they_learn_alone(method, masked):
    alone, together = members(), members()
    expected = one_by_one(alone, method, masked)
    np.testing.assert_allclose(side_by_side(together, method, masked), expected, rtol=1e-9)
    for (slow, *_), (fast, *_) in zip(alone, together, strict=True):
        expected = slow.tensors()
        for name, value in fast.tensors().items():
            torch.testing.assert_close(value, expected[name], rtol=1e-7, atol=1e-9)


def test_a_member_with_fewer_batches_stops_earlier():
    counts = (24, 7)
    alone, together = members(counts), members(counts)
    expected = one_by_one(alone, METHODS[0], masked=False)
    found = side_by_side(together, METHODS[0], masked=False)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert [int(t.moments("multiplier")["step"]) for t, *_ in together] == [9, 3]


@pytest.mark.parametrize("most", [4_000_000, 300, 1])
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_losses_and_starts_are_those_of_each_member_alone(method, most, monkeypatch):
    monkeypatch.setattr("niwaki.dynamics._stacked.MOST_VALUES", most)
    trainings, pairs, _ = zip(*members(), strict=True)
    fields = [training.field for training in trainings]
    previous = [np.append(np.arange(len(seen.gaps) - 1), -1)[::-1].copy() for seen in pairs]
    previous[1] = np.full_like(previous[1], -1)  # a member without consecutive pairs
    shares = [0.3, 0.3, 0.1]
    found = losses_together(fields, pairs, method=method)
    starts = shooting_together(
        fields,
        [seen.start + 0.01 for seen in pairs],
        observed=pairs,
        previous=previous,
        shares=shares,
        method=method,
    )
    for field, seen, before, share, losses, start in zip(
        fields, pairs, previous, shares, found, starts, strict=True
    ):
        np.testing.assert_allclose(losses, pair_losses(field, seen, method=method), rtol=1e-10)
        alone = shooting_starts(
            field, seen.start + 0.01, observed=seen, previous=before, share=share, method=method
        )
        torch.testing.assert_close(start, alone, rtol=1e-10, atol=1e-12)


def test_a_member_that_diverges_stops_there_and_leaves_the_others_alone():
    sound, found = members(), members()
    found[1][1].end[4, 6] = torch.nan
    trainings, pairs, _ = zip(*found, strict=True)
    batches = [batches_of(len(seen.gaps), 0) for seen in pairs]
    options = {"batches": batches, "method": METHODS[0], "masks": [{}, {}, {}]}
    (first, _), (broken, failed), (last, _) = train_together(trainings, pairs, **options)
    alone = [one_by_one([member], METHODS[0], masked=False)[0][0] for member in sound[::2]]
    assert [first, last] == pytest.approx(alone, rel=1e-9)
    assert np.isnan(broken)
    assert 6 in failed
    taken = next(at for at, batch in enumerate(batches[1]) if 6 in batch)
    assert int(trainings[1].moments("multiplier")["step"]) == taken
    assert all(p.isfinite().all() for p in trainings[1].field.parameters())
    assert diverged(trainings[1].field, pairs[1], failed, METHODS[0]).place == (6, 4)


def test_only_phoenix_under_fixed_steps_without_an_engine_is_stacked(monkeypatch):
    phoenix = members()[0][0].field
    mlp = MlpField(GENES, hidden=HIDDEN, generator=torch.Generator())
    assert can_stack(phoenix, METHODS[0])
    assert not can_stack(phoenix, DormandPrince())
    assert not can_stack(mlp, RungeKutta4())
    monkeypatch.setattr("niwaki.dynamics._stacked.scheme_of", lambda *_: (4, 2))
    assert not can_stack(phoenix, METHODS[0])
