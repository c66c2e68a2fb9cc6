import itertools

import pytest
import torch
from reference.dynamics import Logistic, Rotation
from scipy.integrate import solve_ivp
from torchdiffeq import odeint

from niwaki.core import ConfigError
from niwaki.dynamics import (
    METHODS,
    DormandPrince,
    Exponential,
    MlpField,
    ModuleField,
    PhoenixField,
    RungeKutta4,
    audit,
    make_method,
    solve,
)

FINE = {
    "etd2": Exponential(order=2, substeps=1000),
    "etd4": Exponential(order=4, substeps=40),
    "rk4": RungeKutta4(substeps=100),
    "dopri5": DormandPrince(rtol=1e-9, atol=1e-11),
}
# What halving the step divides the error by, in powers of two, once steps are short.
ORDERS = [
    (lambda k: Exponential(order=2, substeps=k), 2),
    (lambda k: Exponential(order=4, substeps=k), 4),
    (lambda k: RungeKutta4(substeps=k), 4),
]


def make_phoenix(genes=5, hidden=4):
    generator = torch.Generator().manual_seed(0)
    field = PhoenixField(genes, hidden=hidden, generator=generator).double()
    with torch.no_grad():
        for name in ("weight_sum", "weight_prod"):
            weight = field.get_parameter(name)
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.5)
    return field


def make_batch(genes=5, pairs=4):
    start = torch.rand(genes, pairs, generator=torch.Generator().manual_seed(1)).double()
    return start, torch.tensor([2.0, 1.0, 4.0, 2.0], dtype=torch.float64)[:pairs]


def torchdiffeq_end(field, start, gaps):
    """All pairs on [0, 1], each with its own speed, at a tight tolerance."""
    return odeint(
        lambda _, x: gaps * field(x),
        start,
        torch.tensor([0.0, 1.0], dtype=start.dtype),
        method="dopri5",
        rtol=1e-10,
        atol=1e-12,
    )[-1]


@pytest.mark.parametrize(("make", "order"), ORDERS)
def test_error_falls_with_the_order_of_the_method(make, order):
    field = Logistic(torch.tensor([0.7, 1.3], dtype=torch.float64))
    start = torch.tensor([[0.1, 0.4], [0.2, 0.7]], dtype=torch.float64)
    gaps = torch.tensor([1.0, 2.0], dtype=torch.float64)
    exact = field.exact(start, gaps)
    errors = [(solve(field, start, gaps=gaps, method=make(k)) - exact).norm() for k in (20, 40, 80)]
    for coarse, fine in itertools.pairwise(errors):
        assert torch.log2(coarse / fine) == pytest.approx(order, abs=0.25)  # higher terms remain


@pytest.mark.parametrize("name", METHODS)
def test_methods_agree_with_torchdiffeq_and_scipy(name):
    field, (start, gaps) = make_phoenix(), make_batch()
    with torch.no_grad():
        ours = solve(field, start, gaps=gaps, method=FINE[name])
        theirs = torchdiffeq_end(field, start, gaps)
    torch.testing.assert_close(ours, theirs, rtol=4e-6, atol=4e-7)  # etd2 is the coarsest
    scipy = solve_ivp(
        lambda _, x: field(torch.from_numpy(x)[:, None])[:, 0].detach().numpy(),
        (0, float(gaps[2])),
        start[:, 2].numpy(),
        method="LSODA",
        rtol=1e-10,
        atol=1e-12,
    ).y[:, -1]
    torch.testing.assert_close(ours[:, 2], torch.from_numpy(scipy), rtol=4e-6, atol=4e-7)


