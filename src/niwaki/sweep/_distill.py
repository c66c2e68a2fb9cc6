"""Distillation against its controls on simulated tasks, with published numbers beside ours."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from niwaki.core import ConfigError, Record
from niwaki.sweep._distill_tasks import (
    Task,
    burst_task,
    gene_task,
    maps_task,
    synthetic_task,
    tracks_task,
)
from niwaki.sweep._distill_teachers import Recurrent, ResidualMaps, perceptron, train_teacher
from niwaki.wavelets import (
    LAPLACE,
    RATIOS,
    ROBERTS,
    DistilledModel,
    FeatureOptions,
    Layout,
    Objective,
    Path,
    Point,
    SearchOptions,
    band_shares,
    best_model,
    complete_angles,
    cpu_seconds,
    filter_from_angles,
    fit_model,
    fit_readout,
    input_gradients,
    kept_share,
    peak_edges,
    peak_histograms,
    r2_score,
    search_path,
    start_angles,
    teacher_outputs,
    wavelet_distance,
)

DISTILL_TASKS = ("synthetic", "tracks", "maps", "gene")
FIXED, EVERY = "db5", ", every shift"
# Share of explained variance on the real tracks, and root mean square error on the real maps in
# units of the parameter times 100, from stored results of the original study.
PUBLISHED: dict[tuple[str, str], dict[str, float]] = {
    ("tracks", "distilled"): {"r2": 0.262, "kept": 0.574},
    ("tracks", "no attribution"): {"r2": 0.231, "kept": 0.651},
    ("tracks", FIXED): {"r2": 0.197, "kept": 0.704},
    ("tracks", "teacher"): {"r2": 0.237},
    ("maps", "distilled"): {"rmse_percent": 1.026},
    ("maps", "no attribution"): {"rmse_percent": 1.353},
    ("maps", FIXED): {"rmse_percent": 1.569},
    ("maps", "teacher"): {"rmse_percent": 1.156},
    ("maps", "laplace"): {"rmse_percent": 1.369},
    ("maps", "roberts"): {"rmse_percent": 1.259},
}


class DistillBenchmarkRow(Record):
    """One model on one simulated task.

    Attributes
    ----------
    task, seed, method
        What was run.
    r2, rmse
        Share of variance explained on held-out samples, and root mean square error.
    cv_r2
        Cross-validated share on training samples.
    distance
        Canonical distance to db5.
    kept
        Share of coefficients that matter to data and teacher.
    parameters
        Numbers that make the model.
    predict_seconds, cpu_seconds
        Processor time to predict the held-out samples, transform included, and to learn.
    note
        What else was found.
    published
        Numbers of the original study on its real data, for comparison.
    """

    task: str
    seed: int
    method: str
    r2: float | None = None
    rmse: float | None = None
    cv_r2: float | None = None
    distance: float | None = None
    kept: float | None = None
    parameters: int | None = None
    predict_seconds: float | None = None
    cpu_seconds: float | None = None
    note: str = ""
    published: dict[str, float] | None = None


Progress = Callable[[str, int, int, float], None]


def benchmark_distill(
    task: str, *, seed: int = 0, quick: bool = False, progress: Progress | None = None
) -> list[DistillBenchmarkRow]:
    """Return a row per model of one task.

    Parameters
    ----------
    task
        ``synthetic`` (recover db5), ``tracks`` (a stand-in for molecular partners), ``maps`` (a
        stand-in for convergence maps), or ``gene`` (which time scales a forecaster of a regulated
        gene uses).
    seed
        Of data, teacher and search.
    quick
        Few samples and epochs, to see that everything runs.
    progress
        Called by the search.

    Raises
    ------
    ConfigError
        If there is no such task.
    """
    runs = {"synthetic": _synthetic, "tracks": _tracks, "maps": _maps, "gene": _gene}
    if task not in runs:
        raise ConfigError(f"task '{task}' is unknown; choose one of {', '.join(DISTILL_TASKS)}.")
    return runs[task](seed, quick, progress)


def _synthetic(seed: int, quick: bool, progress: Progress | None) -> list[DistillBenchmarkRow]:
    """Recover db5 from every start: one at a time by descent, and grown without any name."""
    task = synthetic_task(seed + 1, rows=4400 if quick else 55_000)
    teacher = train_teacher(perceptron(64), task, epochs=4 if quick else 20, seed=seed)
    part, gradients = _asked(task, teacher)
    rows = [_told("synthetic", task, teacher, seed)]
    alone = SearchOptions(beam=0, named=False, polish_steps=400)
    rng = np.random.default_rng(seed)
    noisy = np.asarray(start_angles(FIXED)[0]) + 0.3 * rng.normal(size=4)
    cases: list[tuple[str, int, str | Tensor]] = [
        (n, 10, n) for n in ("db5", "sym5", "db4", "haar")
    ]
    cases += [("coif2", 12, "coif2"), ("db5, angles + 0.3 noise", 10, _taps(noisy))]
    for label, taps, start in cases:
        objective = Objective(part, gradients, Layout(taps, 4))
        rows.append(_recovery("synthetic", objective, label, seed, alone, (start,), None))
    task = burst_task(seed + 1, rows=4400 if quick else 55_000)
    burst = train_teacher(
        perceptron(64, width=128), task, epochs=4 if quick else 30, seed=seed, rate=0.003
    )
    rows.append(_told("synthetic, burst", task, burst, seed))
    found = SearchOptions(named=False)
    for name, (x, g) in (("synthetic", (part, gradients)), (rows[-1].task, _asked(task, burst))):
        grown = Objective(x, g, Layout(10, 4))
        rows.append(_recovery(name, grown, "grown, no name given", seed, found, (), progress))
    return rows


def _asked(task: Task, teacher: torch.nn.Module) -> tuple[Tensor, Tensor]:
    part = task.x[:2000]
    return part, input_gradients(teacher, part)


def _told(name: str, task: Task, teacher: torch.nn.Module, seed: int) -> DistillBenchmarkRow:
    outputs = teacher_outputs(teacher, task.test_x)[:, 0].double().numpy()
    score = r2_score(task.test_y, outputs)
    return DistillBenchmarkRow(task=name, seed=seed, method="teacher", r2=score)


def _taps(free: np.ndarray) -> Tensor:
    return filter_from_angles(complete_angles(torch.from_numpy(free)))


def _recovery(
    name: str,
    objective: Objective,
    label: str,
    seed: int,
    options: SearchOptions,
    starts: tuple[str | Tensor, ...],
    progress: Progress | None,
) -> DistillBenchmarkRow:
    began = time.process_time()
    path = search_path(
        objective,
        ratios=(100.0,),
        starts=starts,
        options=options,
        rng=np.random.default_rng(seed),
        progress=progress,
    )
    seconds = time.process_time() - began
    point = path.points[0]
    return DistillBenchmarkRow(
        task=name,
        seed=seed,
        method=f"from {label}",
        distance=wavelet_distance(objective.layout.lows(point.angles)[0], FIXED),
        parameters=point.angles.numel(),
        cpu_seconds=seconds,
        note=f"objective {point.value:.4f}",
    )


def _tracks(seed: int, quick: bool, progress: Progress | None) -> list[DistillBenchmarkRow]:
    task = tracks_task(seed, rows=800 if quick else 5872)
    began = time.process_time()
    teacher = train_teacher(
        Recurrent(), task, epochs=3 if quick else 40, seed=seed, tries=1 if quick else 3
    )
    seconds = time.process_time() - began
    study = _Study("tracks", task, teacher, seconds, seed, quick)
    return study.rows({"": FeatureOptions(), EVERY: FeatureOptions(shifts=True)}, progress)


def _gene(seed: int, quick: bool, progress: Progress | None) -> list[DistillBenchmarkRow]:
    """Say which scales a forecaster uses, for targets that forget fast and slowly."""
    rows = []
    for memory in (2.0, 8.0):
        task = gene_task(seed, rows=600 if quick else 3000, memory=memory)
        began = time.process_time()
        teacher = train_teacher(perceptron(64), task, epochs=5 if quick else 40, seed=seed)
        seconds = time.process_time() - began
        study = _Study(f"gene, memory {memory:g}", task, teacher, seconds, seed, quick)
        rows += study.rows({"": FeatureOptions("all")}, progress)
    return rows


@dataclass(frozen=True, eq=False)
class _Study:
    """A task, its teacher and what training it cost (CPU seconds)."""

    name: str
    task: Task
    teacher: torch.nn.Module
    seconds: float
    seed: int
    quick: bool

    def rows(
        self, kinds: dict[str, FeatureOptions], progress: Progress | None
    ) -> list[DistillBenchmarkRow]:
        """Return the distilled model beside its ablation, a fixed wavelet and the teacher."""
        task, began = self.task, time.process_time()
        gradients = input_gradients(self.teacher, task.x, chunk=max(8, 2**19 // task.x[0].numel()))
        layout = Layout(10, 4, task.x.ndim - 1)
        path = search_path(
            Objective(task.x, gradients, layout),
            ratios=(0.0, 1.0, math.inf) if self.quick else RATIOS,
            starts=(FIXED,),
            options=SearchOptions(beam=4) if self.quick else None,
            rng=np.random.default_rng(self.seed),
            progress=progress,
        )
        spent, rows = time.process_time() - began, []
        for suffix, options in kinds.items():
            rows += self._models(suffix, options, path, layout, gradients, spent)
        return [*rows, _teacher_row(self.name, task, self.teacher, self.seconds, self.seed)]

    def _models(
        self,
        suffix: str,
        options: FeatureOptions,
        path: Path,
        layout: Layout,
        gradients: Tensor,
        spent: float,
    ) -> list[DistillBenchmarkRow]:
        x, y, began = self.task.x, self.task.y, time.process_time()
        readout = "linear" if options.kind == "top" else "ridge"
        best, every = best_model(x, y, path, layout=layout, options=options, readout=readout)
        spent += time.process_time() - began
        point = Point(0.0, start_angles(FIXED)[0][None], math.nan, math.nan, FIXED)
        fixed = fit_model(x, y, point, layout=layout, options=options, readout=readout)
        found = []
        for method, model in (("distilled", best), ("no attribution", every[0]), (FIXED, fixed)):
            scales = "" if model is fixed else _scales(gradients, model.point, layout)
            row = self._row(method + suffix, model, layout, gradients, scales)
            cost = spent if model is best else None
            found.append(row.model_copy(update={"cpu_seconds": cost}))
        return found

    def _row(
        self, method: str, model: DistilledModel, layout: Layout, gradients: Tensor, scales: str
    ) -> DistillBenchmarkRow:
        task = self.task
        guess = model.predict(task.test_x)
        low = layout.lows(model.point.angles).reshape(-1, layout.taps)[0]
        return DistillBenchmarkRow(
            task=self.name,
            seed=self.seed,
            method=method,
            r2=r2_score(task.test_y, guess),
            rmse=float(np.sqrt(((guess - task.test_y) ** 2).mean())),
            cv_r2=model.readout.r2,
            distance=wavelet_distance(low, FIXED),
            kept=kept_share(task.x[:2000], gradients[:, :2000], model.point, layout=layout),
            parameters=model.parameters,
            predict_seconds=model.seconds(task.test_x, repeats=3),
            note=scales,
            published=PUBLISHED.get((self.name, method)),
        )


def _scales(gradients: Tensor, point: Point, layout: Layout) -> str:
    shares = band_shares(gradients.flatten(0, 1), point=point, layout=layout, adjoint=True)
    names = [f"A{layout.level}", *(f"D{j}" for j in range(layout.level, 0, -1))]
    told = ", ".join(f"{n} {s:.2f}" for n, s in zip(names, shares, strict=True))
    ratio = f"gamma / lambda {point.ratio:.3g}"
    return f"{ratio}; attributions in {told}"


def _teacher_row(
    name: str, task: Task, teacher: torch.nn.Module, seconds: float, seed: int
) -> DistillBenchmarkRow:
    outputs = teacher_outputs(teacher, task.test_x)[:, 0].double().numpy()
    return DistillBenchmarkRow(
        task=name,
        seed=seed,
        method="teacher",
        r2=r2_score(task.test_y, outputs),
        rmse=float(np.sqrt(((outputs - task.test_y) ** 2).mean())),
        parameters=sum(p.numel() for p in teacher.parameters()),
        predict_seconds=cpu_seconds(lambda: teacher_outputs(teacher, task.test_x)),
        cpu_seconds=seconds,
        note="" if task.truth is None else f"the noise leaves {task.truth:.3f} at most",
        published=PUBLISHED.get((name, "teacher")),
    )


def _maps(seed: int, quick: bool, progress: Progress | None) -> list[DistillBenchmarkRow]:
    task = maps_task(seed, rows=80 if quick else 800, side=32 if quick else 256)
    began = time.process_time()
    teacher = train_teacher(
        ResidualMaps(), task, epochs=2 if quick else 12, seed=seed, batch=32, rate=3e-3
    )
    seconds = time.process_time() - began
    options = FeatureOptions("peaks", bins=6 if quick else 22)
    rows = _Study("maps", task, teacher, seconds, seed, quick).rows({"": options}, progress)
    for name, kernels in (("laplace", LAPLACE), ("roberts", ROBERTS)):
        stack = torch.tensor(kernels, dtype=torch.float32).reshape(-1, 3, 3)
        rows.append(_kernel_row(task, name, stack, seed, options.bins))
    return rows


def _kernel_row(
    task: Task, name: str, kernels: Tensor, seed: int, bins: int
) -> DistillBenchmarkRow:
    edges = peak_edges(task.x, kernels, bins=bins)
    features, held = (
        peak_histograms(x, kernels, edges).double().numpy() for x in (task.x, task.test_x)
    )
    fitted = fit_readout(features, task.y, kind="ridge")
    guess = fitted.predict(held)
    return DistillBenchmarkRow(
        task="maps",
        seed=seed,
        method=name,
        r2=r2_score(task.test_y, guess),
        rmse=float(np.sqrt(((guess - task.test_y) ** 2).mean())),
        cv_r2=fitted.r2,
        parameters=fitted.used + edges.numel() + 1,
        published=PUBLISHED.get(("maps", name)),
    )
