"""A whole table of experiments: one process per core, resumed where it stopped."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from niwaki.core import (
    ConfigError,
    DivergedError,
    NiwakiError,
    StorageError,
    storage_error,
    write_atomic,
)
from niwaki.experiment import use_threads
from niwaki.sweep._plan import REAL, Job
from niwaki.sweep._real import run_real
from niwaki.sweep._rows import BenchmarkRow
from niwaki.sweep._sim350 import load_case

_TRIES = 5  # how often workers may be killed before a table gives up
_AS_GOOD = 0.02  # a held-out loss higher by this share is as good; then the sparser counts

TableProgress = Callable[[int, int, str], None]
"""Called as ``progress(done, all, what)`` after every run."""


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes
    ----------
    section
        Part of the table.
    moved
        Share of wrong edges in a prior made from the truth; None for the shipped one.
    setting
        What the method's search chose, or empty.
    row
        Scores and costs; `tried_cpu_seconds` counts every setting.
    tried_cpu_seconds
        Processor time of the whole search (s); None for rows without training.
    """

    section: str
    moved: float | None
    setting: str
    row: BenchmarkRow
    tried_cpu_seconds: float | None


def run_table(
    jobs: Sequence[Job],
    folder: Path,
    *,
    workers: int | None = None,
    progress: TableProgress | None = None,
) -> list[str]:
    """Run what is not done yet and return a sentence for each run that failed.

    Every run writes its rows to a file of its own in ``folder/jobs``, whole or not at all; what is
    there is not run again, and neither is a run that its own settings stopped: `stopped_runs` names
    those. A killed worker (out of memory, say) costs the runs in progress, which are started again;
    after several such deaths the rest is left for the next call.

    Parameters
    ----------
    jobs
        From `plan_table`.
    folder
        Made if it is not there.
    workers
        Processes, one thread each; by default one per processor (count). With 1, no process is
        started.
    progress
        Told about every run.

    Raises
    ------
    StorageError
        If the folder cannot be written, or workers were killed again and again.
    """
    place = folder / "jobs"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(place, error) from error
    count = workers or max(1, joblib.cpu_count())
    for attempt in range(_TRIES):
        left = [job for job in jobs if not _is_done(job, place)]
        done = len(jobs) - len(left)
        if progress is not None:
            progress(done, len(jobs), "done before" if attempt == 0 else "started again")
        try:
            failed = _run(left, place, count, done, len(jobs), progress)
        except TerminatedWorkerError:
            time.sleep(1)
            continue
        return failed
    raise StorageError(
        f"workers were killed {_TRIES} times, most likely for lack of memory; run the same command "
        "again with fewer --workers, which continues."
    )


def _run(
    jobs: Sequence[Job],
    place: Path,
    workers: int,
    done: int,
    total: int,
    progress: TableProgress | None,
) -> list[str]:
    """Run jobs in processes and return what failed."""
    failed = []
    calls = (joblib.delayed(run_job)(job, place) for job in jobs)
    backend = "sequential" if workers == 1 else "loky"
    pool = joblib.Parallel(n_jobs=workers, backend=backend, return_as="generator_unordered")
    for what, problem in pool(calls):
        done += 1
        if problem is not None:
            failed.append(f"{what}: {problem}")
        if progress is not None:
            progress(done, total, what)
    return failed


def run_job(job: Job, place: Path) -> tuple[str, str | None]:
    """Run one job on one thread and keep its rows; returns its name and what went wrong.

    A run that left the finite range, or whose settings cannot be followed to the end, would end the
    same way again: that is kept in place of its rows.
    """
    what, stopped = _name(job), ""
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with use_threads(1):
            rows = _rows_of(job)
    except (ConfigError, DivergedError) as error:
        rows, stopped = [], str(error)
    except NiwakiError as error:
        return what, str(error)
    content: dict[str, object] = {"setting": _setting(job)}
    content |= {"rows": [row.model_dump() for row in rows], "stopped": stopped}
    write_atomic(_file(job, place), json.dumps(content, indent=1))
    return what, None


