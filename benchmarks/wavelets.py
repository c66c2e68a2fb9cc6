"""Adaptive wavelet distillation: exactness, speed and recovery, against its original formulation.

The rival of the steps is the published formulation in words of our own: free taps, a strided
convolution per level, an inverse by transposed convolutions, attributions by autograd through the
inverse and the network with a graph kept for the second backward pass, five penalties that pull
the taps towards a wavelet, Adam. Two-dimensional transforms are separable, one convolution per
axis, as there. Both sides take the same batch, on one thread, and processor time is compared.
"""

import argparse
import json
import math
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import ptwt
import pywt
import torch
from torch import Tensor, nn
from torch.nn import functional

from niwaki.wavelets import (
    MODES,
    RATIOS,
    Layout,
    Objective,
    SearchOptions,
    WaveletTransform,
    coefficient_attributions,
    coefficient_attributions2,
    complete_angles,
    dwt,
    dwt2,
    filter_from_angles,
    flat_bands,
    high_pass,
    idwt,
    idwt2,
    input_gradients,
    named_filter,
    project,
    search_path,
    trim_attributions,
    wavelet_distance,
)

Row = dict[str, object]
Pair = tuple[Callable, Callable]
RIVAL = "original formulation (free taps, penalties, autograd through inverse and network)"


# ------------------------------------------------------------------ teachers
class Recurrent(nn.Module):
    """An LSTM over a series of single values, read at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 20, batch_first=True)
        self.out = nn.Linear(20, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one number per series."""
        return self.out(self.lstm(x.unsqueeze(-1))[0][:, -1])


class Images(nn.Module):
    """A network of channels-first images, fed with images that have no channel axis."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of the network."""
        return self.body(x.unsqueeze(1))


