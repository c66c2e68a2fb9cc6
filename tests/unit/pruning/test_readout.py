import numpy as np
import pytest
import torch
from reference.pruning import effective

from niwaki.core import InputError
from niwaki.pruning import Chain, edge_strengths, effective_network, living_weights, sparsity

GENES = tuple("abcdefg")


def make_chains(seed=0, *, living=0.4, genes=7, hidden=3):
    rng = np.random.default_rng(seed)
    scale = torch.from_numpy(np.maximum(rng.normal(size=genes), 0))
    return [
        Chain(
            name,
            torch.from_numpy(rng.normal(size=(hidden, genes))),
            torch.from_numpy(rng.normal(size=(genes, hidden))),
            torch.from_numpy(rng.random((hidden, genes)) < living),
            torch.from_numpy(rng.random((genes, hidden)) < living),
            scale,
        )
        for name in ("sum", "prod")
    ]


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_effective_network_is_the_product_of_both_layers(rows):
    chains = make_chains()
    got = effective_network(chains, GENES, rows=rows)
    wanted = effective(
        [
            (
                (c.output * c.output_mask).numpy(),
                (c.first * c.first_mask).numpy(),
                c.output_scale.numpy(),
            )
            for c in chains
        ]
    )
    np.testing.assert_allclose(got.network.to_sparse().toarray(), wanted, atol=1e-12)
    assert got.edges == np.count_nonzero(wanted)
    assert got.targets_of.tolist() == np.count_nonzero(wanted, axis=0).tolist()
    np.testing.assert_allclose(got.strength_of, np.abs(wanted).sum(axis=0), atol=1e-12)
    assert got.network.signed


def test_edge_strengths_are_entries_of_the_full_product():
    chains = make_chains()
    full = effective_network(chains, GENES).network.to_sparse().toarray()
    target, source = np.indices(full.shape).reshape(2, -1)
    got = edge_strengths(chains, source, target, chunk=10)
    np.testing.assert_allclose(got, full.ravel(), atol=1e-12)


def test_limit_keeps_the_strongest_edges_but_counts_all():
    chains = make_chains()
    full = effective_network(chains, GENES)
    some = effective_network(chains, GENES, limit=4, rows=2)
    assert some.edges == full.edges
    np.testing.assert_array_equal(some.network.weight, full.network.weight[:4])
    assert len(effective_network(chains, GENES, limit=0).network) == 0


@pytest.mark.parametrize("sources", [[], [1], [0, 3]])
def test_edges_of_some_regulators_are_those_of_the_whole_network(sources):
    chains = make_chains()
    full = effective_network(chains, GENES)
    some = effective_network(chains, GENES, sources=np.array(sources, dtype=np.int64), rows=2)
    wanted = full.network.where(np.isin(full.network.source, sources))
    np.testing.assert_array_equal(some.network.keys(), wanted.keys())
    np.testing.assert_array_equal(some.network.weight, wanted.weight)
    assert some.edges == full.edges
    np.testing.assert_array_equal(some.targets_of, full.targets_of)


def test_gene_names_of_another_number_are_refused():
    with pytest.raises(InputError, match="3 gene names"):
        effective_network(make_chains(), GENES[:3])


def test_sparsity_counts_masks_or_all_weights_without_effect():
    chain = Chain(
        "sum",
        torch.tensor([[1.0, 0.0], [2.0, 3.0]]),
        torch.ones(2, 2),
        torch.tensor([[True, True], [False, True]]),
        torch.ones(2, 2, dtype=torch.bool),
        torch.tensor([0.0, 1.0]),
    )
    assert living_weights([chain]) == 7
    assert sparsity([chain]) == pytest.approx(1 / 8)
    assert sparsity([chain], count_silent=True) == pytest.approx(4 / 8)


def test_ten_thousand_genes_fit_without_a_gene_by_gene_matrix():
    genes, hidden = 10_000, 20
    rng = np.random.default_rng(0)
    chain = Chain(
        "sum",
        torch.from_numpy(rng.normal(size=(hidden, genes))).float(),
        torch.from_numpy(rng.normal(size=(genes, hidden))).float(),
        torch.from_numpy(rng.random((hidden, genes)) < 0.001),
        torch.from_numpy(rng.random((genes, hidden)) < 0.05),
    )
    got = effective_network([chain], [str(i) for i in range(genes)], limit=1000)
    assert len(got.network) == 1000
    assert got.edges == got.targets_of.sum()
