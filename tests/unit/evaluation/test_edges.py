import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from reference.evaluation import dense, network_score
from sklearn.metrics import average_precision_score

from niwaki.core import AlignmentError, Network
from niwaki.evaluation import assayed_regulators, score_network, strongest

SIM350 = Path(os.environ.get("NIWAKI_DATA", "no folder")) / "sim350"
GENES = tuple("abcd")


def net(*edges, weight=None):
    return Network.from_edges(
        [e[0] for e in edges], [e[1] for e in edges], weight=weight, genes=GENES
    )


def random_network(rng, genes=12, edges=30, levels=4):
    keys = rng.choice(genes * genes, edges, replace=False)
    names = tuple(str(i) for i in range(genes))
    weight = rng.integers(1, levels + 1, edges) * rng.choice([-1.0, 1.0], edges)
    return Network(names, keys % genes, keys // genes, weight)


def test_a_small_case_by_hand():
    truth = net("ab", "ac", "bd")
    prior = net("ab", "da", "cd")
    fit = net("ab", "ac", "da", "cb", weight=[4.0, -3.0, 2.0, 1.0])
    row = score_network(fit, truth, method="fit", prior=prior, sparsity=0.75)
    assert (row.method, row.sparsity, row.edges, row.mean_out_degree) == ("fit", 0.75, 4, 1.0)
    assert (row.precision, row.recall) == (2 / 4, 2 / 3)
    assert row.f1 == pytest.approx(4 / 7)
    assert row.balanced_accuracy == pytest.approx((2 / 3 + 11 / 13) / 2)
    # true at ranks 1 and 2, the third somewhere among the 12 pairs left: 3/16 at full recall
    assert row.auprc == pytest.approx((1 + 1 + 3 / 16) / 3)
    assert row.auprc_ratio == pytest.approx(row.auprc / (3 / 16))
    assert row.early_precision == pytest.approx(2 / 3)
    assert (row.missing, row.missing_found) == (2, 1 / 2)  # ac found, bd not
    assert (row.false, row.false_rejected) == (2, 1 / 2)  # cd rejected, da kept


@pytest.mark.parametrize("seed", range(8))
def test_auprc_is_that_of_scikit_learn_with_ties_and_absent_edges_at_zero(seed):
    rng = np.random.default_rng(seed)
    fit = random_network(rng, edges=int(rng.integers(1, 144)))
    truth = random_network(rng, edges=int(rng.integers(1, 144)))
    row = score_network(fit, truth, method="fit")
    expected = average_precision_score(
        ~np.isnan(dense(truth)).ravel(), np.abs(np.nan_to_num(dense(fit))).ravel()
    )
    assert row.auprc == pytest.approx(expected, rel=1e-12)  # rounding of a sum of at most 144 terms


def test_early_precision_is_the_mean_over_random_orders_of_ties():
    rng = np.random.default_rng(5)
    truth = random_network(rng, edges=25)
    for edges in (10, 25, 60):  # fewer edges than true ones, as many, more
        fit = random_network(rng, edges=edges, levels=2)
        strength = np.abs(np.nan_to_num(dense(fit))).ravel()
        true = ~np.isnan(dense(truth)).ravel()
        draws = [
            true[np.lexsort((rng.random(strength.size), -strength))[:25]].mean()
            for _ in range(4000)
        ]
        row = score_network(fit, truth, method="fit")
        # five standard errors of the mean of the draws
        room = 5 * np.std(draws) / np.sqrt(len(draws)) + 1e-12
        assert row.early_precision == pytest.approx(np.mean(draws), abs=room)


def test_only_assayed_regulators_count_when_asked():
    chip = net("ab", "ac", "bd")
    np.testing.assert_array_equal(assayed_regulators(chip), [0, 1])
    fit = net("ab", "bd", "ca", "cb", "da")
    everywhere = score_network(fit, chip, method="fit")
    assayed = score_network(fit, chip, method="fit", sources=assayed_regulators(chip))
    assert (everywhere.precision, everywhere.edges) == (2 / 5, 5)
    assert (assayed.precision, assayed.edges, assayed.mean_out_degree) == (1.0, 2, 1.0)
    assert assayed.recall == everywhere.recall == 2 / 3
    assert assayed.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)


def test_the_assayed_scope_holds_for_the_prior_too():
    chip = net("ab", "ac")
    prior = net("ab", "ad", "cd", "db")  # only ad can be called false: c and d were not assayed
    row = score_network(prior, chip, method="prior alone", prior=prior, sources=np.array([0]))
    assert (row.missing, row.missing_found) == (1, 0.0)
    assert (row.false, row.false_rejected) == (1, 0.0)


def test_the_prior_alone_finds_nothing_missing_and_rejects_nothing_false():
    rng = np.random.default_rng(0)
    prior, truth = random_network(rng), random_network(rng)
    row = score_network(prior, truth, method="prior alone", prior=prior)
    assert row.missing > 0
    assert row.false > 0
    assert (row.missing_found, row.false_rejected) == (0.0, 0.0)


def test_a_perfect_network_scores_one():
    truth = random_network(np.random.default_rng(0))
    row = score_network(truth, truth, method="fit", prior=net_of_nothing(truth.genes))
    for name in ("precision", "recall", "f1", "balanced_accuracy", "auprc", "early_precision"):
        assert getattr(row, name) == 1.0, name
    assert (row.missing_found, row.false, row.false_rejected) == (1.0, 0, None)


def net_of_nothing(genes=GENES):
    none = np.zeros(0, dtype=np.int64)
    return Network(tuple(genes), none, none, np.zeros(0))


