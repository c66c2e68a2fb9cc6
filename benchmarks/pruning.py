"""What masks cost while training, and what compact and sparse forms gain afterwards.

A network of two linear layers over 3,551 genes with 120 hidden units (the size of the published
yeast model), 95 % pruned, on one thread in float32. Everybody is timed in turn, medians are
compared.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from niwaki.pruning import CsrLinear, Pruner, Units, compact, to_sparse

GENES, HIDDEN, BATCH, SPARSITY = 3551, 120, 64, 0.95


def make_net(genes: int, generator: torch.Generator) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(genes, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, genes))
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) / value.shape[-1] ** 0.5)
    return net


def training_step(net: nn.Module, inputs: Tensor) -> Callable[[], None]:
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-6, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        (net(inputs) - inputs).square().mean().backward()
        optimiser.step()

    return step


def inference(net: nn.Module, inputs: Tensor) -> Callable[[], None]:
    def step() -> None:
        with torch.no_grad():
            net(inputs)

    return step


def medians(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Time everybody in turn, so that a busy machine slows all alike (ms)."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats + 2):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            taken[name].append(1000 * (time.perf_counter() - began))
    return {name: float(np.median(times[2:])) for name, times in taken.items()}


def row(name: str, times: dict[str, float], ours: str, rival: str, **further: object) -> dict:
    return {
        "name": name,
        "ours": times[ours],
        "rival": times[rival],
        "rival_name": rival,
        "unit": "ms",
        "ratio": times[rival] / times[ours],
        **further,
    }


def difference(net: nn.Module, other: nn.Module, inputs: Tensor) -> float:
    with torch.no_grad():
        return float((net(inputs) - other(inputs)).abs().max())


def measure(*, quick: bool) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    genes = 1000 if quick else GENES
    repeats = 15 if quick else 41
    inputs = torch.rand(BATCH, genes, generator=generator)
    plain = make_net(genes, generator)
    masked, units = copy.deepcopy(plain), copy.deepcopy(plain)
    Pruner(masked, SPARSITY).step()
    Pruner(units, SPARSITY, pattern=Units(), names=["0.weight"]).step()
    small, sparse = compact(units), to_sparse(masked, inputs)
    training = medians(
        {
            "unmasked training": training_step(plain, inputs),
            "masked training": training_step(masked, inputs),
        },
        repeats,
    )
    using = medians(
        {
            "masked dense": inference(masked, inputs),
            "sparse": inference(sparse, inputs),
            "masked dense, whole units": inference(units, inputs),
            "compact": inference(small, inputs),
        },
        repeats,
    )
    shared = {"genes": genes, "sparsity": SPARSITY, "batch": BATCH, "threads": 1, "quick": quick}
    return [
        row("masked training", training, "masked training", "unmasked training", **shared)
        | {"target_ratio": 1 / 1.15},
        row("compact", using, "compact", "masked dense, whole units", **shared)
        | {"target_ratio": 3, "largest_difference": difference(units, small, inputs)},
        row("to_sparse", using, "sparse", "masked dense", **shared)
        | {
            "target_ratio": 1.1,
            "largest_difference": difference(masked, sparse, inputs),
            "sparse_layers": sum(isinstance(part, CsrLinear) for part in sparse.modules()),
        },
    ]


def as_table(rows: list[dict]) -> str:
    lines = [f"{'':16} {'ours ms':>9} {'rival ms':>9} {'ratio':>7} {'target':>7}  rival"]
    for entry in rows:
        lines.append(
            f"{entry['name']:16} {entry['ours']:9.2f} {entry['rival']:9.2f} {entry['ratio']:7.2f} "
            f"{entry['target_ratio']:7.2f}  {entry['rival_name']}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="finish in under a minute")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(quick=options.quick)
    print(json.dumps(rows, indent=1) if options.json else as_table(rows))


if __name__ == "__main__":
    main()
