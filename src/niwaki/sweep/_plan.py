"""Which experiments a table needs: pure, so that a stopped table knows what is left."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from niwaki.core import ConfigError
from niwaki.sweep._methods import GRIDS, METHODS, QUICK

MAIN, CORRUPTION, MLP = "main", "corruption", "mlp"
REAL = ("breast500", "hema-b", "yeast500")
SECTIONS = (MAIN, CORRUPTION, MLP, *REAL)
_CORRUPTED = ("gene", "dash", "knowledge", "pinn", "magnitude")
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)
_CORRUPTION_NOISE = 0.025
_ON_REAL = ("gene", "dash", "knowledge", "magnitude", "pinn", "unpruned")
_VERSION = 1  # raised when a job's result means something else


@dataclass(frozen=True)
class Job:
    """One training run of a table.

    Attributes
    ----------
    section
        Part of the table: ``main``, ``corruption``, ``mlp``, or a real data set.
    method
        Name in `METHODS`.
    setting
        Position in the method's grid.
    noise
        Noise of the expression, and share of the shipped prior's wrong edges (dimensionless).
    seed
        Of noise, model and batches.
    moved
        Share of wrong edges in a prior made from the truth instead; None for the shipped one.
    quick
        A few epochs of a small model.
    """

    section: str
    method: str
    setting: int
    noise: float
    seed: int
    moved: float | None = None
    quick: bool = False

    @property
    def changes(self) -> dict[str, Any]:
        """What this setting changes in the method's configuration."""
        grid = GRIDS.get(self.method, ({},))
        return dict(grid[self.setting])

    @property
    def key(self) -> str:
        """Name of the job's file: changes with anything that its result depends on."""
        values = {**METHODS[self.method], **self.changes}
        if self.quick:
            values |= QUICK[values["field"]]
        content = json.dumps([_VERSION, asdict(self), values], sort_keys=True, default=list)
        return f"{self.section}-{hashlib.sha256(content.encode()).hexdigest()[:20]}"


def plan_table(
    *,
    sections: Sequence[str],
    methods: Sequence[str] | None,
    noise: Sequence[float],
    seeds: Sequence[int],
    quick: bool = False,
) -> list[Job]:
    """Return every run of a table, in the order in which they are worth having.

    Parameters
    ----------
    sections
        Names from `SECTIONS`.
    methods
        Only these; None for all of each section.
    noise
        Levels of the main section (dimensionless); corruption and the MLP have 0.025.
    seeds
        Of noise, model and batches.
    quick
        One setting per method, a few epochs of a small model.

    Raises
    ------
    ConfigError
        If a section or method is unknown.
    """
    for name, known in (*((s, SECTIONS) for s in sections), *((m, METHODS) for m in methods or ())):
        if name not in known:
            raise ConfigError(f"'{name}' is unknown; choose from {', '.join(known)}.")
    jobs: list[Job] = []
    for seed in seeds:
        for section in sections:
            for method in _methods_of(section):
                if methods is not None and method not in methods:
                    continue
                count = 1 if quick else len(GRIDS.get(method, ({},)))
                for at in range(count):
                    jobs += [
                        Job(section, method, at, level, seed, moved, quick)
                        for level, moved in _cases(section, noise)
                    ]
    return jobs


def _methods_of(section: str) -> list[str]:
    """Return the methods of a section."""
    if section == MLP:
        return [name for name in METHODS if METHODS[name]["field"] == "mlp"]
    if section == CORRUPTION:
        return list(_CORRUPTED)
    if section in REAL:
        return list(_ON_REAL)
    return [name for name in METHODS if METHODS[name]["field"] != "mlp"]


def _cases(section: str, noise: Sequence[float]) -> list[tuple[float, float | None]]:
    """Return noise and corruption of each run of a section."""
    if section == MAIN:
        return [(level, None) for level in noise]
    if section == CORRUPTION:
        return [(_CORRUPTION_NOISE, share) for share in _SHARES]
    return [(0.0 if section in REAL else _CORRUPTION_NOISE, None)]
