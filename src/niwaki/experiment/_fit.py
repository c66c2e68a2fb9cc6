"""The main job: fit, prune, control, score, and leave a run folder."""

import hashlib
import platform
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from niwaki import __version__
from niwaki.core import Network, Provenance, RunFolderError, RunRecord, Trajectories
from niwaki.data import Split
from niwaki.dynamics import engine
from niwaki.experiment._arm import Progress
from niwaki.experiment._arm_state import Problem
from niwaki.experiment._arms import candidates_of, networks_of, run_arms
from niwaki.experiment._config import FitConfig, Inputs, Selection, check_device
from niwaki.experiment._doctor import scale_notes
from niwaki.experiment._folder import (
    RunFolder,
    change_selection,
    check_free,
    check_unchanged,
    create_run,
    file_hash,
    open_run,
)
from niwaki.experiment._material import Aligned, Material, check_dynamics, read_material
from niwaki.experiment._prepare import check_choice, has_controls, make_problem, split_data
from niwaki.experiment._results import write_results
from niwaki.experiment._scoring import make_judge, shuffled_prior
from niwaki.experiment._threads import thread_notes, use_threads

_MUCH_KEPT = 0.25  # share of its edges that a shuffled prior may keep without a note


@dataclass(frozen=True)
class _Plan:
    """A checked run: whatever can be refused has been, and nothing is written yet."""

    material: Material
    problem: Problem
    parts: Split
    notes: list[str]


