import os
from pathlib import Path

import numpy as np
import pytest
import torch

# Two workers on two cores: more threads would only wait for each other.
torch.set_num_threads(1)

SEED = int(os.environ.get("NIWAKI_TEST_SEED") or 0)
"""Start of torch's global stream in each test; another one finds tests that live on luck."""


@pytest.fixture(autouse=True)
def fixed_start():
    """Weights that a test does not seed are the same alone, in any order and on any worker."""
    torch.manual_seed(SEED)  # noqa: TID251 - for layers that torch starts by itself


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def data_folder():
    """The folder of public data sets; without it the test skips."""
    folder = Path(os.environ.get("NIWAKI_DATA") or "no folder")
    if not (folder / "sim350").is_dir():
        pytest.skip("NIWAKI_DATA names no folder with the public data sets")
    return folder
