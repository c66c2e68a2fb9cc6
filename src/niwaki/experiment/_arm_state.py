"""What changes while an arm runs, and its checkpoints: rounds, and the state to continue from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from niwaki.core import PairIndex, Pairs, RunFolderError, Trajectories
from niwaki.dynamics import GeneField, Method, Optimisation, PairTensors, Training, make_batches
from niwaki.experiment._checkpoint import load_tensors, pack, save_tensors, unpack
from niwaki.experiment._config import FitConfig
from niwaki.experiment._model import FieldFactory, full_masks
from niwaki.experiment._sparsify import make_sparsifier
from niwaki.pruning import Sparsifier


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
class State:
    """Everything that changes while an arm runs; `starts` are the states that steps start from."""

    training: Training
    masks: dict[str, Tensor]
    memory: dict[str, Tensor]
    epoch: int = 0
    round: int = 0
    best: Round | None = None
    best_tensors: dict[str, Tensor] = field(default_factory=dict)
    sparsifier: Sparsifier | None = None
    noted: dict[str, Tensor] = field(default_factory=dict)
    starts: Tensor | None = None
    lowest: float = float("inf")
    lowest_se: float = 0.0
    progress_epoch: int = 0
    progress_round: int = 0
    metrics: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False


def save_round(state: State, folder: Path) -> None:
    """Write the best epoch of the round, if it has any."""
    if state.best is None:
        return
    best = state.best
    tensors = pack(state.best_tensors, state.masks)
    tensors["held_out_losses"] = torch.from_numpy(best.losses)
    numbers = {"round": best.round, "epoch": best.epoch, "sparsity": best.sparsity}
    numbers |= {"weights": best.weights, "train_loss": best.train_loss}
    save_tensors(round_file(folder, best.round), tensors, numbers)


def round_file(folder: Path, number: int) -> Path:
    """Return where a round of an arm is kept."""
    return folder / f"round_{number:03d}.safetensors"


def read_round(folder: Path, number: int) -> Round:
    tensors, numbers = read_checkpoint(round_file(folder, number))
    with fitting(folder):
        return Round(**numbers, losses=tensors["held_out_losses"].numpy())


def load_round(problem: Problem, folder: Path, number: int) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return the field and the masks of one round."""
    model, device = problem.make_field(), problem.config.device
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    tensors, _ = read_checkpoint(round_file(folder, number))
    with fitting(folder):
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
def fitting(folder: Path) -> Iterator[None]:
    """Turn the errors of checkpoints of another model into a sentence."""
    try:
        yield
    except (KeyError, TypeError, RuntimeError) as error:
        raise RunFolderError(
            f"the checkpoints in {folder} were made by another configuration or module; give the "
            "one that the run began with, or fit again with --force."
        ) from error


def save(state: State, folder: Path) -> None:
    tensors = {f"training.{k}": v for k, v in state.training.tensors().items()}
    tensors |= {f"mask.{k}": v for k, v in state.masks.items()}
    tensors |= {f"memory.{k}": v for k, v in state.memory.items()}
    tensors |= {f"best.{k}": v for k, v in state.best_tensors.items()}
    tensors |= {f"noted.{k}": v for k, v in state.noted.items()}
    if state.sparsifier is not None:
        tensors |= {f"sparsifier.{k}": v for k, v in state.sparsifier.tensors().items()}
    if state.starts is not None:
        tensors["starts"] = state.starts
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


def restore(problem: Problem, folder: Path) -> State:
    """Return the saved state, or a fresh one."""
    config = problem.config
    model = problem.make_field().to(config.device)
    training = Training(model, Optimisation(learning_rate=config.learning_rate))
    batches = make_batches(problem.pairs, size=config.batch, seed=config.seed, epoch=1)
    sparsifier = make_sparsifier(config, model, steps=len(batches) * config.epochs)
    path = folder / "state.safetensors"
    if not path.exists():
        return State(training, full_masks(model), {}, sparsifier=sparsifier)
    tensors, numbers = read_checkpoint(path)
    with fitting(folder):
        masked = sparsifier is None  # a sparsifier trains whole matrices
        state = _continued(training, tensors, numbers, masked=masked, device=config.device)
        if sparsifier is not None:
            sparsifier.restore(_part(tensors, "sparsifier."))
            state.sparsifier = sparsifier
        return state


def _continued(
    training: Training,
    tensors: dict[str, Tensor],
    numbers: dict[str, Any],
    *,
    masked: bool,
    device: str,
) -> State:
    def part(prefix: str) -> dict[str, Tensor]:
        return {k: v.to(device) for k, v in _part(tensors, prefix).items()}

    masks = part("mask.")
    training.restore(part("training."), numbers["training"], masks=masks if masked else None)
    state = State(
        training,
        masks,
        part("memory."),
        metrics=numbers["metrics"],
        best_tensors=part("best."),
        noted=part("noted."),
        starts=part("starts").get(""),
        **{name: numbers[name] for name in _PLAIN},
    )
    if "best" in numbers:
        state.best = Round(**numbers["best"], losses=tensors["best_losses"].numpy())
    return state


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
