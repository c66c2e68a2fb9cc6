"""Multiple shooting: solves start from states that observations and the field agree on."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from niwaki.core import Pairs
from niwaki.dynamics._field import Field
from niwaki.dynamics._solve import Method
from niwaki.dynamics._train import PairTensors, solved_in_chunks


def previous_pairs(pairs: Pairs) -> Int[np.ndarray, " pair"]:
    """Return, for each pair, the pair that ends where it starts; -1 for the first of a trajectory.

    Parameters
    ----------
    pairs
        In any order.
    """
    place = {key: at for at, key in enumerate(zip(pairs.trajectory, pairs.step, strict=True))}
    before = [place.get((which, step - 1), -1) for which, step in place]
    return np.array(before, dtype=np.int64)


@torch.no_grad()
def shooting_starts(
    field: Field,
    present: Float[Tensor, "gene pair"],
    *,
    observed: PairTensors,
    previous: Int[np.ndarray, " pair"],
    share: float,
    method: Method,
) -> Float[Tensor, "gene pair"]:
    """Return the states that the next epoch starts from: a filter along each trajectory.

    A state is drawn from its observation towards where the field arrives from the state before,
    so the noise of single observations averages out and the field learns to go on from its own
    forecasts. With `share` 0 states are the observations, as published; towards 1, whole
    trajectories are shot from their first observation.

    Parameters
    ----------
    field
        The field as trained so far.
    present
        States that the last epoch started from (data units).
    observed
        The pairs.
    previous
        From `previous_pairs`.
    share
        Of the forecast in a state (dimensionless, 0 to below 1).
    method
        How the field is solved.

    Notes
    -----
    Bock's multiple shooting [1]_ has the node states as unknowns of the optimisation. Here they
    follow from the field and a fixed weight, which needs no optimiser of their own.

    References
    ----------
    .. [1] bock1984, section 3.
    """
    steps = arriving_pairs(present, observed, previous)
    parts = [ends for _, ends in solved_in_chunks(field, steps, method=method)]
    arrived = torch.cat(parts, 1) if parts else steps.start
    return filtered_starts(observed, previous, steps, arrived, share=share)


def arriving_pairs(
    present: Float[Tensor, "gene pair"],
    observed: PairTensors,
    previous: Int[np.ndarray, " pair"],
) -> PairTensors:
    """Return the pairs that end where others start, from the states that they start from now."""
    after = np.flatnonzero(previous >= 0)
    here, before = (torch.from_numpy(i).to(present.device) for i in (after, previous[after]))
    start, end = present.index_select(1, before), observed.start.index_select(1, here)
    return PairTensors(start, end, observed.gaps[before])


def filtered_starts(
    observed: PairTensors,
    previous: Int[np.ndarray, " pair"],
    steps: PairTensors,
    arrived: Float[Tensor, "gene _arriving"],
    *,
    share: float,
) -> Float[Tensor, "gene pair"]:
    """Return the starts, drawn by `share` from observations to where `arriving_pairs` arrived."""
    here = torch.from_numpy(np.flatnonzero(previous >= 0)).to(arrived.device)
    return observed.start.index_copy(1, here, torch.lerp(steps.end, arrived, share))
