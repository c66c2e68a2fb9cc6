"""One way to turn a seed into a random generator; nothing in Niwaki seeds globally (SPEC 7)."""

import numpy as np


def as_generator(rng: np.random.Generator | int | None) -> np.random.Generator:
    """Return `rng` itself, or a generator seeded by it.

    Parameters
    ----------
    rng
        A generator, a seed, or None for fresh entropy.

    Examples
    --------
    >>> int(as_generator(7).integers(100)) == int(as_generator(7).integers(100))
    True
    """
    return np.random.default_rng(rng)


def derived_seed(seed: int, *path: int | str) -> int:
    """Return a seed for one named purpose, so that streams never overlap or depend on order.

    A seed per (purpose, epoch) instead of one running stream makes a resumed run draw exactly what
    an uninterrupted one would have drawn.

    Parameters
    ----------
    seed
        The run's seed.
    path
        What the stream is for, for instance ``"batches", 12``.

    Examples
    --------
    >>> derived_seed(0, "batches", 1) == derived_seed(0, "batches", 2)
    False
    """
    words = [int.from_bytes(str(part).encode(), "little") for part in path]
    entropy = np.random.SeedSequence([seed, *words])
    return int(entropy.generate_state(1, np.uint64)[0] >> 1)
