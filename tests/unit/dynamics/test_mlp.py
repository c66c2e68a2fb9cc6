import numpy as np
import pytest
import torch
from reference.dynamics import mlp_rate

from niwaki.core import ConfigError
from niwaki.dynamics import DecayField, MlpField


def make_field(genes=5, hidden=4):
    return MlpField(genes, hidden=hidden, generator=torch.Generator().manual_seed(0))


def test_rate_of_change_equals_the_formula_unit_by_unit():
    field = make_field().double()
    weights = {name: p.detach().numpy() for name, p in field.named_parameters()}
    states = torch.linspace(-3, 3, 15, dtype=torch.float64).reshape(5, 3)
    expected = np.stack([mlp_rate(x.numpy(), weights) for x in states.T], axis=1)
    np.testing.assert_allclose(field(states).detach().numpy(), expected, rtol=1e-12)


def test_start_is_within_the_range_of_a_torch_linear_layer():
    field = make_field(genes=100, hidden=25)
    assert 0.09 < field.weight.abs().max() <= 0.1  # 1/sqrt(100)
    assert 0.19 < field.output.abs().max() <= 0.2  # 1/sqrt(25)


def test_field_has_no_decay_form():
    assert not isinstance(make_field(), DecayField)


def test_empty_field_is_refused():
    with pytest.raises(ConfigError, match="0 genes"):
        make_field(genes=0)
