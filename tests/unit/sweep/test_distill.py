import numpy as np
import pytest
import torch

from niwaki.core import ConfigError
from niwaki.sweep import DISTILL_TASKS, benchmark_distill
from niwaki.sweep._distill_tasks import gene_task, maps_task, synthetic_task, tracks_task
from niwaki.sweep._distill_teachers import Recurrent, perceptron, train_teacher
from niwaki.wavelets import dwt, r2_score, teacher_outputs


def test_the_synthetic_response_is_three_coefficients_of_db5():
    task = synthetic_task(0, rows=1100)
    wanted = 2 * dwt(task.x, "db5", level=4)[2][:, 7:10].sum(1).double().numpy()
    assert len(task.test_x) == 100
    assert r2_score(task.y, wanted) == pytest.approx(task.truth, abs=1e-3)


@pytest.mark.parametrize("make", [tracks_task, maps_task, gene_task])
def test_a_seed_gives_the_same_task_and_another_seed_another(make):
    one, same, other = (make(seed, rows=8) for seed in (0, 0, 1))
    assert torch.equal(one.x, same.x)
    assert np.array_equal(one.test_y, same.test_y)
    assert not torch.equal(one.x, other.x)


def test_the_noise_of_tracks_leaves_what_it_says():
    task = tracks_task(0, rows=20_000, noise=1.6)
    assert np.var(np.concatenate([task.y, task.test_y])) == pytest.approx(1, abs=0.05)
    assert task.truth == pytest.approx(1 / 3.56)


def test_maps_differ_in_shape_and_not_in_variance():
    task = maps_task(0, rows=60, side=32)
    assert task.x.var((1, 2)).std() < 0.2
    skew = (task.x**3).mean((1, 2)).numpy()
    assert np.corrcoef(skew, task.y)[0, 1] > 0.5


def test_a_target_remembers_as_long_as_its_memory():
    """The last values of the regulator say less of a target that forgets slowly."""
    shares = []
    for memory in (2.0, 8.0):
        task = gene_task(0, rows=2000, memory=memory)
        weights = np.linalg.lstsq(task.x.numpy(), task.y - task.y.mean(), rcond=None)[0] ** 2
        shares.append(weights[-4:].sum() / weights.sum())
    assert shares[0] > shares[1] + 0.2


def test_a_teacher_learns_and_comes_back_quiet():
    task = synthetic_task(0, rows=3300)
    teacher = train_teacher(perceptron(64), task, epochs=3, seed=0)
    guess = teacher_outputs(teacher, task.test_x)[:, 0].double().numpy()
    assert r2_score(task.test_y, guess) > 0.5
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())


def test_a_teacher_is_the_same_for_the_same_seed():
    task = tracks_task(0, rows=60)
    pair = [train_teacher(Recurrent(), task, epochs=1, seed=3) for _ in "ab"]
    for one, other in zip(*(p.state_dict().values() for p in pair), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("task", DISTILL_TASKS)
def test_every_task_has_its_controls(task):
    rows = benchmark_distill(task, quick=True)
    methods = {row.method for row in rows}
    assert "teacher" in methods
    if task == "synthetic":
        assert "from grown, no name given" in methods
    else:
        assert {"distilled", "no attribution", "db5"} <= methods
    assert {"laplace", "roberts"} <= methods or task != "maps"
    assert (rows[0].published is not None) == (task in {"tracks", "maps"})


def test_an_unknown_task_is_refused():
    with pytest.raises(ConfigError, match="choose one of"):
        benchmark_distill("weather")
