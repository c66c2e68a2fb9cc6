"""One arm of the gene-resolved field: search for edges, then the path from many to few."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from niwaki.core import EdgeEvidence, EdgeIndex, Network
from niwaki.dynamics import GeneField, PairTensors, pair_losses
from niwaki.experiment._arm import ArmResult, Progress
from niwaki.experiment._arm_state import Problem, Round, read_checkpoint, round_file
from niwaki.experiment._checkpoint import save_tensors
from niwaki.experiment._edge_field import edge_stability, make_fields
from niwaki.experiment._edges import EdgeSearch

_PROBABILITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
_BETTER = 0.01  # a pass must lower the held-out loss by this share to be followed by another
TELLING = float(np.log(3))  # log Bayes factor from which data count as for or against an edge
_LISTED = 0.01  # less probable edges outside the prior are not written
_FILE = "edges.safetensors"


@dataclass(frozen=True)
class EdgeTable:
    """Every edge that the prior holds or that is at all probable.

    Attributes
    ----------
    source, target
        Regulator and target of each edge.
    probability
        Posterior probability of the edge.
    stability
        Mean of that probability over refits to resampled trajectories; NaN where none were made.
    log_bayes_factor
        What the data alone say: log odds for the edge against none; 0 says nothing.
    effect, error
        Slope of the target's driven level at the centre, and its standard error (dimensionless).
    """

    source: EdgeIndex
    target: EdgeIndex
    probability: Float[np.ndarray, " edge"]
    stability: Float[np.ndarray, " edge"]
    log_bayes_factor: Float[np.ndarray, " edge"]
    effect: Float[np.ndarray, " edge"]
    error: Float[np.ndarray, " edge"]

    def ranking(self, genes: tuple[str, ...]) -> Network:
        """Return all edges as a network whose weights are probabilities with the effect's sign."""
        sign = np.where(self.effect < 0, -1.0, 1.0)
        weight = sign * np.maximum(self.probability, 1e-12)
        return Network(genes, self.source, self.target, weight, signed=True)

    def of(self, network: Network, column: str) -> Float[np.ndarray, " edge"]:
        """Return one column for the edges of a network, in its order; NaN for unlisted edges."""
        found = np.full(len(network), np.nan)
        keys = self.target * len(network.genes) + self.source
        order = np.argsort(keys)
        place = np.searchsorted(keys, network.keys(), sorter=order)
        known = place < len(keys)
        known[known] = keys[order[place[known]]] == network.keys()[known]
        found[known] = getattr(self, column)[order[place[known]]]
        return found


def run_gene_arm(
    problem: Problem,
    name: str,
    *,
    prior: Network | None,
    candidates: EdgeIndex,
    folder: Path,
    progress: Progress | None = None,
) -> ArmResult:
    """Search for edges until the held-out loss stops falling; write the path and the edge table.

    An interrupted search starts again, which gives the same result: nothing in it is random but the
    resampled members, and those have a seed.

    Parameters
    ----------
    problem
        Training and held-out data.
    name
        Label of the arm.
    prior
        Prior of this arm, or None.
    candidates
        Genes that may regulate.
    folder
        Existing folder for its rounds; a finished arm found there is read.
    progress
        Told about every pass.
    """
    path = folder / _FILE
    if not path.exists():
        _search(problem, name, prior, candidates, folder, progress)
    _, numbers = read_checkpoint(path)
    rounds = [_read_round(folder, number) for number in range(numbers["rounds"])]
    return ArmResult(name, rounds, numbers["metrics"], folder, numbers["passes"])


def _search(
    problem: Problem,
    name: str,
    prior: Network | None,
    candidates: EdgeIndex,
    folder: Path,
    progress: Progress | None,
) -> None:
    config = problem.config
    search = EdgeSearch(problem.data, prior, candidates, trust=config.trust)
    metrics: list[dict[str, Any]] = []
    best = np.inf
    for number in range(1, config.passes + 1):
        search.step()
        (field,) = make_fields(search, [0.0])
        metrics.append(_measure(problem, search, field, number))
        loss = metrics[-1]["held_out_loss"]
        if progress is not None:
            progress(name, number, config.passes, loss)
        if loss > best * (1 - _BETTER):
            break
        best = loss
    stability = np.full(search.state.odds.shape, np.nan)
    if config.members:
        stability = edge_stability(
            search, members=config.members, seed=config.seed, device=config.device
        )
    rounds = _write_path(problem, search, folder, len(metrics))
    table = _table(search, stability)
    tensors = {f.name: torch.from_numpy(getattr(table, f.name)) for f in fields(table)}
    save_tensors(
        folder / _FILE,
        tensors,
        {"rounds": rounds, "metrics": metrics, "passes": len(metrics), **_learned(search)},
    )


def _measure(problem: Problem, search: EdgeSearch, field: GeneField, number: int) -> dict[str, Any]:
    return {
        "epoch": number,
        "round": 0,
        "train_loss": float(_losses(problem, field, problem.train).mean()),
        "held_out_loss": float(_losses(problem, field, problem.held_out).mean()),
        "sparsity": 1 - len(field.source) / max(int(search.possible.sum()), 1),
        "learning_rate": 0.0,
    }


