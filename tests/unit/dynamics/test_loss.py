import numpy as np
import pytest
import torch
from reference.dynamics import Relaxation
from scipy import sparse

from niwaki.core import ConfigError
from niwaki.dynamics import Exponential, MlpField, PhoenixField, PriorTerm, data_loss


class Linear:
    """g(x) = A x exactly, so that its prior loss is zero."""

    def __init__(self, matrix):
        self.matrix = matrix

    def drive(self, state):
        return self.matrix @ state

    def rate(self):
        return torch.ones(len(self.matrix))

    def __call__(self, state):
        return self.drive(state) - state


def make_prior():
    return sparse.csr_array(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -0.5], [0.0, 0.0, 0.0]]))


STATES = torch.tensor([[0.0, 1.0], [0.3, 0.5], [2.0, 2.0]])


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_data_loss_is_the_mean_square_over_genes_and_pairs():
    field = Relaxation(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0]))
    start, gaps = torch.tensor([[1.0, 0.5], [0.0, 0.0]]), torch.tensor([1.0, 2.0])
    end = torch.zeros(2, 2)
    loss = data_loss(field, start=start, end=end, gaps=gaps, method=Exponential())
    expected = field.exact(start, gaps).square().mean()
    torch.testing.assert_close(loss, expected)


def test_prior_loss_equals_the_dense_formula():
    field = PhoenixField(3, hidden=2, generator=rng())
    term = PriorTerm.from_data(make_prior(), STATES, weight=0.1, samples=17)
    low, high = STATES.min(1).values, STATES.max(1).values
    states = low[:, None] + torch.rand(3, 17, generator=rng(5)) * (high - low)[:, None]
    linear = torch.from_numpy(make_prior().toarray()).float() @ states
    expected = (field.drive(states) - linear).square().mean()
    torch.testing.assert_close(term(field, rng(5)), expected)


def test_field_that_is_its_prior_has_no_prior_loss():
    field = Linear(torch.from_numpy(make_prior().toarray()).float())
    term = PriorTerm.from_data(make_prior(), STATES, weight=0.1)
    assert term(field, rng()) == 0


def test_states_are_drawn_from_the_range_of_each_gene():
    seen = []

    class Watching(Linear):
        def drive(self, state):
            seen.append(state)
            return state

    PriorTerm.from_data(make_prior(), STATES, weight=0.1)(Watching(torch.eye(3)), rng())
    (states,) = seen
    assert (states >= STATES.min(1).values[:, None]).all()
    assert (states <= STATES.max(1).values[:, None]).all()
    assert states[0].std() > 0.25  # U(0, 1) has 0.289; 256 draws are within 0.01
    assert (states[2] == 2).all()  # a constant gene stays at its value


def test_every_call_draws_afresh_and_a_seed_repeats_it():
    field = PhoenixField(3, hidden=2, generator=rng())
    term = PriorTerm.from_data(make_prior(), STATES, weight=0.1)
    generator = rng(1)
    first, second = term(field, generator), term(field, generator)
    assert first != second
    assert term(field, rng(1)) == first


def test_prior_loss_reaches_the_weights():
    field = PhoenixField(3, hidden=2, generator=rng())
    PriorTerm.from_data(make_prior(), STATES, weight=0.1)(field, rng()).backward()
    assert field.output_sum.grad.abs().sum() > 0


def test_field_without_a_drive_is_refused():
    term = PriorTerm.from_data(make_prior(), STATES, weight=0.1)
    with pytest.raises(ConfigError, match="MlpField has none; set the prior loss to 0"):
        term(MlpField(3, hidden=2, generator=rng()), rng())
