import pytest
import torch
from reference.dynamics import Logistic, Relaxation, etd2_step, etd4_step

from niwaki.core import ConfigError
from niwaki.dynamics import Exponential, PhoenixField

TWINS = {2: etd2_step, 4: etd4_step}


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("order", [2, 4])
def test_steps_equal_the_formulas_of_the_paper(order):
    generator = torch.Generator().manual_seed(0)
    field = PhoenixField(5, hidden=3, generator=generator).double()
    with torch.no_grad():
        field.multiplier[0] = -1.0  # a constant gene: decay 0
        field.multiplier[1] = 30.0
    start = torch.rand(5, 4, generator=generator).double()
    gaps = double(2.0, 0.5, 2.0, 7.0)
    ours = Exponential(order=order, substeps=3)(field, start, gaps)
    for pair, gap in enumerate(gaps.tolist()):
        state = start[:, pair]
        for _ in range(3):
            state = TWINS[order](
                field.rate(), lambda x: field.drive(x[:, None])[:, 0], state, gap / 3
            )
        torch.testing.assert_close(ours[:, pair], state, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("order", [2, 4])
def test_constant_drive_is_solved_exactly_by_one_step(order):
    field = Relaxation(double(0.0, 1e-6, 0.3, 50.0), double(1.0, 2.0, 3.0, 4.0))
    start, gaps = torch.zeros(4, 3, dtype=torch.float64), double(0.1, 1.0, 40.0)
    end = Exponential(order=order, substeps=1)(field, start, gaps)
    # the exact solution, as written, cancels digits of levels of size 1 to 4
    torch.testing.assert_close(end, field.exact(start, gaps), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("order", [2, 4])
def test_state_at_rest_stays_there_in_float32(order):
    field = Relaxation(torch.tensor([0.0, 1e-6, 0.3, 500.0]), torch.tensor([0.1, 0.3, 0.7, 1.1]))
    start = field.level[:, None].repeat(1, 2)
    end = Exponential(order=order)(field, start, torch.tensor([1.0, 30.0]))
    torch.testing.assert_close(end, start, rtol=2e-7, atol=0)  # one unit in the last place


@pytest.mark.parametrize("order", [2, 4])
def test_stiff_decay_does_not_blow_up(order):
    field = Logistic(torch.tensor([1e3, 1e5]), r=0.4)
    start = torch.tensor([[0.2, 0.9], [0.5, 1.3]])
    end = Exponential(order=order, substeps=1)(field, start, torch.tensor([1.0, 100.0]))
    assert (0 < end).all() and (end < 1.5).all()


def test_gap_order_and_repeats_do_not_matter():
    field = Logistic(double(0.5, 1.0))
    start = torch.linspace(0.1, 0.8, 10, dtype=torch.float64).reshape(2, 5)
    gaps = double(3.0, 1.0, 3.0, 0.5, 1.0)
    method = Exponential()
    together = method(field, start, gaps)
    for order in ([3, 1, 4, 0, 2], [3, 1, 0], [2]):  # unsorted, sorted and distinct, single
        torch.testing.assert_close(
            method(field, start[:, order], gaps[order]), together[:, order], rtol=1e-14, atol=0
        )


@pytest.mark.parametrize(("order", "substeps"), [(3, 2), (4, 0)])
def test_impossible_settings_are_refused(order, substeps):
    with pytest.raises(ConfigError, match=f"order {order} and {substeps} substeps"):
        Exponential(order=order, substeps=substeps)
