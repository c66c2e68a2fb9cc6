"""The uniform null: as many edges per block, anywhere in it. Means and covariances are exact."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from niwaki.motifs._classes import INSIDE, NAMES
from niwaki.motifs._layered import Flat, LayeredGraph, flatten
from niwaki.motifs._placements import (
    MOST_EDGES,
    MOST_NODES,
    Terms,
    Topology,
    second_moment_terms,
)

# Extended precision where the machine has it: a variance is a small difference of large moments.
_Wide = np.longdouble
_NOISE = 2**9 * float(np.finfo(_Wide).eps)


@dataclass(frozen=True)
class Moments:
    """Exact mean and covariance of all counts under the uniform null.

    Attributes
    ----------
    names
        Motifs, in the order of the arrays.
    mean, covariance
        Over all layers (counts; squared counts).
    layer_mean, layer_covariance
        The same with one entry per motif and layer, motifs first.
    resolved
        Whether a variance is larger than the rounding of the numbers that it is made of; where it
        is not, the null fixes the count or nearly so.
    """

    names: tuple[str, ...]
    mean: Float[np.ndarray, " motif"]
    covariance: Float[np.ndarray, "motif other"]
    layer_mean: Float[np.ndarray, "motif layer"]
    layer_covariance: Float[np.ndarray, "motif layer other other_layer"]
    resolved: np.ndarray

    def sd(self) -> Float[np.ndarray, " motif"]:
        """Return standard deviations; 0 where the null fixes a count (counts)."""
        variance = np.where(self.resolved, np.diag(self.covariance), 0.0)
        return np.sqrt(np.maximum(variance, 0.0))


def uniform_moments(graph: LayeredGraph, *, induced: bool = False) -> Moments:
    """Return the mean and covariance of all counts if edges lay anywhere in their blocks.

    Nodes per layer, edges per block and edges of each bias are those of the graph. A motif has its
    edges with probability ``(m)_e / (N)_e`` per block, falling factorials of the block's edges m
    and places N; the mean sums that over all choices of nodes, and a second moment over all ways in
    which two motifs can share nodes. Nothing is sampled.

    Parameters
    ----------
    graph
        The graph.
    induced
        Of induced counts; see `count`.

    References
    ----------
    .. [1] picard2008, moments of counts by overlaps of motifs; here for edges drawn without
       replacement in blocks, which is the null that [2] describes.
    .. [2] zahn2024
    """
    topology, tables = _tables(flatten(graph))
    terms = second_moment_terms(topology)
    count = len(NAMES) * max(topology.layer)
    means = terms.mean_factor * np.prod(tables[terms.mean_place], axis=1)
    together = np.add.reduceat(_products(tables, terms), terms.start)
    apart = means[terms.both[:, 0]] * means[terms.both[:, 1]]
    once = np.where(terms.both[:, 0] == terms.both[:, 1], 0.5, 1.0)
    upper = _grouped(once * (together - apart), terms.pair, count**2).reshape(count, count)
    size = _grouped(once * apart, terms.pair, count**2).reshape(count, count)
    mean = _grouped(means, terms.mean_of, count)
    return _moments(mean, upper + upper.T, size + size.T, induced=induced)


def _products(tables: np.ndarray, terms: Terms) -> np.ndarray:
    """Return the value of each term."""
    result: np.ndarray = terms.factor * tables[terms.place[:, 0]]
    for column in range(1, terms.place.shape[1]):
        result *= tables[terms.place[:, column]]
    return result


def _grouped(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    total = np.zeros(count, dtype=values.dtype)
    np.add.at(total, groups, values)
    return total


def _moments(
    mean: np.ndarray, covariance: np.ndarray, size: np.ndarray, *, induced: bool
) -> Moments:
    """Return moments per layer and in all; covariances are differences of terms like `size`."""
    motifs = len(NAMES)
    by_motif = (motifs, len(mean) // motifs)
    layer_mean = mean.reshape(by_motif)
    by_layer, sizes = covariance.reshape(by_motif * 2), size.reshape(by_motif * 2)
    if induced:
        change = np.eye(motifs)
        for name, (inner, times) in INSIDE.items():
            change[NAMES.index(name), NAMES.index(inner)] = -times
        layer_mean = change @ layer_mean
        by_layer, sizes = _mixed(change, by_layer), _mixed(np.abs(change), sizes)
    total, noise = by_layer.sum((1, 3)), _NOISE * sizes.sum((1, 3))
    resolved = np.diag(total) > np.diag(noise)
    return Moments(
        tuple(NAMES),
        np.asarray(layer_mean.sum(1), dtype=float),
        np.asarray(total, dtype=float),
        np.asarray(layer_mean, dtype=float),
        np.asarray(by_layer, dtype=float),
        resolved,
    )


def _mixed(change: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the covariances of combinations of counts."""
    once = np.tensordot(change, matrix, (1, 0))
    return np.moveaxis(np.tensordot(once, change, (2, 1)), -1, 2)


def _tables(flat: Flat) -> tuple[Topology, np.ndarray]:
    """Return the node classes and blocks of a graph, and all factors that terms are made of."""
    layers = int(flat.layer.max()) + 1
    layer, block = list(range(layers)), []
    for source, target, bias in flat.block_names:
        if bias:
            layer.append(source)
        block.append((len(layer) - 1 if bias else source, target))
    sizes = [int((~flat.bias & (flat.layer == i)).sum()) for i in range(layers)]
    sizes += [1] * (len(layer) - layers)
    edges = np.bincount(flat.block, minlength=len(block)).tolist()
    parts = [_falling(size, MOST_NODES) for size in sizes]
    for (s, t), m in zip(block, edges, strict=True):
        parts.append(_falling(m, MOST_EDGES) / _falling_positive(sizes[s] * sizes[t], MOST_EDGES))
    return Topology(tuple(layer), tuple(block)), np.concatenate([*parts, np.ones(1, dtype=_Wide)])


def _falling(number: int, most: int) -> np.ndarray:
    """Return n (n - 1) ... of 0 to `most` factors."""
    factors = np.array([1, *(max(number - k, 0) for k in range(most))], dtype=_Wide)
    return np.asarray(np.cumprod(factors))


def _falling_positive(number: int, most: int) -> np.ndarray:
    """Return the same with 1 for 0, where the other side of the ratio is 0 anyway."""
    factors = np.array([1, *(max(number - k, 1) for k in range(most))], dtype=_Wide)
    return np.asarray(np.cumprod(factors))
