import tracemalloc
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from reference.pruning_modules import layer_knowledge
from scipy import sparse
from torch import nn

from niwaki.core import AlignmentError, ConfigError
from niwaki.pruning import (
    ChainKnowledge,
    Pruner,
    chain_knowledge,
    chain_scorer,
    layer_scores,
    masks_of,
    mixed,
)


def make_chain(rng, widths=(6, 4, 5, 3)):
    shapes = [(b, a) for a, b in pairwise(widths)]
    sizes = [torch.from_numpy(rng.random(shape)) for shape in shapes]
    masks = [torch.from_numpy(rng.random(shape) < 0.8) for shape in shapes]
    return sizes, masks


@pytest.mark.parametrize("widths", [(6, 4, 3), (6, 4, 5, 3), (5, 3, 4, 3, 6)])
def test_scores_of_two_and_more_layers_are_those_of_the_slow_twin(widths, rng):
    sizes, masks = make_chain(rng, widths)
    paths = rng.random((widths[-1], widths[0])) * (rng.random((widths[-1], widths[0])) < 0.5)
    known = chain_knowledge(paths=paths)
    ours = layer_scores(sizes, masks, known, inner=0.3, last=0.7)
    slow = layer_knowledge(
        [s.numpy() for s in sizes],
        [m.numpy() for m in masks],
        paths,
        paths.T @ paths,
        inner=0.3,
        last=0.7,
        ridge=1e-3,
    )
    for found, twin, mask in zip(ours.mixed, slow, masks, strict=True):
        # the same multiplicative steps, summed in another order
        np.testing.assert_allclose(found.numpy()[mask], twin[mask.numpy()], rtol=1e-6, atol=1e-12)


def test_no_table_of_genes_by_genes_is_made(rng):
    genes, hidden = 3000, 4
    sizes = [torch.from_numpy(rng.random(shape)) for shape in ((hidden, genes), (genes, hidden))]
    masks = [torch.ones(size.shape, dtype=torch.bool) for size in sizes]
    known = sparse.random_array((genes, genes), density=1e-3, format="csr", random_state=1)
    knowledge = ChainKnowledge(known, sparse.csr_array(known.T @ known))
    tracemalloc.start()
    layer_scores(sizes, masks, knowledge)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < genes**2 * 8 / 4


def test_weight_zero_is_size_alone_and_each_layer_sums_to_one(rng):
    sizes, masks = make_chain(rng)
    found = layer_scores(
        sizes, masks, chain_knowledge(paths=rng.random((3, 6))), inner=0.0, last=0.0
    )
    for size, mask, score, known in zip(sizes, masks, found.mixed, found.knowledge, strict=True):
        torch.testing.assert_close(score, size * mask / (size * mask).sum())
        assert float(known[mask].sum()) == pytest.approx(1)


def test_what_is_unknown_leaves_size_alone(rng):
    sizes, masks = make_chain(rng)
    only_inputs = chain_knowledge(together=rng.random((6, 6)))
    found = layer_scores(sizes, masks, only_inputs, inner=1.0, last=1.0)
    last = sizes[-1] * masks[-1]
    torch.testing.assert_close(found.mixed[-1], last / last.sum())
    first = sizes[0] * masks[0]
    assert not torch.allclose(found.mixed[0], first / first.sum())


def test_groups_say_that_members_belong_together():
    known = chain_knowledge(
        groups={"one": ["a", "b"], "two": ["b", "c", "stranger"]}, inputs=["a", "b", "c"]
    )
    assert known.together.toarray().tolist() == [[1, 1, 0], [1, 2, 1], [0, 1, 1]]
    assert known.paths is None


def test_a_table_in_another_order_is_put_right():
    table = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], index=["y", "x"], columns=["b", "a"])
    known = chain_knowledge(paths=table, inputs=["a", "b"], outputs=["x", "y"])
    assert known.paths.toarray().tolist() == [[4, 3], [2, 1]]


def test_knowledge_finds_the_paths_of_a_three_layer_network():
    """Two blocks of inputs act on two blocks of outputs; knowledge prunes what joins the blocks."""
    block = np.kron(np.eye(2), np.ones((4, 4)))
    net = nn.Sequential(*(nn.Linear(8, 8, bias=False) for _ in range(3))).double()
    names = ["0.weight", "1.weight", "2.weight"]
    with torch.no_grad():
        for name in names:
            net.get_parameter(name).uniform_(0.9, 1.1, generator=torch.Generator().manual_seed(0))
    scorer = chain_scorer(names, chain_knowledge(paths=block), inner=0.9, last=0.9)
    criterion = mixed({"magnitude": 0.1, "knowledge": 0.9})
    pruner = Pruner(net, 0.6, criterion=criterion, knowledge=scorer, rounds=4)
    pruner.step()
    product = torch.linalg.multi_dot([masks_of(net)[n].double() for n in reversed(names)]).numpy()
    inside, outside = (product > 0)[block > 0].mean(), (product > 0)[block == 0].mean()
    assert inside > outside + 0.3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s, m: layer_scores(s[:1], m[:1], chain_knowledge(paths=np.ones((4, 6)))), "two or"),
        (
            lambda s, m: layer_scores(s[::-1], m[::-1], chain_knowledge(paths=np.ones((3, 6)))),
            "fol",
        ),
        (lambda s, m: layer_scores(s, m, chain_knowledge(paths=np.ones((6, 3)))), r"\(6, 3\), but"),
        (lambda s, m: layer_scores(s, m, chain_knowledge(together=np.eye(5))), "covers 5 inputs"),
        (lambda s, m: layer_scores(s, m, chain_knowledge(paths=np.ones((3, 6))), inner=2.0), "inn"),
        (lambda s, m: ChainKnowledge(), "nothing is known"),
        (lambda s, m: chain_knowledge(together=np.eye(2), groups={}), "choose one"),
        (lambda s, m: chain_knowledge(paths=np.full((2, 2), np.nan)), "missing number"),
        (lambda s, m: chain_knowledge(groups={"g": ["x"]}, inputs=["y"]), "none of the 1 inputs"),
        (
            lambda s, m: chain_knowledge(
                paths=pd.DataFrame([[1.0]], index=["y"], columns=["a"]), inputs=["b"], outputs=["y"]
            ),
            "lacks the column 'b'",
        ),
        (lambda s, m: chain_knowledge(paths=np.ones((2, 2)), inputs=["a"]), "network's order"),
    ],
)
def test_what_does_not_fit_is_a_sentence(call, words, rng):
    with pytest.raises((AlignmentError, ConfigError), match=words):
        call(*make_chain(rng))
