import copy

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from unit.experiment.study import wave

from niwaki.core import ConfigError, InputError, RunFolderError, Trajectories
from niwaki.experiment import load_model, predict


@pytest.fixture
def model(finished):
    return load_model(finished)


def test_a_roll_out_is_what_the_field_integrates_to(model, material):
    """Against SciPy's adaptive integrator on the same field in double precision."""
    start = material.data.subset([0])
    field = copy.deepcopy(model.field).double()

    def change(_, state):
        with torch.no_grad():
            return field(torch.from_numpy(state)[:, None])[:, 0].numpy()

    item = start.items[0]
    times = np.linspace(item.times[0], item.times[-1], 41)
    exact = solve_ivp(change, (times[0], times[-1]), item.values[0], t_eval=times, rtol=1e-9)
    found = predict(model, start, times=times).items[0]
    # the second-order steps of the tiny runs, over gaps of about a fifth of a time unit
    np.testing.assert_allclose(found.values, exact.y.T, atol=2e-3)


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
    # one step of 3 instead of steps of 1 and 2, by a second-order method
    np.testing.assert_allclose(later.values[-1], found.values[-1], atol=0.05)


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
