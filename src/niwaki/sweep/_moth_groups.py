"""Groups of networks of the moth study: trained stage by stage, and kept on disk."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from niwaki.core import RunFolderError, derived_seed, storage_error, write_atomic
from niwaki.experiment._checkpoint import load_tensors, pack, save_tensors, unpack
from niwaki.sweep._moth_plan import MothData, MothPlan
from niwaki.sweep._moth_scores import swarm_scores
from niwaki.sweep._moth_train import (
    SIZES,
    Quirks,
    Swarm,
    TrainPlan,
    errors,
    fewer_digits,
    new_swarm,
    prune,
    train,
)

Progress = Callable[[str, int, int, float], None]
_LOOK = 2_000  # rows of the validation part that decide when a stage ends
_BATCH = 1_024  # rows that the released code takes for the whole test part


@dataclass(frozen=True)
class MothStage:
    """One group after one stage.

    Attributes
    ----------
    stage
        0 before the first prune.
    sparsity
        Nominal (dimensionless).
    networks
        Number of each network in the study.
    weights, biases
        Per layer, ``[network, out, in]`` and ``[network, out]``; zero where pruned.
    errors
        Mean squared test error of each network (squared scaled units).
    updates
        Updates of this stage (count).
    seconds
        What they took, by the clock and of processors (s).
    """

    stage: int
    sparsity: float
    networks: tuple[int, ...]
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    errors: tuple[float, ...]
    updates: int
    seconds: tuple[float, float]


def train_group(
    plan: MothPlan,
    networks: tuple[int, ...],
    *,
    data: MothData,
    folder: Path,
    device: str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Train and prune a group to the end of its plan; what is on disk already is not done again.

    Raises
    ------
    StorageError
        If the disk is full; every finished stage stays.
    """
    _make(folder)
    swarm, done = _restore(plan, networks, folder, device)
    for stage in range(done, len(plan.sparsities) + 1):
        began = time.monotonic(), time.process_time()
        sparsity = 0.0 if stage == 0 else plan.sparsities[stage - 1]
        if stage > 0:
            rngs = [
                np.random.default_rng(derived_seed(plan.seed, "prune", n, stage)) for n in networks
            ]
            part = data.train
            scores = swarm_scores(
                swarm, plan.criterion, inputs=part.inputs, targets=part.targets, rngs=rngs
            )
            prune(swarm, sparsity, scores=scores, quirks=plan.quirks)
        with fewer_digits(plan.fast):
            updates = train(
                swarm,
                data.train.inputs,
                data.train.targets,
                validation=(data.validation.inputs[:_LOOK], data.validation.targets[:_LOOK]),
                plan=TrainPlan(most=plan.first, gain=None) if stage == 0 else plan.stage,
                rng=np.random.default_rng(derived_seed(plan.seed, "batches", networks[0], stage)),
                quirks=plan.quirks,
            )
        last = _BATCH if plan.quirks.repeated_batch else len(data.test.inputs)
        found = errors(swarm, data.test.inputs[:last], data.test.targets[:last]).tolist()
        took = (time.monotonic() - began[0], time.process_time() - began[1])
        numbers = {"sparsity": sparsity, "errors": found, "updates": updates, "seconds": took}
        _save(folder, swarm, stage, numbers)
        if progress is not None:
            name = f"networks {networks[0]}-{networks[-1]}"
            progress(name, stage + 1, len(plan.sparsities) + 1, float(np.mean(found)))


def read_stages(plan: MothPlan, networks: tuple[int, ...], folder: Path) -> Iterator[MothStage]:
    """Yield the finished stages of a group, without loading more than one at a time."""
    for stage in range(len(plan.sparsities) + 1):
        path = _path(folder, stage)
        if not path.exists():
            return
        packed, numbers = load_tensors(path, remedy="delete it, and run the study again")
        tensors, _ = unpack(packed, _shapes(len(networks)))
        yield MothStage(
            stage=stage,
            sparsity=numbers["sparsity"],
            networks=networks,
            weights=tuple(tensors[f"weight.{i}"].mT for i in range(len(SIZES) - 1)),
            biases=tuple(tensors[f"bias.{i}"][:, 0] for i in range(len(SIZES) - 1)),
            errors=tuple(numbers["errors"]),
            updates=numbers["updates"],
            seconds=tuple(numbers["seconds"]),
        )


