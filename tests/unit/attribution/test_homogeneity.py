import pytest
import torch
from torch import nn
from torch.nn import functional
from unit.attribution.modules import MODULES, Function, Recurrent, batch_norm
from unit.attribution.nets import biased_mlp, normal, resnet50, seeded, x_cnn, x_mlp

from niwaki.attribution import homogeneity_report
from niwaki.core import InputError


def test_the_table_holds_the_57_measured_modules():
    assert len(MODULES) == 57
    assert len({name for name, *_ in MODULES}) == 57


@pytest.mark.parametrize(("name", "make", "shape", "degree"), MODULES, ids=[m[0] for m in MODULES])
def test_every_measured_module_is_classified(name, make, shape, degree):
    model, x = make(), normal(*shape, dtype=torch.float32)
    found = homogeneity_report(model, x)
    assert found.degree == degree
    assert found.holds == (degree is not None and degree > 0)
    if degree is None:
        assert found.culprit
        assert found.residual > 1e-3
    else:
        assert found.proven == (degree > 0)
        assert found.exact or name == "geometric mean"  # exp and log round
        assert found.euler < 1e-5  # float32


@pytest.mark.parametrize(("name", "make", "shape", "degree"), MODULES, ids=[m[0] for m in MODULES])
def test_inside_a_network_the_culprit_is_named(name, make, shape, degree):
    model = nn.Sequential(nn.Identity(), nn.LeakyReLU(), make(), nn.LeakyReLU())
    found = homogeneity_report(model, normal(*shape, dtype=torch.float32))
    assert found.culprit.startswith({None: "2", 0: "the output"}.get(degree, ""))
    if degree is not None and degree > 0:
        assert found.holds
        assert not found.culprit


