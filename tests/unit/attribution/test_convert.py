import copy
import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional
from unit.attribution.nets import biased_mlp, normal, resnet50, seeded

from niwaki.attribution import VarianceScale, homogeneity_report, to_xdnn, xgrad
from niwaki.core import InputError
from niwaki.dynamics import GeneField, MlpField, PhoenixField


def test_an_mlp_loses_its_biases_and_the_original_keeps_them():
    model, x = biased_mlp(), normal(3, 6)
    before = copy.deepcopy(model.state_dict())
    found = to_xdnn(model, example=x)
    assert found.report.holds
    assert found.changes == ("0: bias dropped", "2: bias dropped")
    assert "train" in found.advice
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(found.model[0].weight, model[0].weight)


def test_a_resnet50_becomes_homogeneous():
    model = seeded(resnet50()).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(generator=torch.Generator().manual_seed(1))
    x = normal(2, 3, 32, 32, dtype=torch.float32)
    found = to_xdnn(model, example=x)
    assert found.report.proven
    assert found.report.exact
    assert sum("second moment" in change for change in found.changes) == 53
    assert not any(isinstance(m, nn.BatchNorm2d) for m in found.model.modules())
    values = xgrad(found.model, x, 0)
    assert float(values.gap.abs().max()) < 1e-5 * float(values.score.abs().max())  # float32


def test_variance_scaling_starts_from_the_moments_of_the_norm():
    norm = nn.BatchNorm1d(3).double()
    x = 2 + normal(4000, 3)
    norm.momentum = None  # averages over all batches
    norm(x)
    scale = VarianceScale.from_batch_norm(norm).eval()
    assert torch.allclose(scale.second_moment, x.square().mean(0), rtol=1e-3)
    assert torch.allclose(scale(2 * x), 2 * scale(x))


def test_variance_scaling_learns_its_moment_in_training_and_normalises():
    layer = VarianceScale(2, momentum=1.0).double().train()
    x = normal(64, 2, 3, 3) * torch.tensor([1.0, 5.0])[None, :, None, None]
    out = layer(x)
    assert torch.allclose(out.square().mean((0, 2, 3)), torch.ones(2).double(), rtol=1e-4)
    assert torch.allclose(layer.eval()(x), out.detach())


def test_a_recurrent_net_loses_its_biases_and_tanh_on_request():
    net = nn.RNN(3, 4, num_layers=2, batch_first=True)
    x = normal(2, 5, 3, dtype=torch.float32)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)[0]

    kept = to_xdnn(Whole(), example=x)
    assert kept.report.culprit == "net"
    found = to_xdnn(Whole(), activations="relu", example=x)
    assert found.report.holds
    assert torch.equal(found.model.net.weight_ih_l1, net.weight_ih_l1)
    relu = nn.RNN(3, 4, nonlinearity="relu", bias=False)
    assert not to_xdnn(relu).changes
    assert to_xdnn(relu).advice == "nothing was changed."


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_gates_stay_and_the_report_says_so(kind):
    found = to_xdnn(kind(3, 4), activations="relu")
    assert not any(n.startswith("bias") for n, _ in found.model.named_parameters())


def test_activations_are_swapped_on_request_only():
    model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2), nn.Sigmoid()).double()
    x = normal(2, 3)
    assert to_xdnn(model, example=x).report.culprit == "1"
    found = to_xdnn(model, activations="relu", example=x)
    assert found.report.holds
    assert "1: GELU became ReLU" in found.changes


def test_activations_that_are_functions_are_swapped_in_the_graph():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 4)

        def forward(self, x):
            return functional.silu(self.first(x)) * 2 + self.first(x).tanh()

    example = normal(2, 3, dtype=torch.float32)
    found = to_xdnn(seeded(Functional()), activations="relu", example=example)
    assert found.report.holds
    assert sum("became relu" in change for change in found.changes) == 2


def test_a_module_that_is_used_twice_is_converted_once():
    shared = nn.BatchNorm1d(3)
    model = nn.Sequential(shared, nn.ReLU(), shared).eval()
    found = to_xdnn(model)
    assert found.model[0] is found.model[2]
    assert len(found.changes) == 1


def test_what_cannot_be_converted_is_named():
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1))
    found = to_xdnn(model, example=normal(2, 3, dtype=torch.float32))
    assert not found.report.holds
    assert found.report.culprit == "1"


def test_our_fields_become_homogeneous(monkeypatch):
    for kind in (
        MlpField,
        GeneField,
        PhoenixField,
    ):  # the checks of types in tests refuse to be traced
        for name in {"forward", "drive", "rate"} & set(vars(kind)):
            monkeypatch.setattr(kind, name, inspect.unwrap(vars(kind)[name]))
    generator = torch.Generator().manual_seed(0)
    mlp = MlpField(5, hidden=4, generator=generator)
    state = normal(5, 5, dtype=torch.float32)
    found = to_xdnn(mlp, activations="relu", example=state)
    assert found.report.proven
    gene = GeneField(5, edges=2, joint=1)
    with torch.no_grad():
        gene.level.fill_(0.3)
        gene.weight.copy_(torch.tensor([0.5, -0.4]))
        gene.joint_weight.fill_(1.0)
        gene.source.copy_(torch.tensor([0, 1]))
        gene.target.copy_(torch.tensor([1, 2]))
        gene.centre.fill_(0.5)
    gene.set_range(torch.zeros(5), torch.ones(5))
    assert homogeneity_report(gene, state).degree is None
    linear = to_xdnn(gene, example=state)
    assert linear.report.proven
    assert linear.report.exact
    assert "1 joint effects dropped" in " ".join(linear.changes)
    assert bool(gene.level.any())
    assert bool(gene.high.isfinite().all())
    phoenix = to_xdnn(PhoenixField(5, hidden=3, generator=generator), example=state.abs())
    assert not phoenix.report.holds  # its activations are what it is
    assert phoenix.report.culprit


def test_further_constants_are_set_to_zero_by_name():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.offset = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x + self.offset

    x = normal(2, 3, dtype=torch.float32)
    assert not to_xdnn(Shifted(), example=x).report.holds
    found = to_xdnn(Shifted(), zero=("offset",), example=x)
    assert found.report.proven
    assert not list(found.model.parameters())


def test_bad_requests_get_a_sentence():
    with pytest.raises(InputError, match="no parameter or buffer 'levle'"):
        to_xdnn(GeneField(3), zero=("levle",))
