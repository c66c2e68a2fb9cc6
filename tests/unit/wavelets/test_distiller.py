"""What users of scikit-learn expect of a transformer, and what a teacher may be."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from niwaki.attribution import gradient, to_xdnn, xgrad
from niwaki.core import ConfigError, InputError
from niwaki.wavelets import SearchOptions, WaveletDistiller, named_filter

QUICK = SearchOptions(
    beam=2, children=1, screen_steps=8, polish_steps=8, polished=1, sweeps=1, screen_rows=16
)


@pytest.fixture
def signals(normal):
    return normal(60, 24).numpy(), normal(60, 24, seed=1).numpy()


@pytest.fixture
def quick():
    def make(**settings):
        return WaveletDistiller(**{"taps": 4, "options": QUICK, "ratios": 1.0, **settings})

    return make


def test_settings_come_back_as_they_were_given(quick):
    starts = (named_filter("db2"), np.full(2, 0.5), "haar")
    one = quick(starts=starts, targets=[0, 1], ratios=np.array([0.0, 1.0]))
    assert one.get_params()["starts"] is starts
    two = clone(one)
    assert [np.asarray(s).tolist() for s in two.starts] == [np.asarray(s).tolist() for s in starts]
    assert repr(WaveletDistiller(taps=4, per_level=True)) == (
        "WaveletDistiller(taps=4, per_level=True)"
    )


def test_a_clone_is_not_fitted(quick, signals):
    x, g = signals
    fitted = quick().fit(x, gradients=g)
    check_is_fitted(fitted)
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(fitted))


def test_it_takes_part_in_cross_validation_and_searches(quick, signals):
    x, g = signals
    y = x @ g.mean(0)
    pipeline = make_pipeline(quick(), LinearRegression())
    given = {"waveletdistiller__gradients": g}  # sliced with the samples
    assert cross_val_score(pipeline, x, y, cv=2, params=given).shape == (2,)
    search = GridSearchCV(pipeline, {"waveletdistiller__taps": [2, 4]}, cv=2, error_score="raise")
    assert search.fit(x, y, **given).best_params_["waveletdistiller__taps"] in (2, 4)


def test_it_survives_pickling_and_is_fitted_anew(quick, signals):
    x, g = signals
    fitted = quick().fit(x, gradients=g)
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert np.array_equal(other.transform(x), fitted.transform(x))
    assert fitted.fit(x[:, :16], gradients=g[:, :16]).n_features_in_ == 16


@pytest.mark.parametrize("mode", ["zero", "periodization"])
def test_columns_have_names_and_come_back(mode, quick, signals):
    x, g = signals
    fitted = quick(mode=mode, level=2).fit(x, gradients=g)
    names = fitted.get_feature_names_out()
    assert (names[0], names[-1][:3], len(set(names))) == ("A2_0", "D1_", len(names))
    rows = fitted.transform(x)
    assert rows.shape == (60, len(names))
    assert np.abs(fitted.inverse_transform(rows) - x).max() < 1e-12


def test_images_come_back_too(quick, normal):
    x, g = normal(9, 8, 12), normal(9, 8, 12, seed=1)
    fitted = quick(level=1, per_axis=True).fit(x, gradients=g)
    rows = fitted.transform(x)
    assert rows.shape[1] == len(fitted.get_feature_names_out())
    assert fitted.get_feature_names_out()[-1].startswith("D1d_")
    assert np.abs(fitted.inverse_transform(rows) - x.numpy()).max() < 1e-12


def test_a_teacher_of_another_type_is_fed_in_its_own(quick, signals):
    x, _ = signals
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        teacher = nn.Sequential(nn.Linear(24, 4), nn.ReLU(), nn.Linear(4, 2))
    fitted = quick(targets=1).fit(x, teacher=teacher)
    assert fitted.gradients_.dtype == torch.float64
    assert fitted.gradients_.shape == (1, 60, 24)


def test_x_gradient_is_an_attribution_like_any_other(quick, signals):
    x, _ = signals
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        teacher = to_xdnn(nn.Sequential(nn.Linear(24, 4), nn.ReLU(), nn.Linear(4, 1))).model
    teacher = teacher.double()

    one = quick(attribution="input_x_gradient").fit(
        x, gradient_function=lambda v: gradient(teacher, v, target=0).values[0]
    )
    two = quick(attribution="input_x_gradient").fit(x, teacher=teacher)
    assert torch.allclose(one.gradients_, two.gradients_, atol=1e-12)
    exact = xgrad(teacher, torch.from_numpy(x), target=0).values[0]  # the product with the input
    assert torch.allclose(one.gradients_[0] * torch.from_numpy(x), exact, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, :16], "fitted to signals of shape"),
        (lambda x: x[0], "fitted to signals of shape"),
        (lambda x: x * np.nan, "missing or infinite"),
    ],
)
def test_other_signals_are_refused(change, words, quick, signals):
    x, g = signals
    with pytest.raises(InputError, match=words):
        quick().fit(x, gradients=g).transform(change(x))


def test_groups_must_be_named_and_taps_be_a_number(quick, signals):
    x, g = signals
    fitted = quick().fit(x, gradients=g, groups=["a", "b"] * 30)
    with pytest.raises(InputError, match="name one of a, b"):
        fitted.transform(x)
    assert len(fitted.get_feature_names_out()) == fitted.transform(x, "b").shape[1]
    with pytest.raises(ConfigError, match="even number"):
        quick().set_params(taps="4").fit(x, gradients=g)