@pytest.mark.parametrize(
    "layer",
    [
        nn.LayerNorm(6),
        nn.RMSNorm(6),
        nn.GroupNorm(2, 6),
        nn.InstanceNorm1d(6),
        nn.BatchNorm1d(6),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_usual_eps_is_what_breaks_a_norm(layer):
    shape = (3, 6, 4) if isinstance(layer, nn.InstanceNorm1d) else (3, 6)
    found = homogeneity_report(nn.Sequential(layer), normal(*shape, dtype=torch.float32))
    assert not found.holds
    assert found.culprit == "0"
    assert "eps" in found.reason


def test_saturation_that_the_example_never_reaches_is_seen():
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU6())
    found = homogeneity_report(model, 1e-6 * normal(2, 4, dtype=torch.float32))
    assert found.exact  # scaling alone is fooled
    assert not found.holds
    assert found.culprit == "1"


def test_a_bias_that_is_zero_now_adds_nothing():
    layer = nn.Linear(4, 3)
    nn.init.zeros_(layer.bias)
    assert homogeneity_report(layer, normal(2, 4, dtype=torch.float32)).holds


class Branching(nn.Module):
    """Control flow on values, which no graph can hold."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) if float(x.detach().sum()) > -1e9 else x


def test_without_a_graph_the_numbers_decide_and_name_the_module():
    x = normal(2, 6, dtype=torch.float32)
    good = homogeneity_report(Branching(nn.Linear(6, 2, bias=False)), x)
    assert good.holds
    assert not good.traced
    assert not good.proven
    assert "cannot be read" in good.reason
    bad = homogeneity_report(
        Branching(nn.Sequential(nn.Linear(6, 4, bias=False), nn.Tanh(), nn.Linear(4, 2))), x
    )
    assert not bad.holds
    assert bad.culprit == "inner.1"


def test_without_a_graph_a_bound_that_is_never_reached_is_still_named():
    x = 1e-6 * normal(2, 6, dtype=torch.float32)
    found = homogeneity_report(Branching(nn.Sequential(nn.ReLU(), nn.ReLU6())), x)
    assert found.exact
    assert not found.holds
    assert found.culprit == "inner.1"

    class Gate(nn.Module):  # a sigmoid of something of degree 0 is allowed
        def __init__(self):
            super().__init__()
            self.squash = nn.Sigmoid()

        def forward(self, x):
            return x * self.squash(x / x.norm(dim=1, keepdim=True))

    assert homogeneity_report(Branching(Gate()), normal(2, 6, dtype=torch.float32)).holds


def test_zeros_alone_say_nothing():
    found = homogeneity_report(Branching(nn.ReLU()), -torch.ones(2, 6))
    assert not found.holds
    assert "other samples" in found.reason
    assert homogeneity_report(nn.ReLU(), -torch.ones(2, 6)).proven  # the algebra needs none


def test_a_gradient_that_is_cut_is_found_out():
    found = homogeneity_report(lambda x: x.detach().relu(), normal(2, 6))
    assert found.exact
    assert not found.holds
    assert "cuts or replaces gradients" in found.reason


def test_an_operation_without_a_rule_is_said_to_be_unknown():
    found = homogeneity_report(
        Function(lambda m, x: torch.fft.rfft(x).abs()), normal(2, 6, dtype=torch.float32)
    )
    assert not found.proven
    assert "no rule" in found.reason


@pytest.mark.parametrize(
    ("body", "degree"),
    [
        (lambda m, x: x / x.norm(dim=1, keepdim=True), 0),
        (lambda m, x: torch.softmax(x.abs().log(), 1) * x, 1),
        (lambda m, x: torch.where(x > 0, x, 0.1 * x), 1),
        (lambda m, x: x.masked_fill(x < 0, 0.0), 1),
        (lambda m, x: x.masked_fill(x < 0, 1.0), None),
        (lambda m, x: functional.pad(x, (1, 1)), 1),
        (lambda m, x: functional.pad(x, (1, 1), value=2.0), None),
        (lambda m, x: x.clamp(min=0), 1),
        (lambda m, x: x.clamp(0, 3), None),
        (lambda m, x: torch.maximum(x, x.mean(1, keepdim=True)), 1),
        (lambda m, x: torch.maximum(x, torch.ones(6)), None),
        (lambda m, x: x.pow(3) / x.square(), 1),
        (lambda m, x: x.abs().sqrt() * x.abs().sqrt(), 1),
        (lambda m, x: x.abs().rsqrt() * x, 0.5),
        (lambda m, x: x.sum(1, keepdim=True) - x.max(1, keepdim=True).values, 1),
        (lambda m, x: torch.stack(x.chunk(2, 1)).sum(0), 1),
        (lambda m, x: torch.cat([x, torch.ones_like(x)], 1), None),
        (lambda m, x: torch.cat([x, torch.zeros_like(x)], 1), 1),
        (lambda m, x: x @ m.w + m.v[0], None),
        (lambda m, x: torch.addmm(torch.zeros(6), x, m.w), 1),
        (lambda m, x: x.gather(1, x.argsort(1)), 1),
        (lambda m, x: torch.sigmoid(functional.normalize(x)) * x, 1),
        (lambda m, x: x + 1 - 1, None),  # sound, not complete
        (lambda m, x: (x.abs() + 0.0).log().exp(), 1),
        (lambda m, x: (2 * x.abs().log()).exp(), 2),
        (lambda m, x: (x.abs().log() - x.abs().log().mean(1, keepdim=True)).exp(), 0),
        (lambda m, x: x.T.contiguous().T, 1),
        (lambda m, x: torch.lerp(x, 2 * x, 0.3), 1),
        (lambda m, x: x.topk(2, 1)[0], 1),
        (lambda m, x: torch.einsum("bi,ij->bj", x, m.w), 1),
        (lambda m, x: 2**x, None),
        (lambda m, x: x.abs() ** 0.5, 0.5),
        (lambda m, x: (2 * x).add_(1.0), None),
        (lambda m, x: x.std(1), 1),
        (lambda m, x: x.var(1), 2),
        (lambda m, x: functional.cosine_similarity(x, x.flip(1)), 0),
        (lambda m, x: functional.softplus(x), None),
    ],
)
def test_the_algebra_of_operations(body, degree):
    found = homogeneity_report(Function(body), normal(3, 6, dtype=torch.float32))
    assert found.traced
    assert found.degree == degree


def test_a_network_of_every_allowed_kind_is_proven():
    for model, shape in ((x_mlp(), (3, 6)), (x_cnn(), (2, 1, 8, 8))):
        found = homogeneity_report(model, normal(*shape))
        assert (found.degree, found.proven, found.exact) == (1, True, True)
        assert found.bias_share == 0


def test_a_deep_residual_net_names_its_first_norm():
    found = homogeneity_report(seeded(resnet50()).eval(), normal(2, 3, 32, 32, dtype=torch.float32))
    assert found.culprit == "1"
    assert "eps" in found.reason or "running mean" in found.reason or "bias" in found.reason


def test_the_share_of_biases_satisfies_the_identity_of_full_gradients():
    model, x = biased_mlp(), normal(1, 6)
    found = homogeneity_report(model, x)
    point = x.clone().requires_grad_()
    output = model(point)
    weights = (output / output.abs().max()).detach()
    score = (output * weights).sum()
    grads = torch.autograd.grad(score, [point, model[0].bias, model[2].bias])
    by_input = float((grads[0] * x).sum())
    by_bias = float((grads[1] @ model[0].bias + grads[2] @ model[2].bias).detach())
    assert by_input + by_bias == pytest.approx(float(score.detach()), rel=1e-12)
    assert found.bias_share == pytest.approx(abs(by_bias) / (abs(by_input) + abs(by_bias)))


def test_the_shift_of_a_batch_norm_counts_as_bias():
    layer = batch_norm(mean=1, shift=1)().double().eval()
    found = homogeneity_report(layer, normal(2, 4, 8, 8))
    assert found.bias_share > 0.01


def test_running_statistics_stay_and_dropout_is_found_out():
    layer = nn.BatchNorm1d(6).train()
    before = layer.running_mean.clone()
    homogeneity_report(layer, normal(4, 6, dtype=torch.float32))
    assert torch.equal(layer.running_mean, before)
    noisy = homogeneity_report(nn.Dropout(0.5).train(), normal(4, 6, dtype=torch.float32))
    assert not noisy.holds
    assert "eval()" in noisy.reason


def test_a_model_without_finite_output_is_refused():
    with pytest.raises(InputError, match="NaN"):
        homogeneity_report(lambda x: x / 0.0 * 0.0, normal(2, 3))


def test_a_report_reads_as_a_sentence():
    text = str(homogeneity_report(biased_mlp(), normal(2, 6)))
    assert text.startswith("degree none; module '0'")
    assert "% of the output from biases" in text


def test_a_gate_inside_a_recurrent_net_is_named():
    model = nn.Sequential(Recurrent(lambda: nn.LSTM(6, 4, bias=False, batch_first=True)))
    found = homogeneity_report(model, normal(2, 3, 6, dtype=torch.float32))
    assert found.culprit == "0.net"
