import numpy as np
import pytest
from reference import evaluation as slow
from unit.sweep.generated import shrink

from niwaki.core import ConfigError, derived_seed
from niwaki.evaluation import score_network, strongest
from niwaki.experiment import run_rounds
from niwaki.sweep import GeneratedRow, _networks, benchmark_networks
from niwaki.sweep._reliability import Claims, reliability


def case(*, number=0, seed=0):
    return _networks._draw(np.random.default_rng(derived_seed(seed, "network", number)))


@pytest.fixture(scope="module")
def benchmark():
    """Two small networks; the result, what each fit was given, and every scoring and claim."""
    fits, scored, claimed = [], [], []

    def fit(material, config, **options):
        fits.append((material, config))
        return run_rounds(material, config, **options)

    def score(predicted, reference, **options):
        scored.append((predicted, reference, options))
        return score_network(predicted, reference, **options)

    def tabulate(claims):
        claimed.extend(claims)
        return reliability(claims)

    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.setattr(_networks, "run_rounds", fit)
        patch.setattr(_networks, "score_network", score)
        patch.setattr(_networks, "reliability", tabulate)
        found = benchmark_networks(2, quick=True)
    return found, fits, scored, claimed


@pytest.fixture
def cases(monkeypatch):
    shrink(monkeypatch)
    return [case(number=number) for number in range(2)]


# ------------------------------------------------------------------------------------- networks
def test_another_number_or_seed_gives_another_network():
    drawn = [case(), case(number=1), case(seed=1)]
    assert len({c.setting.or_share for c in drawn}) == 3
    again = case()
    assert again.setting == drawn[0].setting
    np.testing.assert_array_equal(again.truth.keys(), drawn[0].truth.keys())
    np.testing.assert_array_equal(again.prior.keys(), drawn[0].prior.keys())
    np.testing.assert_array_equal(again.train.stack(), drawn[0].train.stack())


def test_settings_stay_within_what_is_promised():
    for number in range(3):
        one = case(number=number)
        setting = one.setting
        assert 20 <= setting.genes == len(one.truth.genes) <= 200
        assert 1.5 <= setting.in_degree <= 2.5
        assert 0.3 <= setting.or_share <= 0.7
        assert 0.5 <= setting.activation_share <= 0.9
        assert setting.noise in (0.025, 0.05, 0.1)
        assert setting.moved in (0.05, 0.1, 0.2)
        assert (len(one.train), len(one.test)) == (60, 10)


def test_the_prior_has_the_named_share_of_its_edges_elsewhere(cases):
    for one in cases:
        wrong = int((~np.isin(one.prior.keys(), one.truth.keys())).sum())
        assert len(one.prior) == len(one.truth)
        assert wrong == round(one.setting.moved * len(one.truth))


def test_training_data_are_noisy_and_test_data_are_not(cases):
    one = cases[0]
    inputs = np.setdiff1d(np.arange(one.setting.genes), one.truth.target)  # these stay constant
    for item in one.test.items:
        assert np.ptp(item.values[:, inputs], axis=0) == pytest.approx(0, abs=1e-7)  # of solving
    spread = np.mean([item.values[:, inputs].std(0, ddof=1).mean() for item in one.train.items])
    # of 8 trajectories times some inputs; clipping at 0 takes a little away
    assert spread == pytest.approx(one.setting.noise, rel=0.4)


# ------------------------------------------------------------------------------------- rows
def test_every_network_has_a_row_of_its_prior_and_one_of_its_fit(benchmark, cases):
    rows = benchmark[0].rows
    assert [(row.dataset, row.method) for row in rows] == [
        (f"network {number:03d}", method)
        for number in range(2)
        for method in ("prior alone", "gene")
    ]
    for one, alone, fitted in zip(cases, rows[::2], rows[1::2], strict=True):
        for row in (alone, fitted):
            assert vars(one.setting).items() <= row.model_dump().items()
            assert (row.seed, row.quick) == (0, True)
        assert alone.one_step_mse is alone.cpu_seconds is alone.held_out_loss is None
        assert min(fitted.one_step_mse, fitted.rollout_mse, fitted.held_out_loss) > 0
        assert min(fitted.cpu_seconds, fitted.wall_seconds, fitted.epochs) > 0


def test_the_prior_alone_scores_what_its_moved_edges_leave(benchmark, cases):
    for one, row in zip(cases, benchmark[0].rows[::2], strict=True):
        edges = len(one.truth)
        assert row.f1 == pytest.approx(1 - round(one.setting.moved * edges) / edges)
        assert (row.missing_found, row.false_rejected) == (0, 0)


