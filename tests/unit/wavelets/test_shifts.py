import numpy as np
import pytest
import pywt
import torch

from niwaki.core import ConfigError, InputError
from niwaki.wavelets import MODES, dwt, undecimated

EXACT = 1e-12  # asked of float64; measured below 1e-14


@pytest.mark.parametrize("rows", [3, 60])  # by convolution, and by one product
@pytest.mark.parametrize("name", ["haar", "db3"])
def test_every_dwt_of_a_shifted_signal_is_among_them(rows, name, normal):
    x, level = normal(rows, 21), 3
    every = undecimated(x, name, level=level)
    for shift in range(2**level):
        late = dwt(torch.nn.functional.pad(x, (shift, 0)), name, level=level)
        for band, (few, all_) in enumerate(zip(late, every, strict=True)):
            step = 2 ** (level if band == 0 else level + 1 - band)
            padded = torch.nn.functional.pad(all_, (shift, step))
            kept = padded[:, step - 1 :: step][:, : few.shape[1]]
            assert torch.allclose(kept, few, atol=EXACT)


@pytest.mark.parametrize("length", [16, 320])
def test_on_a_circle_they_are_those_of_pywavelets_but_for_where_they_begin(length, normal):
    x = normal(2, length)
    ours = undecimated(x, "db2", level=2, mode="periodization")
    stored = pywt.swt(x.numpy(), "db2", level=2, trim_approx=True, norm=False)
    for a, b in zip(stored, ours, strict=True):
        assert a.shape == b.shape
        best = min(np.abs(a - np.roll(b.numpy(), s, -1)).max() for s in range(length))
        assert best < EXACT


@pytest.mark.parametrize("mode", MODES)
def test_the_first_level_holds_the_dwt_in_every_mode(mode, normal):
    x = normal(3, 17)
    a, d = undecimated(x, "db3", level=1, mode=mode)
    for every, few in zip((a, d), dwt(x, "db3", level=1, mode=mode), strict=True):
        if mode == "periodization":
            every = every.roll(-2, -1)  # the circle begins half a filter later
            assert torch.allclose(every[:, 1::2], few, atol=EXACT)
        else:
            assert torch.allclose(every[:, 1::2][:, : few.shape[1]], few, atol=EXACT)


def test_the_largest_coefficient_stays_when_the_signal_moves(normal):
    x = torch.nn.functional.pad(normal(4, 10), (3, 20))
    moved = x.roll(5, -1)
    for one, other in zip(*(undecimated(v, "db4", level=3) for v in (x, moved)), strict=True):
        assert torch.allclose(one.amax(-1), other.amax(-1), atol=EXACT)


def test_levels_may_have_filters_of_their_own_and_have_gradients(normal):
    x = normal(2, 12)
    low = normal(2, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: undecimated(x, f, level=2), (low,))


def test_bad_input_is_one_sentence(normal):
    with pytest.raises(InputError, match="empty"):
        undecimated(torch.zeros(2, 0), "db2", level=1)
    with pytest.raises(InputError, match="3 taps"):
        undecimated(normal(2, 8), [1.0, 1.0, 1.0], level=1)
    with pytest.raises(ConfigError, match="boundary mode"):
        undecimated(normal(2, 8), "db2", level=1, mode="circle")
