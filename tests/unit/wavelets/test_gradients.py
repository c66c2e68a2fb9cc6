import numpy as np
import pytest
import torch
from torch import nn

from niwaki.core import InputError
from niwaki.wavelets import input_gradients, teacher_outputs


def test_gradients_are_those_of_finite_differences(smooth, normal):
    teacher, x, step = smooth(6), normal(4, 6), 1e-6
    found = input_gradients(teacher, x, targets=(0, 2))
    for i in range(6):
        shift = step * torch.eye(6, dtype=torch.float64)[i]
        slope = (teacher(x + shift) - teacher(x - shift)) / (2 * step)
        assert torch.allclose(found[:, :, i], slope[:, [0, 2]].T.detach(), atol=1e-8)


def test_chunks_do_not_show(smooth, normal):
    teacher, x = smooth(12), normal(7, 3, 4)
    whole = input_gradients(teacher, x, targets=(1,), chunk=7)
    assert torch.allclose(input_gradients(teacher, x, targets=(1,), chunk=2), whole, rtol=1e-12)


def test_the_path_mean_times_the_input_adds_up_to_the_output(smooth, normal):
    teacher, x = smooth(6), normal(5, 6)
    mean = input_gradients(teacher, x, targets=(0, 1, 2), nodes=24)
    gained = teacher(x) - teacher(torch.zeros_like(x))
    assert torch.allclose((mean * x).sum(-1).T, gained.detach(), atol=1e-10)


def test_parameters_receive_no_gradient(smooth, normal):
    teacher = smooth(6)
    input_gradients(teacher, normal(3, 6))
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_train_mode_with_dropout_and_batch_norm_is_named_and_left_as_found(normal):
    teacher = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    x = normal(8, 6).float()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    with pytest.warns(UserWarning, match="dropout .* and BatchNorm .* eval mode"):
        first = input_gradients(teacher, x)
    assert all(module.training for module in teacher.modules())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    teacher.eval()
    assert torch.equal(input_gradients(teacher, x), first)


def test_a_recurrent_teacher_in_eval_mode_has_gradients(normal):
    lstm = nn.LSTM(1, 3, batch_first=True).eval()
    found = input_gradients(lambda x: lstm(x.unsqueeze(-1))[0][:, -1], normal(4, 9).float())
    assert found.shape == (1, 4, 9)
    assert bool(found.any())


def test_outputs_are_those_of_eval_mode(normal):
    teacher = nn.Sequential(nn.Linear(6, 2), nn.Dropout(0.5)).eval()
    x = normal(5, 6).float()
    assert torch.equal(teacher_outputs(teacher, x, targets=(1,), chunk=2), teacher(x)[:, 1:])


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        (lambda x: x.detach().sum(1), "no gradient"),
        (lambda x: x.sum(), "1 rows for 3"),
        (lambda x: (x, x), "returns tuple"),
        (lambda x: torch.sqrt(x * 0), "not finite"),
        (lambda x: x[:, :2], "target 5 does not exist"),
    ],
)
def test_an_unusable_teacher_is_one_sentence(teacher, words, normal):
    target = 5 if "target" in words else 0
    with pytest.raises(InputError, match=words):
        input_gradients(teacher, normal(3, 6), targets=(target,))


def test_a_teacher_that_ignores_its_input_has_zero_gradients(normal):
    weight = torch.ones(1, requires_grad=True)
    found = input_gradients(lambda x: weight * torch.ones(len(x)), normal(3, 6))
    assert np.array_equal(found.numpy(), np.zeros((1, 3, 6)))
