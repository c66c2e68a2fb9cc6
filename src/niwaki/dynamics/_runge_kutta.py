"""Classical Runge-Kutta methods for any field: fixed steps of order 4, and adaptive steps."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError, DivergedError
from niwaki.dynamics._field import Field, State

# Dormand and Prince's embedded pair of orders 5 and 4: stages, and the difference of both results.
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (
    71 / 57600,
    0.0,
    -71 / 16695,
    71 / 1920,
    -17253 / 339200,
    22 / 525,
    -1 / 40,
)


def _attempt(
    field: Field, state: Tensor, slope: Tensor, h: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the state and the slope one step later, and the estimated error."""
    slopes = [slope]
    for row in _STAGES:
        proposal = state + h * _weighted(row, slopes)
        slopes.append(field(proposal))
    return proposal, slopes[-1], h * _weighted(_ERROR, slopes).detach()


def _weighted(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    total = weights[0] * slopes[0]
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        if weight:
            total = torch.add(total, slope, alpha=weight)
    return total


@dataclass(frozen=True)
class RungeKutta4:
    """The classical method of order 4 with equal steps per gap.

    Attributes
    ----------
    substeps
        Steps per gap (count).
    """

    substeps: int = 4

    def __post_init__(self) -> None:
        if self.substeps < 1:
            raise ConfigError(f"RK4 got {self.substeps} substeps; expected at least 1.")

    def __call__(self, field: Field, start: State, gaps: Float[Tensor, "*member pair"]) -> State:
        """Return the states one gap later."""
        h = gaps.unsqueeze(-2) / self.substeps
        state = start
        for _ in range(self.substeps):
            k1 = field(state)
            k2 = field(torch.addcmul(state, h, k1, value=0.5))
            k3 = field(torch.addcmul(state, h, k2, value=0.5))
            k4 = field(torch.addcmul(state, h, k3))
            state = torch.addcmul(state, h, k1 + 2 * (k2 + k3) + k4, value=1 / 6)
        return state


@dataclass(frozen=True)
class DormandPrince:
    """The adaptive method of orders 5(4), with a step of its own for every pair.

    Steps are chosen first, without gradients, and then taken again with them (discretise, then
    optimise): a refused step, perhaps beyond the finite range, leaves no trace in a gradient.

    Attributes
    ----------
    rtol, atol
        Tolerated error of a step, relative to the state and absolute (data units), in the root
        mean square over genes.
    max_steps
        Attempts per solve before giving up (count).

    References
    ----------
    .. [1] dormand1980, table 2 (RK5(4)7M).
    """

    rtol: float = 1e-6
    atol: float = 1e-8
    max_steps: int = 10_000

    def __post_init__(self) -> None:
        if self.rtol <= 0 or self.atol <= 0 or self.max_steps < 1:
            raise ConfigError(
                f"the adaptive method got rtol {self.rtol}, atol {self.atol} and {self.max_steps} "
                "steps; all must be positive."
            )

    def __call__(self, field: Field, start: State, gaps: Float[Tensor, " pair"]) -> State:
        """Return the states one gap later.

        Raises
        ------
        DivergedError
            If `max_steps` attempts do not reach the end.
        """
        with torch.no_grad():
            end, steps = self._choose(field, start, gaps)
        if not torch.is_grad_enabled():
            return end
        state, slope = start, field(start)
        for h in steps:
            state, slope, _ = _attempt(field, state, slope, h)
        return state

    def _choose(self, field: Field, start: Tensor, gaps: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the end and the steps that lead there: per pair, 0 where one was refused."""
        state, slope = start, field(start)
        time = torch.zeros_like(gaps)
        h = gaps * 0.1
        steps = []
        for _ in range(self.max_steps):
            h = torch.minimum(h, gaps - time)
            proposal, new_slope, gap = _attempt(field, state, slope, h)
            error = self._relative(gap, state, proposal)
            accept = error <= 1
            state = torch.where(accept, proposal, state)
            slope = torch.where(accept, new_slope, slope)
            taken = torch.where(accept, h, 0)
            steps.append(taken)
            time = time + taken
            if bool((gaps - time <= 1e-12 * gaps).all()):
                return state, steps
            h = h * (0.9 * error.clamp(min=1e-10) ** -0.2).clamp(0.2, 5.0)
        raise DivergedError(
            f"the adaptive solver did not reach the end of a gap in {self.max_steps} steps; the "
            "model is stiff or diverging there, so loosen rtol or use the exponential method."
        )

    def _relative(self, gap: Tensor, state: Tensor, proposal: Tensor) -> Tensor:
        """Return the error of a step as a multiple of the tolerated one."""
        tolerated = self.atol + self.rtol * torch.maximum(state.abs(), proposal.abs())
        error = (gap / tolerated).square().mean(0).sqrt()
        # a step that left the finite range is refused and tried again at a fifth of its length
        return torch.nan_to_num(error, nan=1e10, posinf=1e10)
