"""Remove whole filters and units of a convolutional network on the digits of scikit-learn."""

import torch
from sklearn.datasets import load_digits
from torch import nn

from niwaki.pruning import Iterative, Pruner, Units, compact

generator = torch.Generator().manual_seed(0)
digits = load_digits()
x = torch.tensor(digits.images[:, None], dtype=torch.float32) / 16
y = torch.tensor(digits.target)
train, test = torch.randperm(len(x), generator=generator).split([1400, len(x) - 1400])
net = nn.Sequential(
    *(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU()),
    *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)),
)
optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
names, schedule = ["0.weight", "3.weight", "7.weight"], Iterative(3, 9, rounds=4, sparsity=0.5)
pruner = Pruner(net, schedule, pattern=Units(), names=names, optimiser=optimiser)
for _ in range(24):
    for batch in train[torch.randperm(len(train), generator=generator)].split(50):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
        optimiser.step()
    pruner.step()
net.eval()
small = compact(net)
accuracy = float((small(x[test]).argmax(1) == y[test]).float().mean())
sizes = [sum(p.numel() for p in part.parameters()) for part in (pruner.finalize(), small)]
print(f"{sizes[0]} weights, compact {sizes[1]}, accuracy {accuracy:.1%}")
assert sizes[1] < 0.35 * sizes[0]
assert accuracy > 0.85
torch.testing.assert_close(small(x), net(x), atol=1e-4, rtol=1e-4)  # float32 sums in another order
