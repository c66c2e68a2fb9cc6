"""Slow twins of `niwaki.dynamics`, written from the papers with loops, and solved problems."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
import torch
from torch import Tensor

Rate = Callable[[Tensor], Tensor]


def phoenix_rate(state: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """dx/dt of one state, gene by gene and unit by unit (phoenix2024, Methods)."""
    genes, hidden = len(state), len(weights["bias_sum"])
    phi = [(x - 0.5) / (1 + abs(x - 0.5)) for x in state]
    units_sum, units_prod = [], []
    for k in range(hidden):
        total, product = weights["bias_sum"][k], math.exp(weights["bias_prod"][k])
        for j in range(genes):
            total += weights["weight_sum"][k, j] * phi[j]
            product *= (1 + phi[j]) ** weights["weight_prod"][k, j]
        units_sum.append(total)
        units_prod.append(product)
    rates = []
    for i in range(genes):
        drive = sum(
            weights["output_sum"][i, k] * units_sum[k]
            + weights["output_prod"][i, k] * units_prod[k]
            for k in range(hidden)
        )
        rates.append(max(weights["multiplier"][i], 0.0) * (drive - state[i]))
    return np.array(rates)


def mlp_rate(state: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """dx/dt of one state of the two-layer ELU network."""
    units = []
    for k, bias in enumerate(weights["bias"]):
        total = bias + sum(w * x for w, x in zip(weights["weight"][k], state, strict=True))
        units.append(total if total > 0 else math.expm1(total))
    return np.array(
        [
            bias + sum(c * u for c, u in zip(weights["output"][i], units, strict=True))
            for i, bias in enumerate(weights["output_bias"])
        ]
    )


def phi(k: int, z: float) -> float:
    """phi_k(-z) = 1F1(1; k + 1; -z) / k!, in 40 digits: one function for every z, 0 included."""
    with mpmath.workdps(40):
        return float(mpmath.hyp1f1(1, k + 1, -mpmath.mpf(z)) / mpmath.factorial(k))


def rk4_step(rate: Rate, x: Tensor, h: float) -> Tensor:
    """One step of the classical method, longhand."""
    k1 = rate(x)
    k2 = rate(x + h / 2 * k1)
    k3 = rate(x + h / 2 * k2)
    k4 = rate(x + h * k3)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _phi_vector(k: int, z: Tensor) -> Tensor:
    return torch.tensor([phi(k, value) for value in z.tolist()], dtype=z.dtype)


def etd2_step(rates: Tensor, drive: Rate, x: Tensor, h: float) -> Tensor:
    """ETD2RK for dx/dt = -v x + v g(x), one state (cox2002, equations 20 to 22)."""

    def nonlinear(y: Tensor) -> Tensor:
        return rates * drive(y)

    z = rates * h
    a = torch.exp(-z) * x + h * _phi_vector(1, z) * nonlinear(x)
    return a + h * _phi_vector(2, z) * (nonlinear(a) - nonlinear(x))


def etd4_step(rates: Tensor, drive: Rate, x: Tensor, h: float) -> Tensor:
    """ETD4RK-B for dx/dt = -v x + v g(x), one state (krogstad2005, section 5)."""

    def nonlinear(y: Tensor) -> Tensor:
        return rates * drive(y)

    z = rates * h
    half, whole = torch.exp(-z / 2), torch.exp(-z)
    p1h, p2h = _phi_vector(1, z / 2), _phi_vector(2, z / 2)
    p1, p2, p3 = (_phi_vector(k, z) for k in (1, 2, 3))
    n1 = nonlinear(x)
    a = half * x + h / 2 * p1h * n1
    n2 = nonlinear(a)
    b = half * x + h * (p1h / 2 - p2h) * n1 + h * p2h * n2
    n3 = nonlinear(b)
    c = whole * x + h * (p1 - 2 * p2) * n1 + 2 * h * p2 * n3
    n4 = nonlinear(c)
    return (
        whole * x
        + h * (4 * p3 - 3 * p2 + p1) * n1
        + h * (2 * p2 - 4 * p3) * (n2 + n3)
        + h * (4 * p3 - p2) * n4
    )


@dataclass(frozen=True)
class Logistic:
    """dx/dt = v (g(x) - x) with g(x) = (1 + r) x - r x²: logistic growth at the rate v r."""

    v: Tensor
    r: float = 1.5

    def rate(self) -> Tensor:
        return self.v

    def drive(self, state: Tensor) -> Tensor:
        return (1 + self.r) * state - self.r * state.square()

    def __call__(self, state: Tensor) -> Tensor:
        return self.v[:, None] * (self.drive(state) - state)

    def exact(self, start: Tensor, gaps: Tensor) -> Tensor:
        growth = torch.exp(self.v[:, None] * self.r * gaps)
        return start * growth / (1 + start * (growth - 1))


@dataclass(frozen=True)
class Relaxation:
    """dx/dt = v (level - x): exponential approach to a constant level."""

    v: Tensor
    level: Tensor

    def rate(self) -> Tensor:
        return self.v

    def drive(self, state: Tensor) -> Tensor:
        return self.level[:, None].expand_as(state)

    def __call__(self, state: Tensor) -> Tensor:
        return self.v[:, None] * (self.drive(state) - state)

    def exact(self, start: Tensor, gaps: Tensor) -> Tensor:
        return self.level[:, None] + (start - self.level[:, None]) * torch.exp(
            -self.v[:, None] * gaps
        )


@dataclass(frozen=True)
class Rotation:
    """Two genes turning around each other at one radian per time unit; no decay form."""

    def __call__(self, state: Tensor) -> Tensor:
        return torch.stack((state[1], -state[0]))

    def exact(self, start: Tensor, gaps: Tensor) -> Tensor:
        cos, sin = torch.cos(gaps), torch.sin(gaps)
        return torch.stack((start[0] * cos + start[1] * sin, start[1] * cos - start[0] * sin))
