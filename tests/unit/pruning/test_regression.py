from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp

from niwaki.pruning import (
    Beliefs,
    EffectLaw,
    Support,
    TargetData,
    judge,
    prune_and_regrow,
    regress,
    sign_log_bayes_factor,
)

FLAT = 1e-8  # precision of the columns that every model has
JOINT_VARIANCE = 0.5


def made(rng, effects=None, *, pairs=None, rows=80, count=7, noise=0.04):
    """A target of known effects, its candidates drawn at random."""
    columns = rng.normal(size=(rows, count))
    base = np.stack([np.ones(rows), np.linspace(0, 1, rows)], 1)

    def joint(wanted):
        return np.stack([columns[:, a] * columns[:, b] for a, b in wanted], 1)

    response = base @ np.array([0.5, -1.0]) + noise**0.5 * rng.normal(size=rows)
    for edge, effect in (effects or {}).items():
        response += effect * columns[:, edge]
    for pair, effect in (pairs or {}).items():
        response += effect * joint([pair])[:, 0]
    return TargetData(response, base, columns, joint, noise)


def believed(count=7, log_odds=-3.0):
    return Beliefs(
        law=EffectLaw(0.5, 0.8, (0.8, 0.1, 0.06, 0.04)),
        log_odds=np.full(count, log_odds),
        sign=np.zeros(count),
        sign_hold=0.8,
        crowd=2.0,
        joint_log_odds=-3.0,
        joint_variance=JOINT_VARIANCE,
        allowed=np.ones(count, dtype=bool),
    )


def ridge(columns, response, precision):
    """Ordinary ridge regression as least squares on added rows, and the inverse normal matrix."""
    added = np.concatenate([columns, np.diag(np.sqrt(precision))])
    wanted = np.concatenate([response, np.zeros(columns.shape[1])])
    return np.linalg.lstsq(added, wanted, rcond=None)[0], np.linalg.inv(added.T @ added)


def evidence(data, variances, pairs=()):
    """Log density of the response, all effects integrated out; constants kept."""
    columns = [data.base.T, *(data.candidates[:, [j]].T for j in variances)]
    width = [np.full(2, data.noise / FLAT), *([v] for v in variances.values())]
    if pairs:
        columns.append(data.joint(list(pairs)).T)
        width.append(np.full(len(pairs), JOINT_VARIANCE))
    design, wide = np.concatenate(columns).T, np.concatenate(width)
    cov = data.noise * np.eye(len(design)) + (design * wide) @ design.T
    left = data.response @ np.linalg.solve(cov, data.response)
    return -0.5 * (np.linalg.slogdet(cov)[1] + left)


SUPPORTS = {
    "nothing": Support(),
    "two edges": Support([4, 1], [], {4: 0.3, 1: 0.8}),
    "edges and pairs": Support([0, 5, 2], [(0, 5), (2, 2)], {0: 0.2, 5: 0.4, 2: 0.9}),
}


@pytest.fixture
def data(rng):
    return made(rng, {1: 0.4, 4: -0.3, 0: 0.1}, pairs={(0, 5): 0.2})


@pytest.mark.parametrize("name", SUPPORTS)
def test_regression_equals_ordinary_ridge(data, name):
    support = SUPPORTS[name]
    fit = regress(data, support, joint_variance=JOINT_VARIANCE)
    variances = [support.variances[j] for j in support.edges]
    precision = data.noise / np.array(variances + [JOINT_VARIANCE] * len(support.pairs))
    precision = np.concatenate([np.full(2, FLAT), precision])
    twin, _ = ridge(fit.design, data.response, precision)
    # 1e-9: the normal matrix squares the condition of the columns
    np.testing.assert_allclose(fit.coefficients, twin, rtol=1e-9, atol=1e-10)
    left = data.response - fit.design @ twin
    assert fit.residual == pytest.approx(left @ left + precision @ twin**2, rel=1e-9)


