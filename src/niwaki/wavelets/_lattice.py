"""Orthonormal filters by construction: a lattice of rotations, and the way back to its angles."""

import math
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from niwaki.core import InputError

_QUARTER = math.pi / 4


def filter_from_angles(angles: Float[Tensor, "*batch stage"]) -> Float[Tensor, "*batch tap"]:
    """Return the low-pass filters of 2K taps that K rotation angles make.

    The even and odd taps are the two polyphase parts; each stage delays the odd part by one and
    rotates the pair. Every filter is orthonormal to its even shifts, whatever the angles. If the
    angles sum to pi / 4 the taps sum to the square root of 2 and the high-pass taps to zero.

    Differentiable once. Its derivative by an angle is the filter with that angle turned by a right
    angle, so value and derivative come from one small batch instead of a recorded chain.

    Parameters
    ----------
    angles
        K rotations per filter (radians).

    References
    ----------
    .. [1] vaidyanathan1988

    Examples
    --------
    >>> filter_from_angles(torch.tensor([torch.pi / 4]))
    tensor([0.7071, 0.7071])
    """
    made: Tensor = _Lattice.apply(angles)  # type: ignore[no-untyped-call]
    return made


def complete_angles(free: Float[Tensor, "*batch free"]) -> Float[Tensor, "*batch stage"]:
    """Return K angles from K - 1 free ones: the last makes their sum pi / 4 (radians)."""
    return torch.cat([free, _QUARTER - free.sum(-1, keepdim=True)], -1)


def high_pass(low: Float[Tensor, "*batch tap"]) -> Float[Tensor, "*batch tap"]:
    """Return the quadrature mirror of low-pass filters: reversed, with alternating sign."""
    signs = torch.ones_like(low)
    signs[..., ::2] = -1
    return low.flip(-1) * signs


def angles_from_filter(low: Float[Tensor, " tap"]) -> Float[Tensor, " stage"]:
    """Return the lattice angles of an orthonormal filter by order reduction.

    A filter that is only nearly orthonormal gives the angles of a nearby one that is; `project`
    gives the nearest.

    Parameters
    ----------
    low
        Low-pass filter with an even number of taps (dimensionless), in float64 for accuracy.

    Raises
    ------
    InputError
        If the number of taps is odd or zero, or a tap is not finite.

    References
    ----------
    .. [1] vaidyanathan1988. At each stage the larger of the first and the last pair of taps gives
       the angle, since either may vanish.

    Examples
    --------
    >>> round(float(angles_from_filter(torch.tensor([0.5, 0.5]))), 4)
    0.7854
    """
    if low.numel() == 0 or low.numel() % 2:
        raise InputError(
            f"the filter has {low.numel()} taps; an orthonormal filter has an even number, so "
            "append a zero or leave out the tap that does not belong to it."
        )
    if not bool(torch.isfinite(low).all()):
        raise InputError("the filter has a tap that is not finite; give finite taps.")
    even, odd = low[::2].tolist(), low[1::2].tolist()
    found: list[float] = []
    while len(even) > 1:
        first, last = math.hypot(even[0], odd[0]), math.hypot(even[-1], odd[-1])
        angle = math.atan2(odd[0], even[0]) if first >= last else math.atan2(-even[-1], odd[-1])
        found.append(angle)
        c, s = math.cos(angle), math.sin(angle)
        turned = [(c * e + s * o, c * o - s * e) for e, o in zip(even, odd, strict=True)]
        even, odd = [e for e, _ in turned[:-1]], [o for _, o in turned[1:]]
    found.append(math.atan2(odd[0], even[0]))
    return torch.tensor(found[::-1], dtype=low.dtype, device=low.device)


def project(low: Float[Tensor, " tap"], *, steps: int = 50) -> tuple[Float[Tensor, " free"], float]:
    """Return the free angles of the orthonormal filter nearest to `low`, and how far it is.

    Order reduction gives a start, Gauss-Newton steps the rest. The filter is first scaled so that
    its taps sum to the square root of 2, since some libraries let them sum to 1 or 2.

    Parameters
    ----------
    low
        Low-pass filter with an even number of taps (dimensionless).
    steps
        Most Gauss-Newton steps (count).

    Returns
    -------
    The K - 1 free angles for `complete_angles` (radians, float64), and the Euclidean distance
    between the scaled and the orthonormal filter (dimensionless).

    Raises
    ------
    InputError
        If it has an odd number of taps, one not finite, or a sum of zero (not a low-pass filter).
    """
    given = low.detach().to("cpu", torch.float64)
    total = float(given.sum())
    angles = angles_from_filter(given)
    if abs(total) < 1e-3 * float(given.abs().sum()):
        raise InputError(
            "the taps of the filter sum to zero, so it is a high-pass filter; give the low-pass "
            "one (dec_lo in PyWavelets)."
        )
    wanted = given * (math.sqrt(2) / total)
    if total < 0:
        angles[-1] += math.pi
    turns = (angles.sum() - _QUARTER) / (2 * math.pi)
    free = angles[:-1] + (2 * math.pi * (turns.round() - turns)) / len(angles)
    free, distance = _nearest(free, wanted, steps)
    return free, distance


def _nearest(free: Tensor, wanted: Tensor, steps: int) -> tuple[Tensor, float]:
    """Descend by damped Gauss-Newton steps to the nearest filter of the lattice."""
    if free.numel() == 0:
        made = filter_from_angles(complete_angles(free))
        return free, float((made - wanted).norm())
    damping = 1e-12
    residual, jacobian = _residual(free, wanted)
    for _ in range(steps):
        normal = jacobian @ jacobian.T + damping * torch.eye(len(free), dtype=free.dtype)
        step = torch.linalg.solve(normal, jacobian @ residual)
        trial = free - step
        after, slope = _residual(trial, wanted)
        if float(after.norm()) <= float(residual.norm()):
            free, residual, jacobian, damping = trial, after, slope, max(damping / 10, 1e-14)
            if float(step.norm()) < 1e-14:
                break
        else:
            damping = max(damping, 1e-10) * 10
    return free, float(residual.norm())


def _residual(free: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    made, slopes = _value_and_slopes(complete_angles(free))
    return made - wanted, slopes[:-1] - slopes[-1:]


def _turn(angles: Tensor) -> Tensor:
    """Return the filters as the interleaved parts of one complex number per pair of taps."""
    stages = angles.shape[-1]
    turns = torch.polar(torch.ones_like(angles), angles)
    state = torch.zeros_like(turns)
    state[..., 0] = turns[..., 0]
    for m in range(1, stages):  # the last odd tap is still zero, so rolling delays by one
        state = torch.complex(state.real, state.imag.roll(1, -1)) * turns[..., m : m + 1]
    return torch.view_as_real(state).flatten(-2)


def _value_and_slopes(angles: Tensor) -> tuple[Tensor, Tensor]:
    every = _turn(angles.unsqueeze(-2) + _shifts(angles.shape[-1], angles.dtype, angles.device))
    return every[..., 0, :], every[..., 1:, :]


@lru_cache(maxsize=64)
def _shifts(stages: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return no turn, then a right angle at each stage (radians)."""
    shifts = torch.zeros(stages + 1, stages, dtype=dtype, device=device)
    shifts[1:].fill_diagonal_(math.pi / 2)
    return shifts


class _Lattice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles: Tensor) -> Tensor:
        value, slopes = _value_and_slopes(angles)
        ctx.save_for_backward(slopes)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (slopes,) = ctx.saved_tensors
        return torch.matmul(slopes, gradient.unsqueeze(-1)).squeeze(-1)
