import pytest
import torch
from reference.dynamics import phi

from niwaki.dynamics._phi import phi_functions

POINTS = [0.0, 1e-9, 1e-4, 0.01, 0.3, 0.7, 0.99, 1.0, 1.01, 1.3, 2.0, 3.5, 8.0, 20.0, 60.0]


# The worst place is just above 1, where the closed form of phi_3 cancels two digits in base two.
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_right_to_a_few_units_in_the_last_place(dtype):
    z = torch.cat((torch.tensor(POINTS), torch.linspace(0, 60, 121))).to(dtype)
    for k, values in enumerate(phi_functions(z), start=1):
        exact = torch.tensor([phi(k, value) for value in z.tolist()], dtype=torch.float64)
        error = (values.double() / exact - 1).abs().max()
        assert error < 4 * torch.finfo(dtype).eps


def test_gradient_equals_finite_differences_for_small_and_large_decay():
    z = torch.tensor(POINTS[1:], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(phi_functions, (z,))


def test_gradient_at_zero_is_its_series_coefficient():
    z = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    slopes = [torch.autograd.grad(phi_functions(z)[k].sum(), z)[0].item() for k in range(3)]
    assert slopes == pytest.approx([-1 / 2, -1 / 6, -1 / 24], rel=1e-15)  # -1/(k+1)!


def test_gradient_in_float32_is_right_to_float32():
    z = torch.tensor(POINTS, requires_grad=True)
    for k in (1, 2, 3):
        slope = torch.autograd.grad(phi_functions(z)[k - 1].sum(), z)[0].double()
        exact = torch.tensor([k * phi(k + 1, v) - phi(k, v) for v in z.tolist()]).double()
        # phi_4 is good to 11 eps, and k phi_4 - phi_k cancels up to a digit
        torch.testing.assert_close(slope, exact, rtol=2e-5, atol=1e-8)
