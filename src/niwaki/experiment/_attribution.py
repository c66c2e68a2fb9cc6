"""What a fitted field does along the observed states: contributions of regulators to targets."""

import copy
import csv
import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from niwaki.attribution import MapAttribution, homogeneity_report, jacobian_attribution
from niwaki.core import (
    AttributedPair,
    AttributedRegulator,
    AttributionSummary,
    ConfigError,
    InputError,
    Network,
    Trajectories,
)
from niwaki.dynamics import DecayField, PhoenixField
from niwaki.experiment._predict import FittedModel
from niwaki.pruning import EffectiveNetwork

COLUMNS = ("source", "target", "sign", "size", "mean", "weight")
_STATES = 256  # enough for a mean; spread evenly over all observations
_WORK = 6e8  # genes squared times states times nodes, so that a table takes seconds to minutes
_NODES = 8
_FEW_NODES, _FEW_STATES = 4, 8  # of many genes
_KEEP_ALL, _KEPT = 1_000, 50  # above this many genes, so many pairs per target
_LISTED = 20_000  # rows of the table
_TOP, _SHOWN = 30, 10
_STRONG = 0.2  # share of the edges that both lists of strongest pairs hold


class BatchMajor(nn.Module):
    """A gene-major map with one sample per row, as attribution takes models."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field = field

    def forward(self, rows: Tensor) -> Tensor:
        """Return the map of every row."""
        found: Tensor = self.field(rows.T)
        return found.T


def attribute_field(
    model: FittedModel, data: Trajectories, network: EffectiveNetwork
) -> tuple[AttributionSummary | None, str]:
    """Return the summary for the record and all strong pairs as TSV.

    A field that is homogeneous of some degree gets the closed form, from zero; any other the
    integrated gradients from the mean state, so that contributions say why a state changes
    otherwise than the average one. A decay of a gene's own level is left out.

    Parameters
    ----------
    model
        The fitted model.
    data
        Observed states.
    network
        The network that was read from the model.

    Returns
    -------
    None and an empty table if the field leaves the finite range, which must not lose a run.
    """
    states = observed_states(model, data)
    try:
        found = field_contributions(model, states)
    except InputError:
        return None, "\t".join(COLUMNS) + "\n"
    return summarise(found, states.shape[1], network), pair_table(found, network.network)


def observed_states(model: FittedModel, data: Trajectories) -> Float[Tensor, "gene state"]:
    """Return evenly chosen observed states, as the model estimates them (data units)."""
    stacked = data.stack()
    work = len(model.genes) ** 2 * _nodes(model)
    most = int(np.clip(_WORK / work, _FEW_STATES, _STATES))
    chosen = np.unique(np.linspace(0, len(stacked) - 1, most).round().astype(int))
    example = next(model.field.parameters())
    states = model.estimate(stacked[chosen].T)
    return torch.as_tensor(states, dtype=example.dtype, device=example.device)


def field_contributions(
    model: FittedModel,
    states: Float[Tensor, "gene state"],
    *,
    targets: Sequence[str] | None = None,
) -> MapAttribution:
    """Return contributions of regulators to rates of change, by closed form where there is one.

    A decay of a gene's own level is left out.

    Parameters
    ----------
    model
        The fitted model.
    states
        States to average over (data units).
    targets
        Names of targets; all by default.

    Raises
    ------
    ConfigError
        If a target is unknown.
    """
    field = frozen(model.field)
    report = homogeneity_report(BatchMajor(field), states[:, :2].T)
    closed = report.degree if report.holds else None
    return jacobian_attribution(
        production(field),
        states,
        degree=closed or 1.0,
        baseline=None if closed else states.mean(1),
        nodes=_nodes(model),
        targets=gene_places(model.genes, targets),
        keep=None if len(model.genes) <= _KEEP_ALL else _KEPT,
    )


def frozen(field: nn.Module) -> nn.Module:
    """Return a copy whose weights ask for no gradients, which would cost more than the states'."""
    return copy.deepcopy(field).requires_grad_(False)


