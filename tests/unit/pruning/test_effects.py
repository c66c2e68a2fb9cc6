import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from niwaki.pruning import EffectLaw, fit_effect_law
from niwaki.pruning._edges._effects import normal_log_bayes_factor

LAW = EffectLaw(size=0.3, decay=0.7, tails=(0.7, 0.15, 0.1, 0.05))


def integrated(estimate, error, density, widest):
    """The evidence of an estimate under a prior density of the effect, by quadrature."""

    def inside(effect):
        return norm.pdf(estimate, effect, error) * density(effect)

    # the product peaks between 0 and the estimate; both are handed over as break points
    near = [0.0, estimate, estimate - 3 * error, estimate + 3 * error]
    return quad(inside, -9 * widest, 9 * widest, points=near, limit=300, epsabs=0)[0]


@pytest.mark.parametrize(
    ("estimate", "error", "deviation"),
    [(0.4, 0.2, 0.7), (-1.3, 0.3, 0.5), (0.0, 0.1, 1.0), (0.2, 5.0, 0.3), (0.5, 0.05, 2.0)],
)
def test_normal_bayes_factor_equals_the_integral_over_effects(estimate, error, deviation):
    one = np.array([estimate]), np.array([error]), np.array([deviation**2])
    evidence = integrated(estimate, error, lambda b: norm.pdf(b, 0, deviation), deviation)
    twin = np.log(evidence / norm.pdf(estimate, 0, error))
    # 1e-7: what adaptive quadrature promises of a peaked product
    assert normal_log_bayes_factor(*one)[0] == pytest.approx(twin, abs=1e-7)


def test_an_infinite_error_says_nothing():
    estimate, error = np.array([0.0, 3.0]), np.array([np.inf, np.inf])
    crowd = np.ones(2)
    np.testing.assert_array_equal(normal_log_bayes_factor(estimate, error, crowd), 0.0)
    # the tails' shares sum to one only to rounding
    np.testing.assert_allclose(LAW.log_bayes_factor(estimate, error, crowd), 0.0, atol=1e-15)


def test_an_error_near_zero_gives_a_finite_answer():
    factor = normal_log_bayes_factor(np.array([0.0, 1.0]), np.full(2, 1e-12), np.ones(2))
    assert np.isfinite(factor).all()
    assert factor[0] < 0 < factor[1]


def test_deviation_shrinks_with_the_crowd_and_is_capped():
    wide = LAW.deviations(np.array([1.0, 2.0, 3.0]))
    for tail, factor in enumerate([1, 2, 4, 8]):
        for column, crowd in enumerate([1, 2, 3]):
            assert wide[tail, column] == pytest.approx(min(factor * 0.3 * 0.7 ** (crowd - 1), 2.0))
    assert wide.max() == 2.0


@pytest.mark.parametrize(
    ("estimate", "error", "crowd"), [(0.2, 0.1, 1.0), (1.1, 0.3, 2.5), (-0.05, 0.2, 4.0)]
)
def test_law_of_tails_equals_the_integral_over_a_mixture(estimate, error, crowd):
    deviations = [min(f * 0.3 * 0.7 ** (crowd - 1), 2.0) for f in (1, 2, 4, 8)]

    def part(share, deviation, power):
        return share * integrated(
            estimate, error, lambda b: deviation**power * norm.pdf(b, 0, deviation), deviation
        )

    mixed = list(zip(LAW.tails, deviations, strict=True))
    evidence = sum(part(*each, 0) for each in mixed)
    one = tuple(np.array([each]) for each in (estimate, error, crowd))
    twin = np.log(evidence / norm.pdf(estimate, 0, error))
    assert LAW.log_bayes_factor(*one)[0] == pytest.approx(twin, abs=1e-7)
    variance = sum(part(*each, 2) for each in mixed) / evidence
    assert LAW.expected_variance(*one)[0] == pytest.approx(variance, rel=1e-7)


def simulated(rng, count, *, size, decay, share=1.0, error=0.03):
    crowd = rng.integers(1, 6, size=count).astype(float)
    true = rng.random(count) < share
    effect = np.where(true, rng.normal(size=count) * size * decay ** (crowd - 1), 0.0)
    errors = np.full(count, error)
    return effect + errors * rng.normal(size=count), errors, crowd


@pytest.mark.parametrize(("size", "decay"), [(0.4, 0.7), (1.2, 0.5), (0.7, 1.0)])
def test_size_and_decay_of_simulated_effects_are_found(rng, size, decay):
    estimate, error, crowd = simulated(rng, 1000, size=size, decay=decay)
    law = fit_effect_law(estimate, error, crowd, log_odds=np.full(1000, 3.0))
    # the grids have steps of a third and of 0.1; the tails may take a share of the width
    assert abs(np.log(law.size / size)) < 0.45
    assert law.decay == pytest.approx(decay, abs=0.1 + 1e-9)
    assert law.tails[0] > 0.5
    assert sum(law.tails) == pytest.approx(1.0)


@pytest.mark.parametrize("log_odds", [-3.0, 0.0, 3.0])
def test_law_of_true_effects_is_found_where_most_edges_are_false(rng, log_odds):
    estimate, error, crowd = simulated(rng, 1500, size=0.7, decay=0.8, share=0.3)
    law = fit_effect_law(estimate, error, crowd, log_odds=np.full(1500, log_odds))
    assert abs(np.log(law.size / 0.7)) < 0.5  # a step of the grid and what 450 effects leave open
    assert law.decay == pytest.approx(0.8, abs=0.1 + 1e-9)


def test_heavy_tails_are_noticed(rng):
    estimate, error, crowd = simulated(rng, 1000, size=0.1, decay=1.0)
    estimate[:100] *= 8
    heavy = fit_effect_law(estimate, error, crowd, log_odds=np.full(1000, 3.0))
    light = fit_effect_law(estimate[100:], error[100:], crowd[100:], log_odds=np.full(900, 3.0))
    assert sum(heavy.tails[2:]) > 2 * sum(light.tails[2:])


def test_too_few_effects_leave_the_usual_law():
    few = np.ones(4)
    assert fit_effect_law(few, few, few, log_odds=few) == EffectLaw()
