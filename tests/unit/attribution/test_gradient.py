import pytest
import torch
from torch import nn
from unit.attribution.nets import biased_mlp, normal, x_cnn, x_mlp

from niwaki.attribution import gini_prior, gradient, integrated_gradients, xgrad
from niwaki.attribution._forward import _modules_of, as_inputs
from niwaki.attribution._gradient import _positive
from niwaki.attribution._target import _whole
from niwaki.core import InputError

PAIR = (normal(2, 3), normal(2, 4, seed=2))


@pytest.mark.parametrize(("net", "shape"), [(x_mlp, (5, 6)), (x_cnn, (3, 1, 8, 8))])
def test_one_pass_equals_integrated_gradients_and_is_complete(net, shape):
    model, x = net(), normal(*shape)
    found = xgrad(model, x, 1)
    for nodes in (1, 50):
        other = integrated_gradients(model, x, 1, nodes=nodes)
        assert torch.allclose(found.value, other.value, rtol=1e-10, atol=1e-12)  # float64
    assert float(found.gap.abs().max()) < 1e-12
    assert torch.equal(found.output, model(x).detach())


def test_the_degree_divides():
    def cubic(x):
        return x.relu().pow(3).sum(1)

    found = xgrad(cubic, normal(4, 5))
    assert found.degree == 3
    assert float(found.gap.abs().max()) < 1e-12


def test_every_kind_of_target_means_the_same():
    model, x = x_mlp(), normal(4, 6)
    every = xgrad(model, x, "all")
    assert every.value.shape == (4, 3, 6)
    assert every.score.shape == every.gap.shape == (4, 3)
    one = every.value[:, 1]
    weights = torch.zeros(4, 3).double()
    weights[:, 1] = 1
    for target in (1, (1,), [1] * 4, torch.full((4,), 1), torch.tensor(1), weights, -2):
        assert torch.allclose(xgrad(model, x, target, degree=1).value, one, atol=1e-14)
    mixed = xgrad(model, x, [0, 1, 2, 0], degree=1).value
    assert torch.allclose(mixed[2], every.value[2, 2])
    few = xgrad(model, x, "all", chunk=2)
    assert torch.allclose(few.value, every.value)


def test_an_index_per_axis_reaches_outputs_of_several_axes():
    def table(x):
        return x[:, :, None] * x[:, None, :]

    x = normal(2, 3)
    found = xgrad(table, x, (0, 2))
    assert found.degree == 2
    assert torch.allclose(found.score, x[:, 0] * x[:, 2])
    with pytest.raises(InputError, match="indices"):
        xgrad(table, x, 0, degree=2)


def test_several_inputs_are_complete_together():
    def model(a, b):
        return (a.relu() @ torch.ones(3, 1).double()) + b.abs().sum(1, keepdim=True)

    parts = (normal(4, 3), normal(4, 2, seed=2))
    found = xgrad(model, parts)
    assert [v.shape for v in found.values] == [(4, 3), (4, 2)]
    assert float(found.gap.abs().max()) < 1e-12
    with pytest.raises(InputError, match="2 inputs"):
        _ = found.value


def test_a_penalty_on_the_values_reaches_the_weights():
    model, x = x_mlp(outputs=1), normal(8, 6)
    found = xgrad(model, x, degree=1, create_graph=True)
    gini_prior(found.value).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())
    assert torch.allclose(found.output, model(x))


def test_the_gradient_of_the_penalty_is_right_by_finite_differences():
    model, x = x_mlp(outputs=1), normal(3, 6)
    weight = model[0].weight

    def penalty(w):
        return (
            xgrad(
                lambda z: torch.func.functional_call(model, {"0.weight": w}, z),
                x,
                degree=1,
                create_graph=True,
            )
            .value.square()
            .sum()
        )

    assert torch.autograd.gradcheck(penalty, weight.detach().clone().requires_grad_())


@pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])
def test_gradients_are_on_inside_blocks_that_turn_them_off(block):
    model, x = x_mlp(), normal(2, 6)
    wanted = xgrad(model, x, 0, degree=1).value
    with block():
        assert torch.equal(xgrad(model, x, 0, degree=1).value, wanted)
        with pytest.raises(InputError, match="no_grad"):
            xgrad(model, x, 0, degree=1, create_graph=True)


def test_the_model_and_the_input_are_left_as_they_were():
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2)).double().train()
    x = normal(8, 6)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    xgrad(model, x, 0, degree=1)
    integrated_gradients(model, x, 0, nodes=2)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training
    assert not x.requires_grad
    assert x.grad is None
    assert all(p.grad is None for p in model.parameters())
    xgrad(model, x, 0, degree=1, create_graph=True)  # a pass of training
    assert int(model[0].num_batches_tracked) == 1


def test_a_module_that_works_in_place_on_its_input_is_no_obstacle():
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 1, bias=False)).double()
    x = normal(3, 4)
    kept = x.clone()
    assert float(xgrad(model, x).gap.abs().max()) < 1e-12
    assert torch.equal(x, kept)


def test_an_operation_in_place_that_breaks_the_gradient_is_named():
    def model(x):
        y = x.sigmoid()
        y.mul_(2)
        return y.sum(1)

    with pytest.raises(InputError, match="in place"):
        gradient(model, normal(2, 3))


