"""Random directed graphs: any edges, or edges switched so that every node keeps its degrees."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int

from niwaki.core import InputError
from niwaki.motifs._directed import DirectedGraph

MOST_NODES = 4_000  # a table of node by node is held for every chain
_BYTES = 2e8
_SWITCHES = 20  # attempts per edge
_ROTATE = 4  # one attempt in so many moves three edges


def sample_any(graph: DirectedGraph, rng: np.random.Generator, count: int) -> list[DirectedGraph]:
    """Return graphs with as many edges anywhere, none from a node to itself; weights shuffled."""
    n, edges = len(graph.names), len(graph.source)
    made = []
    for _ in range(count):
        place = rng.choice(n * (n - 1), size=edges, replace=False)
        source, rest = place // (n - 1), place % (n - 1)
        target = rest + (rest >= source)
        weight = rng.permutation(graph.weight)
        made.append(replace(graph, source=source, target=target, weight=weight))
    return made


def sample_signs_directed(
    graph: DirectedGraph, rng: np.random.Generator, count: int
) -> list[DirectedGraph]:
    """Return the same edges with their weights shuffled."""
    return [replace(graph, weight=rng.permutation(graph.weight)) for _ in range(count)]


def sample_switched(
    graph: DirectedGraph, rng: np.random.Generator, count: int
) -> list[DirectedGraph]:
    """Return graphs in which every node has its incoming, outgoing and reciprocal edges (counts).

    Two edges swap their targets, unless that makes a loop, an edge twice or a new reciprocal pair;
    in one attempt of four, three edges pass their targets on, which turns cycles of three round.
    Two reciprocal pairs swap partners under the same rule. An attempt that fails counts as a step,
    so that no graph is favoured. Each edge is tried about twenty times; all chains run at once.
    Weights stay with their source.

    Raises
    ------
    InputError
        If the graph has more than 4,000 nodes.

    References
    ----------
    .. [1] milo2002, the null that keeps single and mutual edges of every node.
    """
    n = len(graph.names)
    if n > MOST_NODES:
        raise InputError(
            f"the graph has {n} linked nodes; the switching null holds a table of node by node and "
            f"takes {MOST_NODES} at most. Keep only the surest edges."
        )
    step = max(1, int(_BYTES // (n * n)))
    made: list[DirectedGraph] = []
    while len(made) < count:
        made += _chains(graph, rng, min(step, count - len(made)))
    return made


def _chains(graph: DirectedGraph, rng: np.random.Generator, chains: int) -> list[DirectedGraph]:
    n = len(graph.names)
    key = graph.source * n + graph.target
    answered = np.isin(graph.target * n + graph.source, key)
    single = np.flatnonzero(~answered)
    pair = np.flatnonzero(answered & (graph.source < graph.target))
    table = np.zeros((chains, n, n), dtype=bool)
    table[:, graph.source, graph.target] = True
    ends = np.tile(graph.target[single], (chains, 1))
    _switch(table, graph.source[single], ends, rng)
    left, right = (np.tile(part[pair], (chains, 1)) for part in (graph.source, graph.target))
    _switch_pairs(table, left, right, rng)
    made = []
    for chain in range(chains):
        back = _answers(graph, pair)
        source = np.concatenate([graph.source[single], left[chain], right[chain]])
        target = np.concatenate([ends[chain], right[chain], left[chain]])
        weight = graph.weight[np.concatenate([single, pair, back])]
        made.append(replace(graph, source=source, target=target, weight=weight))
    return made


def _answers(graph: DirectedGraph, pair: np.ndarray) -> np.ndarray:
    """Return the edges that lead back along those of `pair`."""
    n = len(graph.names)
    key = graph.source * n + graph.target
    order = np.argsort(key)
    back = graph.target[pair] * n + graph.source[pair]
    return np.asarray(order[np.searchsorted(key[order], back)])


def _switch(
    table: Bool[np.ndarray, "chain node other"],
    source: Int[np.ndarray, " edge"],
    target: Int[np.ndarray, "chain edge"],
    rng: np.random.Generator,
) -> None:
    """Switch single edges in place, one attempt per chain at a time."""
    edges = target.shape[1]
    if edges < 2:
        return
    for step in range(_SWITCHES * edges):
        if step % _ROTATE == 0 and edges > 2:
            _rotate_three(table, source, target, rng)
        else:
            _swap_two(table, source, target, rng)


def _swap_two(
    table: np.ndarray, source: np.ndarray, target: np.ndarray, rng: np.random.Generator
) -> None:
    """Let two edges of each chain swap their targets, where that is allowed."""
    chains, edges = target.shape
    at = np.arange(chains)
    i, j = rng.integers(edges, size=(2, chains))
    a, c, b, d = source[i], source[j], target[at, i], target[at, j]
    bad = (a == d) | (c == b) | (a == c) | (b == d)
    bad |= table[at, a, d] | table[at, d, a] | table[at, c, b] | table[at, b, c]
    k = np.flatnonzero(~bad)
    table[k, a[k], b[k]] = table[k, c[k], d[k]] = False
    table[k, a[k], d[k]] = table[k, c[k], b[k]] = True
    target[k, i[k]], target[k, j[k]] = d[k], b[k]


def _rotate_three(
    table: np.ndarray, source: np.ndarray, target: np.ndarray, rng: np.random.Generator
) -> None:
    """Let three edges of each chain pass their targets on, where that is allowed.

    Swaps of two cannot turn a cycle of three round, so that without this move some graphs could not
    be reached from others.
    """
    chains, edges = target.shape
    at = np.arange(chains)
    places = rng.integers(edges, size=(3, chains))
    tails, heads = source[places], target[at, places]
    passed = heads[[1, 2, 0]]
    apart = np.ones(chains, dtype=bool)
    for x, y in ((0, 1), (1, 2), (0, 2)):
        apart &= (tails[x] != tails[y]) & (heads[x] != heads[y])
    k = np.flatnonzero(apart & (tails != passed).all(axis=0))
    tails, heads, passed, places = tails[:, k], heads[:, k], passed[:, k], places[:, k]
    table[k, tails, heads] = False
    bad = (table[k, tails, passed] | table[k, passed, tails]).any(axis=0)
    new = np.where(bad, heads, passed)
    table[k, tails, new] = True
    target[k, places] = new


def _switch_pairs(
    table: Bool[np.ndarray, "chain node other"],
    left: Int[np.ndarray, "chain pair"],
    right: Int[np.ndarray, "chain pair"],
    rng: np.random.Generator,
) -> None:
    """Switch partners of reciprocal pairs in place."""
    chains, pairs = left.shape
    if pairs < 2:
        return
    at = np.arange(chains)
    for _ in range(_SWITCHES * pairs):
        i, j = rng.integers(pairs, size=(2, chains))
        turned = rng.random(chains) < 0.5  # a pair has no direction: either end may be swapped
        a, b, d = left[at, i], right[at, i], right[at, j]
        c = np.where(turned, d, left[at, j])
        d = np.where(turned, left[at, j], d)
        bad = (a == d) | (c == b) | (a == c) | (b == d)
        bad |= table[at, a, d] | table[at, d, a] | table[at, c, b] | table[at, b, c]
        k = np.flatnonzero(~bad)
        for s, t, value in ((a, b, False), (c, d, False), (a, d, True), (c, b, True)):
            table[k, s[k], t[k]] = value
            table[k, t[k], s[k]] = value
        right[k, i[k]] = d[k]
        left[k, j[k]], right[k, j[k]] = c[k], b[k]
