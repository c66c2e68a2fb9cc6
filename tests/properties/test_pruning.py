import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.pruning import keep_top as slow_keep_top

from niwaki.core import Network
from niwaki.knowledge import Knowledge, knowledge_from
from niwaki.pruning import (
    CHAIN_NEEDS,
    CRITERIA,
    Chain,
    ErdosRenyi,
    Global,
    NOfM,
    PaperSchedule,
    PerLayer,
    ScoreOptions,
    Unstructured,
    keep_top,
    prune_chain,
    rewire,
)

seeds = st.integers(0, 10_000)
lambdas = st.floats(0, 1)


def make_case(seed, *, genes=8, hidden=4):
    rng = np.random.default_rng(seed)
    chain = Chain(
        "sum",
        torch.from_numpy(rng.normal(size=(hidden, genes))),
        torch.from_numpy(rng.normal(size=(genes, hidden))),
        torch.from_numpy(rng.random((hidden, genes)) < 0.8),
        torch.from_numpy(rng.random((genes, hidden)) < 0.8),
        torch.from_numpy(np.maximum(rng.normal(size=genes), 0)),
    )
    matrix = np.where(rng.random((genes, genes)) < 0.3, rng.random((genes, genes)), 0)
    return chain, knowledge_from(Network.from_matrix(matrix, [str(i) for i in range(genes)]))[0]


def dash(chain, knowledge, lambda_ppi, lambda_prior):
    options = ScoreOptions(lambda_ppi=lambda_ppi, lambda_prior=lambda_prior)
    rng = np.random.default_rng(0)
    return CRITERIA["dash"](chain, knowledge, options=options, state=None, rng=rng)


@given(seed=seeds, size=st.integers(1, 40), levels=st.integers(1, 4), share=st.floats(0, 1))
def test_the_count_is_exact_and_the_order_right_even_with_ties(seed, size, levels, share):
    rng = np.random.default_rng(seed)
    score, ties = rng.integers(0, levels, (2, size)).astype(float)
    mask = rng.random(size) < 0.7
    keep = round(share * mask.sum())
    kept = keep_top(
        torch.from_numpy(mask), torch.from_numpy(score), keep=keep, ties=torch.from_numpy(ties)
    )
    assert kept.sum() == keep
    np.testing.assert_array_equal(kept.numpy(), slow_keep_top(mask, score, ties, keep))


@given(seed=seeds, name=st.sampled_from(sorted(set(CRITERIA) - set(CHAIN_NEEDS))))
@settings(max_examples=30, deadline=None)
def test_masks_only_shrink_whatever_the_criterion(seed, name):
    chain, knowledge = make_case(seed)
    schedule, state = PaperSchedule(first_epoch=1, period=2, rate=0.3), None
    rng = np.random.default_rng(seed)
    for epoch in (1, 2, 4, 6):
        before = chain
        scores = CRITERIA[name](
            chain,
            knowledge,
            options=ScoreOptions(lambda_ppi=0.3, lambda_prior=0.3),
            state=state,
            rng=rng,
        )
        chain = prune_chain(chain, scores, schedule=schedule, epoch=epoch)
        state = scores.state
        assert not (chain.first_mask & ~before.first_mask).any()
        assert not (chain.output_mask & ~before.output_mask).any()


@given(seed=seeds, keep=st.integers(0, 32))
@settings(deadline=None)
def test_lambda_zero_keeps_what_magnitude_keeps(seed, keep):
    chain, knowledge = make_case(seed)
    ours = dash(chain, knowledge, 0.0, 0.0)
    plain = CRITERIA["magnitude"](
        chain, None, options=ScoreOptions(), state=None, rng=np.random.default_rng(0)
    )
    for mask, a, b in (
        (chain.first_mask, ours.first, plain.first),
        (chain.output_mask, ours.output, plain.output),
    ):
        assert torch.equal(keep_top(mask, a, keep=keep), keep_top(mask, b, keep=keep))