def fit(
    material: Material,
    config: FitConfig | None = None,
    *,
    out: Path | str,
    inputs: Inputs | None = None,
    module: nn.Module | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> RunRecord:
    """Fit and prune a model, with its controls, and write the run folder.

    Parameters
    ----------
    material
        Expression and networks, from `read_material` or made by hand.
    config
        Choices of model, training and pruning; the defaults otherwise.
    out
        The run folder to make.
    inputs
        The files that `material` was read from, kept so that the run can be resumed from the
        command line.
    module
        A field of your own instead of a named one: maps states ``[pair, gene]`` to their rates of
        change by two linear layers, genes to hidden units to genes, whose weights are pruned. A
        copy is trained from the weights that it has; random layers such as dropout would make the
        run unrepeatable.
    force
        Replace an earlier run in `out`.
    progress
        Told about every epoch.

    Raises
    ------
    InputError
        If the material or the configuration cannot be used; nothing is written then.
    DivergedError
        If training leaves the finite range.
    """
    check_free(Path(out), force=force)
    chosen = config or FitConfig()
    if module is not None:
        chosen = chosen.model_copy(update={"field": "module"})
    resolved = chosen.resolve(len(material.data.genes))
    plan = _plan(material, resolved, module)
    folder = create_run(
        Path(out), resolved, inputs=inputs, force=force, notes=_describe(material, inputs)
    )
    return _run(folder, plan, inputs, progress)


def resume(
    out: Path | str,
    *,
    material: Material | None = None,
    module: nn.Module | None = None,
    select: Selection | None = None,
    progress: Progress | None = None,
) -> RunRecord:
    """Continue an interrupted run; the result is bit-identical to an uninterrupted one.

    With `select`, another round of the path is kept, also after the run has finished: tables,
    model and record are written again, and nothing is fitted again.

    Parameters
    ----------
    out
        The run folder.
    material
        Needed only when the run was started from Python objects; else the files are read again.
    module
        The module that was given to `fit`, with the weights that it had then.
    select
        Rule, sparsity or number of the round to keep from now on; see `FitConfig`.
    progress
        Told about every epoch.

    Raises
    ------
    RunFolderError
        If `out` is not a run folder, or its input files or its configuration have changed.
    """
    folder, config, inputs = open_run(Path(out))
    if inputs is not None:
        material = read_material(inputs)
    elif material is None:
        raise RunFolderError(
            f"{out} was started from Python objects, so its data is not on disk; resume it "
            "with experiment.resume(out, material=...)."
        )
    check_unchanged(folder, _hashes(material, inputs))
    check_device(config.device)
    if select is not None:
        config = change_selection(folder, config, select)
    return _run(folder, _plan(material, config, module), inputs, progress)


def _plan(material: Material, config: FitConfig, module: nn.Module | None) -> _Plan:
    """Return everything that a run works with, or say what it cannot work with."""
    notes = [*material.notes, *check_dynamics(material.data), *scale_notes(material, config)]
    notes += [*check_choice(material, config), *_control_notes(material, config)]
    notes += thread_notes(config.threads)
    if material.reference is not None:
        make_judge(material.reference.network, None, material.scope)
    parts = split_data(material.data, config)
    with use_threads(config.threads or 1):
        problem = make_problem(parts, config, module)
    if config.field == "gene":
        candidates_of(problem, networks_of(material)[0])  # refused now rather than in the middle
    return _Plan(material, problem, parts, notes)


def _control_notes(material: Material, config: FitConfig) -> list[str]:
    """Return a note where shuffling leaves much of the prior in place."""
    if material.prior is None or not has_controls(material, config):
        return []
    prior = material.prior.network
    same = float(np.isin(shuffled_prior(prior, config.seed).keys(), prior.keys()).mean())
    if same < _MUCH_KEPT:
        return []
    return [
        f"The shuffled prior of the control still holds {same:.0%} of the prior's edges, because a "
        "few regulators reach many of the genes; that it does as well as the prior says less here."
    ]


def _run(
    folder: RunFolder, plan: _Plan, inputs: Inputs | None, progress: Progress | None
) -> RunRecord:
    wall, cpu = time.monotonic(), time.process_time()
    problem, config = plan.problem, plan.problem.config
    files = {} if inputs is None else inputs.paths
    hashes = {f"{k}: {Path(p).name}": file_hash(Path(p)) for k, p in files.items()}
    folder.log(f"niwaki {__version__}, {len(problem.genes)} genes, {config.criterion}")
    if config.field == "phoenix" and config.device == "cpu":
        folder.log(engine().note)
    with use_threads(config.threads or 1):
        arms = run_arms(problem, plan.material, folder, progress)
        record = write_results(
            folder,
            problem=problem,
            material=plan.material,
            parts=plan.parts,
            arms=arms,
            notes=plan.notes,
            provenance=lambda: _provenance(config, hashes, wall, cpu),
            progress=progress,
        )
    folder.log(f"done in {record.provenance.wall_seconds:.1f} s")
    return record


def _describe(material: Material, inputs: Inputs | None) -> dict[str, Any]:
    """Return the content of ``inputs.json``: files, hashes, alignment."""
    return {
        "files": {} if inputs is None else inputs.absolute().paths,
        "hashes": _hashes(material, inputs),
        "alignment": {
            key: aligned.report.model_dump()
            for key in ("prior", "ppi", "reference")
            if isinstance(aligned := getattr(material, key), Aligned)
        },
        "notes": list(material.notes),
    }


def _hashes(material: Material, inputs: Inputs | None) -> dict[str, str]:
    """Return what identifies the inputs: hashes of files, or else of the objects' content."""
    if inputs is not None:
        return {name: file_hash(Path(path)) for name, path in inputs.paths.items()}
    networks = {name: getattr(material, name) for name in ("prior", "ppi", "reference")}
    hashes = {name: _content(a.network) for name, a in networks.items() if a is not None}
    expression = {"data": material.data, "test": material.test}
    return hashes | {name: _content(t) for name, t in expression.items() if t is not None}


def _content(thing: Network | Trajectories) -> str:
    """Return a hash of a network or of trajectories."""
    digest = hashlib.sha256("\0".join(thing.genes).encode())
    if isinstance(thing, Network):
        arrays = [thing.source, thing.target, thing.weight]
    else:
        digest.update("\0".join(item.name for item in thing.items).encode())
        arrays = [array for item in thing.items for array in (item.times, item.values)]
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def _provenance(config: FitConfig, hashes: dict[str, str], wall: float, cpu: float) -> Provenance:
    return Provenance(
        niwaki=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        platform=platform.platform(),
        device=config.device,
        threads=config.threads or 1,
        seed=config.seed,
        command=shlex.join(["niwaki", *sys.argv[1:]]),
        inputs=hashes,
        wall_seconds=time.monotonic() - wall,
        cpu_seconds=time.process_time() - cpu,
        peak_memory_mb=_peak_memory_mb(),
    )


def _peak_memory_mb() -> float | None:
    """Return the most memory that this process has held so far (MB); None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, kilobytes elsewhere
