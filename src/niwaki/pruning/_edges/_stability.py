"""How often an edge would be chosen again: the whole search repeated on resampled trajectories.

All members are one batch of small normal matrices, so hundreds of refits are a few batched
factorisations. Each member prunes and regrows as `prune_and_regrow` does; what is averaged is its
posterior probability, so the frequency carries both kinds of doubt: other trajectories, and what a
member itself cannot tell (a bagged posterior [1]_).

References
----------
.. [1] huggins2023: the average of posteriors over resampled data.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from niwaki.pruning._edges._effects import EffectLaw
from niwaki.pruning._edges._regression import Beliefs, Support, TargetData

_MOST_CANDIDATES = 32
_MOST_CHANGES = 25
_GAIN = 0.02
_FLAT = 1e-8


@dataclass(frozen=True)
class _Batch:
    """Normal matrices of all members, and what holds for every one of them."""

    normal: Float[Tensor, "member column column2"]
    moment: Float[Tensor, "member column"]
    precision: Float[Tensor, " column"]
    first: int
    count: int
    parents: Int[Tensor, "pair 2"]
    log_odds: Float[Tensor, " candidate"]
    tails: Float[Tensor, "tail candidate"]
    log_tails: Float[Tensor, " tail"]
    signs: Float[Tensor, " candidate"]
    hold: float
    noise: float
    joint_log_odds: float
    joint_variance: float


def resample(
    units: int, members: int, rng: np.random.Generator
) -> Float[np.ndarray, "member unit"]:
    """Return how often each unit is drawn in each bootstrap member (count)."""
    drawn = rng.integers(units, size=(members, units))
    return np.stack([np.bincount(row, minlength=units) for row in drawn]).astype(float)


def member_probabilities(
    data: TargetData,
    beliefs: Beliefs,
    support: Support,
    *,
    log_odds: Float[np.ndarray, " candidate"],
    unit_of_row: Int[np.ndarray, " row"],
    weights: Float[np.ndarray, "member unit"],
    device: str = "cpu",
) -> Float[np.ndarray, " candidate"]:
    """Return the mean posterior probability of every candidate over resampled members.

    Parameters
    ----------
    data, beliefs, support
        The target's regression, beliefs, and the support found with all the data.
    log_odds
        Posterior log odds with all the data; the candidates of the highest are refitted, and for
        the others the probability is that of all the data.
    unit_of_row
        Which resampling unit (trajectory, or block of times) each row belongs to.
    weights
        How often each member draws each unit, from `resample`.
    device
        Where the batch is solved.
    """
    with np.errstate(over="ignore"):
        found: np.ndarray = 1 / (1 + np.exp(-log_odds))
    order = np.argsort(-log_odds, kind="stable")
    order = order[beliefs.allowed[order]][: max(_MOST_CANDIDATES, len(support.edges))]
    kept = np.union1d(order, support.edges).astype(int)
    if len(kept) == 0:
        return found
    batch = _batch(data, beliefs, support, kept, unit_of_row, weights, device)
    start = torch.as_tensor(np.isin(kept, support.edges), device=device)
    found[kept] = _search(batch, start).mean(0).cpu().numpy()
    return found


def _batch(
    data: TargetData,
    beliefs: Beliefs,
    support: Support,
    kept: Int[np.ndarray, " kept"],
    unit_of_row: Int[np.ndarray, " row"],
    weights: Float[np.ndarray, "member unit"],
    device: str,
) -> _Batch:
    columns = [data.base, data.candidates[:, kept]]
    if support.pairs:
        columns.append(data.joint(support.pairs))
    design = np.concatenate([*columns, data.response[:, None]], 1)
    units = weights.shape[1]
    per_unit = np.stack([(p := design[unit_of_row == u]).T @ p for u in range(units)])
    size = design.shape[1]
    grams = (weights @ per_unit.reshape(units, -1)).reshape(-1, size, size)
    deviations = beliefs.law.deviations(np.full(len(kept), beliefs.crowd))
    wide = np.array([support.variances.get(int(j), deviations[0, 0] ** 2 + 0.01) for j in kept])
    precision = np.concatenate(
        [
            np.full(data.base.shape[1], _FLAT),
            data.noise / wide,
            np.full(len(support.pairs), data.noise / beliefs.joint_variance),
        ]
    )

    def tensor(array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float64, device=device)

    place = {int(j): k for k, j in enumerate(kept)}
    parents = [[place[a], place[b]] for a, b in support.pairs]
    law: EffectLaw = beliefs.law
    return _Batch(
        normal=tensor(grams[:, :-1, :-1]),
        moment=tensor(grams[:, :-1, -1]),
        precision=tensor(precision),
        first=data.base.shape[1],
        count=len(kept),
        parents=torch.tensor(parents, dtype=torch.long, device=device).reshape(-1, 2),
        log_odds=tensor(beliefs.log_odds[kept]),
        tails=tensor(np.square(deviations)),
        log_tails=tensor(np.log(law.tails)),
        signs=tensor(beliefs.sign[kept]),
        hold=beliefs.sign_hold,
        noise=data.noise,
        joint_log_odds=beliefs.joint_log_odds,
        joint_variance=beliefs.joint_variance,
    )


def _search(batch: _Batch, start: Tensor) -> Float[Tensor, "member candidate"]:
    """Return every member's posterior probabilities at the end of its own search."""
    members = len(batch.normal)
    inside = start.expand(members, -1).clone()
    odds = _log_odds(batch, inside)
    for _ in range(_MOST_CHANGES):
        gain = torch.where(inside, -odds, odds)
        best, which = gain.max(1)
        moving = best > _GAIN
        if not bool(moving.any()):
            break
        inside[moving, which[moving]] ^= True
        odds = _log_odds(batch, inside)
    return torch.sigmoid(odds)


