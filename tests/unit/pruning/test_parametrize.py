import copy
import io

import pytest
import torch
from torch import nn

from niwaki.core import ConfigError
from niwaki.pruning import (
    add_masks,
    finalize,
    masks_of,
    open_masks,
    prunable,
    set_masks,
    sparsity_of,
)


def make_net():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def half(net, name="0.weight"):
    mask = torch.ones_like(net.get_submodule("0").weight, dtype=torch.bool)
    mask[::2] = False
    set_masks(net, {name: mask})
    return mask


def test_the_weight_is_masked_and_the_optimiser_keeps_its_parameter():
    net = make_net()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.1, weight_decay=0.1)
    before = net[0].weight
    mask = half(net)
    assert net[0].parametrizations.weight.original is before
    for _ in range(3):
        optimiser.zero_grad()
        net(torch.randn(8, 4)).square().sum().backward()
        optimiser.step()
    assert not net[0].weight[~mask].any()
    assert net[0].weight[mask].all()
    assert not before.grad[~mask].any()


def test_masking_discards_what_was_stored_even_if_it_is_no_number():
    net = make_net()
    with torch.no_grad():
        net[0].weight[::2] = float("nan")
    half(net)
    assert torch.isfinite(net(torch.ones(1, 4))).all()


def test_state_dict_deepcopy_and_save_carry_the_masks():
    net, x = make_net(), torch.randn(5, 4)
    mask = half(net)
    copied = copy.deepcopy(net)
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    buffer.seek(0)
    loaded = make_net()
    add_masks(loaded, ["0.weight"])
    loaded.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    for other in (copied, loaded):
        assert torch.equal(other(x), net(x))
        assert torch.equal(masks_of(other)["0.weight"], mask)


def test_finalizing_or_masking_a_copy_leaves_the_original_alone():
    net, x = make_net(), torch.randn(5, 4)
    half(net)
    copied = copy.deepcopy(net)
    finalize(copied)
    add_masks(copy.deepcopy(net), ["0.bias"])
    assert torch.equal(net(x), copied(x))
    assert list(masks_of(net)) == ["0.weight"]
    assert isinstance(net[0].bias, nn.Parameter)


def test_finalize_gives_back_a_dense_module_with_the_old_names():
    net = make_net()
    names = set(net.state_dict())
    mask, x = half(net), torch.randn(5, 4)
    before = net(x)
    assert finalize(net) is net
    assert set(net.state_dict()) == names
    assert torch.equal(net(x), before)
    assert not net[0].weight[~mask].any()
    assert isinstance(net[0].weight, nn.Parameter)
    assert masks_of(net) == {}


@pytest.mark.slow
def test_a_masked_module_compiles():
    net, x = make_net(), torch.randn(5, 4)
    half(net)
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), net(x))


def test_masks_move_and_change_type_with_the_module():
    net = make_net()
    half(net)
    net.to("meta")
    assert masks_of(net)["0.weight"].device.type == "meta"
    other = make_net()
    half(other)
    assert other.double()[0].weight.dtype == torch.float64
    assert masks_of(other)["0.weight"].dtype == torch.bool


def test_tied_weights_share_one_mask_and_count_once():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    net[2].weight = net[0].weight
    assert prunable(net) == ("0.weight",)
    mask = torch.rand(4, 4) < 0.5
    set_masks(net, {"0.weight": mask})
    for layer in (net[0], net[2]):
        assert not layer.weight[~mask].any()
    assert list(masks_of(net)) == ["0.weight"]
    assert sparsity_of(net) == pytest.approx(float((~mask).float().mean()))
    assert len(list(net.parameters())) == 3
    finalize(net)
    assert net[0].weight is net[2].weight


def test_frozen_layers_are_left_out_unless_named():
    net = make_net()
    net[0].weight.requires_grad_(False)
    assert prunable(net) == ("2.weight",)
    assert add_masks(net, ["0.weight"]) == ("0.weight",)
    assert not net[0].parametrizations.weight.original.requires_grad


def test_open_masks_let_gradients_through_but_weights_stay_zero():
    net = make_net()
    mask = half(net)
    with torch.no_grad():  # as an optimiser with momentum would leave it
        net[0].parametrizations.weight.original += 1
    with open_masks(net):
        net(torch.ones(1, 4)).sum().backward()
        assert not net[0].weight[~mask].any()
    assert net[0].parametrizations.weight.original.grad is not None


def test_unknown_names_and_shapes_are_refused_before_anything_changes():
    net = make_net()
    with pytest.raises(ConfigError, match=r"no weight named '1.weight'; it has 0.weight, 0.bias"):
        add_masks(net, ["0.weight", "1.weight"])
    with pytest.raises(ConfigError, match=r"no weight named 'nothing.weight'"):
        add_masks(net, ["nothing.weight"])
    with pytest.raises(ConfigError, match=r"mask of '0.weight' has shape \(4, 6\)"):
        set_masks(net, {"2.weight": torch.ones(3, 6).bool(), "0.weight": torch.ones(4, 6).bool()})
    assert masks_of(net) == {}
    with pytest.raises(ConfigError, match="ReLU has no linear or convolutional weight"):
        add_masks(nn.ReLU())
