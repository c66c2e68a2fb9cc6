import math

import numpy as np
import pytest
import torch
from reference.wavelets import slow_peaks, slow_top

from niwaki.core import ConfigError, InputError
from niwaki.wavelets import (
    LAPLACE,
    FeatureOptions,
    Layout,
    Path,
    Point,
    best_model,
    cascade,
    dwt,
    fit_model,
    fit_readout,
    frequency_response,
    named_filter,
    peak_edges,
    peak_histograms,
    peak_kernels,
    peaks,
    start_angles,
    top_coefficients,
    wavelet_distance,
)


def point_of(name):
    return Point(1.0, start_angles(name)[0][None], math.nan, math.nan, name)


def test_top_coefficients_are_those_of_sorted_lists(normal):
    bands = dwt(normal(5, 30), "db2", level=2)
    fast = top_coefficients(bands, count=4)
    for i in range(5):
        assert np.allclose(fast[i], slow_top([b[i].tolist() for b in bands], 4))


def test_top_coefficients_are_the_same_with_a_gradient(normal):
    band = normal(7, 12)
    plain = top_coefficients([band], count=5)
    recorded = top_coefficients([band.clone().requires_grad_()], count=5)
    assert torch.equal(plain, recorded.detach())
    assert torch.equal(plain, top_coefficients([band], count=5, positions=True)[:, :5])
    assert recorded.requires_grad


def test_absolute_ranking_forgets_signs_and_positions_are_shares(normal):
    band = normal(6, 9)
    assert torch.equal(
        top_coefficients([band], count=3, signed=False),
        top_coefficients([-band], count=3, signed=False),
    )
    found = top_coefficients([torch.tensor([[0.0, 1.0, 5.0, 2.0, 0.0]])], count=2, positions=True)
    assert found.tolist() == [[5.0, 2.0, 0.5, 0.75]]


def test_top_features_hardly_know_when_something_happens(normal):
    early, late = torch.zeros(1, 64), torch.zeros(1, 64)
    early[0, 16:24], late[0, 32:40] = 1.0, 1.0
    one, other = (top_coefficients(dwt(v, "db2", level=3)) for v in (early, late))
    assert torch.allclose(one, other, atol=1e-6)


def test_peaks_exceed_all_their_neighbours(normal):
    maps = normal(3, 9, 11).round(decimals=1)  # ties occur
    for k, found in enumerate(peaks(maps)):
        assert [tuple(p) for p in found.nonzero().tolist()] == slow_peaks(maps[k].tolist())


def test_histograms_count_every_peak_once_per_kernel(normal):
    maps = normal(4, 20, 20)
    kernels = torch.cat([peak_kernels("db5"), torch.tensor(LAPLACE).double()[None]])
    edges = peak_edges(maps, kernels, bins=6)
    found = peak_histograms(maps, kernels, edges).view(4, 5, 6)
    wanted = peaks(maps).sum((1, 2)).double()
    assert torch.equal(found.sum(-1), wanted[:, None].expand(4, 5))
    pooled = found.sum(0)
    assert float(pooled.max() - pooled.min()) <= 0.2 * float(pooled.mean()) + 2  # quantile bins


def test_peak_kernels_are_outer_products_of_the_strongest_window():
    kernels = peak_kernels("db3")
    low = named_filter("db3")
    start = max(range(4), key=lambda i: float(low[i : i + 3].square().sum()))
    assert torch.equal(kernels[0], torch.outer(low[start : start + 3], low[start : start + 3]))
    assert torch.allclose(kernels[1:].sum((1, 2)), torch.zeros(3).double(), atol=1e-12)


@pytest.mark.parametrize("kind", ["linear", "ridge", "lasso"])
def test_a_readout_recovers_a_linear_response(kind, rng):
    features = rng.normal(size=(400, 5)) * [1, 10, 0.1, 1, 1] + 3
    response = features @ [1.0, 0.2, -3.0, 0.0, 0.0] + 2 + 0.01 * rng.normal(size=400)
    found = fit_readout(features, response, kind=kind)
    assert found.r2 > 0.99
    assert np.allclose(found.predict(features), response, atol=0.1)


def test_noise_explains_nothing(rng):
    found = fit_readout(rng.normal(size=(300, 10)), rng.normal(size=300))
    assert found.r2 < 0.05


def test_a_feature_that_is_rounding_has_no_weight(rng):
    x = rng.normal(size=(80, 3))
    x[:, 1] *= 1e-9  # noise, but for a sample to come
    y = x[:, 0] + 0.1 * rng.normal(size=80)
    for kind in ("linear", "ridge", "lasso"):
        fitted = fit_readout(x, y, kind=kind)
        assert fitted.weights[1] == 0.0
        assert abs(fitted.predict(np.array([[0.0, 5.0, 0.0]]))[0]) < 1.0
    assert fit_readout(np.ones((80, 2)), y).used == 0


