"""Checks before training: what was understood, what looks wrong, what a fit will cost."""

import time

import numpy as np

from niwaki.core import AlignmentReport, DataSummary, Record
from niwaki.dynamics import Optimisation, Training, make_batches, train_epoch
from niwaki.experiment._arm import Problem
from niwaki.experiment._config import FitConfig
from niwaki.experiment._material import Material, check_dynamics
from niwaki.experiment._model import full_masks
from niwaki.experiment._prepare import (
    check_choice,
    has_controls,
    make_problem,
    split_data,
    summarise,
)
from niwaki.experiment._threads import use_threads

_BASE_BYTES = 450e6  # Python, torch and the readers, before any data
_STATES_PER_EVALUATION = 6  # gene-sized tensors kept for the backward pass of one evaluation
_EVALUATIONS = 8  # of the default solver per step


class Diagnosis(Record):
    """What ``niwaki doctor`` found.

    Attributes
    ----------
    notes
        Sentences on what deserves a look; empty if all is well.
    seconds
        Estimated time of the whole fit with its controls, from timed steps on this machine (s).
    megabytes
        Estimated peak memory (MB).
    """

    data: DataSummary
    prior: AlignmentReport | None
    ppi: AlignmentReport | None
    reference: AlignmentReport | None
    hidden: int
    parameters: int
    arms: int
    seconds: float
    megabytes: float
    notes: list[str]


def diagnose(material: Material, config: FitConfig) -> Diagnosis:
    """Check the material and estimate the cost of a fit, without writing anything.

    Parameters
    ----------
    material
        What `read_material` returned.
    config
        The configuration to be used.

    Raises
    ------
    InputError
        If the fit could not run at all.
    """
    resolved = config.resolve(len(material.data.genes))
    notes = [*material.notes, *check_dynamics(material.data), *scale_notes(material)]
    notes += check_choice(material, resolved)
    parts = split_data(material.data, resolved)
    problem = make_problem(parts, resolved)
    with use_threads(resolved.threads or 1):
        seconds_per_epoch = time_epoch(problem)
    arms = arm_count(material, resolved)
    parameters = sum(p.numel() for p in problem.make_field().parameters())

    def report(name: str) -> AlignmentReport | None:
        aligned = getattr(material, name)
        return None if aligned is None else aligned.report

    return Diagnosis(
        data=summarise(material, parts),
        prior=report("prior"),
        ppi=report("ppi"),
        reference=report("reference"),
        hidden=resolved.hidden or 0,
        parameters=parameters,
        arms=arms,
        seconds=seconds_per_epoch * resolved.epochs * arms,
        megabytes=memory_bytes(problem, parameters) / 1e6,
        notes=notes,
    )


def arm_count(material: Material, config: FitConfig) -> int:
    """Return how many models a fit trains: itself, and its controls where knowledge matters."""
    return 3 if has_controls(material, config) else 1


def scale_notes(material: Material) -> list[str]:
    """Return notes on values on a scale the model was not made for."""
    values = material.data.stack()
    low, high = float(values.min()), float(values.max())
    if high > 50:
        return [
            f"Values reach {high:.3g}, as raw counts do; log-transform them (log1p of normalised "
            "counts), or scale each gene to 0..1, else few genes dominate the loss."
        ]
    spread = values.std(0)
    moving = spread[spread > 0]
    if moving.size and moving.max() > 100 * np.median(moving):
        gene = material.data.genes[int(spread.argmax())]
        return [f"Gene {gene} varies over 100 times more than the median gene; scale the genes."]
    if high > 1.5 or low < -0.5:
        return [
            f"Values run from {low:.3g} to {high:.3g}; the PHOENIX activations are centred on 0.5 "
            "and made for values of about 0 to 1, so a scaled copy may fit better."
        ]
    return []


def time_epoch(problem: Problem) -> float:
    """Return the seconds of one epoch, from a few timed steps."""
    model = problem.make_field().to(problem.config.device)
    training = Training(model, Optimisation(learning_rate=problem.config.learning_rate))
    masks = full_masks(model)
    batches = make_batches(problem.pairs, size=problem.config.batch, seed=0, epoch=0)
    few = [batches[0]] * 3
    for _ in range(2):  # the first round pays for allocations
        began = time.perf_counter()
        train_epoch(training, problem.train, batches=few, method=problem.method, masks=masks)
        seconds = time.perf_counter() - began
    return seconds / len(few) * (len(batches) + 1)  # one more for the held-out loss


def memory_bytes(problem: Problem, parameters: int) -> float:
    """Return an estimate of the peak memory of a fit (bytes)."""
    genes, pairs = problem.train.start.shape
    batch = problem.config.batch if isinstance(problem.config.batch, int) else pairs
    weights = parameters * 4 * 8  # weight, gradient, two moments, masks, best copy, checkpoint
    states = genes * min(batch, pairs) * 4 * _EVALUATIONS * _STATES_PER_EVALUATION
    data = genes * pairs * (8 + 4) * 4
    return _BASE_BYTES + weights + states + data
