"""The main job: fit, prune, control, score, and leave a run folder."""

import json
import platform
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from niwaki import __version__
from niwaki.core import (
    Provenance,
    RunFolderError,
    RunRecord,
)
from niwaki.experiment._arm import ArmResult, Problem, Progress, run_arm
from niwaki.experiment._config import FitConfig, Inputs
from niwaki.experiment._doctor import scale_notes
from niwaki.experiment._folder import RunFolder, create_run, file_hash, open_run
from niwaki.experiment._material import Aligned, Material, check_dynamics, read_material
from niwaki.experiment._prepare import check_choice, make_problem, split_data
from niwaki.experiment._results import write_results
from niwaki.experiment._scoring import FIT, NO_PRIOR, SHUFFLED, shuffled_prior
from niwaki.experiment._threads import use_threads


def fit(
    material: Material,
    config: FitConfig | None = None,
    *,
    out: Path | str,
    inputs: Inputs | None = None,
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
    resolved = (config or FitConfig()).resolve(len(material.data.genes))
    notes = _check(material, resolved)
    folder = create_run(
        Path(out), resolved, inputs=inputs, force=force, notes=_describe(material, inputs)
    )
    return _run(folder, material, resolved, inputs, notes, progress)


def resume(
    out: Path | str, *, material: Material | None = None, progress: Progress | None = None
) -> RunRecord:
    """Continue an interrupted run; the result is bit-identical to an uninterrupted one.

    Parameters
    ----------
    out
        The run folder.
    material
        Needed only when the run was started from Python objects; else the files are read again.
    progress
        Told about every epoch.

    Raises
    ------
    RunFolderError
        If `out` is not a run folder, or its input files have changed.
    """
    folder, config, inputs = open_run(Path(out))
    if material is None:
        if inputs is None:
            raise RunFolderError(
                f"{out} was started from Python objects, so its data is not on disk; resume it "
                "with experiment.resume(out, material=...)."
            )
        material = read_material(inputs)
    before = json.loads((folder.path / "inputs.json").read_text(encoding="utf-8"))
    now = _describe(material, inputs)
    if before.get("hashes") != now["hashes"]:
        raise RunFolderError(
            f"the input files of {out} have changed since the run began; fit again with --force."
        )
    return _run(folder, material, config, inputs, _check(material, config), progress)


def _check(material: Material, config: FitConfig) -> list[str]:
    split_data(material.data, config)
    notes = [*material.notes, *check_dynamics(material.data), *scale_notes(material)]
    return notes + check_choice(material, config)


def _run(
    folder: RunFolder,
    material: Material,
    config: FitConfig,
    inputs: Inputs | None,
    notes: list[str],
    progress: Progress | None,
) -> RunRecord:
    wall, cpu = time.monotonic(), time.process_time()
    parts = split_data(material.data, config)
    folder.log(f"niwaki {__version__}, {len(material.data.genes)} genes, {config.criterion}")
    with use_threads(config.threads or 1):
        problem = make_problem(parts, config)
        arms = run_arms(problem, material, folder, progress)
        record = write_results(
            folder,
            problem=problem,
            material=material,
            parts=parts,
            arms=arms,
            notes=notes,
            provenance=lambda: _provenance(config, inputs, wall, cpu),
        )
    folder.log(f"done in {record.provenance.wall_seconds:.1f} s")
    return record


def run_arms(
    problem: Problem, material: Material, folder: RunFolder, progress: Progress | None
) -> dict[str, ArmResult]:
    """Run the fit and, where knowledge matters, the same fit with a shuffled and with no prior."""
    config = problem.config
    prior = material.prior.network if material.prior else None
    ppi = material.ppi.network if material.ppi else None
    plans: list[tuple[str, Problem, Any, Any]] = [(FIT, problem, prior, ppi)]
    if config.controls and config.uses_knowledge and prior is not None:
        shuffled = shuffled_prior(prior, config.seed)
        mixed = None if ppi is None else shuffled_prior(ppi, config.seed, "ppi")
        plans.append((SHUFFLED, problem, shuffled, mixed))
        bare = config.model_copy(update={"criterion": "magnitude", "prior_loss": 0.0})
        plans.append((NO_PRIOR, replace(problem, config=bare), None, None))
    results = {}
    for name, case, arm_prior, arm_ppi in plans:
        results[name] = run_arm(
            case,
            name,
            prior=arm_prior,
            ppi=arm_ppi,
            folder=folder.checkpoints(name.replace(" ", "_")),
            progress=progress,
        )
        folder.log(f"{name}: {results[name].epochs} epochs, {len(results[name].rounds)} rounds")
    return results


def _describe(material: Material, inputs: Inputs | None) -> dict[str, Any]:
    """Return the content of ``inputs.json``: files, hashes, alignment."""
    files = {} if inputs is None else inputs.model_dump()
    named = {
        k: files[k] for k in ("data", "prior", "ppi", "reference", "test", "genes") if files.get(k)
    }
    return {
        "files": named,
        "hashes": {key: file_hash(Path(path)) for key, path in named.items()},
        "alignment": {
            key: aligned.report.model_dump()
            for key in ("prior", "ppi", "reference")
            if isinstance(aligned := getattr(material, key), Aligned)
        },
        "notes": list(material.notes),
    }


def _provenance(config: FitConfig, inputs: Inputs | None, wall: float, cpu: float) -> Provenance:
    named = _describe_files(inputs)
    return Provenance(
        niwaki=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        platform=platform.platform(),
        device=config.device,
        threads=config.threads or 1,
        seed=config.seed,
        command=shlex.join(["niwaki", *sys.argv[1:]]),
        inputs=named,
        wall_seconds=time.monotonic() - wall,
        cpu_seconds=time.process_time() - cpu,
    )


def _describe_files(inputs: Inputs | None) -> dict[str, str]:
    if inputs is None:
        return {}
    paths = (inputs.data, inputs.prior, inputs.ppi, inputs.reference, inputs.test, inputs.genes)
    return {Path(path).name: file_hash(Path(path)) for path in paths if path}
