import pytest
import torch
from unit.attribution.nets import normal

from niwaki.attribution._repeated import RepeatedColumns

COLUMN = normal(3, 4, 1)
RATE = normal(4, 1, seed=3)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: torch.bmm(normal(5, 4).expand(3, 5, 4), c),
        lambda c: torch.bmm(normal(3, 5, 4), c),  # a matrix each: nothing to share
        lambda c: torch.mm(normal(5, 4), c[0]),
        lambda c: -c * 0.5 / 3,
        lambda c: c * RATE,
        lambda c: c * normal(4, 6),  # no column repeats in the result
        lambda c: c * c[0],
        lambda c: c.relu() + 1,
    ],
)
def test_the_numbers_are_those_without_it(call):
    repeated = COLUMN.expand(3, 4, 6)
    with RepeatedColumns():
        found = call(repeated)
    wanted = call(repeated.contiguous())
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, rtol=1e-14)  # sums may run in another order


def test_one_column_of_a_product_is_computed():
    with RepeatedColumns():
        found = torch.bmm(normal(5, 4).expand(3, 5, 4), COLUMN.expand(3, 4, 6))
        scaled = found * 2
    assert found.stride(-1) == 0
    assert scaled.stride(-1) == 0


def test_a_single_column_is_left_alone():
    with RepeatedColumns():
        assert torch.equal(torch.mm(normal(2, 4), COLUMN[0]), normal(2, 4) @ COLUMN[0])
