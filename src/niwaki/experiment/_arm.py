"""One arm: train, prune, train on; resumable at any epoch, identical to an uninterrupted run."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from niwaki.core import (
    Network,
    PairIndex,
    Pairs,
    RunFolderError,
    Trajectories,
    derived_seed,
)
from niwaki.dynamics import (
    GeneField,
    Method,
    Optimisation,
    PairTensors,
    PriorTerm,
    Training,
    make_batches,
    pair_losses,
    train_epoch,
)
from niwaki.experiment._checkpoint import load_tensors, pack, save_tensors, unpack
from niwaki.experiment._config import FitConfig
from niwaki.experiment._diverged import naming
from niwaki.experiment._model import FieldFactory, full_masks
from niwaki.experiment._prune import make_knowledge, make_schedule, mask_counts, prune
from niwaki.pruning import standard_error

_SAVE_EVERY_S = 20.0  # a lost checkpoint costs at most this much training

Progress = Callable[[str, int, int, float], None]
"""Called as ``progress(arm, epoch, epochs, held_out_loss)`` after every epoch."""


@dataclass(frozen=True)
class Round:
    """The best epoch between two prunes.

    Attributes
    ----------
    round, epoch
        0 is the round before the first prune.
    sparsity, weights
        Share of prunable weights that are zero, and how many are not.
    train_loss
        Mean squared one-step error while training (squared data units).
    losses
        Mean squared one-step error of every held-out pair (squared data units).
    probability
        Posterior probability above which an edge is part of the round, for a gene-resolved field.
    """

    round: int
    epoch: int
    sparsity: float
    weights: int
    train_loss: float
    losses: Float[np.ndarray, " pair"]
    probability: float | None = None

    @property
    def loss(self) -> float:
        """Mean held-out loss (squared data units)."""
        return float(self.losses.mean())


@dataclass(frozen=True)
class Problem:
    """What every arm of a fit shares.

    Attributes
    ----------
    config
        The resolved configuration.
    genes
        Names of the genes.
    make_field
        Makes the freshly initialised field.
    data
        Training trajectories.
    pairs, train, held_out
        Training pairs, and both sets as tensors.
    groups
        Trajectory of each held-out pair.
    method
        How the field is solved.
    """

    config: FitConfig
    genes: tuple[str, ...]
    make_field: FieldFactory
    data: Trajectories
    pairs: Pairs
    train: PairTensors
    held_out: PairTensors
    groups: PairIndex
    method: Method


@dataclass
class _State:
    """Everything that changes while an arm runs."""

    training: Training
    masks: dict[str, Tensor]
    memory: dict[str, Tensor]
    epoch: int = 0
    round: int = 0
    best: Round | None = None
    best_tensors: dict[str, Tensor] = field(default_factory=dict)
    lowest: float = float("inf")
    lowest_se: float = 0.0
    progress_epoch: int = 0
    progress_round: int = 0
    metrics: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False


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
    term = _prior_term(problem, prior)
    state = _restore(problem, folder)
    saved = time.monotonic()
    while not (state.finished or _over(state, config)):
        epoch = state.epoch + 1
        if schedule.prunes_at(epoch):
            _close_round(state, folder)
            state.masks, state.memory = prune(
                state.training.field,
                state.masks,
                memory=state.memory,
                knowledge=knowledge,
                config=config,
                epoch=epoch,
            )
            state.training.apply_masks(state.masks)
            fast = "output_prod" if config.paper_quirks else "multiplier"
            state.training.reset_learning_rate(fast=fast)
            state.round += 1
        _run_epoch(problem, state, epoch, term)
        if progress is not None:
            progress(name, epoch, config.epochs, state.metrics[-1]["held_out_loss"])
        if time.monotonic() - saved > _SAVE_EVERY_S:
            _save(state, folder)
            saved = time.monotonic()
    if not state.finished:
        _close_round(state, folder)
        state.finished = True
        _save(state, folder)
    first = int(schedule.prunes_at(1))  # a prune before any training closes no round
    rounds = [_read_round(folder, number) for number in range(first, state.round + 1)]
    return ArmResult(name, rounds, state.metrics, folder, state.epoch)


def _over(state: _State, config: FitConfig) -> bool:
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


def _run_epoch(problem: Problem, state: _State, epoch: int, term: PriorTerm | None) -> None:
    config = problem.config
    rates = [group["lr"] for group in state.training.optimiser.param_groups]
    with naming(problem.data, problem.pairs):
        train_loss = train_epoch(
            state.training,
            problem.train,
            batches=make_batches(problem.pairs, size=config.batch, seed=config.seed, epoch=epoch),
            method=problem.method,
            masks=state.masks,
            prior=term,
            generator=torch.Generator().manual_seed(derived_seed(config.seed, "prior", epoch)),
        )
    losses = pair_losses(state.training.field, problem.held_out, method=problem.method)
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
        state.best_tensors = {
            name: value.detach().clone()
            for name, value in state.training.field.state_dict().items()
        }


def _note_progress(state: _State, here: Round, groups: PairIndex) -> None:
    """Progress is a lower loss, or a sparser round that is as good within one standard error."""
    sparser = state.round > state.progress_round
    if here.loss < state.lowest or (sparser and here.loss <= state.lowest + state.lowest_se):
        state.progress_epoch, state.progress_round = here.epoch, state.round
    if here.loss < state.lowest:
        state.lowest, state.lowest_se = here.loss, standard_error(here.losses, groups)


# ------------------------------------------------------------------------------- checkpoints
def _close_round(state: _State, folder: Path) -> None:
    """Keep the best epoch of the round on disk and forget it in memory."""
    if state.best is None:
        return
    best = state.best
    tensors = pack(state.best_tensors, state.masks)
    tensors["held_out_losses"] = torch.from_numpy(best.losses)
    numbers = {"round": best.round, "epoch": best.epoch, "sparsity": best.sparsity}
    numbers |= {"weights": best.weights, "train_loss": best.train_loss}
    save_tensors(round_file(folder, best.round), tensors, numbers)
    state.best, state.best_tensors = None, {}


def round_file(folder: Path, number: int) -> Path:
    """Return where a round of an arm is kept."""
    return folder / f"round_{number:03d}.safetensors"


def _read_round(folder: Path, number: int) -> Round:
    tensors, numbers = read_checkpoint(round_file(folder, number))
    with _fitting(folder):
        return Round(**numbers, losses=tensors["held_out_losses"].numpy())


def load_round(problem: Problem, folder: Path, number: int) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return the field and the masks of one round."""
    model, device = problem.make_field(), problem.config.device
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    tensors, _ = read_checkpoint(round_file(folder, number))
    with _fitting(folder):
        if isinstance(model, GeneField):
            masks: dict[str, Tensor] = {}
            state = _part(tensors, "field.")
        else:
            state, masks = unpack(tensors, shapes)
        model.load_state_dict(state)
    return model.to(device), {name: mask.to(device) for name, mask in masks.items()}


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and numbers of a file of an arm."""
    remedy = f"delete the folder {path.parent} and resume, which repeats this part of the run"
    return load_tensors(path, remedy=remedy)


@contextmanager
def _fitting(folder: Path) -> Iterator[None]:
    """Turn the errors of checkpoints of another model into a sentence."""
    try:
        yield
    except (KeyError, TypeError, RuntimeError) as error:
        raise RunFolderError(
            f"the checkpoints in {folder} were made by another configuration or module; give the "
            "one that the run began with, or fit again with --force."
        ) from error


def _save(state: _State, folder: Path) -> None:
    tensors = {f"training.{k}": v for k, v in state.training.tensors().items()}
    tensors |= {f"mask.{k}": v for k, v in state.masks.items()}
    tensors |= {f"memory.{k}": v for k, v in state.memory.items()}
    tensors |= {f"best.{k}": v for k, v in state.best_tensors.items()}
    numbers: dict[str, Any] = {
        "training": state.training.numbers(),
        "metrics": state.metrics,
        **{name: getattr(state, name) for name in _PLAIN},
    }
    if state.best is not None:
        tensors["best_losses"] = torch.from_numpy(state.best.losses)
        numbers["best"] = {name: getattr(state.best, name) for name in _ROUND_PLAIN}
    save_tensors(folder / "state.safetensors", tensors, numbers)


_PLAIN = (
    "epoch",
    "round",
    "lowest",
    "lowest_se",
    "progress_epoch",
    "progress_round",
    "finished",
)
_ROUND_PLAIN = ("round", "epoch", "sparsity", "weights", "train_loss")


def _restore(problem: Problem, folder: Path) -> _State:
    """Return the saved state, or a fresh one."""
    config = problem.config
    model = problem.make_field().to(config.device)
    training = Training(model, Optimisation(learning_rate=config.learning_rate))
    path = folder / "state.safetensors"
    if not path.exists():
        return _State(training, full_masks(model), {})
    tensors, numbers = read_checkpoint(path)
    with _fitting(folder):
        return _continued(training, tensors, numbers, device=config.device)


def _continued(
    training: Training, tensors: dict[str, Tensor], numbers: dict[str, Any], *, device: str
) -> _State:
    def part(prefix: str) -> dict[str, Tensor]:
        return {k: v.to(device) for k, v in _part(tensors, prefix).items()}

    masks = part("mask.")
    training.restore(part("training."), numbers["training"], masks=masks)
    state = _State(
        training,
        masks,
        part("memory."),
        metrics=numbers["metrics"],
        best_tensors=part("best."),
        **{name: numbers[name] for name in _PLAIN},
    )
    if "best" in numbers:
        state.best = Round(**numbers["best"], losses=tensors["best_losses"].numpy())
    return state


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
