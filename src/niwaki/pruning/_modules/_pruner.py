"""Criterion, schedule, budget and pattern joined: the callback of a plain training loop."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from niwaki.core import ConfigError, as_generator
from niwaki.pruning._budgets import Budget, PerLayer
from niwaki.pruning._modules._parametrize import (
    add_masks,
    finalize,
    masks_of,
    prunable,
    set_masks,
    sparsity_of,
    weight_of,
)
from niwaki.pruning._patterns import Pattern, Unstructured
from niwaki.pruning._schedules import OneShot, Schedule
from niwaki.pruning._statistics import Loss, Statistics, collect_statistics
from niwaki.pruning._weight_criteria import WeightCriterion, weight_criterion

LayerScores = Mapping[str, Tensor]
Knows = LayerScores | Callable[[LayerScores, LayerScores], LayerScores]
"""Scores by weight, or a function of living weights and masks that gives them."""


class PruningWarning(UserWarning):
    """A prune left something that its user should know of."""


@dataclass(frozen=True)
class PruneEvent:
    """One prune.

    Attributes
    ----------
    step
        Number of the call of ``Pruner.step`` that pruned (count).
    sparsity
        Share of pruned weights afterwards (dimensionless).
    kept
        Survivors of each weight (count).
    dead_units
        Units of each weight that have no living input left, by position.
    """

    step: int
    sparsity: float
    kept: Mapping[str, int]
    dead_units: Mapping[str, tuple[int, ...]]


@dataclass(eq=False)
class Pruner:
    """Prunes a module while a loop of your own trains it.

    Call `step` once per epoch (or per optimisation step; the schedule counts these calls) after
    the optimiser's. Criterion, schedule, budget and pattern are independent choices.

    Parameters
    ----------
    module
        Any module; its weights are masked in place (see `add_masks`).
    schedule
        When to prune and how much; a number is a single prune to this sparsity at the first step.
    criterion
        A name in `WEIGHT_CRITERIA`, or a `WeightCriterion` of your own.
    budget
        How layers share the sparsity.
    pattern
        Which weights go together.
    names
        Parameters to prune; by default `prunable`.
    optimiser
        If given, its moments of pruned weights are zeroed, so that nothing drifts.
    knowledge
        For criteria that know something: scores of each weight, or a function that makes them.
    loss, batches
        For criteria that look at gradients: ``loss(module, batch)`` and the batches.
    inputs
        For ``synflow``: one input.
    rounds
        Prunes per step, each from fresh scores, on a geometric path (count); ``synflow`` was
        published with 100.
    rewind
        Step after which the weights are noted; after each later prune the survivors return to
        them, as lottery tickets do. 0 notes them now.
    rng
        Seed or generator of random criteria.

    Raises
    ------
    ConfigError
        If a choice is unknown or does not fit the module.

    References
    ----------
    .. [1] frankle2019, rewinding to the start.
    .. [2] frankle2020, rewinding to an early step.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> pruner = Pruner(net, 0.75)
    >>> _ = pruner.step()
    >>> {name: int(mask.sum()) for name, mask in masks_of(net).items()}
    {'0.weight': 8, '2.weight': 4}
    """

    module: nn.Module
    schedule: Schedule | float
    _: KW_ONLY
    criterion: str | WeightCriterion = "magnitude"
    budget: Budget = field(default_factory=PerLayer)
    pattern: Pattern = field(default_factory=Unstructured)
    names: Sequence[str] | None = None
    optimiser: torch.optim.Optimizer | None = None
    knowledge: Knows | None = None
    loss: Loss | None = None
    batches: Iterable[Any] = ()
    inputs: Tensor | None = None
    rounds: int = 1
    rewind: int | None = None
    rng: np.random.Generator | int | None = 0

    def __post_init__(self) -> None:
        given = self.schedule
        self._schedule = given if isinstance(given, Schedule) else OneShot(1, given)
        self._criterion = weight_criterion(self.criterion)
        self._rng = as_generator(self.rng)
        knowledge = self.knowledge
        if self.rounds < 1:
            raise ConfigError(f"rounds is {self.rounds}; expected at least 1 prune per step.")
        if self._criterion.knows and knowledge is None:
            raise ConfigError(
                f"the criterion '{self._criterion.name}' needs knowledge; give the pruner "
                "knowledge=, one matrix per weight."
            )
        names = prunable(self.module) if self.names is None else self.names
        if isinstance(knowledge, Mapping):
            _check_knowledge(self.module, names, knowledge)
        self._names = add_masks(self.module, names)
        self.steps = 0
        self.log: list[PruneEvent] = []
        self._movement: dict[str, Tensor] = {}
        self._noted: dict[str, Tensor] | None = None
        self._note()

    def observe(self) -> None:
        """Note the gradients of a backward pass, before the optimiser's step; for ``movement``."""
        for name in self._names:
            weight = weight_of(self.module, name)
            if weight.grad is not None:
                moved = -(weight.detach() * weight.grad).double()
                old = self._movement.get(name)
                self._movement[name] = moved if old is None else old + moved

    def step(self) -> bool:
        """Count one step and prune if the schedule says so; returns whether it did."""
        self.steps += 1
        due = self._schedule.prunes_at(self.steps)
        if due:
            self.prune_to(self._schedule.sparsity_after(self.steps))
        self._note()
        return due

    def prune_to(self, sparsity: float) -> None:
        """Prune to a sparsity now, in `rounds` rounds.

        Raises
        ------
        ConfigError
            If the sparsity is not in [0, 1).
        """
        OneShot(1, sparsity)  # checks the range
        before = sparsity_of(self.module)
        for k in range(1, self.rounds + 1):
            left = (1 - before) * ((1 - sparsity) / (1 - before)) ** (k / self.rounds)
            self._prune_once(sparsity if k == self.rounds else 1 - left)
        if self._noted is not None:
            self._rewind(self._noted)
        self._forget_moments()
        self._report()

    def finalize(self) -> nn.Module:
        """Make the zeros permanent, remove the masks and return the module."""
        return finalize(self.module)

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on later; masks are part of the module's own state."""
        return {
            "steps": self.steps,
            "movement": dict(self._movement),
            "noted": self._noted,
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.steps, self._noted = state["steps"], state["noted"]
        self._movement = dict(state["movement"])
        self._rng.bit_generator.state = state["rng"]

    def scores(self) -> dict[str, Tensor]:
        """Return the present score of every weight, float64 on the CPU."""
        known = self._known()
        return {
            name: self._criterion.score(
                weight_of(self.module, name).detach(), statistics, known.get(name)
            )
            .detach()
            .to("cpu", torch.float64)
            for name, statistics in self._statistics().items()
        }

    def _prune_once(self, sparsity: float) -> None:
        """Set the masks of one round."""
        masks = {name: mask.cpu() for name, mask in self._masks().items()}
        items = {n: self.pattern.items(score, masks[n]) for n, score in self.scores().items()}
        kept = self.budget.keep(items, sparsity)
        set_masks(self.module, {n: self.pattern.mask(kept[n], masks[n]) for n in self._names})

    def _masks(self) -> dict[str, Tensor]:
        found = masks_of(self.module)
        return {name: found[name] for name in self._names}

    def _statistics(self) -> dict[str, Statistics]:
        found = collect_statistics(
            self.module,
            self._names,
            needs=self._criterion.needs - {"movement"},
            loss=self.loss,
            batches=self.batches,
            inputs=self.inputs,
            rng=self._rng,
        )
        if "movement" not in self._criterion.needs:
            return found
        return {
            name: Statistics(entry.alive, movement=self._movement.get(name))
            for name, entry in found.items()
        }

    def _known(self) -> LayerScores:
        if not callable(self.knowledge):
            return self.knowledge or {}
        masks = self._masks()
        weights = {
            n: torch.where(masks[n], weight_of(self.module, n).detach(), 0.0) for n in self._names
        }
        known = self.knowledge(weights, masks)
        _check_knowledge(self.module, self._names, known)
        return known

    def _note(self) -> None:
        """Keep the weights if this is the step to rewind to."""
        if self.rewind == self.steps and self._noted is None:
            state = self.module.state_dict()
            self._noted = {k: v.detach().clone() for k, v in state.items() if v.is_floating_point()}

    def _rewind(self, noted: Mapping[str, Tensor]) -> None:
        """Return all values but the masks to what was noted."""
        masks = {name: mask.clone() for name, mask in self._masks().items()}
        self.module.load_state_dict(noted, strict=False)
        set_masks(self.module, masks)
        if self.optimiser is not None:
            self.optimiser.state.clear()

    @torch.no_grad()
    def _forget_moments(self) -> None:
        """Zero what the optimiser remembers of pruned weights."""
        if self.optimiser is None:
            return
        for name, mask in self._masks().items():
            weight = weight_of(self.module, name)
            for moment in self.optimiser.state.get(weight, {}).values():
                if isinstance(moment, Tensor) and moment.shape == mask.shape:
                    moment.mul_(mask)

    def _report(self) -> None:
        """Log the prune and warn of layers that nothing passes any more."""
        masks = self._masks()
        dead = {
            name: tuple(torch.nonzero(~mask.flatten(1).any(1)).flatten().tolist())
            for name, mask in masks.items()
            if mask.dim() > 1
        }
        kept = {name: int(mask.sum()) for name, mask in masks.items()}
        self.log.append(PruneEvent(self.steps, sparsity_of(self.module), kept, dead))
        for name, count in kept.items():
            if count == 0:
                units = len(masks[name])
                warnings.warn(
                    f"'{name}' has no survivors: its units 0 to {units - 1} give only their bias "
                    "from now on. Lower the sparsity, or take budget=Global(least=1).",
                    PruningWarning,
                    stacklevel=4,
                )


def _check_knowledge(
    module: nn.Module, names: Sequence[str], knowledge: Mapping[str, Tensor]
) -> None:
    """Refuse knowledge that does not fit the weights."""
    for name in names:
        if name not in knowledge:
            raise ConfigError(
                f"knowledge is given for {', '.join(knowledge) or 'no weight'}, but not for "
                f"'{name}'; give a matrix for each pruned weight, or list the names to prune."
            )
        shape = tuple(weight_of(module, name).shape)
        if tuple(knowledge[name].shape) != shape:
            raise ConfigError(
                f"the knowledge about '{name}' has shape {tuple(knowledge[name].shape)}, the "
                f"weight {shape}; both are [output, input]. Transpose it, or align it first."
            )
