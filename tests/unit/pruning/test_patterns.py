import numpy as np
import pytest
import torch
from reference.pruning_modules import n_of_m

from niwaki.core import ConfigError
from niwaki.pruning import NOfM, Pattern, PerLayer, Units, Unstructured


def prune(pattern, score, mask, sparsity):
    items = pattern.items(score, mask)
    return pattern.mask(PerLayer().keep({"w": items}, sparsity)["w"], mask)


@pytest.mark.parametrize("pattern", [Unstructured(), Units(), Units(axis=1), NOfM(1, 3)])
def test_every_pattern_keeps_pruned_weights_pruned(pattern, rng):
    assert isinstance(pattern, Pattern)
    score = torch.from_numpy(rng.random((6, 7)))
    mask = torch.from_numpy(rng.random((6, 7)) < 0.7)
    assert not (prune(pattern, score, mask, 0.5) & ~mask).any()


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (2, 3)])
def test_n_of_m_at_its_sparsity_is_the_slow_twin_and_exact_below(n, m, rng):
    score = torch.from_numpy(rng.integers(0, 4, (5, 12)).astype(float))
    mask = torch.ones(5, 12, dtype=torch.bool)
    kept = prune(NOfM(n, m), score, mask, 1 - n / m)
    np.testing.assert_array_equal(kept.numpy(), n_of_m(score.numpy(), mask.numpy(), n, m))
    assert int(prune(NOfM(n, m), score, mask, 0.2).sum()) == 60 - 12
    sparser = prune(NOfM(n, m), score, mask, 0.9)
    assert int(sparser.sum()) == 6
    assert not (sparser & ~kept).any()


def test_n_of_m_counts_a_last_short_block_and_kernels_as_one_row(rng):
    score = torch.from_numpy(rng.random((3, 2, 1, 5)))  # ten inputs per unit: blocks of 4, 4, 2
    kept = prune(NOfM(2, 4), score, torch.ones_like(score).bool(), 0.4).reshape(3, 10)
    assert [int(kept[0, i : i + 4].sum()) for i in (0, 4, 8)] == [2, 2, 2]


def test_units_go_whole_by_their_summed_scores():
    score = torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, 9.0]])
    mask = torch.ones(3, 2, dtype=torch.bool)
    assert prune(Units(), score, mask, 1 / 3).tolist() == [[True] * 2, [False] * 2, [True] * 2]
    assert prune(Units(axis=1), score, mask, 0.5).tolist() == [[False, True]] * 3


def test_impossible_patterns_are_refused():
    with pytest.raises(ConfigError, match="4 in 4"):
        NOfM(4, 4)
    with pytest.raises(ConfigError, match="axis 1"):
        Units(axis=1).items(torch.ones(3), torch.ones(3).bool())