@given(seed=seeds, lambda_ppi=lambdas, lambda_prior=lambdas)
@settings(max_examples=30, deadline=None)
def test_renaming_hidden_units_renames_scores(seed, lambda_ppi, lambda_prior):
    chain, knowledge = make_case(seed)
    order = torch.from_numpy(np.random.default_rng(seed + 1).permutation(4))
    moved = Chain(
        "sum",
        chain.first[order],
        chain.output[:, order],
        chain.first_mask[order],
        chain.output_mask[:, order],
        chain.output_scale,
    )
    plain = dash(chain, knowledge, lambda_ppi, lambda_prior)
    other = dash(moved, knowledge, lambda_ppi, lambda_prior)
    # sums run in another order, and a few hundred steps amplify the rounding; scores sum to 1
    torch.testing.assert_close(other.first, plain.first[order], rtol=0, atol=1e-6)
    torch.testing.assert_close(other.output, plain.output[:, order], rtol=0, atol=1e-6)


@given(seed=seeds, lambda_ppi=lambdas, lambda_prior=lambdas)
@settings(max_examples=30, deadline=None)
def test_another_order_of_genes_reorders_scores(seed, lambda_ppi, lambda_prior):
    chain, knowledge = make_case(seed)
    order = np.random.default_rng(seed + 1).permutation(8)
    index = torch.from_numpy(order)
    moved = Chain(
        "sum",
        chain.first[:, index],
        chain.output[index],
        chain.first_mask[:, index],
        chain.output_mask[index],
        chain.output_scale[index],
    )
    reordered = Knowledge(knowledge.prior[order][:, order], knowledge.ppi[order][:, order])
    plain = dash(chain, knowledge, lambda_ppi, lambda_prior)
    other = dash(moved, reordered, lambda_ppi, lambda_prior)
    # as above
    torch.testing.assert_close(other.first, plain.first[:, index], rtol=0, atol=1e-6)
    torch.testing.assert_close(other.output, plain.output[index], rtol=0, atol=1e-6)


@given(seed=seeds, factor=st.sampled_from([2.0**-20, 0.25, 2.0, 2.0**20]))
@settings(max_examples=30, deadline=None)
def test_the_scale_of_the_weights_does_not_matter(seed, factor):
    chain, knowledge = make_case(seed)
    scaled = Chain(
        "sum",
        chain.first * factor,
        chain.output / factor,
        chain.first_mask,
        chain.output_mask,
        chain.output_scale,
    )
    plain, other = dash(chain, knowledge, 0.4, 0.4), dash(scaled, knowledge, 0.4, 0.4)
    # powers of two scale without rounding
    assert torch.equal(plain.first, other.first)
    assert torch.equal(plain.output, other.output)


@given(seed=seeds, share=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_an_exchange_keeps_the_number_and_never_the_smallest(seed, share):
    rng = np.random.default_rng(seed)
    mask = torch.from_numpy(rng.random((5, 7)) < 0.5)
    weight, grow = (torch.from_numpy(rng.normal(size=(5, 7))) for _ in range(2))
    found = rewire(mask, weight, grow, share=share)
    assert int(found.sum()) == int(mask.sum())
    stayed, fell = weight[mask & found].abs(), weight[mask & ~found].abs()
    assert not (stayed.numel() and fell.numel()) or stayed.min() >= fell.max()


@given(
    seed=seeds,
    sparsities=st.lists(st.floats(0, 0.99), min_size=1, max_size=4),
    budget=st.sampled_from([PerLayer(), Global(), ErdosRenyi()]),
    pattern=st.sampled_from([Unstructured(), NOfM(2, 4), NOfM(1, 3)]),
)
@settings(max_examples=40, deadline=None)
def test_any_budget_and_pattern_shrinks_to_exact_counts_with_ties(
    seed, sparsities, budget, pattern
):
    rng = np.random.default_rng(seed)
    masks = {"a": torch.ones(6, 8).bool(), "b": torch.ones(4, 6).bool()}
    for sparsity in sorted(sparsities):
        scores = {
            n: torch.from_numpy(rng.integers(0, 3, m.shape)).double() for n, m in masks.items()
        }
        items = {n: pattern.items(scores[n], m) for n, m in masks.items()}
        kept = budget.keep(items, sparsity)
        after = {n: pattern.mask(kept[n], m) for n, m in masks.items()}
        assert not any((after[n] & ~masks[n]).any() for n in masks)
        masks = after
        if isinstance(budget, PerLayer):
            assert [int(m.sum()) for m in masks.values()] == [
                48 - round(sparsity * 48),
                24 - round(sparsity * 24),
            ]
        else:
            assert sum(int(m.sum()) for m in masks.values()) == 72 - round(sparsity * 72)
