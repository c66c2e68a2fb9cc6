import numpy as np
import pytest
from unit.motifs.graphs import random_graph
from unit.motifs.test_directed import random_directed

from niwaki.core import InputError
from niwaki.motifs import (
    count,
    false_discovery_rates,
    from_masks,
    significance,
    summarise_motifs,
    uniform_moments,
)
from niwaki.motifs._significance import empirical_p, pattern


@pytest.fixture
def graph(rng):
    return random_graph(rng, (5, 8, 6, 3))


def by(rows, null):
    return {row.motif: row for row in rows if row.null == null}


def test_two_nulls_stand_side_by_side(graph):
    rows = significance(graph, samples=30, rng=0)
    assert [*dict.fromkeys(row.null for row in rows)] == ["uniform", "degree", "signs"]
    assert {m: r.observed for m, r in by(rows, "uniform").items()} == count(graph).total
    assert all(row.exact == (row.null == "uniform") for row in rows)


def test_the_uniform_null_is_that_of_the_exact_moments(graph):
    moments, rows = uniform_moments(graph), by(significance(graph, nulls=["uniform"]), "uniform")
    for name, mean, sd in zip(moments.names, moments.mean, moments.sd(), strict=True):
        assert rows[name].mean == mean
        if sd > 0:
            assert rows[name].z == pytest.approx((rows[name].observed - mean) / sd)
            assert rows[name].ratio == pytest.approx(rows[name].observed / mean)


def test_what_degrees_fix_is_fixed_and_not_infinite(graph):
    rows = by(significance(graph, nulls=["degree"], samples=25, rng=0), "degree")
    fixed = {name for name, row in rows.items() if row.fixed}
    assert fixed >= {"edge", "diverging2", "converging3", "chain2", "star_2in_1out"}
    assert "bifan" not in fixed
    for name in fixed:
        assert (rows[name].z, rows[name].p, rows[name].q, rows[name].profile) == (None,) * 4
        assert rows[name].mean == rows[name].observed


def test_profiles_have_length_one(graph):
    rows = significance(graph, samples=25, rng=0)
    for null in ("uniform", "degree", "signs"):
        length = sum(r.profile**2 for r in by(rows, null).values() if r.profile is not None)
        assert length == pytest.approx(1.0)


def test_a_seed_repeats_the_rows(graph):
    assert significance(graph, samples=25, rng=3) == significance(graph, samples=25, rng=3)


def test_planted_bifans_are_found_though_degrees_are_kept():
    mask = np.kron(np.eye(6), np.ones((3, 3)))  # blocks: everyone shares all targets
    rows = by(significance(from_masks([mask]), samples=60, rng=0), "degree")
    assert rows["bifan"].z > 10
    assert rows["bifan"].p == pytest.approx(2 / 61)
    assert rows["bifan"].q <= 0.05


def test_directed_graphs_have_triads_loops_and_signs():
    rows = significance(random_directed(0), samples=25, rng=0)
    plain, signs = by(rows, "degree"), by(rows, "signs")
    assert "030T" in plain and "feed_forward" in plain
    assert plain["feedback2"].fixed  # reciprocal edges are kept
    assert set(signs) == {
        *("coherent_feed_forward", "incoherent_feed_forward"),
        *("positive_feedback2", "negative_feedback2"),
        *("positive_feedback3", "negative_feedback3"),
    }


def test_an_unsigned_graph_has_no_rows_of_signs():
    rows = significance(from_masks([np.eye(4) + np.eye(4, k=1)]), samples=20, rng=0)
    assert not by(rows, "signs")


def test_empirical_p_is_never_zero_and_counts_ties():
    drawn = np.arange(99.0)
    assert empirical_p(drawn, 1000.0) == 2 / 100
    assert empirical_p(drawn, 49.0) == 1.0
    assert empirical_p(np.zeros(9), 0.0) == 1.0


def test_false_discovery_rates_leave_out_what_is_fixed():
    found = false_discovery_rates([0.01, None, 0.04, 0.03])
    assert found[1] is None
    np.testing.assert_allclose([found[0], found[2], found[3]], [0.03, 0.04, 0.04])
    assert false_discovery_rates([None]) == [None]


def test_bad_choices_are_refused_in_words(graph):
    with pytest.raises(InputError, match="unknown for a layered graph"):
        significance(graph, nulls=["erdos"])
    with pytest.raises(InputError, match="unknown for a directed graph"):
        significance(random_directed(0), nulls=["min-degree"])
    with pytest.raises(InputError, match="at least 20"):
        significance(graph, samples=5)


def test_every_motif_has_a_pattern(graph):
    rows = significance(graph, samples=20, rng=0) + significance(random_directed(1), samples=20)
    assert all("→" in pattern(row.motif) or "↔" in row.pattern for row in rows)


def test_a_summary_tells_what_was_trimmed_and_what_no_null_can_change():
    mask = np.zeros((4, 4))
    mask[0, 0] = mask[1, 1] = 1
    found = summarise_motifs(from_masks([np.ones((4, 3)), mask]), samples=20, rng=0)
    assert found.live == [3, 2, 2]
    assert found.nominal_sparsity == pytest.approx(1 - 14 / 28)
    assert any("Layers 0 to 1 are complete" in note for note in found.notes)
    assert any("6 of 14 edges" in note for note in found.notes)


def test_a_network_without_a_path_has_a_summary_and_no_rows():
    found = summarise_motifs(from_masks([np.zeros((2, 2)), np.ones((1, 2))]))
    assert found.rows == []
    assert "No path" in found.notes[0]
