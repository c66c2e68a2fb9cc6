"""Saying where training left the finite range: a gene and an observation by name."""

from collections.abc import Iterator
from contextlib import contextmanager

from niwaki.core import DivergedError, Pairs, Trajectories


@contextmanager
def naming(data: Trajectories, pairs: Pairs) -> Iterator[None]:
    """Name gene and observation in errors of training on `pairs` of `data`.

    Raises
    ------
    DivergedError
        In place of one that knows positions only.
    """
    try:
        yield
    except DivergedError as error:
        if error.place is None:
            raise
        pair, gene = error.place
        item = data.items[int(pairs.trajectory[pair])]
        time = item.times[int(pairs.step[pair])]
        raise DivergedError(
            f"training left the finite range at gene {data.genes[gene]}, after time {time:g} of "
            f"trajectory '{item.name}'; lower the learning rate, or check the values of that gene "
            "(niwaki doctor names genes on a very different scale).",
            place=error.place,
        ) from error
