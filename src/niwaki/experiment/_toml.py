"""Configuration files: flat tables of TOML, read and written."""

import json
import tomllib
from pathlib import Path
from typing import Any

from niwaki.core import ConfigError


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    ConfigError
        If the file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the configuration file {path} could not be read; check its path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file ({error}); fix that line.") from error


def to_toml(tables: dict[str, dict[str, Any]]) -> str:
    """Return flat tables as TOML; None is left out, as TOML has no null."""
    lines = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        # a JSON scalar or list of scalars is TOML too, if letters beyond 16 bits stay letters
        written = {k: json.dumps(v, ensure_ascii=False) for k, v in values.items() if v is not None}
        lines += [f"{k} = {v}".replace("\x7f", "\\u007f") for k, v in written.items()]
        lines.append("")
    return "\n".join(lines)
