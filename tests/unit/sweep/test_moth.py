import numpy as np
import pytest
import torch

from niwaki.core import ConfigError, RunFolderError
from niwaki.sweep import MothPlan, Quirks, TrainPlan, benchmark_moth, read_study
from niwaki.sweep import _moth_groups as groups
from niwaki.sweep import _moth_train as training
from niwaki.sweep._moth import _with_selection
from niwaki.sweep._moth_plan import moth_data

TINY = (4, 6, 5, 3)


def tiny(seeds=(0, 1), sizes=TINY):
    return training.new_swarm(seeds, sizes=sizes)


def rows(rng, count=64, sizes=TINY):
    inputs = torch.from_numpy(rng.normal(size=(count, sizes[0])).astype(np.float32))
    targets = torch.from_numpy(rng.normal(size=(count, sizes[-1])).astype(np.float32))
    return inputs, targets


def magnitude(weight, rng):
    return weight.abs().double()


def streams(count=2):
    return [np.random.default_rng(i) for i in range(count)]


def run(swarm, rng, most=30, **changes):
    inputs, targets = rows(np.random.default_rng(3))
    plan = training.TrainPlan(most=most, batch=16, gain=None)
    training.train(
        swarm, inputs, targets, validation=(inputs, targets), plan=plan, rng=rng, **changes
    )
    return training.errors(swarm, inputs, targets)


def test_a_network_does_not_depend_on_its_companions():
    alone, both = tiny((7,)), tiny((5, 7))
    first = run(alone, np.random.default_rng(0))
    second = run(both, np.random.default_rng(0))
    # Adam divides by a root of order the gradient; sums of other shapes round in another order
    torch.testing.assert_close(first[0], second[1], rtol=1e-4, atol=1e-6)


def test_outputs_equal_those_of_a_torch_module(rng):
    swarm = tiny()
    inputs, _ = rows(rng)
    found = training.outputs(swarm.weights, swarm.biases, inputs)
    for network in range(2):
        hidden = inputs
        for layer, (w, b) in enumerate(zip(swarm.weights, swarm.biases, strict=True)):
            hidden = torch.nn.functional.linear(hidden, w[network].T, b[network, 0])
            hidden = torch.tanh(hidden) if layer < len(TINY) - 2 else hidden
        torch.testing.assert_close(found[network], hidden)


def test_training_lowers_the_error():
    swarm = tiny()
    inputs, targets = rows(np.random.default_rng(3))
    before = training.errors(swarm, inputs, targets)
    assert (run(swarm, np.random.default_rng(0), most=200) < before).all()


def test_pruned_weights_stay_exactly_zero_and_counts_are_exact():
    swarm = tiny()
    run(swarm, np.random.default_rng(0))
    for sparsity in (0.3, 0.6, 0.9):
        training.prune(swarm, sparsity, score=magnitude, rngs=streams())
        run(swarm, np.random.default_rng(1))
        for weight in swarm.weights:
            size = weight[0].numel()
            kept = size - round(sparsity * size)
            assert [(w != 0).sum().item() for w in weight] == [kept, kept]
        for bias, mask in zip(swarm.biases, swarm.bias_masks, strict=True):
            assert (bias[~mask] == 0).all()


def test_the_smallest_weights_of_each_layer_go():
    swarm = tiny()
    before = [w.detach().clone() for w in swarm.weights]
    training.prune(swarm, 0.5, score=magnitude, rngs=streams())
    for old, mask in zip(before, swarm.masks, strict=True):
        for network in range(2):
            size = old[network].abs()
            assert size[mask[network]].min() >= size[~mask[network]].max()


def test_quirks_do_what_they_are_named_after():
    plain, few = tiny(), tiny()
    training.prune(plain, 0.5, score=magnitude, rngs=streams())
    quirks = training.Quirks(one_too_few=True, bias_at_weight_cutoff=True)
    training.prune(few, 0.5, score=magnitude, rngs=streams(), quirks=quirks)
    for a, b in zip(plain.masks, few.masks, strict=True):
        assert (a.sum((1, 2)) - b.sum((1, 2)) == 1).all()
    assert not any(mask.any() for mask in few.bias_masks)  # untrained biases are 0
    assert all(mask.any() for mask in plain.bias_masks[:-1])


def test_with_regrowth_pruned_weights_can_come_back_and_without_never():
    for regrowth in (False, True):
        swarm = tiny((0,), (4, 40, 3))
        quirks = training.Quirks(regrowth=regrowth)
        run(swarm, np.random.default_rng(0), most=20)
        training.prune(swarm, 0.5, score=magnitude, rngs=streams(1), quirks=quirks)
        first = [m.clone() for m in swarm.masks]
        run(swarm, np.random.default_rng(1), most=300, quirks=quirks)
        training.prune(swarm, 0.5, score=magnitude, rngs=streams(1), quirks=quirks)
        back = sum((m & ~f).sum().item() for m, f in zip(swarm.masks, first, strict=True))
        assert (back > 0) == regrowth


