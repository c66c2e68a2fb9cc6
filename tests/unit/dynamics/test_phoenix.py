import numpy as np
import pytest
import torch
from reference.dynamics import phoenix_rate

from niwaki.core import ConfigError
from niwaki.dynamics import DecayField, Field, PhoenixField
from niwaki.dynamics._phoenix import _Drive


def make_field(genes=6, hidden=4, seed=0, **options):
    return PhoenixField(
        genes, hidden=hidden, generator=torch.Generator().manual_seed(seed), **options
    )


def dense_double(field):
    """A copy in float64 with every weight drawn, so that no term is zero."""
    generator = torch.Generator().manual_seed(1)
    field = field.double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator).double())
    return field


def test_rate_of_change_equals_the_formula_gene_by_gene():
    field = dense_double(make_field())
    weights = {name: p.detach().numpy() for name, p in field.named_parameters()}
    states = torch.linspace(-1, 2, 18, dtype=torch.float64).reshape(6, 3)
    expected = np.stack([phoenix_rate(x.numpy(), weights) for x in states.T], axis=1)
    np.testing.assert_allclose(field(states).detach().numpy(), expected, rtol=1e-12)


def test_drive_gradient_equals_finite_differences_for_all_seven_inputs():
    field = dense_double(make_field(genes=4, hidden=3))
    state = torch.rand(4, 2, generator=torch.Generator().manual_seed(2)).double()
    names = ("weight_sum", "bias_sum", "weight_prod", "bias_prod", "output_sum", "output_prod")
    inputs = [state, *(getattr(field, name).detach() for name in names)]
    torch.autograd.gradcheck(_Drive.apply, [value.requires_grad_() for value in inputs])


def test_parameter_gradients_do_not_need_a_gradient_of_the_state():
    field = dense_double(make_field())
    state = torch.rand(6, 3, generator=torch.Generator().manual_seed(2)).double()
    wanted = torch.autograd.grad(field(state).sum(), list(field.parameters()))
    with_state = state.clone().requires_grad_()
    same = torch.autograd.grad(field(with_state).sum(), list(field.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(wanted, same, strict=True))


def test_state_is_left_as_it_was():
    field, state = make_field(), torch.full((6, 2), 0.25)
    field(state)
    assert (state == 0.25).all()


def test_gene_with_a_negative_multiplier_stays_constant():
    field = make_field()
    with torch.no_grad():
        field.multiplier[2] = -0.3
    change = field(torch.rand(6, 5, generator=torch.Generator().manual_seed(3)))
    assert (change[2] == 0).all()
    assert (change[[0, 1, 3, 4, 5]] != 0).all()


@pytest.mark.parametrize("name", ["weight_sum", "weight_prod"])
def test_first_layer_starts_with_95_percent_zeros_for_every_gene(name):
    weight = getattr(make_field(genes=50, hidden=40), name)
    assert ((weight == 0).sum(0) == 38).all()
    assert 0.03 < weight[weight != 0].std() < 0.07  # 0.05, from 100 draws: sd 0.0035


def test_dash_output_columns_start_orthonormal():
    weight = make_field(genes=50, hidden=8).output_sum
    torch.testing.assert_close(weight.T @ weight, torch.eye(8), atol=1e-5, rtol=0)  # float32


def test_phoenix_output_starts_as_sparse_as_the_first_layer():
    weight = make_field(genes=40, hidden=8, initialisation="phoenix").output_prod
    assert ((weight == 0).sum(0) == 38).all()


def test_multipliers_and_biases_start_in_their_ranges():
    field = make_field(genes=400, hidden=50)
    v = field.multiplier
    assert 0 <= v.min() < 0.05 and 0.95 < v.max() < 1
    assert field.bias_sum.abs().max() <= 1 / 20
    assert not torch.equal(field.bias_sum, field.bias_prod)


def test_start_depends_on_the_seed_only():
    first, again, other = (make_field(hidden=40, seed=seed) for seed in (0, 0, 1))
    for name, value in first.named_parameters():
        assert torch.equal(value, again.get_parameter(name))
        assert not torch.equal(value, other.get_parameter(name))


def test_field_fits_both_protocols():
    assert isinstance(make_field(), Field)
    assert isinstance(make_field(), DecayField)


@pytest.mark.parametrize(("genes", "hidden"), [(0, 4), (4, 0)])
def test_empty_field_is_refused(genes, hidden):
    with pytest.raises(ConfigError, match=f"{genes} genes and {hidden} hidden units"):
        make_field(genes=genes, hidden=hidden)
