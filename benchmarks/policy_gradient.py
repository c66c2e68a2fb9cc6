"""How many draws the policy gradient of Bernoulli gates needs: gates on units, and on weights.

A PHOENIX field of 350 genes and 40 hidden units per branch is trained, then gates with probability
1/2 are put on its 80 hidden units, or on its 56,000 weights. The estimate from two forward passes
per draw (`pruning.policy_gradient`), averaged over more and more draws, is compared by its cosine
with a reference: the mean over 300 draws of the gradient with respect to the drawn gates.
"""

import argparse
import json

import numpy as np
import torch
from step import load, train
from torch import Tensor
from torch.func import functional_call

from niwaki.dynamics import METHODS, PairTensors, PhoenixField, data_loss
from niwaki.pruning import policy_gradient

PAIRS, REFERENCE = 64, 300
WEIGHTS = ("weight_sum", "weight_prod", "output_sum", "output_prod")
UNITS = ("output_sum", "output_prod")


class Gated(torch.nn.Module):
    """The loss of a field on one batch, with gates on its weights or hidden units."""

    def __init__(self, field: PhoenixField, batch: PairTensors, *, units: bool) -> None:
        super().__init__()
        self.field, self.batch = field, batch
        self.names = UNITS if units else WEIGHTS
        shapes = [tuple(field.get_parameter(name).shape) for name in self.names]
        self.shapes = [(1, shape[1]) if units else shape for shape in shapes]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]

    def forward(self) -> Tensor:
        """Return the loss."""
        batch = self.batch
        return data_loss(
            self.field, start=batch.start, end=batch.end, gaps=batch.gaps, method=METHODS["etd2"]()
        )

    def loss(self, gates: Tensor) -> Tensor:
        """Return the loss with some gates open."""
        parts = gates.split(self.sizes)
        weights = {
            f"field.{name}": self.field.get_parameter(name).detach() * part.reshape(shape)
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }
        return functional_call(self, weights, ())


def cosines(gated: Gated, draws: list[int], generator: torch.Generator) -> list[float]:
    """Return the cosine to the reference after each number of draws."""
    half = torch.full((sum(gated.sizes),), 0.5)

    def draw() -> Tensor:
        return torch.bernoulli(half, generator=generator)

    reference = torch.zeros_like(half)
    for _ in range(REFERENCE):
        gates = draw().requires_grad_()
        reference += torch.autograd.grad(gated.loss(gates), gates)[0]
    total, found = torch.zeros_like(half), []
    with torch.no_grad():
        for count in range(1, max(draws) + 1):
            first, second = draw(), draw()
            total += policy_gradient(gated.loss(first), gated.loss(second), first, half)
            if count in draws:
                found.append(float(torch.cosine_similarity(total, reference, dim=0)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="at most 100 draws")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, source = load()
    field = train(data.pairs(), 5 if options.quick else 30)
    batch = PairTensors.from_pairs(data.pairs().subset(np.arange(PAIRS)))
    draws = [1, 100] if options.quick else [1, 100, 1000, 3000]
    rows = []
    for units in (True, False):
        gated = Gated(field, batch, units=units)
        values = cosines(gated, draws, torch.Generator().manual_seed(0))
        rows.append(
            {
                "name": "gates on units" if units else "gates on weights",
                "gates": sum(gated.sizes),
                "draws": draws,
                "cosines": values,
                "data": source,
                "quick": options.quick,
            }
        )
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        numbers = ", ".join(f"{c:.2f} ({n})" for c, n in zip(row["cosines"], draws, strict=True))
        print(f"{row['gates']:6} {row['name']:17} cosine after (draws): {numbers}")


if __name__ == "__main__":
    main()
