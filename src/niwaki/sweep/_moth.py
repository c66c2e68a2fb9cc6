"""The moth study: many networks pruned on one task, and whether they end up wired alike."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from niwaki.core import (
    ConfigError,
    MotifRow,
    Record,
    RunFolderError,
    derived_seed,
    write_atomic,
)
from niwaki.data import MOTH_INPUTS
from niwaki.motifs import (
    count_signed,
    from_weights,
    mean_cosine,
    profiles,
    reachable_pairs,
    significance,
    trim,
)
from niwaki.sweep._moth_groups import MothStage, claim_folder, read_stages, train_group
from niwaki.sweep._moth_plan import GOOD_ERROR, MothPlan, moth_data
from niwaki.sweep._moth_train import SIZES, TrainPlan

Progress = Callable[[str, int, int, float], None]
NULLS = ("uniform", "degree")
_LEAST_SAMPLES = 20
_MOST_EDGES = 2_000_000  # of all random graphs of one network together; dense ones are fewer

# Means over 206 networks at 93 %, recomputed from the tables of [1] zahn2024 with correct labels.
# Their chains are pairs of ends; third-order converging motifs were counted by a wrong formula.
PUBLISHED_93 = {
    "edges": 8213.0,
    "diverging2": 86639.0,
    "converging2": 72797.0,
    "reachable2": 20745.0,
    "diverging3": 819771.0,
    "reachable3": 3719.0,
    "bifan": 45244.0,
    "biparallel": 56387.0,
    "live_1": 173.7,
    "live_2": 400.1,
    "live_3": 114.9,
    "live_4": 6.2,
}


class MothRow(Record):
    """One network at one sparsity.

    Attributes
    ----------
    network, stage
        Number of the network, and of the prune (0 before the first).
    sparsity, effective_sparsity
        Share of weights and biases that are gone as planned, and that no signal passes.
    mse
        Mean squared test error (squared scaled units).
    updates
        Updates of the stage (count).
    selected
        Whether this is the sparsest stage of the network with an error of at most 1e-3.
    live
        Nodes that a signal passes, per layer, biases left out (counts).
    edges
        Edges that a signal passes (count).
    reachable2, reachable3
        Pairs of nodes joined by two and by three edges, the published chains (counts).
    coherent_diamonds
        Share of bi-parallels whose two ways have the same sign; None where there are none.
    inputs
        Share of its possible edges that each input keeps.
    motifs
        One row per motif and null.
    """

    network: int
    stage: int
    sparsity: float
    effective_sparsity: float
    mse: float
    updates: int
    selected: bool
    live: list[int]
    edges: int
    reachable2: int
    reachable3: int
    coherent_diamonds: float | None
    inputs: dict[str, float]
    motifs: list[MotifRow]


class ConvergenceRow(Record):
    """How alike the networks are at one sparsity.

    Attributes
    ----------
    networks
        Networks compared (count).
    mse
        Median test error (squared scaled units).
    cosine
        Mean cosine between motif profiles under each null; None where it is not defined.
    mean_z
        Mean z of each motif over the networks under each null.
    """

    stage: int
    sparsity: float
    networks: int
    mse: float
    cosine: dict[str, float | None]
    mean_z: dict[str, dict[str, float]]


class MothStudy(Record):
    """All that the moth study finds; see `MothRow` and `ConvergenceRow`.

    Attributes
    ----------
    published
        Ratio of the mean over networks to the published mean at 93 %, by quantity.
    """

    rows: list[MothRow]
    convergence: list[ConvergenceRow]
    published: dict[str, float]
    criterion: str
    quick: bool = False


def benchmark_moth(
    networks: int = 4,
    *,
    plan: MothPlan | None = None,
    out: Path | None = None,
    samples: int = 100,
    device: str = "cpu",
    quick: bool = False,
    progress: Progress | None = None,
) -> MothStudy:
    """Train and prune networks on moth flights, and compare their motifs at every sparsity.

    Parameters
    ----------
    networks
        How many; they train in groups, each as one batch of matrix products (count).
    plan
        Task, schedule, criterion and quirks; the short plan by default.
    out
        Folder that keeps every stage, so that the study goes on where it stopped; more networks
        may be asked for later. By default a temporary one.
    samples
        Random graphs per sampled null, fewer for dense networks, but at least 20 (count).
    device
        Where to train.
    quick
        Two networks and few updates, to see that everything runs.
    progress
        Told about every stage of every group.

    Raises
    ------
    ConfigError
        If `networks` is not positive.
    RunFolderError
        If `out` holds something else.

    References
    ----------
    .. [1] zahn2022, task, networks and schedule.
    .. [2] zahn2024, the motif study. Unlike there: correct masks, two nulls, exact moments.
    """
    if networks < 1:
        raise ConfigError(f"{networks} networks were asked for; expected at least 1.")
    chosen = plan or MothPlan()
    if quick:
        networks, chosen = min(networks, 2), quick_plan(chosen.seed)
    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            return _study(networks, chosen, Path(folder), samples, device, quick, progress)
    return _study(networks, chosen, out, samples, device, quick, progress)


def quick_plan(seed: int = 0) -> MothPlan:
    """Return a plan of few updates, whose numbers mean nothing."""
    return MothPlan(
        flights=4_000,
        first=150,
        stage=TrainPlan(most=50, least=50),
        sparsities=(0.5, 0.9),
        seed=seed,
        group=2,
    )


def _study(
    networks: int,
    plan: MothPlan,
    folder: Path,
    samples: int,
    device: str,
    quick: bool,
    progress: Progress | None,
) -> MothStudy:
    claim_folder(plan, folder)
    groups = [tuple(range(first, first + plan.group)) for first in range(0, networks, plan.group)]
    data = moth_data(plan, device)
    for group in groups:
        place = _place(folder, group)
        train_group(plan, group, data=data, folder=place, device=device, progress=progress)
    return read_study(folder, plan=plan, networks=networks, samples=samples, quick=quick)


def read_study(
    folder: Path,
    *,
    plan: MothPlan,
    networks: int | None = None,
    samples: int = 100,
    quick: bool = False,
) -> MothStudy:
    """Return the study of what a folder holds, also while it is still training.

    Parameters
    ----------
    folder
        Where `benchmark_moth` keeps its stages.
    plan
        Its plan.
    networks
        Look at the first so many only (count).
    samples
        Random graphs per sampled null (count).
    quick
        Say that the numbers mean nothing.

    Raises
    ------
    RunFolderError
        If there is no finished stage.
    """
    rows: list[MothRow] = []
    for place in sorted(folder.glob("group_*")):
        first = int(re.sub(r"\D", "", place.name))
        group = tuple(range(first, first + plan.group))
        for stage in read_stages(plan, group, place):
            found = _kept_rows(stage, place, plan.seed, samples)
            rows += [r for r in found if networks is None or r.network < networks]
    if not rows:
        raise RunFolderError(f"{folder} holds no finished stage of a moth study; train one first.")
    rows = _with_selection(rows)
    return MothStudy(
        rows=rows,
        convergence=_convergence(rows),
        published=_against_published(rows),
        criterion=plan.criterion,
        quick=quick,
    )


def _place(folder: Path, group: tuple[int, ...]) -> Path:
    return folder / f"group_{group[0]:04d}"


def _kept_rows(stage: MothStage, place: Path, seed: int, samples: int) -> list[MothRow]:
    """Return the rows of a stage, from disk where they were made before."""
    path = place / f"rows_{stage.stage:02d}_{samples}.jsonl"
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        return [MothRow.model_validate_json(line) for line in lines]
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


def _convergence(rows: list[MothRow]) -> list[ConvergenceRow]:
    found = []
    for stage in sorted({row.stage for row in rows}):
        here = [row for row in rows if row.stage == stage]
        found.append(
            ConvergenceRow(
                stage=stage,
                sparsity=here[0].sparsity,
                networks=len(here),
                mse=float(np.median([row.mse for row in here])),
                cosine={null: _cosine(here, null) for null in NULLS},
                mean_z={null: _mean_z(here, null) for null in NULLS},
            )
        )
    return found


def _cosine(rows: list[MothRow], null: str) -> float | None:
    """Return the mean cosine between networks, None where a null fixes all or there is one only."""
    free = [any(m.null == null and m.z is not None for m in row.motifs) for row in rows]
    if len(rows) < 2 or not all(free):
        return None
    return mean_cosine(profiles([row.motifs for row in rows], null=null)[1])


def _mean_z(rows: list[MothRow], null: str) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for row in rows:
        for motif in row.motifs:
            if motif.null == null and motif.z is not None:
                values.setdefault(motif.motif, []).append(motif.z)
    return {name: float(np.mean(z)) for name, z in values.items()}


def _against_published(rows: list[MothRow]) -> dict[str, float]:
    """Return the means at 93 % over the published ones."""
    here = [row for row in rows if abs(row.sparsity - 0.93) < 1e-9]
    if not here:
        return {}
    own: dict[str, list[float]] = {name: [] for name in PUBLISHED_93}
    for row in here:
        counts = {m.motif: float(m.observed) for m in row.motifs if m.null == "uniform"}
        counts |= {"edges": row.edges, "reachable2": row.reachable2, "reachable3": row.reachable3}
        # the published counts of nodes hold the bias node of each layer that keeps one
        counts |= {f"live_{i}": float(row.live[i]) for i in range(1, len(SIZES) - 1)}
        for name, values in own.items():
            values.append(counts[name])
    return {name: float(np.mean(v)) / PUBLISHED_93[name] for name, v in own.items()}
