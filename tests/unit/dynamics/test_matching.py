import numpy as np
import pytest
import torch
from scipy.interpolate import make_smoothing_spline

from niwaki.core import Trajectories, Trajectory
from niwaki.dynamics import (
    Exponential,
    Optimisation,
    PairTensors,
    PhoenixField,
    match_knots,
    pair_losses,
    smooth_spline,
    smoothed_knots,
)

TIMES = np.array([0.0, 0.7, 1.1, 2.0, 3.5, 4.0, 5.2])


@pytest.fixture
def waves():
    rng = np.random.default_rng(0)
    phase = rng.random((6, 1, 5)) * 6
    clean = 0.5 + 0.3 * np.sin(TIMES[:, None] + phase)
    return clean, clean + 0.05 * rng.normal(size=clean.shape)


def as_data(block, genes="abcde"):
    items = tuple(Trajectory(f"t{i}", TIMES, values) for i, values in enumerate(block))
    return Trajectories(tuple(genes), items)


def test_the_spline_of_a_gene_is_the_smoothing_spline_of_its_penalty(waves):
    _, noisy = waves
    one = noisy[:1, :, :1]
    found = smooth_spline(TIMES, one, TIMES)
    # the penalty that was chosen is not told: some penalty must give exactly this curve
    values = one[0, :, 0]
    best = min(
        np.abs(make_smoothing_spline(TIMES, values, lam=lam)(TIMES) - found[0, :, 0]).max()
        for lam in np.logspace(-6, 6, 2401)
    )
    assert best < 1e-3


def test_smoothing_brings_states_closer_to_the_truth(waves):
    clean, noisy = waves
    found = smooth_spline(TIMES, noisy, TIMES)
    assert np.square(found - clean).mean() < 0.8 * np.square(noisy - clean).mean()


def test_two_times_are_joined_by_a_line():
    block = np.array([[[1.0, 2.0], [3.0, 0.0]]])
    np.testing.assert_allclose(
        smooth_spline(np.array([0.0, 2.0]), block, np.array([1.0])), [[[2.0, 1.0]]]
    )


def test_straight_lines_stay_what_they_are():
    block = (1 + 2 * TIMES)[None, :, None] + np.zeros((2, 1, 3))
    np.testing.assert_allclose(smooth_spline(TIMES, block, TIMES), block, rtol=1e-8)


def test_knots_are_halves_of_gaps_and_follow_each_other(waves):
    knots = smoothed_knots(as_data(waves[1]))
    assert knots.start.shape == (5, 6 * 2 * (len(TIMES) - 1))
    torch.testing.assert_close(knots.gaps[:12].sum(), torch.tensor(5.2))
    torch.testing.assert_close(knots.start[:, 1:12], knots.end[:, :11])


def test_matching_lowers_the_loss_of_real_steps(waves):
    data = as_data(waves[0])
    field = PhoenixField(5, hidden=40, generator=torch.Generator().manual_seed(0))
    pairs, method = PairTensors.from_pairs(data.pairs()), Exponential(order=4, substeps=1)
    before = pair_losses(field, pairs, method=method).mean()
    match_knots(
        field,
        smoothed_knots(data),
        epochs=40,
        settings=Optimisation(learning_rate=5e-3),
        generator=torch.Generator().manual_seed(1),
    )
    assert pair_losses(field, pairs, method=method).mean() < 0.3 * before


def test_the_midpoint_rule_is_exact_for_a_constant_drive():
    field = PhoenixField(3, hidden=4, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        for name in ("weight_sum", "weight_prod", "output_prod"):
            field.get_parameter(name).zero_()
        level = field.drive(torch.zeros(3, 1, dtype=torch.float64))
        gaps = torch.tensor([0.3, 2.0], dtype=torch.float64)
        start = torch.rand(3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        end = level + (start - level) * torch.exp(-field.rate()[:, None] * gaps)
    before = {name: value.clone() for name, value in field.state_dict().items()}
    settings = Optimisation(learning_rate=1e-3)
    generator = torch.Generator().manual_seed(0)
    knots = PairTensors(start, end, gaps)
    share = -torch.expm1(-field.rate()[:, None] * gaps)
    reached = torch.lerp(start, field.drive((start + end) / 2), share)
    torch.testing.assert_close(reached, end, rtol=1e-12, atol=1e-12)
    match_knots(field, knots, epochs=0, settings=settings, generator=generator)
    for name, value in field.state_dict().items():
        assert torch.equal(value, before[name])
