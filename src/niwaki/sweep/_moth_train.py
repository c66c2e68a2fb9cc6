"""Many small networks trained and pruned together, as one batch of matrix products."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from niwaki.core import DivergedError, derived_seed

SIZES = (10, 400, 400, 400, 16, 7)
_RATE = 5e-4  # learning rate of Adam in the publication
StepHook = Callable[[int, "Swarm"], None]


@dataclass(frozen=True)
class Quirks:
    """Slips of the released code, off by default; each is named by what it does.

    Attributes
    ----------
    bias_at_weight_cutoff
        Biases are compared with the cut-off of the weights, which prunes nearly all of them.
    regrowth
        Masks are made anew from weights that still move after they were pruned, so that pruned
        weights come back.
    one_too_few
        A weight must exceed the cut-off, so that each layer keeps one weight less than planned.
    repeated_batch
        The error is that of one batch of 1,024 rows.

    References
    ----------
    .. [1] zahn2022, released code.
    """

    bias_at_weight_cutoff: bool = False
    regrowth: bool = False
    one_too_few: bool = False
    repeated_batch: bool = False


@dataclass
class Swarm:
    """Networks of one shape that train together; nothing passes between them.

    Weights are ``[network, ins, outs]``, which is the layout that their gradients have.

    Attributes
    ----------
    weights, biases
        One tensor per layer.
    masks, bias_masks
        Survivors; pruned weights are exactly 0, unless regrowth was asked for.
    adam
        Their common optimiser, which works on each weight by itself.
    updates
        Updates so far (count).
    movement
        Sum over all updates of minus weight times gradient, where a criterion looks at it.
    """

    weights: list[Float[Tensor, "network _ins _outs"]]
    biases: list[Float[Tensor, "network one _outs"]]
    masks: list[Bool[Tensor, "network _ins _outs"]]
    bias_masks: list[Bool[Tensor, "network one _outs"]]
    updates: int = 0
    movement: list[Tensor] | None = None
    adam: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        for parameter in self.parameters():
            parameter.requires_grad_(True)
        self.adam = torch.optim.Adam(self.parameters(), lr=_RATE, fused=True)

    def parameters(self) -> list[Tensor]:
        """Return weights, then biases."""
        return [*self.weights, *self.biases]

    def survivors(self) -> list[Tensor]:
        """Return the masks in the order of `parameters`."""
        return [*self.masks, *self.bias_masks]

    def living(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return weights and biases with what is pruned set to zero."""
        return (
            [w.detach() * m for w, m in zip(self.weights, self.masks, strict=True)],
            [b.detach() * m for b, m in zip(self.biases, self.bias_masks, strict=True)],
        )


def new_swarm(seeds: Sequence[int], *, sizes: Sequence[int] = SIZES, device: str = "cpu") -> Swarm:
    """Return untrained networks: weights N(0, 0.2^2), biases 0.

    A network depends on its seed alone, not on its companions.

    References
    ----------
    .. [1] zahn2022, released code.
    """
    drawn: list[list[np.ndarray]] = [[] for _ in range(len(sizes) - 1)]
    for seed in seeds:
        rng = np.random.default_rng(derived_seed(seed, "start"))
        for layer, shape in enumerate(itertools.pairwise(sizes)):
            drawn[layer].append(rng.normal(0.0, 0.2, shape).astype(np.float32))
    weights = [torch.from_numpy(np.stack(layer)).to(device) for layer in drawn]
    biases = [torch.zeros(len(seeds), 1, size, device=device) for size in sizes[1:]]
    return Swarm(
        weights,
        biases,
        [torch.ones_like(w, dtype=torch.bool) for w in weights],
        [torch.ones_like(b, dtype=torch.bool) for b in biases],
    )


def outputs(
    weights: Sequence[Tensor], biases: Sequence[Tensor], rows: Float[Tensor, "row ins"]
) -> Float[Tensor, "network row outs"]:
    """Return what each network says of the rows: tanh layers, and a linear one."""
    hidden = rows.expand(weights[0].shape[0], *rows.shape)
    last = len(weights) - 1
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        hidden = torch.baddbmm(bias, hidden, weight)
        if layer < last:
            hidden = torch.tanh(hidden)
    return hidden


def errors(
    swarm: Swarm, inputs: Float[Tensor, "row ins"], targets: Float[Tensor, "row outs"]
) -> Float[Tensor, " network"]:
    """Return the mean squared error of each network, in chunks that fit in memory."""
    weights, biases = swarm.living()
    total = torch.zeros(weights[0].shape[0], dtype=torch.float64, device=inputs.device)
    chunk = 2048
    with torch.no_grad():
        for begin in range(0, len(inputs), chunk):
            rows = slice(begin, begin + chunk)
            gap = outputs(weights, biases, inputs[rows]) - targets[rows]
            total += gap.double().square().sum((1, 2))
    return total / targets.numel()


@dataclass(frozen=True)
class TrainPlan:
    """How one stage is trained.

    Attributes
    ----------
    most
        Updates at most (count).
    least
        Updates before the stage may stop (count).
    batch
        Rows per update (count).
    check
        Updates between looks at the validation error (count).
    gain
        The stage stops when the mean error of the last `window` looks is not smaller by this share
        than that of the `window` before; None trains to the end (dimensionless).
    window
        See `gain` (count).
    """

    most: int
    least: int = 1_000
    batch: int = 128
    check: int = 100
    gain: float | None = 0.01
    window: int = 5


