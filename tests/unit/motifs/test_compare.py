import numpy as np
import pytest
from unit.motifs.graphs import random_graph

from niwaki.core import InputError
from niwaki.motifs import (
    cluster,
    convergence,
    cosines,
    from_masks,
    mean_cosine,
    profiles,
    significance,
)


@pytest.fixture
def tables(rng):
    return [significance(random_graph(rng, (5, 6, 4)), nulls=["uniform"]) for _ in range(4)]


def test_profiles_have_length_one_and_leave_out_what_is_fixed(tables):
    names, values = profiles(tables, null="uniform")
    assert "edge" not in names
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1)


def test_cosines_of_like_and_of_opposite_profiles():
    values = np.array([[1.0, 2.0], [2.0, 4.0], [-1.0, -2.0], [2.0, -1.0], [0.0, 0.0]])
    found = cosines(values)
    np.testing.assert_allclose(found[0, :4], [1, 1, -1, 0], atol=1e-12)
    assert (found[4] == 0).all()
    assert mean_cosine(values[:2]) == pytest.approx(1)
    assert np.isnan(mean_cosine(values[:1]))


def test_clusters_are_numbered_in_order_of_appearance():
    values = np.array([[1.0, 0.1], [0.1, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert cluster(values, groups=2).tolist() == [0, 1, 0, 1]
    assert cluster(values[:1], groups=1).tolist() == [0]
    with pytest.raises(InputError, match="ask for fewer"):
        cluster(values, groups=9)


def test_convergence_has_one_number_per_stage(tables):
    found = convergence({0.5: tables, 0.9: tables[:1]}, null="uniform")
    assert found[0.5] == pytest.approx(mean_cosine(profiles(tables, null="uniform")[1]))
    assert np.isnan(found[0.9])


def test_networks_without_a_free_motif_do_not_compare():
    full = significance(from_masks([np.ones((3, 3))]), nulls=["uniform"])
    with pytest.raises(InputError, match="leaves no motif free"):
        profiles([full], null="uniform")
    with pytest.raises(InputError, match="no network"):
        profiles([], null="uniform")
    assert np.isnan(convergence({0.0: [full, full]}, null="uniform")[0.0])
