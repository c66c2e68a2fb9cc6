"""Flights of a hawkmoth of two stiffly joined bodies, all of them integrated at once."""

from dataclasses import dataclass
from math import pi

import numpy as np
from jaxtyping import Float

from niwaki.core import DivergedError, InputError

FlightState = Float[np.ndarray, "flight 8"]
FlightControl = Float[np.ndarray, "flight 3"]

MOTH_INPUTS = (
    *("phi_0", "theta_0", "x_f", "y_f", "phi_f", "theta_f"),
    *("vx_0", "vy_0", "dphi_0", "dtheta_0"),
)
MOTH_OUTPUTS = ("F_x", "F_y", "tau", "vx_f", "vy_f", "dphi_f", "dtheta_f")
_SLOWEST = 1e-6  # speed below which the drag, which is nothing there, is not divided by (cm/s)


@dataclass(frozen=True)
class Moth:
    """Sizes and constants of the moth, in centimetres, grams, seconds and dynes.

    Attributes
    ----------
    scale
        Factor on all lengths (dimensionless).
    head_radius, head_length, head_density
        Half axes (cm) and density (g/cm^3) of the ellipsoid of head and thorax.
    abdomen_radius, abdomen_length, abdomen_density
        The same of the abdomen.
    force_arm
        From the joint to the point where the force acts (cm).
    stiffness, damping, rest
        Of the joint (dyn cm/rad; dyn cm s/rad; rad).
    air_density, viscosity, gravity
        Of the air (g/cm^3; P) and of the earth (cm/s^2).

    References
    ----------
    .. [1] zahn2022, supplement and released simulator: the equations and these numbers.
    """

    scale: float = 1.0
    head_radius: float = 0.5
    head_length: float = 0.9
    head_density: float = 0.9
    abdomen_radius: float = 0.75
    abdomen_length: float = 1.9
    abdomen_density: float = 0.4
    force_arm: float = 0.75
    stiffness: float = 23_000.0
    damping: float = 14_075.8
    rest: float = 0.0
    air_density: float = 0.00118
    viscosity: float = 0.000186
    gravity: float = 980.0

    def body(self, part: str) -> tuple[float, float, float, float, float]:
        """Return radius, length, mass, moment of inertia and frontal area of a body.

        Parameters
        ----------
        part
            ``head`` (with thorax) or ``abdomen``.
        """
        radius = self.scale * float(getattr(self, f"{part}_radius"))
        length = self.scale * float(getattr(self, f"{part}_length"))
        mass = float(getattr(self, f"{part}_density")) * 4 / 3 * pi * radius**2 * length
        inertia = mass * radius**2 * (1 + (length / radius) ** 2) / 5
        return radius, length, mass, inertia, pi * radius**2


@dataclass(frozen=True)
class Flights:
    """Flights of 20 ms: where they began, what drove them, where they ended.

    States have the columns x, y, theta, phi and their rates (cm, rad, cm/s, rad/s); controls are
    the force (dyn), its angle to the body (rad) and the torque (dyn cm).
    """

    start: FlightState
    control: FlightControl
    end: FlightState

    def inputs(self) -> Float[np.ndarray, "flight 10"]:
        """Return what the inverse problem gives: see `MOTH_INPUTS`."""
        s, e = self.start, self.end
        return np.column_stack([s[:, [3, 2]], e[:, [0, 1, 3, 2]], s[:, [4, 5, 7, 6]]])

    def outputs(self) -> Float[np.ndarray, "flight 7"]:
        """Return what it asks for: see `MOTH_OUTPUTS`; the force is in the body's frame."""
        force, angle, torque = self.control.T
        components = np.column_stack([force * np.cos(angle), force * np.sin(angle), torque])
        return np.column_stack([components, self.end[:, [4, 5, 7, 6]]])


def sample_flights(
    count: int,
    rng: np.random.Generator,
    *,
    moth: Moth | None = None,
    steps: int = 100,
    duration: float = 0.02,
) -> Flights:
    """Return random flights, from uniform starts under uniform constant controls.

    Force 0 to 44,300 dyn (17 times the weight), any angle, torque up to 100,000 dyn cm either way;
    speeds up to 1,500 cm/s, any angles of the bodies, angular speeds up to 25 rad/s.

    Parameters
    ----------
    count
        Number of flights.
    rng
        Source of the draws.
    moth, steps, duration
        As for `fly`.

    Raises
    ------
    InputError
        If `count` or `steps` is not positive.

    References
    ----------
    .. [1] zahn2022, the ranges.
    """
    if count < 1:
        raise InputError(f"{count} flights were asked for; expected at least 1.")
    low = np.array([0, 0, 0, 0, -1500, -1500, -25, -25, 0, 0, -100_000.0])
    high = np.array([0, 0, 2 * pi, 2 * pi, 1500, 1500, 25, 25, 44_300, 2 * pi, 100_000.0])
    drawn = rng.uniform(low, high, (count, len(low)))
    start, control = drawn[:, :8], drawn[:, 8:]
    end = fly(start, control, moth=moth, steps=steps, duration=duration)
    return Flights(start, control, end)


