import pytest
import torch
from reference.attribution import integrated
from torch import nn
from unit.attribution.nets import biased_mlp, normal, seeded, x_mlp

from niwaki.attribution import (
    completeness_gap,
    expected_gradients,
    integrated_gradients,
    xgrad,
)
from niwaki.attribution._integrated import _check_counts
from niwaki.core import InputError


@pytest.fixture
def smooth():
    return seeded(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))).double()


def test_it_equals_the_slow_twin(smooth):
    x, start = normal(2, 3), 0.3 * normal(2, 3, seed=2)
    found = integrated_gradients(smooth, x, 1, baseline=start, nodes=24)
    slow = integrated(smooth, x, start, 1, steps=300)
    # midpoint sums of 300 steps are off by the square of a step
    assert torch.allclose(found.value, slow, atol=1e-5)
    assert float(found.gap.abs().max()) < 1e-9
    assert torch.allclose(found.baseline_score, smooth(start)[:, 1])


def test_chunks_change_nothing(smooth):
    x = normal(3, 3)
    whole = integrated_gradients(smooth, x, 0, nodes=7)
    for chunk in (1, 5, 100):
        part = integrated_gradients(smooth, x, 0, nodes=7, chunk=chunk)
        assert torch.allclose(part.value, whole.value, atol=1e-15)


def test_kinks_are_met_more_closely_by_more_nodes():
    model, x = biased_mlp(), normal(16, 6)
    gaps = [
        float(integrated_gradients(model, x, 0, nodes=n).gap.abs().mean()) for n in (1, 10, 200)
    ]
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2]


def test_both_are_differentiable(smooth):
    x = normal(2, 3)
    for found in (
        integrated_gradients(smooth, x, 0, nodes=4, create_graph=True, chunk=3),
        expected_gradients(smooth, x, normal(5, 3, seed=4), 0, draws=3, create_graph=True),
    ):
        smooth.zero_grad()
        found.value.square().sum().backward()
        assert all(bool(p.grad.abs().sum() > 0) for p in list(smooth.parameters())[:3])


def test_baselines_may_be_numbers_or_broadcast(smooth):
    x = normal(2, 3)
    wanted = integrated_gradients(smooth, x, 0, baseline=torch.full((2, 3), 0.5).double(), nodes=5)
    for baseline in (0.5, torch.tensor(0.5), torch.full((3,), 0.5), [0.5]):
        found = integrated_gradients(smooth, x, 0, baseline=baseline, nodes=5)
        assert torch.allclose(found.value, wanted.value)


def test_expected_gradients_from_zero_are_those_of_the_closed_form():
    model, x = x_mlp(), normal(3, 6)
    found = expected_gradients(model, x, torch.zeros(1, 6).double(), 1)
    assert torch.allclose(found.value, xgrad(model, x, 1).value, atol=1e-14)


def test_expected_gradients_close_their_gap_with_draws(smooth):
    x, references = normal(8, 3), normal(40, 3, seed=3)
    few, many = (
        expected_gradients(smooth, x, references, 0, draws=n, chunk=500) for n in (2, 2000)
    )
    assert float(many.gap.abs().mean()) < 0.2 * float(few.gap.abs().mean())
    assert torch.allclose(many.baseline_score, smooth(references)[:, 0].mean().expand(8))
    assert few.nodes == 2


def test_all_targets_at_once_are_the_targets_one_by_one(smooth):
    x, behind = normal(3, 3), normal(5, 3, seed=2)
    for explain in (
        lambda target: integrated_gradients(smooth, x, target, nodes=6, chunk=7),
        lambda target: expected_gradients(smooth, x, behind, target, draws=4),
    ):
        every = explain("all")
        assert every.value.shape == (3, 2, 3)
        for target in (0, 1):
            one = explain(target)
            assert torch.allclose(every.value[:, target], one.value, atol=1e-12)
            assert torch.allclose(every.gap[:, target], one.gap, atol=1e-12)


def test_without_draws_every_reference_is_used_once(smooth):
    x, references = normal(2, 3), normal(5, 3, seed=3)
    found = expected_gradients(smooth, x, references, 0)
    again = expected_gradients(smooth, x, references, 0)
    assert found.nodes == 5
    assert torch.equal(found.value, again.value)  # its own seed


def test_the_relative_gap_is_relative(smooth):
    found = integrated_gradients(smooth, normal(2, 3), 0, nodes=1)
    whole = (found.score - found.baseline_score).abs()
    assert torch.allclose(completeness_gap(found, relative=True) * whole, found.gap)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"baseline": torch.ones(2)}, "broadcast"),
        ({"baseline": float("nan")}, "NaN"),
        ({"baseline": [0.0, 0.0]}, "2 baselines for 1"),
        ({"nodes": 0}, "nodes is 0"),
        ({"chunk": 0}, "chunk is 0"),
    ],
)
def test_bad_options_get_a_sentence(smooth, options, words):
    with pytest.raises(InputError, match=words):
        integrated_gradients(smooth, normal(2, 3), **{"target": 0, **options})


def test_half_a_node_is_none():
    with pytest.raises(InputError, match="whole number"):
        _check_counts(nodes=2.5)


def test_one_tensor_is_no_baseline_for_several_inputs():
    with pytest.raises(InputError, match="one per input"):
        integrated_gradients(
            lambda a, b: a.sum(1) + b.sum(1), (normal(2, 3), normal(2, 2)), baseline=torch.zeros(1)
        )


def test_references_must_look_like_the_inputs(smooth):
    with pytest.raises(InputError, match="references"):
        expected_gradients(smooth, normal(2, 3), normal(4, 2), 0)
    with pytest.raises(InputError, match="draws"):
        expected_gradients(smooth, normal(2, 3), normal(4, 3), 0, draws=0)
