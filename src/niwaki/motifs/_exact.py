"""Sums of products of whole numbers that stay exact beyond 2^53, and beyond 2^63."""

import numpy as np
from jaxtyping import Int

Counts = Int[np.ndarray, " item"]
_SAFE = 2**62
_HALF = 31


def choose2(values: Counts) -> Counts:
    """Return n (n - 1) / 2 for each n."""
    return np.asarray(values * (values - 1) // 2)


def choose3(values: Counts) -> Counts:
    """Return n (n - 1) (n - 2) / 6 for each n up to two million."""
    return np.asarray(values * (values - 1) * (values - 2) // 6)


def exact_sum(*factors: Counts) -> int:
    """Return the sum of the products of the factors, entry by entry, without rounding.

    Examples
    --------
    >>> exact_sum(np.full(4, 2**40), np.full(4, 2**40)) == 4 * 2**80
    True
    """
    if factors[0].size == 0:
        return 0
    bound = 1
    for factor in factors:
        bound *= max(int(np.abs(factor).max()), 1)
    if bound >= _SAFE:
        return sum(_product(row) for row in zip(*(f.tolist() for f in factors), strict=True))
    product = factors[0].astype(np.int64)
    for factor in factors[1:]:
        product = product * factor
    high = int((product >> _HALF).sum())
    return (high << _HALF) + int((product & (2**_HALF - 1)).sum())


def exact_sums(labels: Counts, count: int, *factors: Counts) -> tuple[int, ...]:
    """Return one exact sum of products per label from 0 to ``count - 1``."""
    return tuple(exact_sum(*(f[labels == label] for f in factors)) for label in range(count))


def _product(row: tuple[int, ...]) -> int:
    result = 1
    for value in row:
        result *= value
    return result
