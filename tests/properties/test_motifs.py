import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.motifs import counts, edges_of
from unit.motifs.graphs import key, random_graph

from niwaki.motifs import (
    SAMPLERS,
    count,
    count_batch,
    flatten,
    from_masks,
    from_weights,
    trim,
    uniform_moments,
)

seeds = st.integers(0, 100_000)
sizes = st.lists(st.integers(1, 3), min_size=2, max_size=3)


@given(seed=seeds, sizes=sizes, density=st.floats(0, 1), biases=st.booleans())
@settings(max_examples=12, deadline=None)
def test_counts_equal_brute_force_on_any_small_graph(seed, sizes, density, biases):
    graph = random_graph(np.random.default_rng(seed), sizes, density=density, biases=biases)
    flat = flatten(graph)
    edges = edges_of(flat)
    assert count(graph).total == counts(edges, flat.nodes)
    assert count(graph, induced=True).total == counts(edges, flat.nodes, induced=True)


@given(seed=seeds, density=st.floats(0, 1))
@settings(max_examples=12, deadline=None)
def test_renaming_nodes_changes_no_count(seed, density):
    rng = np.random.default_rng(seed)
    masks = [rng.random(shape) < density for shape in ((5, 4), (6, 5), (2, 6))]
    order = [rng.permutation(n) for n in (4, 5, 6, 2)]
    renamed = [m[order[i + 1]][:, order[i]] for i, m in enumerate(masks)]
    assert count(from_masks(masks)) == count(from_masks(renamed))


@given(seed=seeds, density=st.floats(0, 1))
@settings(max_examples=12, deadline=None)
def test_batches_equal_single_networks(seed, density):
    rng = np.random.default_rng(seed)
    masks = [torch.from_numpy(rng.random((2, *shape)) < density) for shape in ((5, 4), (3, 5))]
    for i, row in enumerate(count_batch(masks).tolist()):
        assert row == list(count(from_masks([m[i] for m in masks])).total.values())


@given(seed=seeds, name=st.sampled_from(["uniform", "degree", "signs"]), density=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_nulls_keep_what_they_say(seed, name, density):
    rng = np.random.default_rng(seed)
    flat = flatten(random_graph(rng, (4, 6, 3), density=density))
    drawn = SAMPLERS[name](flat, rng)
    blocks = len(flat.block_names)
    np.testing.assert_array_equal(
        np.bincount(drawn.block, minlength=blocks), np.bincount(flat.block, minlength=blocks)
    )
    assert len(np.unique(key(drawn))) == len(flat.source)
    if name != "uniform":
        for ends in ("source", "target"):
            old, new = getattr(flat, ends), getattr(drawn, ends)
            assert np.array_equal(np.sort(old), np.sort(new))


@given(seed=seeds, density=st.floats(0.1, 0.9))
@settings(max_examples=20, deadline=None)
def test_the_mean_of_edges_is_their_number_and_no_deviation_is_negative(seed, density):
    graph = random_graph(np.random.default_rng(seed), (4, 5, 3), density=density)
    moments = uniform_moments(graph)
    assert np.isclose(moments.mean[0], graph.edges())
    assert (moments.sd() >= 0).all()
    assert (moments.mean >= 0).all()


@given(seed=seeds, density=st.floats(0, 1))
@settings(max_examples=12, deadline=None)
def test_trimming_leaves_the_function_of_a_network_alone(seed, density):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=s) * (rng.random(s) < density) for s in ((5, 3), (4, 5), (2, 4))]
    graph = from_weights(weights)
    living, report = trim(graph)

    def paths(some):
        """Sum over paths of products of weights, which is what a linear network computes."""
        total = None
        for place in sorted(some.blocks):
            block = some.blocks[place].toarray()
            total = block if total is None else block @ total
        return 0.0 if total is None else total.sum()

    assert np.isclose(paths(graph), paths(living))
    assert report.edges_after <= report.edges_before
