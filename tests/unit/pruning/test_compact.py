import pytest
import torch
from torch import nn

from niwaki.core import ConfigError
from niwaki.pruning import Pruner, Units, compact, compact_with_units, set_masks


class Own(nn.Module):
    """A forward pass with functions and a branch."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 9), nn.Linear(9, 7), nn.Linear(7, 3)

    def forward(self, x):
        hidden = torch.relu(self.a(x))
        between = nn.functional.elu(self.b(hidden))
        return self.c(between) + between[:, :3]


def check(net, x, *, atol=1e-12):
    small = compact(net)
    torch.testing.assert_close(small(x), net.eval()(x), atol=atol, rtol=0)  # float64
    return small


def test_units_that_read_nothing_are_folded_into_the_biases():
    net = nn.Sequential(nn.Linear(4, 6), nn.Softplus(), nn.Linear(6, 3, bias=False)).double()
    mask = torch.ones(6, 4).bool()
    mask[[0, 3]] = False
    set_masks(net, {"0.weight": mask})
    small = check(net, torch.randn(7, 4).double())
    assert (small[0].out_features, small[2].in_features) == (4, 4)
    assert small[2].bias is not None
    assert net[2].bias is None


def test_units_that_nothing_reads_go_and_take_their_inputs_along():
    net = nn.Sequential(
        nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2)
    ).double()
    last, middle = torch.ones(2, 6).bool(), torch.ones(6, 5).bool()
    last[:, :4] = False  # units 0 to 3 are read by nobody
    middle[4:, 1:] = False  # the others read unit 0 of the first layer only
    set_masks(net, {"4.weight": last, "2.weight": middle})
    small, units = compact_with_units(net)
    check(net, torch.randn(7, 4).double())
    assert [small[i].out_features for i in (0, 2)] == [1, 2]
    assert {name: kept.tolist() for name, kept in units.items()} == {"0": [0], "2": [4, 5]}


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_convolutions_shrink_with_identical_outputs(padding, bias):
    net = nn.Sequential(
        *(nn.Conv2d(2, 8, 3, bias=bias), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(8, 6, 2, padding=padding), nn.Sigmoid(), nn.Dropout(), nn.Flatten()),
        *(nn.Linear(6 * (2 + 2 * padding) ** 2, 5), nn.ReLU(), nn.Linear(5, 2)),
    ).double()
    generator = torch.Generator().manual_seed(0)
    net(torch.randn(9, 2, 8, 8, generator=generator).double())
    with torch.no_grad():
        net[1].bias.uniform_(-1, 1)
    Pruner(net, 0.5, pattern=Units(), names=["0.weight", "4.weight", "8.weight"]).step()
    small = check(net, torch.randn(3, 2, 8, 8, generator=generator).double())
    assert small[4].out_channels == 3
    assert small[8].in_features == net[8].in_features // 2
    gone = net[0].weight.flatten(1).abs().sum(1) == 0
    assert int(gone.sum()) == 4
    constant = net[:3](torch.zeros(1, 2, 8, 8).double())[0, :, 0, 0]
    if padding:  # a constant that padding would cut at the rim cannot be folded
        gone &= constant == 0
    assert small[0].out_channels == small[1].num_features == 8 - int(gone.sum())


def test_a_forward_pass_of_ones_own_shrinks_where_nothing_branches():
    net = Own().double()
    Pruner(net, 0.6, pattern=Units(), names=["a.weight", "b.weight"]).step()
    small = check(net, torch.randn(4, 5).double())
    assert small.a.out_features == 4
    assert small.b.out_features == 7  # two readers


def test_unstructured_pruning_compacts_too_and_a_wholly_dead_layer_keeps_one_unit():
    net = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3)).double()
    Pruner(net, 0.95).step()
    small = check(net, torch.randn(4, 6).double())
    assert small[0].out_features <= 6
    set_masks(net, {"0.weight": torch.zeros(20, 6).bool()})
    assert check(net, torch.randn(4, 6).double())[0].out_features == 1


def test_dense_layers_stay_as_they_are():
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 3)).double()
    assert check(net, torch.randn(2, 4).double())[0].out_features == 6


def test_tied_weights_and_untraceable_passes_are_refused():
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    tied[2].weight = tied[0].weight
    with pytest.raises(ConfigError, match=r"'2.weight' and '0.weight' are one tied weight"):
        compact(tied)

    class Loops(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2)

        def forward(self, x):
            while x.sum() > 1:
                x = self.a(x)
            return x

    with pytest.raises(ConfigError, match="forward pass of Loops cannot be traced"):
        compact(Loops())
