import pytest
import torch
from torch import nn

from niwaki.core import ConfigError
from niwaki.pruning import (
    Cubic,
    ErdosRenyi,
    Global,
    Iterative,
    NOfM,
    OneShot,
    PerLayer,
    Pruner,
    PruningWarning,
    Units,
    Unstructured,
    masks_of,
    sparsity_of,
)


def make_net():
    return nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 8))


def loss(net, batch):
    return (net(batch) - batch).square().mean()


def train(net, optimiser, pruner, epochs, *, observe=False):
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        optimiser.zero_grad()
        loss(net, torch.randn(16, 8, generator=generator)).backward()
        if observe:
            pruner.observe()
        optimiser.step()
        pruner.step()


CRITERIA = ["magnitude", "random", "snip", "grasp", "synflow", "taylor", "movement", "knowledge"]


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("pattern", [Unstructured(), Units(), NOfM(1, 4)])
def test_any_criterion_goes_with_any_pattern_budget_and_schedule(criterion, pattern):
    for budget, schedule in (
        (PerLayer(), OneShot(2, 0.75)),
        (Global(), Iterative(1, 3, rounds=2, sparsity=0.75)),
        (ErdosRenyi(), Cubic(1, 3, sparsity=0.75)),
    ):
        net = make_net()
        optimiser = torch.optim.Adam(net.parameters())
        pruner = Pruner(
            net,
            schedule,
            criterion=criterion,
            budget=budget,
            pattern=pattern,
            optimiser=optimiser,
            loss=loss,
            batches=[torch.ones(2, 8)],
            inputs=torch.ones(1, 8),
            knowledge={"0.weight": torch.rand(12, 8), "2.weight": torch.rand(8, 12)},
        )
        train(net, optimiser, pruner, 3, observe=True)
        if not isinstance(pattern, Units):
            assert sparsity_of(net) == 0.75
        elif isinstance(budget, PerLayer):
            assert [int(m.any(1).sum()) for m in masks_of(net).values()] == [3, 2]
        assert torch.isfinite(net(torch.ones(1, 8))).all()


def test_masks_only_shrink_along_a_schedule():
    net = make_net()
    pruner, before = Pruner(net, Cubic(1, 6, sparsity=0.9), criterion="random"), None
    for step in range(1, 7):
        pruner.step()
        now = {n: m.clone() for n, m in masks_of(net).items()}
        assert before is None or not any((now[n] & ~before[n]).any() for n in now)
        wanted = Cubic(1, 6, sparsity=0.9).sparsity_after(step)
        assert sparsity_of(net) == pytest.approx(wanted, abs=0.01)  # whole weights of 96
        before = now
    assert len(pruner.log) == 5  # the first step of this schedule is a sparsity of 0


def test_the_optimiser_forgets_pruned_weights():
    net = make_net()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.1)
    pruner = Pruner(net, OneShot(2, 0.5), optimiser=optimiser)
    train(net, optimiser, pruner, 2)
    stored = net[0].parametrizations.weight.original
    mask = masks_of(net)["0.weight"]
    assert not optimiser.state[stored]["exp_avg"][~mask].any()
    assert not optimiser.state[stored]["exp_avg_sq"][~mask].any()
    train(net, optimiser, pruner, 5)
    assert not stored[~mask].any()  # nothing drifts


@pytest.mark.parametrize("rewind", [0, 2])
def test_survivors_return_to_the_noted_weights(rewind):
    net = make_net()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.1)
    pruner = Pruner(net, OneShot(5, 0.5), optimiser=optimiser, rewind=rewind)
    train(net, optimiser, pruner, rewind)
    noted = {k: v.clone() for k, v in net.state_dict().items()}
    train(net, optimiser, pruner, 4 - rewind)
    assert not torch.equal(net[0].bias, noted["0.bias"])
    pruner.step()
    mask = masks_of(net)["0.weight"]
    original = noted["0.parametrizations.weight.original"]
    assert torch.equal(net[0].weight, torch.where(mask, original, 0.0))
    assert torch.equal(net[0].bias, noted["0.bias"])
    assert 0 < int(mask.sum()) < mask.numel()


def test_a_pruner_goes_on_from_its_saved_state_as_if_uninterrupted():
    def run(stop):
        net = make_net()
        with torch.no_grad():
            for value in net.parameters():
                value.fill_(0.1)
        pruner = Pruner(net, Iterative(1, 6, rounds=6, sparsity=0.8), criterion="random", rng=7)
        for _ in range(stop):
            pruner.step()
        if stop < 6:
            fresh = make_net()
            other = Pruner(fresh, Iterative(1, 6, rounds=6, sparsity=0.8), criterion="random")
            fresh.load_state_dict(net.state_dict())
            other.load_state_dict(pruner.state_dict())
            for _ in range(6 - stop):
                other.step()
            net = fresh
        return masks_of(net)

    whole, halves = run(6), run(3)
    assert all(torch.equal(whole[n], halves[n]) for n in whole)


def test_synflow_in_many_rounds_cuts_no_layer_off():
    net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
    Pruner(
        net, 0.97, criterion="synflow", budget=Global(least=0), inputs=torch.ones(1, 8), rounds=100
    ).step()
    assert all(mask.any() for mask in masks_of(net).values())
    assert sparsity_of(net) == pytest.approx(0.97, abs=2e-3)


def test_a_layer_without_survivors_is_warned_of_and_gives_no_nan():
    net = make_net()
    with pytest.warns(PruningWarning, match=r"'0.weight' has no survivors: its units 0 to 11"):
        Pruner(net, 0.999, names=["0.weight"]).step()
    assert torch.isfinite(net(torch.ones(1, 8))).all()


def test_the_log_names_dead_units():
    net = make_net()
    with torch.no_grad():
        net[0].weight[4] = 0
    pruner = Pruner(net, 0.1, names=["0.weight"])
    pruner.step()
    assert pruner.log[0].dead_units == {"0.weight": (4,)}
    assert pruner.log[0].kept == {"0.weight": 86}


def test_knowledge_can_be_a_function_of_weights_and_masks():
    net = make_net()
    seen = []

    def knows(weights, masks):
        seen.append((set(weights), set(masks)))
        return {n: w.abs() for n, w in weights.items()}

    pruner = Pruner(net, 0.5, criterion="knowledge", knowledge=knows)
    pruner.step()
    plain = make_net()
    plain.load_state_dict(pruner.finalize().state_dict())
    assert seen == [({"0.weight", "2.weight"},) * 2]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"schedule": 1.0}, "sparsity is 1; expected a share from 0"),
        ({"schedule": -0.1}, "sparsity is -0.1"),
        ({"names": ["0.weigth"]}, "no weight named '0.weigth'"),
        ({"criterion": "size"}, "'size' is unknown; choose from magnitude"),
        ({"criterion": "knowledge"}, "needs knowledge"),
        ({"knowledge": {"0.weight": torch.ones(12, 8)}}, "not for '2.weight'"),
        (
            {"knowledge": {"0.weight": torch.ones(8, 12), "2.weight": torch.ones(8, 12)}},
            r"'0.weight' has shape \(8, 12\), the weight \(12, 8\)",
        ),
        ({"rounds": 0}, "rounds is 0"),
    ],
)
def test_bad_input_is_a_sentence(how, words):
    with pytest.raises(ConfigError, match=words):
        Pruner(make_net(), **{"schedule": 0.5, **how})


def test_sparsity_zero_prunes_nothing():
    net = make_net()
    Pruner(net, 0.0).step()
    assert sparsity_of(net) == 0
