import pytest
import torch
from reference.attribution import gini_over_pairs, laplacian_form
from unit.attribution.nets import normal, x_mlp

from niwaki.attribution import (
    gini,
    gini_prior,
    graph_prior,
    l1_prior,
    l2_prior,
    mask_prior,
    mean_size,
    mixed_prior,
    total_variation_prior,
    xgrad,
)
from niwaki.core import InputError

EDGES = torch.tensor([[0, 1, 2], [1, 2, 5]])
PRIORS = {
    "gini": gini_prior,
    "l1": l1_prior,
    "l2": l2_prior,
    "mixed": mixed_prior,
    "total variation": lambda v: total_variation_prior(v, axes=(1,)),
    "graph": lambda v: graph_prior(v, EDGES),
    "mask": lambda v: mask_prior(v, torch.tensor([1.0, 0, 0, 0, 0, 0])),
}


def test_gini_equals_the_sum_over_pairs():
    sizes = normal(17).abs()
    assert float(gini(sizes)) == pytest.approx(gini_over_pairs(sizes.tolist()), rel=1e-12)


def test_gini_knows_its_ends_and_survives_zeros():
    assert float(gini(torch.ones(5))) == pytest.approx(0, abs=1e-7)
    assert float(gini(torch.eye(100)[0])) == pytest.approx(0.99)
    zeros = torch.zeros(4, requires_grad=True)
    gini(zeros).backward()
    assert bool(torch.isfinite(zeros.grad).all())


def test_gini_has_the_right_gradient():
    assert torch.autograd.gradcheck(gini, normal(9).abs().requires_grad_())


def test_the_graph_form_is_the_laplacian():
    values, weights = normal(4, 6), torch.tensor([1.0, 0.5, 2.0]).double()
    slow = laplacian_form(mean_size(values), EDGES.T.tolist(), weights.tolist())
    assert torch.allclose(graph_prior(values, EDGES, weight=weights), slow)


def test_the_others_are_what_they_say():
    values = torch.tensor([[[1.0, -2.0], [3.0, 4.0]]]).double()
    assert float(l1_prior(values)) == 2.5
    assert float(l2_prior(values)) == 7.5
    assert float(total_variation_prior(values)) == (3 + 1) / 2 + (2 + 6) / 2
    mask = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(mask_prior(values, mask)) == 1 + 16
    mixed = mixed_prior(values, share=0.25)
    assert torch.allclose(mixed, 0.75 * gini_prior(values) + 0.25 * l1_prior(values))


@pytest.mark.parametrize("name", PRIORS)
def test_the_gradient_of_a_prior_reaches_the_weights(name):
    model = x_mlp(outputs=1)
    found = xgrad(model, normal(5, 6), degree=1, create_graph=True)
    PRIORS[name](found.value).backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in model.parameters())


def test_training_with_the_gini_prior_makes_attributions_sparse():
    model, x = x_mlp(outputs=1), normal(32, 6)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    before = float(gini(mean_size(xgrad(model, x, degree=1).value)))
    for _ in range(60):
        found = xgrad(model, x, degree=1, create_graph=True)
        loss = (found.output[:, 0] - x[:, 2]).square().mean() + 0.3 * gini_prior(found.value)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = mean_size(xgrad(model, x, degree=1).value)
    assert float(gini(after)) > before + 0.1
    assert int(after.argmax()) == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda v: gini(torch.zeros(0)), "at least one number"),
        (lambda v: mixed_prior(v, share=2), "share"),
        (lambda v: total_variation_prior(v, axes=(0,)), "axis 0"),
        (lambda v: total_variation_prior(v, axes=(3,)), "axis 3"),
        (lambda v: graph_prior(v, torch.zeros(2, 0, dtype=torch.long)), "no edges"),
        (lambda v: graph_prior(v, torch.tensor([[0], [6]])), "outside the 6"),
        (lambda v: mask_prior(v, torch.ones(4)), "broadcast"),
    ],
)
def test_bad_input_gets_a_sentence(call, words):
    with pytest.raises(InputError, match=words):
        call(normal(3, 6))
