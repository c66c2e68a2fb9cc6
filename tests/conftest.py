import os
from pathlib import Path

import numpy as np
import pytest
import torch

# Two workers on two cores: more threads would only wait for each other.
torch.set_num_threads(1)


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
