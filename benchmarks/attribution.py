"""How fast, how lean and how exact attributions are, against Captum in the same run.

One thread, float32 unless a row says otherwise, networks at their random start. Times are processor
times (on a machine with a GPU wall times), both sides in turn, so that a busy machine slows both
alike. Ratios are rival / ours, larger is better; rows of exactness give the error as `ours` and its
limit as `rival`.
"""

import argparse
import ctypes
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import captum.attr
import torch
from torch import Tensor, nn

from niwaki.attribution import (
    expected_gradients,
    flow_attribution,
    gini_prior,
    homogeneity_report,
    integrated_gradients,
    jacobian_attribution,
    xgrad,
)
from niwaki.dynamics import GeneField, RungeKutta4, solve

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
ROWS: list[dict[str, object]] = []


def seeded(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        bound = parameter.shape[1:].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return module


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mlp(sizes: tuple[int, ...] = (118, 512, 512, 1)) -> nn.Module:
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out, bias=False), nn.ReLU()]
    return seeded(nn.Sequential(*layers[:-1]))


def cnn() -> nn.Module:
    """3 x 32 x 32, three convolutions and two linear layers, 10 classes."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in ((3, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(1024, 128, bias=False), nn.ReLU()]
    return seeded(nn.Sequential(*layers, nn.Linear(128, 10, bias=False)))


CASES = {"MLP, B=256": (mlp, (256, 118)), "CNN, B=16": (cnn, (16, 3, 32, 32))}


def seconds(call: Callable[[], object]) -> float:
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    began = clock()
    call()
    return clock() - began


def in_turn(
    ours: Callable[[], object], rival: Callable[[], object], repeats: int, inner: int
) -> tuple[float, float]:
    """Return median seconds of both, timed in turn, so that a busy machine slows both."""
    ours(), rival()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        times[1].append(seconds(rival))
        times[0].extend(seconds(ours) for _ in range(inner))
    return statistics.median(times[0]), statistics.median(times[1])


def row(name: str, ours: float, rival: float, rival_name: str, unit: str, target: float) -> None:
    ROWS.append(
        {
            "name": name,
            "ours": ours,
            "rival": rival,
            "rival_name": rival_name,
            "unit": unit,
            "ratio": rival / ours if ours else float("inf"),
            "target_ratio": target,
        }
    )


def limit(name: str, error: float, most: float) -> None:
    row(name, error, most, "largest error allowed", "relative error", 1)


def exactness() -> None:
    for name, (make, shape) in CASES.items():
        model, x = make(), normal(*shape)
        found = xgrad(model, x, 0, degree=1)
        size = found.value.abs().mean()
        for nodes in (1, 50):
            other = integrated_gradients(model, x, 0, nodes=nodes, chunk=256)
            away = float((other.value - found.value).abs().mean() / size)
            limit(f"X-Gradient against IG({nodes}), {name}", away, 1e-6)
        gap = float(found.gap.abs().max() / found.score.abs().max())
        limit(f"completeness, {name}", gap, 1e-5)


def speed(repeats: int) -> None:
    rivals = {
        "Captum IG-50": (captum.attr.IntegratedGradients, {"n_steps": 50}, 40),
        "Captum InputXGradient": (captum.attr.InputXGradient, {}, 0),
    }
    for name, (make, shape) in CASES.items():
        model, x = make(), normal(*shape).requires_grad_()
        for rival, (method, options, target) in rivals.items():
            theirs = method(model)

            def run(theirs=theirs, x=x, options=options) -> object:
                return theirs.attribute(x, target=0, **options)

            ours, other = in_turn(
                lambda model=model, x=x: xgrad(model, x, 0, degree=1), run, repeats, 5
            )
            row(f"time, {name}", 1e3 * ours, 1e3 * other, rival, "ms", target)


def training_step(repeats: int) -> None:
    model = mlp((118, 512, 128, 32, 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = normal(100, 118), (normal(100, seed=3) > 0).float()

    def step(loss_of: Callable[[], Tensor]) -> Callable[[], None]:
        def run() -> None:
            optimiser.zero_grad(set_to_none=True)
            loss_of().backward()
            optimiser.step()

        return run

    def task(logit: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logit[:, 0], y)

    def with_xgrad() -> Tensor:
        found = xgrad(model, x, degree=1, create_graph=True)
        return task(found.output) + gini_prior(found.value)

    def with_expected(draws: int) -> Callable[[], Tensor]:
        def loss() -> Tensor:
            found = expected_gradients(model, x, x, draws=draws, create_graph=True)
            return task(found.output) + gini_prior(found.value)

        return loss

    plain = step(lambda: task(model(x)))
    ways = {
        "X-Gradient": (with_xgrad, 2.3),
        "EG-1": (with_expected(1), 0),
        "EG-8": (with_expected(8), 0),
    }
    for name, (loss, most) in ways.items():
        ours, base = in_turn(step(loss), plain, 3 * repeats, 1)
        ROWS.append(
            {
                "name": f"training step with the Gini prior on {name}",
                "ours": 1e3 * ours,
                "rival": 1e3 * base,
                "rival_name": "the same step without a prior",
                "unit": "ms",
                "ratio": base / ours,
                "times_a_plain_step": ours / base,
                "target_ratio": 1 / most if most else 0,
            }
        )


def jacobian(repeats: int, *, genes: int, states: int) -> None:
    """Return all targets of a field, against one call of Captum per target."""
    first, second = 0.1 * normal(256, genes), 0.1 * normal(genes, 256, seed=2)

    def field(state: Tensor) -> Tensor:
        return second @ (first @ state).relu() - 0.5 * state

    x = normal(genes, states)
    rows = x.T.contiguous().requires_grad_()
    theirs = captum.attr.InputXGradient(lambda z: field(z.T).T)

    def rival() -> Tensor:
        return torch.stack([theirs.attribute(rows, target=j).detach() for j in range(genes)], 1)

    ours, other = in_turn(lambda: jacobian_attribution(field, x), rival, max(1, repeats // 2), 2)
    name = f"all-targets Jacobian, {genes} genes, {states} states"
    row(name, 1e3 * ours, 1e3 * other, "Captum InputXGradient per target", "ms", 5)
    away = abs(jacobian_attribution(field, x).dense() - rival().detach().mean(0).numpy()).max()
    limit(f"{name}: largest difference", float(away), 1e-5)


def flows() -> None:
    first, second = 0.3 * normal(20, 10), 0.3 * normal(10, 20, seed=2)

    def field(state: Tensor) -> Tensor:
        return second @ (first @ state).relu() - 0.5 * state

    def flow(start: Tensor) -> Tensor:
        gaps = torch.full_like(start[0], 2.0)
        return solve(field, start, gaps=gaps, method=RungeKutta4(8))

    start = normal(10, 32)
    same = all(torch.equal(flow(s * start), s * flow(start)) for s in (0.5, 2.0, 8.0))
    limit("flow under RK4: powers of two that are not bit for bit", 0.0 if same else 1.0, 1e-12)
    limit("flow under RK4: completeness", flow_attribution(flow, start).gap, 1e-6)


def modules() -> None:
    from unit.attribution.modules import MODULES

    wrong = 0
    for _, make, shape, degree in MODULES:
        found = homogeneity_report(make(), normal(*shape))
        right = found.degree == degree and (degree is not None or bool(found.culprit))
        wrong += not right
    row(f"modules classified wrongly, of {len(MODULES)}", float(wrong), 1.0, "one", "modules", 1)


# ---------------------------------------------------------------- memory, in fresh processes
def peak() -> int:
    """Return the most memory that this process has held since `reset_peak` (bytes)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    return 0


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def memory_of(what: str, case: str) -> float:
    """Return the extra peak of one attribution over a warm process (MiB)."""
    make, shape = CASES[case]
    model, x = make(), normal(*shape)
    ways: dict[str, Callable[[Tensor], object]] = {
        "xgrad": lambda z: xgrad(model, z, 0, degree=1),
        "ig": lambda z: captum.attr.IntegratedGradients(model).attribute(
            z.detach().requires_grad_(), target=0, n_steps=128
        ),
    }
    for way in ways.values():  # everything is loaded and compiled before
        way(x[:1])
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc_trim(0)
    reset_peak()
    before = peak()
    ways[what](x)
    return (peak() - before) / 2**20


