"""Small graphs for the tests of motifs."""

import itertools

import numpy as np

from niwaki.motifs import LayeredGraph, from_weights


def random_graph(rng, sizes=(3, 4, 3), *, density=0.5, biases=True):
    weights = [
        rng.normal(size=(o, i)) * (rng.random((o, i)) < density)
        for i, o in itertools.pairwise(sizes)
    ]
    vectors = [rng.normal(size=o) * (rng.random(o) < density) for o in sizes[1:]]
    return from_weights(weights, biases=vectors if biases else None)


def random_skips(rng, sizes=(3, 3, 2), density=0.6):
    from scipy import sparse

    blocks = {}
    for s in range(len(sizes)):
        for t in range(s + 1, len(sizes)):
            mask = rng.random((sizes[t], sizes[s])) < density
            block = sparse.csr_array(mask * rng.normal(size=mask.shape))
            block.eliminate_zeros()
            blocks[s, t] = block
    return LayeredGraph(tuple(sizes), blocks, {})


def key(flat):
    return np.sort(flat.source * flat.nodes + flat.target)
