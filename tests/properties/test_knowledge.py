import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.knowledge import in_and_out_degrees

from niwaki.core import Network
from niwaki.knowledge import align, drop_edges, move_edges, read_network, shuffle, transpose

names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
    lambda name: not name.startswith("#")
)


# the network is built in the test: the run-time type checker draws random numbers, which
# strategies must not
cases = st.integers(2, 12).flatmap(
    lambda genes: st.tuples(
        st.just(genes),
        st.lists(st.integers(0, genes**2 - 1), min_size=1, max_size=30, unique=True),
    )
)


def make_network(case):
    genes, keys = case[0], np.array(case[1], dtype=np.int64)
    names = tuple(f"g{i}" for i in range(genes))
    # any rule for weights will do: they must travel with their edges
    return Network(names, keys % genes, keys // genes, 0.5 + (keys % 7))


@given(case=cases, seed=st.integers(0, 999), extra=st.integers(0, 3))
@settings(deadline=None)
def test_aligning_twice_changes_nothing_and_a_permuted_prior_aligns_alike(case, seed, extra):
    network = make_network(case)
    genes = [f"new{i}" for i in range(extra)] + [f"g{i}" for i in range(len(network.genes))]
    once, report = align(network, genes, file="p")
    again, second = align(once, genes, file="p")
    np.testing.assert_array_equal(once.keys(), again.keys())
    assert report.edges_kept == second.edges_kept == len(network)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(network.genes))
    place = np.argsort(order)
    row = rng.permutation(len(network))
    permuted = Network(
        tuple(network.genes[i] for i in order),
        place[network.source][row],
        place[network.target][row],
        network.weight[row],
    )
    other, _ = align(permuted, genes, file="p")
    np.testing.assert_array_equal(other.to_sparse().toarray(), once.to_sparse().toarray())


@given(case=cases)
def test_transposing_twice_changes_nothing(case):
    network = make_network(case)
    back = transpose(transpose(network))
    np.testing.assert_array_equal(back.keys(), network.keys())
    np.testing.assert_array_equal(
        transpose(network).to_sparse().toarray(), network.to_sparse().toarray().T
    )


@given(case=cases, share=st.floats(0, 1), seed=st.integers(0, 999))
@settings(deadline=None)
def test_dropping_and_moving_change_exactly_the_asked_number(case, share, seed):
    network = make_network(case)
    rng = np.random.default_rng(seed)
    before = set(network.keys())
    wanted = round(share * len(network))
    dropped = drop_edges(network, share, rng=rng)
    assert set(dropped.keys()) <= before
    assert len(dropped) == len(network) - wanted
    genes = len(network.genes)
    room = genes * (genes - 1) - int((network.source != network.target).sum())
    if wanted > room:
        return
    moved = move_edges(network, share, rng=rng)
    assert len(set(moved.keys()) & before) == len(network) - wanted
    assert len(moved) == len(network)
    assert sorted(moved.weight) == sorted(network.weight)


@given(case=cases, seed=st.integers(0, 999))
@settings(deadline=None)
def test_a_shuffle_keeps_degrees_weights_per_source_and_makes_no_copies_or_loops(case, seed):
    network = make_network(case)
    mixed = shuffle(network, rng=np.random.default_rng(seed))
    assert in_and_out_degrees(mixed) == in_and_out_degrees(network)
    assert len(set(mixed.keys())) == len(network)
    loops = mixed.source == mixed.target
    assert loops.sum() == (network.source == network.target).sum()
    np.testing.assert_array_equal(mixed.source, network.source)
    np.testing.assert_array_equal(mixed.weight, network.weight)


@given(pairs=st.lists(st.tuples(names, names), min_size=1, max_size=8, unique=True))
@settings(deadline=None)
def test_a_written_list_reads_back_whatever_the_names(tmp_path_factory, pairs):
    quoted = "\n".join(
        ",".join('"' + name.replace('"', '""') + '"' for name in pair) for pair in pairs
    )
    path = tmp_path_factory.mktemp("names") / "prior.csv"
    path.write_text(f"source,target\n{quoted}\n", encoding="utf-8")
    network = read_network(path).network
    found = {
        (network.genes[s], network.genes[t])
        for s, t in zip(network.source, network.target, strict=True)
    }
    assert found == set(pairs)
