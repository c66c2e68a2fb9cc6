import networkx
import numpy as np
import pytest
from reference.motifs import connected_classes, counts, edges_of
from unit.motifs.graphs import random_graph, random_skips

from niwaki.core import InputError
from niwaki.motifs import (
    MOTIFS,
    count,
    feed_forward_count,
    flatten,
    from_masks,
    reachable_pairs,
)
from niwaki.motifs import _pairs as pairs_module


def dense_moth(biases=True):
    sizes = (10, 400, 400, 400, 16, 7)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    vectors = [np.ones(o) for o, _ in shapes] if biases else None
    return from_masks([np.ones(shape) for shape in shapes], biases=vectors)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("biases", [False, True])
def test_every_class_equals_enumeration(seed, biases):
    graph = random_graph(np.random.default_rng(seed), (2, 3, 2, 2), biases=biases)
    flat = flatten(graph)
    edges = edges_of(flat)
    assert count(graph).total == counts(edges, flat.nodes)
    assert count(graph, induced=True).total == counts(edges, flat.nodes, induced=True)


def test_induced_classes_are_all_that_a_layered_graph_has(rng):
    graph = random_graph(rng, (3, 3, 2, 2))
    flat = flatten(graph)
    total = count(graph, induced=True).total
    for nodes in (2, 3, 4):
        sets, classes = connected_classes(edges_of(flat), flat.nodes, nodes)
        known = [name for name, motif in MOTIFS.items() if motif.nodes == nodes]
        assert sum(total[name] for name in known) == sets
        assert len(classes) == sum(total[name] > 0 for name in known)


@pytest.mark.parametrize("biases", [False, True])
def test_all_induced_classes_equal_those_of_igraph(biases):
    igraph = pytest.importorskip("igraph")
    graph = random_graph(np.random.default_rng(3), (6, 20, 15, 4), density=0.2, biases=biases)
    flat = flatten(graph)
    ends = list(zip(flat.source.tolist(), flat.target.tolist(), strict=True))
    rival = igraph.Graph(n=flat.nodes, edges=ends, directed=True)
    total = count(graph, induced=True).total
    for nodes, classes in ((3, 3), (4, 10)):
        census = rival.motifs_randesu(size=nodes)
        known = {name: motif for name, motif in MOTIFS.items() if motif.nodes == nodes}
        assert len(known) == classes
        for name, motif in known.items():
            place = igraph.Graph(n=nodes, edges=motif.edges, directed=True).isoclass()
            assert census[place] == total[name] > 0


def test_classes_of_three_nodes_equal_those_of_networkx():
    graph = random_graph(np.random.default_rng(3), (6, 20, 15, 4), density=0.2)
    flat = flatten(graph)
    rival = networkx.DiGraph(zip(flat.source.tolist(), flat.target.tolist(), strict=True))
    census, total = networkx.triadic_census(rival), count(graph).total
    names = {"diverging2": "021D", "converging2": "021U", "chain2": "021C"}
    assert {name: census[triad] for name, triad in names.items()} == {n: total[n] for n in names}


def test_there_are_three_classes_of_three_nodes_and_ten_of_four():
    nodes = [motif.nodes for motif in MOTIFS.values()]
    assert (nodes.count(2), nodes.count(3), nodes.count(4)) == (1, 3, 10)


def test_the_dense_network_of_the_publication_has_its_exact_numbers():
    found = count(dense_moth()).total
    assert found["edge"] == 331_735
    assert found["chain2"] == 68_531_312
    assert found["converging2"] == 65_466_152
    assert found["diverging3"] == 8_607_293_555
    assert found["converging3"] == 8_704_016_360


def test_layers_add_up_and_name_the_lowest_layer(rng):
    graph = from_masks([np.eye(3), np.ones((2, 3))])
    found = count(graph)
    assert found.by_layer["edge"] == (3, 6)
    assert found.by_layer["chain2"] == (6, 0)
    assert found.by_layer["bifan"] == (0, 3)
    assert found.total["edge"] == 9


@pytest.mark.parametrize("seed", range(4))
def test_skip_connections_count_as_enumeration_says(seed):
    graph = random_skips(np.random.default_rng(seed))
    flat = flatten(graph)
    assert count(graph).total == counts(edges_of(flat), flat.nodes)
    with pytest.raises(InputError, match="skip"):
        count(graph, induced=True)


def test_feed_forward_loops_need_a_skip(rng):
    assert feed_forward_count(random_graph(rng)) == 0
    graph = random_skips(rng, (1, 1, 1), density=1.1)
    assert feed_forward_count(graph) == 1


def test_reachable_pairs_are_pairs_of_ends_not_paths():
    graph = from_masks([np.ones((5, 2)), np.ones((3, 5))])
    assert count(graph).total["chain2"] == 30
    assert reachable_pairs(graph, 2) == 6
    assert reachable_pairs(graph, 1) == graph.edges()
    assert reachable_pairs(graph, 3) == 0
    with pytest.raises(InputError, match="at least 1"):
        reachable_pairs(graph, 0)


def test_counts_beyond_two_to_the_53_stay_exact():
    width = 400_000
    graph = from_masks([np.ones((width, 1)), np.ones((1, width))])
    found = count(graph).total
    assert found["diverging3"] == width * (width - 1) * (width - 2) // 6
    assert found["diverging3"] > 2**53
    assert found["biparallel"] == width * (width - 1) // 2


def test_dense_and_sparse_products_agree(rng, monkeypatch):
    graph = random_graph(rng, (20, 30, 25, 4), density=0.3)
    found = []
    for cost in (0.0, np.inf):  # always sparse, always dense
        monkeypatch.setattr(pairs_module, "_SPARSE_COST", cost)
        found.append(count(graph))
    assert found[0] == found[1]


def test_dense_products_in_chunks_agree(rng, monkeypatch):
    graph = random_graph(rng, (20, 30, 25), density=0.5)
    whole = count(graph)
    monkeypatch.setattr(pairs_module, "_CHUNK", 60)
    assert count(graph) == whole


def test_an_empty_block_counts_nothing():
    graph = from_masks([np.zeros((3, 2)), np.zeros((2, 3))], biases=[np.zeros(3), None])
    assert set(count(graph).total.values()) == {0}
