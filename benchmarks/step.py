"""How long one optimisation step takes, against one adaptive adjoint solve per pair.

One step: zero the gradients, solve 64 pairs of 350 genes over gaps 2, 1, 4, 2, mean squared error,
backward pass, Adam. One thread, float32, on a field trained here first.

The rival is the published algorithm, written with torchdiffeq: ``odeint_adjoint`` with dopri5 at
rtol 1e-7 and atol 1e-9, one solve per pair in a Python loop. It is timed on 4 pairs, one full
pattern of gaps, and multiplied by 16, since the loop is linear in pairs; ``--full`` times all 64.
"""

import argparse
import copy
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchdiffeq
from torch import Tensor, nn

from niwaki.core import Pairs, Trajectories
from niwaki.data import add_noise, generate_network, read_sim350, simulate
from niwaki.dynamics import (
    METHODS,
    DormandPrince,
    Method,
    Optimisation,
    PairTensors,
    PhoenixField,
    Training,
    data_loss,
    make_batches,
    make_method,
    train_epoch,
)

GENES, HIDDEN, PAIRS, NOISE = 350, 40, 64, 0.025
TIMES = (0.0, 2.0, 3.0, 7.0, 9.0)
PATTERN = len(TIMES) - 1  # pairs of one trajectory: every gap once
TARGETS = {"etd4": 400, "etd2": 1000}  # smallest ratio to aim for


class PublishedField(nn.Module):
    """The PHOENIX field in its published form: batch-major linear layers, recorded gradients."""

    def __init__(self, field: PhoenixField) -> None:
        super().__init__()
        self.sums = _linear(field.weight_sum, field.bias_sum)
        self.prods = _linear(field.weight_prod, field.bias_prod)
        self.from_sums = _linear(field.output_sum)
        self.from_prods = _linear(field.output_prod)
        self.multipliers = nn.Parameter(field.multiplier.detach().clone())

    def forward(self, _: Tensor, state: Tensor) -> Tensor:
        """Return dx/dt of a batch-major state."""
        shifted = state - 0.5
        phi = shifted / (1 + shifted.abs())
        product = torch.exp(self.prods(torch.log(1 + phi)))
        drive = self.from_sums(self.sums(phi)) + self.from_prods(product)
        return torch.relu(self.multipliers) * (drive - state)


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def load() -> tuple[Trajectories, str]:
    """Return noisy trajectories of 350 genes and where they come from."""
    folder = os.environ.get("NIWAKI_DATA")
    if folder and (Path(folder) / "sim350").is_dir():
        return add_noise(read_sim350(Path(folder) / "sim350").train, NOISE, 0), "sim350"
    system = generate_network(GENES, 0)
    made = simulate(system, trajectories=60, times=TIMES, rng=0, noise_sd=NOISE)
    return made, "generated network"


def train(pairs: Pairs, epochs: int) -> PhoenixField:
    field = PhoenixField(GENES, hidden=HIDDEN, generator=torch.Generator().manual_seed(0))
    training, tensors = Training(field, Optimisation()), PairTensors.from_pairs(pairs)
    method = make_method("etd4", field)
    for epoch in range(epochs):
        batches = make_batches(pairs, size=16, seed=0, epoch=epoch)
        train_epoch(training, tensors, batches=batches, method=method, masks={})
    return field


def our_step(field: PhoenixField, batch: PairTensors, method: Method) -> Callable[[], None]:
    training = Training(copy.deepcopy(field), Optimisation(learning_rate=1e-9))

    def step() -> None:
        training.optimiser.zero_grad(set_to_none=True)
        loss = data_loss(
            training.field, start=batch.start, end=batch.end, gaps=batch.gaps, method=method
        )
        loss.backward()
        training.optimiser.step()

    return step


def published_solve(published: PublishedField, start: Tensor, span: Tensor) -> Tensor:
    """Solve one pair as published."""
    return torchdiffeq.odeint_adjoint(
        published, start, span, method="dopri5", rtol=1e-7, atol=1e-9
    )[-1]


def rival_step(field: PhoenixField, batch: PairTensors, count: int) -> Callable[[], None]:
    published = PublishedField(field)
    optimiser = torch.optim.Adam(published.parameters(), lr=1e-9, fused=True)
    start, end = batch.start.T.contiguous(), batch.end.T.contiguous()
    spans = [torch.tensor([0.0, gap]) for gap in batch.gaps.tolist()]

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        ends = [published_solve(published, start[i : i + 1], spans[i]) for i in range(count)]
        (torch.cat(ends) - end[:count]).square().mean().backward()
        optimiser.step()

    return step


