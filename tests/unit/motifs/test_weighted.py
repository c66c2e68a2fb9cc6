import numpy as np
import pytest
from reference.motifs import PATTERNS, copies, edges_of, weights
from unit.motifs.graphs import random_graph, random_skips

from niwaki.core import InputError
from niwaki.motifs import _pairs as pairs_module
from niwaki.motifs import count, count_signed, flatten, weigh

KINDS = {
    "product": lambda w: abs(np.prod(w)),
    "signed": np.prod,
    "intensity": lambda w: abs(np.prod(w)) ** (1 / len(w)),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("make", [random_graph, random_skips])
def test_weights_equal_sums_over_copies(kind, make, rng):
    graph = make(rng)
    flat = flatten(graph)
    expected = weights(edges_of(flat), flat.nodes, KINDS[kind])
    found = weigh(graph, kind=kind)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("cost", [0.0, np.inf])
@pytest.mark.parametrize("seed", range(3))
def test_signs_equal_enumeration(seed, cost, monkeypatch):
    monkeypatch.setattr(pairs_module, "_SPARSE_COST", cost)
    graph = random_graph(np.random.default_rng(seed), (3, 3, 3))
    flat = flatten(graph)
    edges = edges_of(flat)
    found = count_signed(graph).total
    for name in ("bifan", "biparallel"):
        every = copies(edges, flat.nodes, PATTERNS[name])
        agree = sum(np.prod([np.sign(edges[e]) for e in copy]) > 0 for copy in every)
        assert found[f"coherent_{name}"] == agree
        assert found[f"incoherent_{name}"] == len(every) - agree


def test_signs_split_the_plain_count(rng):
    graph = random_graph(rng, (8, 9, 7, 3))
    plain, found = count(graph).by_layer, count_signed(graph)
    for name in ("bifan", "biparallel"):
        both = zip(found.coherent[name], found.incoherent[name], strict=True)
        assert tuple(a + b for a, b in both) == plain[name]


def test_an_unknown_kind_is_refused(rng):
    with pytest.raises(InputError, match="'product', 'signed' or 'intensity'"):
        weigh(random_graph(rng), kind="sum")
