"""Simulated tasks for distillation, whose answer is known or whose noise limits every model."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from niwaki.wavelets import dwt


@dataclass(frozen=True, eq=False)
class Task:
    """Signals with a response, cut into training and test samples.

    Attributes
    ----------
    x, y
        Training signals and responses.
    test_x, test_y
        Held-out ones.
    truth
        The largest share of variance that any model could explain, where it is known.
    """

    x: Tensor
    y: np.ndarray
    test_x: Tensor
    test_y: np.ndarray
    truth: float | None = None


def synthetic_task(seed: int, *, rows: int = 55_000) -> Task:
    """Return white signals whose response is three coefficients of db5 at its third level.

    Twice the coefficients 7 to 9, and noise of a tenth (dimensionless).

    References
    ----------
    .. [1] ha2021, section 4
    """
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, 64))).float()
    signal = 2 * dwt(x, "db5", level=4)[2][:, 7:10].sum(1).double().numpy()
    y = signal + 0.1 * np.random.default_rng(seed + 1).normal(size=rows)
    cut = rows * 10 // 11
    return Task(x[:cut], y[:cut], x[cut:], y[cut:], 1 - 0.01 / float(y.var()))


def burst_task(seed: int, *, rows: int = 55_000) -> Task:
    """Return white signals whose response is the largest coefficient of db5 at its third level.

    Squared, of coefficients 5 to 9, with noise of a tenth of its spread (dimensionless). Unlike
    the linear task, which coefficient counts differs from sample to sample.
    """
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, 64))).float()
    signal = dwt(x, "db5", level=4)[2][:, 5:10].amax(1).square().double().numpy()
    noise = 0.1 * signal.std()
    y = signal + noise * np.random.default_rng(seed + 1).normal(size=rows)
    cut = rows * 10 // 11
    return Task(x[:cut], y[:cut], x[cut:], y[cut:], 1 - noise**2 / float(y.var()))


def tracks_task(seed: int, *, rows: int = 5872, noise: float = 1.6) -> Task:
    """Return noisy tracks that rise, stay and fall; the response is how sharply they fall.

    A stand-in for tracks of a molecule and the response of its partner, which are not public: a
    track of 40 times rises with a logistic curve, carries bursts, and falls. The response is the
    largest drop over three steps after the peak of the clean track, standardised, plus noise that
    leaves about a quarter of its variance explicable to a small recurrent network.

    Parameters
    ----------
    seed
        Of the tracks.
    rows
        Tracks (count), half of them held out.
    noise
        Standard deviation of the noise in the response (standard deviations of the drop).
    """
    rng = np.random.default_rng(seed)
    times = np.arange(40)
    start, life = rng.uniform(2, 10, (rows, 1)), rng.uniform(6, 24, (rows, 1))
    height, steep = rng.lognormal(0, 0.4, (rows, 1)), rng.uniform(0.4, 3, (rows, 1))
    rise = 1 / (1 + np.exp(-(times - start)))
    fall = 1 / (1 + np.exp((times - start - life) / steep))
    clean = height * rise * fall
    drop = np.maximum(clean[:, :-3] - clean[:, 3:], 0).max(1)
    drop = (drop - drop.mean()) / drop.std()
    x = torch.from_numpy(clean + 0.12 * rng.normal(size=clean.shape)).float()
    y = (drop + noise * rng.normal(size=rows)) / np.sqrt(1 + noise**2)
    cut = rows // 2
    return Task(x[:cut], y[:cut], x[cut:], y[cut:], 1 / (1 + noise**2))


def maps_task(seed: int, *, rows: int = 800, side: int = 256) -> Task:
    """Return lognormal maps whose response is the strength of their structure, a continuous number.

    A stand-in for convergence maps, which are not public: a Gaussian field with a power law
    spectrum of slope -2.2 is made lognormal with a spread that is the parameter, drawn evenly from
    0.6 to 1.4, brought to a mean of zero and a fixed variance, and given white noise. What tells
    one parameter from another is then the shape of peaks and voids, not the variance.

    Parameters
    ----------
    seed
        Of the maps.
    rows, side
        Maps (count), a quarter of them held out, and their side (pixels).
    """
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.6, 1.4, rows)
    waves = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    power = np.where(waves > 0, np.maximum(waves, 1 / side) ** -1.1, 0.0)
    maps = np.empty((rows, side, side), dtype=np.float32)
    for i in range(rows):
        field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) * power, (side, side))
        bumps = np.exp(spread[i] * field / field.std())
        maps[i] = (bumps - bumps.mean()) / bumps.std() + 0.5 * rng.normal(size=(side, side))
    cut = rows * 3 // 4
    x = torch.from_numpy(maps)
    return Task(x[:cut], spread[:cut], x[cut:], spread[cut:])


def gene_task(seed: int, *, rows: int = 3000, memory: float = 4.0) -> Task:
    """Return time courses of a regulator, and the level of its target at their end.

    The regulator follows a mean-reverting random walk over 64 times with a correlation time of 3;
    its target relaxes with the time constant `memory` towards a saturating function of the
    regulator, so that it remembers about that long. The target is measured with 10 % noise.

    Parameters
    ----------
    seed
        Of the courses.
    rows
        Courses (count), half of them held out.
    memory
        Time constant of the target (steps).
    """
    rng = np.random.default_rng(seed)
    x = np.empty((rows, 64))
    x[:, 0] = rng.normal(size=rows)
    keep = np.exp(-1 / 3)
    for t in range(1, 64):
        x[:, t] = keep * x[:, t - 1] + np.sqrt(1 - keep**2) * rng.normal(size=rows)
    level, rate = np.zeros(rows), 1 - np.exp(-1 / memory)
    for t in range(64):
        level += rate * (1 / (1 + np.exp(-2 * x[:, t])) - level)
    y = level + 0.1 * level.std() * rng.normal(size=rows)
    signals, cut = torch.from_numpy(x).float(), rows // 2
    return Task(signals[:cut], y[:cut], signals[cut:], y[cut:])
