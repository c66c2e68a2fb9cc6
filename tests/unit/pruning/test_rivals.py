import math

import numpy as np
import pytest
import torch
from reference.pruning_modules import capped_projection, path_flow, path_penalty, rewired
from torch import nn
from torch.func import functional_call

from niwaki.core import ConfigError
from niwaki.pruning import (
    CRITERIA,
    Chain,
    Gates,
    PolicyGates,
    Proximal,
    ScoreOptions,
    Sparsifier,
    draw_gates,
    exchange_share,
    open_probability,
    path_pull,
    path_sum,
    policy_gradient,
    project_capped,
    regrow_noise,
    rewire,
    settled_gates,
    shrink_groups,
    soft_threshold,
)

CHAIN = [("0.weight", "2.weight")]


def make_net():
    net = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4)).double()
    with torch.no_grad():
        for i, value in enumerate(net.parameters()):
            value.uniform_(-1, 1, generator=torch.Generator().manual_seed(i))
    return net


def make(kind, parameters, **how):
    if kind in ("l1", "group-lasso", "c-node"):
        return Proximal(kind, CHAIN, how.get("strength", 0.5))
    if kind == "policy":
        return PolicyGates({"2.weight": 1}, parameters, density=0.5, steps=20, seed=1)
    name, _, level = kind.partition(" ")
    return Gates(name, CHAIN, parameters, strength=0.5, level=level or "weight", rate=0.1, seed=1)


KINDS = ["l1", "group-lasso", "c-node", "policy", "l0", "l0 unit", "pathreg", "pathreg unit"]


def train(net, sparsifier, steps, *, seed=0):
    """A plain loop, as the documentation of `Sparsifier` has it."""
    parameters = dict(net.named_parameters())
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    x = torch.randn(30, 5, generator=torch.Generator().manual_seed(seed)).double()
    y = x[:, :4] * torch.tensor([1.0, 1.0, 0.0, 0.0])

    def loss(weights):
        return (functional_call(net, weights, (x,)) - y).square().mean()

    for _ in range(steps):
        optimiser.zero_grad()
        value = loss(sparsifier.weights(parameters))
        extra = sparsifier.penalty(parameters)
        (value if extra is None else value + extra).backward()
        optimiser.step()
        sparsifier.after_step(parameters, rate=0.02, loss=lambda w: loss(w).detach())
    return float(loss(sparsifier.settle(parameters)).detach())


@pytest.mark.parametrize("kind", KINDS)
def test_every_sparsifier_makes_a_plain_loop_sparse(kind):
    net = make_net()
    sparsifier = make(kind, dict(net.named_parameters()))
    assert isinstance(sparsifier, Sparsifier)
    train(net, sparsifier, 120)
    settled = sparsifier.settle(dict(net.named_parameters()))
    zero = sum(int((w == 0).sum()) for w in settled.values()) / sum(
        w.numel() for w in settled.values()
    )
    assert 0.1 < zero < 1
    assert all(torch.isfinite(w).all() for w in settled.values())


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_restored_it_goes_on_as_if_uninterrupted(kind):
    def run(stop):
        net = make_net()
        parameters = dict(net.named_parameters())
        sparsifier = make(kind, parameters)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(6):
            if step == stop:
                other = make(kind, parameters)
                other.restore({k: v.clone() for k, v in sparsifier.tensors().items()})
                sparsifier = other
            optimiser.zero_grad()
            weights = sparsifier.weights(parameters)
            value = functional_call(net, weights, (torch.ones(3, 5).double(),)).square().mean()
            extra = sparsifier.penalty(parameters)
            (value if extra is None else value + extra).backward()
            optimiser.step()
            sparsifier.after_step(parameters, rate=0.1, loss=lambda w: w["2.weight"].sum())
        return sparsifier.settle(parameters)

    whole, halves = run(99), run(3)
    assert all(torch.equal(whole[n], halves[n]) for n in whole)


def test_the_l0_penalty_is_really_in_the_loss():
    net = make_net()
    parameters = dict(net.named_parameters())
    gates = make("l0", parameters)
    expected = 0.5 * torch.cat([open_probability(a).flatten() for a in gates.log_alpha.values()])
    penalty = gates.penalty(parameters)
    torch.testing.assert_close(penalty, expected.mean())
    penalty.backward()
    assert all((a.grad > 0).all() for a in gates.log_alpha.values())


