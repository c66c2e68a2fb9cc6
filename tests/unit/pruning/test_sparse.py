import copy

import pytest
import torch
from torch import nn

from niwaki.core import ConfigError
from niwaki.pruning import CsrLinear, Pruner, to_sparse


def make_net():
    net = nn.Sequential(nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 10, bias=False)).double()
    Pruner(net, 0.9).step()
    return net


@pytest.mark.parametrize("shape", [(7, 30), (30,), (2, 3, 30)])
def test_sparse_rows_give_the_same_outputs(shape):
    net, x = make_net(), torch.randn(shape).double()
    sparse = to_sparse(net, x, least_gain=1e-9)
    assert isinstance(sparse[0], CsrLinear)
    assert isinstance(sparse[2], CsrLinear)
    torch.testing.assert_close(sparse(x), net(x), atol=1e-12, rtol=0)  # float64
    assert sparse[0].gain > 0
    assert sparse[0].values.numel() == 60


def test_layers_that_do_not_gain_stay_dense():
    net, x = make_net(), torch.randn(7, 30).double()
    same = to_sparse(net, x, least_gain=1e9)
    assert isinstance(same[0], nn.Linear)
    torch.testing.assert_close(same(x), net(x))


def test_a_sparse_module_is_copied_saved_and_loaded():
    net, x = make_net(), torch.randn(7, 30).double()
    sparse = to_sparse(net, x, least_gain=1e-9)
    other = to_sparse(make_net(), x, least_gain=1e-9)
    other.load_state_dict(sparse.state_dict())
    assert torch.equal(other(x), sparse(x))
    assert torch.equal(copy.deepcopy(sparse)(x), sparse(x))


def test_a_lone_layer_and_an_empty_one():
    layer = nn.Linear(5, 4)
    with torch.no_grad():
        layer.weight.zero_()
    sparse = to_sparse(layer, torch.ones(2, 5), least_gain=1e-9)
    assert isinstance(sparse, CsrLinear)
    torch.testing.assert_close(sparse(torch.ones(2, 5)), layer(torch.ones(2, 5)))


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="least_gain is 0"):
        to_sparse(make_net(), torch.ones(1, 30), least_gain=0.0)