def milliseconds(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - began)


def interleave(
    ours: dict[str, Callable[[], None]], rival: Callable[[], None], *, repeats: int, inner: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Time everybody in turn, so that a busy machine slows all alike."""
    for step in ours.values():
        milliseconds(step), milliseconds(step)
    milliseconds(rival)
    our_times: dict[str, list[float]] = {name: [] for name in ours}
    rival_times = []
    for _ in range(repeats):
        rival_times.append(milliseconds(rival))
        for name, step in ours.items():
            our_times[name] += [milliseconds(step) for _ in range(inner)]
    return our_times, rival_times


def gradient(field: PhoenixField, batch: PairTensors, method: Method) -> Tensor:
    loss = data_loss(field, start=batch.start, end=batch.end, gaps=batch.gaps, method=method)
    parts = torch.autograd.grad(loss, list(field.parameters()))
    return torch.cat([part.ravel() for part in parts]).double()


def accuracy(field: PhoenixField, batch: PairTensors, name: str, exact: Tensor) -> dict[str, float]:
    """Compare the float32 gradient of a method with the tight float64 one."""
    found = gradient(field, batch, METHODS[name]())
    return {
        "gradient_relative_error": float((found - exact).norm() / exact.norm()),
        "gradient_cosine": float(torch.dot(found, exact) / (found.norm() * exact.norm())),
    }


def measure(*, quick: bool, full: bool) -> list[dict[str, object]]:
    """Return one row per method."""
    data, source = load()
    field = train(data.pairs(), 10 if quick else 60)
    chosen = data.pairs().subset(np.arange(PAIRS))
    batch, double_batch = (
        PairTensors.from_pairs(chosen, dtype=dtype) for dtype in (torch.float32, torch.float64)
    )
    exact = gradient(
        copy.deepcopy(field).double(), double_batch, DormandPrince(rtol=1e-10, atol=1e-12)
    )
    names = ("etd4", "etd2", "rk4")
    count = PAIRS if full else PATTERN
    our_times, rival_times = interleave(
        {name: our_step(field, batch, METHODS[name]()) for name in names},
        rival_step(field, batch, count),
        repeats=3 if quick else 7,
        inner=15,
    )
    scale = PAIRS // count
    measured = "all 64 pairs" if full else "4 pairs, times 16"
    rival_median = scale * float(np.median(rival_times))
    return [
        {
            "name": f"step {name}",
            "ours": float(np.median(our_times[name])),
            "ours_min": min(our_times[name]),
            "rival": rival_median,
            "rival_min": scale * min(rival_times),
            "rival_name": f"torchdiffeq {torchdiffeq.__version__} adjoint dopri5 per pair "
            f"(rtol 1e-7, atol 1e-9; {measured})",
            "unit": "ms",
            "ratio": rival_median / float(np.median(our_times[name])),
            "ratio_of_minima": scale * min(rival_times) / min(our_times[name]),
            "target_ratio": TARGETS.get(name),
            **accuracy(field, batch, name, exact),
            "data": source,
            "threads": 1,
            "quick": quick,
        }
        for name in names
    ]


def as_table(rows: list[dict[str, object]]) -> str:
    head = f"{'':10} {'ours ms':>9} {'rival ms':>10} {'ratio':>7} {'target':>7}  gradient: "
    lines = [head + f"{'error':>8} {'cosine':>10}"]
    for row in rows:
        target = row["target_ratio"] or "-"
        lines.append(
            f"{row['name']:10} {row['ours']:9.2f} {row['rival']:10.1f} {row['ratio']:7.0f} "
            f"{target:>7}  {'':10}{row['gradient_relative_error']:8.1e} "
            f"{row['gradient_cosine']:10.6f}"
        )
    first = rows[0]
    form = "quick form, " if first["quick"] else ""
    lines.append(f"rival: {first['rival_name']}")
    lines.append(f"{form}median of interleaved repeats, 1 thread, data: {first['data']}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="finish in under a minute")
    parser.add_argument("--full", action="store_true", help="time the rival on all 64 pairs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(quick=options.quick, full=options.full)
    print(json.dumps(rows, indent=1) if options.json else as_table(rows))


if __name__ == "__main__":
    main()
