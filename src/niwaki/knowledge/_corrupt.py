"""Worse priors on purpose: controls and noise."""

from dataclasses import replace

import numpy as np

from niwaki.core import ConfigError, EdgeIndex, InputError, Network


def move_edges(network: Network, share: float, *, rng: np.random.Generator) -> Network:
    """Return the network with a share of its edges moved to random places that held none.

    The number moved is `share` of the edges, rounded half to even. A moved edge keeps its weight;
    its new source and target may be any two different genes.

    Parameters
    ----------
    network
        The network to corrupt.
    share
        Share of the edges to move, in [0, 1] (dimensionless).
    rng
        Source of the draw.

    Raises
    ------
    InputError
        If the network has too few places without an edge.

    References
    ----------
    .. [1] phoenix2024: the noise level of the simulations corrupts the prior in this way.
    """
    moved = rng.choice(len(network), _count(share, len(network)), replace=False)
    places = _free_places(network, len(moved), rng=rng)
    source, target = network.source.copy(), network.target.copy()
    source[moved] = places % len(network.genes)
    target[moved] = places // len(network.genes)
    return replace(network, source=source, target=target)


def drop_edges(network: Network, share: float, *, rng: np.random.Generator) -> Network:
    """Return the network without a random share of its edges, rounded half to even.

    Parameters
    ----------
    network
        The network to thin out.
    share
        Share of the edges to drop, in [0, 1] (dimensionless).
    rng
        Source of the draw.
    """
    keep = np.ones(len(network), dtype=bool)
    keep[rng.choice(len(network), _count(share, len(network)), replace=False)] = False
    return network.where(keep)


def shuffle(network: Network, *, rng: np.random.Generator, sweeps: int = 50) -> Network:
    """Return a random network in which each gene has as many targets and regulators as before.

    Pairs of edges exchange targets, many at a time, wherever that makes neither a second copy of an
    edge nor an edge from a gene to itself. Weights stay with their source; edges from a gene
    to itself stay.

    Parameters
    ----------
    network
        The network to shuffle.
    rng
        Source of the draw.
    sweeps
        How often each edge is offered an exchange; it takes part in half of them (count).
    """
    free = np.flatnonzero(network.source != network.target)
    source, target = network.source[free], network.target[free].copy()
    half = len(free) // 2
    for _ in range(sweeps if half else 0):
        order = rng.permutation(len(free))
        willing = rng.random(half) < 0.5  # without this, few edges swing between two halves
        pairs = order[:half][willing], order[half : 2 * half][willing]
        _exchange(source, target, *pairs, genes=len(network.genes))
    shuffled = network.target.copy()
    shuffled[free] = target
    return replace(network, target=shuffled)


def _exchange(
    source: EdgeIndex, target: EdgeIndex, one: np.ndarray, two: np.ndarray, *, genes: int
) -> None:
    """Exchange the targets of edges `one` and `two` where allowed, in place."""
    new_one = target[two] * genes + source[one]
    new_two = target[one] * genes + source[two]
    proposed = np.concatenate([new_one, new_two])
    _, place, times = np.unique(proposed, return_inverse=True, return_counts=True)
    fresh = (times[place] == 1) & ~np.isin(proposed, target * genes + source)
    fine = fresh[: len(one)] & fresh[len(one) :]
    fine &= (source[one] != target[two]) & (source[two] != target[one])
    first, second = one[fine], two[fine]
    target[first], target[second] = target[second], target[first]


def _free_places(network: Network, count: int, *, rng: np.random.Generator) -> EdgeIndex:
    """Return distinct random places without an edge and off the diagonal, as edge keys."""
    genes, used = len(network.genes), network.keys()
    loops = int((network.source == network.target).sum())
    room = genes * (genes - 1) - (len(network) - loops)
    if count > room:
        raise InputError(
            f"{count} edges cannot be moved in a network of {genes} genes with {room} places left; "
            "move a smaller share."
        )
    if count > room // 2:
        free = np.setdiff1d(np.arange(genes**2), np.union1d(used, np.arange(genes) * (genes + 1)))
        return rng.choice(free, count, replace=False)
    found = np.zeros(0, dtype=np.int64)
    while len(found) < count:
        draw = rng.integers(0, genes**2, 2 * (count - len(found)) + 16)
        fresh = draw[(draw % genes != draw // genes) & ~np.isin(draw, used)]
        both = np.concatenate([found, fresh])
        _, first = np.unique(both, return_index=True)
        found = both[np.sort(first)]
    return found[:count]


def _count(share: float, edges: int) -> int:
    if not 0 <= share <= 1:
        raise ConfigError(f"the share of edges is {share:g}; expected 0 to 1.")
    return round(share * edges)
