"""What being homogeneous costs in accuracy, and what its attributions are worth.

Accuracy: digits of scikit-learn (8 x 8, 10 classes) and patches of the two photographs that it
ships (12 x 12 grey values, 8 classes: photograph and quarter; training and test patches come from
different rows), as they are and all of one contrast. MLPs and CNNs with and without biases, with
BatchNorm, and with scaling by the variance alone, over several seeds; also at 0.3 times the
contrast.

Masking (the CNNs of the first seed): six ways of masking, for IG-128, X-Gradient, EG-1, gradient
and random attributions; masked pixels take the mean training image.
"""

import argparse
import itertools
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits, load_sample_images
from torch import Tensor, nn

from niwaki.attribution import (
    VarianceScale,
    expected_gradients,
    gradient,
    homogeneity_report,
    integrated_gradients,
    masking_curve,
    xgrad,
)

PATCH, QUARTERS = 12, 4
PUBLISHED = "ImageNet top-5 loss from regular to X: AlexNet 0.67, VGG16 0.19, ResNet-50 1.44 points"
WAYS = [(o, a) for o in ("positive", "negative", "absolute") for a in ("keep", "remove")]


@dataclass(frozen=True)
class Task:
    """Images ``[sample, 1, row, column]`` and classes."""

    name: str
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    classes: int
    arms: tuple[str, ...]


def digits() -> Task:
    found = load_digits()
    x = torch.tensor(found.images[:, None] / 16).float()
    y = torch.tensor(found.target)
    order = torch.tensor(np.random.default_rng(0).permutation(len(y)))
    first, last = order[:1200], order[1200:]
    return Task("digits", (x[first], y[first]), (x[last], y[last]), 10, tuple(ARMS))


def patches(count: int = 3000) -> Task:
    """Cut patches; zero is the mean grey of a patch, so that brightness tells nothing."""
    rng = np.random.default_rng(0)
    parts: dict[bool, tuple[list[np.ndarray], list[int]]] = {True: ([], []), False: ([], [])}
    for number, image in enumerate(load_sample_images().images):
        grey = image.mean(2) / 255
        rows, columns = grey.shape
        for held_out in (True, False):
            share = 3 if held_out else 1
            for _ in range(count // (2 * share)):
                band = rng.integers(rows // 64)  # bands of 64 rows: 40 to train, the last 24 less
                row = 64 * band + (rng.integers(0, 28) if not held_out else 64 - PATCH)
                column = rng.integers(columns - PATCH)
                patch = grey[row : row + PATCH, column : column + PATCH]
                if patch.shape != (PATCH, PATCH):
                    continue
                spread = patch.std() + 0.02
                parts[held_out][0].append((patch - patch.mean()) / spread)
                quarter = min(int(QUARTERS * column / (columns - PATCH)), QUARTERS - 1)
                parts[held_out][1].append(QUARTERS * number + quarter)

    def tensors(held_out: bool) -> tuple[Tensor, Tensor]:
        images, classes = parts[held_out]
        return torch.tensor(np.array(images)[:, None]).float(), torch.tensor(classes)

    return Task("patches", tensors(False), tensors(True), 2 * QUARTERS, tuple(ARMS))


def of_one_contrast(task: Task) -> Task:
    """Return the same images with a spread of one, so that contrast tells nothing."""

    def scaled(part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        spread = part[0].flatten(1).std(1).clamp(min=1e-3)
        return part[0] / spread[:, None, None, None], part[1]

    return Task(
        f"{task.name}, one contrast", scaled(task.train), scaled(task.test), task.classes, PLAIN
    )


def mlp(task: Task, *, bias: bool, norm: None) -> nn.Sequential:
    size = task.train[0][0].numel()
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(size, 128, bias=bias),
        nn.ReLU(),
        nn.Linear(128, 64, bias=bias),
        nn.ReLU(),
        nn.Linear(64, task.classes, bias=bias),
    )


def cnn(task: Task, *, bias: bool, norm: Callable[[int], nn.Module] | None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in ((1, 16), (16, 32)):
        layers.append(nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=bias))
        layers += [] if norm is None else [norm(fan_out)]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    side = task.train[0].shape[-1] // 4
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(32 * side * side, task.classes, bias=bias)
    )


ARMS = {
    "MLP, bias": (mlp, True, None),
    "X-MLP": (mlp, False, None),
    "CNN, bias": (cnn, True, None),
    "X-CNN": (cnn, False, None),
    "CNN, BatchNorm, bias": (cnn, True, nn.BatchNorm2d),
    "CNN, variance scaling, bias": (cnn, True, VarianceScale),
    "X-CNN, variance scaling": (cnn, False, VarianceScale),
}
PLAIN = ("MLP, bias", "X-MLP", "CNN, bias", "X-CNN")


def train(model: nn.Module, task: Task, *, epochs: int, seed: int) -> nn.Module:
    x, y = task.train
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(seed)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(y), generator=generator).split(64):
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
        schedule.step()
    return model.eval()


