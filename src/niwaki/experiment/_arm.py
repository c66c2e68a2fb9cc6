"""One arm: train, prune, train on; resumable at any epoch, identical to an uninterrupted run."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from niwaki.core import Network, PairIndex, derived_seed
from niwaki.dynamics import (
    DecayField,
    PriorTerm,
    make_batches,
    match_knots,
    pair_losses,
    previous_pairs,
    shooting_starts,
    smoothed_knots,
    train_epoch,
)
from niwaki.experiment._arm_state import (
    Problem,
    Round,
    State,
    close_round,
    read_round,
    restore,
    save,
)
from niwaki.experiment._config import FitConfig
from niwaki.experiment._diverged import naming
from niwaki.experiment._prune import is_event, make_knowledge, make_schedule, mask_counts, prune
from niwaki.experiment._sparsify import exchange, field_statistics, settled
from niwaki.knowledge import Knowledge
from niwaki.pruning import CHAIN_NEEDS, standard_error

_SETTLED = 20  # epochs until the field's own forecasts have their full share in the starts
_SAVE_EVERY_S = 20.0  # a lost checkpoint costs at most this much training

Progress = Callable[[str, int, int, float], None]
"""Called as ``progress(arm, epoch, epochs, held_out_loss)`` after every epoch."""


@dataclass(frozen=True)
class ArmResult:
    """What an arm leaves: its rounds, its learning curve, and where its weights are."""

    name: str
    rounds: list[Round]
    metrics: list[dict[str, Any]]
    folder: Path
    epochs: int


def train_arm(
    problem: Problem,
    name: str,
    *,
    prior: Network | None,
    ppi: Network | None,
    folder: Path,
    progress: Progress | None = None,
) -> ArmResult:
    """Train and prune until the epochs are over or nothing improves any more.

    Parameters
    ----------
    problem
        Data, model choice and solver.
    name
        Label of the arm, part of no random stream: arms differ only in their prior.
    prior, ppi
        Knowledge of this arm on the genes of the data, or None.
    folder
        Existing folder for its checkpoints; what is found there is continued.
    progress
        Told about every epoch.
    """
    config = problem.config
    schedule, knowledge = make_schedule(config), make_knowledge(prior, ppi)
    term, previous = _prior_term(problem, prior), previous_pairs(problem.pairs)
    state = restore(problem, folder)
    if state.epoch == 0 and config.warm_start > 0:
        _warm_up(problem, state)
    saved = time.monotonic()
    while not (state.finished or _over(state, config)):
        epoch = state.epoch + 1
        if is_event(config, schedule, epoch):
            close_round(state, folder)
            if state.sparsifier is None:
                _prune(problem, state, knowledge, epoch)
            state.round += 1
        _run_epoch(problem, state, epoch, term=term, previous=previous)
        if progress is not None:
            progress(name, epoch, config.epochs, state.metrics[-1]["held_out_loss"])
        if time.monotonic() - saved > _SAVE_EVERY_S:
            save(state, folder)
            saved = time.monotonic()
    if not state.finished:
        close_round(state, folder)
        state.finished = True
        save(state, folder)
    first = int(is_event(config, schedule, 1))  # a prune before any training closes no round
    rounds = [read_round(folder, number) for number in range(first, state.round + 1)]
    return ArmResult(name, rounds, state.metrics, folder, state.epoch)


def _warm_up(problem: Problem, state: State) -> None:
    """Match the gradients of smoothed trajectories before the first epoch."""
    config, field = problem.config, state.training.field
    assert isinstance(field, DecayField)  # noqa: S101 - make_problem refuses others
    trained = np.unique(problem.pairs.trajectory).tolist()
    match_knots(
        field,
        smoothed_knots(problem.data.subset(trained), device=config.device),
        epochs=config.warm_start,
        settings=state.training.settings,
        generator=torch.Generator().manual_seed(derived_seed(config.seed, "warm start")),
    )


def _prune(problem: Problem, state: State, knowledge: Knowledge | None, epoch: int) -> None:
    """Prune or exchange, rewind if asked to, and start the learning rates anew."""
    config, training = problem.config, state.training
    exchanges = config.regrow is not None and not make_schedule(config).prunes_at(epoch)
    needs = CHAIN_NEEDS.get(config.criterion or "", frozenset[str]())
    if exchanges:
        needs = frozenset({"gradient"} if config.regrow == "gradient" else ())
    statistics = field_statistics(
        training.field, problem.train, state.masks, needs=needs, method=problem.method
    )
    if exchanges:
        state.masks = exchange(
            training.field, state.masks, config=config, epoch=epoch, gradients=statistics
        )
    else:
        state.masks, state.memory = prune(
            training.field,
            state.masks,
            memory=state.memory,
            knowledge=knowledge,
            config=config,
            epoch=epoch,
            statistics=statistics,
        )
    if state.noted:
        training.rewind(state.noted)
    training.apply_masks(state.masks)
    fast = "output_prod" if config.paper_quirks else "multiplier"
    training.reset_learning_rate(fast=fast)


def _over(state: State, config: FitConfig) -> bool:
    waited = state.epoch - state.progress_epoch
    return state.epoch >= config.epochs or (
        config.patience is not None and waited >= config.patience
    )


def _prior_term(problem: Problem, prior: Network | None) -> PriorTerm | None:
    if prior is None or problem.config.prior_loss == 0:
        return None
    return PriorTerm.from_data(
        prior.to_sparse(), problem.train.start, weight=problem.config.prior_loss
    )


def _run_epoch(
    problem: Problem, state: State, epoch: int, *, term: PriorTerm | None, previous: PairIndex
) -> None:
    config = problem.config
    train = problem.train
    if state.starts is not None:
        train = replace(train, start=state.starts)
    rates = [group["lr"] for group in state.training.optimiser.param_groups]
    with naming(problem.data, problem.pairs):
        train_loss = train_epoch(
            state.training,
            train,
            batches=make_batches(problem.pairs, size=config.batch, seed=config.seed, epoch=epoch),
            method=problem.method,
            masks=state.masks if state.sparsifier is None else {},
            prior=term,
            generator=torch.Generator().manual_seed(derived_seed(config.seed, "prior", epoch)),
            hook=state.sparsifier,
        )
    model = state.training.field
    if state.sparsifier is not None:
        model, state.masks = settled(model, state.sparsifier)
    if config.shooting > 0:
        state.starts = shooting_starts(
            model,
            train.start,
            observed=problem.train,
            previous=previous,
            share=config.shooting * min(1.0, epoch / _SETTLED),
            method=problem.method,
        )
    if config.rewind == epoch:
        state.noted = _copied(model)
    losses = pair_losses(model, problem.held_out, method=problem.method)
    sparsity, weights = mask_counts(state.masks)
    here = Round(state.round, epoch, sparsity, weights, train_loss, losses)
    state.training.plateau.step(here.loss)
    state.epoch = epoch
    state.metrics.append(
        {
            "epoch": epoch,
            "round": state.round,
            "train_loss": train_loss,
            "held_out_loss": here.loss,
            "sparsity": sparsity,
            "learning_rate": min(rates),
        }
    )
    _note_progress(state, here, problem.groups)
    if state.best is None or here.loss < state.best.loss or math.isnan(state.best.loss):
        state.best = here
        state.best_tensors = _copied(model)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _note_progress(state: State, here: Round, groups: PairIndex) -> None:
    """Progress is a lower loss, or a sparser round that is as good within one standard error."""
    sparser = state.round > state.progress_round
    if here.loss < state.lowest or (sparser and here.loss <= state.lowest + state.lowest_se):
        state.progress_epoch, state.progress_round = here.epoch, state.round
    if here.loss < state.lowest:
        state.lowest, state.lowest_se = here.loss, standard_error(here.losses, groups)