def _rows_of(job: Job) -> list[BenchmarkRow]:
    """Return the rows of a job: what needs no training first, then the method's."""
    if job.section in REAL:
        return run_real(
            job.section, job.method, changes=job.changes, seed=job.seed, quick=job.quick
        )
    case = load_case(noise=job.noise, seed=job.seed, quick=job.quick, moved=job.moved)
    return [*case.controls(), *case.run(job.method, None, job.changes)]


def collect_table(jobs: Sequence[Job], folder: Path) -> list[TableRow]:
    """Return the rows of all finished runs, one per method and case.

    Among a method's settings the sparsest counts whose held-out loss is within 2 % of its best; the
    truth has no say. Rows that need no training stand once per case.
    """
    groups: dict[tuple[str, float, int, float | None, str], list[tuple[Job, list[BenchmarkRow]]]]
    groups = defaultdict(list)
    for job in jobs:
        found = _read(job, folder / "jobs")
        if found:
            groups[job.section, job.noise, job.seed, job.moved, job.method].append((job, found))
    table: list[TableRow] = []
    seen: set[tuple[object, ...]] = set()
    for (section, noise, seed, moved, _), tried in groups.items():
        spent = sum(rows[_trained(rows)].cpu_seconds or 0.0 for _, rows in tried)
        job, rows = _best(tried)
        for row in rows:
            case = (section, noise, seed, moved, row.method)
            if case in seen:
                continue
            seen.add(case)
            of_method = row.cpu_seconds is not None
            table.append(
                TableRow(
                    section,
                    moved,
                    _setting(job) if of_method else "",
                    row,
                    spent if of_method else None,
                )
            )
    return table


def stopped_runs(jobs: Sequence[Job], folder: Path) -> list[str]:
    """Return a sentence for each run that its own settings stopped, in the order of the jobs.

    Such a run is tried again once its file is gone.
    """
    found = []
    for job in jobs:
        problem = _content(job, folder / "jobs").get("stopped")
        if problem:
            setting = f", {_setting(job)}" if job.changes else ""
            found.append(f"{_name(job)}{setting}: {problem}")
    return found


def _best(tried: list[tuple[Job, list[BenchmarkRow]]]) -> tuple[Job, list[BenchmarkRow]]:
    """Return the sparsest setting that is as good as the best on held-out data."""

    def loss(rows: list[BenchmarkRow]) -> float:
        value = rows[_trained(rows)].held_out_loss
        return float("inf") if value is None else value

    least = min(loss(rows) for _, rows in tried)
    fine = [(job, rows) for job, rows in tried if loss(rows) <= least * (1 + _AS_GOOD)]
    return max(fine or tried, key=lambda item: item[1][_trained(item[1])].sparsity or 0.0)


def _trained(rows: list[BenchmarkRow]) -> int:
    """Return the position of the row that took training."""
    return next(i for i, row in enumerate(rows) if row.cpu_seconds is not None)


def _name(job: Job) -> str:
    wrong = "" if job.moved is None else f", {job.moved:.0%} of the prior wrong"
    return f"{job.section}, {job.method}, noise {job.noise:g}{wrong}, seed {job.seed}"


def _setting(job: Job) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in job.changes.items())


def _file(job: Job, place: Path) -> Path:
    return place / f"{job.key}.json"


def _is_done(job: Job, place: Path) -> bool:
    return _file(job, place).is_file()


def _read(job: Job, place: Path) -> list[BenchmarkRow]:
    """Return the rows of a finished job; none if it is not finished, or was stopped."""
    rows: list[object] = _content(job, place).get("rows", [])
    return [BenchmarkRow.model_validate(row) for row in rows]


def _content(job: Job, place: Path) -> dict[str, Any]:
    """Return what a job has written; nothing if it is not finished."""
    if not _is_done(job, place):
        return {}
    content: dict[str, Any] = json.loads(_file(job, place).read_text(encoding="utf-8"))
    return content
