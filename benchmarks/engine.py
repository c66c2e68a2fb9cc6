"""How long one optimisation step takes in the compiled engine, dense and pruned, at three sizes.

One step is the forward solve of 64 pairs, mean squared error, backward pass and Adam, in one call.
The rival is the published algorithm, written with torchdiffeq as in ``step.py``: one adaptive
adjoint solve per pair, timed on a few pairs and scaled to 64, on as many threads. It computes with
whole matrices whatever the density.

    python benchmarks/engine.py [--json] [--quick] [--threads N] [--products]
"""

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torchdiffeq
from step import load, rival_step
from torch import Tensor

from niwaki.dynamics import (
    DormandPrince,
    Exponential,
    Method,
    Optimisation,
    PairTensors,
    PhoenixField,
    Training,
    data_loss,
    engine,
    solve,
    train_epoch,
    usable_processors,
)
from niwaki.dynamics._fused import FusedEpoch, scheme_of

PAIRS, NOISE, LANES_OF_PANEL = 64, 0.025, 64
WEIGHTS = ("weight_sum", "weight_prod", "output_sum", "output_prod")
METHODS = (Exponential(2, 1), Exponential(4, 1), Exponential(4, 2), Exponential(4, 4))
WORST_ERROR, WORST_COSINE = 0.02, 0.9998


def milliseconds(step: Callable[[], None]) -> float:
    """Time a call by the processor time of this process on one thread, by the clock on more.

    A long call on a busy machine never finds a quiet moment, so the clock would flatter short ones.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    step()
    return 1000 * (clock() - began)


@dataclass(frozen=True)
class Size:
    """A problem of the size of a published study, and what is aimed for at each density."""

    genes: int
    hidden: int
    gaps: tuple[float, ...]
    targets: dict[float, int]
    rival_pairs: int
    judged: int
    epochs: int


SIZES = (
    Size(350, 40, (2.0, 1.0, 4.0, 2.0), {1.0: 2000, 0.05: 10_000}, 4, 64, 60),
    Size(3551, 120, (0.25, 0.5, 0.75, 1.0), {1.0: 1500, 0.05: 10_000}, 4, 16, 15),
    Size(
        11165,
        300,
        tuple(np.linspace(0.0055, 0.1, 32)),
        {1.0: 2000, 0.05: 15_000, 0.02: 25_000},
        1,
        4,
        4,
    ),
)


def gemm_rate(threads: int) -> float:
    """Return the best rate of torch's matrix product on this machine, now (GFLOP/s)."""
    torch.set_num_threads(threads)
    best = 0.0
    for n in (256, 384, 512, 1024):
        a, b, out = (torch.rand(n, n) for _ in range(3))
        for _ in range(60):
            best = max(best, 2 * n**3 / milliseconds(lambda a=a, b=b, o=out: torch.mm(a, b, out=o)))
    return best / 1e6


def make_case(size: Size, density: float, epochs: int) -> tuple[Training, PairTensors]:
    """Return a pruned and trained field, and 64 pairs to step over."""
    generator = torch.Generator().manual_seed(0)
    pairs = study(size, generator)
    count = len(pairs.gaps)
    training = Training(
        PhoenixField(size.genes, hidden=size.hidden, generator=generator), Optimisation()
    )
    masks = {}
    if density < 1:
        for name in WEIGHTS:
            shape = training.field.get_parameter(name).shape
            masks[name] = torch.rand(shape, generator=generator) < density
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(count)
        batches = [order[i : i + 32] for i in range(0, count, 32)]
        train_epoch(training, pairs, batches=batches, method=Exponential(4, 1), masks=masks)
    start, end = (x[:, :PAIRS].contiguous() for x in (pairs.start, pairs.end))
    return training, PairTensors(start, end, pairs.gaps[:PAIRS])


def study(size: Size, generator: torch.Generator) -> PairTensors:
    """Return noisy pairs: those of ``step.py`` at 350 genes, else of another PHOENIX field."""
    if size.genes == 350:
        return PairTensors.from_pairs(load()[0].pairs())
    count = 4 * PAIRS
    teacher = PhoenixField(size.genes, hidden=size.hidden, generator=generator)
    gaps = torch.tensor(size.gaps).repeat(count)[:count].float()
    start = torch.rand(size.genes, count, generator=generator)
    with torch.no_grad():
        end = solve(teacher, start, gaps=gaps, method=Exponential(4, 2))
    start, end = (x + NOISE * torch.randn(x.shape, generator=generator) for x in (start, end))
    return PairTensors(start, end, gaps)


def accuracy(training: Training, batch: PairTensors, method: Method, judged: int) -> tuple:
    """Return error and cosine of the gradient of survivors against tight float64 steps."""
    few = PairTensors(batch.start[:, :judged], batch.end[:, :judged], batch.gaps[:judged])
    found = gradient(training, few, method)
    exact = gradient(training, few, DormandPrince(rtol=1e-9, atol=1e-11), double=True)
    size = float(found.norm() * exact.norm())
    return float((found - exact).norm() / exact.norm()), float(torch.dot(found, exact)) / size


