"""Writing that either happens whole or not at all."""

import errno
import os
import tempfile
from pathlib import Path

from niwaki.core._errors import StorageError


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write `content` to `path` through a temporary file in the same folder.

    A reader sees the old file or the new one, never a part; an interrupted or failed write leaves
    the old file untouched.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as handle:
            temporary = Path(handle.name)
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the sentence for a failed write to `path`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageError(
            f"the disk is full, so {path} could not be written; free some space and run again, "
            "what was saved before is intact."
        )
    return StorageError(
        f"{path} could not be written ({error.strerror or error}); check that the folder exists "
        "and that you may write there."
    )
