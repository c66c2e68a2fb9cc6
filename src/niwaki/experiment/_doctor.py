"""Checks before training: what was understood, what looks wrong, what a fit will cost."""

import time

import numpy as np

from niwaki.core import AlignmentReport, DataSummary, Record
from niwaki.dynamics import Optimisation, Training, make_batches, train_epoch
from niwaki.experiment._arm_state import Problem
from niwaki.experiment._arms import candidates_of
from niwaki.experiment._config import FitConfig
from niwaki.experiment._edges import EdgeSearch
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

_BASE_BYTES = 490e6  # Python, torch and the readers, before any data
_REPORT_BYTES = 200e6  # attribution works through the data in blocks that together take this
_STATES_PER_EVALUATION = 6  # gene-sized tensors kept for the backward pass of one evaluation
_EVALUATIONS = 8  # of the default solver per step
_TIMED_GENES = 10  # whose search is timed
_TABLES, _PATHS = 14, 20  # arrays of a search: per edge, and per observation with its nodes
# Weight, gradient, moments, lists of survivors and best copy, and scores in double precision while
# pruning [measured: benchmarks/memory.py at 11,165 genes].
_BYTES_PER_WEIGHT = 72
_SMOOTHED_TOGETHER, _SQUARES = 5, 5  # corrections per gene, and square arrays over all of them


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
    notes = [*material.notes, *check_dynamics(material.data), *scale_notes(material, resolved)]
    notes += check_choice(material, resolved)
    parts = split_data(material.data, resolved)
    problem = make_problem(parts, resolved)
    arms = arm_count(material, resolved)
    parameters = sum(p.numel() for p in problem.make_field().parameters())
    with use_threads(resolved.threads or 1):
        if resolved.field == "gene":
            seconds, megabytes = search_cost(problem, material)
        else:
            seconds = time_epoch(problem) * resolved.epochs
            megabytes = memory_bytes(problem, parameters) / 1e6

    def report(name: str) -> AlignmentReport | None:
        aligned = getattr(material, name)
        return None if aligned is None else aligned.report

    return Diagnosis(
        data=summarise(material, parts),
        prior=report("prior"),
        ppi=report("ppi"),
        reference=report("reference"),
        hidden=0 if resolved.field == "gene" else resolved.hidden or 0,
        parameters=parameters,
        arms=arms,
        seconds=seconds * arms,
        megabytes=megabytes,
        notes=notes,
    )


def arm_count(material: Material, config: FitConfig) -> int:
    """Return how many models a fit trains: itself, and its controls where knowledge matters."""
    return 3 if has_controls(material, config) else 1


def scale_notes(material: Material, config: FitConfig) -> list[str]:
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
    if config.field == "phoenix" and (high > 1.5 or low < -0.5):
        return [
            f"Values run from {low:.3g} to {high:.3g}; the PHOENIX activations are centred on 0.5 "
            "and made for values of about 0 to 1, so a scaled copy may fit better."
        ]
    return []


def search_cost(problem: Problem, material: Material) -> tuple[float, float]:
    """Return the seconds of one search with all its passes, from a few genes, and its peak (MB)."""
    began = time.perf_counter()
    prior = material.prior.network if material.prior else None
    search = EdgeSearch(problem.data, prior, candidates_of(problem, prior))
    smoothing = time.perf_counter() - began
    moving = [g for g, k in enumerate(search.state.smoothed.kernels) if k.rate > 0]
    few = moving[:: max(1, len(moving) // _TIMED_GENES)][:_TIMED_GENES]
    began = time.perf_counter()
    for target in few:
        search.search_target(target, search.features(target))
    per_gene = (time.perf_counter() - began) / max(len(few), 1)
    tables = search.state.odds.nbytes * _TABLES + problem.data.stack().nbytes * _PATHS
    tables += sum(grid.operator_bytes(search.kernels_tried) for grid in search.panel.grids)
    tables += (_SMOOTHED_TOGETHER * len(problem.genes)) ** 2 * 8 * _SQUARES * search.joint
    seconds = smoothing + per_gene * len(moving) * problem.config.passes
    return seconds, (_BASE_BYTES + _REPORT_BYTES + tables) / 1e6


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
    weights = parameters * _BYTES_PER_WEIGHT
    states = genes * min(batch, pairs) * 4 * _EVALUATIONS * _STATES_PER_EVALUATION
    data = genes * pairs * (8 + 4) * 4
    return _BASE_BYTES + _REPORT_BYTES + weights + states + data
