"""Prune a multi-layer perceptron on the digits of scikit-learn while it trains."""

import torch
from sklearn.datasets import load_digits
from torch import nn

from niwaki.pruning import Cubic, Global, Pruner, compact, sparsity_of

generator = torch.Generator().manual_seed(0)
digits = load_digits()
x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
order = torch.randperm(len(x), generator=generator)
train, test = order[:1400], order[1400:]
net = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
pruner = Pruner(net, Cubic(5, 25, sparsity=0.9), budget=Global(), optimiser=optimiser)
for _ in range(40):
    for batch in train[torch.randperm(len(train), generator=generator)].split(50):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
        optimiser.step()
    pruner.step()
accuracy = float((net(x[test]).argmax(1) == y[test]).float().mean())
small = compact(net)
print(f"sparsity {sparsity_of(net):.1%}, accuracy {accuracy:.1%}, {small[0].out_features} units")
assert abs(sparsity_of(net) - 0.9) < 1e-4
assert accuracy > 0.9
torch.testing.assert_close(small(x), net(x), atol=1e-4, rtol=1e-4)  # float32 sums in another order
