import time
from itertools import pairwise

import numpy as np
import pytest
from reference.knowledge import co_target_ppi as slow_ppi
from reference.knowledge import factor_distance
from scipy import sparse

from niwaki.core import AlignmentError, Network
from niwaki.knowledge import (
    Knowledge,
    co_target_ppi,
    knowledge_from,
    module_scores,
    symmetric_ppi,
    target_scores,
)

GENES = tuple("abcdefgh")


def random_network(rng, *, genes=8, edges=20):
    matrix = np.zeros((genes, genes))
    matrix.flat[rng.choice(genes * genes, edges, replace=False)] = rng.normal(size=edges)
    return Network.from_matrix(matrix, [str(i) for i in range(genes)])


def test_co_target_ppi_counts_shared_targets_in_the_papers_orientation():
    network = random_network(np.random.default_rng(0))
    paper = network.to_sparse().toarray().T
    np.testing.assert_allclose(co_target_ppi(network).toarray(), slow_ppi(paper), atol=1e-15)


def test_an_empty_prior_has_an_empty_ppi():
    assert co_target_ppi(Network.from_edges([], [], genes=GENES)).nnz == 0


def test_a_triangular_ppi_is_made_symmetric_with_a_hint():
    one_way = Network.from_edges(
        ["a", "b", "c"], ["b", "c", "c"], weight=[1.0, -2.0, 1.0], genes=GENES
    )
    both_ways = Network.from_edges(
        ["a", "b", "b", "c", "c"],
        ["b", "a", "c", "b", "c"],
        weight=[1.0, 1.0, 2.0, 2.0, 1.0],
        genes=GENES,
    )
    made, hints = symmetric_ppi(one_way)
    given, none = symmetric_ppi(both_ways)
    assert "2 of 2 regulator-regulator pairs" in hints[0]
    assert none == []
    np.testing.assert_array_equal(made.toarray(), given.toarray())
    assert made.sum() == pytest.approx(1)


def test_knowledge_drops_signs_and_derives_the_ppi_only_if_none_is_given():
    prior = Network.from_edges(["a", "b"], ["c", "c"], weight=[-0.5, 0.5], genes=GENES, signed=True)
    known, hints = knowledge_from(prior)
    assert known.prior.toarray()[2].tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0]
    assert known.ppi.toarray()[:2, :2].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert hints == []
    given, _ = knowledge_from(prior, ppi=Network.from_edges(["a"], ["d"], genes=GENES))
    assert given.ppi[0, 3] == given.ppi[3, 0] == 0.5


def test_knowledge_over_different_genes_is_refused():
    with pytest.raises(AlignmentError, match="8 genes but"):
        Knowledge(sparse.csr_array((8, 8)), sparse.csr_array((3, 3)))


def test_modules_and_targets_of_a_factorisable_prior_are_recovered():
    modules = np.zeros((3, 8))
    modules[0, [0, 1]] = 1
    modules[1, [2, 3, 4]] = 1
    modules[2, [5]] = 1
    ppi = sparse.csr_array(modules.T @ modules)
    outputs = np.random.default_rng(1).random((8, 3)) < 0.5
    # a start that leans towards the modules; an even one may split the largest between two units
    start = np.random.default_rng(0).random((3, 8)) + 2 * modules
    scores = module_scores(start, ppi, tolerance=1e-12, max_steps=5000)
    # zeros are reached in the limit; what is left after the steps is small
    np.testing.assert_allclose(scores, modules, atol=1e-2)
    implied = target_scores(scores, sparse.csr_array(outputs @ modules), ridge=1e-9)
    np.testing.assert_allclose(implied, outputs, atol=3e-2)


def test_more_steps_never_fit_worse_so_nothing_flips():
    rng = np.random.default_rng(3)
    ppi = co_target_ppi(random_network(rng, genes=12, edges=50))
    start = rng.random((4, 12))
    distances = [
        factor_distance(module_scores(start, ppi, tolerance=0.0, max_steps=n), ppi.toarray())
        for n in range(1, 40)
    ]
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(distances))


def test_repeating_the_solution_stays_where_it_is_unlike_the_released_recursion():
    rng = np.random.default_rng(4)
    ppi = co_target_ppi(random_network(rng, genes=12, edges=50))
    dense = ppi.toarray()
    released, ours = rng.random((4, 12)), rng.random((4, 12))
    released_sizes, our_sizes = [], []
    for _ in range(6):
        released = np.abs(np.linalg.inv(released @ released.T) @ released @ dense)
        ours = module_scores(ours, ppi)
        released_sizes.append(released.mean())
        our_sizes.append(ours.mean())
    assert max(released_sizes) / min(released_sizes) > 10
    # the solver stops when one step gains less than 1e-3, so a repeat moves it a little
    assert max(our_sizes) / min(our_sizes) < 1.1


def test_pruned_entries_and_unknown_genes_score_zero():
    rng = np.random.default_rng(5)
    network = Network.from_edges(["0", "1", "1"], ["4", "4", "5"], genes=[str(i) for i in range(8)])
    start = rng.random((3, 8))
    start[0, 1] = 0
    scores = module_scores(start, co_target_ppi(network))
    assert scores[0, 1] == 0
    assert not scores[:, 2:].any()
    assert (scores[1:, :2] > 0).all()


def test_everything_pruned_gives_zeros():
    ppi = co_target_ppi(random_network(np.random.default_rng(6)))
    assert not module_scores(np.zeros((3, 8)), ppi).any()
    assert not target_scores(np.zeros((3, 8)), ppi).any()


@pytest.mark.slow
@pytest.mark.parametrize(("regulators", "edges"), [(1_500, 500_000), (11_000, 20_000)])
def test_eleven_thousand_genes_are_scored_in_seconds(regulators, edges):
    genes, rng = 11_000, np.random.default_rng(0)
    keys = np.unique(rng.integers(0, genes * regulators, edges))
    network = Network(
        tuple(str(i) for i in range(genes)),
        keys % regulators,
        keys // regulators,
        np.ones(len(keys)),
    )
    started = time.perf_counter()
    known, _ = knowledge_from(network)
    first = module_scores(rng.random((300, genes)), known.ppi)
    scores = target_scores(first, known.prior)
    assert scores.shape == (genes, 300)
    # about 20 s measured on two cores; a dense gene-by-gene product would take minutes
    assert time.perf_counter() - started < 120
