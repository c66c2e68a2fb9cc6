import numpy as np
import pytest
import torch
from reference.attribution import jacobian_table
from torch import nn
from unit.attribution.nets import normal

from niwaki.attribution import flow_attribution, integrated_gradients, jacobian_attribution
from niwaki.core import InputError
from niwaki.dynamics import GeneField, ModuleField, PhoenixField, RungeKutta4, make_method, solve
from niwaki.experiment._attribution import production


class XField(nn.Module):
    """dx/dt = W2 relu(W1 x) - rate x, of degree one."""

    def __init__(self, genes=5, hidden=7):
        super().__init__()
        self.first = nn.Parameter(0.4 * normal(hidden, genes))
        self.second = nn.Parameter(0.4 * normal(genes, hidden, seed=2))
        self.decay = torch.linspace(0.5, 1.5, genes).double()

    def forward(self, state):
        return self.second @ (self.first @ state).relu() - self.decay[:, None] * state


def gene_field():
    field = GeneField(4, edges=3, joint=2)
    with torch.no_grad():
        field.velocity.copy_(torch.tensor([0.0, 1.0, 2.0, 0.5]))
        field.level.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
        field.weight.copy_(torch.tensor([0.5, -1.0, 0.3]))
        field.joint_weight.copy_(torch.tensor([2.0, -1.0]))
        field.source.copy_(torch.tensor([0, 1, 0]))
        field.target.copy_(torch.tensor([1, 2, 3]))
        field.joint_sources.copy_(torch.tensor([[0, 1], [1, 1]]))
        field.joint_target.copy_(torch.tensor([3, 2]))
        field.centre.fill_(0.5)
    field.set_range(torch.zeros(4), torch.ones(4))
    return field.double()


def test_it_equals_one_jacobian_at_a_time():
    field, states = XField(), normal(5, 8)
    table = jacobian_table(field, states, torch.zeros(5).double())
    found = jacobian_attribution(field, states)
    assert np.allclose(found.dense("mean"), table.mean(0).numpy(), atol=1e-12)
    assert np.allclose(found.dense("size"), table.abs().mean(0).numpy(), atol=1e-12)
    assert np.allclose(found.total_of_source, table.abs().mean(0).sum(0).numpy())
    squared = states.square()
    slope = (table * states.T[:, None, :]).sum(0) / squared.sum(1)
    assert np.allclose(found.dense("slope"), slope.numpy(), atol=1e-12)


def test_rows_sum_to_a_homogeneous_field():
    field, states = XField(), normal(5, 8)
    found = jacobian_attribution(field, states)
    assert found.gap < 1e-12
    assert np.allclose(found.dense().sum(1), field(states).detach().mean(1).numpy())
    assert (found.method, found.degree) == ("x-gradient", 1)
    bent = jacobian_attribution(lambda s: field(s) + 1, states)
    assert bent.gap > 0.1


def test_the_degree_divides_for_fields_too():
    found = jacobian_attribution(lambda s: s.relu() ** 2, normal(3, 4), degree=2)
    assert found.gap < 1e-12


@pytest.mark.parametrize("budget", [1, 40, 100, 10_000])
def test_chunks_change_nothing(budget):
    field, states = XField(), normal(5, 8)
    whole = jacobian_attribution(field, states, baseline=states.mean(1), nodes=3)
    part = jacobian_attribution(field, states, baseline=states.mean(1), nodes=3, budget=budget)
    for what in ("mean", "size", "slope"):
        assert np.allclose(part.dense(what), whole.dense(what), atol=1e-12)
    assert part.gap == pytest.approx(whole.gap)


def test_one_node_is_exact_for_a_gene_field_within_its_range():
    field = gene_field()
    states = torch.rand(4, 9, generator=torch.Generator().manual_seed(0)).double()
    found = jacobian_attribution(field, states, baseline=states.mean(1), nodes=1)
    assert found.gap < 1e-12  # its drive is a polynomial of degree two
    assert not (found.target == 0).any()  # a gene that does not move


