"""Hard-concrete gates: the L0 penalty, and PathReg on paths of gates."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.pruning._rivals._proximal import check_strength
from niwaki.pruning._rivals._sparsifier import BatchLoss, Parameters

LOW, HIGH, TEMPERATURE = -0.1, 1.1, 2 / 3  # gamma, zeta and beta of the paper


def draw_gates(
    log_alpha: Float[Tensor, "*axes"], uniform: Float[Tensor, "*axes"]
) -> Float[Tensor, "*axes"]:
    """Return hard-concrete gates in [0, 1] from uniform numbers in (0, 1).

    References
    ----------
    .. [1] louizos2018, equations 10 and 11.
    """
    logit = uniform.log() - (-uniform).log1p() + log_alpha
    return (torch.sigmoid(logit / TEMPERATURE) * (HIGH - LOW) + LOW).clamp(0, 1)


def open_probability(log_alpha: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Return the probability that a gate is not 0.

    References
    ----------
    .. [1] louizos2018, equation 12.
    """
    return torch.sigmoid(log_alpha - TEMPERATURE * math.log(-LOW / HIGH))


def settled_gates(log_alpha: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Return the gates used after training.

    References
    ----------
    .. [1] louizos2018, equation 13.
    """
    return (torch.sigmoid(log_alpha) * (HIGH - LOW) + LOW).clamp(0, 1)


def path_sum(
    first: Float[Tensor, "hidden input"], output: Float[Tensor, "target hidden"]
) -> Tensor:
    """Return the mean over all input-output pairs of the sum over paths of both layers' entries.

    Entries must not be negative. It costs as much as reading both layers: the sum factorises.
    """
    total = (output.sum(0) * first.sum(1)).sum()
    return total / (first.shape[1] * output.shape[0])


class Gates:
    """Stochastic gates on weights, learned with the weights.

    The gates are drawn once per optimisation step, so that a solver sees one right-hand side from
    start to end, and the penalty is part of the loss. (The released code of the comparison that
    this replaces draws anew in every evaluation and never adds the penalty.)

    - ``l0``: the expected share of open gates.
    - ``pathreg``: the expected number of open paths per input-output pair, plus the mean size of
      the gated paths, ``mean(abs(C z) @ abs(W z))``.

    Parameters
    ----------
    kind
        Which penalty.
    chains
        Names of the first and the output weights of each pair of layers.
    parameters
        The weights, for their shapes and device.
    strength
        Factor on the penalty (loss per share of open gates, or per open path).
    level
        A gate for each ``weight``, or for each unit that a layer reads (``unit``: genes in first
        layers, hidden units in output layers).
    path_size
        Factor on the mean size of paths, for ``pathreg`` (loss per unit of weight squared).
    rate
        Adam's step of the gates (dimensionless).
    seed
        Of the draws.

    Raises
    ------
    ConfigError
        If a number is out of range.

    References
    ----------
    .. [1] louizos2018, gates per weight or per input unit.
    .. [2] aliee2022, PathReg; there gates per input unit.
    """

    def __init__(
        self,
        kind: Literal["l0", "pathreg"],
        chains: Sequence[tuple[str, str]],
        parameters: Parameters,
        *,
        strength: float,
        level: Literal["weight", "unit"] = "weight",
        path_size: float = 1e-3,
        rate: float = 1e-2,
        seed: int = 0,
    ) -> None:
        check_strength(strength)
        if not (rate > 0 and path_size >= 0):
            raise ConfigError(f"rate {rate:g} and path_size {path_size:g} must not be negative.")
        self.kind, self.chains, self.level = kind, tuple(chains), level
        self.strength, self.path_size = strength, path_size
        self._generator = torch.Generator().manual_seed(seed)
        self.log_alpha: dict[str, Tensor] = {}
        for name in (n for pair in chains for n in pair):
            weight = parameters[name]
            shape = weight.shape if level == "weight" else (1, weight.shape[1])
            # nine in ten open in the mean, as a drop rate of 0.1
            noise = 0.01 * torch.randn(shape, generator=self._generator, dtype=weight.dtype)
            self.log_alpha[name] = (math.log(9) + noise).to(weight.device).requires_grad_()
        self._adam = torch.optim.Adam(self.log_alpha.values(), lr=rate)
        self._gated: dict[str, Tensor] = {}

    def weights(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return gated weights from one draw."""
        self._gated = {}
        for name, log_alpha in self.log_alpha.items():
            uniform = torch.rand(log_alpha.shape, generator=self._generator, dtype=log_alpha.dtype)
            gates = draw_gates(log_alpha, uniform.clamp(1e-6, 1 - 1e-6).to(log_alpha.device))
            self._gated[name] = parameters[name] * gates
        return dict(self._gated)

    def penalty(self, parameters: Parameters) -> Tensor:
        """Return the expected penalty (units of the loss)."""
        openness = {n: open_probability(a) for n, a in self.log_alpha.items()}
        full = {n: openness[n].expand(parameters[n].shape) for n in openness}
        if self.kind == "l0":
            count = sum(p.numel() for p in full.values())
            return self.strength * torch.stack([p.sum() for p in full.values()]).sum() / count
        terms = []
        for first, output in self.chains:
            terms.append(self.strength * path_sum(full[first], full[output]))
            size = path_sum(self._gated[first].abs(), self._gated[output].abs())
            terms.append(self.path_size * size)
        return torch.stack(terms).sum()

    def after_step(self, parameters: Parameters, *, rate: float, loss: BatchLoss) -> None:
        """Move the gates along their gradient."""
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        self._gated = {}

    @torch.no_grad()
    def settle(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the weights times their settled gates."""
        return {n: parameters[n] * settled_gates(a) for n, a in self.log_alpha.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Return gates, moments and the state of the draws."""
        found = {f"alpha.{n}": a.detach().clone() for n, a in self.log_alpha.items()}
        for name, alpha in self.log_alpha.items():
            for key, value in self._adam.state[alpha].items():
                found[f"adam.{name}.{key}"] = value.clone()
        return {**found, "generator": self._generator.get_state()}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what `tensors` returned."""
        self._generator.set_state(tensors["generator"].cpu())
        for name, alpha in self.log_alpha.items():
            alpha.copy_(tensors[f"alpha.{name}"])
            start = f"adam.{name}."
            moments = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            if moments:
                self._adam.state[alpha] = {k: v.clone() for k, v in moments.items()}
