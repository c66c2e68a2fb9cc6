"""The compiled engine against automatic differentiation; skipped where there is no compiler."""

import copy

import numpy as np
import pytest
import torch
from scipy import sparse

from niwaki.dynamics import (
    Exponential,
    Optimisation,
    PairTensors,
    PhoenixField,
    PriorTerm,
    RungeKutta4,
    Training,
    engine,
    solve,
    train_epoch,
    usable_processors,
)
from niwaki.dynamics._engine._build import supported
from niwaki.dynamics._engine._runner import WEIGHTS, Gaps, is_turned
from niwaki.dynamics._fused import FusedLoss, fused_solve, make_runner, scheme_of
from niwaki.experiment._config import FitConfig
from niwaki.experiment._sparsify import make_sparsifier

METHODS = [Exponential(4, 2), Exponential(2, 3), RungeKutta4(2)]
NAMES = ["etd4", "etd2", "rk4"]

needs_engine = pytest.mark.skipif(engine().library is None, reason=engine().note)


def make_field(genes, hidden, seed=0, dtype=torch.float64):
    """A field with dense random weights, a gene that stays and one that is fast."""
    generator = torch.Generator().manual_seed(seed)
    field = PhoenixField(genes, hidden=hidden, generator=generator)
    with torch.no_grad():
        for name in ("weight_sum", "weight_prod"):
            weight = field.get_parameter(name)
            weight.copy_(torch.randn(weight.shape, generator=generator) / genes**0.5)
        field.multiplier[0] = -0.5
        field.multiplier[-1] = 6.0
    return field.to(dtype)


def make_states(genes, pairs, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed + 100)
    start = (torch.rand(genes, pairs, generator=generator) * 1.4 - 0.2).to(dtype)
    irregular = torch.rand(pairs, generator=generator).to(dtype) + 0.05
    regular = torch.tensor([2.0, 1.0, 4.0, 0.5], dtype=dtype)[torch.arange(pairs) % 4]
    return start, irregular if seed % 2 else regular


def slow_gradients(field, start, gaps, method, cotangent):
    start = start.clone().requires_grad_()
    ends = method(field, start, gaps)
    return ends, torch.autograd.grad(ends, [start, *field.parameters()], cotangent)


def close(found, expected, *, eps):
    """Equal to `eps` of the size of the whole array: sums are taken in another order."""
    scale = float(expected.detach().abs().max()) or 1.0
    torch.testing.assert_close(found, expected, rtol=0, atol=eps * scale)


SHAPES = [(7, 3, 5), (100, 13, 37), (97, 20, 70), (9, 33, 8), (11, 4, 1), (1, 1, 1), (193, 17, 24)]


@needs_engine
@pytest.mark.parametrize("dense", [True, False], ids=["dense", "sparse"])
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_solve_and_every_gradient_equal_automatic_differentiation(shape, method, dense):
    genes, hidden, pairs = shape
    for dtype, eps in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        field = make_field(genes, hidden, dtype=dtype)
        start, gaps = make_states(genes, pairs, seed=pairs, dtype=dtype)
        gaps = gaps * 0.3 if isinstance(method, RungeKutta4) else gaps  # else RK4 blows up
        cotangent = torch.randn(start.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        expected, slow = slow_gradients(field, start, gaps, method, cotangent)
        leaf = start.clone().requires_grad_()
        ends = fused_solve(field, leaf, gaps, scheme_of(field, method, start), dense=dense)
        close(ends, expected, eps=eps)
        fast = torch.autograd.grad(ends, [leaf, *field.parameters()], cotangent)
        for found, reference in zip(fast, slow, strict=True):
            close(found, reference, eps=eps)


@needs_engine
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_gradients_pass_finite_differences(method):
    field = make_field(3, 2)
    start, gaps = make_states(3, 2)
    names = [name for name, _ in field.named_parameters()]

    def ends(state, *values):
        twin = copy.deepcopy(field)
        for name, value in zip(names, values, strict=True):
            delattr(twin, name)
            setattr(twin, name, value)
        return _solve_with(twin, names, state, gaps * 0.2, method)

    leaves = [p.detach().clone().requires_grad_() for p in field.parameters()]
    assert torch.autograd.gradcheck(ends, (start.requires_grad_(), *leaves))


def _solve_with(twin, names, state, gaps, method):
    twin.get_parameter = lambda name: getattr(twin, name)
    twin.parameters = lambda: [getattr(twin, name) for name in names]
    return fused_solve(twin, state, gaps, scheme_of(twin, method, state))


@needs_engine
@pytest.mark.parametrize("dense", [True, False], ids=["dense", "sparse"])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 0.9])
def test_gradients_of_survivors_equal_those_of_the_whole_matrices(density, dense):
    field = make_field(40, 12)
    generator = torch.Generator().manual_seed(3)
    shapes = {n: field.get_parameter(n).shape for n in WEIGHTS}
    masks = {n: torch.rand(s, generator=generator) < density for n, s in shapes.items()}
    with torch.no_grad():
        for name, mask in masks.items():
            field.get_parameter(name).mul_(mask)
    start, gaps = make_states(40, 21)
    cotangent = torch.randn(start.shape, generator=generator).double()
    method = Exponential()
    _, slow = slow_gradients(field, start, gaps, method, cotangent)
    parameters = dict(field.named_parameters())
    runner = make_runner(parameters, masks, scheme_of(field, method), dense=dense)
    runner.pull_back(start, cotangent, Gaps.of(gaps.numpy()))
    for name, reference in zip(parameters, slow[1:], strict=True):
        if name in masks:
            slot = runner.slots[name]
            assert len(slot.grad) == int(masks[name].sum())
            found = torch.zeros_like(reference)
            slot.put(slot.grad, found, turned=is_turned(name))
            close(found, reference * masks[name], eps=1e-12)
        else:
            close(runner.vector_grads[name], reference, eps=1e-12)


