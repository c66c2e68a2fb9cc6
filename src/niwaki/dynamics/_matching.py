"""Gradient matching: a first fit to smoothed trajectories, without solving anything."""

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from niwaki.core import Trajectories
from niwaki.dynamics._field import DecayField
from niwaki.dynamics._optimiser import Optimisation, Training
from niwaki.dynamics._panel import Block, Panel, Path
from niwaki.dynamics._train import PairTensors

_BATCH = 64  # intervals per step
_PENALTIES = np.logspace(-6, 6, 49)  # that are tried, over the median roughness of a shape


def match_knots(
    field: DecayField,
    knots: PairTensors,
    *,
    epochs: int,
    settings: Optimisation,
    generator: torch.Generator,
) -> None:
    """Train a field on short intervals of smoothed trajectories, one evaluation for each.

    Over an interval the drive is held at its value in the middle, and the decay is taken exactly
    (an exponential midpoint rule), so no derivative is estimated and no state is solved for.

    Parameters
    ----------
    field
        Changed in place.
    knots
        From `smoothed_knots`.
    epochs
        Passes over the intervals (count).
    settings
        Learning rates; they stay as they are.
    generator
        Draws the batches.

    References
    ----------
    .. [1] varah1982, for fits to the slopes of splines.
    """
    assert isinstance(field, nn.Module)  # noqa: S101 - a protocol cannot say so
    optimiser = Training(field, settings).optimiser
    middle = (knots.start + knots.end) / 2
    for _ in range(epochs):
        for batch in torch.randperm(len(knots.gaps), generator=generator).split(_BATCH):
            at = batch.to(middle.device)
            optimiser.zero_grad()
            share = -torch.expm1(-field.rate()[:, None] * knots.gaps[at])
            reached = torch.lerp(knots.start[:, at], field.drive(middle[:, at]), share)
            (reached - knots.end[:, at]).square().mean().backward()
            optimiser.step()


def smoothed_knots(data: Trajectories, *, device: str = "cpu") -> PairTensors:
    """Return smoothed states at both ends of every half of a gap, and its length.

    Parameters
    ----------
    data
        Trajectories; those with one time are left out.
    device
        Where the tensors shall be.
    """
    starts, ends, gaps = [], [], []
    panel = Panel.from_trajectories(data)
    for grid, block in zip(panel.grids, panel.values, strict=True):
        at = np.union1d(grid.times, (grid.times[1:] + grid.times[:-1]) / 2)
        path = smooth_spline(grid.times, block, at)
        starts.append(path[:, :-1].reshape(-1, panel.genes))
        ends.append(path[:, 1:].reshape(-1, panel.genes))
        gaps.append(np.tile(np.diff(at), len(path)))
    start, end = (np.concatenate(part).T for part in (starts, ends))
    arrays = (start, end, np.concatenate(gaps))
    return PairTensors(*(torch.tensor(a, dtype=torch.float32, device=device) for a in arrays))


def smooth_spline(
    times: Float[np.ndarray, " _time"], block: Block, at: Float[np.ndarray, " _node"]
) -> Path:
    """Return natural cubic smoothing splines of every gene and trajectory at some times.

    The penalty on the squared second derivative is chosen for each gene by generalised
    cross-validation over all trajectories. All genes share one eigenbasis, so every penalty is
    tried in closed form. With two times the splines are straight lines through the observations.

    Parameters
    ----------
    times
        Observation times, increasing (time units).
    block
        Observations (data units).
    at
        Times to return the splines at, within those of the observations (time units).

    References
    ----------
    .. [1] green1994, chapters 2 and 3.
    """
    from scipy.interpolate import CubicSpline  # loads slowly, and few fits start this way

    count = len(times)
    if count == 2:
        return np.asarray(CubicSpline(times, block, axis=1)(at))
    gap = np.diff(times)
    inner = np.arange(count - 2)
    second = np.zeros((count, count - 2))
    second[inner, inner] = 1 / gap[:-1]
    second[inner + 1, inner] = -1 / gap[:-1] - 1 / gap[1:]
    second[inner + 2, inner] = 1 / gap[1:]
    gram = np.diag((gap[:-1] + gap[1:]) / 3)
    gram += np.diag(gap[1:-1] / 6, 1) + np.diag(gap[1:-1] / 6, -1)
    roughness, basis = np.linalg.eigh(second @ np.linalg.solve(gram, second.T))
    roughness = roughness.clip(min=0.0)
    shapes = np.einsum("tk,mtg->mkg", basis, block)
    kept = 1 / (1 + np.outer(_PENALTIES / np.median(roughness[2:]), roughness))
    residual = np.square(1 - kept) @ np.square(shapes).sum(0)
    best = (residual / np.square(count - kept.sum(1))[:, None]).argmin(0)
    smooth = np.einsum("tk,mkg->mtg", basis, shapes * kept[best].T)
    return np.asarray(CubicSpline(times, smooth, axis=1, bc_type="natural")(at))
