from dataclasses import replace

import numpy as np
import pytest
import torch
from reference.knowledge import co_target_ppi as slow_ppi
from reference.pruning import released_scores

from niwaki.core import ConfigError, Network
from niwaki.knowledge import knowledge_from
from niwaki.pruning import (
    CRITERIA,
    Chain,
    PaperQuirks,
    ScoreOptions,
    keep_top,
    magnitude_score,
    random_score,
)

GENES = tuple(f"g{i}" for i in range(9))


def make_chain(rng, *, genes=9, hidden=3, living=1.0, multiplicative=False):
    return Chain(
        "sum",
        torch.from_numpy(rng.normal(size=(hidden, genes))),
        torch.from_numpy(rng.normal(size=(genes, hidden))),
        torch.from_numpy(rng.random((hidden, genes)) < living),
        torch.from_numpy(rng.random((genes, hidden)) < living),
        torch.from_numpy(np.maximum(rng.normal(size=genes), 0)),
        multiplicative,
    )


def make_prior(rng, *, genes=9, edges=25):
    matrix = np.zeros((genes, genes))
    matrix.flat[rng.choice(genes * genes, edges, replace=False)] = rng.choice([-1.0, 1.0], edges)
    return Network.from_matrix(matrix, GENES[:genes])


def score(name, chain, knowledge, *, state=None, rng=0, **options):
    return CRITERIA[name](
        chain,
        knowledge,
        options=ScoreOptions(**options),
        state=state,
        rng=np.random.default_rng(rng),
    )


@pytest.mark.parametrize("multiplicative", [False, True])
def test_dash_paper_equals_the_released_formulas_over_three_prunes(multiplicative):
    rng = np.random.default_rng(1)
    prior = make_prior(rng)
    known, _ = knowledge_from(prior)
    A = prior.to_sparse().toarray().T  # the paper's orientation
    R = slow_ppi(A)
    S = np.random.default_rng(5).random((3, 9))
    state = None
    for living in (1.0, 0.7, 0.5):
        chain = make_chain(rng, living=living, multiplicative=multiplicative)
        got = score(
            "dash-paper", chain, known, state=state, rng=5, lambda_ppi=0.5, lambda_prior=0.05
        )
        first, output = released_scores(
            (chain.first * chain.first_mask).numpy(),
            (chain.output * chain.output_mask).numpy(),
            chain.output_scale.numpy(),
            A,
            R,
            S,
            lambda1=0.5,
            lambda2=0.05,
            multiplicative=multiplicative,
        )
        # float64, well conditioned: only rounding differs
        np.testing.assert_allclose(got.first.numpy(), first, rtol=1e-9)
        np.testing.assert_allclose(got.output.numpy(), output, rtol=1e-9)
        S, state = first, got.state


@pytest.mark.parametrize("quirk", list(PaperQuirks.__dataclass_fields__))
def test_each_quirk_of_the_paper_can_be_switched_off_and_matters(quirk):
    rng = np.random.default_rng(2)
    known, _ = knowledge_from(make_prior(rng))
    chain = make_chain(rng, living=0.7, multiplicative=True)
    state = torch.from_numpy(rng.random((3, 9))) if quirk == "stored_state" else None
    with_it = score("dash-paper", chain, known, state=state)
    without = score(
        "dash-paper", chain, known, state=state, quirks=replace(PaperQuirks(), **{quirk: False})
    )
    changed = [
        not torch.equal(with_it.first, without.first),
        not torch.equal(with_it.output, without.output),
    ]
    assert any(changed)


def test_dash_without_quirks_of_scale_sums_to_one_over_survivors():
    rng = np.random.default_rng(3)
    known, _ = knowledge_from(make_prior(rng))
    chain = make_chain(rng, living=0.6)
    got = score("dash", chain, known, lambda_ppi=0.3, lambda_prior=0.8)
    # both parts sum to 1 over the survivors, so does every mixture, up to rounding
    assert float(got.first.sum()) == pytest.approx(1, abs=1e-12)
    assert float(got.output.sum()) == pytest.approx(1, abs=1e-12)
    assert not got.first[~chain.first_mask].any()
    assert not got.output[~chain.output_mask].any()