def test_shares_without_a_denominator_are_none_and_nothing_warns():
    nothing, some = net_of_nothing(), net("ab", "cd")
    row = score_network(nothing, some, method="fit", prior=some)
    assert (row.precision, row.recall, row.f1, row.edges) == (None, 0.0, 0.0, 0)
    assert row.auprc == pytest.approx(2 / 16)  # nothing ranked: chance
    assert row.early_precision == pytest.approx(2 / 16)
    assert (row.missing, row.missing_found, row.false, row.false_rejected) == (0, None, 0, None)
    row = score_network(some, nothing, method="fit", prior=nothing)
    assert (row.precision, row.recall, row.f1) == (0.0, None, 0.0)
    assert (row.balanced_accuracy, row.auprc, row.auprc_ratio) == (None, None, None)
    assert row.early_precision is None
    row = score_network(nothing, nothing, method="fit")
    assert (row.f1, row.missing, row.false) == (None, None, None)
    row = score_network(some, some, method="fit", sources=np.zeros(0, dtype=np.int64))
    assert (row.edges, row.mean_out_degree, row.recall, row.f1, row.auprc) == (
        0,
        0,
        None,
        None,
        None,
    )


def test_where_every_pair_is_true_balanced_accuracy_is_undefined():
    every = Network.from_matrix(np.ones((4, 4)), GENES)
    row = score_network(net("ab"), every, method="fit")
    assert (row.balanced_accuracy, row.auprc, row.early_precision) == (None, 1.0, 1.0)


def test_an_edge_of_weight_zero_is_an_edge_and_ranks_above_none():
    fit = net("ab", weight=[0.0])
    row = score_network(fit, net("ab"), method="fit")
    assert (row.edges, row.precision, row.auprc) == (1, 1.0, 1.0)


@pytest.mark.parametrize("role", ["reference", "prior"])
def test_networks_over_other_genes_are_refused(role):
    other = Network.from_edges(["a"], ["b"], genes=("b", "a", "c", "d"))
    networks = {"reference": net("ab"), "prior": net("ab"), role: other}
    with pytest.raises(AlignmentError) as caught:
        score_network(net("ab"), networks["reference"], method="fit", prior=networks["prior"])
    assert str(caught.value) == (
        f"the predicted network (4 genes) and the {role} (4 genes) do not list the same genes in "
        "the same order; align both to the same genes first."
    )


def test_strongest_takes_the_largest_sizes_and_breaks_ties_by_key():
    fit = net("dc", "ab", "ba", "cd", weight=[1.0, -3.0, 1.0, 1.0])
    kept = strongest(fit, 2)  # keys: ba = 1, ab = 4, dc = 11, cd = 14
    assert set(zip(kept.source, kept.target, strict=True)) == {(0, 1), (1, 0)}
    assert len(strongest(fit, 0)) == len(strongest(fit, -1)) == 0
    assert len(strongest(fit, 9)) == 4


@pytest.mark.skipif(not SIM350.is_dir(), reason="NIWAKI_DATA names no folder with sim350")
@pytest.mark.parametrize(
    ("share", "shared", "balanced", "f1"),
    [("0.025", 523, 0.975, 0.951), ("0.05", 495, 0.950, 0.900), ("0.1", 440, 0.900, 0.800)],
)
def test_the_corrupted_priors_of_sim350_score_as_known(share, shared, balanced, f1):
    genes = (SIM350 / "genes.txt").read_text().split()
    edges = {}
    for name in ("truth", f"prior_{share}"):
        lines = (SIM350 / f"{name}.tsv").read_text().splitlines()[1:]
        cells = [line.split("\t") for line in lines]
        edges[name] = Network.from_edges([c[0] for c in cells], [c[1] for c in cells], genes=genes)
    prior, truth = edges[f"prior_{share}"], edges["truth"]
    row = score_network(prior, truth, method="prior alone", prior=prior)
    assert len(truth) == 550
    assert round(row.recall * 550) == shared
    # published to three decimals
    assert row.balanced_accuracy == pytest.approx(balanced, abs=6e-4)
    assert row.f1 == pytest.approx(f1, abs=6e-4)
    assert (row.missing_found, row.false_rejected) == (0.0, 0.0)


@pytest.mark.slow
def test_twenty_thousand_genes_and_a_million_edges_need_no_dense_matrix():
    rng = np.random.default_rng(0)
    n, edges = 20_000, 1_000_000
    names = tuple(f"g{i}" for i in range(n))

    def draw():
        keys = np.unique(rng.integers(0, n * n, edges))
        return Network(names, keys % n, keys // n, rng.normal(size=len(keys)))

    fit, truth, prior = draw(), draw(), draw()
    tracemalloc.start()
    before = time.process_time()
    row = score_network(fit, truth, method="fit", prior=prior)
    seconds = time.process_time() - before
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert row.auprc_ratio == pytest.approx(1, abs=0.1)  # a random network is chance
    assert seconds < 30  # a second or two in truth; the limit only rules out loops over pairs
    assert peak < 200e6  # one byte per pair would be 400 MB


def test_scores_equal_the_dense_twin_in_a_scope_too():
    rng = np.random.default_rng(3)
    fit, truth, prior = (random_network(rng, edges=e) for e in (50, 20, 30))
    sources = np.array([1, 4, 7])
    row = score_network(fit, truth, method="fit", prior=prior, sources=sources)
    twin = network_score(dense(fit), dense(truth), dense(prior), sources)
    for name, value in twin.items():
        assert getattr(row, name) == pytest.approx(value), name
