"""Train with a prior on attributions: few features should matter, and two of ten do."""

import torch
from torch import nn

from niwaki.attribution import gini, gini_prior, homogeneity_report, mean_size, xgrad

generator = torch.Generator().manual_seed(0)
x = torch.randn(200, 10, generator=generator)
y = x[:, :1].relu() - 2 * x[:, 3:4].relu() + 0.1 * torch.randn(200, 1, generator=generator)


def train(strength: float) -> float:
    """Return how sparse the attributions are after training (Gini coefficient, 0 to 1)."""
    model = nn.Sequential(nn.Linear(10, 32, bias=False), nn.ReLU(), nn.Linear(32, 1, bias=False))
    assert homogeneity_report(model, x[:4]).holds
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        found = xgrad(model, x, degree=1, create_graph=True)
        loss = (found.output - y).square().mean() + strength * gini_prior(found.value)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(gini(mean_size(xgrad(model, x, degree=1).value)))


with torch.random.fork_rng():
    torch.random.default_generator.manual_seed(0)
    plain, sparse = train(0.0), train(0.3)
print(f"Gini of the attributions: {plain:.2f} without the prior, {sparse:.2f} with it")
assert sparse > plain