def test_dash_needs_no_state_and_no_randomness():
    rng = np.random.default_rng(4)
    known, _ = knowledge_from(make_prior(rng))
    chain = make_chain(rng)
    one, two = score("dash", chain, known, rng=1), score("dash", chain, known, rng=2)
    assert torch.equal(one.first, two.first)
    assert torch.equal(one.output, two.output)
    assert one.state is None


def test_knowledge_alone_gives_genes_outside_the_prior_nothing_so_magnitude_orders_them():
    rng = np.random.default_rng(5)
    prior = Network.from_edges(
        ["g0", "g0", "g1", "g1", "g2"], ["g4", "g5", "g5", "g6", "g7"], genes=GENES
    )
    known, _ = knowledge_from(prior)
    chain = make_chain(rng)
    got = score("knowledge", chain, known)
    assert not got.first[:, 3:].any()
    assert got.first[:, :3].sum() == pytest.approx(1)
    kept = keep_top(chain.first_mask, got.first, keep=20, ties=got.first_ties)
    nothing = (got.first == 0) & chain.first_mask
    weakest_kept = chain.first.abs()[nothing & kept].min()
    assert weakest_kept > chain.first.abs()[nothing & ~kept].max()


def test_knowledge_alone_fits_the_prior_equally_well_whatever_the_weights():
    rng = np.random.default_rng(6)
    prior = make_prior(rng)
    known, _ = knowledge_from(prior)
    wanted = known.ppi.diagonal()
    for seed in range(4):
        chain = make_chain(np.random.default_rng(seed), hidden=6)
        columns = (score("knowledge", chain, known).first ** 2).sum(0).numpy()
        # the weights choose places only: how much each regulator matters is given by the prior.
        # Six units cannot fit nine genes exactly, hence a correlation and not equality.
        assert np.corrcoef(columns, wanted)[0, 1] > 0.97


def test_without_edges_in_the_prior_dash_is_magnitude():
    rng = np.random.default_rng(7)
    known, _ = knowledge_from(Network.from_edges([], [], genes=GENES))
    chain = make_chain(rng)
    got, plain = score("dash", chain, known), score("magnitude", chain, None)
    assert torch.equal(got.first.flatten().argsort(), plain.first.flatten().argsort())
    assert torch.isfinite(got.output).all()


def test_a_dead_unit_and_an_empty_layer_give_finite_scores():
    rng = np.random.default_rng(8)
    known, _ = knowledge_from(make_prior(rng))
    chain = make_chain(rng)
    chain.first_mask[0] = False
    chain.output_mask[:] = False
    for name in ("dash", "knowledge", "magnitude", "random"):
        got = score(name, chain, known)
        assert torch.isfinite(got.first).all()
        assert torch.isfinite(got.output).all()


def test_random_scores_come_from_the_generator_alone():
    chain = make_chain(np.random.default_rng(9))
    one, two = score("random", chain, None, rng=1), score("random", chain, None, rng=1)
    assert torch.equal(one.output, two.output)
    assert not torch.equal(one.first, score("random", chain, None, rng=2).first)


def test_any_weight_tensor_can_be_scored():
    weight = torch.tensor([[1.0, -2.0], [0.0, 0.5]])
    assert magnitude_score(weight).tolist() == [[1, 2], [0, 0.5]]
    assert random_score(weight, rng=np.random.default_rng(0)).shape == weight.shape


@pytest.mark.parametrize("name", ["dash", "dash-paper", "knowledge"])
def test_a_missing_prior_is_named(name):
    with pytest.raises(ConfigError, match="needs a prior"):
        score(name, make_chain(np.random.default_rng(0)), None)


def test_an_inverse_that_does_not_exist_is_explained():
    known, _ = knowledge_from(Network.from_edges(["g0", "g1"], ["g2", "g3"], genes=GENES))
    chain = make_chain(np.random.default_rng(0))
    with pytest.raises(ConfigError, match="fewer regulators"):
        score("dash-paper", chain, known, lambda_ppi=1.0)


@pytest.mark.parametrize("options", [{"lambda_ppi": 1.2}, {"lambda_prior": -0.1}, {"ridge": 0.0}])
def test_options_out_of_range_are_named(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        ScoreOptions(**options)
