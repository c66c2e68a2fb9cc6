import json

import numpy as np
import pytest
import torch
from scipy import sparse

from niwaki.core import ConfigError, DivergedError, Trajectories, Trajectory
from niwaki.dynamics import (
    Exponential,
    ModuleField,
    Optimisation,
    PairTensors,
    PhoenixField,
    PriorTerm,
    RungeKutta4,
    Training,
    make_batches,
    pair_losses,
    train_epoch,
)

GENES = 6
METHOD = Exponential(order=4, substeps=1)


def make_field(seed=0):
    return PhoenixField(GENES, hidden=25, generator=torch.Generator().manual_seed(seed))


def make_pairs():
    rng = np.random.default_rng(0)
    times = np.array([0.0, 2.0, 3.0, 7.0, 9.0])
    items = tuple(
        Trajectory(f"t{i}", times[: 5 - i % 2], rng.random((5 - i % 2, GENES))) for i in range(5)
    )
    return Trajectories(tuple(f"g{i}" for i in range(GENES)), items).pairs()


def make_masks(field):
    mask = torch.ones_like(field.weight_sum)
    mask[:, ::2] = 0
    return {"weight_sum": mask, "output_prod": (torch.arange(25) < 20).float().repeat(GENES, 1)}


def run_epochs(training, epochs, *, masks, prior=None):
    pairs = make_pairs()
    tensors = PairTensors.from_pairs(pairs)
    losses = []
    for epoch in epochs:
        losses.append(
            train_epoch(
                training,
                tensors,
                batches=make_batches(pairs, size=4, seed=3, epoch=epoch),
                method=METHOD,
                masks=masks,
                prior=prior,
                generator=torch.Generator().manual_seed(epoch),
            )
        )
        training.plateau.step(losses[-1])
    return losses


def make_training(**settings):
    return Training(make_field(), Optimisation(learning_rate=0.01, **settings))


def test_training_lowers_the_loss():
    losses = run_epochs(make_training(), range(8), masks={})
    assert losses[-1] < 0.7 * losses[0]


def test_resumed_run_continues_bit_for_bit():
    whole = make_training(patience=0, threshold=1.0)  # the rate falls in every epoch
    masks = make_masks(whole.field)
    whole.apply_masks(masks)
    losses = run_epochs(whole, range(6), masks=masks)

    first = make_training(patience=0, threshold=1.0)
    first.apply_masks(masks)
    run_epochs(first, range(3), masks=masks)
    tensors, numbers = first.tensors(), first.numbers()
    run_epochs(first, range(3, 4), masks=masks)  # what was saved does not move with the run

    second = Training(make_field(seed=9), first.settings)
    second.restore(tensors, numbers, masks=masks)
    assert run_epochs(second, range(3, 6), masks=masks) == losses[3:]
    assert second.numbers() == whole.numbers()
    for name, value in second.tensors().items():
        assert torch.equal(value, whole.tensors()[name]), name


def test_untrained_state_can_be_saved_and_restored():
    fresh = make_training()
    second = Training(make_field(seed=9), fresh.settings)
    second.restore(fresh.tensors(), fresh.numbers())
    assert run_epochs(second, range(2), masks={}) == run_epochs(fresh, range(2), masks={})


def test_saved_numbers_survive_a_text_file():
    training = make_training()
    run_epochs(training, range(2), masks={})
    assert json.loads(json.dumps(training.numbers())) == training.numbers()


def test_pruned_weights_stay_zero_and_have_no_moments():
    training = make_training()
    run_epochs(training, range(2), masks={})  # moments exist before the prune
    masks = make_masks(training.field)
    training.apply_masks(masks)
    run_epochs(training, range(2, 5), masks=masks)
    for name, mask in masks.items():
        parameter = training.field.get_parameter(name)
        assert (parameter[mask == 0] == 0).all()
        assert (parameter[mask == 1] != 0).any()
        for moment in ("exp_avg", "exp_avg_sq"):
            assert training.moments(name)[moment].shape == (int(mask.sum()),)


def test_prune_keeps_the_moments_of_the_survivors():
    training = make_training()
    run_epochs(training, range(2), masks={})
    before = {n: training.moments(n)["exp_avg"].clone() for n in ("weight_sum", "output_prod")}
    masks = make_masks(training.field)
    training.apply_masks(masks)
    kept = training.moments("output_prod")["exp_avg"]
    assert torch.equal(kept, before["output_prod"][masks["output_prod"].bool()])
    turned = before["weight_sum"].T[masks["weight_sum"].T.bool()]  # gene by gene
    assert torch.equal(training.moments("weight_sum")["exp_avg"], turned)

    smaller = {"output_prod": masks["output_prod"] * (torch.arange(25) % 2)}
    training.apply_masks(smaller)
    again = training.moments("output_prod")["exp_avg"]
    assert torch.equal(again, before["output_prod"][smaller["output_prod"].bool()])


def test_saved_moments_of_other_masks_are_refused():
    training = make_training()
    masks = make_masks(training.field)
    training.apply_masks(masks)
    run_epochs(training, range(1), masks=masks)
    with pytest.raises(ConfigError, match="does not fit its masks"):
        make_training().restore(training.tensors(), training.numbers())


def rates(training):
    names = [name for name, _ in training.field.named_parameters()]
    return dict(zip(names, [g["lr"] for g in training.optimiser.param_groups], strict=True))


