import captum.attr
import captum.metrics
import pytest
import torch
from torch import nn
from unit.attribution.nets import biased_mlp, normal, x_mlp

from niwaki.attribution import XGradient, attribute, integrated_gradients, xgrad
from niwaki.core import InputError


def test_the_closed_form_is_taken_where_it_holds():
    model, x = x_mlp(), normal(3, 6)
    found = attribute(model, x, 1)
    assert (found.method, found.degree) == ("x-gradient", 1)
    assert "closed form" in found.note
    assert torch.equal(found.value, xgrad(model, x, 1).value)


@pytest.mark.parametrize("baseline", [None, 0, torch.zeros(6), [0.0]])
def test_a_zero_baseline_is_no_obstacle(baseline):
    assert attribute(x_mlp(), normal(3, 6), 1, baseline=baseline).degree == 1


def test_integrated_gradients_are_taken_elsewhere_and_the_result_says_why():
    x = normal(3, 6)
    biased = attribute(biased_mlp(), x, 0, nodes=9)
    assert biased.method == "integrated gradients"
    assert biased.nodes == 9
    assert "module '0'" in biased.note
    shifted = attribute(x_mlp(), x, 0, baseline=1.0)
    assert "baseline is not zero" in shifted.note
    wanted = integrated_gradients(x_mlp(), x, 0, baseline=1.0)
    assert torch.allclose(shifted.value, wanted.value)


def test_the_adapter_gives_what_captum_gives():
    model, x = x_mlp(), normal(4, 6).requires_grad_()
    theirs, _ = captum.attr.IntegratedGradients(model).attribute(
        x, target=2, n_steps=50, return_convergence_delta=True
    )
    ours, gap = XGradient(model).attribute(x, target=2, return_convergence_delta=True)
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    assert float(gap.abs().max()) < 1e-12
    assert torch.equal(captum.attr.InputXGradient(model).attribute(x, target=2).detach(), ours)
    assert XGradient(model).multiplies_by_inputs
    assert XGradient(model).has_convergence_delta()


def test_captum_sends_no_gradient_to_the_weights_and_the_adapter_does():
    model, x = x_mlp(), normal(4, 6).requires_grad_()
    theirs = captum.attr.InputXGradient(model).attribute(x, target=0)
    theirs.sum().backward()  # silently reaches nothing
    assert all(p.grad is None for p in model.parameters())
    ours = XGradient(model, degree=1).attribute(x, target=0, create_graph=True)
    ours.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_adapter_passes_tuples_and_further_arguments_on():
    class Two(nn.Module):
        def forward(self, a, b, scale, power):
            return scale * (a.relu().sum(1) + b.relu().sum(1)) ** power

    a, b = normal(3, 2), normal(3, 4, seed=2)
    ours = XGradient(Two()).attribute((a, b), additional_forward_args=(2.0, 1))
    assert isinstance(ours, tuple)
    assert torch.allclose(ours[1], 2 * b.relu())


def test_the_adapter_takes_what_is_written_for_integrated_gradients():
    model, x = x_mlp(), normal(4, 6)
    method = XGradient(model)
    given = {"n_steps": 50, "method": "gausslegendre", "internal_batch_size": 8}
    assert torch.equal(method.attribute(x, target=0, **given), method.attribute(x, target=0))
    change = captum.metrics.sensitivity_max(method.attribute, x, target=0)
    assert bool((change < 1).all())
    with pytest.raises(InputError, match="'steps'"):
        method.attribute(x, target=0, steps=50)


def test_all_targets_of_any_model():
    assert attribute(biased_mlp(), normal(3, 6), "all").value.shape == (3, 3, 6)


def test_a_baseline_for_the_closed_form_is_refused():
    with pytest.raises(InputError, match="no other baseline"):
        XGradient(x_mlp()).attribute(normal(2, 6), baselines=torch.ones(6), target=0)
    XGradient(x_mlp()).attribute(normal(2, 6), baselines=0, target=0)