def test_a_stage_ends_when_the_error_settles():
    plan = training.TrainPlan(most=1, window=2, gain=0.01)
    assert training._settled([1.0, 1.0, 0.999, 0.999], plan)
    assert not training._settled([1.0, 1.0, 0.9, 0.9], plan)
    assert not training._settled([1.0, 1.0], plan)
    assert not training._settled([1.0] * 4, training.TrainPlan(most=1, window=2, gain=None))


@pytest.fixture
def small(monkeypatch):
    for module in (training, groups):
        monkeypatch.setattr(module, "SIZES", (10, 8, 6, 7))
    monkeypatch.setattr(
        training.new_swarm, "__kwdefaults__", {"sizes": (10, 8, 6, 7), "device": "cpu"}
    )
    return MothPlan(
        flights=1_000,
        first=20,
        stage=TrainPlan(most=10, least=5),
        sparsities=(0.5, 0.8),
        group=2,
    )


def test_an_interrupted_study_ends_as_an_uninterrupted_one(small, tmp_path):
    data = moth_data(small)
    short = MothPlan(**{**vars(small), "sparsities": (0.5,)})
    groups.train_group(small, (0, 1), data=data, folder=tmp_path / "whole")
    groups.train_group(short, (0, 1), data=data, folder=tmp_path / "parts")
    groups.train_group(small, (0, 1), data=data, folder=tmp_path / "parts")
    whole, parts = (
        list(groups.read_stages(small, (0, 1), tmp_path / name)) for name in ("whole", "parts")
    )
    assert len(whole) == len(parts) == 3
    for a, b in zip(whole, parts, strict=True):
        assert a.errors == b.errors
        assert all(torch.equal(x, y) for x, y in zip(a.weights, b.weights, strict=True))


def test_a_folder_of_another_plan_is_refused(small, tmp_path):
    groups.claim_folder(small, tmp_path / "study")
    groups.claim_folder(small, tmp_path / "study")
    other = MothPlan(**{**vars(small), "criterion": "random"})
    with pytest.raises(RunFolderError, match="other settings"):
        groups.claim_folder(other, tmp_path / "study")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    with pytest.raises(RunFolderError, match="not a moth study"):
        groups.claim_folder(small, tmp_path / "mine")
    with pytest.raises(RunFolderError, match="no finished stage"):
        read_study(tmp_path / "study", plan=small)


def test_plans_that_cannot_be_run_are_refused():
    with pytest.raises(ConfigError, match="criterion 'dash' is unknown"):
        MothPlan(criterion="dash")
    with pytest.raises(ConfigError, match="must rise"):
        MothPlan(sparsities=(0.5, 0.4))
    with pytest.raises(ConfigError, match="at least 1,000 flights"):
        MothPlan(flights=10)
    with pytest.raises(ConfigError, match="at least 1"):
        benchmark_moth(0)


def test_columns_are_scaled_over_the_training_part(small):
    data = moth_data(small)
    assert (len(data.train.inputs), len(data.validation.inputs)) == (640, 160)
    assert data.train.inputs.min().item() == -0.5
    assert data.train.inputs.max().item() == 0.5
    assert len(data.test.targets) == 200


@pytest.mark.slow
def test_the_quick_study_runs_to_its_end(tmp_path):
    study = benchmark_moth(2, out=tmp_path / "study", samples=20, quick=True)
    assert [c.sparsity for c in study.convergence] == [0.0, 0.5, 0.9]
    assert study.convergence[0].cosine == {"uniform": None, "degree": None}
    assert -1 <= study.convergence[-1].cosine["degree"] <= 1
    assert len(study.rows) == 6
    again = benchmark_moth(2, out=tmp_path / "study", samples=20, quick=True)
    assert again == study


def test_the_sparsest_good_stage_of_each_network_is_selected(small, tmp_path):
    groups.train_group(small, (0, 1), data=moth_data(small), folder=tmp_path / "group_0000")
    study = read_study(tmp_path, plan=small, samples=20)
    errors = {(0, 0): 5e-4, (0, 1): 2e-3, (0, 2): 9e-4, (1, 0): 5e-4, (1, 1): 2e-3, (1, 2): 2e-3}
    changed = [r.model_copy(update={"mse": errors[r.network, r.stage]}) for r in study.rows]
    chosen = {(r.network, r.stage) for r in _with_selection(changed) if r.selected}
    assert chosen == {(0, 2), (1, 0)}


def test_quirks_are_off_unless_asked_for():
    assert MothPlan().quirks == Quirks()
    assert not any(vars(Quirks()).values())