def test_evidence_with_unknown_noise_is_that_of_a_dense_covariance(data):
    ours, twins = [], []
    for support in SUPPORTS.values():
        ours.append(regress(data, support, joint_variance=JOINT_VARIANCE).log_evidence(80))
        columns = [data.base, data.candidates[:, support.edges]]
        wide = [np.full(2, 1 / FLAT), [support.variances[j] / data.noise for j in support.edges]]
        if support.pairs:
            columns.append(data.joint(support.pairs))
            wide.append(np.full(len(support.pairs), JOINT_VARIANCE / data.noise))
        design = np.concatenate(columns, 1)
        cov = np.eye(80) + (design * np.concatenate(wide)) @ design.T
        left = data.response @ np.linalg.solve(cov, data.response)
        # the scale of the noise integrated out under 1 / variance
        twins.append(-np.linalg.slogdet(cov)[1] / 2 - 40 * np.log(left))
    # 1e-5: the dense covariance holds the nearly flat base columns and loses ten digits
    np.testing.assert_allclose(np.diff(ours), np.diff(twins), atol=1e-5)


@pytest.mark.parametrize("name", SUPPORTS)
def test_each_effect_is_that_of_ridge_with_the_candidate_in_and_free_of_its_prior(data, name):
    support = SUPPORTS[name]
    found = judge(data, believed(), support)
    for candidate in range(7):
        edges = list(dict.fromkeys([candidate, *support.edges]))
        columns = [data.candidates[:, edges], data.base]
        precision = [0.0 if j == candidate else data.noise / support.variances[j] for j in edges]
        precision += [FLAT] * 2
        if support.pairs:
            columns.append(data.joint(support.pairs))
            precision += [data.noise / JOINT_VARIANCE] * len(support.pairs)
        twin, inverse = ridge(np.concatenate(columns, 1), data.response, np.array(precision))
        # the factorisation carries a jitter of 1e-12 of its largest entry
        assert found.estimate[candidate] == pytest.approx(twin[0], rel=1e-8, abs=1e-9)
        error = (data.noise * inverse[0, 0]) ** 0.5
        assert found.error[candidate] == pytest.approx(error, rel=1e-8)


@pytest.mark.parametrize("name", ["nothing", "two edges"])
def test_each_factor_is_the_exact_difference_of_evidences(data, name):
    support, beliefs = SUPPORTS[name], believed()
    found = judge(data, beliefs, support)
    wide = beliefs.law.deviations(np.array(beliefs.crowd)) ** 2
    for candidate in range(7):
        others = {j: v for j, v in support.variances.items() if j != candidate}
        without = evidence(data, others)
        parts = [evidence(data, {**others, candidate: float(v)}) - without for v in wide]
        twin = logsumexp(np.array(parts) + np.log(beliefs.law.tails))
        # 1e-4: the twin inverts a covariance of condition 1e10, and the evidences are hundreds
        assert found.log_bayes_factor[candidate] == pytest.approx(twin, abs=1e-4)
        assert found.log_odds[candidate] == pytest.approx(-3.0 + twin, abs=1e-4)


def test_odds_of_a_pair_are_exact_and_carry_both_of_its_regulators(data):
    support, beliefs = SUPPORTS["edges and pairs"], believed()
    found = judge(data, beliefs, support)
    full = evidence(data, support.variances, support.pairs)
    for pair in support.pairs:
        rest = [other for other in support.pairs if other != pair]
        twin = beliefs.joint_log_odds + full - evidence(data, support.variances, rest)
        assert found.pairs[pair] == pytest.approx(twin, abs=1e-4)  # as above
    assert found.pairs[0, 5] > 0 > found.pairs[2, 2]
    crowd = np.full(7, beliefs.crowd)
    alone = beliefs.law.log_bayes_factor(found.estimate, found.error, crowd)
    bonus = np.zeros(7)
    bonus[[0, 5]] = found.pairs[0, 5]
    np.testing.assert_allclose(found.log_bayes_factor - alone, bonus, atol=1e-10)


def test_signs_of_the_prior_shift_the_odds_by_their_own_factor(data):
    beliefs = believed()
    sign = np.array([1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 1.0])
    plain = judge(data, beliefs, Support())
    signed = judge(data, replace(beliefs, sign=sign), Support())
    crowd = np.full(7, beliefs.crowd)
    wide = beliefs.law.expected_variance(plain.estimate, plain.error, crowd)
    twin = sign_log_bayes_factor(sign, plain.estimate, plain.error, wide, hold=0.8)
    np.testing.assert_allclose(signed.log_odds - plain.log_odds, twin, atol=1e-12)
    assert twin[1] < 0 < twin[4]  # the effects planted are +0.4 and -0.3


