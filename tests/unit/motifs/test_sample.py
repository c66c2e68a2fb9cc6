from collections import Counter

import numpy as np
import pytest
from reference.motifs import all_masks, same_degrees
from scipy import stats
from unit.motifs.graphs import key, random_graph, random_skips

from niwaki.core import InputError
from niwaki.motifs import SAMPLERS, check_min_degree, flatten, from_masks
from niwaki.motifs._sample import sample_degree, sample_min_degree, sample_signs, sample_uniform


def degrees(flat):
    """In- and out-degree of every node towards every layer."""
    layers = int(flat.layer.max()) + 1
    out = np.bincount(flat.source * layers + flat.layer[flat.target], minlength=flat.nodes * layers)
    into = np.bincount(
        flat.target * layers + flat.layer[flat.source], minlength=flat.nodes * layers
    )
    return out, into


@pytest.mark.parametrize("name", ["uniform", "degree", "signs"])
@pytest.mark.parametrize("make", [random_graph, random_skips])
@pytest.mark.parametrize("density", [0.3, 0.8])
def test_every_sampler_keeps_nodes_blocks_biases_and_weights(name, make, density, rng):
    flat = flatten(make(rng, (6, 7, 5), density=density))
    drawn = SAMPLERS[name](flat, rng)
    assert np.array_equal(drawn.layer, flat.layer)
    assert len(np.unique(key(drawn))) == len(flat.source)  # no edge twice
    for number, (source, target, bias) in enumerate(flat.block_names):
        old, new = flat.block == number, drawn.block == number
        np.testing.assert_array_equal(np.sort(drawn.weight[new]), np.sort(flat.weight[old]))
        assert (drawn.layer[drawn.source[new]] == source).all()
        assert (drawn.layer[drawn.target[new]] == target).all()
        assert (drawn.bias[drawn.source[new]] == bias).all()


@pytest.mark.parametrize("make", [random_graph, random_skips])
@pytest.mark.parametrize("density", [0.2, 0.5, 0.9])
def test_curveball_keeps_every_degree(make, density, rng):
    flat = flatten(make(rng, (8, 9, 7), density=density))
    for _ in range(5):
        for old, new in zip(degrees(flat), degrees(sample_degree(flat, rng)), strict=True):
            np.testing.assert_array_equal(old, new)


def test_curveball_moves_edges(rng):
    flat = flatten(random_graph(rng, (8, 9, 7)))
    assert not np.array_equal(key(flat), key(sample_degree(flat, rng)))


@pytest.mark.parametrize(
    "mask",
    [
        [[1, 1, 0], [0, 1, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]],
        [[1, 1, 1, 0], [1, 1, 0, 1], [0, 1, 1, 1]],  # more present than absent: absences trade
        [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]],
    ],
)
def test_curveball_favours_no_graph(mask):
    rng = np.random.default_rng(5)
    mask = np.array(mask)
    states = same_degrees(mask)
    flat = flatten(from_masks([mask]))
    draws = 40 * len(states)
    found = Counter(tuple(key(sample_degree(flat, rng))) for _ in range(draws))
    known = {tuple(key(flatten(from_masks([state])))) for state in states}
    assert set(found) <= known
    times = [found.get(state, 0) for state in known]
    # a fair sampler fails this once in a thousand seeds; the seed is fixed
    assert len(states) == 1 or stats.chisquare(times).pvalue > 1e-3


def test_the_uniform_sampler_favours_no_graph():
    rng = np.random.default_rng(0)
    states = list(all_masks(2, 3, 2))
    flat = flatten(from_masks([states[0]]))
    found = Counter(tuple(key(sample_uniform(flat, rng))) for _ in range(40 * len(states)))
    assert stats.chisquare([found.get(s, 0) for s in found]).pvalue > 1e-3
    assert len(found) == len(states)


def test_the_published_sampler_gives_every_node_an_edge(rng):
    flat = flatten(from_masks([rng.random((30, 20)) < 0.3], biases=[np.arange(30) < 4]))
    drawn = sample_min_degree(flat, rng)
    inner = ~drawn.bias[drawn.source]
    assert np.bincount(drawn.source[inner], minlength=20)[:20].min() >= 1
    assert np.bincount(drawn.target[inner], minlength=flat.nodes)[21:].min() >= 1
    assert len(np.unique(key(drawn))) == len(flat.source)
    assert (drawn.bias[drawn.source]).sum() == 4


def test_layers_too_sparse_or_too_dense_for_the_published_sampler_are_told(rng):
    sparse = flatten(from_masks([np.eye(5)]))
    with pytest.raises(InputError, match="layers 0 to 1 have 5 edges"):
        sample_min_degree(sparse, rng)
    assert "layers 0 to 1 (5 edges, 5 by 5 nodes)" in check_min_degree(sparse)[0]
    with pytest.raises(InputError, match="so dense a layer"):
        sample_min_degree(flatten(from_masks([np.ones((6, 6))])), rng)


def test_shuffled_signs_leave_every_edge_in_place(rng):
    flat = flatten(random_graph(rng))
    drawn = sample_signs(flat, rng)
    np.testing.assert_array_equal(drawn.source, flat.source)
    np.testing.assert_array_equal(drawn.target, flat.target)
    assert not np.array_equal(drawn.weight, flat.weight)
