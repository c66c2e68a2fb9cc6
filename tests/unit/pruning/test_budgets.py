import numpy as np
import pytest
import torch
from reference.pruning_modules import erdos_renyi_kernel, global_choice

from niwaki.core import ConfigError, DivergedError
from niwaki.pruning import Budget, ErdosRenyi, Global, PerLayer, Unstructured
from niwaki.pruning._budgets import apportion, erdos_renyi_densities


def layers_of(scores, masks=None):
    pattern = Unstructured()
    return {
        name: pattern.items(
            torch.from_numpy(score),
            torch.from_numpy(np.ones_like(score, dtype=bool) if masks is None else masks[name]),
        )
        for name, score in scores.items()
    }


@pytest.mark.parametrize("budget", [PerLayer(), Global(), ErdosRenyi()])
@pytest.mark.parametrize("sparsity", [0.0, 0.37, 0.9])
def test_every_budget_keeps_the_exact_number_even_with_ties(budget, sparsity, rng):
    assert isinstance(budget, Budget)
    scores = {"a": rng.integers(0, 2, (6, 9)).astype(float), "b": np.zeros((5, 4))}
    kept = budget.keep(layers_of(scores), sparsity)
    sizes = {"a": 54, "b": 20}
    if isinstance(budget, PerLayer):
        assert {n: int(k.sum()) for n, k in kept.items()} == {
            n: size - round(sparsity * size) for n, size in sizes.items()
        }
    assert abs(
        sum(int(k.sum()) for k in kept.values()) - (74 - round(sparsity * 74))
    ) <= isinstance(budget, PerLayer)


def test_a_global_budget_is_that_of_the_slow_twin(rng):
    scores = {n: rng.integers(0, 5, shape).astype(float) for n, shape in (("a", (3, 4)), ("b", 5))}
    masks = {n: rng.random(s.shape) < 0.8 for n, s in scores.items()}
    kept = Global(least=0).keep(layers_of(scores, masks), 0.5)
    slow = global_choice(scores, masks, 17 - round(0.5 * 17))
    for name, part in slow.items():
        assert kept[name].numpy().tolist() == part.flatten().tolist()


def test_a_global_budget_cuts_no_layer_off():
    scores = {"small": np.full((2, 2), 1e-9), "large": np.ones((10, 10))}
    kept = Global(least=2).keep(layers_of(scores), 0.9)
    assert int(kept["small"].sum()) == 2
    assert int(kept["large"].sum()) == 10 - 2
    assert int(Global(least=0).keep(layers_of(scores), 0.9)["small"].sum()) == 0


@pytest.mark.parametrize("total", [5, 300, 900, 1200])
def test_erdos_renyi_densities_are_those_of_the_slow_twin(total):
    shapes = [(3, 2, 3, 3), (20, 50), (10, 20)]
    sizes = [54, 1000, 200]
    ours = erdos_renyi_densities(shapes, sizes, total)
    np.testing.assert_allclose(ours, erdos_renyi_kernel(shapes, sizes, total), rtol=1e-9)
    assert sum(d * s for d, s in zip(ours, sizes, strict=True)) == pytest.approx(total)


def test_whole_numbers_sum_to_the_total_within_their_caps():
    assert apportion([1.5, 1.5, 7.0], total=10, caps=[9, 9, 9]) == [2, 1, 7]
    assert apportion([1.5, 1.5, 7.0], total=10, caps=[9, 9, 3]) == [4, 3, 3]
    assert apportion([5.0, 5.0], total=10, caps=[2, 1]) == [2, 1]


def test_single_layers_can_have_a_sparsity_of_their_own():
    scores = {"a": np.arange(100.0), "b": np.arange(100.0)}
    kept = PerLayer({"a": 0.5}, final=0.9).keep(layers_of(scores), 0.9)
    assert [int(k.sum()) for k in kept.values()] == [50, 10]
    with pytest.raises(ConfigError, match="'c', which is not pruned; the layers are a, b"):
        PerLayer({"c": 0.5}, final=0.9).keep(layers_of(scores), 0.9)
    with pytest.raises(ConfigError, match="sparsity of 'a' is 1"):
        PerLayer({"a": 1.0}, final=0.9)


def test_scores_that_are_no_numbers_stop_the_prune():
    with pytest.raises(DivergedError, match="not a finite number"):
        Global().keep(layers_of({"a": np.array([1.0, np.nan])}), 0.5)
