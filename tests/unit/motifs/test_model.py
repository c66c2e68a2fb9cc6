import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from niwaki.core import InputError
from niwaki.motifs import count, from_model, from_weights


def chain(*sizes):
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU()))), layers


def test_a_chain_of_linear_layers_is_the_chain_of_its_weights():
    model, layers = chain(3, 4, 2)
    expected = from_weights([x.weight for x in layers], biases=[x.bias for x in layers])
    assert count(from_model(model)) == count(expected)
    assert not from_model(model, biases=False).biases


def test_pruned_weights_are_no_edges_however_they_are_kept():
    model, layers = chain(6, 5, 4)
    prune.l1_unstructured(layers[0], "weight", amount=0.5)
    assert from_model(model, biases=False).blocks[0, 1].nnz == 15
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[0, 0] = True
    graph = from_model(model, masks={"2.weight": mask}, biases=False)
    assert graph.blocks[1, 2].nnz == 1
    with pytest.raises(InputError, match="give a mask of the same shape"):
        from_model(model, masks={"2.weight": mask.T})


def test_a_kernel_counts_once_by_its_norm():
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 5)
    )
    graph = from_model(model, biases=False)
    assert graph.sizes == (2, 3, 5)
    kernels = model[0].weight.detach().double().flatten(2).norm(dim=2).numpy()
    np.testing.assert_allclose(graph.blocks[0, 1].toarray(), kernels)
    flat = model[4].weight.detach().double().reshape(5, 3, 4).norm(dim=2).numpy()
    np.testing.assert_allclose(graph.blocks[1, 2].toarray(), flat)


def test_grouped_channels_read_their_group_only():
    graph = from_model(nn.Conv1d(4, 6, 2, groups=2), biases=False)
    block = graph.blocks[0, 1].toarray()
    assert (block[:3, 2:] == 0).all()
    assert (block[3:, :2] == 0).all()
    assert graph.edges() == 12


class Residual(nn.Module):
    def __init__(self, join):
        super().__init__()
        self.first, self.second, self.join = nn.Linear(3, 4), nn.Linear(4, 4), join
        self.last = nn.Linear(8 if join else 4, 2)

    def forward(self, x):
        h = torch.relu(self.first(x))
        g = torch.relu(self.second(h))
        return self.last(torch.cat([h, g], 1) if self.join else h + g)


@pytest.mark.parametrize("join", [False, True])
def test_what_follows_a_skip_reads_both_layers(join):
    model = Residual(join)
    graph = from_model(model, biases=False)
    assert graph.sizes == (3, 4, 4, 2)
    assert set(graph.blocks) == {(0, 1), (1, 2), (1, 3), (2, 3)}
    weight = model.last.weight.detach().double().numpy()
    np.testing.assert_allclose(graph.blocks[1, 3].toarray(), weight[:, :4])
    np.testing.assert_allclose(graph.blocks[2, 3].toarray(), weight[:, -4:])


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else x


class Skipping(Branching):
    def forward(self, x):
        return self.layer(x) + x


class Product(Branching):
    def forward(self, x):
        h = self.layer(x)
        return h * torch.tanh(h)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Branching(), "cannot be followed"),
        (Skipping(), "an input skips the first layer"),
        (Product(), "no sum"),
        (nn.Sequential(nn.LSTM(2, 2)), "is a LSTM"),
        (nn.Sequential(nn.ReLU()), "no linear or convolutional layer"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(model, expected):
    with pytest.raises(InputError, match=expected):
        from_model(model)


def test_weights_that_are_not_finite_are_refused():
    model, layers = chain(2, 2)
    with torch.no_grad():
        layers[0].weight[0, 0] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        from_model(model)
