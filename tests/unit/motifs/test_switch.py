from collections import Counter

import numpy as np
import pytest
from scipy import stats
from unit.motifs.test_directed import random_directed

from niwaki.core import InputError
from niwaki.motifs import _switch as switch_module
from niwaki.motifs import count_triads, graph_from_edges, sample_switched
from niwaki.motifs._switch import sample_any, sample_signs_directed


def mutual(graph):
    n = len(graph.names)
    forth = graph.source * n + graph.target
    return np.isin(graph.target * n + graph.source, forth)


def degrees(graph):
    n = len(graph.names)
    both = mutual(graph)
    return [
        np.bincount(ends, minlength=n).tolist()
        for ends in (graph.source, graph.target, graph.source[both])
    ]


@pytest.mark.parametrize("seed", range(4))
def test_switching_keeps_every_degree_and_every_reciprocal_degree(seed, rng):
    graph = random_directed(seed, nodes=12, density=0.25)
    for drawn in sample_switched(graph, rng, 5):
        assert degrees(drawn) == degrees(graph)
        assert (drawn.source != drawn.target).all()
        assert len({*zip(drawn.source, drawn.target, strict=True)}) == len(graph.source)
        np.testing.assert_array_equal(np.sort(drawn.weight), np.sort(graph.weight))


def test_switching_moves_edges_and_counts(rng):
    graph = random_directed(1, nodes=12)
    drawn = sample_switched(graph, rng, 10)
    assert len({count_triads(g)["030T"] for g in drawn}) > 1


def test_switching_favours_no_graph():
    # a ring of five; no swap of two edges leads from one ring to another, three edges do
    ring = graph_from_edges(list("abcde"), list("bcdea"))
    found = Counter(
        tuple(g.target[np.argsort(g.source)].tolist())
        for g in sample_switched(ring, np.random.default_rng(2), 1_000)
    )
    assert len(found) == 24  # 4! rings; a loop of two would be a new reciprocal pair
    assert stats.chisquare(list(found.values())).pvalue > 1e-3  # fixed seed


def test_many_chains_are_made_in_parts(rng, monkeypatch):
    monkeypatch.setattr(switch_module, "_BYTES", 200.0)
    assert len(sample_switched(random_directed(0), rng, 7)) == 7


def test_too_many_nodes_are_told(rng, monkeypatch):
    monkeypatch.setattr(switch_module, "MOST_NODES", 3)
    with pytest.raises(InputError, match="Keep only the surest edges"):
        sample_switched(random_directed(0), rng, 1)


def test_the_free_null_keeps_the_number_of_edges_and_makes_no_loops(rng):
    graph = random_directed(2)
    for drawn in sample_any(graph, rng, 10):
        assert len({*zip(drawn.source, drawn.target, strict=True)}) == len(graph.source)
        assert (drawn.source != drawn.target).all()


def test_shuffled_signs_leave_edges_in_place(rng):
    graph = random_directed(3)
    drawn = sample_signs_directed(graph, rng, 1)[0]
    np.testing.assert_array_equal(drawn.source, graph.source)
    assert sorted(drawn.weight) == sorted(graph.weight)
