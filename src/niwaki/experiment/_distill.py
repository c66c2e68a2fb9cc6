"""``niwaki distill``: from files to a wavelet, a linear model and a record."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from niwaki.core import DistillRecord, InputError, derived_seed, write_atomic
from niwaki.experiment._distill_inputs import (
    DistillConfig,
    DistillMaterial,
    check_distill_folder,
    clear_distill,
    read_distill,
)
from niwaki.experiment._distill_record import (
    Found,
    distill_record,
    history_table,
    path_table,
    wavelet_table,
)
from niwaki.experiment._folder import make_folder
from niwaki.wavelets import (
    DistilledModel,
    SearchOptions,
    WaveletDistiller,
    as_filter,
    best_model,
)

Progress = Callable[[str, int, int, float], None]


def distill(
    model: Path,
    data: Path,
    *,
    response: Path | None = None,
    config: DistillConfig | None = None,
    out: Path,
    force: bool = False,
    progress: Progress | None = None,
) -> DistillRecord:
    """Distil a teacher into a wavelet and a linear model, and write the folder.

    Parameters
    ----------
    model
        A program written by ``torch.export.save`` (.pt2), or the teacher's input gradients (.npy)
        where the teacher is no PyTorch program.
    data
        Signals, one per row, or an array of images.
    response
        What to predict, one number per signal; by default what the teacher says.
    config
        Settings.
    out
        Folder to write to.
    force
        Replace an earlier distillation there.
    progress
        Called with the stage, steps done, steps in all, and the best objective.

    Raises
    ------
    InputError
        If a file or a setting cannot be used; nothing is written then.
    StorageError
        If the folder cannot be written.
    """
    config = config or DistillConfig()
    check_distill_folder(out, force=force)
    material = read_distill(model, data, response, config)
    found = _find(material, config, progress)
    record = distill_record(material, config, found)
    make_folder(out)
    clear_distill(out)
    write_atomic(out / "wavelet.tsv", wavelet_table(found.distiller))
    write_atomic(out / "history.tsv", history_table(found.distiller.paths_[None].history))
    write_atomic(out / "path.tsv", path_table(record))
    write_atomic(out / "record.json", record.to_json())
    return record


def _find(material: DistillMaterial, config: DistillConfig, progress: Progress | None) -> Found:
    """Search on the training samples, and choose by cross-validation where that is possible."""
    train, test = _split(len(material.x), config)
    began = time.process_time()
    distiller = WaveletDistiller(
        taps=config.taps,
        level=config.level,
        mode=config.mode,
        attribution=config.attribution,
        per_level=config.per_level,
        per_axis=config.per_axis,
        ratios=config.ratios(),
        starts=_starts(config),
        options=SearchOptions(beam=config.beam),
        seed=config.seed,
    ).fit(material.x[train], gradients=material.gradients[:, train], progress=progress)
    searched = time.process_time() - began
    layout, path = distiller.layout_, distiller.paths_[None]
    response = material.wanted
    models: list[DistilledModel] = []
    if response is not None:
        best, models = best_model(
            material.x[train],
            response[train],
            path,
            layout=layout,
            mode=config.mode,
            options=config.feature_options(),
            readout=config.readout,
        )
        distiller.select(best.point.ratio)
    return Found(distiller, models, train, test, searched)


def _starts(config: DistillConfig) -> tuple[str, ...]:
    fits = len(as_filter(config.compare)) <= config.taps
    return (config.compare,) if fits else ()


def _split(count: int, config: DistillConfig) -> tuple[np.ndarray, np.ndarray]:
    held = max(1, round(config.held_out * count))
    if count - held < 2:
        raise InputError(f"{count} signals are too few; give at least 4, better hundreds.")
    order = np.random.default_rng(derived_seed(config.seed, "held out")).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])