def production(field: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a field without the decay of each gene's own level, where it has one."""
    if not isinstance(field, DecayField):
        return field
    return lambda states: field.rate()[:, None] * field.drive(states)


def _nodes(model: FittedModel) -> int:
    """Return nodes for which the gap is far below one percent; fewer where genes are many."""
    if len(model.genes) > _KEEP_ALL:
        return _FEW_NODES
    return 2 * _NODES if isinstance(model.field, PhoenixField) else _NODES


def gene_places(
    genes: tuple[str, ...], names: Sequence[str] | None
) -> Int[Tensor, " target"] | None:
    """Return the places of some genes.

    Raises
    ------
    ConfigError
        If one is not a gene of the model.
    """
    if names is None:
        return None
    place = {gene: i for i, gene in enumerate(genes)}
    unknown = [name for name in names if name not in place]
    if unknown:
        raise ConfigError(
            f"target '{unknown[0]}' is not a gene of the model, which has {len(genes)} genes such "
            f"as '{genes[0]}'."
        )
    return torch.tensor([place[name] for name in names])


def summarise(found: MapAttribution, states: int, network: EffectiveNetwork) -> AttributionSummary:
    """Return the record of contributions beside the edges of a network.

    Parameters
    ----------
    found
        Contributions over the same genes.
    states
        How many states they are means over (count).
    network
        The network that was read from the model.
    """
    count = max(1, min(network.edges, max(20, round(_STRONG * network.edges))))
    by_size = np.argsort(-found.size, kind="stable")[:count]
    edges = network.network
    by_weight = np.argsort(-np.abs(edges.weight), kind="stable")[:count]
    genes = len(edges.genes)
    keys = found.target * genes + found.source
    strong_pairs, strong_edges = keys[by_size], edges.keys()[by_weight]
    rows = _Rows(found, edges)
    regulators = _regulators(found, network)
    listed = min(20, (int((network.strength_of > 0).sum()) + 1) // 2)  # all of them always agree
    return AttributionSummary(
        method=found.method,
        baseline="zero" if found.degree is not None else "mean state",
        degree=found.degree,
        states=states,
        nodes=found.nodes,
        gap=found.gap,
        regulators=regulators[:_TOP],
        compared=count,
        shared=int(np.isin(strong_pairs, strong_edges).sum()),
        regulators_compared=listed,
        regulators_shared=sum(
            r.strength_rank is not None and r.strength_rank <= listed for r in regulators[:listed]
        ),
        only_by_edge=rows.of(strong_edges[~np.isin(strong_edges, strong_pairs)][:_SHOWN]),
        only_by_attribution=rows.of(strong_pairs[~np.isin(strong_pairs, strong_edges)][:_SHOWN]),
    )


def _regulators(found: MapAttribution, network: EffectiveNetwork) -> list[AttributedRegulator]:
    total, strength = found.total_of_source, network.strength_of
    order = np.argsort(-total, kind="stable")
    rank = np.empty(len(strength), dtype=int)
    rank[np.argsort(-strength, kind="stable")] = np.arange(1, len(strength) + 1)
    whole = float(total.sum()) or 1.0
    return [
        AttributedRegulator(
            gene=network.network.genes[i],
            contribution=float(total[i]),
            share=float(total[i]) / whole,
            rank=place,
            strength=float(strength[i]),
            strength_rank=int(rank[i]) if strength[i] > 0 else None,
        )
        for place, i in enumerate(order, 1)
        if total[i] > 0
    ]


class _Rows:
    """Pairs by key, with what both measures say of them."""

    def __init__(self, found: MapAttribution, edges: Network) -> None:
        self.genes = edges.genes
        keys = found.target * len(edges.genes) + found.source
        order = np.argsort(-found.size, kind="stable")
        self.contribution = {
            int(keys[i]): (float(found.slope[i]), float(found.size[i]), rank)
            for rank, i in enumerate(order, 1)
        }
        order = np.argsort(-np.abs(edges.weight), kind="stable")
        edge_keys = edges.keys()
        self.weight = {
            int(edge_keys[i]): (float(edges.weight[i]), rank) for rank, i in enumerate(order, 1)
        }

    def of(self, keys: Int[np.ndarray, " pair"]) -> list[AttributedPair]:
        """Return the rows of some pairs, in their order."""
        return [self._row(int(key)) for key in keys]

    def _row(self, key: int) -> AttributedPair:
        slope, size, rank = self.contribution.get(key, (0.0, 0.0, None))
        weight, weight_rank = self.weight.get(key, (None, None))
        target, source = divmod(key, len(self.genes))
        return AttributedPair(
            source=self.genes[source],
            target=self.genes[target],
            slope=slope,
            size=size,
            rank=rank,
            weight=weight,
            weight_rank=weight_rank,
        )


def pair_table(found: MapAttribution, edges: Network) -> str:
    """Return pairs as TSV, largest contribution first, with the weights of edges beside.

    Parameters
    ----------
    found
        Contributions.
    edges
        Edges over the same genes.
    """
    names = edges.genes
    weights = dict(zip(edges.keys().tolist(), edges.weight, strict=True))
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for i in np.argsort(-found.size, kind="stable")[:_LISTED]:
        source, target = int(found.source[i]), int(found.target[i])
        weight = weights.get(target * len(names) + source)
        writer.writerow(
            [
                names[source],
                names[target],
                "-" if found.slope[i] < 0 else "+",
                f"{found.size[i]:.6g}",
                f"{found.mean[i]:.6g}",
                "" if weight is None else f"{weight:.6g}",
            ]
        )
    return out.getvalue()