def accuracy(model: nn.Module, part: tuple[Tensor, Tensor], scale: float = 1.0) -> float:
    with torch.no_grad():
        return float((model(scale * part[0]).argmax(1) == part[1]).float().mean())


def start(model: nn.Module, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = module.weight[0].numel() ** -0.5
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return model


def masking(model: nn.Module, task: Task, name: str) -> list[dict[str, object]]:
    x, y = (part[:200] for part in task.test)
    background = task.train[0]
    noise = torch.Generator().manual_seed(0)
    values = {
        "IG-128": integrated_gradients(model, x, y, nodes=128, chunk=2048).value,
        "X-Gradient": xgrad(model, x, y, degree=1).value,
        "EG-1": expected_gradients(model, x, background, y, draws=1).value,
        "gradient": gradient(model, x, y).value,
        "random": torch.randn(x.shape, generator=noise),
    }
    size = values["IG-128"].abs().mean()
    rows = []
    for method, found in values.items():
        areas = {
            f"{order} {action}": masking_curve(
                model, x, found, y, order=order, action=action, fill=background.mean(0)
            ).area
            for order, action in WAYS
        }
        away = float((found - values["IG-128"]).abs().mean() / size)
        label = "Input x Gradient" if method == "X-Gradient" and name[:2] != "X-" else method
        rows.append(
            {"name": f"masking, {task.name}, {name}", "method": label, **areas, "away": away}
        )
    return rows


Run = dict[str, object]


def one(task: Task, name: str, *, epochs: int, seed: int) -> list[Run]:
    """Train once; return the accuracies and, for the CNNs of the first seed, the masking rows."""
    make, bias, norm = ARMS[name]
    model = train(start(make(task, bias=bias, norm=norm), seed), task, epochs=epochs, seed=seed)
    report = homogeneity_report(model, task.test[0][:4])
    found: Run = {
        "full": accuracy(model, task.test),
        "dim": accuracy(model, task.test, 0.3),
        "degree": report.degree,
        "bit_exact": report.exact,
        "bias_share": report.bias_share,
    }
    masked = seed == 0 and name in {"CNN, bias", "X-CNN"} and task.arms != PLAIN
    return [found, *(masking(model, task, name) if masked else [])]


def measure(*, seeds: int, quick: bool, keep: Path | None = None) -> list[Run]:
    tasks = [digits()] if quick else [digits(), patches(), of_one_contrast(patches())]
    pairs = [(task, name) for task in tasks for name in task.arms]
    known: dict[tuple[str, str, int], list[Run]] = {}
    if keep is not None and keep.exists():
        for line in keep.read_text().splitlines():
            task_name, name, seed, found = json.loads(line)
            known[task_name, name, seed] = found
    for seed, (task, name) in itertools.product(range(seeds), pairs):
        if (task.name, name, seed) in known:
            continue
        found = one(task, name, epochs=3 if quick else 25, seed=seed)
        known[task.name, name, seed] = found
        if keep is not None:
            with keep.open("a") as file:
                file.write(json.dumps([task.name, name, seed, found]) + "\n")
    rows: list[Run] = []
    for task, name in pairs:
        runs = [known[task.name, name, seed][0] for seed in range(seeds)]
        full = [float(run["full"]) for run in runs]
        rows.append(
            {
                "name": f"accuracy, {task.name}",
                "method": name,
                "accuracy": statistics.mean(full),
                "sd": statistics.stdev(full) if seeds > 1 else None,
                "at_0.3_contrast": statistics.mean(float(run["dim"]) for run in runs),
                **{k: runs[0][k] for k in ("degree", "bit_exact", "bias_share")},
                "seeds": seeds,
                "quick": quick,
                "published": PUBLISHED,
            }
        )
    return [*rows, *(row for task, name in pairs for row in known[task.name, name, 0][1:])]


def as_table(rows: list[dict[str, object]]) -> str:
    lines = [f"{'':20} {'':30} {'accuracy':>9} {'sd':>7} {'0.3x':>7} exact"]
    for row in rows:
        if "accuracy" in row:
            lines.append(
                f"{row['name']:20} {row['method']:30} {row['accuracy']:9.4f} "
                f"{row['sd'] or 0:7.4f} {row['at_0.3_contrast']:7.4f} {row['bit_exact']}"
            )
    names = [f"{order} {action}" for order, action in WAYS]
    lines.append(f"{'':32} {'':17} {' '.join(f'{n:>15}' for n in names)} {'from IG-128':>12}")
    for row in rows:
        if "away" in row:
            areas = " ".join(f"{row[n]:15.3f}" for n in names)
            lines.append(f"{row['name']:32} {row['method']:17} {areas} {row['away']:12.2g}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="finish in under a minute")
    parser.add_argument("--seeds", type=int, default=5, help="starts of the weights (count)")
    parser.add_argument("--keep", type=Path, help="file that holds finished trainings")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = 2 if options.quick else options.seeds
    rows = measure(seeds=seeds, quick=options.quick, keep=options.keep)
    print(json.dumps(rows, indent=1) if options.json else as_table(rows))


if __name__ == "__main__":
    main()
