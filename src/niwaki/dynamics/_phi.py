"""The phi functions of exponential integrators, accurate for every decay."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_SERIES_BELOW = 1.0  # the closed form loses about eps / z**k digits, the series none
# Terms of the series of phi_4: the first one left out, 24/(4 + terms)!, is below half an eps.
_TERMS = {torch.float32: 9, torch.float64: 16}


class _Phi(torch.autograd.Function):
    """``phi_1, phi_2, phi_3`` at ``-z``, with ``phi_k' = phi_k - k phi_{k+1}``."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        phis = _phi_values(z)
        ctx.save_for_backward(*phis)
        return phis[0], phis[1], phis[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        phis = ctx.saved_tensors
        total = torch.zeros_like(phis[0])
        for k, grad in enumerate(grads, start=1):
            total += grad * (k * phis[k] - phis[k - 1])
        return total


def _phi_values(z: Tensor) -> tuple[Tensor, ...]:
    """Return phi_1 ... phi_4 at ``-z``: series for small z, recurrence for large z."""
    # phi_4 by its series, then phi_k(x) = x phi_{k+1}(x) + 1/k!, which is stable for |x| < 1
    x = z.clamp(max=_SERIES_BELOW).neg_()
    series = torch.zeros_like(z)
    for j in reversed(range(_TERMS.get(z.dtype, 16))):
        series.mul_(x).add_(1 / math.factorial(4 + j))
    low = [series]
    for k in (3, 2, 1):
        low.insert(0, (x * low[0]).add_(1 / math.factorial(k)))
    # and phi_{k+1}(-z) = (1/k! - phi_k(-z)) / z, which is stable for z > 1
    large = z.clamp(min=_SERIES_BELOW)
    high = [torch.expm1(-large).neg_().div_(large)]
    for k in (1, 2, 3):
        high.append((1 / math.factorial(k) - high[-1]).div_(large))
    near = z < _SERIES_BELOW
    return tuple(torch.where(near, a, b) for a, b in zip(low, high, strict=True))


def phi_functions(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``phi_1(-z), phi_2(-z), phi_3(-z)`` for ``z >= 0``.

    ``phi_1(x) = (e^x - 1) / x`` and ``phi_{k+1}(x) = (phi_k(x) - 1/k!) / x``.

    Parameters
    ----------
    z
        Decay per step, rate times step (dimensionless), any shape.

    References
    ----------
    .. [1] krogstad2005, section 2.
    """
    phis: tuple[Tensor, Tensor, Tensor] = _Phi.apply(z)  # type: ignore[no-untyped-call]
    return phis
