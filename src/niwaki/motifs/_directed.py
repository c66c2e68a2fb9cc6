"""Directed graphs with cycles, such as gene networks: the 13 connected triads, loops and signs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from niwaki.core import InputError, Network

Matrix = np.ndarray | sparse.csr_array | sparse.csc_array
_DENSE = 150  # nodes up to which dense products of one graph are quicker than sparse ones

# Names of Holland and Leinhardt: mutual, asymmetric and null pairs, and a letter.
TRIADS = (
    *("021D", "021U", "021C", "111D", "111U", "201"),
    *("030T", "030C", "120D", "120U", "120C", "210", "300"),
)
TRIAD_WORDS = {
    "021D": "a→b,c",
    "021U": "a,b→c",
    "021C": "a→b→c",
    "111D": "a↔b←c",
    "111U": "a↔b→c",
    "201": "a↔b↔c",
    "030T": "a→b→c, a→c",
    "030C": "a→b→c→a",
    "120D": "a→b,c, b↔c",
    "120U": "a,b→c, a↔b",
    "120C": "a→b→c, a↔c",
    "210": "a→b, both ↔c",
    "300": "all ↔",
}
LOOPS = (
    *("feed_forward", "coherent_feed_forward", "incoherent_feed_forward"),
    *("feedback2", "positive_feedback2", "negative_feedback2"),
    *("feedback3", "positive_feedback3", "negative_feedback3"),
)


@dataclass(frozen=True)
class DirectedGraph:
    """Signed edges among named nodes; no edge twice and none from a node to itself.

    Attributes
    ----------
    names
        Node names.
    source, target
        Of each edge, as positions among the nodes.
    weight
        Of each edge (any unit); its sign counts if `signed`.
    signed
        Whether the signs mean activation and repression.
    notes
        Sentences on what was left out.
    """

    names: tuple[str, ...]
    source: Int[np.ndarray, " edge"]
    target: Int[np.ndarray, " edge"]
    weight: Float[np.ndarray, " edge"]
    signed: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.source) == 0:
            raise InputError("the graph has no edge, so there is no motif to count.")
        if (self.source == self.target).any():
            node = self.names[int(self.source[self.source == self.target][0])]
            raise InputError(
                f"node '{node}' has an edge to itself, which no motif has; drop self-loops first "
                "(directed_graph does, and says so)."
            )
        keys = np.sort(self.source * len(self.names) + self.target)
        if (keys[1:] == keys[:-1]).any():
            raise InputError("an edge stands twice in the graph; merge the copies first.")

    def matrix(self, values: np.ndarray) -> sparse.csr_array:
        """Return ``[source, target]`` with one value per edge."""
        shape = (len(self.names), len(self.names))
        return sparse.csr_array((values, (self.source, self.target)), shape=shape)


def directed_graph(network: Network) -> DirectedGraph:
    """Return the graph of a network of genes, without self-loops and without genes that have none.

    Raises
    ------
    InputError
        If no edge is left.
    """
    loops = network.source == network.target
    source, target = network.source[~loops], network.target[~loops]
    weight = network.weight[~loops]
    linked = np.union1d(source, target)
    notes = []
    if loops.any():
        number = int(loops.sum())
        notes.append(
            f"{number} self-loop{'s were' if number > 1 else ' was'} left out; no motif has them."
        )
    unsigned = network.signed and bool((weight == 0).any())
    return DirectedGraph(
        tuple(network.genes[i] for i in linked),
        np.searchsorted(linked, source).astype(np.int64),
        np.searchsorted(linked, target).astype(np.int64),
        weight,
        network.signed and not unsigned,
        tuple(notes),
    )


def graph_from_edges(
    source: Sequence[str],
    target: Sequence[str],
    *,
    weight: Sequence[float | int] | np.ndarray | None = None,
) -> DirectedGraph:
    """Return a graph from lists of names; self-loops and copies of an edge are left out and told.

    Parameters
    ----------
    source, target
        Names, one pair per edge.
    weight
        One value per edge, with a sign (any unit); of copies the first counts.

    Raises
    ------
    InputError
        If the lists differ in length or no edge is left.
    """
    if len(source) != len(target) or (weight is not None and len(weight) != len(source)):
        raise InputError("an edge list needs one source, one target and one weight per edge.")
    first: dict[tuple[str, str], float] = {}
    values = [1.0] * len(source) if weight is None else [float(w) for w in weight]
    for a, b, value in zip(source, target, values, strict=True):
        first.setdefault((a, b), value)
    ends = list(first)
    network = Network.from_edges(
        [a for a, _ in ends],
        [b for _, b in ends],
        weight=list(first.values()),
        signed=weight is not None,
    )
    graph = directed_graph(network)
    copies = len(source) - len(first)
    if copies == 0:
        return graph
    note = f"{copies} repeated edge{'s were' if copies > 1 else ' was'} left out."
    return DirectedGraph(
        graph.names, graph.source, graph.target, graph.weight, graph.signed, (*graph.notes, note)
    )


def count_triads(graph: DirectedGraph) -> dict[str, int]:
    """Count the 13 connected classes of three nodes, exactly and induced.

    Closed triads are traces of products of the asymmetric and the mutual part of the graph; open
    ones are what the degrees leave: pairs of edges at a node less those inside closed triads.

    References
    ----------
    .. [1] holland1976, the census and its names.
    """
    one, mutual = _parts(graph)
    out, into = _degrees(one)
    both, _ = _degrees(mutual)
    square, mutual_square = _dot(one, one), _dot(mutual, mutual)
    closed = {
        "030T": _overlap(square, one),
        "030C": _overlap(square, one.T) // 3,
        "120D": _overlap(_dot(one.T, one), mutual) // 2,
        "120U": _overlap(_dot(one, one.T), mutual) // 2,
        "120C": _overlap(square, mutual),
        "210": _overlap(mutual_square, one),
        "300": _overlap(mutual_square, mutual) // 6,
    }
    t, c, d, u = closed["030T"], closed["030C"], closed["120D"], closed["120U"]
    e, two, three = closed["120C"], closed["210"], closed["300"]
    open_ones = {
        "021D": _choose(out) - t - d,
        "021U": _choose(into) - t - u,
        "021C": int(out @ into) - t - 3 * c - e,
        "111D": int(into @ both) - 2 * d - e - two,
        "111U": int(out @ both) - 2 * u - e - two,
        "201": _choose(both) - two - 3 * three,
    }
    return {name: (open_ones | closed)[name] for name in TRIADS}


def count_loops(graph: DirectedGraph) -> dict[str, int]:
    """Count feed-forward loops and feedback loops of two and three nodes, by sign if there are any.

    A feed-forward loop a→b→c, a→c is coherent if both ways have the same sign; a feedback loop is
    positive if the product of its signs is. Other edges among the nodes do not matter, so that one
    triad may hold several loops.

    References
    ----------
    .. [1] mangan2003, coherent and incoherent feed-forward loops.
    """
    ones = np.ones(len(graph.source), dtype=np.int64)
    kinds = {"": ones}
    if graph.signed:
        kinds["sign"] = np.sign(graph.weight).astype(np.int64)
    sums = {}
    for kind, values in kinds.items():
        matrix = _matrix(graph, values)
        square = _dot(matrix, matrix)
        sums[kind] = (
            _overlap(square, matrix),
            _overlap(matrix, matrix.T) // 2,
            _overlap(square, matrix.T) // 3,
        )
    names = ("feed_forward", "feedback2", "feedback3")
    words = (("coherent", "incoherent"), *[("positive", "negative")] * 2)
    found = {}
    for at, name in enumerate(names):
        number = sums[""][at]
        found[name] = number
        if graph.signed:
            balance = sums["sign"][at]
            found[f"{words[at][0]}_{name}"] = (number + balance) // 2
            found[f"{words[at][1]}_{name}"] = (number - balance) // 2
    return found


def _matrix(graph: DirectedGraph, values: np.ndarray) -> Matrix:
    """Return ``[source, target]``: dense where that is quicker, float64, exact below 2^53."""
    n = len(graph.names)
    if n > _DENSE:
        return graph.matrix(values)
    dense = np.zeros((n, n))
    dense[graph.source, graph.target] = values
    return dense


def _parts(graph: DirectedGraph) -> tuple[Matrix, Matrix]:
    """Return edges without an answer, and pairs of edges both ways."""
    whole = _matrix(graph, np.ones(len(graph.source), dtype=np.int64))
    if isinstance(whole, np.ndarray):
        mutual = whole * whole.T
        return whole - mutual, mutual
    shared = sparse.csr_array(whole.multiply(whole.T))
    return sparse.csr_array(whole - shared), shared


def _degrees(matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column sums as whole numbers."""
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    return rows.astype(np.int64), columns.astype(np.int64)


def _dot(a: Matrix, b: Matrix) -> Matrix:
    return a @ b if isinstance(a, np.ndarray) else sparse.csr_array(a @ b)


def _overlap(a: Matrix, b: Matrix) -> int:
    """Return the sum of the products of the entries of two matrices."""
    if isinstance(a, np.ndarray):
        return round(float((a * b).sum()))
    return int(a.multiply(b).sum())


def _choose(degree: np.ndarray) -> int:
    return int((degree * (degree - 1) // 2).sum())
