import numpy as np
import pytest
from unit.motifs.graphs import random_graph
from unit.motifs.test_directed import random_directed

from niwaki.core import InputError
from niwaki.motifs import (
    MOTIFS,
    TRIADS,
    count,
    count_signed,
    count_triads,
    from_masks,
    graph_from_edges,
    instances,
    layered_from_edges,
)


def test_every_copy_is_listed_once(rng):
    graph = random_graph(rng, (3, 4, 3, 2))
    total = count(graph).total
    for name in MOTIFS:
        found = instances(graph, name, most=100_000)
        assert len(found) == total[name] == len(set(found))


@pytest.mark.parametrize("seed", range(3))
def test_every_triad_is_listed_once(seed):
    graph = random_directed(seed, nodes=7)
    total = count_triads(graph)
    for name in TRIADS:
        assert len(instances(graph, name, most=100_000)) == total[name]


def test_copies_by_sign(rng):
    graph = random_graph(rng, (3, 4, 3))
    for name, number in count_signed(graph).total.items():
        assert len(instances(graph, name, most=100_000)) == number


def test_the_strongest_come_first_and_by_name():
    graph = graph_from_edges(
        ["a", "b", "a", "x", "y", "x"],
        ["b", "c", "c", "y", "z", "z"],
        weight=[1, 1, 1, 2, 2, 2],
    )
    assert instances(graph, "feed_forward", most=1) == [("x", "y", "z")]
    assert instances(graph, "feed_forward") == [("x", "y", "z"), ("a", "b", "c")]


def test_nodes_without_names_are_called_by_place():
    graph = from_masks([np.ones((1, 1))], biases=[np.ones(1)])
    assert instances(graph, "edge") == [("0:0", "1:0"), ("0:bias", "1:0")]
    assert instances(layered_from_edges(["p"], ["q"]), "edge") == [("p", "q")]


def test_unknown_motifs_are_refused_in_words(rng):
    with pytest.raises(InputError, match="there is no motif 'star'"):
        instances(random_graph(rng), "star")
    with pytest.raises(InputError, match="needs signs"):
        instances(graph_from_edges(["a", "b"], ["b", "a"]), "positive_feedback2")
