"""Copies of a motif by the names of their nodes."""

import heapq
from collections.abc import Iterator, Mapping
from itertools import permutations

import numpy as np

from niwaki.core import InputError
from niwaki.motifs._classes import MOTIFS
from niwaki.motifs._directed import DirectedGraph
from niwaki.motifs._layered import LayeredGraph, flatten

Edges = tuple[tuple[int, int], ...]

_TRIAD_EDGES: Mapping[str, Edges] = {
    "021D": ((0, 1), (0, 2)),
    "021U": ((0, 2), (1, 2)),
    "021C": ((0, 1), (1, 2)),
    "111D": ((0, 1), (1, 0), (2, 1)),
    "111U": ((0, 1), (1, 0), (1, 2)),
    "201": ((0, 1), (1, 0), (1, 2), (2, 1)),
    "030T": ((0, 1), (1, 2), (0, 2)),
    "030C": ((0, 1), (1, 2), (2, 0)),
    "120D": ((0, 1), (0, 2), (1, 2), (2, 1)),
    "120U": ((0, 2), (1, 2), (0, 1), (1, 0)),
    "120C": ((0, 1), (1, 2), (0, 2), (2, 0)),
    "210": ((0, 1), (0, 2), (2, 0), (1, 2), (2, 1)),
    "300": ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)),
}
_LOOP_EDGES: Mapping[str, Edges] = {
    "feed_forward": ((0, 1), (1, 2), (0, 2)),
    "feedback2": ((0, 1), (1, 0)),
    "feedback3": ((0, 1), (1, 2), (2, 0)),
}
_AGREEING = {"coherent": True, "positive": True, "incoherent": False, "negative": False}


def instances(
    graph: LayeredGraph | DirectedGraph, motif: str, *, most: int = 100
) -> list[tuple[str, ...]]:
    """Return the copies of a motif with the largest products of absolute weights.

    Nodes stand in the order of the pattern (a, b, c, d); a copy is given once, whatever the
    symmetries of its pattern. Triads are induced, the others not. Nodes of a layered graph without
    names are called ``layer:number``, and biases ``layer:bias``.

    Parameters
    ----------
    graph
        The graph.
    motif
        Name of the motif.
    most
        How many copies at most (count).

    Raises
    ------
    InputError
        If the graph has no such motif class, or a sign is asked of an unsigned graph.
    """
    sign, _, base = motif.partition("_")
    wanted = _AGREEING.get(sign) if base in MOTIFS or base in _LOOP_EDGES else None
    name = motif if wanted is None else base
    directed = isinstance(graph, DirectedGraph)
    known = {**_TRIAD_EDGES, **_LOOP_EDGES} if directed else {n: m.edges for n, m in MOTIFS.items()}
    if name not in known:
        raise InputError(f"there is no motif '{motif}' here; there are {', '.join(known)}.")
    if isinstance(graph, DirectedGraph):
        if wanted is not None and not graph.signed:
            raise InputError(f"'{motif}' needs signs, and the graph has none; ask for '{name}'.")
        names, source, target, weight = graph.names, graph.source, graph.target, graph.weight
    else:
        names, source, target, weight = _listed(graph)
    ends = zip(source.tolist(), target.tolist(), strict=True)
    edges = dict(zip(ends, weight.tolist(), strict=True))
    found = _matches(known[name], edges, induced=name in _TRIAD_EDGES)
    scored = (
        (float(np.prod([abs(edges[nodes[a], nodes[b]]) for a, b in known[name]])), nodes)
        for nodes in found
        if wanted is None or _agrees(known[name], nodes, edges) == wanted
    )
    best = heapq.nsmallest(most, ((-size, nodes) for size, nodes in scored))
    return [tuple(names[i] for i in nodes) for _, nodes in best]


def _listed(
    graph: LayeredGraph,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    flat = flatten(graph)
    names = []
    seen = [0] * graph.layers
    for layer, bias in zip(flat.layer.tolist(), flat.bias.tolist(), strict=True):
        if bias:
            names.append(f"{layer}:bias")
            continue
        at = seen[layer]
        seen[layer] += 1
        names.append(graph.names[layer][at] if graph.names else f"{layer}:{at}")
    return tuple(names), flat.source, flat.target, flat.weight


def _matches(
    pattern: Edges, edges: Mapping[tuple[int, int], float], *, induced: bool
) -> Iterator[tuple[int, ...]]:
    """Yield every copy once: of the ways to write it, the smallest."""
    size = 1 + max(max(edge) for edge in pattern)
    same = [
        p for p in permutations(range(size)) if {(p[a], p[b]) for a, b in pattern} == {*pattern}
    ]
    absent = [p for p in permutations(range(size), 2) if p not in pattern] if induced else []
    search = _Search(edges)
    a, b = pattern[0]
    for s, t in edges:
        for nodes in search.extended({a: s, b: t}, pattern[1:]):
            copy = tuple(nodes[i] for i in range(size))
            smallest = not any(tuple(copy[i] for i in p) < copy for p in same)
            if smallest and not any((copy[i], copy[j]) in edges for i, j in absent):
                yield copy


class _Search:
    """Finds nodes for the edges of a pattern, one edge after the other."""

    def __init__(self, edges: Mapping[tuple[int, int], float]) -> None:
        self.edges = edges
        self.after: dict[int, list[int]] = {}
        self.before: dict[int, list[int]] = {}
        for a, b in edges:
            self.after.setdefault(a, []).append(b)
            self.before.setdefault(b, []).append(a)

    def extended(self, nodes: dict[int, int], left: Edges) -> Iterator[dict[int, int]]:
        """Yield every way to place the edges that are left, next to those that are placed."""
        if not left:
            yield nodes
            return
        at = next(i for i, (a, b) in enumerate(left) if a in nodes or b in nodes)
        a, b = left[at]
        rest = (*left[:at], *left[at + 1 :])
        if a in nodes and b in nodes:
            if (nodes[a], nodes[b]) in self.edges:
                yield from self.extended(nodes, rest)
            return
        forward = a in nodes
        choices = self.after.get(nodes[a], []) if forward else self.before.get(nodes[b], [])
        for node in choices:
            if node not in nodes.values():
                yield from self.extended({**nodes, (b if forward else a): node}, rest)


def _agrees(pattern: Edges, nodes: tuple[int, ...], edges: Mapping[tuple[int, int], float]) -> bool:
    """Return whether the product of all signs is positive: two ways agree, or a loop sustains."""
    negative = sum(edges[nodes[a], nodes[b]] < 0 for a, b in pattern)
    return negative % 2 == 0
