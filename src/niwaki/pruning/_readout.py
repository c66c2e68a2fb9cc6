"""The gene-to-gene network inside the two layers, and how sparse they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from niwaki.core import EdgeIndex, EdgeVector, InputError, Network
from niwaki.pruning._criteria._chain import Chain


@dataclass(frozen=True)
class EffectiveNetwork:
    """The network that a model computes with.

    Attributes
    ----------
    network
        The strongest edges, strongest first; weights are signed effective strengths.
    edges
        Number of all edges, listed or not.
    targets_of, strength_of
        Number of targets of each gene, and their summed absolute strength, over all edges.
    """

    network: Network
    edges: int
    targets_of: Int[np.ndarray, " gene"]
    strength_of: Float[np.ndarray, " gene"]


def effective_network(
    chains: Sequence[Chain],
    genes: Sequence[str],
    *,
    limit: int | None = None,
    sources: EdgeIndex | None = None,
    rows: int = 256,
) -> EffectiveNetwork:
    """Return the product of both layers as a network, summed over the chains.

    The strength of an edge is ``scale[target] * sum over chains of (C @ W)[target, regulator]``;
    biases and non-linearities are left out. It is made a few targets at a time, never as a whole
    gene-by-gene matrix.

    Parameters
    ----------
    chains
        Parts of the model, over the same genes.
    genes
        Their names.
    limit
        Keep this many of the strongest edges; None for all.
    sources
        List only edges of these regulators; None for all. All edges are counted.
    rows
        How many targets at a time.

    References
    ----------
    .. [1] phoenix2024, network read-out; dash2024 calls every non-zero entry an edge.
    """
    count = len(genes)
    if any(chain.output.shape[0] != count for chain in chains):
        raise InputError(f"{count} gene names were given for layers over another number of genes.")
    layers = _layers(chains)
    inside = np.full(count, sources is None)
    inside[[] if sources is None else sources] = True
    total, targets_of, strength_of = 0, np.zeros(count, dtype=np.int64), np.zeros(count)
    found = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    for low in range(0, count, rows):
        strength = sum(out[low : low + rows] @ first for out, first in layers)
        target, source = np.nonzero(strength)
        total += len(source)
        targets_of += np.bincount(source, minlength=count)
        strength_of += np.abs(strength).sum(0)
        listed = inside[source]
        source, target = source[listed], target[listed]
        new = (source, target + low, np.asarray(strength)[target, source])
        found = _strongest(found, new, limit)
    source, target, weight = found
    order = np.argsort(-np.abs(weight), kind="stable")  # ties stay by target, then by source
    network = Network(tuple(genes), source[order], target[order], weight[order], signed=True)
    return EffectiveNetwork(network, total, targets_of, strength_of)


def edge_strengths(
    chains: Sequence[Chain], source: EdgeIndex, target: EdgeIndex, *, chunk: int = 65_536
) -> EdgeVector:
    """Return the effective strength of given edges; 0 where the model has none.

    Parameters
    ----------
    chains
        Parts of the model, over the same genes.
    source, target
        Regulator and target of each edge.
    chunk
        How many edges at a time (count).
    """
    layers = _layers(chains)
    strength = np.zeros(len(source))
    for low in range(0, len(source), chunk):
        at = slice(low, low + chunk)
        for output, first in layers:
            strength[at] += np.einsum("eh,eh->e", output[target[at]], first.T[source[at]])
    return strength


def _layers(chains: Sequence[Chain]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the scaled output and the first layer of each chain, pruned entries 0."""
    return [
        ((chain.living_output() * chain.scale()[:, None]).numpy(), chain.living_first().numpy())
        for chain in chains
    ]


def sparsity(chains: Sequence[Chain], *, count_silent: bool = False) -> float:
    """Return the share of the weights of both layers that are pruned.

    Parameters
    ----------
    chains
        Parts of the model.
    count_silent
        Count every weight that has no effect: pruned ones, those that are exactly 0, and output
        weights of genes whose factor is 0. This is the number that dash2024 reports.
    """
    total = sum(chain.first.numel() + chain.output.numel() for chain in chains)
    if not count_silent:
        return 1 - living_weights(chains) / total
    acting = sum(
        torch.count_nonzero(chain.living_first())
        + torch.count_nonzero(chain.living_output() * chain.scale()[:, None])
        for chain in chains
    )
    return 1 - int(acting) / total


def living_weights(chains: Sequence[Chain]) -> int:
    """Return how many weights of both layers are not pruned."""
    return sum(int(chain.first_mask.sum() + chain.output_mask.sum()) for chain in chains)


Edges = tuple[np.ndarray, np.ndarray, np.ndarray]


def _strongest(old: Edges, new: Edges, limit: int | None) -> Edges:
    """Return the `limit` strongest edges of both lists (source, target, weight)."""
    source, target, weight = (np.concatenate([a, b]) for a, b in zip(old, new, strict=True))
    if limit is None or len(weight) <= limit:
        return source, target, weight
    keep = np.sort(np.argpartition(-np.abs(weight), limit)[:limit])
    return source[keep], target[keep], weight[keep]
