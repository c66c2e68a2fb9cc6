"""Exponential Runge-Kutta steps: the decay of a field ``v * (g(x) - x)`` is taken exactly.

Stable for every gap, and half the evaluations of a classical method at equal accuracy
[measured in ``benchmarks/step.py``].
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.dynamics._field import DecayField, State
from niwaki.dynamics._phi import phi_functions


@dataclass(frozen=True)
class Exponential:
    """Exponential time differencing of order 2 (ETD2RK) or 4 (Krogstad's ETD4RK).

    Attributes
    ----------
    order
        2 or 4. Order 2 suffices far from the optimum; near it, its gradient is off by a quarter.
    substeps
        Equal steps per gap (count).

    References
    ----------
    .. [1] cox2002, section 3 (ETD2RK).
    .. [2] krogstad2005, section 5 (ETD4RK-B).
    """

    order: int = 4
    substeps: int = 2

    def __post_init__(self) -> None:
        if self.order not in {2, 4} or self.substeps < 1:
            raise ConfigError(
                f"the exponential method got order {self.order} and {self.substeps} substeps; "
                "expected order 2 or 4 and at least 1 substep."
            )

    def __call__(
        self, field: DecayField, start: State, gaps: Float[Tensor, "*member pair"]
    ) -> State:
        """Return the states one gap later."""
        tables, step = (_second_order, _step2) if self.order == 2 else (_fourth_order, _step4)
        rate = field.rate()[..., None]
        if gaps.dim() == 1:  # few gaps are distinct
            distinct, place = torch.unique(gaps, return_inverse=True)
            every = torch.stack(tables(rate * (distinct / self.substeps)))
            per_pair = every.index_select(2, place).unbind()
        else:
            per_pair = tables(rate * (gaps.unsqueeze(-2) / self.substeps))
        state = start
        for _ in range(self.substeps):
            state = step(field, state, per_pair)
        return state


# Both steps are written with differences of drives, so that a state at rest stays there exactly.


def _second_order(z: Tensor) -> tuple[Tensor, ...]:
    """Return the tables ``z phi_1, z phi_2`` of one step."""
    phi1, phi2, _ = phi_functions(z)
    return z * phi1, z * phi2


def _step2(field: DecayField, x: Tensor, tables: tuple[Tensor, ...]) -> Tensor:
    first, second = tables
    here = field.drive(x)
    a = torch.lerp(x, here, first)
    return torch.addcmul(a, second, field.drive(a) - here)


def _fourth_order(z: Tensor) -> tuple[Tensor, ...]:
    """Return the tables of one step: those of the half step, of the whole step, the weights."""
    both = phi_functions(torch.stack((z / 2, z)))
    (half1, whole1), (half2, whole2), (_, whole3) = ((z * phi).unbind() for phi in both)
    weight23 = 2 * whole2 - 4 * whole3
    weight4 = 4 * whole3 - whole2
    return half1 / 2, half2, whole1, 2 * whole2, weight23, weight4


def _step4(field: DecayField, x: Tensor, tables: tuple[Tensor, ...]) -> Tensor:
    half_first, half_second, first, twice_second, weight23, weight4 = tables
    n1 = field.drive(x)
    a = torch.lerp(x, n1, half_first)
    d2 = field.drive(a) - n1
    d3 = field.drive(torch.addcmul(a, half_second, d2)) - n1
    b = torch.lerp(x, n1, first)
    d4 = field.drive(torch.addcmul(b, twice_second, d3)) - n1
    # the paper's weight of n1 is first - 2 weight23 - weight4, which leaves these differences
    return torch.addcmul(torch.addcmul(b, weight23, d2 + d3), weight4, d4)
