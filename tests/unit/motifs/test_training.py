import numpy as np
import pytest
from torch import nn
from unit.motifs.graphs import random_graph

from niwaki.core import InputError
from niwaki.motifs import (
    ProfileLog,
    count,
    eigenvector_centrality,
    flatten,
    from_masks,
    graph_summary,
    predict_outcome,
    trim,
    uniform_moments,
    weighted_degrees,
)
from niwaki.motifs._training import _aggregates


def test_the_log_looks_only_when_a_step_is_due(rng):
    graph, log = random_graph(rng), ProfileLog(every=10)

    def make():
        return graph

    for step in range(25):
        log(step, make)
    assert [entry["step"] for entry in log.entries] == [0, 10, 20]


def test_an_entry_holds_exact_counts_and_exact_z(rng):
    log = ProfileLog(every=1)
    graph = random_graph(rng, (4, 6, 5))
    log(0, graph)
    living = trim(graph)[0]
    moments = uniform_moments(living)
    assert log.entries[0]["count"] == count(living).total
    at = moments.names.index("bifan")
    z = (count(living).total["bifan"] - moments.mean[at]) / moments.sd()[at]
    assert log.entries[0]["z"]["bifan"] == pytest.approx(z)


def test_the_log_takes_modules_and_networks_without_a_path():
    log = ProfileLog(every=1)
    log(0, nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)))
    log(1, from_masks([np.zeros((2, 2)), np.ones((1, 2))]))
    assert log.entries[0]["nominal_sparsity"] == 0
    assert log.entries[1]["effective_sparsity"] == 1
    assert "count" not in log.entries[1]
    with pytest.raises(InputError, match="at least 1"):
        ProfileLog(every=0)


def adjacency(graph):
    flat = flatten(graph)
    matrix = np.zeros((flat.nodes, flat.nodes))
    matrix[flat.source, flat.target] = np.abs(flat.weight)
    return matrix + matrix.T


def test_centrality_is_the_leading_eigenvector(rng):
    graph = random_graph(rng, (4, 5, 3), density=0.9)
    values, vectors = np.linalg.eigh(adjacency(graph))
    assert values[-1] > values[-2]
    # power steps end at 100 or at 1e-9 per step; the gap of this graph allows 1e-4
    np.testing.assert_allclose(eigenvector_centrality(graph), np.abs(vectors[:, -1]), atol=1e-4)


def test_weighted_degrees_are_row_sums(rng):
    graph = random_graph(rng)
    np.testing.assert_allclose(weighted_degrees(graph), adjacency(graph).sum(0))
    assert graph_summary(graph).shape == (16,)


def test_a_useful_feature_foretells_and_noise_does_not(rng):
    signal = rng.normal(size=(40, 1))
    outcome = 2 * signal[:, 0] + 0.1 * rng.normal(size=40)
    found = predict_outcome({"signal": signal, "noise": rng.normal(size=(40, 3))}, outcome)
    assert found["signal"].r2 > 0.9
    assert found["signal"].rank_correlation > 0.9
    assert found["noise"].r2 < 0.3


def test_left_out_predictions_equal_those_of_scikit_learn(rng):
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import LeaveOneOut, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = rng.normal(size=(12, 3)), rng.normal(size=12)
    rival = make_pipeline(StandardScaler(), Ridge(alpha=0.1 * 11))
    guess = cross_val_predict(rival, x, y, cv=LeaveOneOut())
    base = np.array([np.delete(y, i).mean() for i in range(12)])
    r2 = 1 - ((y - guess) ** 2).sum() / ((y - base) ** 2).sum()
    assert predict_outcome({"x": x}, y, ridge=0.1)["x"].r2 == pytest.approx(r2)


def test_too_few_runs_and_missing_numbers_are_refused():
    with pytest.raises(InputError, match="at least 5"):
        predict_outcome({"x": np.ones((3, 1))}, np.ones(3))
    with pytest.raises(InputError, match="one row of finite numbers"):
        predict_outcome({"x": np.full((6, 1), np.nan)}, np.ones(6))


def test_values_that_differ_by_rounding_have_no_skew():
    found = _aggregates(np.array([0.1, 0.1, 0.1]))
    np.testing.assert_allclose(found, [*[0.1] * 6, 0.0, 0.0], atol=1e-15)
