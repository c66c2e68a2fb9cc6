"""Starts for the search: filters grown two taps at a time, the best of each length kept."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.wavelets._lattice import complete_angles, filter_from_angles, project
from niwaki.wavelets._objective import Layout, Objective

_WINDOW = 128  # samples of a long signal, or of a row of an image, that starts are compared on
_FIRST = 32  # filters of four taps, evenly over their one angle
_RATE = 0.05  # of the first step (radians)
_APART = 1e-3  # values that differ by less are one minimum
Progress = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class SearchOptions:
    """How hard to search.

    Attributes
    ----------
    beam
        Filters of each length from which longer ones are grown (count); 0 grows none.
    children
        Perturbed copies of each grown filter (count).
    spread
        Standard deviation of the perturbation (radians).
    screen_rows, rows
        Samples used to grow, and to polish (count); of long signals and images fewer, about two
        million values. All count in the scores reported.
    screen_steps, polish_steps
        Steps at each length, and most iterations of each polish (count).
    polished
        Starts polished per point of the path (count).
    sweeps
        Passes over the path in both directions, in which neighbours hand on what they found
        (count); fewer if nothing improves.
    tolerance
        Relative gain below which a polish stops (dimensionless).
    named
        Whether to start at the named wavelets of that length too.
    """

    beam: int = 32
    children: int = 2
    spread: float = 0.4
    screen_rows: int = 32
    rows: int = 8192
    screen_steps: int = 40
    polish_steps: int = 60
    polished: int = 3
    sweeps: int = 2
    tolerance: float = 1e-9
    named: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers that leave nothing to do."""
        if min(self.screen_rows, self.rows, self.polished) < 1:
            raise ConfigError("rows and polished must be at least 1; leave them at their defaults.")
        counts = (self.beam, self.children, self.screen_steps, self.polish_steps, self.sweeps)
        if min(counts) < 0 or not self.spread >= 0:
            raise ConfigError("beam, children, spread, steps and sweeps must not be negative.")


def mix(ratio: float) -> tuple[float, float]:
    """Return the weights of signals and attributions, which sum to 1."""
    return (0.0, 1.0) if math.isinf(ratio) else (1 / (1 + ratio), ratio / (1 + ratio))


def grow(
    objective: Objective,
    ratio: float,
    *,
    options: SearchOptions,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> tuple[Float[Tensor, "start free"], float]:
    """Return the best single filters found by growing, best first, and the best value.

    Filters of four taps have one angle, which is scanned. All of one length descend at once, by
    whole-batch steps; the best that differ are lengthened by two zeros at either end, which leaves
    them what they are, and by perturbed copies. Uniformly random angles of ten taps reach the best
    minimum of the synthetic study in about one of a hundred, grown ones in several of a beam.

    Long signals and images are compared on short windows of signals, rows and columns.

    Parameters
    ----------
    objective
        Signals and gradients.
    ratio
        gamma / lambda (dimensionless).
    options
        Beam and steps.
    rng
        For samples and perturbations.
    progress
        Called with the stage, taps done, taps in all, and the best value.
    """
    few = _windows(objective, options.screen_rows, rng)
    taps = objective.layout.taps
    weights = few.signals.new_tensor(mix(ratio))
    angles = torch.linspace(-math.pi, math.pi, _FIRST + 1, dtype=torch.float64)[1:, None]
    for length in range(4, taps + 1, 2):
        layout = Layout(length, few.layout.level)
        angles, values = _descend(few.having(layout), angles, weights, options.screen_steps)
        kept = _best(values, options.beam)
        if progress is not None:
            progress("growing", length, taps, float(values[kept[0]]))
        if length < taps:
            angles = _lengthen(angles[kept], options, rng)
    return angles[kept], float(values[kept[0]])


def _descend(
    objective: Objective, angles: Tensor, weights: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    free = angles.unsqueeze(1).clone().requires_grad_()
    mean, square = torch.zeros_like(free.detach()), torch.zeros_like(free.detach())
    for step in range(1, steps + 1):  # Adam; torch's own loads a compiler first, for seconds
        loss = (objective.scores(free) @ weights).sum()
        (slope,) = torch.autograd.grad(loss, free)
        mean.lerp_(slope, 0.1)
        square.lerp_(slope.square(), 0.001)
        rate = _RATE * (0.54 + 0.46 * math.cos(math.pi * (step - 1) / steps))
        scale = (square / (1 - 0.999**step)).sqrt_().add_(1e-8)
        with torch.no_grad():
            free -= rate / (1 - 0.9**step) * mean / scale
    with torch.no_grad():
        values = objective.scores(free) @ weights
    return free.detach().squeeze(1), values


def _best(values: Tensor, beam: int) -> list[int]:
    """Return the places of the lowest values that differ."""
    kept: list[int] = []
    for place in values.argsort().tolist():
        if not kept or float(values[place] - values[kept[-1]]) > _APART:
            kept.append(place)
        if len(kept) == beam:
            break
    return kept


def _lengthen(angles: Tensor, options: SearchOptions, rng: np.random.Generator) -> Tensor:
    """Return each filter with two zeros before or after it, and perturbed copies."""
    found = []
    for low in filter_from_angles(complete_angles(angles)):
        for lead in (0, 2):
            longer, _ = project(torch.nn.functional.pad(low, (lead, 2 - lead)))
            noise = rng.normal(scale=options.spread, size=(options.children, len(longer)))
            found += [longer[None], longer + torch.from_numpy(noise)]
    return torch.cat(found)


def _windows(objective: Objective, rows: int, rng: np.random.Generator) -> Objective:
    """Return the objective over some samples, cut to short windows along either axis."""
    count = len(objective.signals)
    few = objective.rows(np.sort(rng.choice(count, min(rows, count), replace=False)))
    x, g = few.signals, few.gradients
    if x.ndim == 2 and x.shape[1] <= _WINDOW:
        return few
    parts = [(x, g)] if x.ndim == 2 else [(x, g), (x.transpose(-1, -2), g.transpose(-1, -2))]
    cut = []
    for one, other in parts:
        width = min(_WINDOW, one.shape[-1])
        start = int(rng.integers(one.shape[-1] - width + 1))
        flat = one.reshape(-1, one.shape[-1]), other.flatten(1, -2)
        chosen = np.sort(rng.choice(len(flat[0]), min(4 * rows, len(flat[0])), replace=False))
        index = torch.as_tensor(chosen, device=x.device)
        cut.append((flat[0][index], flat[1][:, index], slice(start, start + width)))
    width = min(at.stop - at.start for _, _, at in cut)
    signals = torch.cat([a[:, at][:, :width] for a, _, at in cut])
    gradients = torch.cat([b[:, :, at][:, :, :width] for _, b, at in cut], 1)
    made = few.over(signals, gradients)
    return made.having(Layout(made.layout.taps, max(1, min(made.layout.level, 4))))
