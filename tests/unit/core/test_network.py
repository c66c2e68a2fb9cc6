import numpy as np
import pytest

from niwaki.core import InputError, Network


def index(*values):
    return np.array(values, dtype=np.int64)


def build(source=(0, 0, 2), target=(1, 2, 0), weight=(1.0, -2.0, 3.0)):
    return Network(("a", "b", "c"), index(*source), index(*target), np.array(weight))


def test_matrices_have_targets_in_rows_and_regulators_in_columns():
    matrix = build().to_sparse().toarray()
    np.testing.assert_array_equal(matrix, [[0, 0, 3], [1, 0, 0], [-2, 0, 0]])


def test_a_matrix_gives_back_its_network():
    matrix = np.array([[0, 0, 3.0], [1, 0, 0], [-2, 0, 0]])
    network = Network.from_matrix(matrix, "abc", signed=True)
    np.testing.assert_array_equal(network.to_sparse().toarray(), matrix)
    assert network.signed
    assert set(network.keys()) == set(build().keys())


def test_zero_entries_of_a_matrix_are_no_edges():
    assert len(Network.from_matrix(np.zeros((3, 3)), "abc")) == 0


def test_names_make_the_same_network_as_indices():
    network = Network.from_edges(["a", "a", "c"], ["b", "c", "a"], weight=[1.0, -2.0, 3.0])
    assert network.genes == ("a", "b", "c")
    np.testing.assert_array_equal(network.to_sparse().toarray(), build().to_sparse().toarray())
    wider = Network.from_edges(["a"], ["b"], genes=("z", "b", "a"))
    assert (wider.source[0], wider.target[0], wider.weight[0]) == (2, 1, 1.0)


def test_keys_are_equal_for_equal_edges_only():
    every = Network.from_matrix(np.ones((5, 5)), "abcde")
    assert len(set(every.keys())) == 25
    np.testing.assert_array_equal(build().keys(), [1 * 3 + 0, 2 * 3 + 0, 0 * 3 + 2])


def test_keys_of_many_genes_do_not_overflow():
    names = tuple(str(i) for i in range(60_000))  # 60,000 squared is beyond 32 bits
    last = np.array([59_999], dtype=np.int32)
    assert Network(names, last, last, np.ones(1)).keys()[0] == 60_000**2 - 1


def test_regulators_are_those_with_a_target():
    np.testing.assert_array_equal(build().regulators(), [0, 2])


def test_where_keeps_marked_edges_and_leaves_the_network_alone():
    network = build()
    kept = network.where(np.array([True, False, True]))
    np.testing.assert_array_equal(kept.weight, [1, 3])
    assert (len(kept), len(network)) == (2, 3)
    assert kept.genes == network.genes


def test_a_network_may_be_empty():
    empty = build((), (), ())
    assert len(empty) == len(empty.regulators()) == empty.to_sparse().nnz == 0


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"source": (0, 0, 3)}, "an edge points outside the 3 genes of the network."),
        ({"target": (1, 2, -1)}, "an edge points outside the 3 genes of the network."),
        (
            {"weight": (1.0, np.nan, 3.0)},
            "an edge has a missing or infinite weight; give a number or drop it.",
        ),
        (
            {"source": (0, 0, 0), "target": (1, 2, 1)},
            "an edge stands twice in the network; merge the copies first.",
        ),
    ],
)
def test_impossible_networks_are_refused_in_one_sentence(changed, sentence):
    with pytest.raises(InputError) as caught:
        build(**changed)
    assert str(caught.value) == sentence
