import numpy as np
import pytest

from niwaki.core import ConfigError, InputError, Network
from niwaki.knowledge import drop_edges, move_edges, shuffle


def random_network(seed=0, *, genes=40, edges=120):
    rng = np.random.default_rng(seed)
    keys = rng.choice(genes * genes, edges, replace=False)
    names = tuple(f"g{i}" for i in range(genes))
    return Network(names, keys % genes, keys // genes, rng.normal(size=edges), signed=True)


def test_the_same_seed_gives_the_same_network():
    prior = random_network()
    for change in (
        lambda rng: move_edges(prior, 0.3, rng=rng),
        lambda rng: drop_edges(prior, 0.3, rng=rng),
        lambda rng: shuffle(prior, rng=rng),
    ):
        one, two, other = (change(np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.keys(), two.keys())
        assert set(one.keys()) != set(other.keys())


def test_moving_into_the_last_free_places_works_and_beyond_is_refused():
    full = random_network(genes=6, edges=20)
    free = 30 - int((full.source != full.target).sum())
    moved = move_edges(full, free / 20, rng=np.random.default_rng(0))
    assert len(set(moved.keys()) - set(full.keys())) == free
    with pytest.raises(InputError, match="places left"):
        move_edges(full, 1.0, rng=np.random.default_rng(0))


def test_a_share_out_of_range_is_named():
    with pytest.raises(ConfigError, match="share of edges is 5"):
        move_edges(random_network(), 5.0, rng=np.random.default_rng(0))


def test_a_shuffle_forgets_most_edges_and_visits_all_networks_alike():
    # three regulators with one target each: all six assignments should be equally likely
    start = Network(
        ("a", "b", "c", "d", "e", "f"), np.array([0, 1, 2]), np.array([3, 4, 5]), np.ones(3)
    )
    rng = np.random.default_rng(0)
    seen = [tuple(shuffle(start, rng=rng).target) for _ in range(240)]
    counts = [seen.count(order) for order in set(seen)]
    assert len(counts) == 6
    # 40 expected each, standard deviation 6; four of them
    assert min(counts) > 16
    prior = random_network(genes=100, edges=300)
    kept = set(shuffle(prior, rng=rng).keys()) & set(prior.keys())
    # chance alone keeps about in-degree x out-degree / edges = 3 % of the edges, and loops stay
    assert len(kept) < 40


def test_networks_without_room_to_change_come_back():
    one = Network(("a", "b"), np.array([0]), np.array([1]), np.ones(1))
    assert len(shuffle(one, rng=np.random.default_rng(0))) == 1
    assert len(drop_edges(one, 1.0, rng=np.random.default_rng(0))) == 0
    assert len(move_edges(one.where(np.array([False])), 0.5, rng=np.random.default_rng(0))) == 0
