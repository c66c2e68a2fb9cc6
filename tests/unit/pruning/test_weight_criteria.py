import numpy as np
import pytest
import torch
from reference.pruning_modules import numerical_gradient, path_flow
from torch import nn

from niwaki.core import ConfigError
from niwaki.pruning import (
    WEIGHT_CRITERIA,
    Statistics,
    WeightCriterion,
    collect_statistics,
    mixed,
    set_masks,
    snip_score,
)

NAMES = ("0.weight", "2.weight")


def make_net(rng, *, bias=True):
    net = nn.Sequential(nn.Linear(3, 4, bias=bias), nn.Tanh(), nn.Linear(4, 2, bias=bias)).double()
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.from_numpy(rng.normal(size=tuple(value.shape))))
    return net


def loss(net, batch):
    x, y = batch
    return (net(x) - y).square().mean()


def make_batches(rng, count=3):
    return [
        (torch.from_numpy(rng.normal(size=(5, 3))), torch.from_numpy(rng.normal(size=(5, 2))))
        for _ in range(count)
    ]


def score(name, net, **how):
    criterion = WEIGHT_CRITERIA[name]
    found = collect_statistics(net, NAMES, needs=criterion.needs, **how)
    return {n: criterion.score(net.get_parameter(n), found[n], None) for n in NAMES}


def test_snip_and_taylor_are_weight_times_numerical_gradient(rng):
    net, batches = make_net(rng), make_batches(rng)
    snip = score("snip", net, loss=loss, batches=batches)
    taylor = score("taylor", net, loss=loss, batches=batches)
    for name in NAMES:
        weight = net.get_parameter(name)
        slow = [numerical_gradient(lambda b=b: loss(net, b), weight) for b in batches]
        plain = weight.detach()
        # central differences at 1e-5 in float64 are right to about 1e-9
        torch.testing.assert_close(
            snip[name], (plain * torch.stack(slow).mean(0)).abs(), atol=1e-8, rtol=0
        )
        torch.testing.assert_close(
            taylor[name], torch.stack([(plain * g).abs() for g in slow]).mean(0), atol=1e-8, rtol=0
        )


def test_grasp_is_weight_times_hessian_times_gradient(rng):
    net, batches = make_net(rng), make_batches(rng, 2)
    ours = score("grasp", net, loss=loss, batches=batches)
    weights = [net.get_parameter(n) for n in NAMES]

    def mean_loss():
        return sum(loss(net, b) for b in batches) / 2

    def gradient():
        return torch.cat([g.flatten() for g in torch.autograd.grad(mean_loss(), weights)])

    direction = gradient()
    rows = []
    for weight in weights:  # the whole Hessian, one weight moved at a time
        for i in range(weight.numel()):
            moved = []
            for step in (1e-5, -1e-5):
                weight.data.view(-1)[i] += step
                moved.append(gradient())
                weight.data.view(-1)[i] -= step
            rows.append((moved[0] - moved[1]) / 2e-5)
    product = torch.stack(rows) @ direction
    slow = torch.cat([w.detach().flatten() for w in weights]) * product
    found = torch.cat([ours[n].flatten() for n in NAMES])
    torch.testing.assert_close(found, slow, atol=1e-8, rtol=1e-6)


def test_synflow_is_the_sum_over_paths_and_is_conserved(rng):
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    ours = score("synflow", net.double(), inputs=torch.zeros(7, 3))
    slow = path_flow([net.get_parameter(n).detach().numpy() for n in NAMES])
    for name, flow in zip(NAMES, slow, strict=True):
        np.testing.assert_allclose(ours[name].detach().numpy(), flow, rtol=1e-12)
    assert float(ours[NAMES[0]].sum()) == pytest.approx(float(ours[NAMES[1]].sum()))


def test_movement_is_gathered_and_random_is_noise(rng):
    weight = torch.ones(2, 2)
    alive = torch.ones(2, 2).bool()
    moved = Statistics(alive, movement=torch.eye(2))
    assert torch.equal(WEIGHT_CRITERIA["movement"].score(weight, moved, None), torch.eye(2))
    net = make_net(rng)
    ours = score("random", net, rng=np.random.default_rng(3))
    again = score("random", net, rng=np.random.default_rng(3))
    assert all(torch.equal(ours[n], again[n]) for n in NAMES)


def test_gradients_reach_pruned_weights_which_stay_zero(rng):
    net, batches = make_net(rng), make_batches(rng)
    mask = torch.ones(4, 3, dtype=torch.bool)
    mask[0] = False
    set_masks(net, {"0.weight": mask})
    found = collect_statistics(net, NAMES, needs={"gradient"}, loss=loss, batches=batches)
    assert found["0.weight"].gradient[0].abs().min() > 0
    assert not net[0].weight[0].any()
    assert torch.equal(found["0.weight"].alive, mask)


def test_a_mixture_counts_its_parts_alike_and_weight_one_is_the_part_alone(rng):
    weight = torch.from_numpy(rng.normal(size=(3, 4)))
    alive = torch.from_numpy(rng.random((3, 4)) < 0.7)
    known = torch.from_numpy(rng.random((3, 4)))
    both = mixed({"magnitude": 0.25, "knowledge": 0.75})
    assert both.knows
    found = both.score(weight, Statistics(alive), 1000 * known)
    size = weight.abs() * alive
    expected = 0.25 * size / size.sum() + 0.75 * known * alive / (known * alive).sum()
    torch.testing.assert_close(found, expected)
    alone = mixed({"magnitude": 1.0}).score(weight, Statistics(alive), None)
    assert torch.equal(alone[alive].argsort(), weight.abs()[alive].argsort())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net, b: score("snip", net), "give the pruner loss= and batches="),
        (lambda net, b: score("synflow", net), "inputs="),
        (lambda net, b: score("random", net), "pass an rng"),
        (lambda net, b: mixed({"grasp": 1.0}), "'grasp' times 1 cannot be mixed"),
        (lambda net, b: mixed({"magnitud": 1.0}), "'magnitud' is unknown; choose from magnitude"),
        (lambda net, b: WeightCriterion("own", snip_score, frozenset({"slope"})), "needs 'slope'"),
        (lambda net, b: score("movement", net), "call observe"),
    ],
)
def test_what_is_missing_is_named(call, words, rng):
    with pytest.raises(ConfigError, match=words):
        call(make_net(rng), make_batches(rng))


def test_frozen_and_unused_weights_have_no_gradient(rng):
    net, batches = make_net(rng), make_batches(rng)
    net[0].weight.requires_grad_(False)
    with pytest.raises(ConfigError, match=r"'0.weight' is frozen"):
        score("snip", net, loss=loss, batches=batches)
    other = nn.Sequential(*make_net(rng), nn.Identity())
    other.spare = nn.Linear(2, 2).double()
    with pytest.raises(ConfigError, match=r"does not depend on the weight 'spare.weight'"):
        collect_statistics(
            other,
            ["spare.weight"],
            needs={"gradient"},
            loss=lambda net, b: net[:3](b[0]).sum(),
            batches=batches,
        )
