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