def claim_folder(plan: MothPlan, folder: Path) -> None:
    """Make the study's folder, or check that it holds a study of the same plan.

    Raises
    ------
    RunFolderError
        If it holds something else.
    """
    wanted = json.dumps(asdict(plan), indent=1) + "\n"
    path = folder / "plan.json"
    if path.exists():
        if path.read_text(encoding="utf-8") != wanted:
            raise RunFolderError(
                f"{folder} holds a moth study with other settings (see {path.name} there); give "
                "the same settings to continue it, or another folder with --out."
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(f"{folder} is not empty and not a moth study; choose another --out.")
    _make(folder)
    write_atomic(path, wanted)


def claimed_plan(folder: Path) -> MothPlan:
    """Return the plan of the study that a folder holds.

    Raises
    ------
    RunFolderError
        If it holds none.
    """
    path = folder / "plan.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        kept |= {
            "stage": TrainPlan(**kept["stage"]),
            "quirks": Quirks(**kept["quirks"]),
            "sparsities": tuple(kept["sparsities"]),
        }
        return MothPlan(**kept)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{folder} holds no moth study that this version can read ({path.name} is missing or "
            "of another form); give the folder that niwaki benchmark moth --out has made."
        ) from error


def place_of(folder: Path, group: tuple[int, ...]) -> Path:
    """Return where the stages of a group are."""
    return folder / f"group_{group[0]:04d}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


def _path(folder: Path, stage: int) -> Path:
    return folder / f"stage_{stage:02d}.safetensors"


def _shapes(count: int) -> dict[str, torch.Size]:
    shapes = {}
    for layer, (ins, outs) in enumerate(itertools.pairwise(SIZES)):
        shapes[f"weight.{layer}"] = torch.Size((count, ins, outs))
        shapes[f"bias.{layer}"] = torch.Size((count, 1, outs))
    return shapes


def _named(tensors: tuple[list[Tensor], list[Tensor]]) -> dict[str, Tensor]:
    weights, biases = tensors
    named = {f"weight.{i}": t.detach() for i, t in enumerate(weights)}
    return named | {f"bias.{i}": t.detach() for i, t in enumerate(biases)}


def _save(folder: Path, swarm: Swarm, stage: int, numbers: dict[str, Any]) -> None:
    """Write the stage with its numbers, then what training needs to go on from it."""
    masks = _named((swarm.masks, swarm.bias_masks))
    save_tensors(_path(folder, stage), pack(_named(swarm.living()), masks), numbers)
    state = {f"raw.{name}": t for name, t in _named((swarm.weights, swarm.biases)).items()}
    state |= {f"mask.{name}": t for name, t in masks.items()}
    for i, moved in enumerate(swarm.movement or []):
        state[f"movement.{i}"] = moved
    for i, parameter in enumerate(swarm.parameters()):
        for key, value in swarm.adam.state[parameter].items():
            state[f"adam.{i}.{key}"] = value
    save_tensors(
        folder / "state.safetensors", state, {"stage": stage, "total_updates": swarm.updates}
    )


def _restore(
    plan: MothPlan, networks: tuple[int, ...], folder: Path, device: str
) -> tuple[Swarm, int]:
    """Return the networks as the last finished stage left them, and the next stage."""
    seeds = [derived_seed(plan.seed, "network", n) for n in networks]
    swarm = new_swarm(seeds, device=device)
    if plan.criterion == "movement":
        swarm.movement = [torch.zeros_like(p) for p in swarm.parameters()]
    path = folder / "state.safetensors"
    if not path.exists():
        return swarm, 0
    state, numbers = load_tensors(path, remedy="delete the group's folder, and run again")
    with torch.no_grad():
        for kind, tensors in (
            ("raw", _named((swarm.weights, swarm.biases))),
            ("mask", _named((swarm.masks, swarm.bias_masks))),
        ):
            for name, tensor in tensors.items():
                tensor.copy_(state[f"{kind}.{name}"])
    for i, parameter in enumerate(swarm.parameters()):
        keys = ("step", "exp_avg", "exp_avg_sq")
        swarm.adam.state[parameter] = {k: state[f"adam.{i}.{k}"].to(device) for k in keys}
    if swarm.movement is not None:
        count = len(swarm.movement)
        swarm.movement = [state[f"movement.{i}"].to(device) for i in range(count)]
    swarm.updates = numbers["total_updates"]
    return swarm, numbers["stage"] + 1
