"""Fetching public data sets: checked by hash, whole or not at all."""

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pooch
from requests import RequestException

from niwaki.core import InputError, StorageError, storage_error
from niwaki.data._registry import BASE_URL, DATA_SETS, RemoteFile
from niwaki.data._sim350 import BUILT_FILES, build_sim350


def data_folder() -> Path:
    """Return the folder of the data sets: ``NIWAKI_DATA``, or else the user's cache."""
    named = os.environ.get("NIWAKI_DATA")
    return Path(named) if named else Path(pooch.os_cache("niwaki"))


def fetch(
    name: str,
    *,
    folder: Path | str | None = None,
    base_url: str = BASE_URL,
    data_sets: Mapping[str, Sequence[RemoteFile]] = DATA_SETS,
) -> Path:
    """Return the folder of a public data set, after downloading what is not there yet.

    Every file is pinned to a commit and checked against its SHA-256; one that is right already is
    left alone. The 350-gene benchmark is then built from its public parts.

    Parameters
    ----------
    name
        ``sim350``, ``yeast``, ``breast`` or ``hema``.
    folder
        Folder that holds one folder per data set; by default `data_folder`.
    base_url
        Address that the files lie below.
    data_sets
        The known files of each data set.

    Raises
    ------
    InputError
        If there is no such data set.
    StorageError
        If a file cannot be downloaded, does not match its hash, or cannot be written.
    """
    if name not in data_sets:
        raise InputError(
            f"there is no data set '{name}'; the public ones are {', '.join(data_sets)}."
        )
    target = (data_folder() if folder is None else Path(folder)) / name
    built = name == "sim350" and all((target / part).is_file() for part in BUILT_FILES)
    for file in data_sets[name]:
        if not (built and file.name.startswith("original/")):
            _fetch_file(file, target, base_url)
    if name == "sim350" and not built:
        build_sim350(target / "original", target)
    return target


def _fetch_file(file: RemoteFile, target: Path, base_url: str) -> None:
    path = target / file.name
    url = f"{base_url.rstrip('/')}/{file.source}"
    try:
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.get_logger().setLevel(logging.WARNING)  # it announces every download
        pooch.retrieve(url, f"sha256:{file.sha256}", fname=path.name, path=path.parent)
    except RequestException as error:
        raise StorageError(
            f"{url} could not be downloaded ({_reason(error)}); check the connection, or put the "
            f"file at {path} yourself."
        ) from error
    except ValueError as error:  # pooch's word for a wrong hash
        raise StorageError(
            f"{url} does not have the expected content (its SHA-256 differs), so it was not kept; "
            "try again, and if it stays so report it, for the public file has changed."
        ) from error
    except OSError as error:
        raise storage_error(path, error) from error


def _reason(error: RequestException) -> str:
    """Return a few words on why a download failed."""
    if error.response is not None:
        return f"the server answered {error.response.status_code}"
    return type(error).__name__
