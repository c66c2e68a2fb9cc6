import numpy as np
import pytest
import torch

from niwaki.core import ConfigError, RunFolderError
from niwaki.sweep import (
    MOTH_CRITERIA,
    MothPlan,
    Quirks,
    TrainPlan,
    benchmark_moth,
    read_study,
)
from niwaki.sweep import _moth_groups as groups
from niwaki.sweep import _moth_train as training
from niwaki.sweep._moth_plan import moth_data
from niwaki.sweep._moth_read import _with_selection
from niwaki.sweep._moth_scores import swarm_scores

TINY = (4, 6, 5, 3)


def tiny(seeds=(0, 1), sizes=TINY):
    return training.new_swarm(seeds, sizes=sizes)


def rows(rng, count=64, sizes=TINY):
    inputs = torch.from_numpy(rng.normal(size=(count, sizes[0])).astype(np.float32))
    targets = torch.from_numpy(rng.normal(size=(count, sizes[-1])).astype(np.float32))
    return inputs, targets


def sizes(swarm):
    return [p.detach().abs() for p in swarm.parameters()]


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
        training.prune(swarm, sparsity, scores=sizes(swarm))
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
    training.prune(swarm, 0.5, scores=sizes(swarm))
    for old, mask in zip(before, swarm.masks, strict=True):
        for network in range(2):
            size = old[network].abs()
            assert size[mask[network]].min() >= size[~mask[network]].max()


def test_quirks_do_what_they_are_named_after():
    plain, few = tiny(), tiny()
    training.prune(plain, 0.5, scores=sizes(plain))
    quirks = training.Quirks(one_too_few=True, bias_at_weight_cutoff=True)
    training.prune(few, 0.5, scores=sizes(few), quirks=quirks)
    for a, b in zip(plain.masks, few.masks, strict=True):
        assert (a.sum((1, 2)) - b.sum((1, 2)) == 1).all()
    assert not any(mask.any() for mask in few.bias_masks)  # untrained biases are 0
    assert all(mask.any() for mask in plain.bias_masks[:-1])


def test_with_regrowth_pruned_weights_can_come_back_and_without_never():
    for regrowth in (False, True):
        swarm = tiny((0,), (4, 40, 3))
        quirks = training.Quirks(regrowth=regrowth)
        run(swarm, np.random.default_rng(0), most=20)
        training.prune(swarm, 0.5, scores=sizes(swarm), quirks=quirks)
        first = [m.clone() for m in swarm.masks]
        run(swarm, np.random.default_rng(1), most=300, quirks=quirks)
        training.prune(swarm, 0.5, scores=sizes(swarm), quirks=quirks)
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
        read_study(tmp_path / "study")
    with pytest.raises(RunFolderError, match="no moth study that this version can read"):
        read_study(tmp_path / "mine")


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
    assert [s.sparsity for s in study.stages] == [0.0, 0.5, 0.9]
    assert study.stages[0].cosine == {"uniform": None, "degree": None}
    assert -1 <= study.stages[-1].cosine["degree"] <= 1
    assert study.finished
    assert study.quick
    assert len(study.rows) == 6
    again = benchmark_moth(2, out=tmp_path / "study", samples=20, quick=True)
    assert again == study


@pytest.fixture
def study_folder(small, tmp_path):
    """A folder with two networks through all stages."""
    groups.claim_folder(small, tmp_path)
    groups.train_group(small, (0, 1), data=moth_data(small), folder=tmp_path / "group_0000")
    return tmp_path


def test_the_sparsest_good_stage_of_each_network_is_selected(study_folder):
    study = read_study(study_folder, samples=20)
    errors = {(0, 0): 5e-4, (0, 1): 2e-3, (0, 2): 9e-4, (1, 0): 5e-4, (1, 1): 2e-3, (1, 2): 2e-3}
    changed = [r.model_copy(update={"mse": errors[r.network, r.stage]}) for r in study.rows]
    chosen = {(r.network, r.stage) for r in _with_selection(changed) if r.selected}
    assert chosen == {(0, 2), (1, 0)}


