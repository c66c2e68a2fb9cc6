import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from niwaki.pruning import Trust, learn_trust, sign_log_bayes_factor

TARGETS, CANDIDATES = 120, 20


def sign_twin(sign, estimate, error, variance, hold):
    """What the sign says, by integrating over the effects that fit the estimate."""

    def posterior(effect):
        return norm.pdf(estimate, effect, error) * norm.pdf(effect, 0, variance**0.5)

    # 12 deviations of a narrow product on either side of its peak
    pull = variance / (variance + error**2)
    peak, wide = estimate * pull, 12 * error * pull**0.5
    total = quad(posterior, peak - wide, peak + wide, epsabs=0)[0]
    if abs(peak) < wide:
        edges = (0, peak + wide) if sign > 0 else (peak - wide, 0)
        agrees = quad(posterior, *edges, epsabs=0)[0] / total
    else:
        agrees = float(np.sign(peak) == sign)
    return np.log(2 * (hold * agrees + (1 - hold) * (1 - agrees)))


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize(("estimate", "error"), [(0.3, 0.2), (-0.5, 0.4), (0.0, 1.0), (2.0, 0.1)])
def test_sign_factor_equals_the_integral_over_effects(sign, estimate, error):
    ours = sign_log_bayes_factor(
        np.array([[sign]]),
        np.array([[estimate]]),
        np.array([[error]]),
        np.array([[0.6]]),
        hold=0.9,
    )
    # 1e-8: what adaptive quadrature promises
    assert ours[0, 0] == pytest.approx(sign_twin(sign, estimate, error, 0.6, 0.9), abs=1e-8)


def test_no_sign_no_estimate_and_no_trust_in_signs_say_nothing():
    sign = np.array([0.0, 1.0, -1.0])
    estimate, error, variance = np.array([1.0, 0.0, 0.0]), np.array([0.1, np.inf, 0.1]), np.ones(3)
    np.testing.assert_allclose(
        sign_log_bayes_factor(sign, estimate, error, variance, hold=0.9), 0.0, atol=1e-11
    )
    one = np.ones(3)
    np.testing.assert_allclose(  # 1e-11: one millionth of a millionth stands beside the odds
        sign_log_bayes_factor(one, estimate, error, variance, hold=0.5), 0.0, atol=1e-11
    )


def test_log_odds_follow_the_population_and_the_support_and_stay_in_bounds():
    trust = Trust(inside=(1.0, 0.5), outside=(-4.0, 2.0))
    prior = np.array([[True, False, True, False]])
    support = np.array([[2.0, 1.0, 1e3, -1e3]])
    np.testing.assert_allclose(trust.log_odds(prior, support), [[2.0, -2.0, 6.5, -14.0]])


class Study:
    """Edges of known truth, what noisy data say of them, and a prior of a given quality."""

    def __init__(self, rng, quality, *, density=0.05):
        shape = (TARGETS, CANDIDATES)
        self.possible = np.ones(shape, dtype=bool)
        self.possible[np.arange(CANDIDATES), np.arange(CANDIDATES)] = False
        self.truth = (rng.random(shape) < density) & self.possible
        edges = np.flatnonzero(self.truth)
        others = np.flatnonzero(~self.truth & self.possible)
        good = round(quality * len(edges))
        self.prior = np.zeros(shape, dtype=bool)
        self.prior.flat[rng.choice(edges, good, replace=False)] = True
        self.prior.flat[rng.choice(others, len(edges) - good, replace=False)] = True
        # log Bayes factor of a z-score that is 4 apart: N(4, 1) against N(0, 1)
        z = rng.normal(size=shape) + 4.0 * self.truth
        self.factor = 4.0 * z - 8.0
        self.testable = np.ones(shape, dtype=bool)

    def learn(self, **options):
        return learn_trust(
            self.factor, self.prior, self.possible, self.testable, before=Trust(), **options
        )


@pytest.mark.parametrize("quality", [0.2, 0.5, 0.9])
def test_share_of_true_edges_in_the_prior_is_found(rng, quality):
    study = Study(rng, quality)
    trust, odds = study.learn()
    missed = study.truth[~study.prior & study.possible].mean()
    # about 110 edges in the prior: two standard errors of a share are a tenth
    assert trust.shares[0] == pytest.approx(quality, abs=0.1)
    assert trust.shares[1] == pytest.approx(missed, abs=0.01)
    believed = expit(odds[study.prior & study.possible]).mean()
    assert believed == pytest.approx(quality, abs=0.1)


