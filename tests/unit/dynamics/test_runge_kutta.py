import numpy as np
import pytest
import torch
from reference.dynamics import Logistic, Rotation, rk4_step
from scipy.integrate import solve_ivp

from niwaki.core import ConfigError, DivergedError
from niwaki.dynamics import DormandPrince, RungeKutta4


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_rk4_equals_the_textbook_step():
    field = Rotation()
    start = double([0.0, 1.0, 0.3], [1.0, 0.5, -2.0])
    gaps = double(0.5, 2.0, 0.1)
    ours = RungeKutta4(substeps=2)(field, start, gaps)
    for pair, gap in enumerate(gaps.tolist()):
        state = start[:, pair]
        for _ in range(2):
            state = rk4_step(field, state, gap / 2)
        torch.testing.assert_close(ours[:, pair], state, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("rtol", [1e-4, 1e-7, 1e-10])
def test_adaptive_error_stays_near_the_tolerance(rtol):
    field, start = Rotation(), double([1.0, 0.2, -0.5], [0.0, 0.8, 0.5])
    gaps = double(0.1, 3.0, 12.0)
    end = DormandPrince(rtol=rtol, atol=rtol)(field, start, gaps)
    # the tolerance holds per step; a dozen time units sum up some tens of steps
    assert (end - field.exact(start, gaps)).abs().max() < 30 * rtol


def test_adaptive_agrees_with_scipy():
    v = np.array([0.3, 2.0, 7.0])
    field = Logistic(torch.from_numpy(v))
    start, gaps = double([0.1, 0.4], [0.2, 0.9], [0.05, 0.3]), double(1.7, 0.4)
    ours = DormandPrince(rtol=1e-10, atol=1e-12)(field, start, gaps)
    for pair, gap in enumerate(gaps.tolist()):
        theirs = solve_ivp(
            lambda _, x: field(torch.from_numpy(x)[:, None])[:, 0].numpy(),
            (0, gap),
            start[:, pair].numpy(),
            method="DOP853",
            rtol=1e-12,
            atol=1e-14,
        ).y[:, -1]
        np.testing.assert_allclose(ours[:, pair].numpy(), theirs, rtol=1e-8)


def test_each_pair_has_steps_of_its_own():
    field, method = Logistic(double(1.0)), DormandPrince(rtol=1e-6, atol=1e-8)
    gaps, start = double(0.01, 40.0), double([0.5, 1e-3])
    together = method(field, start, gaps)
    for pair in (0, 1):
        alone = method(field, start[:, [pair]], gaps[[pair]])
        torch.testing.assert_close(together[:, [pair]], alone, rtol=1e-14, atol=0)


def test_finished_float32_pairs_wait_without_spoiling():
    field = Rotation()
    start, gaps = torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.tensor([0.1, 11.3])
    end = DormandPrince()(field, start, gaps)
    torch.testing.assert_close(end, field.exact(start, gaps), rtol=0, atol=2e-5)  # tens of steps


def test_too_many_steps_say_so():
    with pytest.raises(DivergedError, match="in 7 steps"):
        DormandPrince(max_steps=7)(Rotation(), double([1.0], [0.0]), double(50.0))


def test_infinite_slope_says_so():
    def explosive(state):
        return torch.exp(state.square() * 1e6)

    with pytest.raises(DivergedError, match="exponential method"):
        DormandPrince(max_steps=50)(explosive, double([3.0]), double(1.0))


def test_refused_steps_leave_gradients_finite():
    scale = double(40.0).requires_grad_()

    def restoring(state):  # overflows in a first step that is too long
        return -scale * (torch.exp(10 * state) - torch.exp(-10 * state)) / 100

    end = DormandPrince(rtol=1e-7, atol=1e-9)(restoring, double([1.0, 0.5]), double(20.0, 1.0))
    (gradient,) = torch.autograd.grad(end.sum(), scale)
    assert torch.isfinite(gradient).all()


def test_gradient_steps_end_where_the_chosen_steps_end():
    field, start, gaps = Logistic(double(2.0)), double([0.1, 0.3]), double(1.0, 3.0)
    method = DormandPrince()
    with torch.no_grad():
        plain = method(field, start, gaps)
    assert torch.equal(method(field, start.requires_grad_(), gaps), plain)


@pytest.mark.parametrize("wrong", [{"rtol": 0.0}, {"atol": -1.0}, {"max_steps": 0}])
def test_impossible_tolerances_are_refused(wrong):
    with pytest.raises(ConfigError, match="all must be positive"):
        DormandPrince(**wrong)


def test_rk4_without_steps_is_refused():
    with pytest.raises(ConfigError, match="RK4 got 0 substeps"):
        RungeKutta4(substeps=0)
