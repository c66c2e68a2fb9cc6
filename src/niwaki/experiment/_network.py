"""The network of a fitted model: its edges, their status against the prior, its regulators."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from niwaki.core import EdgeIndex, Network, RegulatorRow
from niwaki.experiment._model import chains
from niwaki.pruning import EffectiveNetwork, edge_strengths, effective_network

NETWORK_COLUMNS = (
    "source",
    "target",
    "weight",
    "sign",
    "in_prior",
    "prior_weight",
    "status",
)
KEPT, ADDED, REMOVED = "kept", "added", "removed"


def read_out(
    field: nn.Module,
    masks: Mapping[str, Tensor],
    genes: tuple[str, ...],
    *,
    limit: int | None,
    prior: Network | None = None,
) -> EffectiveNetwork:
    """Return the gene-to-gene network that a model computes with.

    Parameters
    ----------
    field
        The model.
    masks
        Its surviving weights.
    genes
        Names of the genes.
    limit
        Keep this many of the strongest edges (count); all are counted.
    prior
        Keep its edges beyond `limit`, however weak, so that none of them seems removed.
    """
    parts = chains(field, masks)
    found = effective_network(parts, genes, limit=limit)
    if prior is None or found.edges == len(found.network):
        return found
    weak = prior.where(~np.isin(prior.keys(), found.network.keys()))
    weak = replace(weak, weight=edge_strengths(parts, weak.source, weak.target), signed=True)
    weak = weak.where(weak.weight != 0)
    listed = replace(
        found.network,
        source=np.concatenate([found.network.source, weak.source]),
        target=np.concatenate([found.network.target, weak.target]),
        weight=np.concatenate([found.network.weight, weak.weight]),
    )
    return replace(found, network=listed)


def network_table(network: Network, prior: Network | None) -> str:
    """Return the edges of a fit as TSV, strongest first, then the prior's edges that it lacks.

    Parameters
    ----------
    network
        Edges of the fit.
    prior
        The aligned prior over the same genes.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(NETWORK_COLUMNS)
    genes = network.genes
    known = prior_weights(network, prior)
    order = np.lexsort((network.keys(), -np.abs(network.weight)))
    for edge in order:
        weight, belief = float(network.weight[edge]), float(known[edge])
        inside = not np.isnan(belief)
        writer.writerow(
            [
                genes[network.source[edge]],
                genes[network.target[edge]],
                f"{weight:.6g}",
                "+" if weight > 0 else "-",
                int(inside),
                f"{belief:.6g}" if inside else "",
                KEPT if inside else ADDED,
            ]
        )
    if prior is not None:
        lost = prior.where(~np.isin(prior.keys(), network.keys()))
        for source, target, weight in zip(lost.source, lost.target, lost.weight, strict=True):
            writer.writerow([genes[source], genes[target], 0, "", 1, f"{weight:.6g}", REMOVED])
    return out.getvalue()


def prior_weights(network: Network, prior: Network | None) -> np.ndarray:
    """Return the prior's weight of each edge, NaN where the prior has none."""
    found = np.full(len(network), np.nan)
    if prior is None or len(prior) == 0:
        return found
    keys = prior.keys()
    order = np.argsort(keys)
    place = np.searchsorted(keys[order], network.keys()).clip(max=len(keys) - 1)
    hit = keys[order][place] == network.keys()
    found[hit] = prior.weight[order][place[hit]]
    return found


def regulator_rows(
    found: EffectiveNetwork, prior: Network | None, *, most: int
) -> list[RegulatorRow]:
    """Return the regulators with the largest summed strength.

    Parameters
    ----------
    found
        The network of the fit; every edge of the prior that it has is listed.
    prior
        The aligned prior over the same genes.
    most
        How many regulators (count).
    """
    network, count = found.network, len(found.network.genes)
    strength, targets = found.strength_of, found.targets_of
    kept = _counts(network.source[~np.isnan(prior_weights(network, prior))], count)
    believed = np.zeros(count, dtype=np.int64) if prior is None else _counts(prior.source, count)
    ranked = np.argsort(-strength, kind="stable")[:most]
    return [
        RegulatorRow(
            gene=network.genes[i],
            targets=int(targets[i]),
            strength=float(strength[i]),
            prior_targets=int(believed[i]),
            kept=int(kept[i]),
            added=int(targets[i] - kept[i]),
            removed=int(believed[i] - kept[i]),
        )
        for i in ranked
        if targets[i] > 0
    ]


def _counts(index: EdgeIndex, genes: int) -> np.ndarray:
    return np.bincount(index, minlength=genes)