@needs_engine
@pytest.mark.parametrize("density", [1.0, 0.5, 0.1])
def test_epochs_equal_those_of_torch(density, monkeypatch):
    def run():
        field = make_field(30, 8)
        generator = torch.Generator().manual_seed(3)
        masks = {
            n: torch.rand(field.get_parameter(n).shape, generator=generator) < density
            for n in WEIGHTS
        }
        training = Training(field, Optimisation(learning_rate=1e-3))
        start, gaps = make_states(30, 26)
        pairs = PairTensors(start, start.roll(1, 0), gaps)
        order = np.random.default_rng(0).permutation(26)
        losses = [
            train_epoch(training, pairs, batches=np.split(order, 2), method=Exponential(), masks=m)
            for m in ({}, masks, masks)
        ]
        return training, losses

    fast, losses = run()
    monkeypatch.setattr("niwaki.dynamics._train.scheme_of", lambda *_: None)
    slow, expected = run()
    # Adam divides by the root of a squared gradient, which magnifies rounding of a small one
    assert losses == pytest.approx(expected, rel=1e-9)
    for name, value in slow.tensors().items():
        close(fast.tensors()[name], value, eps=1e-7)


@needs_engine
@pytest.mark.parametrize("kind", ["prior", "l1", "l0", "pathreg", "policy"])
def test_epochs_with_a_prior_or_a_sparsifier_equal_those_of_torch(kind, monkeypatch):
    def run():
        field = make_field(20, 6)
        config = FitConfig(field="phoenix", sparsifier=None if kind == "prior" else kind)
        hook = make_sparsifier(config, field, steps=8)
        keep = torch.rand((6, 20), generator=torch.Generator().manual_seed(5)) < 0.7
        training = Training(field, Optimisation(learning_rate=1e-3))
        start, gaps = make_states(20, 26)
        prior = PriorTerm.from_data(sparse.eye_array(20, format="csr"), start, weight=0.3)
        losses = [
            train_epoch(
                training,
                PairTensors(start, start.roll(1, 0), gaps),
                batches=np.split(np.arange(26), 2),
                method=Exponential(),
                masks={"weight_sum": keep} if hook is None else {},
                prior=prior if hook is None else None,
                generator=torch.Generator().manual_seed(epoch),
                hook=hook,
            )
            for epoch in range(4)
        ]
        return training, losses

    fast, losses = run()
    assert isinstance(next(iter(fast.cache.values())), FusedLoss)
    monkeypatch.setattr("niwaki.dynamics._train.scheme_of", lambda *_: None)
    monkeypatch.setattr("niwaki.dynamics._solve.scheme_of", lambda *_: None)
    slow, expected = run()
    assert losses == pytest.approx(expected, rel=1e-9)
    for name, value in slow.tensors().items():
        close(fast.tensors()[name], value, eps=1e-7)


@needs_engine
def test_a_hook_may_use_weights_at_pruned_places(monkeypatch):
    class Lifted:
        def weights(self, parameters):
            return {"output_sum": parameters["output_sum"] + 0.1}

        def penalty(self, parameters):
            return None

        def after_step(self, parameters, *, rate, loss):
            pass

    def run():
        field = make_field(12, 5)
        mask = torch.rand((12, 5), generator=torch.Generator().manual_seed(1)) < 0.5
        start, gaps = make_states(12, 8)
        return train_epoch(
            Training(field, Optimisation()),
            PairTensors(start, start.roll(1, 0), gaps),
            batches=[np.arange(8)],
            method=Exponential(),
            masks={"output_sum": mask},
            hook=Lifted(),
        )

    found = run()
    for place in ("_train", "_solve"):
        monkeypatch.setattr(f"niwaki.dynamics.{place}.scheme_of", lambda *_: None)
    assert found == pytest.approx(run(), rel=1e-12)