def test_multipliers_learn_faster():
    by_name = rates(make_training())
    assert by_name.pop("multiplier") == pytest.approx(0.05)
    assert set(by_name.values()) == {0.01}


def test_rate_falls_after_patience_and_no_further_than_the_minimum():
    training = make_training(patience=1, decay=0.5, minimum=0.004)
    seen = []
    for loss in (1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.6):
        training.plateau.step(loss)
        seen.append(rates(training)["bias_sum"])
    assert seen == [0.01, 0.01, 0.005, 0.005, 0.005, 0.004, 0.004, 0.004]


def test_reset_returns_to_the_starting_rates():
    training = make_training()
    before = rates(training)
    for _ in range(20):
        training.plateau.step(1.0)
    assert rates(training)["multiplier"] < before["multiplier"]
    training.reset_learning_rate()
    assert rates(training) == before


def test_reset_can_misplace_the_factor_as_the_released_code_does():
    training = make_training()
    training.reset_learning_rate(fast="output_prod")
    by_name = rates(training)
    assert by_name.pop("output_prod") == pytest.approx(0.05)
    assert set(by_name.values()) == {0.01}


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_every_pair_is_in_exactly_one_batch(size):
    pairs = make_pairs()
    batches = make_batches(pairs, size=size, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(len(pairs)))
    assert all(len(batch) == size for batch in batches[:-1])


def test_trajectory_batches_hold_one_whole_trajectory_each():
    pairs = make_pairs()
    batches = make_batches(pairs, size="trajectory", seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(len(pairs)))
    assert [len(np.unique(pairs.trajectory[batch])) for batch in batches] == [1] * 5


@pytest.mark.parametrize("size", [4, "trajectory"])
def test_batches_depend_on_seed_and_epoch_only(size):
    pairs = make_pairs()

    def order(seed, epoch):
        batches = make_batches(pairs, size=size, seed=seed, epoch=epoch)
        return np.concatenate(batches).tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1, 2)}) == 6


def test_empty_batches_are_refused():
    with pytest.raises(ConfigError, match="batch size is 0"):
        make_batches(make_pairs(), size=0, seed=0, epoch=0)


def test_mean_loss_weighs_batches_by_their_pairs():
    training = Training(make_field(), Optimisation(learning_rate=1e-12))  # nothing moves
    pairs = make_pairs()
    tensors = PairTensors.from_pairs(pairs)
    loss = train_epoch(
        training,
        tensors,
        batches=make_batches(pairs, size=7, seed=0, epoch=0),
        method=METHOD,
        masks={},
    )
    every = pair_losses(training.field, tensors, method=METHOD)
    assert loss == pytest.approx(every.mean(), rel=1e-6)  # float32 sums


def test_pair_losses_do_not_depend_on_the_chunk():
    tensors = PairTensors.from_pairs(make_pairs(), dtype=torch.float64)
    field = make_field().double()
    whole = pair_losses(field, tensors, method=METHOD)
    assert whole.shape == tensors.gaps.shape
    for chunk in (1, 5):
        parts = pair_losses(field, tensors, method=METHOD, chunk=chunk)
        np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_infinite_loss_stops_the_epoch():
    training = make_training()
    with torch.no_grad():
        training.field.output_sum.fill_(torch.inf)
    with pytest.raises(
        DivergedError, match=r"finite number \(pair \d+, gene 0, both counted from 0\); lower the"
    ):
        run_epochs(training, range(1), masks={})


def prior_term(weight):
    states = PairTensors.from_pairs(make_pairs()).start
    return PriorTerm.from_data(sparse.eye_array(GENES).tocsr(), states, weight=weight)


def test_prior_loss_pulls_towards_the_prior():
    term = prior_term(0.9)
    with_prior, without = make_training(), make_training()
    run_epochs(with_prior, range(8), masks={}, prior=term)
    run_epochs(without, range(8), masks={})
    with torch.no_grad():
        ours, plain = (
            term(t.field, torch.Generator().manual_seed(0)) for t in (with_prior, without)
        )
    assert ours < 0.7 * plain


def test_prior_loss_without_a_generator_is_refused():
    training, pairs = make_training(), make_pairs()
    with pytest.raises(ConfigError, match="pass a generator"):
        train_epoch(
            training,
            PairTensors.from_pairs(pairs),
            batches=make_batches(pairs, size=4, seed=0, epoch=0),
            method=METHOD,
            masks={},
            prior=prior_term(0.5),
        )


def test_users_own_module_trains():
    module = torch.nn.Sequential(
        torch.nn.Linear(GENES, 8), torch.nn.Tanh(), torch.nn.Linear(8, GENES)
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    training = Training(ModuleField(module), Optimisation(learning_rate=0.01))
    pairs = make_pairs()
    tensors = PairTensors.from_pairs(pairs)
    losses = [
        train_epoch(
            training,
            tensors,
            batches=make_batches(pairs, size=4, seed=0, epoch=epoch),
            method=RungeKutta4(substeps=2),
            masks={},
        )
        for epoch in range(10)
    ]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"learning_rate": 0.0}, "must be positive"),
        ({"multiplier_factor": -1.0}, "must be positive"),
        ({"decay": 1.0}, "between 0 and 1"),
        ({"patience": -1}, "patience of at least 0"),
    ],
)
def test_impossible_settings_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Optimisation(**wrong)
