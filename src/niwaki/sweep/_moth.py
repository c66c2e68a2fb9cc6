"""The moth study: many networks pruned on one task, and whether they end up wired alike."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from niwaki.core import ConfigError, MothStudy
from niwaki.sweep._moth_groups import claim_folder, place_of, train_group
from niwaki.sweep._moth_plan import MothPlan, moth_data, quick_plan
from niwaki.sweep._moth_read import read_study

Progress = Callable[[str, int, int, float], None]


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
        networks, chosen = min(networks, 2), quick_plan(chosen)
    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            _train(networks, chosen, Path(folder), device, progress)
            study = read_study(Path(folder), networks=networks, samples=samples)
    else:
        _train(networks, chosen, out, device, progress)
        study = read_study(out, networks=networks, samples=samples)
    return study.model_copy(update={"quick": quick})


def _train(
    networks: int, plan: MothPlan, folder: Path, device: str, progress: Progress | None
) -> None:
    claim_folder(plan, folder)
    data = moth_data(plan, device)
    for first in range(0, networks, plan.group):
        group = tuple(range(first, first + plan.group))
        place = place_of(folder, group)
        train_group(plan, group, data=data, folder=place, device=device, progress=progress)
