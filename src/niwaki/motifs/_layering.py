"""Layers of a list of edges without cycles."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from niwaki.core import InputError
from niwaki.motifs._layered import LayeredGraph


def layered_from_edges(
    source: Sequence[str],
    target: Sequence[str],
    *,
    weight: Sequence[float | int] | np.ndarray | None = None,
    layers: Mapping[str, int] | None = None,
) -> LayeredGraph:
    """Return the layered graph of a list of edges between named nodes.

    Parameters
    ----------
    source, target
        Names, one pair per edge.
    weight
        One value per edge, not 0 (any unit); 1 by default.
    layers
        Layer of each node from 0; by default the length of the longest path that ends there.

    Raises
    ------
    InputError
        If an edge stands twice, leads from a node to itself or not forward, or there is a cycle.

    Examples
    --------
    >>> layered_from_edges(["a", "b"], ["c", "c"]).sizes
    (2, 1)
    """
    pairs = list(zip(source, target, strict=True))
    values = [1.0] * len(pairs) if weight is None else [float(w) for w in weight]
    _check(pairs, values)
    place = dict(layers) if layers is not None else _longest_paths(pairs)
    for a, b in pairs:
        if a not in place or b not in place:
            raise InputError(f"node '{a if a not in place else b}' has no layer; give one to each.")
        if place[a] >= place[b]:
            raise InputError(
                f"the edge {a} to {b} does not lead forward ({place[a]} to {place[b]})."
            )
    names = tuple(
        tuple(sorted(n for n, at in place.items() if at == layer))
        for layer in range(max(place.values()) + 1)
    )
    index = {n: i for level in names for i, n in enumerate(level)}
    entries: dict[tuple[int, int], list[tuple[int, int, float]]] = {}
    for (a, b), value in zip(pairs, values, strict=True):
        entries.setdefault((place[a], place[b]), []).append((index[b], index[a], value))
    blocks = {}
    for (s, t), found in entries.items():
        rows, columns, data = zip(*found, strict=True)
        shape = (len(names[t]), len(names[s]))
        blocks[s, t] = sparse.csr_array((np.array(data), (rows, columns)), shape=shape)
    return LayeredGraph(tuple(len(level) for level in names), blocks, {}, names)


def _check(pairs: Sequence[tuple[str, str]], values: Sequence[float]) -> None:
    """Refuse lists that are no edges of a layered graph."""
    if not pairs:
        raise InputError("the list has no edge, so there is no graph.")
    if len(values) != len(pairs) or not all(np.isfinite(v) and v != 0 for v in values):
        raise InputError("an edge list needs one weight per edge, finite and not 0.")
    (a, b), times = Counter(pairs).most_common(1)[0]
    if times > 1:
        raise InputError(f"the edge {a} to {b} stands {times} times; merge the copies first.")
    for a, b in pairs:
        if a == b:
            raise InputError(f"node '{a}' has an edge to itself; a layered graph has no loops.")


def _longest_paths(pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the length of the longest path to each node."""
    after: dict[str, list[str]] = {}
    waiting: dict[str, int] = {}
    for a, b in pairs:
        after.setdefault(a, []).append(b)
        waiting[b] = waiting.get(b, 0) + 1
        waiting.setdefault(a, 0)
    level = dict.fromkeys((n for n, count in waiting.items() if count == 0), 0)
    ready = list(level)
    while ready:
        node = ready.pop()
        for b in after.get(node, []):
            level[b] = max(level.get(b, 0), level[node] + 1)
            waiting[b] -= 1
            if waiting[b] == 0:
                ready.append(b)
    if any(waiting.values()):
        raise InputError(
            "the edges have a cycle, so there are no layers; count triads instead "
            "(graph_from_edges, or niwaki motifs on the file)."
        )
    return level
