"""Where a motif can lie among the node classes of a graph, and how two of them can overlap."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations, permutations, product

import numpy as np

from niwaki.motifs._classes import MOTIFS, NAMES, Motif

Edge = tuple[int, int]


@dataclass(frozen=True)
class Topology:
    """Node classes and the blocks of edges between them; sizes play no part.

    Attributes
    ----------
    layer
        Layer of each class: layers in order, then one class per bias.
    blocks
        Pairs of classes that edges may join.
    """

    layer: tuple[int, ...]
    blocks: tuple[Edge, ...]


@dataclass(frozen=True)
class Placement:
    """A motif with a class for each of its nodes; `copies` is one over its symmetries there."""

    name: str
    classes: tuple[int, ...]
    copies: np.longdouble
    layer: int


@dataclass(frozen=True)
class Terms:
    """All that second moments of counts are sums of, as places in tables of falling factorials.

    A term is ``factor`` times one falling factorial per class and one ratio per block. The terms of
    two placements stand together.

    Attributes
    ----------
    place
        For each term, places in the table of factors; the last entry of the table is 1.
    factor
        Of each term.
    start
        First term of each pair of placements.
    both
        The two placements of each pair.
    pair
        Number of the pair of statistics to which each pair of placements belongs.
    mean_place, mean_factor, mean_of
        Places, factor and number of the statistic of the mean of each placement.
    """

    place: np.ndarray
    factor: np.ndarray
    start: np.ndarray
    both: np.ndarray
    pair: np.ndarray
    mean_place: np.ndarray
    mean_factor: np.ndarray
    mean_of: np.ndarray


MOST_NODES, MOST_EDGES = 8, 8  # of two motifs together
_WIDTH = 16  # factors of a term, at most: eight classes and eight blocks


@lru_cache(maxsize=16)
def placements(topology: Topology) -> tuple[Placement, ...]:
    """Return every way in which a motif can lie, once for each orbit of its symmetries."""
    found = []
    for name in NAMES:
        motif = MOTIFS[name]
        seen: Counter[tuple[int, ...]] = Counter()
        for classes in _assignments(motif, topology):
            seen[min(tuple(classes[i] for i in p) for p in _symmetries(motif))] += 1
        for classes, orbit in sorted(seen.items()):
            layer = min(topology.layer[c] for c in classes)
            copies = np.longdouble(orbit) / motif.symmetries
            found.append(Placement(name, classes, copies, layer))
    return tuple(found)


@lru_cache(maxsize=16)
def second_moment_terms(topology: Topology) -> Terms:
    """Return the terms of all means, variances and covariances of counts per motif and layer."""
    placed = placements(topology)
    layers = max(topology.layer)
    classes = len(topology.layer)
    one = classes * (MOST_NODES + 1) + len(topology.blocks) * (MOST_EDGES + 1)
    statistic = np.array([NAMES.index(p.name) * layers + p.layer for p in placed])
    statistics = len(NAMES) * layers
    number = {block: i for i, block in enumerate(topology.blocks)}
    places, factors, pairs, both = [], [], [], []
    for (i, first), (j, second) in _meeting(placed):
        kinds, blocks = _relabelled(first, second)
        overlap, shared, times = _overlaps(first.name, second.name, *_local(first, second, kinds))
        nodes = Counter((*first.classes, *second.classes))
        edges = Counter((*_edges(first), *_edges(second)))
        place = np.full((len(times), _WIDTH), one, dtype=np.int32)
        for k, c in enumerate(kinds):
            place[:, k] = c * (MOST_NODES + 1) + nodes[c] - overlap[:, k]
        for k, b in enumerate(blocks):
            at = classes * (MOST_NODES + 1) + number[b] * (MOST_EDGES + 1)
            place[:, MOST_NODES + k] = at + edges[b] - shared[:, k]
        places.append(place)
        factors.append(times * first.copies * second.copies)
        both.append((i, j))
        pairs.append(statistic[i] * statistics + statistic[j])
    lengths = [len(f) for f in factors]
    return Terms(
        np.concatenate(places),
        np.concatenate(factors),
        np.concatenate([[0], np.cumsum(lengths)[:-1]]),
        np.array(both),
        np.array(pairs),
        np.array([_mean_place(p, topology, number, one) for p in placed]),
        np.array([p.copies for p in placed]),
        statistic,
    )


def _meeting(
    placed: tuple[Placement, ...],
) -> Iterator[tuple[tuple[int, Placement], tuple[int, Placement]]]:
    """Yield unordered pairs that share a block; counts without a common block are independent."""
    used = [frozenset(_edges(p)) for p in placed]
    yield from (((i, p), (i, p)) for i, p in enumerate(placed))
    for (i, p), (j, q) in combinations(enumerate(placed), 2):
        if used[i] & used[j]:
            yield (i, p), (j, q)


def _mean_place(
    placement: Placement, topology: Topology, number: dict[Edge, int], one: int
) -> np.ndarray:
    place = np.full(_WIDTH, one, dtype=np.int32)
    for k, (c, times) in enumerate(Counter(placement.classes).items()):
        place[k] = c * (MOST_NODES + 1) + times
    begin = len(topology.layer) * (MOST_NODES + 1)
    for k, (block, times) in enumerate(Counter(_edges(placement)).items()):
        place[MOST_NODES + k] = begin + number[block] * (MOST_EDGES + 1) + times
    return place


def _edges(placement: Placement) -> list[Edge]:
    """Return the block of each edge of a placed motif."""
    c = placement.classes
    return [(c[a], c[b]) for a, b in MOTIFS[placement.name].edges]


def _relabelled(first: Placement, second: Placement) -> tuple[list[int], list[Edge]]:
    """Return the classes and the blocks of both, in order of appearance."""
    kinds = list(dict.fromkeys((*first.classes, *second.classes)))
    blocks = list(dict.fromkeys((*_edges(first), *_edges(second))))
    return kinds, blocks


def _local(
    first: Placement, second: Placement, kinds: list[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the classes of both by their place in `kinds`, so that layers share one answer."""
    place = {c: i for i, c in enumerate(kinds)}
    return tuple(place[c] for c in first.classes), tuple(place[c] for c in second.classes)