def test_gates_are_one_draw_per_step_and_per_unit_where_asked():
    net = make_net()
    parameters = dict(net.named_parameters())
    first = make("l0 unit", parameters).weights(parameters)["0.weight"]
    ratio = (first / net[0].weight).detach()
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_hard_concrete_gates_follow_the_formulas_of_their_paper():
    log_alpha = torch.linspace(-4, 4, 9, dtype=torch.float64)
    uniform = torch.rand(200_000, 9, generator=torch.Generator().manual_seed(0)).double()
    drawn = draw_gates(log_alpha.expand(uniform.shape), uniform.clamp(1e-9, 1 - 1e-9))
    share = (drawn > 0).double().mean(0)
    # a share of 200,000 draws has a standard error of at most 0.0011
    torch.testing.assert_close(share, open_probability(log_alpha), atol=5e-3, rtol=0)
    for a, u in ((0.3, 0.2), (-1.0, 0.9)):
        s = 1 / (1 + math.exp(-(math.log(u) - math.log(1 - u) + a) / (2 / 3)))
        slow = min(1.0, max(0.0, s * 1.2 - 0.1))
        found = draw_gates(torch.tensor([a]).double(), torch.tensor([u]).double())
        assert float(found) == pytest.approx(slow)
    assert settled_gates(torch.tensor([-5.0, 0.0, 5.0])).tolist() == pytest.approx([0, 0.5, 1])


def test_path_terms_are_sums_over_paths(rng):
    first, output = (torch.from_numpy(rng.normal(size=shape)) for shape in ((3, 4), (5, 3)))
    slow = path_penalty(first.numpy(), output.numpy())
    assert float(path_sum(first.abs(), output.abs())) == pytest.approx(slow)
    a, b = (t.abs().requires_grad_() for t in (first, output))
    (path_sum(a, b) * 20).backward()
    on_first, on_output = path_pull(first, output)
    torch.testing.assert_close(a.grad, on_first[:, None].expand_as(a))
    torch.testing.assert_close(b.grad, on_output.expand_as(b))


def test_pathreg_adds_open_paths_and_their_sizes(rng):
    net = make_net()
    parameters = dict(net.named_parameters())
    gates = Gates("pathreg", CHAIN, parameters, strength=0.3, path_size=0.7, seed=2)
    weights = gates.weights(parameters)
    opened = [open_probability(gates.log_alpha[n]).detach().numpy() for n in CHAIN[0]]
    sizes = [weights[n].detach().numpy() for n in CHAIN[0]]
    slow = 0.3 * path_penalty(*opened) + 0.7 * path_penalty(*sizes)
    assert float(gates.penalty(parameters).detach()) == pytest.approx(slow)


def test_proximal_steps_minimise_their_objective(rng):
    weight = torch.from_numpy(rng.normal(size=(4, 3)))
    found = soft_threshold(weight, 0.4)
    groups = shrink_groups(weight, 0.4)
    for _ in range(300):  # no point nearby is better
        moved = torch.from_numpy(rng.normal(size=(4, 3))) * 0.05
        for point, cost in (
            (found, lambda w: 0.4 * w.abs().sum()),
            (groups, lambda w: 0.4 * math.sqrt(3) * w.norm(dim=1).sum()),
        ):
            here, there = (
                0.5 * (p - weight).square().sum() + cost(p) for p in (point, point + moved)
            )
            assert here <= there + 1e-12
    assert (found == 0).any()


@pytest.mark.parametrize("total", [0.5, 2.0, 3.7])
def test_projection_is_that_of_the_slow_twin(total, rng):
    for _ in range(20):
        values = rng.normal(0.5, 0.8, 7)
        found = project_capped(torch.from_numpy(values), total)
        np.testing.assert_allclose(found.numpy(), capped_projection(values, total), atol=1e-9)


