import networkx as nx
import numpy as np
import pytest

from niwaki.core import InputError, Network
from niwaki.motifs import (
    TRIADS,
    count_loops,
    count_triads,
    directed_graph,
    graph_from_edges,
    instances,
)
from niwaki.motifs import _directed as directed_module


def random_directed(seed, *, nodes=9, density=0.3):
    rng = np.random.default_rng(seed)
    matrix = (rng.random((nodes, nodes)) < density) & ~np.eye(nodes, dtype=bool)
    source, target = np.nonzero(matrix)
    names = [f"g{i}" for i in range(nodes)]
    return graph_from_edges(
        [names[i] for i in source],
        [names[i] for i in target],
        weight=rng.choice([-1.0, 1.0], len(source)),
    )


def to_networkx(graph):
    made = nx.DiGraph()
    made.add_edges_from(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
    return made


@pytest.mark.parametrize("dense", [0, 400])
@pytest.mark.parametrize("seed", range(6))
def test_triads_equal_those_of_networkx(seed, dense, monkeypatch):
    monkeypatch.setattr(directed_module, "_DENSE", dense)
    graph = random_directed(seed, density=0.1 + 0.1 * seed)
    census = nx.triadic_census(to_networkx(graph))
    assert count_triads(graph) == {name: census[name] for name in TRIADS}


@pytest.mark.parametrize("dense", [0, 400])
@pytest.mark.parametrize("seed", range(3))
def test_loops_equal_enumeration_by_sign(seed, dense, monkeypatch):
    monkeypatch.setattr(directed_module, "_DENSE", dense)
    graph = random_directed(seed)
    found = count_loops(graph)
    for name in ("feed_forward", "feedback2", "feedback3"):
        assert len(instances(graph, name, most=10_000)) == found[name]
    signs = {"feed_forward": ("coherent", "incoherent")}
    for name in ("feed_forward", "feedback2", "feedback3"):
        good, bad = signs.get(name, ("positive", "negative"))
        assert found[f"{good}_{name}"] + found[f"{bad}_{name}"] == found[name]
        assert len(instances(graph, f"{good}_{name}", most=10_000)) == found[f"{good}_{name}"]


def test_a_repressed_detour_is_incoherent_and_two_repressions_are_not():
    for signs, kind in (((1, -1, 1), "incoherent"), ((-1, -1, 1), "coherent")):
        graph = graph_from_edges(["a", "b", "a"], ["b", "c", "c"], weight=signs)
        assert count_loops(graph)[f"{kind}_feed_forward"] == 1


def test_mutual_repression_is_positive_feedback():
    found = count_loops(graph_from_edges(["a", "b"], ["b", "a"], weight=[-1, -1]))
    assert (found["positive_feedback2"], found["negative_feedback2"]) == (1, 0)


def test_without_signs_there_are_no_signed_loops():
    found = count_loops(graph_from_edges(["a", "b"], ["b", "a"]))
    assert set(found) == {"feed_forward", "feedback2", "feedback3"}


def test_loops_and_copies_are_left_out_and_said_so():
    graph = graph_from_edges(["a", "a", "a", "b"], ["a", "b", "b", "c"])
    assert len(graph.source) == 2
    assert graph.notes == (
        "1 self-loop was left out; no motif has them.",
        "1 repeated edge was left out.",
    )


def test_genes_without_an_edge_are_no_nodes():
    network = Network.from_edges(["b"], ["d"], genes=["a", "b", "c", "d"])
    assert directed_graph(network).names == ("b", "d")


def test_unusable_edges_are_refused_in_words():
    with pytest.raises(InputError, match="no edge"):
        graph_from_edges(["a"], ["a"])
    with pytest.raises(InputError, match="one source, one target"):
        graph_from_edges(["a"], [])
    one = np.array([0, 0])
    with pytest.raises(InputError, match="stands twice"):
        directed_module.DirectedGraph(("a", "b"), one, np.array([1, 1]), np.ones(2))
    with pytest.raises(InputError, match="edge to itself"):
        directed_module.DirectedGraph(("a", "b"), one, np.array([1, 0]), np.ones(2))