@cache
def _overlaps(
    first: str, second: str, classes: tuple[int, ...], others: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every overlap of two placed motifs: shared nodes per class, shared edges per block.

    Each row is one signature, with the number of partial identifications of nodes that have it.
    """
    edges, further = MOTIFS[first].edges, MOTIFS[second].edges
    kinds = max((*classes, *others)) + 1
    blocks = list(
        dict.fromkeys(
            [(classes[a], classes[b]) for a, b in edges]
            + [(others[a], others[b]) for a, b in further]
        )
    )
    here = set(edges)
    per_class = [list(_injections(_where(others, c), _where(classes, c))) for c in range(kinds)]
    found: Counter[tuple[int, ...]] = Counter()
    for choice in product(*per_class):
        same = {a: b for part in choice for a, b in part}
        shared = Counter(
            (others[a], others[b])
            for a, b in further
            if a in same and b in same and (same[a], same[b]) in here
        )
        found[(*(len(part) for part in choice), *(shared[b] for b in blocks))] += 1
    rows = np.array(list(found))
    return rows[:, :kinds], rows[:, kinds:], np.array(list(found.values()), dtype=np.longdouble)


def _where(classes: tuple[int, ...], wanted: int) -> list[int]:
    return [node for node, c in enumerate(classes) if c == wanted]


def _injections(sources: list[int], targets: list[int]) -> Iterator[tuple[Edge, ...]]:
    """Yield every partial one-to-one map, the empty one included."""
    for size in range(min(len(sources), len(targets)) + 1):
        for chosen in combinations(sources, size):
            for images in permutations(targets, size):
                yield tuple(zip(chosen, images, strict=True))


@cache
def _symmetries(motif: Motif) -> tuple[tuple[int, ...], ...]:
    edges = set(motif.edges)
    return tuple(
        p for p in permutations(range(motif.nodes)) if {(p[a], p[b]) for a, b in edges} == edges
    )


def _assignments(motif: Motif, topology: Topology) -> Iterator[tuple[int, ...]]:
    """Yield every choice of classes in which each edge has a block."""
    allowed = set(topology.blocks)
    pending: list[dict[int, int]] = [{}]
    for a, b in motif.edges:
        grown = []
        for chosen in pending:
            for s, t in allowed:
                if chosen.get(a, s) == s and chosen.get(b, t) == t:
                    grown.append({**chosen, a: s, b: t})
        pending = grown
    for chosen in pending:
        yield tuple(chosen[i] for i in range(motif.nodes))
