"""Bernoulli gates on units whose probabilities follow a policy gradient of two forward passes."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.pruning._rivals._sparsifier import BatchLoss, Parameters

_NEAR = 0.05  # nearer to 0 or 1 a probability counts as this: one rare draw must not decide


def project_capped(
    values: Float[Tensor, " unit"], total: float, *, steps: int = 60
) -> Float[Tensor, " unit"]:
    """Return the nearest numbers in [0, 1] whose sum is at most `total`.

    They are ``clip(values - c, 0, 1)`` with the smallest c >= 0 that fits, found by bisection.

    Parameters
    ----------
    values
        Any numbers.
    total
        Largest sum, at least 0 (same unit).
    steps
        Halvings of the range of c (count).

    References
    ----------
    .. [1] zhou2021, theorem 1.
    """
    if float(values.clamp(0, 1).sum()) <= total:
        return values.clamp(0, 1)
    low, high = 0.0, float(values.max())
    for _ in range(steps):
        middle = (low + high) / 2
        if float((values - middle).clamp(0, 1).sum()) > total:
            low = middle
        else:
            high = middle
    return (values - high).clamp(0, 1)


def policy_gradient(
    first_loss: Tensor,
    second_loss: Tensor,
    drawn: Float[Tensor, " unit"],
    probability: Float[Tensor, " unit"],
) -> Float[Tensor, " unit"]:
    """Return ``(L(m) - L(m')) * (m - s) / sqrt(s (1 - s))``.

    Unbiased for the gradient of the expected loss but for the factor ``sqrt(s (1 - s))``, which
    keeps the variance bounded near 0 and 1. Nearer than 0.05 to them the root is that at 0.05.

    Parameters
    ----------
    first_loss, second_loss
        Losses of two independent draws m and m' (any unit).
    drawn
        The draw m that belongs to the first, 0 or 1.
    probability
        s, in [0, 1] (dimensionless).

    References
    ----------
    .. [1] zhou2021, section 4: the variance-reduced estimator with its preconditioner, alpha 1/2.
    """
    safe = probability.clamp(_NEAR, 1 - _NEAR)
    return (first_loss - second_loss) * (drawn - probability) / (safe * (1 - safe)).sqrt()


class PolicyGates:
    """Sparse forward and backward training: units are drawn, and what is drawn is trained.

    For units, channels, genes or modules, not for single weights. Measured on a trained PHOENIX
    field of 350 genes (``benchmarks/policy_gradient.py``: probabilities 1/2, cosine to a reference
    of 300 draws): with 80 unit gates 0.12, 0.60, 0.93 and 0.97 after 1, 100, 1,000 and 3,000
    draws; with 56,000 gates per weight 0.00, 0.03, 0.08 and 0.14, which is useless at any
    affordable number of draws.

    The allowed number of units falls from all to the target as the cube of the time left.

    Parameters
    ----------
    gated
        Axis of the units in each weight, by name: 0 for units that a layer computes (channels of a
        convolution), 1 for those that it reads. Every weight has gates of its own.
    parameters
        The weights, for their shapes and device.
    density
        Share of units left at the end, in (0, 1] (dimensionless).
    steps
        Optimisation steps until then (count).
    rate
        Step of the probabilities; losses are relative to their running mean (dimensionless).
    seed
        Of the draws.

    Raises
    ------
    ConfigError
        If a number is out of range or an axis does not exist.

    References
    ----------
    .. [1] zhou2021. Unlike there the loss is divided by its running mean (or itself, if that is
       larger), so that one `rate` does for losses of any scale.
    """

    def __init__(
        self,
        gated: Mapping[str, int],
        parameters: Parameters,
        *,
        density: float,
        steps: int,
        rate: float = 0.05,
        seed: int = 0,
    ) -> None:
        if not 0 < density <= 1 or steps < 1 or not rate > 0:
            raise ConfigError(
                f"density {density:g}, steps {steps} and rate {rate:g} were given; expected a "
                "share in (0, 1] and positive numbers."
            )
        self.gated, self.density, self.steps, self.rate = dict(gated), density, steps, rate
        self._sizes = {}
        for name, axis in gated.items():
            if not 0 <= axis < parameters[name].dim():
                raise ConfigError(
                    f"'{name}' has {parameters[name].dim()} axes, and units were asked for along "
                    f"axis {axis}; take 0 for the units that a layer computes."
                )
            self._sizes[name] = parameters[name].shape[axis]
        self._generator = torch.Generator().manual_seed(seed)
        self.probability = torch.ones(sum(self._sizes.values()), dtype=torch.float64)
        self._scale = torch.zeros((), dtype=torch.float64)
        self._taken = 0

    def weights(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the weights of the units drawn for this step."""
        return self._masked(parameters, self._draw())

    def penalty(self, parameters: Parameters) -> None:
        """Return nothing: the number of units is a constraint."""

    @torch.no_grad()
    def after_step(self, parameters: Parameters, *, rate: float, loss: BatchLoss) -> None:
        """Move the probabilities by two forward passes and project them on what is allowed."""
        drawn, other = self._draw(), self._draw()
        first, second = (
            loss(self._masked(parameters, draw)).detach().double().cpu() for draw in (drawn, other)
        )
        mean = (first + second) / 2
        self._scale = mean if self._taken == 0 else 0.99 * self._scale + 0.01 * mean
        scale = torch.maximum(self._scale, mean).clamp(min=1e-30)
        step = policy_gradient(first / scale, second / scale, drawn, self.probability)
        self._taken += 1
        self.probability = project_capped(self.probability - self.rate * step, self.allowed())

    def allowed(self) -> float:
        """Return how many units are allowed now (count)."""
        left = max(0.0, 1 - self._taken / self.steps)
        return len(self.probability) * (self.density + (1 - self.density) * left**3)

    @torch.no_grad()
    def settle(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the weights of the most probable units, as many as are allowed."""
        count = max(1, round(self.allowed()))
        order = self.probability.argsort(descending=True, stable=True)
        kept = torch.zeros_like(self.probability)
        kept[order[:count]] = 1
        return self._masked(parameters, kept)

    def tensors(self) -> dict[str, Tensor]:
        """Return probabilities, the scale of the loss and the state of the draws."""
        return {
            "probability": self.probability.clone(),
            "scale": self._scale.clone(),
            "taken": torch.tensor(self._taken),
            "generator": self._generator.get_state(),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what `tensors` returned."""
        self.probability = tensors["probability"].cpu().clone()
        self._scale = tensors["scale"].cpu().clone()
        self._taken = int(tensors["taken"])
        self._generator.set_state(tensors["generator"].cpu())

    def _draw(self) -> Tensor:
        uniform = torch.rand(self.probability.shape, generator=self._generator, dtype=torch.float64)
        return (uniform < self.probability).double()

    def _masked(self, parameters: Parameters, units: Tensor) -> dict[str, Tensor]:
        parts = units.split(list(self._sizes.values()))
        found = {}
        for (name, axis), part in zip(self.gated.items(), parts, strict=True):
            weight = parameters[name]
            shape = [1] * weight.dim()
            shape[axis] = -1
            found[name] = weight * part.to(weight).reshape(shape)
        return found