def test_scores_equal_their_definitions_and_auprc_ranks_by_probability(benchmark):
    found, _, scored, _ = benchmark
    fitted = [row for row in found.rows if row.method == "gene"]
    for row, (network, truth, options) in zip(fitted, scored[1::2], strict=True):
        prior, ranking = options["prior"], options["ranking"]
        rates = slow.network_score(*map(slow.dense, (network, truth, prior)))
        for name in ("edges", "precision", "recall", "f1", "missing_found", "false_rejected"):
            assert getattr(row, name) == pytest.approx(rates[name])
        ranked = slow.network_score(*map(slow.dense, (ranking, truth)))
        for name in ("auprc", "auprc_ratio", "early_precision"):
            assert getattr(row, name) == pytest.approx(ranked[name])
        # the fit keeps the most probable edges, and more than those are ranked
        likely = strongest(ranking, len(network))
        np.testing.assert_array_equal(np.sort(network.keys()), np.sort(likely.keys()))
        assert len(ranking) > len(network)


def test_the_fit_sees_noisy_data_and_the_prior_and_nothing_else(benchmark, cases):
    for one, (material, config) in zip(cases, benchmark[1], strict=True):
        assert material.test is material.reference is material.ppi is None
        np.testing.assert_array_equal(material.data.stack(), one.train.stack())
        np.testing.assert_array_equal(material.prior.network.keys(), one.prior.keys())
        assert (config.field, config.trust, config.seed) == ("gene", None, 0)


# ------------------------------------------------------------------------------------- summaries
def test_claims_are_of_the_right_edges(benchmark):
    _, _, scored, claimed = benchmark
    for claim, (_, truth, options) in zip(claimed, scored[1::2], strict=True):
        prior, ranking = options["prior"], options["ranking"]
        pairs = list(zip(ranking.source, ranking.target, strict=True))
        believed, exist = (set(zip(n.source, n.target, strict=True)) for n in (prior, truth))
        assert claim.true.tolist() == [pair in exist for pair in pairs]
        assert claim.prior.tolist() == [pair in believed for pair in pairs]
        np.testing.assert_allclose(claim.probability, np.abs(ranking.weight), atol=1e-12)
        assert ((claim.stability >= 0) & (claim.stability <= 1)).all()


def test_reliability_is_over_all_networks_together(benchmark):
    found, _, _, claimed = benchmark
    assert found.reliability == reliability(claimed)
    edges = sum(row.edges for row in found.reliability if row.measure == "probability")
    assert edges == sum(int((claim.probability >= 0.01).sum()) for claim in claimed)


def row(method, f1):
    setting = {"genes": 1, "moved": 0, "in_degree": 1, "or_share": 0, "activation_share": 0}
    return GeneratedRow.model_construct(method=method, f1=f1, **setting)


def test_a_fit_is_better_only_strictly_above_its_own_prior():
    scores = [(0.9, 0.8), (0.8, 0.8), (0.7, 0.8), (None, 0.1), (0.5, None)]
    rows = [
        row(name, value)
        for pair in scores
        for name, value in zip(("prior alone", "gene"), reversed(pair), strict=True)
    ]
    summary = _networks._summarise(rows)
    assert (summary.networks, summary.better) == (5, 2)
    assert summary.fit_f1 == pytest.approx((0.9 + 0.8 + 0.7 + 0.0 + 0.5) / 5)
    assert summary.prior_f1 == pytest.approx((0.8 + 0.8 + 0.8 + 0.1 + 0.0) / 5)


def test_the_summary_is_that_of_the_rows(benchmark):
    found = benchmark[0]
    prior, fit = [r.f1 for r in found.rows[::2]], [r.f1 for r in found.rows[1::2]]
    assert found.summary.networks == 2
    assert found.summary.better == sum(f > p for f, p in zip(fit, prior, strict=True))
    assert found.summary.fit_f1 == pytest.approx(sum(fit) / 2)
    assert found.summary.prior_f1 == pytest.approx(sum(prior) / 2)


# ------------------------------------------------------------------------------------- count
@pytest.mark.parametrize(
    ("count", "quick", "expected"), [(5, False, 5), (5, True, 3), (2, True, 2)]
)
def test_a_network_is_run_by_its_number_and_the_seed_whatever_the_count(
    count, quick, expected, monkeypatch
):
    seen, told = [], []

    def run(number, seed, quick):
        seen.append((number, seed, quick))
        none = np.zeros(0)
        empty = Claims(none, none, none.astype(bool), none.astype(bool))
        return [row("prior alone", 0.5), row("gene", 0.6)], empty

    monkeypatch.setattr(_networks, "_run", run)
    found = benchmark_networks(
        count, seed=7, quick=quick, progress=lambda *parts: told.append(parts)
    )
    assert seen == [(number, 7, quick) for number in range(expected)]
    assert told == [("networks", number + 1, expected, 0.0) for number in range(expected)]
    assert found.summary.better == found.summary.networks == expected


@pytest.mark.parametrize("count", [0, -3])
def test_fewer_than_one_network_is_refused(count):
    with pytest.raises(ConfigError, match=f"{count} networks were asked for; expected at least 1"):
        benchmark_networks(count)
