"""How time and memory of one step in the engine grow with genes, hidden units, pairs and density.

    python benchmarks/scaling.py [--json] [--quick] [--plot FILE]

Every configuration runs in a process of its own: its peak resident memory is that of the process
that held field, optimiser and 64 pairs and took the steps; `base_mb` is that of one that only
imported. The rate of torch's own matrix product is measured in the same process.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from engine import milliseconds

from niwaki.dynamics import Exponential, Optimisation, PhoenixField, Training, usable_processors
from niwaki.dynamics._fused import FusedEpoch, scheme_of

WEIGHTS = ("weight_sum", "weight_prod", "output_sum", "output_prod")
GENES = {350: 40, 1000: 70, 3551: 120, 11_165: 300, 20_000: 300}
DENSITIES = (1.0, 0.2, 0.05, 0.02)


def configurations(quick: bool) -> list[dict[str, float]]:
    """Return genes and density on a grid, and the other axes one at a time at 3,551 genes."""
    base = {"pairs": 64, "threads": 1}
    sizes = [350, 1000] if quick else list(GENES)
    grid = [
        {"genes": n, "hidden": GENES[n], "density": d, **base} for n in sizes for d in DENSITIES
    ]
    if quick:
        return grid
    one = {"genes": 3551, "hidden": 120, "density": 1.0, **base}
    grid += [{**one, "pairs": pairs} for pairs in (1, 8, 16, 128)]
    grid += [{**one, "pairs": pairs, "density": 0.05} for pairs in (1, 8, 16, 128)]
    grid += [{**one, "hidden": hidden} for hidden in (40, 240)]
    return grid + [{**one, "threads": t} for t in range(2, min(usable_processors(), 8) + 1)]


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def take(genes: int, hidden: int, pairs: int, density: float, threads: int) -> dict[str, object]:
    """Time steps of one configuration in this process."""
    torch.set_num_threads(threads)
    base = peak_mb()
    generator = torch.Generator().manual_seed(0)
    field = PhoenixField(genes, hidden=hidden, generator=generator, initialisation="phoenix")
    training = Training(field, Optimisation(learning_rate=1e-9, minimum=1e-10))
    if density < 1:
        masks = {}
        for name in WEIGHTS:
            shape = field.get_parameter(name).shape
            masks[name] = torch.rand(shape, generator=generator) < density
        training.apply_masks(masks)
    start, end = (torch.rand(genes, pairs, generator=generator) for _ in range(2))
    gaps, columns = np.tile([0.25, 0.5, 0.75, 1.0], pairs)[:pairs], np.arange(pairs)
    method = Exponential(4, 1)
    fused = FusedEpoch(training, scheme_of(field, method))
    fused.prepare()
    repeats = max(5, int(2e9 / (genes * hidden * pairs * density)))
    times = [
        milliseconds(lambda: fused.step(start, end, gaps, columns)) for _ in range(min(repeats, 60))
    ]
    peak = peak_mb()
    rates = []
    for n in (256, 512):
        a, b, out = (torch.rand(n, n) for _ in range(3))
        for _ in range(60):
            rates.append(
                2 * n**3 / 1e6 / milliseconds(lambda a=a, b=b, o=out: torch.mm(a, b, out=o))
            )
    work = 24 * genes * hidden * pairs * 4 * density / 1e6
    return {
        "ours": min(times),
        "rival": work / max(rates),
        "ratio": work / max(rates) / min(times),
        "peak_mb": peak,
        "base_mb": base,
        "gemm_gflops": max(rates),
    }


def run(configuration: dict[str, float]) -> dict[str, object]:
    """Run one configuration in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps(configuration)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    name = ", ".join(f"{value:g} {key}" for key, value in configuration.items())
    return {
        "name": name,
        "rival_name": "the operations on surviving weights at the rate of torch.mm",
        "unit": "ms",
        **configuration,
        **json.loads(ran.stdout),
    }


# ------------------------------------------------------------------------- the picture
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 400, 70, 30, 150, 50
COLOURS = ("#1b4f72", "#2e86c1", "#17a589", "#d68910")


def plot(rows: list[dict[str, object]]) -> str:
    """Return time per step against genes as SVG, both axes logarithmic."""
    shown = [r for r in rows if r["pairs"] == 64 and r["threads"] == 1]
    shown = [r for r in shown if GENES.get(r["genes"]) == r["hidden"]]
    low_x, high_x = (math.log10(f(r["genes"] for r in shown)) for f in (min, max))
    low_y = math.floor(math.log10(min(r["ours"] for r in shown)))
    high_y = math.ceil(math.log10(max(r["ours"] for r in shown)))

    def x(genes: float) -> float:
        return LEFT + (math.log10(genes) - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT)

    def y(ms: float) -> float:
        share = (math.log10(ms) - low_y) / (high_y - low_y)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="13"><title>Time per step against genes</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">Milliseconds per step of 64 pairs, one thread</text>',
    ]
    for power in range(low_y, high_y + 1):
        at, label = y(10**power), f"{10**power:g}"
        parts.append(
            f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>'
        )
    for genes in sorted({r["genes"] for r in shown}):
        parts.append(
            f'<text x="{x(genes):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">'
            f"{genes:,}</text>"
        )
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}">genes</text>')
    below = 0.0  # where the next label may begin
    for colour, density in zip(COLOURS, DENSITIES, strict=True):
        line = sorted((r["genes"], r["ours"]) for r in shown if r["density"] == density)
        points = " ".join(f"{x(g):.1f},{y(t):.1f}" for g, t in line)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts += [
            f'<circle cx="{x(g):.1f}" cy="{y(t):.1f}" r="3" fill="{colour}"/>' for g, t in line
        ]
        label = "all weights" if density == 1 else f"{density:.0%} of weights"
        height = max(y(line[-1][1]) + 4, below)
        below = height + 15
        at = f'x="{x(line[-1][0]) + 8:.1f}" y="{height:.1f}"'
        parts.append(f'<text {at} fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="up to 1,000 genes, under a minute")
    parser.add_argument("--plot", type=Path, help="draw time against genes into this SVG file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(take(**json.loads(options.one))))
        return
    rows = [run(configuration) for configuration in configurations(options.quick)]
    if options.plot:
        options.plot.write_text(plot(rows))
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(
            f"{row['name']:72} {row['ours']:9.3f} ms {row['ratio']:5.0%} of the GEMM rate "
            f"{row['peak_mb'] - row['base_mb']:7.0f} MB"
        )


if __name__ == "__main__":
    main()
