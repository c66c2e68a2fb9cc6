"""Random layered graphs with the nodes and edges of a given one; what each keeps is in its name."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Int

from niwaki.core import InputError
from niwaki.motifs._layered import Flat

Sampler = Callable[[Flat, np.random.Generator], Flat]
_TRADES = 10  # rounds of trades between all rows; each row trades once in every round


def sample_uniform(flat: Flat, rng: np.random.Generator) -> Flat:
    """Return as many edges per block, anywhere in it; weights stay in their block, shuffled."""
    source, target = flat.source.copy(), flat.target.copy()
    for number in range(len(flat.block_names)):
        here, rows, columns = _block(flat, number)
        if len(here):
            chosen = rng.choice(len(rows) * len(columns), size=len(here), replace=False)
            source[here], target[here] = (
                rows[chosen // len(columns)],
                columns[chosen % len(columns)],
            )
    return replace(flat, source=source, target=target, weight=_shuffled(flat, rng))


def sample_degree(flat: Flat, rng: np.random.Generator) -> Flat:
    """Return a graph in which every node has the degrees that it has, per block.

    Curveball: two sources pool the targets that only one of them has, and deal them out again at
    random, as many to each as before. All sources of a block are paired at random in each of ten
    rounds, which reaches every graph with these degrees and favours none. A bias trades with the
    sources of its layer. Weights are shuffled within their block.

    References
    ----------
    .. [1] strona2014, the trade.
    .. [2] carstens2018, all rows at once, and why it is uniform.
    """
    source, target = flat.source.copy(), flat.target.copy()
    for block in _merged_blocks(flat):
        here = np.flatnonzero(np.isin(flat.block, block))
        if len(here) > 1:
            source[here], target[here] = _traded(flat.source[here], flat.target[here], rng)
    moved = replace(flat, source=source, target=target)
    moved = replace(moved, block=_blocks_again(moved))
    weight = np.empty_like(flat.weight)
    shuffled = _shuffled(flat, rng)
    weight[np.argsort(moved.block, kind="stable")] = shuffled[np.argsort(flat.block, kind="stable")]
    return replace(moved, weight=weight)


def _traded(
    source: Int[np.ndarray, " edge"], target: Int[np.ndarray, " edge"], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return new ends for the edges of a pair of layers; where most are there, absences trade.

    The absent edges have fixed degrees when the present ones have, so either may be dealt.
    """
    low, first = int(source.min()), int(target.min())
    shape = (int(source.max()) + 1 - low, int(target.max()) + 1 - first)
    if 2 * len(source) <= shape[0] * shape[1]:
        return source, _curveball(source, target, rng)
    absent = np.ones(shape, dtype=bool)
    absent[source - low, target - first] = False
    rows, columns = np.nonzero(absent)
    if len(rows) == 0:
        return source, target
    present = np.ones(shape, dtype=bool)
    present[rows, _curveball(rows, columns, rng)] = False
    made = np.nonzero(present)
    return made[0] + low, made[1] + first


def sample_min_degree(flat: Flat, rng: np.random.Generator) -> Flat:
    """Return as many edges per block, with at least one at every node: the published sampler.

    Edges less rows less columns are laid anywhere, then one more in every row and in every column.
    That flattens the degrees and favours some graphs over others, so it is here to compare only.
    Biases keep their number of edges, anywhere.

    Raises
    ------
    InputError
        If a block has fewer edges than rows and columns together, or no free place where one more
        edge must go.

    References
    ----------
    .. [1] zahn2024, the released sampler; there blocks that are too sparse are left empty.
    """
    source, target = flat.source.copy(), flat.target.copy()
    for number, (_, _, bias) in enumerate(flat.block_names):
        here, rows, columns = _block(flat, number)
        if bias:
            target[here] = rng.choice(columns, size=len(here), replace=False)
            continue
        if not len(here):
            continue
        place = np.flatnonzero(_at_least_one(flat, number, rng).ravel())
        source[here], target[here] = rows[place // len(columns)], columns[place % len(columns)]
    return replace(flat, source=source, target=target, weight=_shuffled(flat, rng))


def sample_signs(flat: Flat, rng: np.random.Generator) -> Flat:
    """Return the same edges with their weights shuffled within each block."""
    return replace(flat, weight=_shuffled(flat, rng))


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "uniform": sample_uniform,
        "degree": sample_degree,
        "min-degree": sample_min_degree,
        "signs": sample_signs,
    }
)


