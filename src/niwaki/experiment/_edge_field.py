"""From a finished search for edges to fields along the path, and how stable every edge is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int

from niwaki.core import derived_seed
from niwaki.dynamics import GeneField
from niwaki.experiment._edge_state import Table
from niwaki.experiment._edges import EdgeSearch, Features, renumbered
from niwaki.pruning import Support, member_probabilities, regress, resample

_FEWEST_UNITS = 8  # trajectories needed to resample them; below, blocks of times
_BLOCKS = 10


@dataclass
class _Parts:
    """The edges of one field while its targets are gathered."""

    level: Float[np.ndarray, " gene"]
    edges: list[tuple[int, int, float]] = field(default_factory=list)
    joint: list[tuple[int, int, int, float]] = field(default_factory=list)


def make_fields(search: EdgeSearch, thresholds: Sequence[float]) -> list[GeneField]:
    """Return one field per threshold: the edges whose posterior log odds exceed it.

    Every target is fitted again on its surviving edges, with the kernel and noise that the search
    ended with.
    """
    velocity = np.array([kernel.rate for kernel in search.state.smoothed.kernels])
    parts = [_Parts(search.middle.copy()) for _ in thresholds]
    for target in np.flatnonzero(velocity > 0):
        features = search.features(int(target))
        for part, threshold in zip(parts, thresholds, strict=True):
            _fit_target(search, int(target), features, threshold, part)
    return [_assemble(search, velocity, part) for part in parts]


def _fit_target(
    search: EdgeSearch, target: int, features: Features, threshold: float, part: _Parts
) -> None:
    found = search.state.supports[target]
    edges = [int(j) for j in np.flatnonzero(search.state.odds[target] > threshold)]
    support = Support(edges, [p for p in found.pairs if {*p} <= {*edges}], dict(found.variances))
    small = [each[:, :, edges] for each in features]
    data = search.target_data(target, small)
    inner = renumbered(support)
    for edge in inner.edges:
        inner.variances.setdefault(edge, search.first_variance(target))
    _, level, *rest = regress(data, inner, joint_variance=search.joint_variance).coefficients
    who = search.candidates
    part.level[target] = level
    part.edges += [(int(who[j]), target, w) for j, w in zip(edges, rest, strict=False)]
    pairs = zip(support.pairs, rest[len(edges) :], strict=True)
    part.joint += [(int(who[a]), int(who[b]), target, w) for (a, b), w in pairs]


def _assemble(search: EdgeSearch, velocity: Float[np.ndarray, " gene"], part: _Parts) -> GeneField:
    """Return the field of gathered parts."""

    def column(rows: Sequence[tuple[int | float, ...]], at: int, kind: torch.dtype) -> torch.Tensor:
        return torch.tensor([row[at] for row in rows], dtype=kind)

    smoothed = search.state.smoothed
    states = np.concatenate([path.reshape(-1, path.shape[2]) for path in smoothed.paths])
    signal = states.var(0)
    first = [column(part.joint, at, torch.long) for at in (0, 1)]
    made = GeneField.from_state(
        {
            "velocity": torch.as_tensor(velocity, dtype=torch.float32),
            "level": torch.as_tensor(part.level, dtype=torch.float32),
            "weight": column(part.edges, 2, torch.float32),
            "joint_weight": column(part.joint, 3, torch.float32),
            "source": column(part.edges, 0, torch.long),
            "target": column(part.edges, 1, torch.long),
            "joint_sources": torch.stack(first),
            "joint_target": column(part.joint, 2, torch.long),
            "centre": torch.as_tensor(search.middle, dtype=torch.float32),
            "reliability": torch.as_tensor(signal / (signal + smoothed.noise), dtype=torch.float32),
            "low": torch.zeros(len(velocity)),
            "high": torch.zeros(len(velocity)),
        }
    )
    low, high = (torch.as_tensor(a, dtype=torch.float32) for a in (search.low, search.high))
    made.set_range(low, high)
    return made


def edge_stability(search: EdgeSearch, *, members: int, seed: int, device: str = "cpu") -> Table:
    """Return how often every edge is chosen when trajectories are drawn again.

    With fewer than eight trajectories, blocks of consecutive observations are drawn instead.

    Parameters
    ----------
    search
        After its last step.
    members
        Bootstrap members (count).
    seed
        Seed of the draws; all targets share them.
    device
        Where the members are solved, all in one batch per target.
    """
    unit_of_row = _units(search)
    rng = np.random.default_rng(derived_seed(seed, "stability"))
    weights = resample(int(unit_of_row.max()) + 1, members, rng)
    found = np.zeros(search.state.odds.shape)
    for target in range(search.panel.genes):
        if search.state.smoothed.kernels[target].rate > 0:
            data, beliefs = search.problem(target, search.features(target))
            found[target] = member_probabilities(
                data,
                beliefs,
                search.state.supports[target],
                log_odds=search.state.odds[target],
                unit_of_row=unit_of_row,
                weights=weights,
                device=device,
            )
    return found


def _units(search: EdgeSearch) -> Int[np.ndarray, " row"]:
    """Return the resampling unit of every row: its trajectory, or its block of times."""
    trajectory = search.panel.trajectory_of_row
    names, unit = np.unique(trajectory, return_inverse=True)
    if len(names) >= _FEWEST_UNITS:
        return np.asarray(unit)
    blocks = min(_BLOCKS, len(unit))
    return np.arange(len(unit)) * blocks // len(unit)