def test_features_that_agree_but_for_rounding_share_their_weight(rng):
    x = rng.normal(size=(80, 1))
    twice = np.hstack([x, x + 1e-9 * rng.normal(size=x.shape)])
    assert np.allclose(fit_readout(twice, 2 * x[:, 0] + 1).weights, 1.0, atol=1e-3)


def test_groups_are_never_split(rng):
    """Copies of one sample in training and test would look like knowledge."""
    features, response = (
        np.repeat(v, 5, 0) for v in (rng.normal(size=(40, 30)), rng.normal(size=40))
    )
    groups = np.repeat(np.arange(40), 5)
    assert fit_readout(features, response).r2 > 0.5
    assert fit_readout(features, response, groups=groups).r2 < 0.2


def test_a_model_counts_its_numbers_and_takes_time(normal, rng):
    x = normal(200, 32)
    y = (x @ dwt(torch.eye(32).double(), "db3", level=2)[0]).amax(1).numpy()
    model = fit_model(x, y, point_of("db3"), layout=Layout(6, 2), options=FeatureOptions(count=3))
    assert model.parameters == 2 + 9 + 1
    assert model.readout.r2 > 0.9
    assert model.seconds(x) > 0


def test_the_best_model_of_a_path_is_chosen_by_cross_validation(normal):
    x = normal(300, 32)
    y = dwt(x, "db3", level=2)[1].amax(1).numpy()
    path = Path((point_of("haar"), point_of("db3")), (), 2)
    points = [Point(1.0, start_angles(n, 6)[0][None], 0.0, 0.0, n) for n in ("haar", "db3")]
    best, every = best_model(x, y, Path(tuple(points), (), 2), layout=Layout(6, 2))
    assert best.point.start == "db3"
    assert len(every) == len(path.points)


def test_peak_models_take_images(rng, normal):
    x = normal(40, 16, 16)
    model = fit_model(
        x,
        rng.normal(size=40),
        Point(1.0, start_angles("db2")[0][None], 0.0, 0.0, "db2"),
        layout=Layout(4, 2, 2),
        options=FeatureOptions("peaks", bins=3),
        readout="ridge",
    )
    assert model.features(x[:2]).shape == (2, 12)
    with pytest.raises(InputError, match="need images"):
        fit_model(
            normal(40, 16),
            rng.normal(size=40),
            point_of("db2"),
            layout=Layout(4, 2),
            options=FeatureOptions("peaks"),
        )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fit_readout(np.eye(6), np.arange(5.0)), "6 signals but 5"),
        (lambda: fit_readout(np.eye(3), np.arange(3.0)), "too few"),
        (lambda: fit_readout(np.eye(9), np.ones(9)), "same for every"),
        (lambda: fit_readout(np.eye(9) * np.nan, np.arange(9.0)), "missing"),
        (lambda: peaks(torch.zeros(1, 2, 9)), "no inner pixel"),
    ],
)
def test_unusable_samples_are_one_sentence(call, words):
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: fit_readout(np.eye(9), np.arange(9.0), kind="forest"),
        lambda: top_coefficients([torch.zeros(1, 3)], count=0),
        lambda: FeatureOptions("all of them"),
        lambda: peak_kernels("db2", width=4),
    ],
)
def test_unusable_settings_are_one_sentence(call):
    with pytest.raises(ConfigError):
        call()


def test_distances_are_those_of_the_published_scale():
    assert math.isclose(wavelet_distance("sym5", "db5"), 1.280, abs_tol=1e-3)
    assert math.isclose(float(cascade("db5")[2].norm()), 2**2.5, rel_tol=1e-9)


@pytest.mark.parametrize("name", ["haar", "db4", "sym5"])
def test_shift_reversal_and_sign_are_no_distance(name):
    low = named_filter(name)
    moved = torch.nn.functional.pad(low.flip(0), (2, 4))
    assert wavelet_distance(moved, name) < 1e-6


def test_functions_of_the_cascade_have_unit_energy_and_the_box_is_haars():
    positions, scaling, wavelet = cascade("haar")
    step = float(positions[1])
    for values in (scaling, wavelet):
        assert math.isclose(float(values.square().sum()) * step, 1.0, rel_tol=1e-9)
    assert torch.allclose(scaling, torch.ones_like(scaling))


def test_both_gains_share_the_energy_at_every_frequency():
    _, low, high = frequency_response("sym6")
    assert torch.allclose(low**2 + high**2, torch.tensor(2.0).double())
    assert math.isclose(float(low[0]), math.sqrt(2), rel_tol=1e-12)
