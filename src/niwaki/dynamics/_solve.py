"""Solving all pairs of a batch at once."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.dynamics._exponential import Exponential
from niwaki.dynamics._field import DecayField, Field, State
from niwaki.dynamics._fused import fused_solve, scheme_of
from niwaki.dynamics._phoenix import PhoenixField
from niwaki.dynamics._runge_kutta import DormandPrince, RungeKutta4

Method = Exponential | RungeKutta4 | DormandPrince

METHODS: dict[str, Callable[[], Method]] = {
    "etd4": lambda: Exponential(order=4, substeps=2),
    "etd2": lambda: Exponential(order=2, substeps=4),
    "rk4": lambda: RungeKutta4(substeps=4),
    "dopri5": lambda: DormandPrince(rtol=1e-5, atol=1e-7),
}

# Tight enough that what remains of an error is the training method's (float64 only).
AUDIT_METHOD = DormandPrince(rtol=1e-9, atol=1e-11)


def make_method(name: str, field: Field) -> Method:
    """Return the named method; a field without an exact decay gets RK4 for an exponential one.

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    if name not in METHODS:
        raise ConfigError(f"solver '{name}' is unknown; choose one of {', '.join(METHODS)}.")
    method = METHODS[name]()
    if isinstance(method, Exponential) and not isinstance(field, DecayField):
        return METHODS["rk4"]()
    return method


def solve(
    field: Field, start: State, *, gaps: Float[Tensor, " pair"], method: Method
) -> Float[Tensor, "gene pair"]:
    """Return the state of every pair one gap later.

    Each pair has its own gap; time runs from 0 to 1 of it, so the whole batch is one solve.

    Parameters
    ----------
    field
        Right-hand side, without explicit time.
    start
        Observed states (data units).
    gaps
        Time to integrate over for each pair (time units), positive.
    method
        How to step.
    """
    scheme = None if gaps.requires_grad else scheme_of(field, method, start)
    if scheme is not None and isinstance(field, PhoenixField):
        return fused_solve(field, start, gaps, scheme)
    if isinstance(method, Exponential):
        if not isinstance(field, DecayField):
            raise ConfigError(
                f"the exponential method needs a field of the form v * (g(x) - x), and "
                f"{type(field).__name__} has no drive() and rate(); use rk4 or dopri5."
            )
        return method(field, start, gaps)
    return method(field, start, gaps)


@torch.no_grad()
def audit(
    field: Field,
    double_field: Field,
    *,
    start: State,
    gaps: Float[Tensor, " pair"],
    method: Method,
) -> float:
    """Return the root mean square error of `method` against a tight float64 solve (data units).

    Parameters
    ----------
    field, double_field
        The field as trained, and the same field in float64.
    start
        States to start from (data units).
    gaps
        Time to integrate over (time units).
    method
        The method that trained the field.
    """
    rough = solve(field, start, gaps=gaps, method=method).double()
    exact = solve(double_field, start.double(), gaps=gaps.double(), method=AUDIT_METHOD)
    return float((rough - exact).square().mean().sqrt())