def test_policy_gradient_is_unbiased():
    """Over all draws of both masks its mean is the gradient, times sqrt(s (1 - s))."""
    s = torch.tensor([0.3, 0.6, 0.8], dtype=torch.float64)
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)

    def loss(mask):
        return (mask @ weights - 0.7) ** 2

    draws = [torch.tensor([(i >> k) & 1 for k in range(3)], dtype=torch.float64) for i in range(8)]
    chance = [float(torch.where(d > 0, s, 1 - s).prod()) for d in draws]
    mean = sum(
        (p * q * policy_gradient(loss(a), loss(b), a, s))
        for a, p in zip(draws, chance, strict=True)
        for b, q in zip(draws, chance, strict=True)
    )
    free = s.clone().requires_grad_()
    expected = sum(torch.where(d > 0, free, 1 - free).prod() * loss(d) for d in draws)
    gradient = torch.autograd.grad(expected, free)[0]
    torch.testing.assert_close(mean, gradient * (s * (1 - s)).sqrt())


def test_policy_gates_keep_the_units_that_matter():
    net = make_net()
    with torch.no_grad():
        net[2].weight[:, 3:] = 0  # three units do nothing
    gates = PolicyGates(
        {"2.weight": 1}, dict(net.named_parameters()), density=0.5, steps=400, rate=0.02, seed=0
    )
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0)).double()
    y = net(x).detach()
    parameters = dict(net.named_parameters())
    for _ in range(500):
        gates.after_step(
            parameters,
            rate=0.0,
            loss=lambda w: (functional_call(net, w, (x,)) - y).square().mean().detach(),
        )
    assert float(gates.probability.sum()) <= 3 + 1e-6
    assert gates.probability[:3].min() > gates.probability[3:].max()
    assert gates.settle(parameters)["2.weight"].ne(0).any(0).tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_rewiring_is_the_slow_twin_and_keeps_the_number(share, rng):
    mask = rng.random((5, 6)) < 0.4
    weight, grow = rng.integers(-3, 4, (2, 5, 6)).astype(float)
    found = rewire(
        *(torch.from_numpy(a) for a in (mask, weight, grow)),
        share=share,
    ).numpy()
    assert found.sum() == mask.sum()
    count = min(round(share * mask.sum()), int((~mask).sum()))
    np.testing.assert_array_equal(found, rewired(mask, weight, grow, count))


def test_the_share_to_exchange_falls_as_half_a_cosine():
    assert [exchange_share(t, 10) for t in (0, 5, 10, 20)] == pytest.approx([0.3, 0.15, 0, 0])
    noise = regrow_noise(torch.ones(3, 2).bool(), torch.Generator().manual_seed(0))
    assert noise.shape == (3, 2)


def test_synflow_of_a_chain_is_the_sum_over_its_paths(rng):
    chain = Chain(
        "sum",
        torch.from_numpy(rng.normal(size=(3, 5))),
        torch.from_numpy(rng.normal(size=(5, 3))),
        torch.from_numpy(rng.random((3, 5)) < 0.7),
        torch.from_numpy(rng.random((5, 3)) < 0.7),
        torch.from_numpy(rng.random(5)),
    )
    scores = CRITERIA["synflow"](chain, None, options=ScoreOptions(), state=None, rng=rng)
    first, output = path_flow(
        [
            chain.living_first().numpy(),
            (chain.living_output() * chain.scale()[:, None]).numpy(),
        ]
    )
    np.testing.assert_allclose(scores.first.numpy(), first)
    np.testing.assert_allclose(scores.output.numpy(), output)
    with pytest.raises(ConfigError, match="'snip' needs gradients"):
        CRITERIA["snip"](chain, None, options=ScoreOptions(), state=None, rng=rng)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: Proximal("l1", CHAIN, 0.0), "strength is 0"),
        (lambda p: Gates("l0", CHAIN, p, strength=-1.0), "strength is -1"),
        (lambda p: Gates("l0", CHAIN, p, strength=1.0, rate=0.0), "rate 0"),
        (lambda p: PolicyGates({"2.weight": 1}, p, density=0.0, steps=5), "density 0"),
        (lambda p: PolicyGates({"2.weight": 2}, p, density=0.5, steps=5), "along axis 2"),
        (lambda p: rewire(*(torch.ones(2).bool(), *torch.ones(2, 2)), share=2.0), "exchange is 2"),
    ],
)
def test_numbers_out_of_range_are_refused(call, words):
    with pytest.raises(ConfigError, match=words):
        call(dict(make_net().named_parameters()))
