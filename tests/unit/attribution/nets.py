"""Small networks that several tests share."""

import torch
from torch import Tensor, nn


def seeded(module: nn.Module, seed: int = 0) -> nn.Module:
    """Draw all weights from a stream of their own, so that tests do not touch the global one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            size = parameter.shape[1:].numel() ** -0.5 if parameter.ndim > 1 else 0.5
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return module


def normal(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).to(dtype)


def x_mlp(inputs: int = 6, outputs: int = 3) -> nn.Module:
    layers = [nn.Linear(inputs, 12, bias=False), nn.ReLU(), nn.Linear(12, 8, bias=False)]
    return seeded(nn.Sequential(*layers, nn.ReLU(), nn.Linear(8, outputs, bias=False))).double()


def biased_mlp(inputs: int = 6, outputs: int = 3) -> nn.Module:
    layers = [nn.Linear(inputs, 12), nn.ReLU(), nn.Linear(12, outputs)]
    return seeded(nn.Sequential(*layers)).double()


def x_cnn() -> nn.Module:
    return seeded(
        nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, bias=False),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3, bias=False),
        )
    ).double()


class Bottleneck(nn.Module):
    """The residual block of a ResNet-50."""

    def __init__(self, inputs: int, inner: int, *, stride: int = 1) -> None:
        super().__init__()
        outputs = 4 * inner
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.skip = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.skip(x))


def resnet50(*, width: int = 2, classes: int = 5) -> nn.Module:
    """A ResNet-50: blocks 3, 4, 6, 3 behind a stem, narrow so that it runs in a test."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    inputs = width
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner = width * 2**stage
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            layers.append(Bottleneck(inputs, inner, stride=stride))
            inputs = 4 * inner
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