def test_random_prior_is_believed_no_more_than_its_absence(rng):
    study = Study(rng, 0.0, density=0.1)
    study.prior = (rng.random(study.prior.shape) < 0.2) & study.possible
    trust, odds = study.learn()
    # 460 edges in the prior, a tenth true: two standard errors are 0.03
    assert abs(trust.shares[0] - trust.shares[1]) < 0.03
    inside = odds[study.prior].mean()
    outside = odds[~study.prior & study.possible].mean()
    assert abs(inside - outside) < 1.0


def test_beliefs_are_calibrated_when_data_decide(rng):
    study = Study(rng, 0.6)
    _, odds = study.learn()
    chance = expit(odds + study.factor)[study.possible]
    # 2380 edges; the sum of the chances is the expected number of true ones
    assert chance.sum() == pytest.approx(study.truth.sum(), rel=0.1)


@pytest.mark.parametrize("fixed", [0.1, 0.95])
def test_trust_set_by_hand_is_kept(rng, fixed):
    study = Study(rng, 0.5)
    trust, odds = study.learn(fixed=fixed)
    assert trust.shares[0] == fixed
    assert trust.inside == (pytest.approx(np.log(fixed / (1 - fixed))), 0.0)
    np.testing.assert_allclose(odds[study.prior], np.log(fixed / (1 - fixed)))


def test_edges_of_untestable_targets_keep_prior_odds_whatever_their_numbers_say(rng):
    study = Study(rng, 0.7)
    study.testable[::3] = False
    trust, odds = study.learn()
    study.factor[::3] = 25.0 * rng.normal(size=study.factor[::3].shape)
    again, same = study.learn()
    assert trust == again
    np.testing.assert_array_equal(odds, same)
    inside = study.prior & ~study.testable
    # the law of the prior's edges is fitted with them taken as refuted: seven tenths of two thirds
    assert trust.shares[0] == pytest.approx(0.7 * 2 / 3, abs=0.1)
    assert np.isfinite(odds[inside]).all()


def test_regulator_whose_other_edges_stand_is_more_credible(rng):
    study = Study(rng, 0.0, density=0.0)
    study.truth[:, :4] = (rng.random((TARGETS, 4)) < 0.4) & study.possible[:, :4]
    study.prior[:] = False
    study.factor = 4.0 * (rng.normal(size=study.truth.shape) + 4.0 * study.truth) - 8.0
    trust, odds = study.learn()
    assert trust.outside[1] > 0.3
    assert odds[:, :4].mean() > odds[:, 4:].mean() + 2.0


def test_own_data_of_an_edge_hardly_move_its_own_prior_odds(rng):
    study = Study(rng, 0.5)
    _, odds = study.learn()
    study.factor[5, 7] = 30.0 - study.factor[5, 7]
    _, again = study.learn()
    # only through the shares of 2380 edges, not through the regulator's support
    assert abs(again[5, 7] - odds[5, 7]) < 0.1


def test_signs_of_the_prior_are_left_to_others(rng):
    study = Study(rng, 0.5)
    trust, _ = learn_trust(
        study.factor, study.prior, study.possible, study.testable, before=Trust(signs=0.9)
    )
    assert trust.signs == 0.9


def test_no_prior_at_all_still_learns_of_the_rest(rng):
    study = Study(rng, 0.5)
    study.prior[:] = False
    trust, odds = study.learn()
    assert np.isfinite(odds).all()
    assert trust.inside == Trust().inside
    assert trust.shares[1] == pytest.approx(study.truth[study.possible].mean(), abs=0.015)


def test_beyond_the_prior_a_target_is_expected_to_have_five_regulators_at_most(rng):
    factor = rng.normal(3.0, 1.0, (40, 100))  # every pair of genes looks like an edge
    possible = np.arange(40)[:, None] != np.arange(100)
    nothing = np.zeros((40, 100), dtype=bool)
    trust, odds = learn_trust(factor, nothing, possible, possible, before=Trust())
    assert trust.shares[1] == 5 / 100
    assert abs(expit(odds)[possible].mean() - 5 / 100) < 0.002