def _losses(problem: Problem, field: GeneField, pairs: PairTensors) -> Float[np.ndarray, " pair"]:
    """Return the loss of each pair, its start taken as the noisy measurement that it is."""
    field = field.to(problem.config.device)
    with torch.no_grad():
        seen = replace(pairs, start=field.estimate(pairs.start))
    return pair_losses(field, seen, method=problem.method)


def _write_path(problem: Problem, search: EdgeSearch, folder: Path, passes: int) -> int:
    """Write one round per distinct set of edges, from the most edges to the fewest."""
    odds = [float(np.log(p / (1 - p))) for p in _PROBABILITIES]
    counts = [int((search.state.odds > o).sum()) for o in odds]
    half = _PROBABILITIES.index(0.5)
    kept = [
        i
        for i, n in enumerate(counts)
        if i == half or (n and n not in counts[half : half + 1] and n not in counts[:i])
    ]
    for number, (at, field) in enumerate(
        zip(kept, make_fields(search, [odds[i] for i in kept]), strict=True)
    ):
        losses = _losses(problem, field, problem.held_out)
        tensors = {f"field.{k}": v for k, v in field.cpu().state_dict().items()}
        tensors["held_out_losses"] = torch.from_numpy(losses)
        numbers = {
            "round": number,
            "epoch": passes,
            "sparsity": 1 - len(field.source) / max(int(search.possible.sum()), 1),
            "weights": len(field.source) + len(field.joint_target),
            "train_loss": float(_losses(problem, field, problem.train).mean()),
            "probability": _PROBABILITIES[at],
        }
        save_tensors(round_file(folder, number), tensors, numbers)
    return len(kept)


def _read_round(folder: Path, number: int) -> Round:
    tensors, numbers = read_checkpoint(round_file(folder, number))
    return Round(**numbers, losses=tensors["held_out_losses"].numpy())


def _table(search: EdgeSearch, stability: Float[np.ndarray, "target candidate"]) -> EdgeTable:
    state = search.state
    probability = 1 / (1 + np.exp(-np.clip(state.odds, -30, 30)))
    listed = (search.prior | (probability > _LISTED)) & search.possible
    target, place = np.nonzero(listed)
    return EdgeTable(
        search.candidates[place],
        target,
        *(
            np.asarray(a[listed], dtype=np.float64)
            for a in (probability, stability, state.factor, state.estimate, state.error)
        ),
    )


def _learned(search: EdgeSearch) -> dict[str, Any]:
    state = search.state
    return {
        "prior_trust": state.trust.shares[0] if search.prior.any() else None,
        "signs_hold": state.trust.signs if (search.sign != 0).any() else None,
        "effect_size": state.law.size,
        "effect_decay": state.law.decay,
    }


def load_edges(folder: Path) -> EdgeTable:
    """Return the edge table of a finished arm, from the folder of its rounds."""
    tensors, _ = read_checkpoint(folder / _FILE)
    return EdgeTable(**{name: tensor.numpy() for name, tensor in tensors.items()})


def edge_evidence(arm: ArmResult, network: Network, prior: Network | None) -> EdgeEvidence:
    """Return what a search learned, and how the chosen network stands to the prior."""
    _, numbers = read_checkpoint(arm.folder / _FILE)
    counts = dict.fromkeys(("kept", "added", "refuted", "untested"), 0)
    for status in edge_statuses(load_edges(arm.folder), network, prior)[1]:
        counts[status] += 1
    learned = {n: numbers[n] for n in ("prior_trust", "signs_hold", "effect_size", "effect_decay")}
    return EdgeEvidence(**learned, **counts)


def edge_statuses(
    table: EdgeTable, network: Network, prior: Network | None
) -> tuple[Network, list[str]]:
    """Return the edges of a network and of the prior as one list, and the status of each.

    ``kept``: in both, and the data speak for it (Bayes factor of 3 or more). ``added``: not in
    the prior. ``untested``: in the prior, and the data say little either way. ``refuted``: in the
    prior, not in the network, and the data speak against it.
    """
    listed, believed = join_prior(network, prior)
    factors = table.of(listed, "log_bayes_factor")
    return listed, [
        _status(at < len(network), bool(b), float(f))
        for at, (b, f) in enumerate(zip(believed, factors, strict=True))
    ]


def join_prior(
    network: Network, prior: Network | None
) -> tuple[Network, Bool[np.ndarray, " edge"]]:
    """Return a network's edges, then those of the prior that it lacks, and which the prior has."""
    if prior is None:
        return network, np.zeros(len(network), dtype=bool)
    lost = prior.where(~np.isin(prior.keys(), network.keys()))
    listed = Network(
        network.genes,
        np.concatenate([network.source, lost.source]),
        np.concatenate([network.target, lost.target]),
        np.concatenate([network.weight, np.zeros(len(lost))]),
        signed=True,
    )
    return listed, np.isin(listed.keys(), prior.keys())


def _status(chosen: bool, believed: bool, log_bayes_factor: float) -> str:
    if not believed:
        return "added"
    telling = log_bayes_factor >= TELLING if chosen else log_bayes_factor <= -TELLING
    return ("kept" if chosen else "refuted") if telling else "untested"
