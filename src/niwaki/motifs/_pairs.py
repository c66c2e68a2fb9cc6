"""Co-occurrences: for each pair of nodes the number, or weight, of nodes between or below them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Num
from scipy import sparse

from niwaki.motifs._layered import Flat

EdgeValues = Num[np.ndarray, " edge"]

_CHUNK = 2**22  # entries of a dense product that are held at a time
_LARGEST = 2**27  # entries of a matrix that may be made dense
# A multiplication of a sparse product takes about this many times longer than one of a dense
# product in single precision; measured from 170 x 400 x 170 to 2,000 x 2,000 x 2,000.
_SPARSE_COST = 250.0
_EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class Columns:
    """The two matrices whose product is wanted: left ``[i, k]``, right ``[k, j]``.

    Attributes
    ----------
    label
        The lower layer, to which the products are credited.
    same
        Whether left is the transpose of right, so that each pair of rows counts once.
    left, right
        1 + position among the edges of the graph, where there is an edge.
    """

    label: int
    same: bool
    left: sparse.csr_array
    right: sparse.csr_array


def fan_pairs(flat: Flat) -> Iterator[Columns]:
    """Yield the products whose entries count common targets of two sources (for bi-fans).

    Pairs of targets with two common sources are as many as pairs of sources with two common
    targets, so within one layer the side with fewer nodes is taken.
    """
    whole, start, reach = _prepared(flat)
    for a in range(len(start) - 1):
        for b in range(a, len(start) - 1):
            shared = sorted(reach[a] & reach[b])
            if not shared:
                continue
            columns = slice(start[shared[0]], start[shared[-1] + 1])
            first = whole[start[a] : start[a + 1], columns]
            if a != b:
                second = whole[start[b] : start[b + 1], columns]
                yield Columns(a, False, first, sparse.csr_array(second.T))
            elif first.shape[1] < first.shape[0]:
                yield Columns(a, True, sparse.csr_array(first.T), first)
            else:
                yield Columns(a, True, first, sparse.csr_array(first.T))


def path_pairs(flat: Flat) -> Iterator[Columns]:
    """Yield the products whose entries count the ways from one node to another in two steps."""
    whole, start, reach = _prepared(flat)
    for a in range(len(start) - 1):
        after = set().union(*(reach[b] for b in reach[a])) if reach[a] else set()
        if not after:
            continue
        middle = slice(start[min(reach[a])], start[max(reach[a]) + 1])
        ends = slice(start[min(after)], start[max(after) + 1])
        yield Columns(a, False, whole[start[a] : start[a + 1], middle], whole[middle, ends])


def products(pair: Columns, values: EdgeValues) -> Iterator[Num[np.ndarray, " entry"]]:
    """Yield the entries of a product, a chunk at a time; entries that are zero may be left out.

    For a pair with itself only the entries above the diagonal are given. The cheaper of a dense
    and a sparse product is taken; both are exact for whole numbers.

    Parameters
    ----------
    pair
        What to multiply.
    values
        One value per edge, such as ones, signs or weights; whole numbers of at most 1 in size give
        whole numbers (any unit).
    """
    left, right = pair.left, pair.right
    inner = np.bincount(left.indices, minlength=left.shape[1]).astype(float)
    multiplications = float(inner @ np.diff(right.indptr))
    dense = float(left.shape[0]) * left.shape[1] * right.shape[1]
    widest = max(left.shape[0], right.shape[1])
    if left.shape[1] * widest > _LARGEST or _SPARSE_COST * multiplications < dense:
        yield _sparse_product(pair, values)
    else:
        yield from _dense_product(pair, values)


def _sparse_product(pair: Columns, values: EdgeValues) -> Num[np.ndarray, " entry"]:
    product = sparse.csr_array(_with(pair.left, values) @ _with(pair.right, values))
    if not pair.same:
        return product.data
    rows = np.repeat(np.arange(product.shape[0]), np.diff(product.indptr))
    return product.data[product.indices > rows]


def _dense_product(pair: Columns, values: EdgeValues) -> Iterator[Num[np.ndarray, " entry"]]:
    whole = np.issubdtype(values.dtype, np.integer)
    kind = np.float32 if whole and pair.left.shape[1] < _EXACT_FLOAT32 else np.float64
    left, right = (_with(part, values.astype(kind)).toarray() for part in (pair.left, pair.right))
    step = max(1, _CHUNK // max(1, right.shape[1]))
    for begin in range(0, left.shape[0], step):
        part = left[begin : begin + step] @ right
        if pair.same:
            rows = np.arange(begin, begin + part.shape[0])[:, None]
            part = part[np.arange(part.shape[1]) > rows]
        yield part.ravel().astype(np.int64) if whole else part.ravel()


def feed_forward_loops(flat: Flat, values: EdgeValues) -> EdgeValues:
    """Return, for each edge a→c, the sum over b of the products of a→b, b→c and a→c."""
    if len(values) == 0:
        return values
    shape = (flat.nodes, flat.nodes)
    whole = sparse.csr_array((values, (flat.source, flat.target)), shape=shape)
    two = sparse.csr_array(whole @ whole)
    through = np.asarray(two[flat.source, flat.target]).ravel()
    return np.asarray(through * values)


def _prepared(flat: Flat) -> tuple[sparse.csr_array, np.ndarray, list[set[int]]]:
    """Return ``[source, target]`` of 1 + position, where layers start, and what each reaches."""
    layers = int(flat.layer.max()) + 1
    start = np.searchsorted(flat.layer, np.arange(layers + 1))
    position = np.arange(1, len(flat.source) + 1)
    shape = (flat.nodes, flat.nodes)
    whole = sparse.csr_array((position, (flat.source, flat.target)), shape=shape)
    reach: list[set[int]] = [set() for _ in range(layers)]
    for number, (source, target, _) in enumerate(flat.block_names):
        if (flat.block == number).any():
            reach[source].add(target)
    return whole, start, reach


def _with(matrix: sparse.csr_array, values: EdgeValues) -> sparse.csr_array:
    """Return the matrix with the values of its edges."""
    parts = (values[matrix.data - 1], matrix.indices, matrix.indptr)
    return sparse.csr_array(parts, shape=matrix.shape)
