import numpy as np
import pytest
import torch
from torch import nn


class Tanh(nn.Module):
    """A smooth teacher with three outputs, over signals or images."""

    def __init__(self, size, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(torch.randn(size, 8, generator=generator).double() / 3)
        self.second = nn.Parameter(torch.randn(8, 3, generator=generator).double())

    def forward(self, x):
        return torch.tanh(x.flatten(1) @ self.first) @ self.second


@pytest.fixture
def smooth():
    return Tanh


@pytest.fixture
def normal():
    """Draw standard normal tensors in float64."""

    def draw(*shape, seed=0):
        return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))

    return draw
