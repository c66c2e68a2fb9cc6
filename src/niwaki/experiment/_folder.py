"""The run folder: made whole, resumable, and recognised by its version."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from niwaki.core import InputError, RunFolderError, StorageError, storage_error, write_atomic
from niwaki.experiment._config import (
    FitConfig,
    Inputs,
    Selection,
    make_config,
    make_inputs,
)
from niwaki.experiment._toml import read_toml, to_toml

FOLDER_VERSION = 1


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run folder."""

    path: Path

    @property
    def done(self) -> bool:
        """Whether the run finished and everything is written."""
        return (self.path / "DONE").exists()

    def write(self, name: str, content: str | bytes) -> None:
        """Write one file of the folder, whole or not at all."""
        write_atomic(self.path / name, content)

    def checkpoints(self, arm: str) -> Path:
        """Return the folder of an arm's checkpoints, made if needed."""
        folder = self.path / "checkpoint" / arm
        make_folder(folder)
        return folder

    def log(self, line: str) -> None:
        """Add a line to ``run.log``."""
        try:
            with (self.path / "run.log").open("a", encoding="utf-8") as handle:
                handle.write(line + "\n")
        except OSError as error:
            raise storage_error(self.path / "run.log", error) from error


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Raises
    ------
    StorageError
        If that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error


def check_free(path: Path, *, force: bool) -> None:
    """Refuse a folder that holds something already.

    Raises
    ------
    RunFolderError
        If `path` is a file, or a non-empty folder and `force` is off or it is not a run folder.
    """
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"{path} is a file; choose another folder for the run with --out.")
    if not path.exists() or not any(path.iterdir()):
        return
    if not (path / "config.toml").exists():
        raise RunFolderError(
            f"{path} is not empty and not a Niwaki run, so it is left alone; choose another folder "
            "with --out."
        )
    if not force:
        state = "a finished" if RunFolder(path).done else "an unfinished"
        raise RunFolderError(
            f"{path} holds {state} run; continue it with --resume {path}, replace it with --force, "
            "or choose another folder with --out."
        )


def create_run(
    path: Path, config: FitConfig, *, inputs: Inputs | None, force: bool, notes: dict[str, Any]
) -> RunFolder:
    """Make a fresh run folder holding ``config.toml`` and ``inputs.json``.

    Parameters
    ----------
    path
        Where; parents are made.
    config
        The resolved configuration.
    inputs
        The files read, or None when the data came from Python objects.
    force
        Replace an earlier run.
    notes
        Further content of ``inputs.json``: hashes and alignment reports.

    Raises
    ------
    StorageError
        If it cannot be written; a folder that was not there is not there then either.
    """
    check_free(path, force=force)
    new = not path.exists()
    _clear(path)
    make_folder(path)
    folder = RunFolder(path)
    tables = {"niwaki": {"version": FOLDER_VERSION}, "fit": config.table()}
    if inputs is not None:
        tables["inputs"] = inputs.absolute().model_dump()
    text = to_toml(tables)
    try:
        folder.write("inputs.json", json.dumps(notes | {"config": _digest(text)}, indent=1) + "\n")
        folder.write("config.toml", text)  # last: it is what makes the folder a run
    except StorageError:
        _clear(path)
        if new:
            path.rmdir()
        raise
    return folder


def _clear(path: Path) -> None:
    """Remove what a run may have left in a folder, and nothing else."""
    for name in RUN_FILES:
        entry = path / name
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif path.is_dir():
                entry.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(entry, error) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Everything a run may leave behind; --force removes these and nothing else. What makes a folder a
# finished run goes first, what makes it a run goes last.
RUN_FILES = (
    "DONE",
    "inputs.json",
    "model.safetensors",
    "checkpoint",
    "metrics.jsonl",
    "path.tsv",
    "network.tsv",
    "network.graphml",
    "attribution.tsv",
    "record.json",
    "MODEL_CARD.md",
    "report.html",
    "figures",
    "run.log",
    "config.toml",
)


def open_run(path: Path) -> tuple[RunFolder, FitConfig, Inputs | None]:
    """Return an existing run folder with its configuration.

    Raises
    ------
    RunFolderError
        If there is none, or it has another version.
    """
    if not (path / "config.toml").is_file():
        raise RunFolderError(
            f"{path} is not a Niwaki run folder (it has no config.toml); give the folder that "
            "niwaki fit wrote."
        )
    tables = read_toml(path / "config.toml")
    about = tables.get("niwaki")
    version = about.get("version") if isinstance(about, dict) else None
    if version != FOLDER_VERSION:
        raise RunFolderError(
            f"{path} has run-folder version {version}, this Niwaki reads version {FOLDER_VERSION}; "
            "use the Niwaki that wrote it, or fit again."
        )
    where = str(path / "config.toml")
    config = make_config(tables.get("fit", {}), where)
    inputs = make_inputs(tables["inputs"], where) if "inputs" in tables else None
    return RunFolder(path), config, inputs


def change_selection(folder: RunFolder, config: FitConfig, select: Selection) -> FitConfig:
    """Write another selection into a run's configuration, and return that configuration.

    Raises
    ------
    ConfigError
        If the selection is not one.
    """
    changed = make_config({**config.table(), "select": select}, "the command")
    tables = read_toml(folder.path / "config.toml") | {"fit": changed.table()}
    text = to_toml(tables)
    notes = json.loads((folder.path / "inputs.json").read_text(encoding="utf-8"))
    (folder.path / "DONE").unlink(missing_ok=True)
    folder.write("inputs.json", json.dumps(notes | {"config": _digest(text)}, indent=1) + "\n")
    folder.write("config.toml", text)
    return changed


def check_unchanged(folder: RunFolder, hashes: dict[str, str]) -> None:
    """Refuse to continue a run whose inputs or configuration are not those it began with.

    Parameters
    ----------
    folder
        The run folder.
    hashes
        What the inputs hash to now, by what they hold.

    Raises
    ------
    RunFolderError
        If something changed, or ``inputs.json`` is damaged.
    """
    path = folder.path / "inputs.json"
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        known, config = dict(before["hashes"]), before["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{path} is missing, cut off or damaged, so the run cannot be continued; fit again "
            "with --force."
        ) from error
    if config != _digest((folder.path / "config.toml").read_text(encoding="utf-8")):
        raise RunFolderError(
            f"{folder.path / 'config.toml'} was edited since the run began; undo that to resume, "
            "or fit again with --config and --force."
        )
    changed = sorted(name for name in known | hashes if known.get(name) != hashes.get(name))
    if changed:
        raise RunFolderError(
            f"the input files of {folder.path} have changed since the run began "
            f"({', '.join(changed)}); fit again with --force."
        )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; raises `InputError` if it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{path} could not be read ({error.strerror or error}); check its path."
        ) from error
