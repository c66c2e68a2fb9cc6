"""Whether graph summaries of the first epochs foretell the final accuracy better than the loss.

    python benchmarks/early_prediction.py [--json] [--quick]

Trains a grid of learning rates on one task, all runs at once; each run's weights after the first
epochs become a signature (weighted degrees and eigenvector centralities of the network as a graph).
Every run's final accuracy is predicted from all others, by ridge regression, once from signatures,
once from the plain losses of the same epochs, and once from both.
"""

import argparse
import itertools
import json
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from niwaki.motifs import from_weights, graph_summary, predict_outcome

SIZES = (10, 32, 16, 4)
ROWS, BATCH, EARLY = 2_000, 50, 3


def task(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a classification task that a random deeper network has set, split in half."""
    inputs = rng.normal(size=(2 * ROWS, SIZES[0]))
    hidden = np.tanh(inputs @ rng.normal(size=(SIZES[0], 24)) / 2)
    scores = np.tanh(hidden @ rng.normal(size=(24, 24))) @ rng.normal(size=(24, SIZES[-1]))
    labels = scores.argmax(1)
    wrong = rng.random(len(labels)) < 0.05
    labels[wrong] = rng.integers(SIZES[-1], size=int(wrong.sum()))
    x, y = torch.from_numpy(inputs).float(), torch.from_numpy(labels)
    return x[:ROWS], y[:ROWS], x[ROWS:], y[ROWS:]


def outputs(weights: list[Tensor], biases: list[Tensor], rows: Tensor) -> Tensor:
    """Return ``[run, row, class]``."""
    hidden = rows.expand(weights[0].shape[0], *rows.shape)
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        hidden = torch.baddbmm(bias, hidden, weight)
        hidden = hidden.relu() if i < len(weights) - 1 else hidden
    return hidden


def losses(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each run."""
    wanted = labels.expand(scores.shape[0], -1)[:, :, None]
    return -scores.log_softmax(2).gather(2, wanted).mean((1, 2))


def train(
    rates: Tensor, epochs: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return signatures and losses of the first epochs, and final accuracies, per run."""
    x, y, test_x, test_y = task(np.random.default_rng(0))
    runs = len(rates)
    shapes = list(itertools.pairwise(SIZES))
    weights = [
        torch.from_numpy(rng.normal(0, (2 / i) ** 0.5, (runs, i, o))).float() for i, o in shapes
    ]
    biases = [torch.zeros(runs, 1, o) for _, o in shapes]
    moving = [torch.zeros_like(p) for p in (*weights, *biases)]
    for parameter in (*weights, *biases):
        parameter.requires_grad_(True)
    signatures, early = [], []
    for epoch in range(epochs):
        order = torch.from_numpy(rng.permutation(ROWS))
        for begin in range(0, ROWS, BATCH):
            rows = order[begin : begin + BATCH]
            loss = losses(outputs(weights, biases, x[rows]), y[rows])
            slopes = torch.autograd.grad(loss.sum(), [*weights, *biases])
            with torch.no_grad():
                for p, m, slope in zip((*weights, *biases), moving, slopes, strict=True):
                    m.mul_(0.9).add_(slope.nan_to_num().clamp(-10, 10))
                    p.sub_(rates[:, None, None] * m)
        if epoch < EARLY:
            with torch.no_grad():
                early.append(losses(outputs(weights, biases, x), y).clamp(max=20).numpy())
            signatures.append(
                [
                    graph_summary(from_weights([w[r].detach().mT for w in weights]))
                    for r in range(runs)
                ]
            )
    with torch.no_grad():
        right = outputs(weights, biases, test_x).argmax(2) == test_y
    return (
        np.concatenate([np.log1p(np.array(s)) for s in signatures], axis=1),
        np.log(np.stack(early, axis=1)),
        right.double().mean(1).numpy(),
    )


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few runs and epochs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs, epochs = (24, 8) if arguments.quick else (120, 60)
    rng = np.random.default_rng(1)
    rates = torch.from_numpy(10 ** rng.uniform(-4.5, -0.3, runs)).float()
    began = time.perf_counter()
    graph, loss, accuracy = train(rates, epochs, rng)
    found = predict_outcome(
        {"graph": graph, "early loss": loss, "both": np.hstack([graph, loss])}, accuracy
    )
    rows: list[dict[str, Any]] = [
        {
            "name": f"final accuracy foretold from {kind}",
            "r2": value.r2,
            "rank_correlation": value.rank_correlation,
            "runs": runs,
            "early_epochs": EARLY,
            "epochs": epochs,
            "accuracy_low": float(accuracy.min()),
            "accuracy_high": float(accuracy.max()),
            "seconds": time.perf_counter() - began,
            "quick": arguments.quick,
        }
        for kind, value in found.items()
    ]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(
            f"{row['name']:<42} R2 {row['r2']:.3f}, rank correlation {row['rank_correlation']:.3f}"
        )


if __name__ == "__main__":
    main()
