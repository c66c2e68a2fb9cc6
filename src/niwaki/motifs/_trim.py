"""Taking away what no signal passes: nodes without inputs, nodes without outputs."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from niwaki.motifs._layered import LayeredGraph


@dataclass(frozen=True)
class TrimReport:
    """What trimming took away.

    Attributes
    ----------
    ghosts, dead
        Inner nodes without inputs that had outputs, and nodes without outputs that had inputs or
        lie in the input layer unused, per layer (counts).
    live
        Nodes that are left, per layer (counts).
    edges_before, edges_after, possible
        Edges of the graph as given, on a path from input or bias to output, and at most (counts).
    """

    ghosts: tuple[int, ...]
    dead: tuple[int, ...]
    live: tuple[int, ...]
    edges_before: int
    edges_after: int
    possible: int

    @property
    def nominal_sparsity(self) -> float:
        """Share of the possible edges that the graph lacks (dimensionless)."""
        return 1 - self.edges_before / self.possible

    @property
    def effective_sparsity(self) -> float:
        """Share of the possible edges that no signal passes (dimensionless)."""
        return 1 - self.edges_after / self.possible


def trim(graph: LayeredGraph) -> tuple[LayeredGraph, TrimReport]:
    """Return the graph of all edges between an input and an output, and what was taken away.

    A *ghost* is an inner node that neither an input nor a bias reaches, so that it says nothing; a
    *dead* node is one from which no output can be reached. A node that only its bias feeds stays.
    One pass forward and one back suffice, because edges lead forward. Nodes of the first and the
    last layer are taken away like others where nothing passes them.

    References
    ----------
    .. [1] zahn2024, preparation of masks. There masks are changed in place and keep their shape.
    """
    reached = _reached(graph)
    used = _used(graph, reached)
    alive = [r & u for r, u in zip(reached, used, strict=True)]
    ghosts = tuple(int((~r).sum()) for r in reached)
    dead = tuple(int((r & ~u).sum()) for r, u in zip(reached, used, strict=True))
    blocks = {
        (s, t): sparse.csr_array(block[alive[t]][:, alive[s]])
        for (s, t), block in graph.blocks.items()
    }
    biases = {t: bias[alive[t]] for t, bias in graph.biases.items()}
    names = graph.names
    if names is not None:
        names = tuple(
            tuple(n for n, keep in zip(layer, kept, strict=True) if keep)
            for layer, kept in zip(names, alive, strict=True)
        )
    live = tuple(int(a.sum()) for a in alive)
    edges = sum(b.nnz for b in blocks.values()) + sum(np.count_nonzero(b) for b in biases.values())
    report = TrimReport(ghosts, dead, live, graph.edges(), int(edges), graph.possible())
    if min(live) == 0:
        blocks, biases, live, names = {}, {}, tuple(max(n, 1) for n in live), None
    return LayeredGraph(live, blocks, biases, names), report


def _reached(graph: LayeredGraph) -> list[np.ndarray]:
    """Return which nodes an input or a bias reaches."""
    reached = [np.zeros(size, dtype=bool) for size in graph.sizes]
    reached[0][:] = True
    for layer in range(1, graph.layers):
        if layer in graph.biases:
            reached[layer] |= graph.biases[layer] != 0
        for (s, t), block in graph.blocks.items():
            if t == layer:
                reached[layer] |= _ones(block) @ reached[s].astype(np.int64) > 0
    return reached


def _used(graph: LayeredGraph, reached: list[np.ndarray]) -> list[np.ndarray]:
    """Return from which nodes the last layer can be reached."""
    used = [np.zeros(size, dtype=bool) for size in graph.sizes]
    used[-1][:] = True
    for layer in range(graph.layers - 2, -1, -1):
        for (s, t), block in graph.blocks.items():
            if s == layer:
                live = (used[t] & reached[t]).astype(np.int64)
                used[layer] |= _ones(block).T @ live > 0
    return used


def _ones(block: sparse.csr_array) -> sparse.csr_array:
    """Return 1 for each edge."""
    ones = np.ones(block.nnz, dtype=np.int64)
    return sparse.csr_array((ones, block.indices, block.indptr), shape=block.shape)
