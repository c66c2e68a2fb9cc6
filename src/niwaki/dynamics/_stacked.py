"""Fields of one shape trained and solved side by side, as one program over all of them.

One small field keeps neither a GPU busy nor a processor that computes operation by operation; many
at once do. On the CPU the compiled engine is faster still, one field after the other.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from niwaki.dynamics._engine._runner import ADAM_BETAS, ADAM_EPSILON
from niwaki.dynamics._exponential import Exponential
from niwaki.dynamics._field import State
from niwaki.dynamics._fused import scheme_of
from niwaki.dynamics._optimiser import Masks, Training
from niwaki.dynamics._phoenix import DRIVING, PhoenixField, phoenix_drive
from niwaki.dynamics._runge_kutta import RungeKutta4
from niwaki.dynamics._shooting import arriving_pairs, filtered_starts
from niwaki.dynamics._solve import Method
from niwaki.dynamics._train import MOST_VALUES, PairTensors


def can_stack(field: nn.Module, method: Method) -> bool:
    """Say whether fields like this one are trained faster side by side than one by one.

    That is so for PHOENIX fields under methods of fixed steps, where there is no engine for them.
    """
    known = type(field) is PhoenixField and isinstance(method, Exponential | RungeKutta4)
    return known and scheme_of(field, method) is None


class StackedFields:
    """PHOENIX fields of one shape as one field of states ``[member, gene, pair]``.

    Parameters
    ----------
    fields
        Their weights are copied.
    """

    def __init__(self, fields: Sequence[nn.Module]) -> None:
        names = [name for name, _ in fields[0].named_parameters()]
        self.values = {
            name: torch.stack([field.get_parameter(name).detach() for field in fields])
            for name in names
        }

    def rate(self) -> Float[Tensor, "member gene"]:
        """Return ReLU(v) of every member (per time unit)."""
        return torch.relu(self.values["multiplier"])

    def drive(self, state: State) -> State:
        """Return g(x) of every member (data units)."""
        return phoenix_drive(state, *(self.values[name] for name in DRIVING))

    def __call__(self, state: State) -> State:
        """Return dx/dt of every member."""
        return self.rate()[..., None] * (self.drive(state) - state)


# ------------------------------------------------------------------------- training
def train_together(
    trainings: Sequence[Training],
    pairs: Sequence[PairTensors],
    *,
    batches: Sequence[Sequence[Int[np.ndarray, " _"]]],
    method: Method,
    masks: Sequence[Masks],
) -> list[tuple[float, Int[np.ndarray, " _"] | None]]:
    """Train every member for one epoch as `train_epoch` would.

    A member whose loss is no longer a finite number stops before that step; the others go on.

    Parameters
    ----------
    trainings
        Of PHOENIX fields of one shape, on one device.
    pairs, batches, masks
        Of each member. Members may have different numbers of pairs and batches.
    method
        Of fixed steps.

    Returns
    -------
    list
        Of each member the mean loss (squared data units), and the batch that stopped it or None.
    """
    for training, mask in zip(trainings, masks, strict=True):
        training.apply_masks(mask)
    stack = StackedFields([training.field for training in trainings])
    start = _side_by_side([seen.start for seen in pairs])
    end = _side_by_side([seen.end for seen in pairs])
    gaps = _side_by_side([seen.gaps for seen in pairs])
    column, share = _padded(batches)
    column, share = column.to(start.device), share.to(start)
    adam = _StackedAdam(trainings, stack, steps=[len(group) for group in batches])
    sums = start.new_zeros(len(trainings))
    weights = list(stack.values.values())
    for step in range(len(column)):
        here = column[step]
        at = here[:, None, :].expand(-1, start.shape[1], -1)
        for weight in weights:
            weight.requires_grad_()
        ends = method(stack, start.gather(2, at), gaps.gather(1, here))
        losses = ((ends - end.gather(2, at)).square().mean(1) * share[step]).sum(1)
        grads = torch.autograd.grad(losses.sum(), weights)
        sums += losses.detach() * share[step].count_nonzero(1)
        adam.step(step, grads, sound=losses.detach().isfinite())
    found: list[tuple[float, Int[np.ndarray, " _"] | None]] = []
    for total, taken, group in zip(sums.tolist(), adam.store(), batches, strict=True):
        if taken < len(group):
            found.append((float("nan"), group[taken]))
        else:
            found.append((total / sum(len(batch) for batch in group), None))
    return found


def _side_by_side(parts: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, "member ..."]:
    """Return an array of every member as one, padded with zeros to as many pairs."""
    most = max(part.shape[-1] for part in parts)
    return torch.stack([nn.functional.pad(part, (0, most - part.shape[-1])) for part in parts])


def _padded(
    batches: Sequence[Sequence[Int[np.ndarray, " _"]]],
) -> tuple[Int[Tensor, "step member column"], Float[Tensor, "step member column"]]:
    """Return the columns of every step, and the share of each in the loss: 0 where padded."""
    steps = max(len(group) for group in batches)
    width = max(len(batch) for group in batches for batch in group)
    column = torch.zeros(steps, len(batches), width, dtype=torch.int64)
    share = torch.zeros(steps, len(batches), width, dtype=torch.float64)
    for member, group in enumerate(batches):
        for step, batch in enumerate(group):
            column[step, member, : len(batch)] = torch.from_numpy(batch)
            share[step, member, : len(batch)] = 1 / len(batch)
    return column, share


class _StackedAdam:
    """Adam on stacked weights; every member has its own rates, masks and number of steps."""

    def __init__(
        self, trainings: Sequence[Training], stack: StackedFields, *, steps: Sequence[int]
    ) -> None:
        self._trainings, self._stack, self._steps = trainings, stack, steps
        self._groups = [list(training.groups()) for training in trainings]
        self._alive: dict[str, Tensor] = {}
        self._first: dict[str, Tensor] = {}
        self._second: dict[str, Tensor] = {}
        self._size: dict[str, Tensor] = {}
        like = next(iter(stack.values.values()))
        active, taken = self._schedule()
        self._active = torch.from_numpy(active).to(like)
        self._root = torch.from_numpy(1 / np.sqrt(1 - ADAM_BETAS[1] ** taken)).to(like)
        self._sound = torch.ones(len(trainings), dtype=torch.bool, device=like.device)
        self._taken = torch.zeros(len(trainings), dtype=torch.int64, device=like.device)
        for at, name in enumerate(stack.values):
            alive = [training.survivors.get(name) for training in trainings]
            moments = [t.adam_state(g[at][2]) for t, g in zip(trainings, self._groups, strict=True)]
            for to, key in ((self._first, "exp_avg"), (self._second, "exp_avg_sq")):
                wholes = [
                    m[key] if a is None else a.spread(m[key])
                    for m, a in zip(moments, alive, strict=True)
                ]
                to[name] = torch.stack(wholes)
            if any(a is not None for a in alive):
                every = torch.ones(
                    stack.values[name].shape[1:], dtype=torch.bool, device=like.device
                )
                masks = [every if a is None else a.mask for a in alive]
                self._alive[name] = torch.stack(masks).to(like)
            rates = np.array([g[at][2]["lr"] for g in self._groups])
            size = rates / (1 - ADAM_BETAS[0] ** taken)
            self._size[name] = torch.from_numpy(size).to(like)

    def _schedule(self) -> tuple[np.ndarray, np.ndarray]:
        """Return, per step and member, whether it takes a step, and the number of that step."""
        states = [t.adam_state(g[0][2]) for t, g in zip(self._trainings, self._groups, strict=True)]
        before = torch.stack([state["step"] for state in states]).cpu().numpy()
        step = np.arange(max(self._steps))[:, None]
        active = step < np.array(self._steps)
        return active.astype(np.float64), step + 1.0 + before

    @torch.no_grad()
    def step(self, at: int, grads: Sequence[Tensor], *, sound: Tensor) -> None:
        """Take one step of every member that has a batch and whose losses were finite so far."""
        self._sound &= sound
        moving = self._active[at] * self._sound
        self._taken += moving.long()
        for (name, weight), grad in zip(self._stack.values.items(), grads, strict=True):
            weight.requires_grad_(False)
            shape = (-1, *[1] * (weight.dim() - 1))
            move, size, root, well = (
                part.view(shape)
                for part in (moving, self._size[name][at] * moving, self._root[at], self._sound)
            )
            alive = self._alive.get(name)
            slope = torch.where(well, grad if alive is None else grad * alive, 0.0)
            first = self._first[name].lerp_(slope, (1 - ADAM_BETAS[0]) * move)
            second = self._second[name].lerp_(slope.square(), (1 - ADAM_BETAS[1]) * move)
            weight.sub_(size * first / (second.sqrt() * root + ADAM_EPSILON))

    @torch.no_grad()
    def store(self) -> list[int]:
        """Give fields and optimisers what the steps have made of them; return how many there were.

        A member that takes no more steps before its batches are over was stopped by its loss.
        """
        taken: list[int] = self._taken.tolist()
        for member, training in enumerate(self._trainings):
            for name, parameter, group in self._groups[member]:
                parameter.copy_(self._stack.values[name][member])
                alive, state = training.survivors.get(name), training.adam_state(group)
                for key, moments in (("exp_avg", self._first), ("exp_avg_sq", self._second)):
                    whole = moments[name][member]
                    state[key].copy_(whole if alive is None else alive.pick(whole))
                state["step"] += taken[member]
        return taken


# ------------------------------------------------------------------------- solves
def losses_together(
    fields: Sequence[nn.Module], pairs: Sequence[PairTensors], *, method: Method
) -> list[Float[np.ndarray, " _"]]:
    """Return what `pair_losses` does of each field."""
    ends = _solve_together(fields, pairs, method)
    return [
        (end - seen.end).square().mean(0).double().cpu().numpy()
        for end, seen in zip(ends, pairs, strict=True)
    ]


def shooting_together(
    fields: Sequence[nn.Module],
    present: Sequence[Float[Tensor, "gene _"]],
    *,
    observed: Sequence[PairTensors],
    previous: Sequence[Int[np.ndarray, " _"]],
    shares: Sequence[float],
    method: Method,
) -> list[Float[Tensor, "gene _"]]:
    """Return what `shooting_starts` does of each field, with a share of its own."""
    cases = list(zip(present, observed, previous, strict=True))
    steps = [arriving_pairs(*case) for case in cases]
    ends = _solve_together(fields, steps, method)
    return [
        filtered_starts(seen, before, step, arrived, share=share)
        for (_, seen, before), step, arrived, share in zip(cases, steps, ends, shares, strict=True)
    ]


@torch.no_grad()
def _solve_together(
    fields: Sequence[nn.Module], pairs: Sequence[PairTensors], method: Method
) -> list[Float[Tensor, "gene _"]]:
    """Return where each field arrives from the starts of its pairs, some at a time."""
    genes = pairs[0].start.shape[0]
    columns = max(1, MOST_VALUES // (genes * len(fields)))
    members = max(1, MOST_VALUES // (genes * columns))
    found: list[Tensor] = []
    for low in range(0, len(fields), members):
        stack, part = StackedFields(fields[low : low + members]), pairs[low : low + members]
        start = _side_by_side([seen.start for seen in part])
        gaps = _side_by_side([seen.gaps for seen in part])
        slices = [slice(at, at + columns) for at in range(0, gaps.shape[1], columns)]
        ends = [method(stack, start[..., at], gaps[:, at]) for at in slices]
        whole = torch.cat(ends, 2) if ends else start
        found += [end[:, : len(seen.gaps)] for end, seen in zip(whole, part, strict=True)]
    return found
