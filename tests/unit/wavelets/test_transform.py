import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.wavelets import slow_dwt

from niwaki.core import ConfigError, InputError
from niwaki.wavelets import MODES, dwt, dwt2, flat_bands, idwt, idwt2, named_filter
from niwaki.wavelets import _transform as transform

# PyWavelets warns of levels that no coefficient reaches free of the ends; here they count.
pytestmark = pytest.mark.filterwarnings("ignore:Level value of")
EXACT = 1e-12  # asked of float64; measured below 1e-14
LENGTHS = (1, 2, 3, 5, 8, 17, 40, 64, 300, 513)


@pytest.fixture(params=["dense", "framed"])
def engine(request, monkeypatch):
    """Every test of a transform runs with dense matrices and with frames."""
    if request.param == "framed":
        monkeypatch.setattr(transform, "DENSE", 0)
        monkeypatch.setattr(transform, "FEW", 0)


def largest(pairs):
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["haar", "db5", "coif2"])
def test_coefficients_and_their_order_are_those_of_pywavelets(mode, name, engine, normal):
    for length in LENGTHS:
        for level in (1, 3):
            x = normal(2, length)
            try:
                stored = pywt.wavedec(x.numpy(), name, mode, level=level)
            except ValueError:
                assert mode == "reflect"  # PyWavelets refuses to reflect one sample
                continue
            ours = dwt(x, pywt.Wavelet(name), level=level, mode=mode)
            assert largest(zip(stored, ours, strict=True)) < EXACT


