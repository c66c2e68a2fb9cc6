"""The 57 modules whose homogeneity was measured, with their degree (None: not homogeneous)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Case = tuple[str, Callable[[], nn.Module], tuple[int, ...], float | None]
VECTOR, IMAGE, SEQUENCE = (3, 6), (2, 4, 8, 8), (2, 5, 6)


class Function(nn.Module):
    """A function as a module with two random matrices."""

    def __init__(self, function, *, size=6):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.w = nn.Parameter(torch.randn(size, size, generator=generator))
        self.v = nn.Parameter(torch.randn(size, size, generator=generator))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def function(body) -> Callable[[], nn.Module]:
    return lambda: Function(body)


class Recurrent(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.net = make()

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.net(x)
        return out


def batch_norm(*, mean, shift, training=False, eps=1e-5):
    def make():
        layer = nn.BatchNorm2d(4, eps=eps)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            layer.running_mean.copy_(mean * torch.randn(4, generator=generator))
            layer.running_var.uniform_(0.5, 2, generator=generator)
            layer.weight.uniform_(0.5, 2, generator=generator)
            layer.bias.copy_(shift * torch.randn(4, generator=generator))
        return layer.train(training)

    return make


def attention(weigh):
    def body(self, x):
        q, k, v = x @ self.w, x @ self.v, x
        return weigh(q, k) @ v

    return function(body)


def hard(module):
    return lambda: module


def batch_statistics(_, x):
    """What BatchNorm does while training; torch's own layer refuses eps = 0."""
    spread = x.var((0, 2, 3), keepdim=True, unbiased=False).sqrt()
    return (x - x.mean((0, 2, 3), keepdim=True)) / spread


def l1(q, k):
    weights = torch.relu(q.abs() @ k.abs().transpose(-1, -2))
    return weights / weights.sum(-1, keepdim=True)


def cosine(q, k):
    q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
    return torch.softmax(q @ k.transpose(-1, -2), -1)


def small_softmax(q, k):
    return torch.softmax(q @ k.transpose(-1, -2) / 6**0.5, -1)


MODULES: list[Case] = [
    ("linear without bias", lambda: nn.Linear(6, 5, bias=False), VECTOR, 1),
    ("conv without bias", lambda: nn.Conv2d(4, 3, 3, padding=1, bias=False), IMAGE, 1),
    (
        "conv, reflect padding",
        lambda: nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect", bias=False),
        IMAGE,
        1,
    ),
    ("relu", nn.ReLU, VECTOR, 1),
    ("leaky relu", nn.LeakyReLU, VECTOR, 1),
    ("prelu", nn.PReLU, VECTOR, 1),
    ("abs", function(lambda m, x: x.abs()), VECTOR, 1),
    ("crelu", function(lambda m, x: torch.cat([x.relu(), (-x).relu()], 1)), VECTOR, 1),
    ("maxout", function(lambda m, x: torch.maximum(x @ m.w, x @ m.v)), VECTOR, 1),
    ("sort", function(lambda m, x: x.sort(1).values), VECTOR, 1),
    ("group sort", function(lambda m, x: x.unflatten(1, (3, 2)).sort(-1)[0].flatten(1)), VECTOR, 1),
    ("max pool", lambda: nn.MaxPool2d(2), IMAGE, 1),
    ("avg pool", lambda: nn.AvgPool2d(2), IMAGE, 1),
    ("adaptive avg pool", lambda: nn.AdaptiveAvgPool2d(2), IMAGE, 1),
    ("lp pool", lambda: nn.LPPool2d(2, 2), IMAGE, 1),
    ("bilinear upsampling", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE, 1),
    ("dropout in eval", lambda: nn.Dropout(0.5).eval(), VECTOR, 1),
    ("residual sum", function(lambda m, x: x + (x @ m.w).relu() @ m.v), VECTOR, 1),
    ("mean centring", function(lambda m, x: x - x.mean(1, keepdim=True)), VECTOR, 1),
    ("batch norm, mean 0, no shift", batch_norm(mean=0, shift=0), IMAGE, 1),
    (
        "relu rnn without bias",
        lambda: Recurrent(lambda: nn.RNN(6, 4, nonlinearity="relu", bias=False, batch_first=True)),
        SEQUENCE,
        1,
    ),
    ("L1 attention", attention(l1), SEQUENCE, 1),
    ("cosine attention", attention(cosine), SEQUENCE, 1),
    ("geometric mean", function(lambda m, x: x.abs().log().mean(1).exp()), VECTOR, 1),
    ("layer norm", lambda: nn.LayerNorm(6, eps=0.0), VECTOR, 0),
    ("rms norm", lambda: nn.RMSNorm(6, eps=0.0), VECTOR, 0),
    ("instance norm", lambda: nn.InstanceNorm2d(4, eps=0.0), IMAGE, 0),
    ("group norm", lambda: nn.GroupNorm(2, 4, eps=0.0), IMAGE, 0),
    ("batch norm in training", function(batch_statistics), IMAGE, 0),
    ("square", function(lambda m, x: x**2), VECTOR, 2),
    ("relu squared", function(lambda m, x: x.relu().square()), VECTOR, 2),
    ("x relu(Wx)", function(lambda m, x: x * (x @ m.w).relu()), VECTOR, 2),
    ("bilinear form", function(lambda m, x: torch.einsum("bi,ij,bj->b", x, m.w, x)), VECTOR, 2),
    ("x |x|", function(lambda m, x: x * x.norm(dim=1, keepdim=True)), VECTOR, 2),
    ("linear attention", attention(lambda q, k: q @ k.transpose(-1, -2)), SEQUENCE, 3),
    ("bias", lambda: nn.Linear(6, 5), VECTOR, None),
    ("relu6", nn.ReLU6, VECTOR, None),
    ("hardtanh", nn.Hardtanh, VECTOR, None),
    ("softshrink", nn.Softshrink, VECTOR, None),
    ("threshold", lambda: nn.Threshold(0.1, 0.0), VECTOR, None),
    ("elu", nn.ELU, VECTOR, None),
    ("selu", nn.SELU, VECTOR, None),
    ("gelu", nn.GELU, VECTOR, None),
    ("silu", nn.SiLU, VECTOR, None),
    ("softplus", nn.Softplus, VECTOR, None),
    ("tanh", nn.Tanh, VECTOR, None),
    ("sigmoid", nn.Sigmoid, VECTOR, None),
    ("glu", nn.GLU, VECTOR, None),
    ("gru", lambda: Recurrent(lambda: nn.GRU(6, 4, bias=False, batch_first=True)), SEQUENCE, None),
    (
        "tanh rnn",
        lambda: Recurrent(lambda: nn.RNN(6, 4, bias=False, batch_first=True)),
        SEQUENCE,
        None,
    ),
    ("logsumexp", function(lambda m, x: x.logsumexp(1)), VECTOR, None),
    ("softmax", lambda: nn.Softmax(1), VECTOR, None),
    ("log softmax", lambda: nn.LogSoftmax(1), VECTOR, None),
    ("softmax attention", attention(small_softmax), SEQUENCE, None),
    ("batch norm in eval", batch_norm(mean=1, shift=1), IMAGE, None),
    ("degree 1 plus degree 2", function(lambda m, x: x + 0.1 * x**2), VECTOR, None),
    ("Hill", function(lambda m, x: x.abs() / (1 + x.abs())), VECTOR, None),
]