def gradient(
    training: Training, batch: PairTensors, method: Method, double: bool = False
) -> Tensor:
    field = copy.deepcopy(training.field)
    arrays = (batch.start, batch.end, batch.gaps)
    if double:
        field, arrays = field.double(), tuple(a.double() for a in arrays)
    loss = data_loss(field, start=arrays[0], end=arrays[1], gaps=arrays[2], method=method)
    parts = torch.autograd.grad(loss, list(field.parameters()))
    kept = []
    for (name, _), part in zip(field.named_parameters(), parts, strict=True):
        alive = training.survivors.get(name)
        kept.append(part.ravel() if alive is None else part.ravel()[alive.place])
    return torch.cat(kept).double()


def choose_method(training: Training, batch: PairTensors, judged: int) -> tuple:
    """Return the cheapest method whose gradient is exact enough, with error and cosine."""
    for method in METHODS:
        error, cosine = accuracy(training, batch, method, judged)
        if error <= WORST_ERROR and cosine >= WORST_COSINE:
            break
    return method, error, cosine


def our_step(training: Training, batch: PairTensors, method: Method) -> Callable[[], None]:
    quiet = Training(copy.deepcopy(training.field), Optimisation(learning_rate=1e-9, minimum=1e-10))
    quiet.apply_masks({name: alive.mask for name, alive in training.survivors.items()})
    fused = FusedEpoch(quiet, scheme_of(quiet.field, method))
    gaps, columns = batch.gaps.double().numpy(), np.arange(PAIRS)
    fused.prepare()
    return lambda: fused.step(batch.start, batch.end, gaps, columns)


def interleave(ours: Callable, rival: Callable, repeats: int, inner: int) -> tuple:
    milliseconds(ours), milliseconds(ours)
    our_times, rival_times = [], []
    for _ in range(repeats):
        rival_times.append(milliseconds(rival))
        our_times += [milliseconds(ours) for _ in range(inner)]
    return min(our_times), min(rival_times)


def measure(*, quick: bool, threads: int | None, genes: int | None) -> list[dict[str, object]]:
    """Return one row per size and density."""
    rows = []
    for size in SIZES:
        if (quick and size.genes > 350) or (genes or size.genes) != size.genes:
            continue
        count = threads or min(usable_processors(), 1 if size.genes < 1000 else 2)
        rate = gemm_rate(count)
        for density, target in size.targets.items():
            training, batch = make_case(size, density, 10 if quick else size.epochs)
            method, error, cosine = choose_method(training, batch, size.judged)
            torch.set_num_threads(count)
            rival = rival_step(training.field, batch, size.rival_pairs)
            repeats = 2 if quick or size.genes > 1000 else 3
            ours, theirs = interleave(our_step(training, batch, method), rival, repeats, 20)
            theirs *= PAIRS / size.rival_pairs
            stages = (2 if method.order == 2 else 4) * method.substeps
            work = 24 * size.genes * size.hidden * PAIRS * stages * density / 1e6
            rows.append(
                {
                    "name": f"{size.genes} genes, density {density:g}",
                    "ours": ours,
                    "rival": theirs,
                    "rival_name": f"torchdiffeq {torchdiffeq.__version__} adjoint dopri5 per pair "
                    f"(rtol 1e-7, atol 1e-9; {size.rival_pairs} pairs, scaled to {PAIRS})",
                    "unit": "ms",
                    "ratio": theirs / ours,
                    "target_ratio": target,
                    "method": f"etd{method.order}, {method.substeps} substeps",
                    "gradient_relative_error": error,
                    "gradient_cosine": cosine,
                    "gemm_share": work / ours / rate,
                    "gemm_gflops": rate,
                    "genes": size.genes,
                    "hidden": size.hidden,
                    "density": density,
                    "threads": count,
                    "engine": engine().note,
                    "quick": quick,
                }
            )
    return rows


# ------------------------------------------------------------------------- products alone
def measure_products() -> list[dict[str, object]]:
    """Return the sparse products, forward and both gradients, against the best dense ones."""
    torch.set_num_threads(1)
    rows = []
    for size in SIZES:
        for density in (0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02):
            if size.genes < 11_000 or density < 0.5:
                rows += products_of(size, density)
    return rows


