"""One epoch of arms: train, judge on what was held out, note how it went."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from niwaki.core import PairIndex, derived_seed
from niwaki.dynamics import (
    Method,
    PairTensors,
    PriorTerm,
    can_stack,
    diverged,
    losses_together,
    make_batches,
    pair_losses,
    shooting_starts,
    shooting_together,
    train_epoch,
    train_together,
)
from niwaki.experiment._arm_state import Problem, Round, State
from niwaki.experiment._config import FitConfig
from niwaki.experiment._diverged import naming
from niwaki.experiment._prune import mask_counts
from niwaki.experiment._sparsify import settled
from niwaki.knowledge import Knowledge
from niwaki.pruning import standard_error

SETTLED = 20  # epochs until the field's own forecasts have their full share in the starts


@dataclass(frozen=True)
class Arm:
    """What an arm solves, its label, and the folder of its checkpoints.

    The label is part of no random stream: arms differ only in what they know and train on.
    """

    problem: Problem
    name: str
    folder: Path


@dataclass
class Run:
    """An arm on its way."""

    arm: Arm
    knowledge: Knowledge | None
    term: PriorTerm | None
    previous: PairIndex
    state: State
    saved: float

    @property
    def problem(self) -> Problem:
        """What it solves."""
        return self.arm.problem

    @property
    def config(self) -> FitConfig:
        """Its configuration."""
        return self.arm.problem.config

    @property
    def over(self) -> bool:
        """Whether its epochs are over, or nothing has improved for too long."""
        state, config = self.state, self.config
        waited = state.epoch - state.progress_epoch
        late = config.patience is not None and waited >= config.patience
        return state.finished or late or state.epoch >= config.epochs


@dataclass(frozen=True)
class _Epoch:
    """The model after an epoch, its mean training loss, and the loss of every held-out pair."""

    model: nn.Module
    train_loss: float
    held_out: Float[np.ndarray, " pair"]


def can_train_together(config: FitConfig, field: nn.Module, method: Method) -> bool:
    """Say whether arms of this kind are trained faster as one program than one by one."""
    return config.sparsifier is None and config.prior_loss == 0 and can_stack(field, method)


def run_epoch(runs: Sequence[Run], *, together: bool) -> None:
    """Train one epoch, and note how each arm does on what it was not trained on.

    Parameters
    ----------
    runs
        Arms at the same epoch, if they are trained together.
    together
        Whether as one program: see `can_train_together`.
    """
    rates = [
        min(group["lr"] for group in run.state.training.optimiser.param_groups) for run in runs
    ]
    epochs = _train_together(runs) if together else [_train_alone(run) for run in runs]
    for run, rate, epoch in zip(runs, rates, epochs, strict=True):
        _note(run, rate, epoch)


def _train_alone(run: Run) -> _Epoch:
    problem, config, state, epoch = run.problem, run.config, run.state, run.state.epoch + 1
    train = _to_train(run)
    with naming(problem.data, problem.pairs):
        train_loss = train_epoch(
            state.training,
            train,
            batches=_batches(run),
            method=problem.method,
            masks=state.masks if state.sparsifier is None else {},
            prior=run.term,
            generator=torch.Generator().manual_seed(derived_seed(config.seed, "prior", epoch)),
            hook=state.sparsifier,
        )
    model: nn.Module = state.training.field
    if state.sparsifier is not None:
        model, state.masks = settled(model, state.sparsifier)
    if config.shooting > 0:
        state.starts = shooting_starts(
            model,
            train.start,
            observed=problem.train,
            previous=run.previous,
            share=_share(run),
            method=problem.method,
        )
    held_out = pair_losses(model, problem.held_out, method=problem.method)
    return _Epoch(model, train_loss, held_out)


def _train_together(runs: Sequence[Run]) -> list[_Epoch]:
    method, shooting = runs[0].problem.method, runs[0].config.shooting
    trains = [_to_train(run) for run in runs]
    fields = [run.state.training.field for run in runs]
    trained = train_together(
        [run.state.training for run in runs],
        trains,
        batches=[_batches(run) for run in runs],
        method=method,
        masks=[run.state.masks for run in runs],
    )
    for run, field, train, (_, failed) in zip(runs, fields, trains, trained, strict=True):
        if failed is not None:
            with naming(run.problem.data, run.problem.pairs):
                raise diverged(field, train, failed, method)
    if shooting > 0:
        starts = shooting_together(
            fields,
            [train.start for train in trains],
            observed=[run.problem.train for run in runs],
            previous=[run.previous for run in runs],
            shares=[_share(run) for run in runs],
            method=method,
        )
        for run, start in zip(runs, starts, strict=True):
            run.state.starts = start
    held_out = losses_together(fields, [run.problem.held_out for run in runs], method=method)
    losses = [loss for loss, _ in trained]
    return [_Epoch(*parts) for parts in zip(fields, losses, held_out, strict=True)]


def _to_train(run: Run) -> PairTensors:
    """Return the training pairs, from the states that they start from now."""
    train, starts = run.problem.train, run.state.starts
    return train if starts is None else replace(train, start=starts)


def _batches(run: Run) -> list[Int[np.ndarray, " _"]]:
    config, epoch = run.config, run.state.epoch + 1
    return make_batches(run.problem.pairs, size=config.batch, seed=config.seed, epoch=epoch)


def _share(run: Run) -> float:
    """Return the share of the field's own forecasts in the states of the next epoch."""
    return run.config.shooting * min(1.0, (run.state.epoch + 1) / SETTLED)


def _note(run: Run, rate: float, found: _Epoch) -> None:
    """Add the epoch to the learning curve, and keep it if it is the best of its round."""
    state, epoch = run.state, run.state.epoch + 1
    if run.config.rewind == epoch:
        state.noted = _copied(found.model)
    sparsity, weights = mask_counts(state.masks)
    here = Round(state.round, epoch, sparsity, weights, found.train_loss, found.held_out)
    state.training.plateau.step(here.loss)
    state.epoch = epoch
    state.metrics.append(
        {
            "epoch": epoch,
            "round": state.round,
            "train_loss": found.train_loss,
            "held_out_loss": here.loss,
            "sparsity": sparsity,
            "learning_rate": rate,
        }
    )
    _note_progress(state, here, run.problem.groups)
    if state.best is None or here.loss < state.best.loss or math.isnan(state.best.loss):
        state.best = here
        state.best_tensors = _copied(found.model)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _note_progress(state: State, here: Round, groups: PairIndex) -> None:
    """Progress is a lower loss, or a sparser round that is as good within one standard error."""
    sparser = state.round > state.progress_round
    if here.loss < state.lowest or (sparser and here.loss <= state.lowest + state.lowest_se):
        state.progress_epoch, state.progress_round = here.epoch, state.round
    if here.loss < state.lowest:
        state.lowest, state.lowest_se = here.loss, standard_error(here.losses, groups)