def test_decay_is_left_out_of_what_a_gene_does_to_itself():
    field = gene_field()
    states = torch.rand(4, 9, generator=torch.Generator().manual_seed(0)).double()
    found = jacobian_attribution(production(field), states, baseline=states.mean(1), nodes=1)
    assert found.gap < 1e-12
    pairs = set(zip(found.source.tolist(), found.target.tolist(), strict=True))
    assert pairs == {(0, 1), (1, 2), (0, 3), (1, 3)}
    only = [i for i, s in enumerate(found.source) if (s, found.target[i]) == (0, 1)]
    assert found.slope[only[0]] == pytest.approx(0.5)  # rate times weight


def test_a_phoenix_field_is_complete_from_the_mean_state():
    field = PhoenixField(6, hidden=5, generator=torch.Generator().manual_seed(0)).double()
    states = torch.rand(6, 7, generator=torch.Generator().manual_seed(1)).double()
    found = jacobian_attribution(field, states, baseline=states.mean(1), nodes=24)
    assert found.gap < 1e-2  # its activation has a kink in the second derivative at one half


def test_the_strongest_pairs_of_some_targets_can_be_kept():
    field, states = XField(), normal(5, 8)
    whole = jacobian_attribution(field, states)
    few = jacobian_attribution(field, states, keep=2, targets=torch.tensor([3, 1]))
    assert few.target.tolist() == [3, 3, 1, 1]
    row = whole.dense("size")[3]
    assert few.source[:2].tolist() == np.argsort(-row)[:2].tolist()
    assert few.result.shape == (2,)


def rk4_flow(field, time=2.0):
    return lambda s: solve(
        field, s, gaps=torch.full((s.shape[1],), time, dtype=s.dtype), method=RungeKutta4(8)
    )


def test_the_flow_of_a_field_of_degree_one_scales_bit_for_bit_and_is_complete():
    field = XField().float()
    field.decay = field.decay.float()
    start, flow = normal(5, 6, dtype=torch.float32), rk4_flow(field)
    with torch.no_grad():
        for scale in (0.5, 2.0, 8.0):
            assert torch.equal(flow(scale * start), scale * flow(start))
    assert flow_attribution(flow, start).gap < 1e-6  # float32


def test_a_flow_has_the_integrated_gradients_of_the_solution():
    field, start = XField(), normal(5, 3)
    flow = rk4_flow(field)
    found = flow_attribution(flow, start)
    slow = integrated_gradients(lambda rows: flow(rows.T).T, start.T.contiguous(), 2, nodes=50)
    assert np.allclose(found.dense()[2], slow.value.mean(0).numpy(), atol=1e-12)


def test_a_flow_without_a_degree_takes_a_baseline():
    field, method = gene_field(), make_method("etd4", gene_field())

    def flow(state):
        return solve(field, state, gaps=torch.full_like(state[0], 1.5), method=method)

    states = torch.rand(4, 5, generator=torch.Generator().manual_seed(0)).double()
    found = flow_attribution(flow, states, baseline=states.mean(1), nodes=8)
    assert found.gap < 1e-9
    assert found.method == "integrated gradients"


def test_a_module_of_ones_own_works():
    module = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 3, bias=False))
    assert jacobian_attribution(ModuleField(module).double(), normal(3, 4)).gap < 1e-12


def test_operations_without_a_batching_rule_are_done_one_by_one():
    class Plain(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            if torch._C._functorch.is_batchedtensor(grad):
                raise RuntimeError("no batching rule")
            return grad * 2

    assert jacobian_attribution(Plain.apply, normal(3, 4)).gap < 1e-12


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: jacobian_attribution(lambda x: x[:2], s), "same shape"),
        (lambda s: jacobian_attribution(lambda x: x / 0, s), "finite range"),
        (lambda s: jacobian_attribution(lambda x: x, s * torch.nan), "NaN"),
        (lambda s: jacobian_attribution(lambda x: x, s, degree=0), "positive"),
        (lambda s: jacobian_attribution(lambda x: x, s, baseline=s[:2, 0]), "baseline has 2"),
        (lambda s: jacobian_attribution(lambda x: x, s, targets=torch.tensor([3])), "outside"),
    ],
)
def test_bad_input_gets_a_sentence(call, words):
    with pytest.raises(InputError, match=words):
        call(normal(3, 4))
