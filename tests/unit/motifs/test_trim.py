import numpy as np
from unit.motifs.graphs import random_graph

from niwaki.motifs import count, from_masks, layered_from_edges, trim


def test_ghosts_and_dead_nodes_go_and_are_told():
    first = np.array([[1, 1], [0, 0], [1, 0]])  # node 1 has no input
    second = np.array([[1, 1, 0]])  # node 2 has no output
    living, report = trim(from_masks([first, second]))
    assert living.sizes == (2, 1, 1)
    assert (report.ghosts, report.dead) == ((0, 1, 0), (0, 0 + 1, 0))
    assert (report.edges_before, report.edges_after, report.possible) == (5, 3, 9)
    assert report.nominal_sparsity == 1 - 5 / 9
    assert report.effective_sparsity == 1 - 3 / 9


def test_a_node_that_only_its_bias_feeds_stays():
    living, _ = trim(from_masks([np.zeros((1, 2)), np.ones((1, 1))], biases=[np.ones(1), None]))
    assert living.sizes[1] == 1


def test_every_edge_that_is_left_lies_on_a_path(rng):
    graph = random_graph(rng, (6, 8, 8, 3), density=0.15, biases=False)
    living, report = trim(graph)
    again, second = trim(living)
    assert second.edges_before == second.edges_after == report.edges_after
    assert again.sizes == living.sizes
    assert report.edges_after <= report.edges_before


def test_paths_from_end_to_end_are_untouched(rng):
    graph = random_graph(rng, (4, 6, 3, 3), density=0.4, biases=False)
    living, _ = trim(graph)
    assert count(graph).total["chain3"] == count(living).total["chain3"]


def test_a_network_without_any_path_is_empty_and_said_so():
    _, report = trim(from_masks([np.array([[1], [0]]), np.array([[0, 1]])]))
    assert report.edges_after == 0
    assert report.effective_sparsity == 1.0


def test_names_follow_their_nodes():
    graph = layered_from_edges(
        ["a", "b", "x"], ["b", "c", "d"], layers={"a": 0, "b": 1, "c": 2, "x": 0, "d": 1}
    )
    assert trim(graph)[0].names == (("a",), ("b",), ("c",))
