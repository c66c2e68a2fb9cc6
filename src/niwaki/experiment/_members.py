"""How often a trained field finds the same edges again: refits to halves of the data."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from niwaki.core import EdgeIndex, Network, PairIndex, derived_seed
from niwaki.dynamics import PairTensors, make_batches
from niwaki.experiment._arm import ArmResult, Progress, train_arms
from niwaki.experiment._arm_state import Problem, load_round, read_checkpoint
from niwaki.experiment._checkpoint import save_tensors
from niwaki.experiment._epoch import Arm, can_train_together
from niwaki.experiment._model import field_factory
from niwaki.experiment._network import read_out
from niwaki.pruning import EffectiveNetwork

_FEW = 8  # trajectories, below which pairs are drawn instead
_MOST_MEMBERS = 128  # side by side: a stop loses at most this many
# side by side, a few gigabytes each: weights with moments, states of a step with what a solve
# records, and pairs
_MOST_WEIGHTS, _MOST_STATES, _MOST_OBSERVED = 50_000_000, 4_000_000, 100_000_000


def refit_stability(
    problem: Problem,
    result: ArmResult,
    number: int,
    found: EffectiveNetwork,
    *,
    knowledge: tuple[Network | None, Network | None],
    progress: Progress | None = None,
) -> Float[np.ndarray, " edge"]:
    """Return the share of refits that have each edge among their strongest.

    Members two by two are trained on complementary halves of the training trajectories (of the
    pairs, where there are fewer than eight trajectories), each from a start of its own, with the
    same schedule up to the round that was kept; as one program, where that is faster. An edge
    counts where it is among as many strongest edges of the member as the fit has edges. Finished
    members are kept beside the rounds.

    Parameters
    ----------
    problem
        What the fit solved; its configuration says how many members.
    result
        The fit.
    number
        The round that was kept.
    found
        Its network; one value per listed edge is returned.
    knowledge
        Prior and regulator interactions of the fit on the genes of the data, or None.
    progress
        Told about every epoch of every member.

    References
    ----------
    .. [1] shah2013: complementary pairs stability selection.
    """
    members = problem.config.members or 0
    listed, (prior, ppi) = found.network, knowledge
    hits, done = _read(result.folder, number, listed)
    epochs = max(entry["epoch"] for entry in result.metrics if entry["round"] == number)
    width = _side_by_side(problem)
    for low in range(done, members, width):
        group = range(low, min(low + width, members))
        cases = [_member(problem, member, epochs) for member in group]
        with tempfile.TemporaryDirectory() as place:
            arms = []
            for member, case in zip(group, cases, strict=True):
                folder = Path(place) / f"{member}"
                folder.mkdir()
                arms.append(Arm(case, f"refit {member + 1} of {members}", folder))
            train_arms(arms, prior=prior, ppi=ppi, progress=progress, only=number)
            again = [load_round(arm.problem, arm.folder, number) for arm in arms]
        limit = min(found.edges, problem.config.max_edges)
        for field, masks in again:
            network = read_out(field, masks, problem.genes, limit=limit).network
            hits += np.isin(listed.keys(), network.keys())
        _write(result.folder, number, listed, hits, group[-1] + 1)
    return hits / members


def _side_by_side(problem: Problem) -> int:
    """Return how many members are trained at a time (count)."""
    config, field = problem.config, problem.make_field().to(problem.config.device)
    if not can_train_together(config, field, problem.method):
        return 1
    batches = make_batches(problem.pairs, size=config.batch, seed=config.seed, epoch=1)
    weights = sum(p.numel() for p in field.parameters())
    states = len(problem.genes) * max(len(batch) for batch in batches)
    observed = len(problem.genes) * len(problem.pairs)
    room = min(_MOST_WEIGHTS // weights, _MOST_STATES // states, _MOST_OBSERVED // observed)
    return max(1, min(_MOST_MEMBERS, room))


def _member(problem: Problem, member: int, epochs: int) -> Problem:
    """Return the problem of one member: half of the data, another start, a stop after the round."""
    half = _halves(problem, member // 2)[member % 2]
    pairs = problem.pairs.subset(half)
    changes = {
        "seed": derived_seed(problem.config.seed, "member", member) % 2**31,
        "epochs": epochs,
        "patience": None,
    }
    config = problem.config.model_copy(update=changes)
    make_field = problem.make_field
    if config.field != "module":  # a module of the user's own starts from the weights that it has
        make_field = field_factory(config, len(problem.genes))
    return replace(
        problem,
        config=config,
        make_field=make_field,
        pairs=pairs,
        train=PairTensors.from_pairs(pairs, device=config.device),
    )


def _halves(problem: Problem, draw: int) -> list[PairIndex]:
    """Return the pairs of both halves of one draw."""
    unit = problem.pairs.trajectory
    if len(np.unique(unit)) < _FEW:
        unit = np.arange(len(unit))
    rng = np.random.default_rng(derived_seed(problem.config.seed, "members", draw))
    order = rng.permutation(np.unique(unit))
    first = np.isin(unit, order[: (len(order) + 1) // 2])
    return [np.flatnonzero(first), np.flatnonzero(~first if len(order) > 1 else first)]


def _file(folder: Path, number: int) -> Path:
    return folder / f"refits_{number:03d}.safetensors"


def _read(folder: Path, number: int, listed: Network) -> tuple[EdgeIndex, int]:
    """Return hits per edge and the number of members behind them: none, if the edges changed."""
    path = _file(folder, number)
    if path.exists():
        tensors, numbers = read_checkpoint(path)
        if np.array_equal(tensors["edges"].numpy(), listed.keys()):
            return tensors["hits"].numpy(), int(numbers["members"])
    return np.zeros(len(listed), dtype=np.int64), 0


def _write(folder: Path, number: int, listed: Network, hits: EdgeIndex, members: int) -> None:
    tensors = {"edges": torch.from_numpy(listed.keys()), "hits": torch.from_numpy(hits)}
    save_tensors(_file(folder, number), tensors, {"members": members})
