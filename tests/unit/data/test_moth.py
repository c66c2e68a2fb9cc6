import numpy as np
import pytest
from reference.data import moth_rates
from scipy.integrate import solve_ivp

from niwaki.core import InputError
from niwaki.data import MOTH_INPUTS, MOTH_OUTPUTS, Moth, fly, sample_flights

CONTROLS = 3


def stiff(flights, rows, moth):
    """The same flights by an implicit solver of high order."""
    return np.array(
        [
            solve_ivp(
                lambda t, s, c=control: moth_rates(s, c, moth),
                (0, 0.02),
                start,
                method="Radau",
                rtol=1e-6,
                atol=1e-6,
            ).y[:, -1]
            for start, control in zip(flights.start[rows], flights.control[rows], strict=True)
        ]
    )


@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_flights_agree_with_a_stiff_solver(scale, rng):
    moth = Moth(scale=scale)
    flights = sample_flights(500, rng, moth=moth)
    rows = slice(0, 8)
    gap = np.abs(flights.end[rows] - stiff(flights, rows, moth)) / flights.end.std(0)
    assert gap.max() < 1e-3  # 0.03 % was the worst of 200 flights


@pytest.mark.slow
def test_two_hundred_flights_agree_with_a_stiff_solver():
    flights = sample_flights(200, np.random.default_rng(0))
    gap = np.abs(flights.end - stiff(flights, slice(None), Moth())) / flights.end.std(0)
    assert gap.max() < 1e-3
    assert gap.mean() < 1e-4


def test_more_steps_are_better_and_of_second_order(rng):
    flights = sample_flights(50, rng, steps=50)
    fine = fly(flights.start, flights.control, steps=1600)
    errors = [
        np.abs(fly(flights.start, flights.control, steps=n) - fine).max(0) / fine.std(0)
        for n in (100, 200, 400)
    ]
    ratios = np.array([errors[0].max() / errors[1].max(), errors[1].max() / errors[2].max()])
    assert (ratios > 3).all()  # four, in the limit


def test_a_moth_without_a_force_falls(rng):
    start = np.zeros((1, 8))
    start[0, 3] = np.pi  # the joint at rest
    end = fly(start, np.zeros((1, CONTROLS)), moth=Moth(gravity=0.0))
    np.testing.assert_allclose(end, start, atol=1e-12)
    assert fly(start, np.zeros((1, CONTROLS)))[0, 1] < 0


def test_columns_are_those_of_the_inverse_problem(rng):
    flights = sample_flights(5, rng)
    inputs, outputs = flights.inputs(), flights.outputs()
    assert inputs.shape == (5, len(MOTH_INPUTS))
    assert outputs.shape == (5, len(MOTH_OUTPUTS))
    np.testing.assert_array_equal(inputs[:, MOTH_INPUTS.index("phi_0")], flights.start[:, 3])
    np.testing.assert_array_equal(inputs[:, MOTH_INPUTS.index("theta_f")], flights.end[:, 2])
    np.testing.assert_array_equal(inputs[:, MOTH_INPUTS.index("dtheta_0")], flights.start[:, 6])
    np.testing.assert_array_equal(outputs[:, MOTH_OUTPUTS.index("dphi_f")], flights.end[:, 7])
    force = np.hypot(outputs[:, 0], outputs[:, 1])
    np.testing.assert_allclose(force, flights.control[:, 0])


def test_a_seed_repeats_the_flights():
    first, second = (sample_flights(4, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first.end, second.end)


def test_unusable_flights_are_refused_in_words(rng):
    with pytest.raises(InputError, match="at least 1"):
        sample_flights(0, rng)
    with pytest.raises(InputError, match="even number"):
        fly(np.zeros((1, 8)), np.zeros((1, 3)), steps=3)
    with pytest.raises(InputError, match="not a finite number"):
        fly(np.full((1, 8), np.nan), np.zeros((1, 3)))