class Residual(nn.Module):
    """Two 3 by 3 convolutions around a shortcut."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(width)])
        plain = stride == 1 and width_in == width
        self.short = nn.Identity() if plain else nn.Conv2d(width_in, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = functional.relu(self.norms[0](self.first(x)))
        return functional.relu(self.norms[1](self.second(y)) + self.short(x))


def resnet18() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)]
    layers += [nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for wide, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Residual(width, wide, stride), Residual(wide, wide, 1)]
        width = wide
    return Images(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 3)))


def digits_cnn() -> nn.Module:
    return Images(
        nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(9216, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )
    )


def small_cnn() -> nn.Module:
    layers: list[nn.Module] = []
    for width_in, width in ((1, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(width_in, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return Images(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 1)))


def ffn() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)
    )


# ------------------------------------------------------------------ the rival
def rival_analysis(x: Tensor, low: Tensor, level: int) -> list[Tensor]:
    """Return bands by strided convolutions, zeros beyond the ends; images axis by axis."""
    taps = len(low)
    pair = torch.stack([low, high_pass(low)]).flip(-1)
    bands = []
    x = x.unsqueeze(1)
    for _ in range(level):
        if x.ndim == 3:
            x = functional.conv1d(_even(x, taps, (-1,)), pair[:, None], stride=2)
        else:
            x = _even(x, taps, (-1, -2))
            x = functional.conv2d(x, pair.view(2, 1, 1, taps), stride=(1, 2))
            kernel = pair.view(2, 1, taps, 1).repeat(2, 1, 1, 1)
            x = functional.conv2d(x, kernel, stride=(2, 1), groups=2)
        bands.append(x[:, 1:])
        x = x[:, :1]
    return [x, *bands]


def _even(x: Tensor, taps: int, axes: tuple[int, ...]) -> Tensor:
    sides = []
    for axis in axes:
        count = (x.shape[axis] + taps - 1) // 2
        sides += [taps - 2, 2 * count - x.shape[axis]]
    return functional.pad(x, sides)


def rival_synthesis(bands: list[Tensor], low: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the adjoint of the analysis, by transposed convolutions."""
    taps = len(low)
    pair = torch.stack([low, high_pass(low)]).flip(-1)
    sizes = [shape]
    for _ in bands[2:]:
        sizes.append(tuple((n + taps - 1) // 2 for n in sizes[-1]))
    x = bands[0]
    for detail, size in zip(reversed(bands[1:]), reversed(sizes), strict=True):
        both = torch.cat([x, detail], 1)
        at = taps - 2
        if both.ndim == 3:
            x = functional.conv_transpose1d(both, pair[:, None], stride=2)[..., at : at + size[0]]
        else:
            kernel = pair.view(2, 1, taps, 1).repeat(2, 1, 1, 1)
            y = functional.conv_transpose2d(both, kernel, stride=(2, 1), groups=2)
            x = functional.conv_transpose2d(y, pair.view(2, 1, 1, taps), stride=(1, 2))
            x = x[..., at : at + size[0], at : at + size[1]]
    return x.squeeze(1)


def rival_penalties(low: Tensor) -> Tensor:
    """Return the five penalties that pull taps towards an orthonormal low-pass filter."""
    high, half = high_pass(low), len(low) // 2
    spectrum = torch.fft.fft(low).abs().square()
    padded = functional.pad(low, (0, len(low)))
    shifts = torch.stack([(padded.roll(2 * m) * padded).sum() for m in range(half)])
    return 0.5 * (
        (low.sum() - math.sqrt(2)) ** 2
        + high.sum() ** 2
        + (low.square().sum() - 1) ** 2
        + (spectrum[:half] + spectrum[half:] - 2).square().sum()
        + (shifts[0] - 1) ** 2
        + 2 * shifts[1:].square().sum()
    )


def rival_step(teacher: nn.Module, x: Tensor, level: int, targets: int) -> Callable[[], None]:
    low = named_filter("db5", x.dtype).clone().requires_grad_()
    optimiser = torch.optim.Adam([low], lr=1e-6, fused=True)
    shape = tuple(x.shape[1:])

    def step() -> None:
        optimiser.zero_grad()
        bands = rival_analysis(x, low, level)
        back = rival_synthesis(bands, low, shape)
        seen = rival_synthesis(bands, low, shape)
        outputs = teacher(seen + (x - seen).detach())
        found = [
            torch.autograd.grad(outputs[:, k].sum(), bands, create_graph=True)
            for k in range(targets)
        ]
        sparse = sum(band.abs().sum() for band in bands) / (len(x) * (level + 1))
        attributed = sum(a.abs().sum() for each in found for a in each)
        loss = (x - back).square().sum() / len(x) + rival_penalties(low)
        loss = loss + 0.005 * sparse + 0.01 * attributed / (len(x) * (level + 1))
        loss.backward()
        optimiser.step()

    return step


def our_step(teacher: nn.Module, x: Tensor, level: int, targets: int) -> Callable[[], None]:
    gradients = input_gradients(teacher, x, targets=range(targets), chunk=len(x))
    objective = Objective(x, gradients, Layout(10, level, x.ndim - 1))
    layer = WaveletTransform("db5", level=level)
    angles = layer.angles.detach().to(x.dtype)[None].requires_grad_()
    optimiser = torch.optim.Adam([angles], lr=1e-6, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        objective.scores(angles).sum().backward()
        optimiser.step()

    return step


# ------------------------------------------------------------------ timing
def milliseconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return 1000 * (time.process_time() - began)


def interleave(
    ours: Callable[[], object], rival: Callable[[], object], *, repeats: int, block_ms: float = 30
) -> tuple[list[float], list[float]]:
    """Time blocks of both in turn, so that a busy machine slows both alike.

    A block is as many calls in a row as a training loop would make in `block_ms`: each side then
    finds its own data in the cache.
    """
    times: tuple[list[float], list[float]] = ([], [])
    counts = []
    for call in (ours, rival):
        call()
        once = min(milliseconds(call) for _ in range(3))
        counts.append(max(1, math.ceil(block_ms / max(once, 1e-3))))
    for _ in range(repeats):
        for call, count, found in zip((ours, rival), counts, times, strict=True):
            found.append(milliseconds(lambda c=call, n=count: [c() for _ in range(n)]) / count)
    return times


def speed_row(
    name: str,
    times: tuple[list[float], list[float]],
    rival_name: str,
    target: float,
    **more: object,
) -> Row:
    ours, rival = (float(np.median(t)) for t in times)
    return {
        "name": name,
        "ours": ours,
        "ours_min": min(times[0]),
        "rival": rival,
        "rival_min": min(times[1]),
        "rival_name": rival_name,
        "unit": "CPU ms",
        "ratio": rival / ours,
        "ratio_of_minima": min(times[1]) / min(times[0]),
        "target_ratio": target,
        **more,
    }


def value_row(name: str, value: float, unit: str, target: float, **more: object) -> Row:
    """Return a row for a measure that has a bound instead of a rival."""
    return {
        "name": name,
        "ours": value,
        "rival": None,
        "rival_name": None,
        "unit": unit,
        "ratio": None,
        "target_at_most": target,
        **more,
    }


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# ------------------------------------------------------------------ the measures
def step_rows(quick: bool) -> list[Row]:
    cases = [
        ("FFN, 64 samples, batch 100", ffn(), normal(100, 64), 4, 1, 7),
        ("LSTM, 40 samples, batch 100", Recurrent(), normal(100, 40), 4, 1, 20),
        ("CNN, 28 x 28, batch 100, 10 targets", digits_cnn(), normal(100, 28, 28), 3, 10, 12),
        ("CNN, 28 x 28, batch 100", digits_cnn(), normal(100, 28, 28), 3, 1, 12),
        ("CNN, 256 x 256, batch 8", small_cnn(), normal(8, 256, 256), 4, 1, 5),
        ("ResNet18-shaped, 256 x 256, batch 4", resnet18(), normal(4, 256, 256), 4, 1, 40),
    ]
    rows = []
    for name, teacher, x, level, targets, target in cases:
        teacher.eval().requires_grad_(False)
        if quick and targets > 1:
            continue
        heavy = x.ndim == 3
        times = interleave(
            our_step(teacher, x, level, targets),
            rival_step(teacher, x, level, targets),
            repeats=(2 if quick else 7) if heavy else (5 if quick else 25),
            block_ms=100 if heavy else 30,
        )
        once = milliseconds(
            lambda t=teacher, v=x, n=targets: input_gradients(t, v, targets=range(n), chunk=len(v))
        )
        rows.append(
            speed_row(f"step: {name}", times, RIVAL, target, gradients_once_ms=once, level=level)
        )
    return rows


class LearnableBank:
    """What ptwt wants of a wavelet whose taps have gradients."""

    def __init__(self, low: Tensor) -> None:
        high = high_pass(low)
        self.filter_bank = (low, high, low.flip(-1), high.flip(-1))
        self.dec_lo, self.dec_hi, self.rec_lo, self.rec_hi = self.filter_bank
        self.dec_len = self.rec_len = len(low)
        self.name = "learnable"

    def __len__(self) -> int:
        return self.dec_len


def _total(bands: object) -> Tensor:
    if isinstance(bands, Tensor):
        return bands.sum()
    each = bands.values() if isinstance(bands, dict) else bands
    return torch.stack([_total(band) for band in each]).sum()


def transform_rows(quick: bool) -> list[Row]:
    """Time the transforms on the two shapes, with and without inverse and filter gradient."""
    x, images = normal(64, 4096), normal(16, 256, 256)
    rows = []

    def timed(name: str, rival: str, pairs: list[Pair], grad: bool, inverse: bool) -> None:
        kind = "fwd" + ("+inverse" if inverse else "") + (" + dL/dh" if grad else "")
        calls = [_call(*pair, grad, inverse) for pair in pairs]
        times = interleave(calls[0], calls[1], repeats=5 if quick else 21)
        rows.append(speed_row(f"transform: {name}, {kind}", times, f"ptwt {_version()} {rival}", 1))

    signals = _ours(x, 4), _theirs(x, 4)
    own = (
        lambda low: dwt2(images, low, level=4),
        lambda bands, low: idwt2(bands, low, shape=(256, 256)),
    )
    whole = (
        lambda low: ptwt.wavedec2(images, LearnableBank(low), mode="zero", level=4),
        lambda bands, low: ptwt.waverec2(bands, LearnableBank(low)),
    )
    separable = (
        lambda low: ptwt.fswavedec2(images, LearnableBank(low), mode="zero", level=4),
        lambda bands, low: ptwt.fswaverec2(bands, LearnableBank(low)),
    )
    for grad in (False, True):
        for inverse in (False, True):
            timed("1-d 64 x 4096", "wavedec", list(signals), grad, inverse)
            timed("2-d 16 x 256 x 256", "wavedec2", [own, whole], grad, inverse)
            timed("2-d 16 x 256 x 256", "fswavedec2", [own, separable], grad, inverse)
    for count, length in ((5872, 40), (100_000, 64), (4000, 512), (1000, 4096)):
        data = normal(count // 20 if quick else count, length)
        pairs = [_ours(data, 4), _theirs(data, 4)]
        timed(f"data set {len(data)} x {length}", "wavedec", pairs, True, False)
    return rows


def _call(forward: Callable, backward: Callable, grad: bool, inverse: bool) -> Callable[[], None]:
    def call() -> None:
        low = named_filter("db5", torch.float32).clone().requires_grad_(grad)
        with torch.set_grad_enabled(grad):
            bands = forward(low)
            total = _total(backward(bands, low) if inverse else bands)
            if grad:
                total.backward()

    return call


def _ours(x: Tensor, level: int) -> "Pair":
    return (
        lambda low: dwt(x, low, level=level),
        lambda bands, low: idwt(bands, low, length=x.shape[-1]),
    )


def _theirs(x: Tensor, level: int) -> "Pair":
    return (
        lambda low: ptwt.wavedec(x, LearnableBank(low), mode="zero", level=level),
        lambda bands, low: ptwt.waverec(bands, LearnableBank(low)),
    )


def _version() -> str:
    from importlib.metadata import version

    return version("ptwt")


def exactness_rows() -> list[Row]:
    """Measure the largest deviations from PyWavelets, from TRIM and from reconstruction."""
    double = torch.float64
    worst_table, worst_trim, worst_back = 0.0, 0.0, {torch.float64: 0.0, torch.float32: 0.0}
    for mode in MODES:
        for length in (16, 17, 40, 64, 300, 513):
            x = normal(3, length, dtype=double)
            stored = pywt.wavedec(x.numpy(), "db5", mode, level=3)
            ours = dwt(x, pywt.Wavelet("db5"), level=3, mode=mode)
            worst_table = max(
                worst_table,
                *(float(np.abs(a - b.numpy()).max()) for a, b in zip(stored, ours, strict=True)),
            )
        for shape in ((40,), (41,), (12, 15)):
            worst_trim = max(worst_trim, *_trim_errors(mode, shape))
        for dtype in worst_back:
            for seed in range(5):
                for shape in ((40,), (63,), (300,), (20, 33)):
                    x = normal(4, *shape, seed=seed, dtype=dtype)
                    layer = WaveletTransform("db5", level=3, mode=mode, dimensions=len(shape)).to(
                        dtype
                    )
                    with torch.no_grad():
                        layer.angles.normal_(generator=torch.Generator().manual_seed(seed))
                        error = float((layer.inverse(layer(x), shape) - x).abs().max())
                    worst_back[dtype] = max(worst_back[dtype], error)
    return [
        value_row(
            "coefficients against PyWavelets, all modes", worst_table, "largest error", 1e-12
        ),
        value_row("closed form against TRIM, all modes", worst_trim, "relative error", 1e-12),
        value_row(
            "reconstruction, any angles, float64", worst_back[double], "largest error", 1e-12
        ),
        value_row(
            "reconstruction, any angles, float32", worst_back[torch.float32], "largest error", 1e-5
        ),
        *fit_rows(),
        *published_rows(),
    ]


def fit_rows() -> list[Row]:
    """Measure reconstruction after fits along a whole path, in every mode and both precisions."""
    rows = []
    for dtype, bound in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        x, g = normal(100, 40, dtype=dtype), normal(100, 40, seed=1, dtype=dtype)
        worst = 0.0
        for mode in MODES:
            objective = Objective(x, g[None], Layout(10, 3), mode)
            path = search_path(
                objective,
                ratios=(*RATIOS[::4], math.inf),
                options=SearchOptions(beam=4),
                rng=np.random.default_rng(0),
            )
            for point in path.points:
                low = objective.layout.lows(point.angles).to(dtype)
                back = idwt(dwt(x, low, level=3, mode=mode), low, length=40, mode=mode)
                worst = max(worst, float((back - x).abs().max()))
        kind = str(dtype).removeprefix("torch.")
        rows.append(
            value_row(
                f"reconstruction after fits, any gamma, {kind}", worst, "largest error", bound
            )
        )
    return rows


def published_rows() -> list[Row]:
    """Measure the error of the filters learned in the original study, and once projected."""
    folder = os.environ.get("NIWAKI_DATA")
    path = Path(folder or ".") / "awd" / "biology_learned_lowpass_filters.csv"
    if not path.exists():
        return []
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    x, found, after, apart = normal(100, 40, dtype=torch.float64), [], [], []
    for taps in torch.from_numpy(table[:, 3:].copy()):
        free, distance = project(taps)
        nearest = filter_from_angles(complete_angles(free))
        apart.append(distance)
        for low, errors in ((taps, found), (nearest, after)):
            back = idwt(dwt(x, low, level=4), low, length=40)
            errors.append(float((back - x).square().sum(1).mean()))
    name = f"{len(table)} filters of the original study"
    return [
        value_row(
            f"{name}: distance to the nearest wavelet, largest", max(apart), "distance", 0.05
        ),
        value_row(
            f"{name}: squared error per sample of noise, once projected, largest",
            max(after),
            "squared error",
            1e-20,
            before_projection=max(found),
            median_before_projection=float(np.median(found)),
        ),
    ]


def _trim_errors(mode: str, shape: tuple[int, ...]) -> list[float]:
    """Compare every attribution of every target with autograd through the inverse."""
    size = math.prod(shape)
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(size, 16, generator=generator).double() / 4]
    weights += [torch.randn(16, 3, generator=generator).double()]

    def teacher(x: Tensor) -> Tensor:
        return torch.tanh(x.flatten(1) @ weights[0]) @ weights[1]

    x = normal(5, *shape, dtype=torch.float64)
    flat = len(shape) == 1
    forward, closed = (dwt, coefficient_attributions) if flat else (dwt2, coefficient_attributions2)

    def analysis(v: Tensor) -> list[Tensor]:
        found = forward(v, "db3", level=2, mode=mode)
        return [b for band in found for b in ((band,) if isinstance(band, Tensor) else band)]

    def synthesis(bands: list[Tensor]) -> Tensor:
        if flat:
            return idwt(bands, "db3", length=shape[0], mode=mode)
        nested = [bands[0], *(tuple(bands[i : i + 3]) for i in range(1, len(bands), 3))]
        return idwt2(nested, "db3", shape=shape, mode=mode)

    errors = []
    for kind in ("saliency", "input_x_gradient", "integrated_gradients"):
        nodes = 16 if kind == "integrated_gradients" else 0
        gradients = input_gradients(teacher, x, targets=range(3), nodes=nodes)
        for target in range(3):
            slow = trim_attributions(
                teacher,
                x,
                analysis=analysis,
                synthesis=synthesis,
                attribution=kind,
                target=target,
                nodes=16,
            )
            given = None if kind == "saliency" else x
            fast = closed(gradients[target], "db3", level=2, mode=mode, x=given)
            one, two = (torch.cat(flat_bands(part), 1) for part in (slow, fast))
            errors.append(float((one - two).norm() / one.norm()))
    return errors


def synthetic_rows(quick: bool) -> list[Row]:
    """Recover db5 from what a network learned of three of its coefficients, without an oracle."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(55_000, 64, generator=generator)
    coefficients = dwt(x, "db5", level=4)[2][:, 7:10].sum(1)
    y = 2 * coefficients + 0.1 * torch.randn(55_000, generator=generator)
    teacher, r2 = train(x[:50_000], y[:50_000], x[50_000:], y[50_000:], epochs=4 if quick else 20)
    rows = []
    for seed in range(1 if quick else 3):
        began = time.process_time()
        part = x[:2000]
        objective = Objective(part, input_gradients(teacher, part), Layout(10, 4))
        path = search_path(
            objective,
            ratios=(100.0,),
            options=SearchOptions(named=False),
            rng=np.random.default_rng(seed),
        )
        seconds = time.process_time() - began
        low = objective.layout.lows(path.points[0].angles)[0]
        rows.append(
            value_row(
                f"synthetic recovery from grown starts, seed {seed}",
                wavelet_distance(low, "db5"),
                "distance to db5",
                0.05,
                cpu_seconds=seconds,
                target_cpu_seconds=30,
                teacher_r2=r2,
                objective=path.points[0].value,
                named_starts=False,
            )
        )
    return rows


def train(x: Tensor, y: Tensor, held_x: Tensor, held_y: Tensor, *, epochs: int) -> tuple:
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(1)
        network = ffn()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(2)
    for _ in range(epochs):
        for index in torch.randperm(len(x), generator=generator).split(100):
            optimiser.zero_grad()
            (network(x[index]).squeeze(1) - y[index]).square().mean().backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        error = (network(held_x).squeeze(1) - held_y).square().mean() / held_y.var()
    return network, 1 - float(error)


def study_row(quick: bool) -> Row:
    """Time a whole study of the biology's size, and estimate the original's from its steps."""
    rows, points = (600, 5) if quick else (5872, 20)
    x, teacher = tracks(rows), Recurrent().eval().requires_grad_(False)
    began = time.process_time()
    objective = Objective(x, input_gradients(teacher, x), Layout(10, 4))
    ratios = (0.0, *np.geomspace(0.01, 100, points - 2).tolist(), math.inf)
    path = search_path(objective, ratios=ratios, rng=np.random.default_rng(0))
    ours = time.process_time() - began
    step = rival_step(teacher, x[:100], 4, 1)
    step()
    once = float(np.median([milliseconds(step) for _ in range(5 if quick else 15)]))
    steps = 105 * 100 * math.ceil(2936 / 100)
    rival = once / 1000 * steps
    return {
        "name": f"biology-size study: {rows} x 40, {points} points of the path, multi-start",
        "ours": ours,
        "rival": rival,
        "rival_name": f"{RIVAL}: one step of 100, times 105 fits x 100 epochs x 30 steps",
        "unit": "CPU s",
        "ratio": rival / ours,
        "target_at_most": 60,
        "searches": len(path.history),
        "points": len(path.points),
    }


def tracks(rows: int) -> Tensor:
    """Return noisy tracks that rise, stay and fall."""
    rng = np.random.default_rng(0)
    times = np.arange(40)
    start, length = rng.uniform(2, 10, rows), rng.uniform(5, 25, rows)
    rise = 1 / (1 + np.exp(-(times - start[:, None])))
    fall = 1 / (1 + np.exp(-(times - (start + length)[:, None]) / 2))
    return torch.from_numpy(rise - fall + 0.1 * rng.normal(size=(rows, 40))).float()


def measure(*, quick: bool, only: str | None) -> list[Row]:
    parts: dict[str, Callable[[], list[Row]]] = {
        "exactness": exactness_rows,
        "step": lambda: step_rows(quick),
        "transform": lambda: transform_rows(quick),
        "synthetic": lambda: synthetic_rows(quick),
        "study": lambda: [study_row(quick)],
    }
    chosen = parts if only is None else {only: parts[only]}
    return [row | {"threads": 1, "quick": quick} for part in chosen.values() for row in part()]


def as_table(rows: list[Row]) -> str:
    lines = [f"{'':72} {'ours':>10} {'rival':>10} {'ratio':>7}  target"]
    for row in rows:
        rival = "" if row["rival"] is None else f"{row['rival']:10.4g}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:7.1f}"
        bound = row.get("target_ratio")
        target = f">= {bound:g}" if bound else f"<= {row['target_at_most']:g} {row['unit']}"
        lines.append(f"{row['name']:72} {row['ours']:10.3g} {rival:>10} {ratio:>7}  {target}")
        if "before_projection" in row:
            lines[-1] += f" (before: {row['before_projection']:.3g})"
        if "cpu_seconds" in row:
            lines[-1] += f" in {row['cpu_seconds']:.1f} CPU s"
    lines.append(f"steps: {RIVAL}")
    form = "quick form, " if rows[0]["quick"] else ""
    lines.append(f"{form}medians of interleaved repeats, CPU milliseconds, 1 thread")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="finish in under a minute")
    parser.add_argument("--only", choices=["exactness", "step", "transform", "synthetic", "study"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Level value of", category=UserWarning)
    rows = measure(quick=options.quick, only=options.only)
    print(json.dumps(rows, indent=1) if options.json else as_table(rows))


if __name__ == "__main__":
    main()