def test_candidates_that_may_not_regulate_get_no_factor_and_never_enter(rng):
    data = made(rng, {1: 0.9, 4: 0.5})
    allowed = np.ones(7, dtype=bool)
    allowed[1] = False
    beliefs = replace(believed(), allowed=allowed)
    support = Support()
    prune_and_regrow(data, beliefs, support)
    assert 1 not in support.edges
    found = judge(data, beliefs, support)
    assert np.isinf(found.error[1])
    assert found.log_bayes_factor[1] == pytest.approx(0.0, abs=1e-12)
    assert found.log_odds[1] == -30.0


def test_search_finds_planted_regulators_and_drops_a_false_start(rng):
    data = made(rng, {1: 0.8, 4: -0.6, 6: 0.3})
    support = Support([2, 3])
    prune_and_regrow(data, believed(), support)
    assert set(support.edges) == {1, 4, 6}
    assert support.pairs == []
    assert set(support.variances) == {1, 4, 6}


def test_search_finds_a_planted_product_of_two_regulators(rng):
    data = made(rng, {0: 0.5, 3: 0.5}, pairs={(0, 3): -0.7})
    support = Support([5])
    prune_and_regrow(data, believed(), support)
    assert set(support.edges) == {0, 3}
    assert support.pairs == [(0, 3)]
    coefficients = judge(data, believed(), support).coefficients
    # two columns of the base, then edges and the pair; the errors are about a fortieth
    np.testing.assert_allclose(coefficients[2:], [0.5, 0.5, -0.7], atol=0.1)


def test_search_drops_a_pair_that_never_was_and_keeps_a_square(rng):
    data = made(rng, {0: 0.8, 3: 0.6}, pairs={(3, 3): 0.5})
    support = Support([0, 3], [(0, 3)])
    prune_and_regrow(data, believed(), support)
    assert set(support.edges) == {0, 3}
    assert support.pairs == [(3, 3)]


def test_regulators_of_a_planted_product_alone_are_not_pruned(rng):
    data = made(rng, pairs={(0, 1): 0.8})
    support = Support([0, 1], [(0, 1)])
    prune_and_regrow(data, believed(), support)
    assert support.edges == [0, 1]
    assert support.pairs == [(0, 1)]


@pytest.mark.parametrize("seed", range(6))
def test_search_ends_where_no_single_change_gains(seed):
    rng = np.random.default_rng(seed)
    effects = {int(j): float(rng.normal(0, 0.3)) for j in rng.choice(7, 4, replace=False)}
    data, beliefs = made(rng, effects), believed()
    support = Support(rng.choice(7, 2, replace=False).tolist())
    prune_and_regrow(data, beliefs, support)
    odds = judge(data, beliefs, support).log_odds
    outside = np.setdiff1d(np.arange(7), support.edges)
    # 0.1: the smallest gain worth a change is 0.02, and prior widths follow the effects
    assert (odds[outside] < 0.1).all()
    assert (odds[support.edges] > -0.1).all()


@pytest.mark.parametrize("log_odds", [-3.0, 0.0, 4.0])
def test_search_ends_among_copies_of_one_regulator(rng, log_odds):
    data = made(rng, {0: 0.7})
    copies = data.candidates[:, [0]] + 1e-6 * data.candidates
    columns = np.concatenate([data.candidates, copies], 1)

    def joint(wanted):
        return np.stack([columns[:, a] * columns[:, b] for a, b in wanted], 1)

    data = replace(data, candidates=columns, joint=joint)
    support = Support()
    prune_and_regrow(data, believed(14, log_odds), support)
    assert any(edge == 0 or edge >= 7 for edge in support.edges)
    if log_odds < 0:
        assert len(support.edges) == 1


def test_no_effect_and_no_belief_leave_nothing(rng):
    support = Support([0, 1, 2], [(0, 1)])
    prune_and_regrow(made(rng), believed(log_odds=-5.0), support)
    assert (support.edges, support.pairs, support.variances) == ([], [], {})
