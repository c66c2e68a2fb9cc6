"""Layered graphs: nodes in layers, edges forward only, biases as nodes without inputs."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from scipy import sparse
from torch import Tensor

from niwaki.core import InputError

NodeIndex = Int[np.ndarray, " edge"]
# ``[target, source]`` and ``[target]``, of any type; other shapes meet a sentence, not a type check
Matrix = Shaped[np.ndarray, "..."] | Shaped[Tensor, "..."]
Vector = Shaped[np.ndarray, "..."] | Shaped[Tensor, "..."]


@dataclass(frozen=True)
class LayeredGraph:
    """A feed-forward graph of weighted edges between layers.

    Edges are grouped in blocks, one per pair of layers; a network without skip connections has one
    block per pair of consecutive layers. The bias of a layer is one more node, in the layer before,
    which has no inputs.

    Attributes
    ----------
    sizes
        Nodes per layer, bias nodes left out (count).
    blocks
        Weights ``[target, source]`` by ``(source layer, target layer)``; an entry that is stored is
        an edge, and never 0.
    biases
        Weights of the bias of a target layer, 0 where there is no edge.
    names
        Node names per layer, if known.
    """

    sizes: tuple[int, ...]
    blocks: Mapping[tuple[int, int], sparse.csr_array]
    biases: Mapping[int, Float[np.ndarray, " _node"]] = field(default_factory=dict)
    names: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        if len(self.sizes) < 2:
            raise InputError("a layered graph needs at least two layers; give one mask or more.")
        for layer, size in enumerate(self.sizes):
            if size < 1:
                raise InputError(f"layer {layer} has no node; drop it, or give its full mask.")
        for (source, target), block in self.blocks.items():
            if not 0 <= source < target < len(self.sizes):
                raise InputError(f"a block leads from layer {source} to {target}, not forward.")
            if block.shape != (self.sizes[target], self.sizes[source]):
                raise InputError(
                    f"the block from layer {source} to {target} has shape {block.shape}; expected "
                    f"{(self.sizes[target], self.sizes[source])}, targets in rows."
                )

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.sizes)

    @property
    def sequential(self) -> bool:
        """Whether edges join consecutive layers only."""
        return all(target == source + 1 for source, target in self.blocks)

    def edges(self) -> int:
        """Return the number of edges, those of biases included."""
        inner = sum(block.nnz for block in self.blocks.values())
        return inner + sum(int(np.count_nonzero(b)) for b in self.biases.values())

    def possible(self) -> int:
        """Return how many edges the blocks and biases could hold."""
        inner = sum(b.shape[0] * b.shape[1] for b in self.blocks.values())
        return inner + sum(len(b) for b in self.biases.values())


@dataclass(frozen=True)
class Flat:
    """All nodes in one row, layer after layer, the bias node of a layer last.

    Attributes
    ----------
    layer
        Layer of each node.
    source, target
        Of each edge, as positions among the nodes.
    weight
        Of each edge (any unit).
    bias
        Whether a node is a bias.
    block
        Number of the block (biases are blocks of their own) of each edge.
    block_names
        Source layer, target layer and whether it is a bias, of each block.
    """

    layer: Int[np.ndarray, " node"]
    source: NodeIndex
    target: NodeIndex
    weight: Float[np.ndarray, " edge"]
    bias: np.ndarray
    block: NodeIndex
    block_names: tuple[tuple[int, int, bool], ...]

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.layer)


def flatten(graph: LayeredGraph) -> Flat:
    """Return a graph as lists of nodes and edges."""
    biased = {layer - 1 for layer in graph.biases}
    width = [size + (layer in biased) for layer, size in enumerate(graph.sizes)]
    start = np.concatenate([[0], np.cumsum(width)])
    sources, targets, weights, blocks, names = [], [], [], [], []
    for (s, t), block in sorted(graph.blocks.items()):
        entries = block.tocoo()
        rows, columns = entries.coords
        sources.append(start[s] + columns.astype(np.int64))
        targets.append(start[t] + rows.astype(np.int64))
        weights.append(entries.data.astype(np.float64))
        names.append((s, t, False))
    for t, values in sorted(graph.biases.items()):
        place = np.flatnonzero(values)
        sources.append(np.full(len(place), start[t - 1] + graph.sizes[t - 1], dtype=np.int64))
        targets.append(start[t] + place.astype(np.int64))
        weights.append(np.asarray(values, dtype=np.float64)[place])
        names.append((t - 1, t, True))
    blocks = [np.full(len(part), i, dtype=np.int64) for i, part in enumerate(sources)]
    layer = np.repeat(np.arange(graph.layers), width)
    bias = np.zeros(len(layer), dtype=bool)
    bias[[start[i] + graph.sizes[i] for i in biased]] = True
    return Flat(
        layer.astype(np.int64),
        np.concatenate(sources) if sources else np.zeros(0, dtype=np.int64),
        np.concatenate(targets) if targets else np.zeros(0, dtype=np.int64),
        np.concatenate(weights) if weights else np.zeros(0),
        bias,
        np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int64),
        tuple(names),
    )


def unflatten(graph: LayeredGraph, flat: Flat) -> LayeredGraph:
    """Return a graph of the shape of `graph` with the edges of `flat`."""
    start = np.searchsorted(flat.layer, np.arange(graph.layers))
    blocks: dict[tuple[int, int], sparse.csr_array] = {}
    biases: dict[int, np.ndarray] = {}
    for number, (s, t, bias) in enumerate(flat.block_names):
        here = flat.block == number
        rows, weight = flat.target[here] - start[t], flat.weight[here]
        if bias:
            biases[t] = np.zeros(graph.sizes[t])
            biases[t][rows] = weight
        else:
            shape = (graph.sizes[t], graph.sizes[s])
            columns = flat.source[here] - start[s]
            blocks[s, t] = sparse.csr_array((weight, (rows, columns)), shape=shape)
    return LayeredGraph(graph.sizes, blocks, biases, graph.names)


def from_weights(
    weights: Sequence[Matrix], *, biases: Sequence[Vector | None] | None = None
) -> LayeredGraph:
    """Return the graph of a chain of weight matrices; an entry that is not 0 is an edge.

    Parameters
    ----------
    weights
        One matrix ``[target, source]`` per layer, as torch keeps them (any unit).
    biases
        One vector per layer, or None for layers without (any unit).

    Raises
    ------
    InputError
        If the shapes do not chain, a layer is empty, or a value is not finite.

    Examples
    --------
    >>> graph = from_weights([np.array([[1.0, 0.0], [0.5, -1.0]]), np.array([[1.0, 1.0]])])
    >>> graph.sizes, graph.edges()
    ((2, 2, 1), 5)
    """
    matrices = [_array(w, 2, f"weight matrix {i}") for i, w in enumerate(weights)]
    if not matrices:
        raise InputError("no weight matrix was given; a layered graph needs at least one.")
    sizes = [matrices[0].shape[1], *(m.shape[0] for m in matrices)]
    for i, (below, above) in enumerate(itertools.pairwise(matrices)):
        if above.shape[1] != below.shape[0]:
            raise InputError(
                f"matrix {i} ends in {below.shape[0]} nodes, but matrix {i + 1} begins with "
                f"{above.shape[1]}; give them in order, targets in rows (torch's [out, in])."
            )
    given = list(biases) if biases is not None else [None] * len(matrices)
    if len(given) != len(matrices):
        raise InputError(
            f"{len(given)} biases were given for {len(matrices)} matrices; give one per matrix, or "
            "None for a layer without."
        )
    vectors = {}
    for i, bias in enumerate(given):
        if bias is None:
            continue
        vectors[i + 1] = _array(bias, 1, f"bias {i}")
        if len(vectors[i + 1]) != sizes[i + 1]:
            raise InputError(
                f"bias {i} has {len(vectors[i + 1])} values for {sizes[i + 1]} nodes; give one "
                "value per target."
            )
    blocks = {(i, i + 1): sparse.csr_array(m) for i, m in enumerate(matrices)}
    return LayeredGraph(tuple(sizes), blocks, vectors)


def from_masks(
    masks: Sequence[Matrix], *, biases: Sequence[Vector | None] | None = None
) -> LayeredGraph:
    """Return the graph of a chain of binary masks ``[target, source]``, as `from_weights` does.

    Raises
    ------
    InputError
        If a mask holds anything but 0 and 1, or as in `from_weights`.
    """
    for kind, given in (("mask", masks), ("bias mask", biases or [])):
        for i, mask in enumerate(given):
            if mask is None:
                continue
            values = np.unique(_array(mask, None, f"{kind} {i}"))
            if not np.isin(values, (0.0, 1.0)).all():
                odd = values[~np.isin(values, (0.0, 1.0))][0]
                raise InputError(
                    f"{kind} {i} holds {odd:g}; expected only 0 and 1. For weights use "
                    "from_weights, which takes every value but 0 as an edge."
                )
    return from_weights(masks, biases=biases)


def _array(values: Matrix | Vector, axes: int | None, what: str) -> np.ndarray:
    array = values.detach().cpu() if isinstance(values, Tensor) else np.asarray(values)
    if isinstance(array, Tensor):
        array = array.to(torch.float64).numpy()
    array = np.asarray(array, dtype=np.float64)
    if axes is not None and array.ndim != axes:
        raise InputError(f"{what} has {array.ndim} axes; expected {axes}.")
    if array.size == 0:
        raise InputError(f"{what} is empty (shape {array.shape}); a layer needs a node.")
    if not np.isfinite(array).all():
        raise InputError(f"{what} has a missing or infinite value; prune or repair it first.")
    return array