def fly(
    start: FlightState,
    control: FlightControl,
    *,
    moth: Moth | None = None,
    steps: int = 100,
    duration: float = 0.02,
) -> FlightState:
    """Return the states after `duration` under constant controls.

    The joint is so stiff (time constants of about 15 microseconds) that explicit steps diverge. Its
    spring and damper enter linearly, so each step takes them implicitly, in closed form, and all
    the rest explicitly. A second solution with half as many steps removes the first order of the
    error (Richardson): with 100 steps it stays below 0.03 % of the spread of each output.

    Parameters
    ----------
    start, control
        See `Flights`.
    moth
        Sizes and constants; those of the publication by default.
    steps
        Steps of the finer solution; even (count).
    duration
        Length of the flight (s).

    Raises
    ------
    InputError
        If `steps` is not a positive even number, or a start or control is not finite.
    DivergedError
        If a flight leaves the finite range.
    """
    if steps < 2 or steps % 2:
        raise InputError(f"{steps} steps were asked for; expected an even number, at least 2.")
    if not (np.isfinite(start).all() and np.isfinite(control).all()):
        raise InputError("a start or control of a flight is not a finite number; drop that flight.")
    chosen = moth or Moth()
    fine = _integrate(chosen, start, control, duration / steps, steps)
    coarse = _integrate(chosen, start, control, 2 * duration / steps, steps // 2)
    end: np.ndarray = 2 * fine - coarse
    if not np.isfinite(end).all():
        raise DivergedError("a flight left the finite range; use more steps.")
    return end


def _integrate(
    moth: Moth, start: FlightState, control: FlightControl, h: float, steps: int
) -> FlightState:
    """Return the end states of one pass; columns are kept apart, so that no step copies."""
    x, y, theta, phi, vx, vy, vtheta, vphi = (column.copy() for column in start.T)
    for _ in range(steps):
        rates = (vx, vy, vtheta, vphi)
        free, response, spring = _accelerations(moth, (theta, phi), rates, control)
        # spring torque at the new time: K (gap + h omega) + c omega, omega = phi' - theta' then
        reach = response[3] - response[2]
        omega = vphi - vtheta + h * (free[3] - free[2])
        stiff = h * moth.stiffness + moth.damping
        torque = (spring + stiff * omega) / (1 - h * reach * stiff)
        vx, vy, vtheta, vphi = (
            v + h * (a + torque * b) for v, a, b in zip(rates, free, response, strict=True)
        )
        x, y, theta, phi = x + h * vx, y + h * vy, theta + h * vtheta, phi + h * vphi
    return np.column_stack([x, y, theta, phi, vx, vy, vtheta, vphi])


def _accelerations(
    moth: Moth,
    angles: tuple[np.ndarray, np.ndarray],
    rates: tuple[np.ndarray, ...],
    control: FlightControl,
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Return accelerations without the joint, per unit of its torque, and its spring torque."""
    theta, phi = angles
    vx, vy, vtheta, vphi = rates
    force, alpha, torque = control.T
    _, length1, mass1, inertia1, _ = moth.body("head")
    _, length2, mass2, inertia2, _ = moth.body("abdomen")
    arm1, arm2, mass = length1 * mass1, length2 * mass2, mass1 + mass2
    sin1, cos1, sin2, cos2 = np.sin(theta), np.cos(theta), np.sin(phi), np.cos(phi)
    drag = _drag(moth, np.hypot(vx, vy))
    turn1, turn2 = arm1 * vtheta**2, arm2 * vphi**2
    push = (
        force * np.cos(alpha + theta) - drag * np.abs(vx) * vx + cos1 * turn1 + cos2 * turn2,
        force * np.sin(alpha + theta)
        - drag * np.abs(vy) * vy
        - moth.gravity * mass
        + sin1 * turn1
        + sin2 * turn2,
        torque - moth.gravity * arm1 * cos1 + force * moth.scale * moth.force_arm * np.sin(alpha),
        -torque - moth.gravity * arm2 * cos2,
    )
    # the mass matrix is [[mass I, B], [B', D]]: eliminate x and y, solve two by two, substitute
    own1 = inertia1 + length1 * arm1 - arm1**2 / mass
    own2 = inertia2 + length2 * arm2 - arm2**2 / mass
    cross = -arm1 * arm2 * np.cos(theta - phi) / mass
    determinant = own1 * own2 - cross**2

    def solve(
        fx: np.ndarray | float, fy: np.ndarray | float, f1: np.ndarray, f2: np.ndarray
    ) -> list[np.ndarray]:
        left1 = f1 + arm1 * (sin1 * fx - cos1 * fy) / mass
        left2 = f2 + arm2 * (sin2 * fx - cos2 * fy) / mass
        a1 = (own2 * left1 - cross * left2) / determinant
        a2 = (own1 * left2 - cross * left1) / determinant
        ax = (fx + arm1 * sin1 * a1 + arm2 * sin2 * a2) / mass
        ay = (fy - arm1 * cos1 * a1 - arm2 * cos2 * a2) / mass
        return [ax, ay, a1, a2]

    one = np.ones_like(theta)
    spring = moth.stiffness * (phi - theta - pi - moth.rest)
    return solve(*push), solve(0.0, 0.0, one, -one), spring


def _drag(moth: Moth, speed: np.ndarray) -> np.ndarray:
    """Return the drag of both bodies per squared speed (g/cm)."""
    speed = np.maximum(speed, _SLOWEST)
    total = np.zeros_like(speed)
    for part in ("head", "abdomen"):
        radius, _, _, _, area = moth.body(part)
        reynolds = 2 * radius * moth.air_density * speed / moth.viscosity
        total += (24 / reynolds + 6 / (1 + np.sqrt(reynolds)) + 0.4) * area
    return np.asarray(0.5 * moth.air_density * total)
