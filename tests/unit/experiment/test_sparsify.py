import copy

import pytest
import torch
from unit.experiment.study import small

from niwaki.core import ConfigError
from niwaki.dynamics import data_loss
from niwaki.experiment import _arm, _epoch, fit, run_rounds
from niwaki.experiment._sparsify import field_statistics, make_sparsifier, settled

WAYS = {
    **{k: {"sparsifier": k} for k in ("l1", "group-lasso", "c-node", "l0", "l0-units", "pathreg")},
    "policy": {"sparsifier": "policy", "target_sparsity": 0.5},
    "rigl": {"regrow": "gradient", "target_sparsity": 0.8, "first_amount": 0.8},
    "set": {"regrow": "random", "target_sparsity": 0.8, "first_amount": 0.8},
    "rewind": {"criterion": "magnitude", "rewind": 2},
    **{k: {"criterion": k} for k in ("snip", "grasp", "synflow", "taylor")},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_rounds_with_a_model_and_continues_exactly(
    way, material, tmp_path, monkeypatch
):
    config = small(controls=False, **WAYS[way])
    (tmp_path / "whole").mkdir()
    (tmp_path / "halves").mkdir()
    whole = run_rounds(material, config, folder=tmp_path / "whole")
    assert len(whole.result.rounds) == 4  # epochs 1-2, 3, 4-7 and 8-9

    class StopError(Exception):
        pass

    def stop(arm, epoch, *_):
        if epoch == 5:
            raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(_arm, "_SAVE_EVERY_S", -1.0)
        with pytest.raises(StopError):
            # the state is saved after the epoch's progress, so of epoch 4
            run_rounds(material, config, folder=tmp_path / "halves", progress=stop)
    halves = run_rounds(material, config, folder=tmp_path / "halves")
    assert [r.loss for r in halves.result.rounds] == [r.loss for r in whole.result.rounds]
    assert [r.sparsity for r in halves.result.rounds] == [r.sparsity for r in whole.result.rounds]
    network = whole.network(3)
    assert len(network) > 0


def test_exchanged_weights_keep_their_number(material, tmp_path):
    run = run_rounds(material, small(controls=False, **WAYS["rigl"]), folder=tmp_path)
    sizes = [r.weights for r in run.result.rounds]
    assert sizes[1] == sizes[2] == sizes[3] < sizes[0]
    masks = [run.model(i).masks for i in (1, 3)]
    assert any((masks[1][n] & ~masks[0][n]).any() for n in masks[0])


def test_rewound_weights_start_from_the_noted_epoch(material, tmp_path, monkeypatch):
    seen = {}
    pair_losses = _epoch.pair_losses

    def note(field, *args, **options):
        seen[len(seen) + 1] = copy.deepcopy(field.state_dict())
        return pair_losses(field, *args, **options)

    monkeypatch.setattr(_epoch, "pair_losses", note)
    train_epoch = _epoch.train_epoch
    begun = {}

    def begin(training, *args, **options):
        begun[len(begun) + 1] = copy.deepcopy(training.field.state_dict())
        return train_epoch(training, *args, **options)

    monkeypatch.setattr(_epoch, "train_epoch", begin)
    run_rounds(material, small(controls=False, **WAYS["rewind"]), folder=tmp_path)
    mask = begun[4]["weight_sum"] != 0
    assert torch.equal(begun[4]["weight_sum"][mask], seen[2]["weight_sum"][mask])
    assert torch.equal(begun[8]["multiplier"], seen[2]["multiplier"])


def test_statistics_of_a_field_are_gradients_of_its_loss(material, tmp_path):
    run = run_rounds(material, small(controls=False, criterion="magnitude"), folder=tmp_path)
    problem, model = run.problem, run.model(0)
    needs = frozenset({"gradient", "curvature"})
    found = field_statistics(
        model.field, problem.train, model.masks, needs=needs, method=problem.method
    )
    twin = copy.deepcopy(model.field).double()
    pairs = [p.double() for p in (problem.train.start, problem.train.end, problem.train.gaps)]

    def loss():
        start, end, gaps = pairs
        return data_loss(twin, start=start, end=end, gaps=gaps, method=problem.method)

    gradient = torch.autograd.grad(loss(), twin.output_sum)[0]
    torch.testing.assert_close(found["output_sum"].gradient, gradient, rtol=1e-8, atol=1e-14)
    # H g as the slope of the gradient along the gradients of all prunable weights
    step = 1e-3
    sides = []
    for sign in (1, -2):
        with torch.no_grad():
            for name, entry in found.items():
                twin.get_parameter(name).add_(entry.gradient, alpha=sign * step)
        sides.append(torch.autograd.grad(loss(), twin.output_sum)[0])
    slope = (sides[0] - sides[1]) / (2 * step)
    torch.testing.assert_close(found["output_sum"].curvature, slope, rtol=1e-3, atol=1e-9)


def test_a_settled_field_has_no_weights_into_units_that_nothing_reads(material, tmp_path):
    run = run_rounds(material, small(controls=False, criterion="magnitude"), folder=tmp_path)
    field = run.problem.make_field()
    config = small(sparsifier="policy", target_sparsity=0.6).resolve(12)
    sparsifier = make_sparsifier(config, field, steps=1)
    sparsifier.after_step(dict(field.named_parameters()), rate=0.1, loss=lambda w: torch.ones(()))
    twin, masks = settled(field, sparsifier)
    unread = ~twin.output_sum.ne(0).any(0)
    assert not twin.weight_sum[unread].any()
    assert set(masks) == {"weight_sum", "output_sum", "weight_prod", "output_prod"}
    living = sum(int(twin.get_parameter(n).ne(0).any(0).sum()) for n in masks if "output" in n)
    assert living == 4  # of ten units, 40 %


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"regrow": "random"}, "give target_sparsity along with regrow"),
        ({"sparsifier": "l1", "rewind": 2}, "'rewind' would have no effect"),
        ({"sparsifier": "l1", "criterion": "magnitude"}, "'criterion' would have no effect"),
    ],
)
def test_ways_that_exclude_each_other_are_refused(values, words, material, tmp_path):
    with pytest.raises(ConfigError, match=words):
        fit(material, small(**values), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
