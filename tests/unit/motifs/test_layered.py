import numpy as np
import pytest
import torch
from scipy import sparse
from unit.motifs.graphs import key, random_graph, random_skips

from niwaki.core import InputError
from niwaki.motifs import (
    LayeredGraph,
    flatten,
    from_masks,
    from_weights,
    layered_from_edges,
    unflatten,
)


def test_masks_of_numpy_and_of_torch_make_the_same_graph(rng):
    mask = rng.random((4, 3)) < 0.5
    assert np.array_equal(
        key(flatten(from_masks([mask]))), key(flatten(from_masks([torch.tensor(mask)])))
    )


def test_rows_are_targets_and_a_bias_is_one_more_source():
    graph = from_weights([np.array([[2.0, 0.0, 0.0]])], biases=[np.array([3.0])])
    flat = flatten(graph)
    assert graph.sizes == (3, 1)
    assert flat.nodes == 5
    assert flat.source.tolist() == [0, 3]
    assert flat.target.tolist() == [4, 4]
    assert flat.weight.tolist() == [2.0, 3.0]
    assert flat.bias.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("make", [random_graph, random_skips])
def test_flattening_loses_nothing(make, rng):
    graph = make(rng)
    again = unflatten(graph, flatten(graph))
    for place, block in graph.blocks.items():
        np.testing.assert_array_equal(again.blocks[place].toarray(), block.toarray())
    for layer, bias in graph.biases.items():
        np.testing.assert_array_equal(again.biases[layer], bias)


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ([], "at least one"),
        ([np.ones((2, 3)), np.ones((2, 3))], "ends in 2 nodes, but matrix 1 begins with 3"),
        ([np.full((2, 2), 0.5)], "holds 0.5; expected only 0 and 1"),
        ([np.ones((0, 2))], "is empty"),
        ([np.ones(3)], "has 1 axes"),
        ([np.array([[1.0, np.nan]])], "missing or infinite"),
    ],
)
def test_unusable_masks_are_refused_in_words(masks, expected):
    with pytest.raises(InputError, match=expected):
        from_masks(masks)


def test_unusable_biases_are_refused_in_words():
    with pytest.raises(InputError, match="1 biases were given for 2"):
        from_weights([np.ones((2, 2))] * 2, biases=[None])
    with pytest.raises(InputError, match="bias 0 has 3 values for 2 nodes"):
        from_weights([np.ones((2, 2))], biases=[np.ones(3)])
    with pytest.raises(InputError, match="bias mask 0 holds 2"):
        from_masks([np.ones((2, 2))], biases=[np.full(2, 2.0)])


def test_a_graph_needs_layers_that_lead_forward():
    block = sparse.csr_array(np.ones((1, 1)))
    with pytest.raises(InputError, match="two layers"):
        LayeredGraph((1,), {})
    with pytest.raises(InputError, match="no node"):
        LayeredGraph((1, 0), {})
    with pytest.raises(InputError, match="not forward"):
        LayeredGraph((1, 1), {(1, 0): block})
    with pytest.raises(InputError, match="targets in rows"):
        LayeredGraph((1, 2), {(0, 1): block})


def test_an_edge_list_gets_layers_by_its_longest_paths():
    graph = layered_from_edges(["a", "b", "a", "c"], ["b", "c", "c", "d"])
    assert graph.names == (("a",), ("b",), ("c",), ("d",))
    assert set(graph.blocks) == {(0, 1), (1, 2), (0, 2), (2, 3)}
    assert not graph.sequential


def test_an_edge_list_may_name_its_layers():
    graph = layered_from_edges(["a"], ["b"], layers={"a": 0, "b": 1, "c": 1}, weight=[-2.0])
    assert graph.sizes == (1, 2)
    assert graph.blocks[0, 1].toarray().tolist() == [[-2.0], [0.0]]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([], "no edge"),
        ([("a", "a")], "edge to itself"),
        ([("a", "b"), ("a", "b")], "stands 2 times"),
        ([("a", "b"), ("b", "a")], "a cycle"),
    ],
)
def test_edge_lists_without_layers_are_refused_in_words(edges, expected):
    with pytest.raises(InputError, match=expected):
        layered_from_edges([a for a, _ in edges], [b for _, b in edges])


def test_layers_of_an_edge_list_must_lead_forward():
    with pytest.raises(InputError, match="no layer"):
        layered_from_edges(["a"], ["b"], layers={"a": 0})
    with pytest.raises(InputError, match="does not lead forward"):
        layered_from_edges(["a"], ["b"], layers={"a": 1, "b": 1})
    with pytest.raises(InputError, match="finite and not 0"):
        layered_from_edges(["a"], ["b"], weight=[0.0])
