import numpy as np
import pytest
import torch
from torch.func import functional_call

from niwaki.core import ConfigError
from niwaki.dynamics import DecayField, Exponential, GeneField, audit, make_method, solve

GENES = 4
EDGES = [(0, 1), (2, 1), (1, 0), (3, 3)]  # source, target
JOINT = [(0, 2, 1), (3, 3, 0), (1, 2, 1)]  # two sources, target


def integers(rows):
    return torch.tensor(rows, dtype=torch.long)


@pytest.fixture
def field(rng):
    def draw(*shape):
        return torch.as_tensor(rng.normal(size=shape))

    first, second, joint_target = zip(*JOINT, strict=True)
    return GeneField.from_state(
        {
            "velocity": torch.tensor([0.7, 1.3, 0.0, 2.1], dtype=torch.float64),
            "level": draw(GENES),
            "weight": draw(len(EDGES)),
            "joint_weight": draw(len(JOINT)),
            "source": integers([s for s, _ in EDGES]),
            "target": integers([t for _, t in EDGES]),
            "joint_sources": integers([first, second]),
            "joint_target": integers(joint_target),
            "centre": draw(GENES),
            "low": torch.full((GENES,), -1.5, dtype=torch.float64),
            "high": torch.tensor([1.0, 2.0, 1.5, 1.2], dtype=torch.float64),
            "reliability": torch.ones(GENES, dtype=torch.float64),
        }
    )


def looped(field, state):
    """dx/dt of one state, term by term."""
    p = {name: value.tolist() for name, value in field.state_dict().items()}
    change = []
    for i in range(GENES):
        h = [
            min(max(x, p["low"][j]), p["high"][j]) - p["centre"][j]
            for j, x in enumerate(state.tolist())
        ]
        drive = p["level"][i]
        for (source, target), weight in zip(EDGES, p["weight"], strict=True):
            drive += weight * h[source] if target == i else 0.0
        for (a, b, target), weight in zip(JOINT, p["joint_weight"], strict=True):
            drive += weight * h[a] * h[b] if target == i else 0.0
        change.append(max(p["velocity"][i], 0.0) * (drive - float(state[i])))
    return torch.tensor(change, dtype=torch.float64)


def test_rate_of_change_equals_the_sum_written_out(field, rng):
    state = torch.as_tensor(3 * rng.normal(size=(GENES, 20)))  # some beyond the range
    assert ((state < field.low[:, None]) | (state > field.high[:, None])).any()
    ours = field(state)
    for pair in range(20):
        torch.testing.assert_close(ours[:, pair], looped(field, state[:, pair]), rtol=1e-12, atol=0)
    assert isinstance(field, DecayField)
    by_parts = field.rate()[:, None] * (field.drive(state) - state)
    torch.testing.assert_close(ours, by_parts, rtol=0, atol=0)


def test_gradients_of_state_and_weights_are_right(field, rng):
    state = torch.as_tensor(rng.uniform(-0.9, 0.9, size=(GENES, 3)), dtype=torch.float64)
    names = ["level", "weight", "joint_weight", "velocity"]
    values = [getattr(field, name).detach().clone() for name in names]
    values[-1] = values[-1] + 0.5  # away from the corner at 0
    inputs = [each.requires_grad_() for each in (state, *values)]

    def change(state, *values):
        return functional_call(field, dict(zip(names, values, strict=True)), (state,))

    assert torch.autograd.gradcheck(change, inputs)


