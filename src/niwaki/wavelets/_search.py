"""The search for the sparsest wavelet: many starts at once, the best polished, along a path."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.wavelets._filters import Wavelet, named_starts, start_angles
from niwaki.wavelets._grow import Progress, SearchOptions, grow, mix
from niwaki.wavelets._objective import Layout, Objective

RATIOS = (0.0, *(float(r) for r in np.geomspace(0.01, 100, 18)), math.inf)
Stop = Literal["converged", "step limit"]
_VALUES = 2**21  # of signals or images that a polish looks at
_FEWEST = 16  # samples that it looks at, however large they are


@dataclass(frozen=True)
class Step:
    """One line of the history: what a stage did for one point of the path."""

    stage: Literal["grow", "polish", "exchange"]
    ratio: float
    start: str
    before: float
    after: float
    evaluations: int
    stop: Stop


@dataclass(frozen=True, eq=False)
class Point:
    """The best wavelet found for one ratio.

    Attributes
    ----------
    ratio
        gamma / lambda: weight of the attributions against that of the signals (dimensionless).
    angles
        Free angles ``[filter, free]`` (radians).
    signals, attributions
        The two sparsities (dimensionless); see `Objective`.
    start
        Where the search for it began.
    """

    ratio: float
    angles: Tensor
    signals: float
    attributions: float
    start: str

    @property
    def value(self) -> float:
        """The objective: a mean of both sparsities, weighted 1 to `ratio` (dimensionless)."""
        weights = mix(self.ratio)
        return weights[0] * self.signals + weights[1] * self.attributions


@dataclass(frozen=True)
class Path:
    """Points by rising ratio, and what was done to find them."""

    points: tuple[Point, ...]
    history: tuple[Step, ...]
    candidates: int


@dataclass
class _Candidate:
    angles: Tensor
    start: str
    scores: np.ndarray = field(default_factory=lambda: np.full(2, np.nan))


def search_path(
    objective: Objective,
    *,
    ratios: Sequence[float] = RATIOS,
    starts: Sequence[Wavelet] = (),
    options: SearchOptions | None = None,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Path:
    """Return the sparsest wavelet found for every ratio of gamma to lambda.

    The landscape has several minima, so many cheap starts (`grow`) are compared by the objective
    itself, with no knowledge of a true wavelet. A candidate is two numbers, whatever the ratio, so
    every candidate competes at every point of the path. The best of each are polished by L-BFGS;
    then neighbours on the path hand on their wavelets in both directions until nothing improves.

    Parameters
    ----------
    objective
        Signals and gradients.
    ratios
        Points of the path, 0 to infinity (dimensionless).
    starts
        Wavelets to start at, beside grown ones and the named ones of that length.
    options
        How hard to search.
    rng
        For samples and perturbed starts.
    progress
        Called with the stage, steps done, steps in all, and the best objective.

    Raises
    ------
    ConfigError
        If there is no ratio, or one is negative or not a number.
    """
    options = options or SearchOptions()
    wanted = sorted(set(ratios))
    if not wanted or any(math.isnan(r) or r < 0 for r in wanted):
        raise ConfigError(
            f"ratios got {list(ratios)}; give numbers from 0 (signals alone) to infinity "
            "(attributions alone)."
        )
    history: list[Step] = []
    pool = _starts(objective.layout, starts, options)
    pool += _grow(objective, wanted, options, rng, history=history, progress=progress)
    if not pool:
        raise ConfigError("no start is left; let filters grow, allow named ones, or give one.")
    full = _sample(objective, options.rows, rng)
    _score(full, pool)
    if objective.layout.free:
        _polish(full, pool, wanted, options, history, progress)
    if full is not objective:
        pool = _finalists(pool, wanted, options.polished)
        _score(objective, pool)
    points = []
    for ratio in wanted:
        best = min(pool, key=lambda c: _value(c, ratio))
        first, second = best.scores.tolist()
        points.append(Point(ratio, best.angles, first, second, best.start))
    return Path(tuple(points), tuple(history), len(pool))


def _starts(layout: Layout, given: Sequence[Wavelet], options: SearchOptions) -> list[_Candidate]:
    named = [(n, n) for n in named_starts(layout.taps) if options.named]
    own = [(w if isinstance(w, str) else f"given {i + 1}", w) for i, w in enumerate(given)]
    found: dict[str, Tensor] = {}
    for label, wavelet in [*own, *named]:
        found.setdefault(label, start_angles(wavelet, layout.taps)[0])
    if not layout.free:
        found["haar"] = torch.zeros(0, dtype=torch.float64)
    return [
        _Candidate(angles.expand(layout.filters, -1).clone(), label)
        for label, angles in found.items()
    ]


def _sample(objective: Objective, rows: int, rng: np.random.Generator) -> Objective:
    count = len(objective.signals)
    rows = min(rows, max(_FEWEST, _VALUES * count // objective.signals.numel()))
    if count <= rows:
        return objective
    return objective.rows(np.sort(rng.choice(count, rows, replace=False)))


def _grow(
    objective: Objective,
    ratios: Sequence[float],
    options: SearchOptions,
    rng: np.random.Generator,
    *,
    history: list[Step],
    progress: Progress | None,
) -> list[_Candidate]:
    """Return grown filters, for the lowest, the middle and the highest ratio."""
    layout, found = objective.layout, []
    if layout.taps < 4 or not options.beam:
        return []
    for ratio in sorted({ratios[0], ratios[len(ratios) // 2], ratios[-1]}):
        grown, value = grow(objective, ratio, options=options, rng=rng, progress=progress)
        found += [
            _Candidate(angles.expand(layout.filters, -1).clone(), f"grown {i + 1}")
            for i, angles in enumerate(grown)
        ]
        steps = options.screen_steps * layout.free
        history.append(Step("grow", ratio, "grown 1", math.nan, value, steps, "step limit"))
    return found


def _finalists(pool: Sequence[_Candidate], ratios: Sequence[float], count: int) -> list[_Candidate]:
    """Return the best candidates of every ratio, each once."""
    found = {id(c): c for ratio in ratios for c in _distinct(pool, ratio, count)}
    return list(found.values())


def _score(objective: Objective, pool: Sequence[_Candidate]) -> None:
    """Give every candidate its two numbers, in parts of bounded memory."""
    parts = objective.parts(_VALUES)
    with torch.no_grad():
        for i in range(0, len(pool), 64):
            group = pool[i : i + 64]
            angles = torch.stack([c.angles for c in group])
            sums = torch.stack([p.sums(angles).double().cpu() for p in parts]).sum(0).numpy()
            for candidate, row in zip(group, sums / np.array(objective.scale), strict=True):
                candidate.scores = row


def _value(candidate: _Candidate, ratio: float) -> float:
    return float(np.dot(mix(ratio), candidate.scores))


def _polish(
    objective: Objective,
    pool: list[_Candidate],
    ratios: Sequence[float],
    options: SearchOptions,
    history: list[Step],
    progress: Progress | None,
) -> None:
    """Polish the best candidates of every ratio, then hand wavelets on along the path."""
    total, done = len(ratios) * (1 + 2 * options.sweeps), 0

    def show(value: float) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("polishing", min(done, total), total, value)

    best: list[_Candidate] = []
    for ratio in ratios:
        for candidate in _distinct(pool, ratio, options.polished):
            pool.append(_descend(objective, candidate, ratio, options, history, "polish"))
        best.append(min(pool, key=lambda c: _value(c, ratio)))
        show(_value(best[-1], ratio))
    for sweep in range(2 * options.sweeps):
        order = list(range(len(ratios)))[:: -1 if sweep % 2 else 1]
        gained = False
        for i in order:
            rival = min(pool, key=lambda c: _value(c, ratios[i]))
            if rival is not best[i]:
                found = _descend(objective, rival, ratios[i], options, history, "exchange")
                pool.append(found)
                gain = _value(best[i], ratios[i]) - _value(found, ratios[i])
                gained |= gain > options.tolerance * abs(_value(found, ratios[i]))
                best[i] = min(found, rival, key=lambda c: _value(c, ratios[i]))
            show(_value(best[i], ratios[i]))
        if not gained:
            break


def _distinct(pool: Sequence[_Candidate], ratio: float, count: int) -> list[_Candidate]:
    """Return the best candidates that differ in what they reach."""
    found: list[_Candidate] = []
    for candidate in sorted(pool, key=lambda c: _value(c, ratio)):
        if all(np.abs(candidate.scores - other.scores).max() > 1e-4 for other in found):
            found.append(candidate)
        if len(found) == count:
            break
    return found


def _descend(
    objective: Objective,
    candidate: _Candidate,
    ratio: float,
    options: SearchOptions,
    history: list[Step],
    stage: Literal["polish", "exchange"],
) -> _Candidate:
    weights = np.array(mix(ratio))
    shape, last = candidate.angles.shape, np.full(2, np.nan)

    def value(flat: Float[np.ndarray, " free"]) -> tuple[float, np.ndarray]:
        angles = torch.tensor(flat.reshape(1, *shape), requires_grad=True)
        scores = objective.scores(angles)[0].double().cpu()
        (gradient,) = torch.autograd.grad((scores * torch.from_numpy(weights)).sum(), angles)
        last[:] = scores.detach().numpy()
        return float(weights @ last), gradient.numpy().ravel()

    start = candidate.angles.double().cpu().numpy().ravel()
    result = minimize(
        value,
        start,
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": options.polish_steps,
            "maxfun": 2 * options.polish_steps + 20,
            "ftol": options.tolerance,
            "gtol": 1e-9,
        },
    )
    made = _Candidate(torch.from_numpy(result.x.reshape(shape)), candidate.start)
    value(result.x)
    made.scores = last.copy()
    before = _value(candidate, ratio)
    stop: Stop = "converged" if result.success else "step limit"
    history.append(
        Step(stage, ratio, made.start, before, _value(made, ratio), int(result.nfev), stop)
    )
    return made
