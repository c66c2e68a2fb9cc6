"""One arm: train, prune, train on; resumable at any epoch, identical to an uninterrupted run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from niwaki.core import Network, derived_seed
from niwaki.dynamics import DecayField, PriorTerm, match_knots, previous_pairs, smoothed_knots
from niwaki.experiment._arm_state import (
    Problem,
    Round,
    State,
    read_round,
    restore,
    save,
    save_round,
)
from niwaki.experiment._epoch import Arm, Run, can_train_together, run_epoch
from niwaki.experiment._prune import is_event, make_knowledge, make_schedule, prune
from niwaki.experiment._sparsify import exchange, field_statistics
from niwaki.knowledge import Knowledge
from niwaki.pruning import CHAIN_NEEDS

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
        Label of the arm.
    prior, ppi
        Knowledge of this arm on the genes of the data, or None.
    folder
        Existing folder for its checkpoints; what is found there is continued.
    progress
        Told about every epoch.
    """
    arm = Arm(problem, name, folder)
    return train_arms([arm], prior=prior, ppi=ppi, progress=progress)[0]


def train_arms(
    arms: Sequence[Arm],
    *,
    prior: Network | None,
    ppi: Network | None,
    progress: Progress | None = None,
    only: int | None = None,
) -> list[ArmResult]:
    """Train arms that know the same, epoch by epoch side by side.

    Where `can_train_together` says so, each step is one program over all of them.

    Parameters
    ----------
    arms
        Their configurations may differ in seeds, and their problems in data.
    prior, ppi
        See `train_arm`.
    progress
        Told about every epoch of every arm.
    only
        A round; then no other is kept, and the arms cannot be continued after a stop.
    """
    runs = [_begin(arm, prior, ppi) for arm in arms]
    together = len(runs) > 1 and all(
        can_train_together(run.config, run.state.training.field, run.problem.method) for run in runs
    )
    while going := [run for run in runs if not run.over]:
        for run in going:
            _open_epoch(run, only)
        run_epoch(going, together=together)
        for run in going:
            if progress is not None:
                loss = run.state.metrics[-1]["held_out_loss"]
                progress(run.arm.name, run.state.epoch, run.config.epochs, loss)
            if only is None and time.monotonic() - run.saved > _SAVE_EVERY_S:
                save(run.state, run.arm.folder)
                run.saved = time.monotonic()
    return [_end(run, only) for run in runs]


def _begin(arm: Arm, prior: Network | None, ppi: Network | None) -> Run:
    problem = arm.problem
    state = restore(problem, arm.folder)
    if state.epoch == 0 and problem.config.warm_start > 0:
        _warm_up(problem, state)
    term, previous = _prior_term(problem, prior), previous_pairs(problem.pairs)
    return Run(arm, make_knowledge(prior, ppi), term, previous, state, time.monotonic())


def _open_epoch(run: Run, only: int | None) -> None:
    """Close the round and prune, if the schedule says so."""
    state, epoch = run.state, run.state.epoch + 1
    if is_event(run.config, make_schedule(run.config), epoch):
        _close(run, only)
        if state.sparsifier is None:
            _prune(run.problem, state, run.knowledge, epoch)
        state.round += 1


def _close(run: Run, only: int | None) -> None:
    """Keep the best epoch of the round on disk, if the round is wanted; forget it in memory."""
    if only in {None, run.state.round}:
        save_round(run.state, run.arm.folder)
    run.state.best, run.state.best_tensors = None, {}


def _end(run: Run, only: int | None) -> ArmResult:
    """Save what is not saved yet and return all rounds."""
    state, folder = run.state, run.arm.folder
    if not state.finished:
        _close(run, only)
        state.finished = True
        if only is None:
            save(state, folder)
    # a prune before any training closes no round
    first = int(is_event(run.config, make_schedule(run.config), 1))
    numbers = range(first, state.round + 1) if only is None else (only,)
    rounds = [read_round(folder, number) for number in numbers]
    return ArmResult(run.arm.name, rounds, state.metrics, folder, state.epoch)


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


def _prior_term(problem: Problem, prior: Network | None) -> PriorTerm | None:
    config = problem.config
    if prior is None or config.prior_loss == 0:
        return None
    return PriorTerm.from_data(
        prior.to_sparse(),
        problem.train.start,
        weight=config.prior_loss,
        samples=config.prior_samples,
    )