def test_a_half_finished_study_is_read_and_said_to_be_so(study_folder):
    assert read_study(study_folder, samples=20).finished
    (study_folder / "group_0000" / "stage_02.safetensors").unlink()
    study = read_study(study_folder, samples=20)
    assert (len(study.stages), study.planned_stages, study.finished) == (2, 3, False)
    assert study.networks == 2


def test_rows_of_an_older_version_are_made_again(study_folder):
    first = read_study(study_folder, samples=20)
    for path in (study_folder / "group_0000").glob("rows_*"):
        path.write_text('{"network": 0}\n')
    assert read_study(study_folder, samples=20) == first


@pytest.mark.parametrize("criterion", MOTH_CRITERIA)
def test_every_criterion_prunes_to_the_same_counts(criterion):
    swarm = tiny()
    if criterion == "movement":
        swarm.movement = [torch.zeros_like(p) for p in swarm.parameters()]
    run(swarm, np.random.default_rng(0))
    inputs, targets = rows(np.random.default_rng(4))
    scores = swarm_scores(swarm, criterion, inputs=inputs, targets=targets, rngs=streams())
    assert [s.shape for s in scores] == [p.shape for p in swarm.parameters()]
    training.prune(swarm, 0.6, scores=scores)
    for mask in swarm.masks:
        size = mask[0].numel()
        assert mask.sum((1, 2)).tolist() == [size - round(0.6 * size)] * 2


def test_a_score_by_gradient_is_that_of_autograd():
    swarm = tiny()
    inputs, targets = rows(np.random.default_rng(4))
    scores = swarm_scores(swarm, "snip", inputs=inputs, targets=targets, rngs=streams())
    gap = training.outputs(swarm.weights, swarm.biases, inputs) - targets
    gap.square().mean((1, 2)).sum().backward()
    for score, p in zip(scores, swarm.parameters(), strict=True):
        torch.testing.assert_close(score, (p * p.grad).detach().abs())


def test_movement_is_summed_over_updates():
    swarm = tiny()
    swarm.movement = [torch.zeros_like(p) for p in swarm.parameters()]
    inputs, targets = rows(np.random.default_rng(4))
    before = [p.detach().clone() for p in swarm.parameters()]
    training._update(swarm, inputs, targets, [], regrow=False)
    for moved, old, p in zip(swarm.movement, before, swarm.parameters(), strict=True):
        torch.testing.assert_close(moved, -old * p.grad)


def test_movement_survives_an_interruption(small, tmp_path):
    plan = MothPlan(**{**vars(small), "criterion": "movement"})
    short = MothPlan(**{**vars(plan), "sparsities": (0.5,)})
    data = moth_data(plan)
    groups.train_group(plan, (0, 1), data=data, folder=tmp_path / "whole")
    groups.train_group(short, (0, 1), data=data, folder=tmp_path / "parts")
    groups.train_group(plan, (0, 1), data=data, folder=tmp_path / "parts")
    whole, parts = (
        list(groups.read_stages(plan, (0, 1), tmp_path / name))[-1] for name in ("whole", "parts")
    )
    assert all(torch.equal(a, b) for a, b in zip(whole.weights, parts.weights, strict=True))


def test_fewer_digits_are_for_the_block_only():
    before = torch.get_float32_matmul_precision()
    with training.fewer_digits(True):
        assert torch.get_float32_matmul_precision() == "medium"
    with training.fewer_digits(False):
        assert torch.get_float32_matmul_precision() == before
    assert torch.get_float32_matmul_precision() == before


def test_a_plan_names_the_options_that_make_it():
    assert MothPlan().options() == ""
    plan = MothPlan(criterion="random", quirks=Quirks(one_too_few=True), fast=True, seed=3)
    assert plan.options() == " --criterion random --quirk one-too-few --fast --seed 3"


def test_quirks_are_off_unless_asked_for():
    assert MothPlan().quirks == Quirks()
    assert not any(vars(Quirks()).values())
