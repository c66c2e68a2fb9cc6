import numpy as np
import pytest
import torch

from niwaki.core import ConfigError, DivergedError
from niwaki.pruning import (
    CRITERIA,
    Chain,
    OneShot,
    ScoreOptions,
    apply_masks,
    full_masks,
    keep_top,
    prune_chain,
)


def test_equal_scores_go_by_tie_then_last_index_first():
    mask = torch.ones(6, dtype=torch.bool)
    score = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 2.0])
    ties = torch.tensor([0.0, 0.5, 0.5, 0.1, 0.5, 0.0])
    assert keep_top(mask, score, keep=4, ties=ties).tolist() == [1, 1, 1, 0, 0, 1]
    assert keep_top(mask, score, keep=4).tolist() == [1, 1, 1, 0, 0, 1]
    assert keep_top(mask, score, keep=3, ties=ties).tolist() == [1, 1, 0, 0, 0, 1]


def test_pruned_weights_stay_pruned_even_with_the_highest_score():
    mask = torch.tensor([[True, False], [True, True]])
    kept = keep_top(mask, torch.tensor([[1.0, 9.0], [2.0, 3.0]]), keep=2)
    assert kept.tolist() == [[False, False], [True, True]]


def test_asking_for_more_than_live_keeps_all():
    mask = torch.tensor([True, False, True])
    assert torch.equal(keep_top(mask, torch.zeros(3), keep=3), mask)


def test_a_score_that_is_not_a_number_stops_the_prune():
    with pytest.raises(DivergedError, match="diverged"):
        keep_top(torch.ones(2, dtype=torch.bool), torch.tensor([1.0, float("nan")]), keep=1)
    dead = torch.tensor([True, True, False])
    keep_top(dead, torch.tensor([1.0, 2.0, float("nan")]), keep=1)


def test_a_chain_is_pruned_layer_by_layer_to_the_exact_count():
    rng = np.random.default_rng(0)
    chain = Chain(
        "sum",
        torch.from_numpy(rng.normal(size=(4, 10))).float(),
        torch.zeros(10, 4),
        torch.ones(4, 10, dtype=torch.bool),
        torch.ones(10, 4, dtype=torch.bool),
    )
    scores = CRITERIA["magnitude"](chain, None, options=ScoreOptions(), state=None, rng=rng)
    pruned = prune_chain(chain, scores, schedule=OneShot(epoch=1, sparsity=0.7), epoch=1)
    assert (int(pruned.first_mask.sum()), int(pruned.output_mask.sum())) == (12, 12)
    assert pruned.first[pruned.first_mask].abs().min() > chain.first[~pruned.first_mask].abs().max()
    assert chain.first_mask.all()


def test_masks_of_any_module_zero_its_weights_in_place():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 3))
    masks = full_masks(module, ["0.weight"])
    masks["0.weight"][0] = False
    apply_masks(module, masks)
    assert not module[0].weight[0].any()
    assert module[0].weight[1].all()


def test_an_unknown_weight_is_named():
    with pytest.raises(ConfigError, match=r"no weight named 'x'; it has weight, bias"):
        full_masks(torch.nn.Linear(2, 2), ["x"])