def products_of(size: Size, density: float) -> list[dict[str, object]]:
    """Time one output matrix in every way there is."""
    generator = torch.Generator().manual_seed(0)
    field = PhoenixField(size.genes, hidden=size.hidden, generator=generator)
    mask = torch.rand(size.genes, size.hidden, generator=generator) < density
    with torch.no_grad():
        weight = field.output_sum.mul_(mask).detach()
    units = torch.rand(size.hidden, LANES_OF_PANEL, generator=generator)
    state = torch.rand(size.genes, LANES_OF_PANEL, generator=generator)
    out, back, grad = torch.empty_like(state), torch.empty_like(units), torch.empty_like(weight)

    def dense() -> None:
        torch.mm(weight, units, out=out)
        torch.mm(weight.T, state, out=back)
        torch.mm(state, units.T, out=grad)

    ways = {"torch.sparse CSR": torch_sparse(weight, units, state), "numba": by_numba(mask, weight)}
    runner = lone_runner(field, mask)
    ways["engine"] = None if runner is None else lambda: runner(units, state, out, back)
    if ways["numba"] is not None:
        compiled = ways["numba"]
        ways["numba"] = lambda: compiled(units.numpy(), state.numpy(), out.numpy(), back.numpy())
    times = {name: [] for name in ("dense", *ways)}
    for _ in range(25):
        for name, way in {"dense": dense, **ways}.items():
            if way is not None:
                times[name].append(milliseconds(way))
    best = min(times["dense"])
    return [
        {
            "name": f"products of {size.genes} genes, density {density:g}, {name}",
            "ours": min(times[name]),
            "rival": best,
            "rival_name": "torch.mm on whole matrices",
            "unit": "ms",
            "ratio": best / min(times[name]),
            "genes": size.genes,
            "density": density,
            "threads": 1,
        }
        for name in ways
        if times[name]
    ]


def torch_sparse(weight: Tensor, units: Tensor, state: Tensor) -> Callable[[], None]:
    matrix = weight.to_sparse_csr().requires_grad_()
    leaf = units.clone().requires_grad_()

    def both() -> None:
        torch.autograd.grad(torch.mm(matrix, leaf), [matrix, leaf], state)

    return both


def lone_runner(field: PhoenixField, mask: Tensor) -> Callable | None:
    library = engine().library
    if library is None or library.niwaki_panel() != LANES_OF_PANEL:
        return None
    from niwaki.dynamics._engine._runner import Runner, Scheme

    parameters, masks = dict(field.named_parameters()), {"output_sum": mask}
    runner = Runner(library, parameters, masks=masks, scheme=Scheme(4, 1), threads=1, dense=False)
    return lambda *arrays: runner.products("output_sum", *arrays)


def by_numba(mask: Tensor, weight: Tensor) -> Callable | None:
    """Return the same products in numba, where it is installed."""
    try:
        import numba
    except ImportError:
        return None
    place = mask.numpy()
    starts = np.append(0, np.cumsum(place.sum(1)))
    unit = np.nonzero(place)[1].astype(np.int32)
    value, grad = weight.numpy()[place], np.zeros(place.sum(), np.float32)
    run = _numba_products(numba)
    return lambda *arrays: run(starts, unit, value, grad, *arrays)


_COMPILED: list[Callable] = []


def _numba_products(numba: object) -> Callable:
    if _COMPILED:
        return _COMPILED[0]

    @numba.njit(fastmath=True, boundscheck=False)
    def run(starts, unit, value, grad, units, state, out, back):
        width = units.shape[1]
        back[:] = 0
        for j in range(len(starts) - 1):
            row, here = out[j], state[j]
            row[:] = 0
            for e in range(starts[j], starts[j + 1]):
                u, b, a, total = units[unit[e]], back[unit[e]], value[e], np.float32(0)
                for c in range(width):
                    row[c] += a * u[c]
                for c in range(width):
                    b[c] += a * here[c]
                for c in range(width):
                    total += here[c] * u[c]
                grad[e] = total

    _COMPILED.append(run)
    return run


def as_table(rows: list[dict[str, object]]) -> str:
    lines = [f"{'':52} {'ours ms':>9} {'rival ms':>10} {'ratio':>8}"]
    for row in rows:
        line = f"{row['name']:52} {row['ours']:9.3f} {row['rival']:10.2f} {row['ratio']:8.4g}"
        if "target_ratio" in row:
            line += f" (aim {row['target_ratio']}); {row['method']}, {row['threads']} threads; "
            line += f"gradient off by {row['gradient_relative_error']:.1e}, cosine "
            line += f"{row['gradient_cosine']:.6f}; {row['gemm_share']:.0%} of the GEMM rate"
        lines.append(line)
    form = "quick form, " if rows[0].get("quick") else ""
    lines.append(f"{form}rival: {rows[0]['rival_name']}")
    lines.append("minimum of interleaved repeats; on one thread, of processor time")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="350 genes only, under a minute")
    parser.add_argument("--threads", type=int, help="1 at 350 genes and 2 above unless given")
    parser.add_argument("--genes", type=int, help="only the size of so many genes")
    parser.add_argument("--products", action="store_true", help="sparse products alone")
    options = parser.parse_args()
    began = time.perf_counter()
    rows = (
        measure_products()
        if options.products
        else measure(quick=options.quick, threads=options.threads, genes=options.genes)
    )
    print(json.dumps(rows, indent=1) if options.json else as_table(rows))
    if not options.json:
        print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