def big_field(genes: int = 11_000, states: int = 16) -> float:
    """Return the extra peak of a field of many genes, every pair of three edges each (MiB)."""
    field = GeneField(genes, edges=3 * genes)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        field.source.copy_(torch.randint(genes, (3 * genes,), generator=generator))
        field.target.copy_(torch.arange(genes).repeat(3))
        field.weight.copy_(torch.randn(3 * genes, generator=generator))
    x = normal(genes, states)
    jacobian_attribution(field, x[:, :1], keep=5, targets=torch.arange(8))
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    reset_peak()
    before = peak()
    found = jacobian_attribution(field, x, baseline=x.mean(1), keep=20)
    if found.gap > 1e-4 or len(found.source) < 3 * genes:
        raise SystemExit("the field of many genes was not attributed completely")
    return (peak() - before) / 2**20


def in_a_fresh_process(*arguments: str) -> float:
    command = [sys.executable, __file__, "--memory", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(found.stdout)


def memory(*, quick: bool) -> None:
    if not Path("/proc/self/clear_refs").exists():
        return  # only Linux tells the peak of a part of a run
    for case in CASES:
        ours, rival = (max(in_a_fresh_process(way, case), 0.1) for way in ("xgrad", "ig"))
        row(f"extra peak memory, {case}", ours, rival, "Captum IG-128", "MiB", 50)
    if not quick:
        began = time.perf_counter()
        genes, states = 11_000, 16
        ours = in_a_fresh_process("field", "")
        dense = genes * genes * states * 4 / 2**20
        name = f"extra peak memory, {genes} genes, {states} states, 20 pairs per target"
        row(name, ours, dense, "a dense state x gene x gene table", "MiB", 5)
        ROWS[-1]["wall_seconds"] = time.perf_counter() - began


def on_a_gpu(repeats: int) -> None:
    if not torch.cuda.is_available():
        return
    for name, (make, shape) in CASES.items():
        model, x = make().cuda(), normal(*shape).cuda().requires_grad_()
        theirs = captum.attr.IntegratedGradients(model)

        def waited(call: Callable[[], object]) -> Callable[[], None]:
            def run() -> None:
                call()
                torch.cuda.synchronize()

            return run

        ours, rival = in_turn(
            waited(lambda model=model, x=x: xgrad(model, x, 0, degree=1)),
            waited(lambda theirs=theirs, x=x: theirs.attribute(x, target=0, n_steps=50)),
            repeats,
            5,
        )
        row(f"time on a GPU, {name}", 1e3 * ours, 1e3 * rival, "Captum IG-50", "ms", 0)


def as_table() -> str:
    lines = [f"{'':68} {'ours':>10} {'rival':>10} {'ratio':>9} {'target':>7}"]
    for entry in ROWS:
        target = f"{entry['target_ratio']:.3g}" if entry["target_ratio"] else "-"
        lines.append(
            f"{entry['name']:68} {entry['ours']:10.3g} {entry['rival']:10.3g} "
            f"{entry['ratio']:9.3g} {target:>7}  {entry['rival_name']} [{entry['unit']}]"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="finish in under a minute")
    parser.add_argument("--repeats", type=int, default=7, help="timings per row (count)")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.memory:
        what, case = options.memory
        print(big_field() if what == "field" else memory_of(what, case))
        return
    repeats = 2 if options.quick else options.repeats
    exactness()
    speed(repeats)
    training_step(10 * repeats)
    for genes, states in ((200, 16),) if options.quick else ((100, 64), (200, 16), (500, 16)):
        jacobian(repeats, genes=genes, states=states)
    flows()
    modules()
    memory(quick=options.quick)
    on_a_gpu(repeats)
    for entry in ROWS:
        entry.update(threads=1, quick=options.quick)
    print(json.dumps(ROWS, indent=1) if options.json else as_table())


if __name__ == "__main__":
    main()
