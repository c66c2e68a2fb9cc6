import numpy as np
import pytest

from niwaki.core import ConfigError
from niwaki.pruning import RoundLoss, nearest_sparsity, sparsest_within_one_se, standard_error


def rounds_from(*losses):
    return [RoundLoss(0.1 * i, np.asarray(loss, float)) for i, loss in enumerate(losses)]


def test_a_sparser_round_that_differs_by_chance_wins():
    best, even = [1.0, 2.0, 3.0, 4.0], [1.2, 1.9, 3.1, 3.9]
    assert sparsest_within_one_se(rounds_from([3, 3, 3, 3], best, even)) == 2


def test_a_round_worse_on_every_pair_loses_although_the_spread_between_pairs_is_large():
    best = np.array([1.0, 20.0, 300.0, 4000.0])
    worse = best + np.array([0.9, 1.0, 1.1, 1.0])
    # the error of the mean loss is about 1,000, that of the difference 0.04
    assert sparsest_within_one_se(rounds_from(best, worse)) == 0


def test_pairs_of_one_trajectory_count_as_one_witness():
    best = np.zeros(8)
    harm = np.array([1.0, 1, 1, 1, -0.7, -0.7, -0.7, -0.7])
    groups = np.repeat([0, 1], 4)
    # one trajectory speaks for each round, so they cannot be told apart; as eight
    # independent pairs they would: mean 0.15 within 0.32 either way, hence the errors are compared
    assert standard_error(harm, groups) > 2 * standard_error(harm)
    assert sparsest_within_one_se(rounds_from(best, harm), groups=groups) == 1


def test_clustered_error_is_the_error_of_group_means_for_equal_groups():
    rng = np.random.default_rng(0)
    losses, groups = rng.normal(size=12), np.repeat([0, 1, 2], 4)
    means = losses.reshape(3, 4).mean(1)
    assert standard_error(losses, groups) == pytest.approx(means.std(ddof=1) / np.sqrt(3))


def test_a_round_that_diverged_is_never_selected():
    assert sparsest_within_one_se(rounds_from([1.0, 2.0], [np.inf, 1.0])) == 0


def test_one_held_out_pair_selects_the_best_round():
    assert sparsest_within_one_se(rounds_from([2.0], [1.0], [1.5])) == 1
    assert standard_error(np.array([2.0])) == 0


def test_equal_losses_prefer_the_sparser_round():
    assert sparsest_within_one_se(rounds_from([1.0, 1.0], [1.0, 1.0])) == 1


def test_nearest_sparsity_prefers_the_sparser_of_two_equally_near():
    assert nearest_sparsity([0.0, 0.875, 0.9375, 1.0], 0.96875) == 3
    assert nearest_sparsity([0.0, 0.9, 0.95], 0.946) == 2


def test_no_rounds_is_an_error():
    with pytest.raises(ConfigError):
        sparsest_within_one_se([])
    with pytest.raises(ConfigError):
        nearest_sparsity([], 0.5)


def test_a_first_round_without_a_number_is_not_the_best():
    nothing = [np.nan, np.nan]
    assert sparsest_within_one_se(rounds_from(nothing, [1.0, 2.0], [3.0, 4.0])) == 1
    assert sparsest_within_one_se(rounds_from(nothing, nothing)) in (0, 1)
