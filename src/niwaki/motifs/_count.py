"""Counts of all motifs of a layered graph in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy import sparse

from niwaki.core import InputError
from niwaki.motifs._classes import INSIDE, NAMES
from niwaki.motifs._exact import choose2, choose3, exact_sum, exact_sums
from niwaki.motifs._layered import Flat, LayeredGraph, flatten
from niwaki.motifs._pairs import fan_pairs, feed_forward_loops, path_pairs, products

_EXTENDED = ("converging_extended", "diverging_extended", "zigzag")


@dataclass(frozen=True)
class MotifCounts:
    """How often each motif occurs, exactly.

    Attributes
    ----------
    by_layer
        For each motif one count per layer that its lowest node can lie in.
    induced
        Whether motifs inside denser ones are left out.
    """

    by_layer: Mapping[str, tuple[int, ...]]
    induced: bool = False

    @property
    def total(self) -> dict[str, int]:
        """Counts over all layers, by motif."""
        return {name: sum(values) for name, values in self.by_layer.items()}


def count(graph: LayeredGraph, *, induced: bool = False) -> MotifCounts:
    """Count every motif: edges, the three classes of three nodes, the ten of four.

    All but two follow from degrees and one look at each edge; bi-fans and bi-parallels take one
    product of matrices, dense or sparse, whichever is cheaper. A motif is credited to the layer of
    its lowest node (in a graph with skip connections: to the layer below its central node).

    Parameters
    ----------
    graph
        The graph; trim it first, unless nodes that no signal passes shall count.
    induced
        Leave out a motif whose nodes have further edges among them. Only three classes differ.

    Raises
    ------
    InputError
        If induced counts are asked of a graph with skip connections, where more classes exist.

    References
    ----------
    .. [1] zahn2024, the classes. Unlike the released code: chains are paths, not pairs of ends;
       third-order converging motifs are choices of three; all ten classes of four nodes count.

    Examples
    --------
    >>> from niwaki.motifs import from_masks
    >>> count(from_masks([np.ones((3, 2))])).total["bifan"]
    3
    """
    return count_flat(flatten(graph), induced=induced)


def count_flat(flat: Flat, *, induced: bool = False) -> MotifCounts:
    """Count as `count` does, from lists of nodes and edges."""
    found = _by_degree(flat)
    found["bifan"] = _pairwise(flat, "fan")
    found["biparallel"] = _pairwise(flat, "path")
    if any(target > source + 1 for source, target, _ in flat.block_names):
        if induced:
            raise InputError(
                "induced counts are defined for graphs without skip connections only, since skips "
                "make further classes; count with induced=False."
            )
        _without_loops(found, flat)
    if induced:
        for name, (inner, times) in INSIDE.items():
            pairs = zip(found[name], found[inner], strict=True)
            found[name] = tuple(a - times * b for a, b in pairs)
    return MotifCounts({name: found[name] for name in NAMES}, induced)


def _by_degree(flat: Flat) -> dict[str, tuple[int, ...]]:
    """Return all counts that follow from degrees."""
    out = np.bincount(flat.source, minlength=flat.nodes).astype(np.int64)
    into = np.bincount(flat.target, minlength=flat.nodes).astype(np.int64)
    layers = max(int(flat.layer.max()), 1)
    at, below = np.minimum(flat.layer, layers - 1), np.maximum(flat.layer - 1, 0)
    s, t = flat.source, flat.target
    edge = np.ones(len(s), dtype=np.int64)

    def nodes(labels: np.ndarray, *factors: np.ndarray) -> tuple[int, ...]:
        return exact_sums(labels, layers, *factors)

    return {
        "edge": nodes(at[s], edge),
        "diverging2": nodes(at, choose2(out)),
        "converging2": nodes(below, choose2(into)),
        "chain2": nodes(below, into, out),
        "diverging3": nodes(at, choose3(out)),
        "converging3": nodes(below, choose3(into)),
        "star_2in_1out": nodes(below, choose2(into), out),
        "star_1in_2out": nodes(below, into, choose2(out)),
        "chain3": nodes(below[s], into[s], out[t]),
        "converging_extended": nodes(below[s], into[s], into[t] - 1),
        "diverging_extended": nodes(at[s], out[s] - 1, out[t]),
        "zigzag": nodes(at[s], out[s] - 1, into[t] - 1),
    }


def _pairwise(flat: Flat, kind: str) -> tuple[int, ...]:
    """Return the number of bi-fans or bi-parallels per layer."""
    found = [0] * max(int(flat.layer.max()), 1)
    ones = np.ones(len(flat.source), dtype=np.int64)
    for pair in fan_pairs(flat) if kind == "fan" else path_pairs(flat):
        for entries in products(pair, ones):
            found[pair.label] += exact_sum(choose2(entries))
    return tuple(found)


def _without_loops(found: dict[str, tuple[int, ...]], flat: Flat) -> None:
    """Take feed-forward loops, in which two ends meet, from the three classes of open ends."""
    loops = feed_forward_loops(flat, np.ones(len(flat.source), dtype=np.int64))
    layers = len(found["edge"])
    at = np.minimum(flat.layer[flat.source], layers - 1)
    lost = exact_sums(at, layers, loops)
    for name in _EXTENDED:
        found[name] = tuple(a - b for a, b in zip(found[name], lost, strict=True))


def feed_forward_count(graph: LayeredGraph) -> int:
    """Return the number of feed-forward loops, which skip connections make."""
    flat = flatten(graph)
    return exact_sum(feed_forward_loops(flat, np.ones(len(flat.source), dtype=np.int64)))


def reachable_pairs(graph: LayeredGraph, steps: int) -> int:
    """Return how many pairs of nodes are joined by at least one path of so many edges.

    Parameters
    ----------
    graph
        The graph.
    steps
        Edges of a path (count).

    References
    ----------
    .. [1] zahn2024, released code, which counts these as its chains. They saturate: two nodes
       joined by a hundred paths are one pair, so dense graphs seem to have too few.
    """
    if steps < 1:
        raise InputError(f"{steps} steps were asked for; expected at least 1.")
    flat = flatten(graph)
    ones: Int[np.ndarray, " edge"] = np.ones(len(flat.source), dtype=np.int64)
    one = sparse.csr_array((ones, (flat.source, flat.target)), shape=(flat.nodes, flat.nodes))
    reach = one
    for _ in range(steps - 1):
        reach = sparse.csr_array(reach @ one)
        reach.data[:] = 1
    return int(reach.nnz)
