import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.pruning_modules import has_path
from torch import nn

from niwaki.core import ConfigError
from niwaki.pruning import Pruner, group_mask, path_masks, set_masks


@given(
    seed=st.integers(0, 10_000),
    outputs=st.integers(1, 6),
    inputs=st.integers(1, 6),
    hidden=st.lists(st.integers(6, 10), min_size=0, max_size=3),
    density=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_paths_exist_exactly_where_allowed(seed, outputs, inputs, hidden, density):
    allowed = np.random.default_rng(seed).random((outputs, inputs)) < density
    masks = path_masks(allowed, hidden)
    assert [len(m) for m in masks] == [*hidden, outputs]
    found = has_path([m.numpy() for m in masks])
    np.testing.assert_array_equal(found, allowed)


@given(seed=st.integers(0, 10_000), width=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_a_narrow_layer_is_exact_or_refused_and_what_is_impossible_always_refused(seed, width):
    allowed = np.random.default_rng(seed).random((3, 3)) < 0.6
    possible = (
        any(
            (
                has_path([np.reshape(first, (width, 3)), np.reshape(last, (3, width))]) == allowed
            ).all()
            for first in itertools.product([False, True], repeat=3 * width)
            for last in itertools.product([False, True], repeat=3 * width)
        )
        if width < 3
        else True
    )
    try:
        masks = path_masks(allowed, [width])
    except ConfigError as error:
        assert "too narrow" in str(error)
        assert width < 3
    else:
        assert possible
        np.testing.assert_array_equal(has_path([m.numpy() for m in masks]), allowed)


def test_the_refusal_says_how_many_units_are_enough():
    allowed = np.eye(5, dtype=bool)
    with pytest.raises(ConfigError, match=r"layer of 3 units is too narrow .* 5 units are enough"):
        path_masks(allowed, [8, 3, 9])
    assert len(path_masks(allowed, [8, 5, 9])) == 4


def test_a_masked_network_has_no_gradient_along_forbidden_paths_however_it_is_pruned():
    allowed = np.random.default_rng(0).random((6, 7)) < 0.4
    net = nn.Sequential(
        *(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 6)),
    ).double()
    names = ["0.weight", "2.weight", "4.weight"]
    set_masks(net, dict(zip(names, path_masks(torch.from_numpy(allowed), [9, 8]), strict=True)))
    x = torch.randn(7).double()
    jacobian = torch.autograd.functional.jacobian(net, x)
    assert ((jacobian != 0).numpy() == allowed).all()
    Pruner(net, 0.8).step()
    jacobian = torch.autograd.functional.jacobian(net, x)
    assert not (jacobian != 0).numpy()[~allowed].any()


def test_units_of_a_group_read_its_members_only():
    members = np.array([[True, True, False], [False, False, True]])
    assert group_mask(members, 3).tolist() == members[[0, 1, 0]].tolist()
    with pytest.raises(ConfigError, match="1 units cannot stand for 2 groups"):
        group_mask(members, 1)
    with pytest.raises(ConfigError, match="at least 1 each"):
        path_masks(members, [0])
