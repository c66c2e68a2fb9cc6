"""Slow twins of the simulator, the reader and the split, written from the definitions."""

import csv
import io

import numpy as np
from scipy.integrate import solve_ivp


def hill(x: float, ec50: float, n: float) -> float:
    """The activation of the 350-gene benchmark in its published form."""
    b = (ec50**n - 1) / (2 * ec50**n - 1)
    return b * x**n / (b - 1 + x**n)


def velocity(table: str, state: dict[str, float]) -> dict[str, float]:
    """Time derivative of every gene, by letting Python evaluate the equations as written."""
    names = {**state, "fAct": hill}
    rows = list(csv.reader(io.StringIO(table)))[1:]
    return {g: 0.0 if eqn == "input gene" else eval(eqn, {}, names) for g, eqn in rows}


def integrate_one(table: str, start: dict[str, float], times: list[float]) -> np.ndarray:
    """One sample with an implicit multistep method; rows are times."""
    genes = list(start)

    def field(_: float, x: np.ndarray) -> list[float]:
        change = velocity(table, dict(zip(genes, x.tolist(), strict=True)))
        return [change[gene] for gene in genes]

    solution = solve_ivp(
        field, (times[0], times[-1]), list(start.values()), "LSODA", times, rtol=1e-10, atol=1e-12
    )
    return solution.y.T


def group_and_average(
    labels: list[str], times: list[float], values: list[list[float]]
) -> dict[str, dict[float, list[float]]]:
    """Trajectory -> time -> mean values, times in order."""
    found: dict[str, dict[float, list[list[float]]]] = {}
    for label, time, row in zip(labels, times, values, strict=True):
        found.setdefault(label, {}).setdefault(time, []).append(row)
    return {
        label: {t: np.mean(rows[t], axis=0).tolist() for t in sorted(rows)}
        for label, rows in found.items()
    }


def phoenix_text(samples: list[tuple[list[float], list[list[float]]]]) -> str:
    """The PHOENIX format written longhand; each sample is (times, one list of values per gene)."""
    width = max(2, *(len(times) for times, _ in samples))
    rows: list[list[object]] = [[len(samples[0][1]), len(samples)]]
    for times, genes in samples:
        rows += [list(gene) for gene in genes] + [list(times)]
    return "".join(
        ",".join([str(c) for c in row] + [""] * (width - len(row))) + "\n" for row in rows
    )


def moth_rates(state, control, moth):
    """The rates of one flight, from the published 4 x 4 mass matrix."""
    _, _, theta, phi, vx, vy, vtheta, vphi = state
    force, alpha, torque = control
    radius1, length1, mass1, inertia1, area1 = moth.body("head")
    radius2, length2, mass2, inertia2, area2 = moth.body("abdomen")
    arm1, arm2, mass = length1 * mass1, length2 * mass2, mass1 + mass2
    sin1, cos1, sin2, cos2 = np.sin(theta), np.cos(theta), np.sin(phi), np.cos(phi)
    matrix = np.array(
        [
            [mass, 0, -arm1 * sin1, -arm2 * sin2],
            [0, mass, arm1 * cos1, arm2 * cos2],
            [-arm1 * sin1, arm1 * cos1, inertia1 + length1 * arm1, 0],
            [-arm2 * sin2, arm2 * cos2, 0, inertia2 + length2 * arm2],
        ]
    )
    speed = max(np.hypot(vx, vy), 1e-6)
    drag = 0.0
    for radius, area in ((radius1, area1), (radius2, area2)):
        reynolds = 2 * radius * moth.air_density * speed / moth.viscosity
        drag += 0.5 * moth.air_density * area * (24 / reynolds + 6 / (1 + reynolds**0.5) + 0.4)
    joint = moth.stiffness * (phi - theta - np.pi - moth.rest) + moth.damping * (vphi - vtheta)
    lever = moth.scale * moth.force_arm
    push = [
        force * np.cos(alpha + theta)
        - drag * abs(vx) * vx
        + arm1 * cos1 * vtheta**2
        + arm2 * cos2 * vphi**2,
        force * np.sin(alpha + theta)
        - drag * abs(vy) * vy
        - moth.gravity * mass
        + arm1 * sin1 * vtheta**2
        + arm2 * sin2 * vphi**2,
        torque - moth.gravity * arm1 * cos1 + joint + force * lever * np.sin(alpha),
        -torque - moth.gravity * arm2 * cos2 - joint,
    ]
    return np.concatenate([state[4:], np.linalg.solve(matrix, push)])