@pytest.mark.parametrize("name", METHODS)
def test_gradients_agree_with_torchdiffeq(name):
    field, (start, gaps) = make_phoenix(), make_batch()
    weight = torch.linspace(-1, 1, start.numel(), dtype=start.dtype).reshape(start.shape)
    parameters = list(field.parameters())
    ours = solve(field, start, gaps=gaps, method=FINE[name])
    theirs = torchdiffeq_end(field, start, gaps)
    for mine, other in zip(
        torch.autograd.grad((ours * weight).sum(), parameters),
        torch.autograd.grad((theirs * weight).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)  # etd2 is the coarsest


@pytest.mark.parametrize("name", ["etd2", "etd4", "rk4"])
def test_gradients_equal_finite_differences(name):
    field, (start, gaps) = make_phoenix(genes=3, hidden=2), make_batch(genes=3, pairs=2)
    names = [name for name, _ in field.named_parameters()]

    def end(start, *values):
        bound = _Bound(field, dict(zip(names, values, strict=True)))
        return solve(bound, start, gaps=gaps, method=METHODS[name]())

    inputs = [start, *(p.detach().clone() for p in field.parameters())]
    torch.autograd.gradcheck(end, [value.requires_grad_() for value in inputs])


class _Bound:
    """A field evaluated with other parameter values."""

    def __init__(self, field, values):
        self.field, self.values = field, values

    def _call(self, what, *args):
        with torch.nn.utils.stateless._reparametrize_module(self.field, self.values):
            return getattr(self.field, what)(*args)

    def drive(self, state):
        return self._call("drive", state)

    def rate(self):
        return self._call("rate")

    def __call__(self, state):
        return self._call("forward", state)


@pytest.mark.parametrize("name", METHODS)
def test_a_pair_does_not_depend_on_its_batch(name):
    field, (start, gaps) = make_phoenix(), make_batch()
    method = METHODS[name]()
    together = solve(field, start, gaps=gaps, method=method)
    for pair in range(4):
        alone = solve(field, start[:, [pair]], gaps=gaps[[pair]], method=method)
        # the same sums, in the order that a product of another width takes them
        torch.testing.assert_close(together[:, [pair]], alone, rtol=1e-12, atol=1e-14)


def test_named_methods_are_made_for_decay_fields():
    field = make_phoenix()
    assert make_method("etd4", field) == Exponential(order=4, substeps=2)
    assert make_method("etd2", field) == Exponential(order=2, substeps=4)
    assert make_method("rk4", field) == RungeKutta4(substeps=4)
    assert isinstance(make_method("dopri5", field), DormandPrince)


@pytest.mark.parametrize("name", ["etd2", "etd4"])
def test_field_without_decay_falls_back_to_rk4(name):
    field = MlpField(3, hidden=2, generator=torch.Generator().manual_seed(0))
    assert make_method(name, field) == RungeKutta4(substeps=4)


def test_unknown_method_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'euler' is unknown; choose one of etd4, etd2, rk4, dop"):
        make_method("euler", make_phoenix())


def test_exponential_solve_of_a_field_without_decay_is_refused():
    start, gaps = make_batch(genes=2)
    with pytest.raises(ConfigError, match="Rotation has no drive"):
        solve(Rotation(), start, gaps=gaps, method=Exponential())


def test_users_module_is_solved_batch_major():
    module = torch.nn.Linear(2, 2, bias=False, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    start, gaps = make_batch(genes=2)
    end = solve(ModuleField(module), start, gaps=gaps, method=FINE["rk4"])
    # 4th-order error of steps of 4/100 radian
    torch.testing.assert_close(end, Rotation().exact(start, gaps), rtol=0, atol=1e-7)


def test_audit_measures_the_error_of_the_method():
    field = Logistic(torch.tensor([1.0], dtype=torch.float64))
    single = Logistic(torch.tensor([1.0]))
    start, gaps = torch.tensor([[0.1, 0.6]]), torch.tensor([1.0, 2.0])
    method = Exponential(order=2, substeps=1)
    measured = audit(single, field, start=start, gaps=gaps, method=method)
    error = method(single, start, gaps).double() - field.exact(start.double(), gaps.double())
    assert measured == pytest.approx(error.square().mean().sqrt().item(), rel=1e-6)
    assert measured > 1e-3