def test_a_model_that_is_not_homogeneous_is_refused_by_name():
    with pytest.raises(InputError, match=r"module '0'.*bias.*integrated_gradients"):
        xgrad(biased_mlp(), normal(2, 6), 0)
    with pytest.raises(InputError, match="degree 0"):
        xgrad(nn.LayerNorm(6, eps=0.0).double(), normal(2, 6), 0)
    with pytest.raises(InputError, match="degree 0"):
        xgrad(biased_mlp(), normal(2, 6), 0, degree=0)
    taken = xgrad(biased_mlp(), normal(2, 6), 0, degree=1)  # knowingly
    assert float(taken.gap.abs().min()) > 1e-3


@pytest.mark.parametrize(
    ("inputs", "target", "words"),
    [
        (torch.ones(2, 6, dtype=torch.long), 0, "int64"),
        (torch.full((2, 6), torch.nan).double(), 0, "NaN"),
        (torch.ones(0, 6).double(), 0, "at least one sample"),
        (torch.ones(2, 6).double(), 3, "out of range"),
        (torch.ones(2, 6).double(), -4, "out of range"),
        (torch.ones(2, 6).double(), None, "target is needed"),
        (torch.ones(2, 6).double(), [0], "indices"),
        (torch.ones(2, 6).double(), torch.ones(2, 2).double(), "cotangent"),
        (torch.ones(2, 6).double(), "every", "unknown"),
        (torch.ones(2, 6).double(), True, "truth value"),
        (torch.ones(2, 5).double(), 0, "does not run"),
        (torch.ones(2, 6).double(), torch.tensor([True, False]), "no index"),
        ([], 0, "no input"),
        ([1.0], 0, "torch tensor"),
        ([torch.ones(2, 6).double(), torch.ones(3, 6).double()], 0, "samples"),
    ],
)
def test_bad_input_gets_a_sentence(inputs, target, words):
    with pytest.raises(InputError, match=words):
        xgrad(x_mlp(), inputs, target, degree=1)


@pytest.mark.parametrize("degree", ["1", 0, -1.0, float("nan")])
def test_a_degree_without_a_closed_form_is_refused(degree):
    with pytest.raises(InputError, match="degree"):
        _positive(degree)


@pytest.mark.parametrize("inputs", [None, 3.0, "x", {"x": torch.ones(2, 6)}])
def test_what_is_no_tensor_is_refused(inputs):
    with pytest.raises(InputError, match="expected a torch tensor"):
        as_inputs(inputs)


@pytest.mark.parametrize("target", [1.5, [0, "b"], [[0], [0, 1]]])
def test_what_is_no_index_is_refused(target):
    with pytest.raises(InputError, match="no index"):
        _whole(target)


def test_a_model_that_sums_over_samples_is_refused():
    with pytest.raises(InputError, match="samples along axis 0"):
        xgrad(lambda x: x.relu().sum(), normal(2, 3), degree=1)


def test_several_inputs_get_every_target():
    found = xgrad(lambda a, b: a.relu() @ torch.ones(3, 4).double() + b.abs(), PAIR, "all")
    assert [tuple(v.shape) for v in found.values] == [(2, 4, 3), (2, 4, 4)]
    assert float(found.gap.abs().max()) < 1e-12


def test_a_recurrent_net_on_a_gpu_is_found_behind_a_function():
    net = nn.RNN(4, 5)
    assert _modules_of(lambda x: net(x)[0]) == [net]
    assert _modules_of(net.forward) == [net]
    assert _modules_of(torch.relu) == []


def test_a_refusal_of_cudnn_says_what_to_do():
    class Refusing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            raise RuntimeError("cudnn RNN backward can only be called in training mode")

    with pytest.raises(InputError, match=r"cudnn\.flags"):
        xgrad(Refusing.apply, normal(2, 3), 0, degree=1)
    with pytest.raises(InputError, match=r"cudnn\.flags"):
        xgrad(Refusing.apply, normal(2, 3), "all", degree=1)


def test_a_model_that_returns_no_tensor_is_refused():
    with pytest.raises(InputError, match="tuple"):
        xgrad(lambda x: (x, x), normal(2, 3), 0, degree=1)


def test_an_input_that_is_not_used_gets_zero():
    found = xgrad(lambda a, b: a.sum(1), (normal(2, 3), normal(2, 2)), degree=1)
    assert not bool(found.values[1].any())


def test_the_plain_gradient_is_the_slope():
    model, x = x_mlp(), normal(3, 6)
    assert torch.allclose(gradient(model, x, 2).value * x, xgrad(model, x, 2).value)


@pytest.mark.gpu
def test_a_recurrent_net_in_eval_mode_can_be_differentiated_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    net = nn.RNN(4, 5, nonlinearity="relu", bias=False, batch_first=True).cuda().eval()
    x = normal(2, 3, 4, dtype=torch.float32).cuda()
    found = xgrad(lambda z: net(z)[0].sum((1, 2)), x, degree=1)
    assert float(found.gap.abs().max()) < 1e-4  # float32 on a GPU
    assert float(xgrad(Last(net), x).gap.abs().max()) < 1e-4


class Last(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)[0][:, -1].sum(1)


def test_a_recurrent_net_of_relus_has_the_closed_form():
    net = nn.RNN(4, 5, nonlinearity="relu", bias=False, batch_first=True).double().eval()
    found = xgrad(Last(net), normal(2, 3, 4))
    assert float(found.gap.abs().max()) < 1e-12
