"""Properties of attributions, over random networks and inputs."""

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from niwaki.attribution import (
    expected_gradients,
    gini,
    homogeneity_report,
    integrated_gradients,
    jacobian_attribution,
    to_xdnn,
    xgrad,
)


@st.composite
def networks(draw, *, bias):
    """Networks of linear layers, ReLUs, residual sums and norms by the second moment."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    layers = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layer = nn.Linear(fan_in, fan_out, bias=bias)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, generator=generator)
        layers.append(layer)
        if draw(st.booleans()):
            layers.append(draw(st.sampled_from([nn.ReLU(), nn.LeakyReLU(0.2), nn.PReLU()])))
    model = nn.Sequential(*layers).double()
    x = torch.randn(3, sizes[0], generator=generator, dtype=torch.float64)
    return model, x


@settings(max_examples=40, deadline=None)
@given(networks(bias=False), st.integers(-6, 6))
def test_without_bias_attributions_are_complete_and_scale_with_the_input(case, exponent):
    model, x = case
    found = xgrad(model, x, 0)
    scale = 2.0**exponent
    assert torch.equal(xgrad(model, scale * x, 0, degree=1).value, scale * found.value)
    size = found.score.abs().max() + 1
    assert float(found.gap.abs().max() / size) < 1e-12
    assert torch.allclose(found.value, integrated_gradients(model, x, 0, nodes=3).value)


@settings(max_examples=25, deadline=None)
@given(networks(bias=True))
def test_conversion_is_proven_and_changes_nothing_else(case):
    model, x = case
    before = {name: p.clone() for name, p in model.named_parameters()}
    found = to_xdnn(model, example=x)
    assert found.report.proven
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert not homogeneity_report(model, x).holds


@settings(max_examples=25, deadline=None)
@given(networks(bias=False), st.integers(0, 1000))
def test_a_feature_without_effect_gets_nothing_from_any_method(case, seed):
    model, x = case
    with torch.no_grad():
        model[0].weight[:, 0] = 0
    references = torch.randn(4, x.shape[1], generator=torch.Generator().manual_seed(seed)).double()
    for found in (
        xgrad(model, x, 0, degree=1),
        integrated_gradients(model, x, 0, baseline=1.0, nodes=4),
        expected_gradients(model, x, references, 0),
    ):
        assert not bool(found.value[:, 0].any())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=30), st.floats(0.01, 100))
def test_gini_is_between_zero_and_one_and_knows_no_unit(sizes, unit):
    values = torch.tensor(sizes, dtype=torch.float64)
    found = float(gini(values))
    assert -1e-12 <= found <= 1
    if float(values.sum()) > 1e-6:
        assert abs(float(gini(unit * values)) - found) < 1e-9


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 1000), st.integers(1, 400))
def test_the_way_of_chunking_a_field_does_not_matter(genes, count, seed, budget):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(genes, genes, generator=generator, dtype=torch.float64)
    states = torch.randn(genes, count, generator=generator, dtype=torch.float64)
    found = jacobian_attribution(lambda s: (weight @ s).relu(), states, budget=budget)
    assert found.gap < 1e-12
    assert abs(found.dense().sum() - float((weight @ states).relu().mean(1).sum())) < 1e-9
