"""What a folder of the moth study holds: motifs of every network at every stage, and means."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from torch import Tensor

from niwaki.core import (
    InputError,
    MothMotif,
    MothRow,
    MothStageRow,
    MothStudy,
    PublishedRow,
    RunFolderError,
    derived_seed,
    write_atomic,
)
from niwaki.data import MOTH_INPUTS
from niwaki.motifs import (
    count,
    count_signed,
    from_weights,
    mean_cosine,
    profiles,
    reachable_pairs,
    significance,
    trim,
)
from niwaki.sweep._moth_groups import MothStage, claimed_plan, read_stages
from niwaki.sweep._moth_plan import GOOD_ERROR, MothPlan

NULLS = ("uniform", "degree")
_LEAST_SAMPLES = 20
_MOST_EDGES = 2_000_000  # of all random graphs of one network together; dense ones are fewer
_BEYOND = 1.96  # deviations, 5 % of a normal law

# Means over 206 networks at 93 %, recomputed from the tables of [1] zahn2024 with correct labels.
# Their chains are pairs of ends; third-order converging motifs were counted by a wrong formula.
# Live nodes hold the bias node of a layer that keeps one; the last two layers have none.
_PUBLISHED = 0.93
_PAIRS = ("reachable2", "reachable3")
PUBLISHED_93 = {
    "edges": 8213.0,
    "diverging2": 86639.0,
    "converging2": 72797.0,
    "reachable2": 20745.0,
    "diverging3": 819771.0,
    "reachable3": 3719.0,
    "bifan": 45244.0,
    "biparallel": 56387.0,
    "live_0": 9.1,
    "live_1": 173.7,
    "live_2": 400.1,
    "live_3": 114.9,
    "live_4": 6.2,
    "live_5": 6.7,
}


def read_study(folder: Path, *, networks: int | None = None, samples: int = 100) -> MothStudy:
    """Return the study of what a folder holds, also while it is still training.

    Parameters
    ----------
    folder
        Where `benchmark_moth` keeps its stages.
    networks
        Look at the first so many only (count).
    samples
        Random graphs per sampled null, fewer for dense networks, but at least 20 (count).

    Raises
    ------
    RunFolderError
        If there is no finished stage.
    """
    plan = claimed_plan(folder)
    rows: list[MothRow] = []
    bare: list[dict[str, float]] = []
    took: dict[int, list[tuple[float, float]]] = {}
    for place in sorted(folder.glob("group_*")):
        first = int(re.sub(r"\D", "", place.name))
        group = tuple(range(first, first + plan.group))
        if networks is not None and first >= networks:
            continue
        for stage in read_stages(plan, group, place):
            found = _kept_rows(stage, place, plan.seed, samples)
            rows += [r for r in found if networks is None or r.network < networks]
            if abs(stage.sparsity - _PUBLISHED) < 1e-9:
                bare += [
                    _bare(stage, at)
                    for at, number in enumerate(group)
                    if networks is None or number < networks
                ]
            took.setdefault(stage.stage, []).append(stage.seconds)
    if not rows:
        raise RunFolderError(f"{folder} holds no finished stage of a moth study; train one first.")
    rows = _with_selection(rows)
    stages = [_stage(rows, stage, plan, seconds) for stage, seconds in sorted(took.items())]
    count = len({row.network for row in rows})
    planned = len(plan.sparsities) + 1
    return MothStudy(
        rows=rows,
        stages=stages,
        published=_published(rows, bare),
        criterion=plan.criterion,
        options=plan.options(),
        networks=count,
        planned_stages=planned,
        finished=len(stages) == planned and all(s.networks == count for s in stages),
        cpu_seconds=sum(cpu for stage in took.values() for _, cpu in stage),
        seconds=sum(clock for stage in took.values() for clock, _ in stage),
        notes=_notes(plan, samples),
    )


def _notes(plan: MothPlan, samples: int) -> list[str]:
    slips = [name for name, on in vars(plan.quirks).items() if on]
    notes = [
        f"{plan.flights:,} flights; {plan.first:,} updates before the first prune, up to "
        f"{plan.stage.most:,} after each; groups of {plan.group} networks share their batches."
    ]
    notes.append(
        f"With degrees kept, means and deviations are of {_LEAST_SAMPLES} random graphs per dense "
        f"network to {samples} per sparse one: enough for z, too few for small p-values."
    )
    if slips:
        notes.append(f"Slips of the released code repeated: {', '.join(slips)}.")
    if plan.fast:
        notes.append("Trained with products of fewer digits (--fast).")
    return notes


def _kept_rows(stage: MothStage, place: Path, seed: int, samples: int) -> list[MothRow]:
    """Return the rows of a stage, from disk where they were made before."""
    path = place / f"rows_{stage.stage:02d}_{samples}.jsonl"
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            return [MothRow.model_validate_json(line) for line in lines]
        except ValidationError:  # of an older version: they are made again
            pass
    rows = [_row(stage, at, seed, samples) for at in range(len(stage.networks))]
    write_atomic(path, "".join(row.model_dump_json() + "\n" for row in rows))
    return rows


def _row(stage: MothStage, at: int, seed: int, samples: int) -> MothRow:
    weights = [w[at] for w in stage.weights]
    graph = from_weights(weights, biases=[b[at] for b in stage.biases])
    living, report = trim(graph)
    number = stage.networks[at]
    rng = derived_seed(seed, "null", number, stage.stage)
    drawn = max(_LEAST_SAMPLES, min(samples, _MOST_EDGES // max(report.edges_after, 1)))
    rows = significance(living, nulls=NULLS, samples=drawn, rng=rng) if report.edges_after else []
    signs = count_signed(living).total
    diamonds = signs["coherent_biparallel"] + signs["incoherent_biparallel"]
    return MothRow(
        network=number,
        stage=stage.stage,
        sparsity=stage.sparsity,
        effective_sparsity=report.effective_sparsity,
        mse=stage.errors[at],
        updates=stage.updates,
        selected=False,
        live=list(report.live),
        edges=report.edges_after,
        reachable2=reachable_pairs(living, 2),
        reachable3=reachable_pairs(living, 3),
        coherent_diamonds=signs["coherent_biparallel"] / diamonds if diamonds else None,
        inputs=_inputs(weights[0]),
        motifs=rows,
    )


def _inputs(first: Tensor) -> dict[str, float]:
    """Return the share of its edges that each input keeps."""
    kept = (first != 0).double().mean(0).tolist()
    return dict(zip(MOTH_INPUTS, kept, strict=True))


def _with_selection(rows: list[MothRow]) -> list[MothRow]:
    """Mark the sparsest good stage of every network."""
    best: dict[int, int] = {}
    for row in rows:
        if row.mse <= GOOD_ERROR:
            best[row.network] = max(best.get(row.network, 0), row.stage)
    return [row.model_copy(update={"selected": best.get(row.network) == row.stage}) for row in rows]


def _stage(
    rows: Sequence[MothRow], stage: int, plan: MothPlan, seconds: Sequence[tuple[float, float]]
) -> MothStageRow:
    here = [row for row in rows if row.stage == stage]
    errors = [row.mse for row in here]
    coherent = [r.coherent_diamonds for r in here if r.coherent_diamonds is not None]
    return MothStageRow(
        stage=stage,
        sparsity=here[0].sparsity,
        networks=len(here),
        mse=float(np.median(errors)),
        mse_low=min(errors),
        mse_high=max(errors),
        effective_sparsity=float(np.mean([row.effective_sparsity for row in here])),
        edges=float(np.mean([row.edges for row in here])),
        live=np.mean([row.live for row in here], axis=0).tolist(),
        cosine={null: _cosine(here, null) for null in NULLS},
        coherent_diamonds=float(np.mean(coherent)) if coherent else None,
        inputs={name: float(np.mean([row.inputs[name] for row in here])) for name in MOTH_INPUTS},
        motifs=_motifs(here),
        cpu_seconds=sum(cpu for _, cpu in seconds) / (len(seconds) * plan.group),
    )


def _cosine(rows: Sequence[MothRow], null: str) -> float | None:
    """Return the mean cosine between networks, None where a null fixes all or there is one only."""
    if len(rows) < 2:
        return None
    try:
        return mean_cosine(profiles([row.motifs for row in rows], null=null)[1])
    except InputError:
        return None


def _motifs(rows: Sequence[MothRow]) -> list[MothMotif]:
    found = []
    for first in dict.fromkeys((m.motif, m.pattern, m.null) for row in rows for m in row.motifs):
        name, pattern, null = first
        here = [m for row in rows for m in row.motifs if (m.motif, m.null) == (name, null)]
        z = [m.z for m in here if m.z is not None]
        ratios = [m.ratio for m in here if m.ratio is not None]
        found.append(
            MothMotif(
                motif=name,
                pattern=pattern,
                null=null,
                observed=float(np.mean([float(m.observed) for m in here])),
                z=float(np.mean(z)) if z else None,
                z_sd=float(np.std(z, ddof=1)) if len(z) > 1 else None,
                ratio=float(np.mean(ratios)) if ratios else None,
                beyond=sum(abs(v) > _BEYOND for v in z) / len(rows),
            )
        )
    return found


def _bare(stage: MothStage, at: int) -> dict[str, float]:
    """Return the counts of a network whose biases are left out."""
    living, report = trim(from_weights([w[at] for w in stage.weights]))
    counts = count(living).total | {n: reachable_pairs(living, int(n[-1])) for n in _PAIRS}
    return _named(counts | {"edges": report.edges_after}, report.live)


def _named(counts: Mapping[str, int], live: Sequence[int]) -> dict[str, float]:
    """Return the published quantities of one network."""
    found = {**counts, **{f"live_{i}": n for i, n in enumerate(live)}}
    return {name: float(found[name]) for name in PUBLISHED_93}


def _published(rows: Sequence[MothRow], bare: Sequence[dict[str, float]]) -> list[PublishedRow]:
    """Return the means at 93 % beside the published ones."""
    own = []
    for row in rows:
        if abs(row.sparsity - _PUBLISHED) < 1e-9 and row.motifs:
            counts = {m.motif: m.observed for m in row.motifs if m.null == "uniform"}
            pairs = {"reachable2": row.reachable2, "reachable3": row.reachable3}
            own.append(_named({**counts, **pairs, "edges": row.edges}, row.live))
    if not own or not bare:
        return []
    return [
        PublishedRow(
            quantity=name,
            ours=float(np.mean([values[name] for values in own])),
            without_biases=float(np.mean([values[name] for values in bare])),
            published=published,
        )
        for name, published in PUBLISHED_93.items()
    ]