@needs_engine
def test_results_are_the_same_bit_for_bit_and_threads_change_rounding_only():
    field = make_field(120, 9, dtype=torch.float32)
    start, gaps = make_states(120, 20, dtype=torch.float32)
    ends = []
    try:
        for threads in (1, 1, 2, 2):
            torch.set_num_threads(threads)
            ends.append(solve(field, start, gaps=gaps, method=Exponential()).detach())
    finally:
        torch.set_num_threads(1)
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[2], ends[3])
    torch.testing.assert_close(ends[0], ends[2], rtol=1e-5, atol=1e-6)


@needs_engine
@pytest.mark.parametrize("hidden", [70, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["single", "double"])
def test_threads_keep_out_of_each_other_s_way(hidden, dtype):
    if usable_processors() < 2:
        pytest.skip("one processor: no second thread is started")
    field = make_field(700, hidden, dtype=dtype)
    start, gaps = make_states(700, 8, dtype=dtype)
    scheme, grid = scheme_of(field, Exponential(4, 1), start), Gaps.of(gaps.double().numpy())
    found = []
    try:
        for threads in (1, *[2] * 20):  # a thread that is late must not matter
            torch.set_num_threads(threads)
            runner = make_runner(dict(field.named_parameters()), {}, scheme, dense=True)
            runner.differentiate(start, start.roll(1, 0), grid)
            found.append(runner.gradients())
    finally:
        torch.set_num_threads(1)
    for gradients in found[1:]:
        for one, two in zip(found[0], gradients, strict=True):
            close(two, one, eps=1e-4 if dtype is torch.float32 else 1e-10)


@needs_engine
def test_more_threads_than_processors_are_not_started():
    field = make_field(50, 3)
    start, gaps = make_states(50, 4)
    torch.set_num_threads(64)
    try:
        runner = make_runner(dict(field.named_parameters()), {}, scheme_of(field, METHODS[0]))
        assert 1 <= runner.threads < 64
        ends = runner.solve(start, Gaps.of(gaps.numpy()))
    finally:
        torch.set_num_threads(1)
    close(ends, METHODS[0](field, start, gaps).detach(), eps=1e-12)


@needs_engine
def test_arrays_of_any_stride_are_taken():
    field = make_field(10, 4)
    start, gaps = make_states(10, 12)
    strided = start.T.contiguous().T
    assert not strided.is_contiguous()
    method = Exponential()
    whole = solve(field, start, gaps=gaps, method=method)
    close(solve(field, strided, gaps=gaps, method=method), whole, eps=1e-15)
    close(solve(field, start[:, ::3], gaps=gaps[::3], method=method), whole[:, ::3], eps=1e-12)


def test_other_precisions_and_fields_of_ones_own_take_the_torch_path():
    class Own(PhoenixField):
        pass

    half = make_field(10, 4, dtype=torch.float16)
    assert scheme_of(half, METHODS[0]) is None
    start, _ = make_states(10, 3, dtype=torch.float32)
    assert scheme_of(make_field(10, 4), METHODS[0], start) is None
    assert scheme_of(Own(4, hidden=2, generator=torch.Generator()), METHODS[0]) is None


@needs_engine
def test_step_with_an_infinite_loss_changes_nothing():
    field = make_field(6, 3, dtype=torch.float32)
    training = Training(field, Optimisation())
    start, gaps = make_states(6, 8, dtype=torch.float32)
    end = start.clone()
    end[4, 5] = torch.nan
    before = {name: value.clone() for name, value in field.state_dict().items()}
    with pytest.raises(ArithmeticError, match="pair 5, gene 4") as caught:
        train_epoch(
            training,
            PairTensors(start, end, gaps),
            batches=[np.arange(8)],
            method=Exponential(),
            masks={},
        )
    assert caught.value.place == (5, 4)
    for name, value in field.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("isa", "flags", "runs"),
    [
        (3, {"avx2", "fma", "avx512f"}, True),
        (3, {"avx2", "fma"}, False),
        (1, {"avx2"}, False),
        (0, set(), True),
        (4, {"asimd"}, True),
        (4, {"neon"}, True),
        (4, {"avx2"}, False),
    ],
)
def test_library_runs_only_on_processors_with_its_instructions(isa, flags, runs):
    assert supported(isa, frozenset(flags)) is runs
