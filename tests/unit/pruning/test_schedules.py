import pytest

from niwaki.core import ConfigError
from niwaki.pruning import OneShot, PaperSchedule


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
    ],
)
def test_values_out_of_range_are_named(make, name):
    with pytest.raises(ConfigError, match=name):
        make()
