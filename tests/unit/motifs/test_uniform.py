import numpy as np
import pytest
from reference.motifs import all_masks
from unit.motifs.graphs import random_graph, random_skips

from niwaki.motifs import MOTIFS, count, flatten, from_masks, uniform_moments
from niwaki.motifs._count import count_flat
from niwaki.motifs._sample import sample_uniform

NAMES = list(MOTIFS)


def enumerated(shape, edges):
    """Counts of all masks of one block."""
    return np.array(
        [list(count(from_masks([m])).total.values()) for m in all_masks(*shape, edges)], dtype=float
    )


@pytest.mark.parametrize(("shape", "edges"), [((3, 3), 4), ((2, 4), 3), ((4, 3), 10)])
def test_moments_equal_those_over_all_masks(shape, edges):
    mask = np.zeros(shape)
    mask.ravel()[:edges] = 1
    moments = uniform_moments(from_masks([mask]))
    values = enumerated(shape, edges)
    np.testing.assert_allclose(moments.mean, values.mean(0), rtol=1e-12, atol=1e-12)
    covariance = np.cov(values.T, bias=True)
    np.testing.assert_allclose(moments.covariance, covariance, rtol=1e-10, atol=1e-10)


def test_moments_of_two_blocks_with_biases_equal_those_over_all_graphs():
    first, second = list(all_masks(2, 2, 2)), list(all_masks(2, 2, 3))
    bias = [np.array([1, 0]), np.array([0, 1])]
    values = np.array(
        [
            list(count(from_masks([a, b], biases=[c, None])).total.values())
            for a in first
            for b in second
            for c in bias
        ],
        dtype=float,
    )
    moments = uniform_moments(from_masks([first[0], second[0]], biases=[bias[0], None]))
    np.testing.assert_allclose(moments.mean, values.mean(0), rtol=1e-12, atol=1e-12)
    covariance = np.cov(values.T, bias=True)
    np.testing.assert_allclose(moments.covariance, covariance, rtol=1e-10, atol=1e-10)


def test_induced_moments_equal_those_over_all_masks():
    masks = list(all_masks(3, 3, 5))
    values = np.array(
        [list(count(from_masks([m]), induced=True).total.values()) for m in masks], dtype=float
    )
    moments = uniform_moments(from_masks([masks[0]]), induced=True)
    np.testing.assert_allclose(moments.mean, values.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.sd(), values.std(0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("make", [random_graph, random_skips])
def test_moments_lie_within_the_error_of_samples(make, rng):
    graph = make(rng, (5, 6, 4))
    flat = flatten(graph)
    moments = uniform_moments(graph)
    drawn = [list(count_flat(sample_uniform(flat, rng)).total.values()) for _ in range(300)]
    values = np.array(drawn, dtype=float)
    error = moments.sd() / np.sqrt(len(values))
    # 14 correlated means: beyond four standard errors once in thousands of seeds; the seed is fixed
    assert (np.abs(values.mean(0) - moments.mean) <= 4 * error + 1e-9).all()
    free = moments.resolved
    # the deviation of 300 draws of a skewed law is known to about 10 %
    np.testing.assert_allclose(values.std(0)[free], moments.sd()[free], rtol=0.35)


def test_layers_add_up_to_the_whole(rng):
    moments = uniform_moments(random_graph(rng, (4, 5, 3, 2)))
    np.testing.assert_allclose(moments.layer_mean.sum(1), moments.mean)
    np.testing.assert_allclose(moments.layer_covariance.sum((1, 3)), moments.covariance)


def test_covariances_are_symmetric_and_positive(rng):
    moments = uniform_moments(random_graph(rng, (6, 8, 5)))
    np.testing.assert_allclose(moments.covariance, moments.covariance.T)
    scale = np.sqrt(np.outer(np.diag(moments.covariance), np.diag(moments.covariance)))
    scaled = moments.covariance / np.where(scale > 0, scale, 1)
    assert np.linalg.eigvalsh(scaled).min() > -1e-9  # rounding of eigenvalues of order one


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_empty_or_complete_block_is_fixed(value):
    moments = uniform_moments(from_masks([np.full((5, 6), value), np.full((4, 5), value)]))
    assert not moments.resolved.any()
    assert (moments.sd() == 0).all()
    exact = count(from_masks([np.full((5, 6), value), np.full((4, 5), value)])).total
    np.testing.assert_allclose(moments.mean, list(exact.values()))


def test_the_number_of_edges_is_always_fixed(rng):
    moments = uniform_moments(random_graph(rng))
    assert not moments.resolved[NAMES.index("edge")]


def test_a_nearly_complete_layer_keeps_its_small_variance():
    mask = np.ones((60, 60))
    mask[0, 0] = mask[1, 1] = 0
    moments = uniform_moments(from_masks([mask]))
    # two absences share a row or not, and that changes the count by exactly one
    at = NAMES.index("diverging2")
    p = 59 / (60 * 60 - 1)
    assert moments.sd()[at] == pytest.approx(np.sqrt(p * (1 - p)), rel=1e-6)
