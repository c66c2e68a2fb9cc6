import pytest

from niwaki.core import ConfigError
from niwaki.pruning import Cubic, Iterative, OneShot, PaperSchedule, Schedule


def test_paper_schedule_prunes_where_the_released_script_does():
    schedule = PaperSchedule()
    assert [e for e in range(1, 45) if schedule.prunes_at(e)] == [3, 10, 20, 30, 40]


@pytest.mark.parametrize(
    ("epoch", "percent"), [(2, 0), (3, 70), (50, 82.3), (100, 89.5), (150, 93.8), (190, 95.9)]
)
def test_paper_schedule_reaches_the_published_sparsities(epoch, percent):
    # published to one decimal
    assert 100 * PaperSchedule().sparsity_after(epoch) == pytest.approx(percent, abs=0.06)
    kept = PaperSchedule().kept_after(epoch, 14_000)
    assert 100 * (1 - kept / 14_000) == pytest.approx(percent, abs=0.06)


@pytest.mark.parametrize("weights", [1, 7, 999, 14_000])
@pytest.mark.parametrize("target", [0.5, 0.9, 0.941])
def test_target_is_reached_exactly_and_never_passed(weights, target):
    schedule = PaperSchedule(target_sparsity=target)
    kept = [schedule.kept_after(e, weights) for e in range(400)]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == weights - round(target * weights)
    assert all(kept[e] == kept[e - 1] for e in range(1, 400) if not schedule.prunes_at(e))


def test_first_epoch_on_a_multiple_of_the_period_prunes_once():
    schedule = PaperSchedule(first_epoch=10, first=0.5, period=5, rate=0.2)
    assert [e for e in range(1, 21) if schedule.prunes_at(e)] == [10, 15, 20]
    assert schedule.sparsity_after(15) == pytest.approx(1 - 0.5 * 0.8)


def test_one_shot_prunes_once():
    schedule = OneShot(epoch=4, sparsity=0.9)
    assert [e for e in range(10) if schedule.prunes_at(e)] == [4]
    assert (schedule.kept_after(3, 50), schedule.kept_after(4, 50)) == (50, 5)
    assert (schedule.sparsity_after(3), schedule.sparsity_after(9)) == (0, 0.9)


def test_iterative_prunes_equal_shares_of_the_rest_up_to_the_exact_end():
    schedule = Iterative(first_epoch=2, last_epoch=11, rounds=4, sparsity=0.9)
    epochs = [e for e in range(1, 20) if schedule.prunes_at(e)]
    assert (len(epochs), epochs[0], epochs[-1]) == (4, 2, 11)
    left = [1 - schedule.sparsity_after(e) for e in epochs]
    ratios = [b / a for a, b in zip([1.0, *left], left, strict=False)]
    assert ratios == pytest.approx([0.1**0.25] * 4)
    assert schedule.kept_after(11, 1000) == 100
    assert isinstance(schedule, Schedule)


@pytest.mark.parametrize("period", [1, 3])
def test_cubic_follows_the_formula_of_its_paper(period):
    schedule = Cubic(first_epoch=4, last_epoch=16, sparsity=0.9, period=period, start=0.3)
    assert schedule.sparsity_after(3) == 0
    for k in range(12 // period + 1):
        t = 4 + k * period
        expected = 0.9 + (0.3 - 0.9) * (1 - (t - 4) / 12) ** 3
        assert schedule.sparsity_after(t) == pytest.approx(expected)
        assert schedule.prunes_at(t)
    assert not schedule.prunes_at(17)
    assert isinstance(schedule, Schedule)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: PaperSchedule(first=70.0), "first"),
        (lambda: PaperSchedule(rate=0.0), "rate"),
        (lambda: PaperSchedule(period=0), "period"),
        (lambda: PaperSchedule(first_epoch=-3), "first_epoch"),
        (lambda: PaperSchedule(target_sparsity=1.0), "target_sparsity"),
        (lambda: OneShot(epoch=0, sparsity=0.5), "epoch"),
        (lambda: OneShot(epoch=1, sparsity=95.0), "sparsity"),
        (lambda: OneShot(epoch=1, sparsity=1.0), "sparsity"),
        (lambda: Cubic(1, 5, sparsity=0.5, start=0.6), "start"),
        (lambda: Cubic(5, 1, sparsity=0.5), "last_epoch"),
        (lambda: Iterative(1, 3, rounds=4, sparsity=0.5), "do not fit"),
    ],
)
def test_values_out_of_range_are_named(make, name):
    with pytest.raises(ConfigError, match=name):
        make()
