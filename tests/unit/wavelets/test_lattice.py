import csv
import math

import numpy as np
import pytest
import pywt
import torch

from niwaki.core import InputError
from niwaki.wavelets import (
    angles_from_filter,
    complete_angles,
    filter_from_angles,
    high_pass,
    named_filter,
    project,
)
from niwaki.wavelets._table import ANGLES

NAMES = sorted(ANGLES)
TIGHT = 1e-14  # rounding of a few dozen products in float64


def deviation(low):
    """Largest departure from orthonormality to even shifts, from the sum, and of the high pass."""
    taps = len(low)
    shifts = [
        abs(float((low[: taps - 2 * m] * low[2 * m :]).sum()) - (m == 0)) for m in range(taps // 2)
    ]
    return max(*shifts, abs(float(low.sum()) - math.sqrt(2)), abs(float(high_pass(low).sum())))


@pytest.mark.parametrize("stages", [1, 2, 5, 12])
def test_every_angle_gives_an_orthonormal_filter(stages, normal):
    for free in normal(10, stages - 1):
        assert deviation(filter_from_angles(complete_angles(free))) < TIGHT


@pytest.mark.parametrize("name", NAMES)
def test_named_filters_are_those_of_pywavelets_and_more_exactly_orthonormal(name):
    stored = torch.tensor(pywt.Wavelet(name).dec_lo, dtype=torch.float64)
    low = named_filter(name)
    assert float((low - stored).abs().max()) < 1e-11  # their tables are rounded
    assert deviation(low) < TIGHT


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith(("db", "sym"))])
def test_named_filters_have_as_many_vanishing_moments_as_stages(name):
    high = high_pass(named_filter(name))
    places = torch.linspace(-1, 1, len(high), dtype=torch.float64)
    moments = [float((high * places**p).sum().abs()) for p in range(len(high) // 2)]
    assert max(moments) < 1e-13


@pytest.mark.parametrize("name", NAMES)
def test_angles_come_back_from_their_filter(name):
    low = named_filter(name)
    assert float((filter_from_angles(angles_from_filter(low)) - low).abs().max()) < 1e-13


def test_the_derivative_is_that_of_finite_differences(normal):
    angles = normal(2, 3, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: filter_from_angles(complete_angles(a)), angles)


def test_a_batch_of_filters_is_each_filter_alone(normal):
    angles = normal(4, 3, 5)
    alone = torch.stack([torch.stack([filter_from_angles(a) for a in row]) for row in angles])
    assert torch.equal(filter_from_angles(angles), alone)


@pytest.mark.parametrize("name", ["haar", "db4", "sym5", "coif3"])
@pytest.mark.parametrize("factor", [1.0, -1.0, 1 / math.sqrt(2)])
def test_projecting_a_wavelet_finds_it_whatever_its_scale(name, factor):
    low = named_filter(name)
    free, distance = project(low * factor)
    assert distance < 1e-12
    assert torch.allclose(filter_from_angles(complete_angles(free)), low, atol=1e-12)


def test_no_orthonormal_filter_nearby_is_nearer_than_the_projection(normal):
    noisy = named_filter("db3") + 0.03 * normal(6)
    noisy *= math.sqrt(2) / noisy.sum()
    free, distance = project(noisy)
    assert 0 < distance < 0.1
    for step in 1e-3 * normal(50, len(free), seed=1):
        near = filter_from_angles(complete_angles(free + step))
        assert float((near - noisy).norm()) >= distance


@pytest.mark.slow
def test_learned_filters_of_the_original_study_are_near_the_lattice(data_folder):
    path = data_folder / "awd" / "biology_learned_lowpass_filters.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    filters = torch.tensor([[float(row[f"h{i}"]) for i in range(10)] for row in rows]).double()
    assert len(filters) == 525
    assert max(deviation(low) for low in filters) > 1e-2  # not quite wavelets
    for low in filters:
        free, distance = project(low)
        assert distance < 0.05
        assert deviation(filter_from_angles(complete_angles(free))) < TIGHT


@pytest.mark.parametrize(
    ("taps", "words"),
    [
        ([0.5, 0.5, 0.5], "3 taps"),
        ([], "0 taps"),
        ([1.0, float("nan")], "not finite"),
        ([1.0, -1.0], "high-pass"),
    ],
)
def test_what_is_no_low_pass_filter_is_refused(taps, words):
    with pytest.raises(InputError, match=words):
        project(torch.tensor(taps, dtype=torch.float64))


def test_the_table_comes_from_its_generator():
    from reference.make_wavelet_angles import mpmath, solve

    with mpmath.workdps(60):
        assert np.allclose(solve("db4"), ANGLES["db4"], rtol=0, atol=1e-15)
