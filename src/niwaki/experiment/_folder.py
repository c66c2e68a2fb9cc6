"""The run folder: made whole, resumable, and recognised by its version."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from niwaki.core import RunFolderError, storage_error, write_atomic
from niwaki.experiment._config import (
    FitConfig,
    Inputs,
    make_config,
    make_inputs,
    read_toml,
    to_toml,
)

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
    if path.is_file():
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
    """
    check_free(path, force=force)
    if path.exists() and any(path.iterdir()):
        for name in RUN_FILES:
            entry = path / name
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
    make_folder(path)
    folder = RunFolder(path)
    tables = {"niwaki": {"version": FOLDER_VERSION}, "fit": config.model_dump()}
    if inputs is not None:
        tables["inputs"] = inputs.model_dump()
    folder.write("inputs.json", json.dumps(notes, indent=1) + "\n")
    folder.write("config.toml", to_toml(tables))
    return folder


# Everything a run may leave behind; --force removes these and nothing else.
RUN_FILES = (
    "config.toml",
    "inputs.json",
    "model.safetensors",
    "checkpoint",
    "metrics.jsonl",
    "path.tsv",
    "network.tsv",
    "network.graphml",
    "record.json",
    "MODEL_CARD.md",
    "report.html",
    "run.log",
    "data",
    "DONE",
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
    version = tables.get("niwaki", {}).get("version")
    if version != FOLDER_VERSION:
        raise RunFolderError(
            f"{path} has run-folder version {version}, this Niwaki reads version {FOLDER_VERSION}; "
            "use the Niwaki that wrote it, or fit again."
        )
    where = str(path / "config.toml")
    config = make_config(tables.get("fit", {}), where)
    inputs = make_inputs(tables["inputs"], where) if "inputs" in tables else None
    return RunFolder(path), config, inputs


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
