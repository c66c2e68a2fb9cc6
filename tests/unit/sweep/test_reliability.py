import numpy as np
import pytest

from niwaki.sweep._reliability import BINS, Claims, reliability

PARTS = ("", "prior_", "other_")


def claims(probability, *, stability=None, prior=None, true=None):
    count = len(probability)
    return Claims(
        np.array(probability, dtype=float),
        np.full(count, np.nan) if stability is None else np.array(stability, dtype=float),
        np.zeros(count, dtype=bool) if prior is None else np.array(prior, dtype=bool),
        np.zeros(count, dtype=bool) if true is None else np.array(true, dtype=bool),
    )


def drawn(rng, count):
    values = rng.choice([*BINS, 0.0, 0.005, np.nan, *rng.random(20)], size=(2, count))
    return claims(
        values[0],
        stability=values[1],
        prior=rng.random(count) < 0.4,
        true=rng.random(count) < values[0],
    )


def twin(fits, measure, low, high, part):
    """Count, mean measure and true share, one edge at a time."""
    found = []
    for fit in fits:
        for at, value in enumerate(getattr(fit, measure)):
            inside = low <= value < high or (high == 1.0 and value == 1.0)
            if inside and part in ("", "prior_" if fit.prior[at] else "other_"):
                found.append((value, fit.true[at]))
    if not found:
        return 0, None, None
    return len(found), *(sum(each) / len(found) for each in zip(*found, strict=True))


def test_every_row_equals_a_count_of_edges_one_by_one(rng):
    fits = [drawn(rng, count) for count in (60, 0, 35)]
    rows = reliability(fits)
    assert [(row.measure, row.low, row.high) for row in rows] == [
        (measure, BINS[at], BINS[at + 1])
        for measure in ("probability", "stability")
        for at in range(len(BINS) - 1)
    ]
    for row in rows:
        for part in PARTS:
            edges, mean, share = twin(fits, row.measure, row.low, row.high, part)
            assert getattr(row, f"{part}edges") == edges
            for name, value in {"mean": mean, "true_share": share}.items():
                # summed in another order
                expected = None if value is None else pytest.approx(value, rel=1e-12)
                assert getattr(row, f"{part}{name}") == expected


def test_a_bin_holds_its_low_end_and_the_last_its_high_end_too():
    rows = reliability([claims(BINS, stability=np.flip(BINS))])
    assert [row.edges for row in rows] == 2 * [1, 1, 1, 1, 1, 1, 2]
    assert [row.mean for row in rows[:6]] == list(BINS[:6])
    assert rows[6].mean == pytest.approx(0.995)


def test_edges_below_the_lowest_bin_do_not_count():
    rows = reliability([claims([0.0, 0.00999], true=[True, True])])
    assert sum(row.edges for row in rows) == 0


def test_an_empty_bin_has_no_mean_and_no_share():
    rows = reliability([claims([0.95, 0.95], prior=[True, True], true=[True, False])])
    (full,) = [row for row in rows if row.edges]
    assert (full.low, full.prior_edges, full.prior_true_share) == (0.9, 2, 0.5)
    assert (full.other_edges, full.other_mean, full.other_true_share) == (0, None, None)
    for row in rows:
        if row is not full:
            assert all(getattr(row, f"{part}edges") == 0 for part in PARTS)
            assert all(getattr(row, f"{part}mean") is None for part in PARTS)
            assert all(getattr(row, f"{part}true_share") is None for part in PARTS)


def test_stability_that_was_not_made_fills_no_bin():
    rows = reliability([claims([0.5, 0.5])])
    assert [row.edges for row in rows if row.measure == "stability"] == [0] * (len(BINS) - 1)


def test_prior_and_others_make_up_every_bin(rng):
    for row in reliability([drawn(rng, 80)]):
        assert row.prior_edges + row.other_edges == row.edges
        if row.edges:
            total = sum(
                getattr(row, f"{part}edges") * (getattr(row, f"{part}true_share") or 0.0)
                for part in PARTS[1:]
            )
            assert total == pytest.approx(row.edges * row.true_share)


def test_odds_that_are_honest_give_shares_near_their_means(rng):
    probability = rng.random(20_000)
    fit = claims(probability, true=rng.random(20_000) < probability)
    for row in reliability([fit])[: len(BINS) - 1]:
        # four standard errors of a share of that many edges
        assert abs(row.true_share - row.mean) < 4 * np.sqrt(0.25 / row.edges)