def train(
    swarm: Swarm,
    inputs: Float[Tensor, "row ins"],
    targets: Float[Tensor, "row outs"],
    *,
    validation: tuple[Tensor, Tensor],
    plan: TrainPlan,
    rng: np.random.Generator,
    quirks: Quirks | None = None,
    hook: StepHook | None = None,
) -> int:
    """Train the networks in place with Adam on common batches; return the updates made.

    The loss is the sum of the networks' mean squared errors, so that a network's gradient does not
    depend on how many there are (the released code takes the mean, which Adam hardly feels).

    Raises
    ------
    DivergedError
        If an error is not finite.
    """
    shown = [m.float() for m in swarm.survivors()]
    pruned = not all(bool(m.all()) for m in swarm.survivors())
    regrow = quirks is not None and quirks.regrowth
    seen: list[float] = []
    order = torch.empty(0, dtype=torch.long)
    place = 0
    for update in range(1, plan.most + 1):
        if place + plan.batch > len(order):
            order, place = torch.from_numpy(rng.permutation(len(inputs))).to(inputs.device), 0
        rows = order[place : place + plan.batch]
        place += plan.batch
        _update(swarm, inputs[rows], targets[rows], shown if pruned else [], regrow=regrow)
        if hook is not None:
            hook(swarm.updates, swarm)
        if update % plan.check == 0:
            seen.append(float(errors(swarm, *validation).mean()))
            if not np.isfinite(seen[-1]):
                raise DivergedError("the networks diverged; lower the learning rate.")
            if update >= plan.least and _settled(seen, plan):
                return update
    return plan.most


@contextmanager
def fewer_digits(wanted: bool) -> Iterator[None]:
    """Let products of float32 matrices round their factors, where the processor gains by it.

    Parameters
    ----------
    wanted
        Otherwise nothing changes.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if wanted else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _settled(seen: list[float], plan: TrainPlan) -> bool:
    if plan.gain is None or len(seen) < 2 * plan.window:
        return False
    now, before = np.mean(seen[-plan.window :]), np.mean(seen[-2 * plan.window : -plan.window])
    return bool(now > (1 - plan.gain) * before)


def _update(
    swarm: Swarm, rows: Tensor, wanted: Tensor, masks: Sequence[Tensor], *, regrow: bool
) -> None:
    """Take one step of Adam; pruned weights stay exactly zero, unless they may grow back."""
    parameters = swarm.parameters()
    used = parameters
    if regrow and masks:
        used = [p * m for p, m in zip(parameters, masks, strict=True)]
    half = len(swarm.weights)
    gap = outputs(used[:half], used[half:], rows) - wanted
    swarm.adam.zero_grad()
    gap.square().mean((1, 2)).sum().backward()
    if swarm.movement is not None:
        with torch.no_grad():
            for moved, p in zip(swarm.movement, parameters, strict=True):
                if p.grad is not None:
                    moved.addcmul_(p, p.grad, value=-1)
    swarm.adam.step()
    swarm.updates += 1
    if not regrow:
        with torch.no_grad():
            for parameter, mask in zip(parameters, masks, strict=False):
                parameter.mul_(mask)


def prune(
    swarm: Swarm, sparsity: float, *, scores: Sequence[Tensor], quirks: Quirks | None = None
) -> None:
    """Prune every layer of every network to `sparsity` of its original size, in place.

    Exactly ``n - round(sparsity n)`` weights of each layer survive, and as large a share of its
    biases; only survivors can survive.

    Parameters
    ----------
    swarm
        The networks.
    sparsity
        Share of the original weights to be without (dimensionless).
    scores
        What each weight is worth, in the order of `Swarm.parameters`; the lowest go.
    quirks
        Slips of the released code to repeat.
    """
    slips = quirks or Quirks()
    half = len(swarm.weights)
    for layer, (worth, bias_worth) in enumerate(zip(scores[:half], scores[half:], strict=True)):
        for network in range(len(worth)):
            mask, own = swarm.masks[layer][network], swarm.bias_masks[layer][network]
            value = worth[network]
            if not slips.regrowth:
                value = torch.where(mask, value, -torch.inf)
            keep = mask.numel() - round(sparsity * mask.numel()) - int(slips.one_too_few)
            swarm.masks[layer][network] = _top(value, keep)
            if slips.bias_at_weight_cutoff:
                cutoff = value.flatten().sort(descending=True).values[max(keep, 0)]
                swarm.bias_masks[layer][network] = bias_worth[network] > cutoff
                continue
            left = own.numel() - round(sparsity * own.numel())
            living = torch.where(own, bias_worth[network], -torch.inf)
            swarm.bias_masks[layer][network] = _top(living, left)
    if slips.regrowth:
        return
    with torch.no_grad():
        for parameter, mask in zip(swarm.parameters(), swarm.survivors(), strict=True):
            parameter.mul_(mask)
            for name in ("exp_avg", "exp_avg_sq"):
                if parameter in swarm.adam.state:
                    swarm.adam.state[parameter][name].mul_(mask)


def _top(value: Tensor, keep: int) -> Tensor:
    """Return a mask of the `keep` highest entries; of equal ones the first stay."""
    order = torch.argsort(value.flatten(), descending=True, stable=True)
    mask = torch.zeros(value.numel(), dtype=torch.bool, device=value.device)
    mask[order[: max(keep, 0)]] = True
    return mask.reshape(value.shape)
