import copy

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn
from unit.experiment.study import wave

from niwaki.core import (
    ConfigError,
    DivergedError,
    InputError,
    RunFolderError,
    Trajectories,
    Trajectory,
)
from niwaki.dynamics import RungeKutta4
from niwaki.experiment import FittedModel, load_model, predict


@pytest.fixture
def model(finished):
    return load_model(finished)


def exact(model, start, times):
    """Integrate the field in double precision by SciPy's adaptive method."""
    field = copy.deepcopy(model.field).double()

    def change(_, state):
        with torch.no_grad():
            return field(torch.from_numpy(state)[:, None])[:, 0].numpy()

    found = solve_ivp(change, (times[0], times[-1]), start, t_eval=times, rtol=1e-9, atol=1e-9)
    return found.y.T


def test_a_roll_out_is_what_the_field_integrates_to(model, material):
    start = material.data.subset([0])
    item = start.items[0]
    times = np.linspace(item.times[0], item.times[-1], 41)
    found = predict(model, start, times=times).items[0]
    # every one of 40 gaps settles to 1e-4 of the largest value
    np.testing.assert_allclose(found.values, exact(model, item.values[0], times), atol=1e-3)


class Rotation(nn.Module):
    """A field of two genes that turns the plane, one radian per time unit."""

    def __init__(self):
        super().__init__()
        self.speed = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, state):
        return self.speed * torch.stack([-state[1], state[0]])


class Explosion(Rotation):
    """A field that reaches infinity in finite time."""

    def forward(self, state):
        return self.speed * state**2


def alone(field):
    """Return a model of two genes and the state that it starts from."""
    start = Trajectories(("x", "y"), (Trajectory("s", np.array([0.0]), np.array([[1.0, 0.0]])),))
    return FittedModel(start.genes, field, {}, RungeKutta4(substeps=4)), start


def test_a_gap_far_beyond_those_of_the_data_takes_shorter_steps():
    model, start = alone(Rotation())
    found = predict(model, start, times=[25.0]).items[0].values[0]
    wanted = np.array([np.cos(25), np.sin(25)])
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    at_once = model(start.items[0].values.T, np.array([25.0]))[:, 0]
    assert np.abs(at_once - wanted).max() > 1


@pytest.mark.parametrize(
    ("field", "time", "message"),
    [(Explosion(), 100.0, "finite range"), (Rotation(), 2500.0, "does not settle")],
)
def test_what_cannot_be_predicted_is_refused(field, time, message):
    with pytest.raises(DivergedError, match=message):
        predict(*alone(field), times=[time])


def test_genes_are_matched_by_name_and_others_ignored(model, material):
    plain = predict(model, material.data)
    genes = material.data.genes[::-1]
    turned = material.data.select_genes(genes)
    more = Trajectories(
        (*genes, "extra"),
        tuple(
            type(item)(item.name, item.times, np.column_stack([item.values, item.times]))
            for item in turned.items
        ),
    )
    for starts in (turned, more):
        found = predict(model, starts)
        assert found.genes == model.genes
        for one, two in zip(found.items, plain.items, strict=True):
            np.testing.assert_array_equal(one.values, two.values)


def test_a_missing_gene_is_named(model):
    with pytest.raises(InputError, match=r"12 of 12 genes \(first: '.*'\) are not"):
        predict(model, wave())


def test_times_are_sorted_and_the_start_is_given_back(model, material):
    item = material.data.items[0]
    found = predict(model, material.data.subset([0]), times=[3.0, 0.0, 1.0, 3.0]).items[0]
    assert found.times.tolist() == [0.0, 1.0, 3.0]
    np.testing.assert_array_equal(found.values[0], item.values[0])
    later = predict(model, material.data.subset([0]), times=[3.0]).items[0]
    # a gap of 3 instead of gaps of 1 and 2
    np.testing.assert_allclose(later.values[-1], found.values[-1], atol=1e-3)


@pytest.mark.parametrize(
    ("times", "message"),
    [([-1.0, 2.0], "starts at time 0"), ([], "at least one"), ([1.0, np.nan], "finite")],
)
def test_unusable_times_are_refused(model, material, times, message):
    with pytest.raises(ConfigError, match=message):
        predict(model, material.data, times=times)


def test_an_unfinished_run_has_no_model(run):
    (run / "model.safetensors").unlink()
    with pytest.raises(RunFolderError, match="--resume"):
        load_model(run)
