"""Generated networks small enough to fit in a second: 8 or 9 genes, 8 trajectories, one pass."""

import pytest

from niwaki.sweep import METHODS, _networks


def shrink(patch: pytest.MonkeyPatch) -> None:
    small = {
        "_GENES": (7.6, 9.4),
        "_TRAIN": 8,
        "_TEST": 2,
        "_QUICK_MEMBERS": 2,
        "METHODS": {"gene": {**METHODS["gene"], "passes": 1}},
    }
    for name, value in small.items():
        patch.setattr(_networks, name, value)