def check_min_degree(flat: Flat) -> list[str]:
    """Return the blocks for which `sample_min_degree` is not defined, in words."""
    poor = []
    for number, (s, t, bias) in enumerate(flat.block_names):
        here, rows, columns = _block(flat, number)
        if not bias and 0 < len(here) < len(rows) + len(columns):
            poor.append(
                f"layers {s} to {t} ({len(here)} edges, {len(rows)} by {len(columns)} nodes)"
            )
    return poor


def _at_least_one(flat: Flat, number: int, rng: np.random.Generator) -> np.ndarray:
    here, rows, columns = _block(flat, number)
    shape = (len(rows), len(columns))
    spare = len(here) - sum(shape)
    if spare < 0:
        s, t, _ = flat.block_names[number]
        raise InputError(
            f"layers {s} to {t} have {len(here)} edges, fewer than their {shape[0]} sources and "
            f"{shape[1]} targets together, so the minimum-degree null is not defined; use uniform "
            "or degree."
        )
    mask = np.zeros(shape, dtype=bool)
    mask.ravel()[rng.choice(mask.size, size=spare, replace=False)] = True
    for side in (mask, mask.T):  # one more in every row, then in every column
        free = ~side
        if not free.any(axis=1).all():
            raise InputError(
                f"a node of layers {flat.block_names[number][0]} to {flat.block_names[number][1]} "
                "has no free place for one more edge, so the minimum-degree null is not defined "
                "for so dense a layer; use uniform or degree."
            )
        keys = np.where(free, rng.random(free.shape), -1.0)
        side[np.arange(len(side)), keys.argmax(axis=1)] = True
    return mask


def _block(flat: Flat, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the edges of a block, and the nodes that may be its sources and targets."""
    source, target, bias = flat.block_names[number]
    here = np.flatnonzero(flat.block == number)
    rows = np.flatnonzero((flat.layer == source) & (flat.bias == bias))
    columns = np.flatnonzero((flat.layer == target) & ~flat.bias)
    return here, rows, columns


def _merged_blocks(flat: Flat) -> list[list[int]]:
    """Return blocks by pair of layers, so that a bias stands beside the sources of its layer."""
    found: dict[tuple[int, int], list[int]] = {}
    for number, (source, target, _) in enumerate(flat.block_names):
        found.setdefault((source, target), []).append(number)
    return list(found.values())


def _blocks_again(flat: Flat) -> Int[np.ndarray, " edge"]:
    number = {name: i for i, name in enumerate(flat.block_names)}
    names = zip(
        flat.layer[flat.source].tolist(),
        flat.layer[flat.target].tolist(),
        flat.bias[flat.source].tolist(),
        strict=True,
    )
    return np.array([number[name] for name in names], dtype=np.int64)


def _curveball(
    source: Int[np.ndarray, " edge"], target: Int[np.ndarray, " edge"], rng: np.random.Generator
) -> Int[np.ndarray, " edge"]:
    """Return new targets for each edge, in the order of the sources."""
    rows, row = np.unique(source, return_inverse=True)
    column = target.copy()
    width = int(target.max()) + 1
    for _ in range(_TRADES):
        seat = rng.permutation(len(rows))[row]  # rows 2k and 2k + 1 trade
        pair = seat // 2
        order = np.argsort(pair * width + column)
        key = (pair * width + column)[order]
        twice = np.zeros(len(key), dtype=bool)
        twice[1:] |= key[1:] == key[:-1]
        twice[:-1] |= key[1:] == key[:-1]
        lone = order[~twice]
        # deal: a random order within each pair, then by pair, against edges ordered by pair and row
        dealt = lone[np.argsort(pair[lone] + rng.random(len(lone)))]
        holders = lone[np.argsort(seat[lone], kind="stable")]
        column[holders] = column[dealt]
    return column


def _shuffled(flat: Flat, rng: np.random.Generator) -> np.ndarray:
    """Return the weights, shuffled within each block."""
    keys = flat.block + rng.random(len(flat.block))
    weight = np.empty_like(flat.weight)
    weight[np.argsort(flat.block, kind="stable")] = flat.weight[np.argsort(keys)]
    return weight
