"""What holds for every field of the decay form, every gap and every method."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.dynamics import Relaxation, phi

from niwaki.core import Pairs
from niwaki.dynamics import METHODS, PhoenixField, make_batches, solve
from niwaki.dynamics._phi import phi_functions

methods = st.sampled_from(sorted(METHODS))
decays = st.floats(0, 60)
gap_lists = st.lists(st.sampled_from([0.1, 0.5, 1.0, 2.0, 4.0]), min_size=1, max_size=6)
quick = settings(deadline=None, max_examples=25)


@quick
@given(st.lists(decays, min_size=1, max_size=20))
def test_phi_functions_are_right_everywhere(values):
    z = torch.tensor(values, dtype=torch.float64)
    for k, found in enumerate(phi_functions(z), start=1):
        exact = torch.tensor([phi(k, value) for value in values], dtype=torch.float64)
        torch.testing.assert_close(found, exact, rtol=1e-15, atol=0)  # four eps


@quick
@given(gap_lists, methods, st.integers(0, 5))
def test_order_of_pairs_does_not_matter(gaps, name, seed):
    generator = torch.Generator().manual_seed(seed)
    field = PhoenixField(3, hidden=22, generator=generator).double()
    start = torch.rand(3, len(gaps), generator=generator).double()
    gaps = torch.tensor(gaps, dtype=torch.float64)
    order = torch.randperm(len(gaps), generator=generator)
    with torch.no_grad():
        ends = solve(field, start, gaps=gaps, method=METHODS[name]())
        moved = solve(field, start[:, order], gaps=gaps[order], method=METHODS[name]())
    # the same sums, in the order that the product takes for a column at another place
    torch.testing.assert_close(moved, ends[:, order], rtol=1e-12, atol=1e-14)


@quick
@given(
    st.floats(0, 1e4),
    st.floats(-2, 2),
    st.floats(-2, 2),
    st.floats(0.01, 50),
    st.sampled_from(["etd2", "etd4"]),
)
def test_relaxation_never_overshoots_however_stiff(rate, level, start, gap, name):
    field = Relaxation(torch.tensor([rate]), torch.tensor([level]))
    end = solve(
        field, torch.tensor([[start]]), gaps=torch.tensor([gap]), method=METHODS[name]()
    ).item()
    low, high = min(start, level), max(start, level)
    assert low - 1e-6 <= end <= high + 1e-6  # a few float32 roundings of values up to 2


@quick
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=8),
    st.one_of(st.integers(1, 40), st.just("trajectory")),
    st.integers(0, 10**6),
    st.integers(0, 1000),
)
def test_batches_partition_the_pairs(lengths, size, seed, epoch):
    trajectory = np.repeat(np.arange(len(lengths)), lengths)
    count = len(trajectory)
    pairs = Pairs(
        np.zeros((1, count)), np.zeros((1, count)), np.ones(count), trajectory, np.arange(count)
    )
    batches = make_batches(pairs, size=size, seed=seed, epoch=epoch)
    again = make_batches(pairs, size=size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