@pytest.mark.parametrize("mode", MODES)
def test_images_are_those_of_pywavelets(mode, engine, normal):
    for shape in ((8, 8), (17, 12), (5, 31)):
        x = normal(2, *shape)
        stored = pywt.wavedec2(x.numpy(), "db3", mode, level=2)
        ours = dwt2(x, pywt.Wavelet("db3"), level=2, mode=mode)
        for a, b in zip(stored, ours, strict=True):
            parts = [(a, b)] if isinstance(b, torch.Tensor) else zip(a, b, strict=True)
            assert largest(parts) < EXACT


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(2, 70),
    name=st.sampled_from(["haar", "db2", "db7", "sym4", "coif1"]),
    level=st.integers(0, 4),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 99),
)
def test_the_inverse_returns_the_signal(length, name, level, mode, seed):
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, length)))
    try:
        bands = dwt(x, name, level=level, mode=mode)
    except InputError:
        assert mode == "reflect"
        return
    assert torch.allclose(idwt(bands, name, length=length, mode=mode), x, atol=EXACT)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_inverse_returns_the_image(mode, dtype, engine, normal):
    x = normal(2, 3, 21, 34).to(dtype)
    bands = dwt2(x, "db3", level=3, mode=mode)
    back = idwt2(bands, "db3", shape=(21, 34), mode=mode)
    assert back.dtype == dtype
    assert float((back - x).abs().max()) < (1e-12 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("mode", ["zero", "periodization", "symmetric"])
def test_the_matrix_engine_agrees_with_the_sum_of_the_definition(mode, engine, normal):
    x, low = normal(11), named_filter("db2")
    slow = slow_dwt(x.tolist(), low.tolist(), level=2, mode=mode)
    fast = dwt(x, low, level=2, mode=mode)
    assert largest(zip(slow, fast, strict=True)) < EXACT


@pytest.mark.parametrize("length", [4, 8, 16, 24, 32])
def test_a_circle_shorter_than_the_filter_keeps_energy(length, engine, normal):
    x = normal(3, length)
    flat = torch.cat(dwt(x, "db5", level=2, mode="periodization"), -1)
    assert flat.shape == x.shape
    assert torch.allclose(flat.square().sum(-1), x.square().sum(-1), rtol=1e-12)


def test_signals_and_filters_have_gradients(engine, normal):
    x, low = normal(2, 20).requires_grad_(), named_filter("db3").requires_grad_()
    for mode in MODES:
        assert torch.autograd.gradcheck(
            lambda v, h, m=mode: torch.cat(dwt(v, h, level=2, mode=m), -1), (x, low)
        )


def test_images_and_filters_have_gradients(engine, normal):
    x, low = normal(1, 7, 8).requires_grad_(), named_filter("db2").requires_grad_()

    def both_ways(v, h):
        bands = dwt2(v, h, level=1)
        return idwt2([bands[0], tuple(2 * b for b in bands[1])], h, shape=(7, 8))

    assert torch.autograd.gradcheck(both_ways, (x, low))


def test_every_level_and_axis_may_have_its_own_filter(normal):
    x = normal(2, 24, 17)
    low = torch.stack([torch.stack([named_filter("db2"), named_filter("sym2")]).flip(0)] * 2)
    low[1, 0] = torch.nn.functional.pad(named_filter("haar"), (0, 2))
    bands = dwt2(x, low, level=2)
    assert torch.allclose(idwt2(bands, low, shape=(24, 17)), x, atol=EXACT)
    rows = dwt(x.transpose(-1, -2), low[0, 0], level=1)
    columns = dwt(rows[0].transpose(-1, -2), low[0, 1], level=1)
    assert torch.allclose(bands[2][1], columns[1], atol=EXACT)


@pytest.mark.parametrize("shape", [(2, 300), (2, 301), (2, 129, 70), (2, 64, 66)])
@pytest.mark.parametrize("mode", MODES)
def test_the_quick_way_without_gradients_gives_the_same(shape, mode, normal):
    x = normal(*shape)
    forward = dwt if len(shape) == 2 else dwt2
    with torch.no_grad():
        quick = forward(x.float(), "db5", level=2, mode=mode)
    exact = forward(x, "db5", level=2, mode=mode)
    pairs = zip(flat_bands(quick), flat_bands(exact), strict=True)
    assert largest(pairs) < 1e-5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dwt(torch.zeros(3, 0), "db2", level=1), "empty"),
        (lambda: dwt(torch.zeros(3, 8, dtype=torch.int64), "db2", level=1), "floating-point"),
        (lambda: dwt(torch.zeros(8), "db99", level=1), "unknown"),
        (lambda: dwt(torch.zeros(8), [1.0, 0.5, 0.2], level=1), "3 taps"),
        (lambda: dwt(torch.zeros(8), torch.ones(3, 4), level=2), "does not fit 2 levels"),
        (lambda: dwt(torch.zeros(1), "haar", level=1, mode="reflect"), "one sample"),
        (lambda: dwt(torch.zeros(8), np.array(["h", "g"]), level=1), "expected a wavelet's name"),
        (lambda: dwt2(torch.zeros(8), "haar", level=1), "one axis"),
        (lambda: idwt([torch.zeros(4)] * 2, "haar", length=9), "have lengths"),
        (lambda: idwt2([(torch.zeros(4),) * 3], "haar", shape=(8, 8)), "first band"),
        (lambda: idwt2([torch.zeros(4, 4)] * 2, "haar", shape=(9, 9)), "level 1 has bands"),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.parametrize("how", [{"level": -1}, {"level": 1, "mode": "circular"}])
def test_bad_settings_are_one_sentence(how):
    with pytest.raises(ConfigError):
        dwt(torch.zeros(8), "haar", **how)


@pytest.mark.gpu
def test_another_device_gives_the_same(normal):
    if not torch.cuda.is_available():
        pytest.skip("no accelerator here")
    for shape, forward in (((2, 40), dwt), ((2, 700), dwt), ((2, 90, 90), dwt2)):
        x = normal(*shape)
        for mode in MODES:
            here = flat_bands(forward(x, "db5", level=2, mode=mode))
            there = flat_bands(forward(x.cuda(), "db5", level=2, mode=mode))
            assert all(torch.allclose(a, b.cpu()) for a, b in zip(here, there, strict=True))
