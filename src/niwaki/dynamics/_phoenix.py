"""The PHOENIX field: an additive and a multiplicative branch of regulation, with decay."""

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from niwaki.core import ConfigError
from niwaki.dynamics._field import State

Initialisation = Literal["dash", "phoenix"]


class PhoenixField(nn.Module):
    """``dx/dt = ReLU(v) * (C_sum s + C_prod p - x)`` with two hidden branches.

    With ``phi(x) = (x - 1/2) / (1 + |x - 1/2|)``:

    - additive: ``s = W_sum phi(x) + b_sum``;
    - multiplicative: ``p = exp(W_prod log(1 + phi(x)) + b_prod)``, a product of powers (AND-like).

    A gene whose multiplier v is not positive stays constant; that is how inputs are learned.

    Parameters
    ----------
    genes
        Number of genes (count).
    hidden
        Hidden units per branch (count).
    generator
        Source of the random start.
    initialisation
        ``dash``: orthogonal output weights; ``phoenix``: output weights as sparse as the first
        layer. Both start the first layer with 95 % zeros per gene and N(0, 0.05) elsewhere, and
        the multipliers with U(0, 1).

    Raises
    ------
    ConfigError
        If a size is not positive.

    References
    ----------
    .. [1] phoenix2024, Methods. dash2024 splits the output layer in two, as here; both forms are
       the same function.
    """

    def __init__(
        self,
        genes: int,
        *,
        hidden: int,
        generator: torch.Generator,
        initialisation: Initialisation = "dash",
    ) -> None:
        super().__init__()
        if genes < 1 or hidden < 1:
            raise ConfigError(
                f"a PHOENIX field got {genes} genes and {hidden} hidden units; both must be at "
                "least 1."
            )
        self.weight_sum = nn.Parameter(_mostly_zero(hidden, genes, generator))
        self.weight_prod = nn.Parameter(_mostly_zero(hidden, genes, generator))
        bound = 1 / math.sqrt(genes)
        self.bias_sum = nn.Parameter(_uniform(hidden, generator) * 2 * bound - bound)
        self.bias_prod = nn.Parameter(_uniform(hidden, generator) * 2 * bound - bound)
        self.output_sum = nn.Parameter(_output(genes, hidden, generator, initialisation))
        self.output_prod = nn.Parameter(_output(genes, hidden, generator, initialisation))
        self.multiplier = nn.Parameter(_uniform(genes, generator))

    def rate(self) -> Float[Tensor, " gene"]:
        """Return ReLU(v) (per time unit)."""
        return torch.relu(self.multiplier)

    def drive(self, state: State) -> State:
        """Return g(x) = C_sum s + C_prod p (data units)."""
        return phoenix_drive(state, *(getattr(self, name) for name in DRIVING))

    def forward(self, state: State) -> State:
        """Return dx/dt."""
        return self.rate()[:, None] * (self.drive(state) - state)


# Parameters of the drive, in the order in which it takes them.
DRIVING = ("weight_sum", "bias_sum", "weight_prod", "bias_prod", "output_sum", "output_prod")


def phoenix_drive(state: State, *weights: Tensor) -> State:
    """Return g(x) of one field, or of fields side by side, from the parameters `DRIVING`."""
    drive: Tensor = _Drive.apply(state, *weights)  # type: ignore[no-untyped-call]
    return drive


class _Drive(torch.autograd.Function):
    """g(x) with a hand-derived backward pass: half the operations of the recorded one.

    States, weights and biases may all have an axis for members before the others.
    """

    @staticmethod
    def forward(
        ctx: Any,
        state: Tensor,
        weight_sum: Tensor,
        bias_sum: Tensor,
        weight_prod: Tensor,
        bias_prod: Tensor,
        output_sum: Tensor,
        output_prod: Tensor,
    ) -> Tensor:
        centred = state - 0.5
        scale = centred.abs().add_(1).reciprocal_()
        phi = centred.mul_(scale)
        base = phi + 1
        log_phi = base.log()  # log1p takes three times as long, for digits that the sum then loses
        total = _added(bias_sum[..., None], weight_sum, phi)
        product = _added(bias_prod[..., None], weight_prod, log_phi).exp_()
        drive = _added(output_sum @ total, output_prod, product)
        ctx.save_for_backward(
            phi,
            scale,
            base,
            log_phi,
            total,
            product,
            weight_sum,
            weight_prod,
            output_sum,
            output_prod,
        )
        return drive

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        phi, scale, base, log_phi, total, product, *weights = ctx.saved_tensors
        w_sum, w_prod, c_sum, c_prod = weights
        grad_total = c_sum.mT @ grad
        grad_log_product = (c_prod.mT @ grad) * product  # not in place: these may be repeated views
        grad_state = None
        if ctx.needs_input_grad[0]:
            through_prod = (w_prod.mT @ grad_log_product).div_(base)
            grad_state = _added(through_prod, w_sum.mT, grad_total).mul_(scale).mul_(scale)
        if not any(ctx.needs_input_grad[1:]):  # attribution asks for the state alone
            return grad_state, None, None, None, None, None, None
        return (
            grad_state,
            grad_total @ phi.mT,
            grad_total.sum(-1),
            grad_log_product @ log_phi.mT,
            grad_log_product.sum(-1),
            grad @ total.mT,
            grad @ product.mT,
        )


def _added(to: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Return ``to + left @ right``."""
    return torch.addmm(to, left, right) if left.dim() == 2 else torch.baddbmm(to, left, right)


def _uniform(count: int, generator: torch.Generator) -> Float[Tensor, " count"]:
    return torch.rand(count, generator=generator)


def _mostly_zero(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """N(0, 0.05), with 95 % of each column zero (torch's ``init.sparse_``, but seeded)."""
    weight = torch.randn(rows, columns, generator=generator) * 0.05
    order = torch.rand(rows, columns, generator=generator).argsort(0)
    return weight.masked_fill_(order < math.ceil(0.95 * rows), 0.0)


def _output(
    genes: int, hidden: int, generator: torch.Generator, initialisation: Initialisation
) -> Tensor:
    if initialisation == "phoenix":
        return _mostly_zero(genes, hidden, generator)
    return nn.init.orthogonal_(torch.empty(genes, hidden), generator=generator)
