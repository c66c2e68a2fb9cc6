import itertools

import captum.metrics
import pytest
import torch
from reference.attribution import masked_scores
from torch import nn
from unit.attribution.nets import biased_mlp, normal, x_mlp

from niwaki.attribution import (
    infidelity,
    integrated_gradients,
    mask_fractions,
    masking_curve,
    sensitivity,
    xgrad,
)
from niwaki.core import InputError

WAYS = [(o, a) for o in ("positive", "negative", "absolute") for a in ("keep", "remove")]


@pytest.mark.parametrize(("order", "action"), WAYS)
def test_masking_equals_the_slow_twin(order, action):
    model, x = biased_mlp(), normal(6, 6)
    values = normal(6, 6, seed=5)
    fractions = (0.2, 0.5, 1.0)
    found = masking_curve(
        model, x, values, 1, order=order, action=action, fill=0.3, fractions=fractions
    )
    slow = masked_scores(
        model, x, values, 1, order=order, action=action, fill=0.3, fractions=fractions
    )
    assert found.scores == pytest.approx(slow, rel=1e-12)
    assert found.area == pytest.approx(sum(slow) / 3)


def test_true_attributions_beat_random_ones():
    model, x = x_mlp(inputs=20), normal(64, 20)
    good, random = xgrad(model, x, 0).value, normal(64, 20, seed=9)
    kept = [
        masking_curve(model, x, v, 0, order="positive", action="keep").area for v in (good, random)
    ]
    removed = [
        masking_curve(model, x, v, 0, order="positive", action="remove").area
        for v in (good, random)
    ]
    assert kept[0] > kept[1]
    assert removed[0] < removed[1]


def test_fractions_are_in_equal_ratios():
    found = mask_fractions()
    assert len(found) == 16
    assert found[0] == pytest.approx(0.01)
    assert found[-1] == 1
    ratios = {round(b / a, 9) for a, b in itertools.pairwise(found)}
    assert len(ratios) == 1


def test_infidelity_is_that_of_captum():
    model, x = biased_mlp(), normal(3, 6)
    values = integrated_gradients(model, x, 1, nodes=20).value
    ours = infidelity(model, x, values, 1, noise=0.2, draws=64)
    generator = torch.Generator().manual_seed(0)

    def perturb(inputs):
        push = 0.2 * torch.randn(3, 6, generator=generator, dtype=torch.float64)
        return push, inputs - push

    theirs = captum.metrics.infidelity(
        model, perturb, x, values / x, target=1, n_perturb_samples=64, max_examples_per_batch=3
    )
    assert torch.allclose(ours, theirs, rtol=1e-10)


def test_infidelity_of_a_linear_model_is_zero():
    model = nn.Linear(6, 1).double()
    x = normal(3, 6)
    values = xgrad(model, x, degree=1).value
    assert float(infidelity(model, x, values).max()) < 1e-20


def test_sensitivity_is_small_where_the_slope_is_constant():
    model = nn.Linear(6, 1, bias=False).double()

    def explain(x):
        return xgrad(model, x, degree=1).value

    x = 3 + normal(4, 6)
    small, large = (float(sensitivity(explain, x, radius=r).max()) for r in (0.01, 0.5))
    assert 0 < small < 0.05
    assert large > 10 * small


def test_bad_requests_get_a_sentence():
    x = normal(3, 6)
    with pytest.raises(InputError, match="must agree"):
        masking_curve(x_mlp(), x, normal(2, 6), 0, order="positive", action="keep")
    with pytest.raises(InputError, match="one axis"):
        masking_curve(lambda z: z.sum(1), x, x, None, order="absolute", action="keep")
