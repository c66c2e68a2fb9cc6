"""Trajectories of a regulatory system, integrated with SciPy and independent of our own solver."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from niwaki.core import DivergedError, InputError, Trajectories, Trajectory, as_generator
from niwaki.data._system import RegulatorySystem

StartStates = Float[np.ndarray, "sample gene"]


def integrate(
    system: RegulatorySystem,
    starts: StartStates,
    times: Sequence[float] | Float[np.ndarray, " time"],
    *,
    relative_tolerance: float = 1e-8,
) -> Trajectories:
    """Integrate `system` from each start state; all samples are solved together.

    Parameters
    ----------
    starts
        Expression at the first time (share of full expression).
    times
        Increasing times, the first being that of `starts` (unit: decay time).
    relative_tolerance
        Error allowed per step (share of the value; a hundredth of it in absolute terms).

    Returns
    -------
    One trajectory per row of `starts`, called ``sample 1``, ``sample 2``, ...

    Raises
    ------
    InputError
        If `starts` or `times` do not fit.
    """
    times = np.asarray(times, dtype=float)
    _check(system, starts, times)
    regulated = system.regulated
    states = np.array(starts.T, dtype=float)
    shape = (int(regulated.sum()), starts.shape[0])

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        current = flat.reshape(shape)
        states[regulated] = current
        change: np.ndarray = system.regulation(states) - current
        return change.ravel()

    values = np.repeat(starts[:, None, :], len(times), axis=1).astype(float)
    if len(times) > 1 and shape[0] > 0:
        solution = solve_ivp(
            velocity,
            (times[0], times[-1]),
            starts.T[regulated].ravel(),
            method="DOP853",
            t_eval=times,
            rtol=relative_tolerance,
            atol=relative_tolerance / 100,
        )
        if not solution.success:
            raise DivergedError(f"the simulation stopped early: {solution.message}")
        values[:, :, regulated] = solution.y.reshape(*shape, len(times)).transpose(1, 2, 0)
    return Trajectories(
        system.genes,
        tuple(Trajectory(f"sample {i + 1}", times.copy(), v) for i, v in enumerate(values)),
    )


def sample_starts(
    system: RegulatorySystem, count: int, rng: np.random.Generator | int | None
) -> StartStates:
    """Draw start states as the 350-gene benchmark does.

    An input gene has its own mean, Beta(10, 10), and standard deviation,
    ``max(0.01, Beta(15, 15) min(mean, 1 - mean) / 3)``, redrawn into [0, 1]; a regulated gene
    starts at Beta(2, 2) + U(-0.25, 0.25), clipped to [0, 1]. The means are drawn at each call: draw
    training and test samples together unless a shift between them is wanted.

    Raises
    ------
    InputError
        If `count` is not positive.
    """
    if count < 1:
        raise InputError(f"{count} trajectories were asked for; expected at least 1.")
    rng = as_generator(rng)
    regulated = system.regulated
    genes = len(regulated)
    mean = rng.beta(10, 10, size=genes)
    sd = np.maximum(0.01, rng.beta(15, 15, size=genes) * np.minimum(mean, 1 - mean) / 3)
    starts = rng.normal(mean, sd, size=(count, genes))
    outside = (starts < 0) | (starts > 1)
    while outside.any():
        starts[outside] = rng.normal(
            np.broadcast_to(mean, starts.shape)[outside], np.broadcast_to(sd, starts.shape)[outside]
        )
        outside = (starts < 0) | (starts > 1)
    shape = (count, int(regulated.sum()))
    free = rng.beta(2, 2, size=shape) + rng.uniform(-0.25, 0.25, size=shape)
    starts[:, regulated] = np.clip(free, 0, 1)
    return starts


def simulate(
    system: RegulatorySystem,
    *,
    trajectories: int,
    times: Sequence[float] | Float[np.ndarray, " time"],
    rng: np.random.Generator | int | None,
    noise_sd: float = 0.0,
) -> Trajectories:
    """Draw start states, integrate, and add noise.

    Parameters
    ----------
    trajectories
        Number of samples.
    times
        Increasing observation times (unit: decay time).
    rng
        Random generator or seed.
    noise_sd
        Standard deviation of the measurement noise (share of full expression).

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    rng = as_generator(rng)
    clean = integrate(system, sample_starts(system, trajectories, rng), times)
    return add_noise(clean, noise_sd, rng)


def add_noise(
    trajectories: Trajectories, sd: float, rng: np.random.Generator | int | None
) -> Trajectories:
    """Return the trajectories with independent normal noise on every value.

    Parameters
    ----------
    sd
        Standard deviation (unit of the values).

    Raises
    ------
    InputError
        If `sd` is negative or not finite.
    """
    if not 0 <= sd < np.inf:
        raise InputError(f"a noise level of {sd:g} was given; expected a number of 0 or more.")
    rng = as_generator(rng)
    return Trajectories(
        trajectories.genes,
        tuple(
            Trajectory(t.name, t.times, t.values + sd * rng.standard_normal(t.values.shape))
            for t in trajectories.items
        ),
    )


def _check(
    system: RegulatorySystem, starts: StartStates, times: Float[np.ndarray, " time"]
) -> None:
    if starts.shape[1] != len(system.genes):
        raise InputError(
            f"the start states cover {starts.shape[1]} genes but the system has "
            f"{len(system.genes)}; give one column per gene of the system."
        )
    if len(times) == 0 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise InputError("the times to simulate must be finite and increase strictly.")
    if not np.isfinite(starts).all():
        raise InputError("a start state is missing or infinite; give a number for every gene.")