def _log_odds(
    batch: _Batch, inside: Bool[Tensor, "member candidate"]
) -> Float[Tensor, "member candidate"]:
    """Return the posterior log odds of every candidate, given each member's chosen ones."""
    members, first, count = len(inside), batch.first, batch.count
    both = inside[:, batch.parents].all(2)
    base = inside.new_ones(members, first)
    on = torch.cat([base, inside, both], 1).to(batch.normal.dtype)
    masked = batch.normal * on[:, :, None] * on[:, None, :]
    ridge = torch.where(on > 0, batch.precision, 1.0) + 1e-12 * masked.amax((1, 2))[:, None]
    inverse = torch.linalg.inv(masked + torch.diag_embed(ridge)) * on[:, :, None] * on[:, None, :]
    moment = batch.moment * on
    fitted = (inverse @ moment[:, :, None])[:, :, 0]
    at = slice(first, first + count)
    cross = batch.normal[:, at]
    left = batch.normal.diagonal(dim1=1, dim2=2)[:, at] - torch.einsum(
        "mcp,mpq,mcq->mc", cross, inverse, cross
    )
    left = left.clamp(min=1e-9)
    outer = (batch.moment[:, at] - torch.einsum("mcp,mp->mc", cross, fitted)) / left
    spread = inverse.diagonal(dim1=1, dim2=2)[:, at].clamp(min=1e-300)
    information = (1 / spread - batch.precision[at]).clamp(min=1e-9)
    inner = fitted[:, at] / spread / information
    effect = torch.where(inside, inner, outer)
    variance = batch.noise / torch.where(inside, information, left)
    found = batch.log_odds + _factor(batch, effect, variance)
    for pair, odds in enumerate(_pair_odds(batch, inverse, fitted).unbind(1)):
        worth = torch.where(both[:, pair], odds.clamp(min=0), 0.0)
        for parent in set(batch.parents[pair].tolist()):
            found[:, parent] += worth
    return found


def _pair_odds(batch: _Batch, inverse: Tensor, fitted: Tensor) -> Float[Tensor, "member pair"]:
    """Return the posterior log odds of every pair that a member holds, its prior taken out."""
    at = slice(batch.first + batch.count, None)
    spread = inverse.diagonal(dim1=1, dim2=2)[:, at].clamp(min=1e-300)
    information = (1 / spread - batch.precision[at]).clamp(min=1e-9)
    effect, variance = fitted[:, at] / spread / information, batch.noise / information
    pull = batch.joint_variance / (batch.joint_variance + variance)
    signal = effect**2 / variance * pull
    return batch.joint_log_odds + 0.5 * (torch.log1p(-pull.clamp(max=1 - 1e-15)) + signal)


def _factor(batch: _Batch, effect: Tensor, variance: Tensor) -> Tensor:
    """Return the log Bayes factor of each edge, the agreement of its sign included."""
    pull = batch.tails[:, None] / (batch.tails[:, None] + variance)
    parts = 0.5 * (torch.log1p(-pull.clamp(max=1 - 1e-15)) + effect**2 / variance * pull)
    parts = parts + batch.log_tails[:, None, None]
    total = torch.logsumexp(parts, 0)
    wide = (torch.exp(parts - total) * batch.tails[:, None]).sum(0)
    agrees = torch.special.ndtr(
        batch.signs * effect / variance.sqrt() * (wide / (wide + variance)).sqrt()
    )
    signed = torch.log(2 * (batch.hold * agrees + (1 - batch.hold) * (1 - agrees)) + 1e-12)
    return total + torch.where(batch.signs != 0, signed, 0.0)
