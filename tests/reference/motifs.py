"""Slow twins of motif counts and nulls, straight from the definitions."""

from itertools import combinations, permutations

import numpy as np

PATTERNS = {
    "edge": [(0, 1)],
    "diverging2": [(0, 1), (0, 2)],
    "converging2": [(0, 2), (1, 2)],
    "chain2": [(0, 1), (1, 2)],
    "diverging3": [(0, 1), (0, 2), (0, 3)],
    "converging3": [(0, 3), (1, 3), (2, 3)],
    "star_2in_1out": [(0, 2), (1, 2), (2, 3)],
    "star_1in_2out": [(0, 1), (1, 2), (1, 3)],
    "chain3": [(0, 1), (1, 2), (2, 3)],
    "converging_extended": [(0, 1), (1, 2), (3, 2)],
    "diverging_extended": [(0, 1), (1, 2), (0, 3)],
    "zigzag": [(0, 1), (2, 1), (2, 3)],
    "bifan": [(0, 2), (0, 3), (1, 2), (1, 3)],
    "biparallel": [(0, 1), (0, 2), (1, 3), (2, 3)],
}


def edges_of(flat):
    """Weights by pair of nodes."""
    ends = zip(flat.source.tolist(), flat.target.tolist(), strict=True)
    return dict(zip(ends, flat.weight.tolist(), strict=True))


def copies(edges, nodes, pattern):
    """Every set of edges that forms the pattern, whatever else lies among its nodes."""
    size = 1 + max(max(edge) for edge in pattern)
    found = set()
    for chosen in permutations(range(nodes), size):
        wanted = [(chosen[a], chosen[b]) for a, b in pattern]
        if all(edge in edges for edge in wanted):
            found.add(frozenset(wanted))
    return found


def induced_copies(edges, nodes, pattern):
    """Those whose nodes have no further edge among them."""
    return {
        copy
        for copy in copies(edges, nodes, pattern)
        if sum((a, b) in edges for a, b in permutations({n for e in copy for n in e}, 2))
        == len(copy)
    }


def counts(edges, nodes, *, induced=False):
    find = induced_copies if induced else copies
    return {name: len(find(edges, nodes, p)) for name, p in PATTERNS.items()}


def weights(edges, nodes, weigh):
    """The sum over copies of a function of the weights of their edges."""
    return {
        name: sum(weigh([edges[e] for e in copy]) for copy in copies(edges, nodes, p))
        for name, p in PATTERNS.items()
    }


def connected_classes(edges, nodes, size):
    """The number of connected sets of nodes, and of isomorphism classes among them."""
    classes, sets = set(), 0
    for chosen in combinations(range(nodes), size):
        inner = [(a, b) for a, b in edges if a in chosen and b in chosen]
        reached, frontier = {chosen[0]}, [chosen[0]]
        while frontier:
            at = frontier.pop()
            near = {b for a, b in inner if a == at} | {a for a, b in inner if b == at}
            frontier += near - reached
            reached |= near
        if len(reached) < size:
            continue
        sets += 1
        forms = []
        for order in permutations(range(size)):
            place = dict(zip(chosen, order, strict=True))
            forms.append(tuple(sorted((place[a], place[b]) for a, b in inner)))
        classes.add(min(forms))
    return sets, classes


def all_masks(rows, columns, edges):
    """Every mask with so many edges."""
    for chosen in combinations(range(rows * columns), edges):
        mask = np.zeros(rows * columns, dtype=int)
        mask[list(chosen)] = 1
        yield mask.reshape(rows, columns)


def same_degrees(mask):
    """Every mask with the row and column sums of this one."""
    rows, columns = mask.shape
    return [
        other
        for other in all_masks(rows, columns, int(mask.sum()))
        if (other.sum(0) == mask.sum(0)).all() and (other.sum(1) == mask.sum(1)).all()
    ]