def test_state_comes_back_whole_whatever_the_numbers_of_edges(field, rng):
    state = torch.as_tensor(rng.normal(size=(GENES, 5)))
    again = GeneField.from_state(field.state_dict())
    torch.testing.assert_close(again(state), field(state), rtol=0, atol=0)
    other = GeneField(GENES, edges=9, joint=1).double()
    other.load_state_dict(field.state_dict())
    torch.testing.assert_close(other(state), field(state), rtol=0, atol=0)
    sparse = {k: v.clone() for k, v in field.state_dict().items()}
    for name in ("weight", "source", "target"):
        sparse[name] = sparse[name][:0]
    fewer = GeneField.from_state(sparse)
    assert fewer.weight.numel() == 0 and fewer.joint_weight.numel() == len(JOINT)
    assert fewer.weight.requires_grad
    assert torch.isfinite(fewer(state)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_field_keeps_the_precision_of_its_state(field, dtype):
    again = GeneField.from_state(field.to(dtype).state_dict())
    assert {v.dtype for v in again.state_dict().values() if v.is_floating_point()} == {dtype}
    assert again(torch.zeros(GENES, 2, dtype=dtype)).dtype == dtype


def test_regulators_count_up_to_a_tenth_beyond_what_was_seen(field):
    low, high = -torch.ones(GENES).double(), torch.tensor([1.0, 3.0, 0.0, 1.0]).double()
    field.set_range(low, high)
    torch.testing.assert_close(field.low, low - 0.1 * (high - low))
    torch.testing.assert_close(field.high, high + 0.1 * (high - low))
    edge, far = field.high[:, None], field.high[:, None] + 50.0
    torch.testing.assert_close(field.drive(far), field.drive(edge), rtol=0, atol=0)
    edge, far = field.low[:, None], field.low[:, None] - 50.0
    torch.testing.assert_close(field.drive(far), field.drive(edge), rtol=0, atol=0)
    within = field.high[:, None] - 1e-3
    assert not torch.equal(field.drive(within), field.drive(field.high[:, None]))


def test_forecast_cannot_run_away(field):
    start = torch.full((GENES, 1), 1e3, dtype=torch.float64)
    gap = torch.tensor([1e3], dtype=torch.float64)
    end = solve(field, start, gaps=gap, method=make_method("etd4", field))
    moving = field.rate() > 0
    assert (end[moving].abs() < 50).all()  # within what clamped regulators can ask for


@pytest.mark.parametrize("velocity", [0.0, -3.0])
def test_gene_of_no_velocity_stays_where_it_is(field, velocity, rng):
    with torch.no_grad():
        field.velocity[1] = velocity
    start = torch.as_tensor(rng.normal(size=(GENES, 6)))
    np.testing.assert_array_equal(field(start)[1].detach(), 0.0)
    gaps = torch.as_tensor(rng.uniform(0.1, 9.0, size=6))
    end = solve(field, start, gaps=gaps, method=Exponential())
    torch.testing.assert_close(end[1], start[1], rtol=0, atol=0)
    assert not torch.equal(end[0], start[0])


def test_field_without_edges_relaxes_to_its_level_exactly_in_one_step():
    field = GeneField(3).double()
    with torch.no_grad():
        field.level.copy_(torch.tensor([1.0, -2.0, 0.3]))
        field.velocity.copy_(torch.tensor([0.2, 3.0, 0.0]))
    start = torch.ones(3, 2, dtype=torch.float64)
    gaps = torch.tensor([0.5, 7.0], dtype=torch.float64)
    level, rate = field.level[:, None], field.rate()[:, None]
    exact = level + (start - level) * torch.exp(-rate * gaps)
    end = solve(field, start, gaps=gaps, method=Exponential(substeps=1))
    torch.testing.assert_close(end, exact, rtol=1e-14, atol=1e-14)


def test_exponential_steps_agree_with_a_tight_classical_solve(field, rng):
    field.set_range(torch.full((GENES,), -50.0).double(), torch.full((GENES,), 50.0).double())
    start = torch.as_tensor(rng.uniform(-0.5, 0.5, size=(GENES, 4)))
    gaps = torch.tensor([0.1, 0.2, 0.3, 0.3], dtype=torch.float64)
    # order 4: 64 steps of at most 0.005 leave an error far below the audit's own 1e-9
    method = Exponential(order=4, substeps=64)
    assert audit(field, field, start=start, gaps=gaps, method=method) < 1e-8


def test_a_measurement_is_drawn_to_the_centre_by_its_reliability(field, rng):
    seen = torch.from_numpy(rng.normal(size=(len(field.centre), 3)))
    np.testing.assert_allclose(field.estimate(seen), seen)  # a ratio of one: exact
    field.reliability[:] = torch.linspace(0, 1, len(field.centre), dtype=torch.float64)
    drawn = field.estimate(seen)
    np.testing.assert_allclose(drawn[0], field.centre[0].expand(3))
    np.testing.assert_allclose(drawn[-1], seen[-1])
    half = field.centre[:, None] + field.reliability[:, None] * (seen - field.centre[:, None])
    np.testing.assert_allclose(drawn, half)


def test_field_of_no_genes_is_refused():
    with pytest.raises(ConfigError, match="got 0 genes; expected at least 1"):
        GeneField(0)
