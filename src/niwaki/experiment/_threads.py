"""The number of threads as an argument, not as a global that stays changed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from niwaki.dynamics import usable_processors


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Run torch and the engine with `count` threads inside the block, or with one per processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(count, usable_processors()))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def thread_notes(count: int | None) -> list[str]:
    """Return a note where more threads are asked for than there are processors."""
    usable = usable_processors()
    if count is None or count <= usable:
        return []
    return [
        f"{count} threads were asked for, and this process may use {usable} processors, so it "
        f"runs {usable}."
    ]
