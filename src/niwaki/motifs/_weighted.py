"""Motifs that carry signs or weights, in closed form like the plain counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from niwaki.core import InputError
from niwaki.motifs._classes import MOTIFS, NAMES
from niwaki.motifs._exact import exact_sum
from niwaki.motifs._layered import Flat, LayeredGraph, flatten
from niwaki.motifs._pairs import Columns, fan_pairs, feed_forward_loops, path_pairs, products


@dataclass(frozen=True)
class SignCounts:
    """Bi-fans and bi-parallels ("diamonds") by sign, exactly.

    A diamond is coherent if both ways from its top to its bottom have the same sign; a bi-fan if
    its two sources agree on both targets or on neither.

    Attributes
    ----------
    coherent, incoherent
        Counts per layer, by motif.
    """

    coherent: Mapping[str, tuple[int, ...]]
    incoherent: Mapping[str, tuple[int, ...]]

    @property
    def total(self) -> dict[str, int]:
        """Counts over all layers, by motif and sign."""
        kinds = {"coherent": self.coherent, "incoherent": self.incoherent}
        return {f"{k}_{m}": sum(found[m]) for m in self.coherent for k, found in kinds.items()}


def count_signed(graph: LayeredGraph) -> SignCounts:
    """Count coherent and incoherent bi-fans and bi-parallels.

    With n the number of ways between two nodes and s their signs' sum, p = (n + s) / 2 ways are
    positive and q = (n - s) / 2 negative: C(p, 2) + C(q, 2) pairs agree, and p q do not.
    """
    return count_signed_flat(flatten(graph))


def count_signed_flat(flat: Flat) -> SignCounts:
    """Count as `count_signed` does, from lists of nodes and edges."""
    ones = np.ones(len(flat.source), dtype=np.int64)
    signs = np.sign(flat.weight).astype(np.int64)
    layers = int(flat.layer.max())
    coherent, incoherent = {}, {}
    for name, pairs in (("bifan", fan_pairs), ("biparallel", path_pairs)):
        agree, differ = [0] * layers, [0] * layers
        for pair in pairs(flat):
            ways, squares = _moments(pair, ones)
            _, signed = _moments(pair, signs)
            agree[pair.label] += (squares + signed - 2 * ways) // 4
            differ[pair.label] += (squares - signed) // 4
        coherent[name], incoherent[name] = tuple(agree), tuple(differ)
    return SignCounts(coherent, incoherent)


def _moments(pair: Columns, values: np.ndarray) -> tuple[int, int]:
    """Return the sum of a product's entries and of their squares."""
    first = second = 0
    for entries in products(pair, values):
        first += exact_sum(entries)
        second += exact_sum(entries, entries)
    return first, second


def weigh(graph: LayeredGraph, *, kind: str = "product") -> dict[str, float]:
    """Return the summed weight of all copies of each motif.

    Parameters
    ----------
    graph
        The graph.
    kind
        Weight of a copy: ``product`` of the absolute weights of its edges (units of a weight to the
        power of the number of edges), ``signed`` product, or ``intensity``, the geometric mean of
        the absolute weights (unit of a weight).

    Raises
    ------
    InputError
        If `kind` is unknown.

    References
    ----------
    .. [1] onnela2005, intensity. Sums over choices of two or three edges at a node are elementary
       symmetric polynomials, so nothing is enumerated.
    """
    if kind not in ("product", "signed", "intensity"):
        raise InputError(f"kind is '{kind}'; expected 'product', 'signed' or 'intensity'.")
    flat = flatten(graph)
    weights = flat.weight if kind == "signed" else np.abs(flat.weight)
    found: dict[str, float] = {}
    for edges in (1, 2, 3, 4):
        names = [name for name in NAMES if len(MOTIFS[name].edges) == edges]
        powered = weights ** (1 / edges) if kind == "intensity" else weights
        everything = _sums(flat, powered, wanted=frozenset(names))
        found |= {name: everything[name] for name in names}
    return {name: found[name] for name in NAMES}


def _sums(
    flat: Flat, weight: Float[np.ndarray, " edge"], *, wanted: frozenset[str]
) -> dict[str, float]:
    """Return the summed products of the wanted motifs."""
    s, t = flat.source, flat.target
    outs = [np.bincount(s, weight**k, minlength=flat.nodes) for k in (1, 2, 3)]
    ins = [np.bincount(t, weight**k, minlength=flat.nodes) for k in (1, 2, 3)]
    out, into = outs[0], ins[0]
    loops = float(feed_forward_loops(flat, weight).sum()) if wanted & {"zigzag"} else 0.0
    found = {
        "edge": weight.sum(),
        "diverging2": _two(outs).sum(),
        "converging2": _two(ins).sum(),
        "chain2": into @ out,
        "diverging3": _three(outs).sum(),
        "converging3": _three(ins).sum(),
        "star_2in_1out": _two(ins) @ out,
        "star_1in_2out": into @ _two(outs),
        "chain3": weight @ (into[s] * out[t]),
        "converging_extended": weight @ (into[s] * (into[t] - weight)) - loops,
        "diverging_extended": weight @ ((out[s] - weight) * out[t]) - loops,
        "zigzag": weight @ ((out[s] - weight) * (into[t] - weight)) - loops,
    }
    for name, pairs in (("bifan", fan_pairs), ("biparallel", path_pairs)):
        if name in wanted:
            found[name] = sum(_pair_sum(pair, weight) for pair in pairs(flat))
    return {name: float(value) for name, value in found.items()}


def _two(powers: list[np.ndarray]) -> np.ndarray:
    """Return the sum over pairs of edges at each node of the product of their weights."""
    return np.asarray((powers[0] ** 2 - powers[1]) / 2)


def _three(powers: list[np.ndarray]) -> np.ndarray:
    """Return the same over triples."""
    first, second, third = powers
    return np.asarray((first**3 - 3 * first * second + 2 * third) / 6)


def _pair_sum(pair: Columns, weight: np.ndarray) -> float:
    square = sum(float(np.square(e).sum()) for e in products(pair, weight))
    twice = sum(float(e.sum()) for e in products(pair, weight**2))
    return (square - twice) / 2
