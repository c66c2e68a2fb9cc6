"""The network of a fitted model: its edges, their status against the prior, its regulators."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from niwaki.core import EdgeIndex, Network, RegulatorRow
from niwaki.dynamics import GeneField
from niwaki.experiment._gene_arm import EdgeTable, edge_statuses, join_prior
from niwaki.experiment._model import chains
from niwaki.pruning import EffectiveNetwork, edge_strengths, effective_network

NETWORK_COLUMNS = (
    "source",
    "target",
    "weight",
    "sign",
    "probability",
    "stability",
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
    sources: EdgeIndex | None = None,
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
    sources
        List only edges of these regulators, without a prior; None for all. All are counted.
    """
    if isinstance(field, GeneField):
        return _read_edges(field, genes, limit, prior, sources)
    parts = chains(field, masks)
    found = effective_network(parts, genes, limit=limit, sources=sources)
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


def _read_edges(
    field: GeneField,
    genes: tuple[str, ...],
    limit: int | None,
    prior: Network | None,
    sources: EdgeIndex | None,
) -> EffectiveNetwork:
    """Return the edges of a gene-resolved field: slopes of dx/dt at the centre (per time unit)."""
    source, target = field.source.cpu().numpy(), field.target.cpu().numpy()
    rate = field.rate().detach().cpu().numpy().astype(float)
    weight = rate[target] * field.weight.detach().cpu().numpy().astype(float)
    order = np.argsort(-np.abs(weight), kind="stable")
    whole = Network(genes, source[order], target[order], weight[order], signed=True)
    wanted = np.full(len(order), True) if sources is None else np.isin(whole.source, sources)
    listed = wanted & (np.cumsum(wanted) <= (len(order) if limit is None else limit))
    if prior is not None:
        listed |= np.isin(whole.keys(), prior.keys())
    return EffectiveNetwork(
        whole.where(listed),
        len(order),
        np.bincount(source, minlength=len(genes)),
        np.bincount(source, np.abs(weight), minlength=len(genes)),
    )


def network_table(
    network: Network,
    prior: Network | None,
    table: EdgeTable | None = None,
    stability: Float[np.ndarray, " edge"] | None = None,
) -> str:
    """Return the edges of a fit as TSV, strongest first, then the prior's edges that it lacks.

    Parameters
    ----------
    network
        Edges of the fit.
    prior
        The aligned prior over the same genes.
    table
        What is known of every edge, where the field is gene-resolved.
    stability
        Else the share of refits with each edge of ``join_prior(network, prior)``, if any were made.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(NETWORK_COLUMNS)
    genes = network.genes
    listed, statuses = _with_statuses(network, prior, table)
    known = prior_weights(listed, prior)
    columns = {name: np.full(len(listed), np.nan) for name in ("probability", "stability")}
    if table is not None:
        columns = {name: table.of(listed, name) for name in columns}
    elif stability is not None:
        columns["stability"] = stability
    inside = np.arange(len(listed)) < len(network)
    order = np.lexsort((listed.keys(), -np.abs(listed.weight), ~inside))
    for edge in order:
        weight = float(listed.weight[edge])
        writer.writerow(
            [
                genes[listed.source[edge]],
                genes[listed.target[edge]],
                f"{weight:.6g}",
                "+" if weight > 0 else "-" if weight < 0 else "",
                *(_cell(columns[name][edge]) for name in columns),
                int(not np.isnan(known[edge])),
                _cell(known[edge]),
                statuses[edge],
            ]
        )
    return out.getvalue()


def _with_statuses(
    network: Network, prior: Network | None, table: EdgeTable | None
) -> tuple[Network, list[str]]:
    """Return the edges of the fit, then those that only the prior has, and each one's status."""
    if table is not None:
        return edge_statuses(table, network, prior)
    listed, inside = join_prior(network, prior)
    return listed, [
        (KEPT if believed else ADDED) if at < len(network) else REMOVED
        for at, believed in enumerate(inside)
    ]


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"


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
