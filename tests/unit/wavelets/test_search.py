import math

import numpy as np
import pytest
import torch
from torch import nn

from niwaki.core import ConfigError, InputError
from niwaki.wavelets import (
    Layout,
    Objective,
    SearchOptions,
    WaveletDistiller,
    WaveletTransform,
    coefficient_attributions,
    dwt,
    dwt2,
    flat_bands,
    kept_share,
    named_filter,
    search_path,
    wavelet_distance,
)
from niwaki.wavelets import _search as search

QUICK = SearchOptions(
    beam=4, children=1, screen_steps=12, polish_steps=15, polished=1, sweeps=1, screen_rows=16
)


@pytest.fixture
def planted():
    """White signals, and gradients that are one coefficient of db3 plus a little noise."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 32, generator=generator, dtype=torch.float64)
    weight = dwt(torch.eye(32).double(), "db3", level=2)[1][:, 4]
    noise = torch.randn(300, 32, generator=generator, dtype=torch.float64)
    return x, weight + 0.02 * noise


def scores_by_hand(x, g, low, kind):
    c = torch.cat(dwt(x, low, level=2), 1)
    a = torch.cat(dwt(g, low, level=2), 1)
    a = a if kind == "saliency" else a * c
    size = math.sqrt(x.numel())
    second = g.norm() * size if kind == "saliency" else x.norm() * g.norm()
    return [float(c.abs().sum() / (x.norm() * size)), float(a.abs().sum() / second)]


@pytest.mark.parametrize("kind", ["saliency", "input_x_gradient"])
@pytest.mark.parametrize("mode", ["zero", "symmetric", "periodization"])
def test_scores_are_the_sums_of_their_definition(kind, mode, planted):
    x, g = planted
    objective = Objective(x, g[None], Layout(6, 2), mode, kind)
    angles = torch.tensor([[[0.3, -0.8]], [[1.0, 2.0]]], dtype=torch.float64)
    found = objective.scores(angles)
    for row, low in zip(found.tolist(), objective.layout.lows(angles), strict=True):
        c = torch.cat(dwt(x, low, level=2, mode=mode), 1)
        given = None if kind == "saliency" else x
        a = torch.cat(coefficient_attributions(g, low, level=2, mode=mode, x=given), 1)
        assert math.isclose(row[0] * objective.scale[0], float(c.abs().sum()), rel_tol=1e-12)
        assert math.isclose(row[1] * objective.scale[1], float(a.abs().sum()), rel_tol=1e-12)
    if mode == "zero":
        by_hand = scores_by_hand(x, g, objective.layout.lows(angles)[0], kind)
        assert np.allclose(found[0].tolist(), by_hand, rtol=1e-12)


@pytest.mark.parametrize("kind", ["saliency", "input_x_gradient"])
@pytest.mark.parametrize(
    ("shape", "mode"),
    [
        ((20,), "zero"),
        ((300,), "zero"),
        ((9, 10), "zero"),
        ((9, 10), "reflect"),
        ((20,), "periodization"),
    ],
)
def test_gradients_of_scores_are_those_of_finite_differences(kind, shape, mode, normal):
    x, g = normal(3, *shape), normal(2, 3, *shape, seed=1)
    objective = Objective(x, g, Layout(6, 2, len(shape), per_level=True), mode, kind)
    angles = normal(1, 2, 2, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(objective.scores, angles, eps=1e-7, atol=1e-4)


def test_images_and_gradients_together_score_as_apart(normal):
    x, g = normal(3, 12, 9), normal(1, 3, 12, 9, seed=1)
    objective = Objective(x, g, Layout(4, 2, 2, per_axis=True))
    angles = normal(1, 2, 1, seed=2)
    low = objective.layout.lows(angles)[0]
    sums = [float(torch.cat(flat_bands(dwt2(v, low, level=2)), 1).abs().sum()) for v in (x, g[0])]
    wanted = [total / scale for total, scale in zip(sums, objective.scale, strict=True)]
    assert np.allclose(objective.scores(angles)[0].tolist(), wanted, rtol=1e-12)


def test_sums_over_parts_are_those_over_all(planted):
    x, g = planted
    x = x.clone()
    x[:50] = 0.0  # a part with nothing in it
    objective = Objective(x, g[None], Layout(6, 2))
    parts = objective.parts(50 * x.shape[1])
    assert len(parts) == 6
    angles = torch.linspace(0, 2, 6).double().view(3, 1, 2)
    total = sum(part.sums(angles) for part in parts)
    assert torch.allclose(total, objective.sums(angles), rtol=1e-12)


def test_a_large_study_is_polished_on_a_part_and_scored_on_all(planted, monkeypatch):
    x, g = planted
    monkeypatch.setattr(search, "_VALUES", 40 * x.shape[1])
    path = search_path(
        Objective(x, g[None], Layout(6, 2)), ratios=(1.0,), options=QUICK,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    point = path.points[0]
    scores = Objective(x, g[None], Layout(6, 2)).scores(point.angles[None])[0]
    assert torch.allclose(scores, torch.tensor([point.signals, point.attributions]).double())


def test_scores_know_no_unit(planted, normal):
    x, g = planted
    angles = normal(1, 1, 2)
    one = Objective(x, g[None], Layout(6, 2)).scores(angles)
    other = Objective(1000 * x, 0.01 * g[None], Layout(6, 2)).scores(angles)
    assert torch.allclose(one, other, rtol=1e-12)


def test_a_planted_wavelet_is_found_without_being_named(planted):
    x, g = planted
    objective = Objective(x, g[None], Layout(6, 2))
    options = SearchOptions(beam=8, children=1, screen_steps=25, named=False, sweeps=0)
    path = search_path(objective, ratios=(math.inf,), options=options, rng=np.random.default_rng(0))
    low = objective.layout.lows(path.points[0].angles)[0]
    assert wavelet_distance(low, "db3") < 0.05


def test_every_point_of_a_path_is_the_best_of_all_for_its_ratio(planted):
    x, g = planted
    objective = Objective(x, g[None], Layout(6, 2))
    path = search_path(
        objective, ratios=(0.0, 1.0, math.inf), options=QUICK, rng=np.random.default_rng(0)
    )
    for point in path.points:
        weights = (0.0, 1.0) if math.isinf(point.ratio) else (1.0, point.ratio)
        own = weights[0] * point.signals + weights[1] * point.attributions
        for other in path.points:
            assert own <= weights[0] * other.signals + weights[1] * other.attributions + 1e-12
        again = objective.scores(point.angles[None])[0].tolist()
        assert np.allclose(again, [point.signals, point.attributions], rtol=1e-9)
    signals = [p.signals for p in path.points]
    assert signals == sorted(signals)


def test_a_polish_never_makes_it_worse_and_says_why_it_stopped(planted):
    x, g = planted
    path = search_path(
        Objective(x, g[None], Layout(6, 2)),
        ratios=(1.0,),
        options=QUICK,
        rng=np.random.default_rng(0),
    )
    polished = [step for step in path.history if step.stage == "polish"]
    assert polished
    assert all(step.after <= step.before + 1e-12 for step in polished)
    assert {step.stop for step in polished} <= {"converged", "step limit"}


def test_the_same_seed_gives_the_same_wavelet(planted):
    x, g = planted
    fits = [WaveletDistiller(taps=6, options=QUICK, ratios=2.0).fit(x, gradients=g) for _ in "ab"]
    assert torch.equal(fits[0].filters(), fits[1].filters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ratio", [0.0, 1.0, math.inf])
def test_the_inverse_is_exact_after_any_fit(dtype, ratio, planted):
    x, g = (part.to(dtype) for part in planted)
    fitted = WaveletDistiller(taps=8, options=QUICK, ratios=ratio).fit(x, gradients=g)
    error = np.abs(fitted.inverse_transform(fitted.transform(x)) - x.numpy()).max()
    assert error < (1e-12 if dtype == torch.float64 else 1e-5)


def test_images_are_distilled_too(normal):
    x = normal(6, 16, 12)
    weight = dwt2(torch.eye(192).double().view(192, 16, 12), "db2", level=1)[1][0][:, 3, 4]
    g = weight.view(1, 16, 12) + 0.01 * normal(6, 16, 12, seed=1)
    fitted = WaveletDistiller(taps=4, level=2, options=QUICK, ratios=math.inf).fit(x, gradients=g)
    assert wavelet_distance(fitted.filters()[0, 0], "db2") < 0.2
    assert np.abs(fitted.inverse_transform(fitted.transform(x)) - x.numpy()).max() < 1e-12


def test_groups_get_wavelets_of_their_own(planted):
    x, g = planted
    labels = ["a"] * 150 + ["b"] * 150
    fitted = WaveletDistiller(taps=6, options=QUICK, ratios=1.0).fit(x, gradients=g, groups=labels)
    alone = WaveletDistiller(taps=6, options=QUICK, ratios=1.0).fit(x[:150], gradients=g[:150])
    assert torch.equal(fitted.filters("a"), alone.filters())
    with pytest.raises(InputError, match="group 'c'"):
        fitted.filters("c")


def test_levels_may_differ_and_are_no_worse_for_it(planted):
    x, g = planted
    one = WaveletDistiller(taps=6, level=2, options=QUICK, ratios=1.0).fit(x, gradients=g)
    two = one.get_params()
    two = WaveletDistiller(**{**two, "per_level": True}).fit(x, gradients=g)
    assert two.points_[None].value <= one.points_[None].value + 1e-9
    assert two.filters().shape == (2, 6)


def test_a_teacher_is_the_same_as_its_gradients(planted):
    x, _ = planted
    weight = torch.randn(32, 2, generator=torch.Generator().manual_seed(3)).double()
    how = {"taps": 6, "options": QUICK, "ratios": 1.0, "targets": (0, 1)}
    asked = WaveletDistiller(**how).fit(x, teacher=lambda v: v @ weight)
    given = WaveletDistiller(**how).fit(x, gradients=weight.T[:, None].expand(2, 300, 32))
    # a minimum is flat: rounding of 1e-16 in the gradients moves it by its square root
    assert torch.allclose(asked.filters(), given.filters(), atol=1e-6)


def test_it_is_a_scikit_learn_transformer(planted):
    from sklearn.base import clone
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    x, g = (part.numpy() for part in planted)
    distiller = WaveletDistiller(taps=6, options=QUICK, ratios=1.0)
    copy = clone(distiller).set_params(taps=4)
    assert (distiller.taps, copy.taps) == (6, 4)
    pipeline = make_pipeline(distiller, Ridge(1e-6))
    y = x @ g.mean(0)
    pipeline.fit(x, y, waveletdistiller__gradients=g)
    assert pipeline.score(x, y) > 0.999


def test_the_layer_stays_a_wavelet_while_it_learns(normal):
    x = normal(8, 24).float()
    layer = WaveletTransform("sym4", level=2, mode="periodization", per_level=True)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    before = layer.angles.detach().clone()
    for _ in range(3):
        optimiser.zero_grad()
        sum(band.abs().mean() for band in layer(x)).backward()
        optimiser.step()
    assert not torch.equal(layer.angles, before)
    assert torch.allclose(layer.inverse(layer(x), (24,)), x, atol=1e-5)
    assert isinstance(layer, nn.Module)


def test_kept_shares_know_no_unit(planted):
    x, g = planted
    fitted = WaveletDistiller(taps=6, options=QUICK, ratios=1.0).fit(x, gradients=g)
    point, layout = fitted.points_[None], fitted.layout_
    one = kept_share(x, g[None], point, layout=layout)
    assert one == kept_share(7 * x, 0.1 * g[None], point, layout=layout)
    assert 0 < one < 1


def test_a_start_that_is_no_wavelet_is_projected_and_said(planted):
    x, g = planted
    start = named_filter("db3") + 0.01
    fitted = WaveletDistiller(taps=6, options=QUICK, ratios=1.0, starts=(start,))
    assert "not orthonormal" in fitted.fit(x, gradients=g).notes_[0]


def test_a_filter_longer_than_the_signal_is_said(normal):
    x = normal(20, 6)
    fitted = WaveletDistiller(taps=10, options=QUICK, ratios=1.0).fit(x, gradients=normal(20, 6))
    assert "fewer than the filter's" in fitted.notes_[0]


@pytest.mark.parametrize(
    ("x", "g", "words"),
    [
        (np.ones((4, 8)), np.ones((4, 8)), "constant"),
        (np.eye(8), np.zeros((8, 8)), "does not react"),
        (np.eye(8), np.eye(8)[:4], "gradients of that shape"),
        (np.eye(8) * np.nan, np.eye(8), "missing or infinite"),
        (np.zeros((0, 8)), np.zeros((0, 8)), "empty"),
        (np.eye(8)[:, :1], np.eye(8)[:, :1], "at most 0 levels"),
        (np.zeros(8), np.zeros(8), "give \\[sample, time\\]"),
        (np.array([["a"]]), np.eye(8), "not an array"),
    ],
)
def test_unusable_signals_are_one_sentence(x, g, words):
    with pytest.raises(InputError, match=words):
        WaveletDistiller(options=QUICK).fit(x, gradients=g)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"taps": 5}, "even number"),
        ({"mode": "circle"}, "boundary mode"),
        ({"attribution": "lrp"}, "one of saliency"),
        ({"ratios": -1.0}, "from 0"),
        ({"ratios": []}, "from 0"),
    ],
)
def test_unusable_settings_are_one_sentence(how, words):
    with pytest.raises(ConfigError, match=words):
        WaveletDistiller(options=QUICK, **how).fit(np.eye(8), gradients=np.eye(8))


def test_what_is_not_fitted_says_so():
    with pytest.raises(ConfigError, match="call fit first"):
        WaveletDistiller().transform(np.eye(8))
    with pytest.raises(ConfigError, match="exactly one"):
        WaveletDistiller().fit(np.eye(8))
    with pytest.raises(ConfigError, match="no setting"):
        WaveletDistiller().set_params(wavelet="db5")


def test_haar_has_nothing_to_learn(normal):
    fitted = WaveletDistiller(taps=2, options=QUICK).fit(normal(9, 16), gradients=normal(9, 16))
    assert wavelet_distance(fitted.filters()[0], "haar") < 1e-7
