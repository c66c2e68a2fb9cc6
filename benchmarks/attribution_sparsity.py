"""Does a sparse attribution prior help with few labels? NHANES I, "alive at 15 years".

100 training rows, 100 validation rows, the rest for the test; 18 features and 100 rare random
columns that mean nothing. An MLP 118-512-128-32-1, Adam 1e-3, 100 full-batch epochs, the epoch of
the best validation AUC; per arm the strength of the prior with the best mean validation AUC. The
rows, the split and the random columns are drawn per seed, and so is the start of the weights; all
arms share them, so differences are taken seed by seed.

    NIWAKI_DATA=... python benchmarks/attribution_sparsity.py [--seeds 32] [--keep FILE] [--json]

`--keep` writes every training to a file as it ends and reads back what the file holds, so that a
long run can be stopped and taken up again.
"""

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from niwaki.attribution import (
    expected_gradients,
    gini,
    gini_prior,
    gradient,
    mean_size,
    xgrad,
)

ROWS, EPOCHS, NOISE, YEARS = 100, 100, 100, 15
GRID, WEIGHT_GRID = (0.01, 0.1, 1.0, 10.0), (1e-4, 1e-3, 1e-2, 1e-1)
BLOCK = 16  # seeds; all arms finish a block before the next, so that a part is complete in itself
PUBLISHED = {  # test AUC over 200 runs on the whole NHANES I file with 118 true columns
    "no prior": 0.7077,
    "no prior, no bias": 0.7056,
    "RRR": 0.7141,
    "gradient": 0.7150,
    "EG-1": 0.7519,
    "EG-8": 0.7607,
    "EG-32": 0.7679,
    "X-Gradient": 0.7697,
}


@dataclass(frozen=True)
class Split:
    """Standardised rows and labels of one seed."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels; people lost to follow-up before 15 years are left out."""
    x = np.genfromtxt(folder / "NHANESI_subset_X.csv", delimiter=",", skip_header=1)[:, 1:]
    y = np.genfromtxt(folder / "NHANESI_subset_y.csv", delimiter=",", skip_header=1)[:, 1]
    known = (y > 0) | (np.abs(y) >= YEARS)
    return x[known], (np.abs(y[known]) >= YEARS).astype(float)


def split(x: np.ndarray, y: np.ndarray, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    rare = rng.uniform(0.01, 0.12, NOISE)
    x = np.column_stack([x, rng.random((len(x), NOISE)) < rare])
    order = rng.permutation(len(x))
    parts = np.split(order, [ROWS, 2 * ROWS])
    mean = np.nanmean(x[parts[0]], 0)
    spread = np.nanstd(x[parts[0]], 0)
    scaled = (np.where(np.isnan(x), mean, x) - mean) / np.where(spread > 0, spread, 1)

    def rows(index: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.tensor(scaled[index]).float(), torch.tensor(y[index]).float()

    return Split(*(rows(part) for part in parts))


def make_model(inputs: int, *, bias: bool, seed: int) -> nn.Sequential:
    sizes = (inputs, 512, 128, 32, 1)
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layer = nn.Linear(fan_in, fan_out, bias=bias)
        for parameter in layer.parameters():  # torch's default range, from our own stream
            nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5, generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


Step = Callable[[nn.Module, Tensor, torch.Generator], tuple[Tensor, Tensor]]


def plain(model: nn.Module, x: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    return model(x), torch.zeros(())


def weight_l1(model: nn.Module, x: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    weights = [p for p in model.parameters() if p.ndim > 1]
    return model(x), sum((w.abs().sum() for w in weights), torch.zeros(()))


def by_gradient(model: nn.Module, x: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    found = gradient(model, x, create_graph=True)
    return found.output, gini_prior(found.value)


def by_rrr(model: nn.Module, x: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    """Use the gradient of the summed log probabilities of both classes, as RRR does."""

    def log_probabilities(batch: Tensor) -> Tensor:
        logit = model(batch)
        return functional.logsigmoid(logit) + functional.logsigmoid(-logit)

    return model(x), gini_prior(gradient(log_probabilities, x, create_graph=True).value)


def by_expected(draws: int) -> Step:
    def step(model: nn.Module, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        found = expected_gradients(model, x, x, draws=draws, generator=generator, create_graph=True)
        return found.output, gini_prior(found.value)

    return step


def by_xgrad(model: nn.Module, x: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    found = xgrad(model, x, degree=1, create_graph=True)
    return found.output, gini_prior(found.value)


@dataclass(frozen=True)
class Arm:
    """One way of training."""

    name: str
    step: Step
    bias: bool
    grid: tuple[float, ...]


ARMS = (
    Arm("no prior", plain, True, (0.0,)),
    Arm("no prior, no bias", plain, False, (0.0,)),
    Arm("weight L1", weight_l1, True, WEIGHT_GRID),
    Arm("weight L1, no bias", weight_l1, False, WEIGHT_GRID),
    Arm("gradient", by_gradient, True, GRID),
    Arm("RRR", by_rrr, True, GRID),
    Arm("EG-1", by_expected(1), True, GRID),
    Arm("EG-8", by_expected(8), True, GRID),
    Arm("EG-32", by_expected(32), True, GRID),
    Arm("X-Gradient", by_xgrad, False, GRID),
)


def auc(model: nn.Module, part: tuple[Tensor, Tensor]) -> float:
    with torch.no_grad():
        if len(part[1]) <= ROWS:  # at every epoch: all pairs at once
            found = model(part[0])[:, 0]
            gap = found[part[1] == 1][:, None] - found[part[1] == 0]
            return float(((gap > 0).float() + 0.5 * (gap == 0).float()).mean())
        return float(roc_auc_score(part[1].numpy(), model(part[0])[:, 0].numpy()))


def train(arm: Arm, strength: float, data: Split, seed: int) -> dict[str, float]:
    """Return validation and test AUC, and how sparse the attributions are, at the best epoch."""
    x, y = data.train
    model = make_model(x.shape[1], bias=arm.bias, seed=seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(seed)
    best, kept = -1.0, {k: v.clone() for k, v in model.state_dict().items()}
    began = time.perf_counter()
    for _ in range(EPOCHS):
        logit, penalty = arm.step(model, x, generator)
        loss = functional.binary_cross_entropy_with_logits(logit[:, 0], y) + strength * penalty
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        score = auc(model, data.validation)
        if score > best:
            best, kept = score, {k: v.clone() for k, v in model.state_dict().items()}
    seconds = time.perf_counter() - began
    model.load_state_dict(kept)
    found = expected_gradients(
        model, data.test[0][:500], x, draws=20, generator=torch.Generator().manual_seed(0)
    )
    sizes = mean_size(found.value)
    return {
        "validation": best,
        "test": auc(model, data.test),
        "gini": float(gini(sizes)),
        "real_share": float(sizes[:-NOISE].sum() / sizes.sum()),
        "seconds": seconds,
    }


def trainings(
    arms: list[Arm], *, seeds: int, grid_of: Callable[[Arm], tuple[float, ...]], keep: Path | None
) -> dict[tuple[str, float], list[dict[str, float]]]:
    """Return the runs of every arm and strength, one per seed in order."""
    x, y = load(folder())
    known: dict[tuple[str, float, int], dict[str, float]] = {}
    if keep is not None and keep.exists():
        for line in keep.read_text().splitlines():
            name, strength, seed, run = json.loads(line)
            known[name, strength, seed] = run
    for block in (range(i, min(i + BLOCK, seeds)) for i in range(0, seeds, BLOCK)):
        splits = {seed: split(x, y, seed) for seed in block}
        for arm, strength, seed in ((a, s, i) for a in arms for s in grid_of(a) for i in block):
            if (arm.name, strength, seed) in known:
                continue
            run = known[arm.name, strength, seed] = train(arm, strength, splits[seed], seed)
            if keep is not None:
                with keep.open("a") as file:
                    file.write(json.dumps([arm.name, strength, seed, run]) + "\n")
    return {
        (a.name, s): [known[a.name, s, i] for i in range(seeds)] for a in arms for s in grid_of(a)
    }


def folder() -> Path:
    named = os.environ.get("NIWAKI_DATA")
    if not named or not (Path(named) / "nhanes").is_dir():
        sys.exit(
            "NIWAKI_DATA names no folder with nhanes/, the NHANES I subset of the shap package."
        )
    return Path(named) / "nhanes"


def difference(ours: np.ndarray, other: np.ndarray) -> list[float]:
    """Return the mean difference over seeds, its standard error, and on how many it is positive."""
    away = ours - other
    return [float(away.mean()), float(away.std(ddof=1) / len(away) ** 0.5), int((away > 0).sum())]


def measure(
    *, seeds: int, quick: bool, keep: Path | None = None, only: list[str] | None = None
) -> list[dict[str, object]]:
    wanted = {"no prior", "X-Gradient"} if quick else {a.name for a in ARMS}
    arms = [a for a in ARMS if a.name in set(only or wanted)]

    def grid_of(arm: Arm) -> tuple[float, ...]:
        return (1.0,) if quick and len(arm.grid) > 1 else arm.grid

    runs = trainings(arms, seeds=seeds, grid_of=grid_of, keep=keep)
    rows: list[dict[str, object]] = []
    tests: dict[str, np.ndarray] = {}
    for arm in arms:
        tried = {s: runs[arm.name, s] for s in grid_of(arm)}
        best = max(tried, key=lambda s: np.mean([run["validation"] for run in tried[s]]))
        columns = {k: np.array([run[k] for run in tried[best]]) for k in tried[best][0]}
        tests[arm.name] = columns["test"]
        rows.append(
            {
                "name": arm.name,
                "strength": best,
                "test_auc": float(columns["test"].mean()),
                "test_auc_sem": float(columns["test"].std(ddof=1) / seeds**0.5),
                "validation_auc": float(columns["validation"].mean()),
                "gini": float(columns["gini"].mean()),
                "real_share": float(columns["real_share"].mean()),
                "seconds_per_training": float(np.median(columns["seconds"])),
                "by_strength": {
                    str(s): [float(np.mean([r[k] for r in found])) for k in ("validation", "test")]
                    for s, found in tried.items()
                },
                "over": {
                    other: difference(columns["test"], found) for other, found in tests.items()
                },
                "test_auc_by_seed": columns["test"].tolist(),
                "published_auc": PUBLISHED.get(arm.name),
                "seeds": seeds,
                "quick": quick,
            }
        )
    return rows


def as_table(rows: list[dict[str, object]]) -> str:
    head = (
        f"{'':20} {'strength':>8} {'test AUC':>9} {'SEM':>6} {'Gini':>6} {'on real':>8} "
        f"{'published':>9} {'s':>6}  over no prior (SEM, seeds above)"
    )
    lines = [head]
    for row in rows:
        published = "-" if row["published_auc"] is None else f"{row['published_auc']:.4f}"
        lines.append(
            f"{row['name']:20} {row['strength']:8g} {row['test_auc']:9.4f} "
            f"{row['test_auc_sem']:6.4f} {row['gini']:6.3f} {row['real_share']:8.3f} "
            f"{published:>9} {row['seconds_per_training']:6.2f}"
        )
        if "no prior" in row["over"]:
            mean, error, above = row["over"]["no prior"]
            lines[-1] += f"  {mean:+.4f} ({error:.4f}, {above})"
    lines.append(
        f"{rows[0]['seeds']} seeds; published: test AUC on the whole file, 118 true columns"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="two arms, four seeds")
    parser.add_argument("--seeds", type=int, default=32, help="splits and starts (count)")
    parser.add_argument("--keep", type=Path, help="file that holds finished trainings")
    names = [arm.name for arm in ARMS]
    parser.add_argument("--arm", action="append", choices=names, help="only this way of training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = 4 if options.quick else options.seeds
    rows = measure(seeds=seeds, quick=options.quick, keep=options.keep, only=options.arm)
    print(json.dumps(rows, indent=1) if options.json else as_table(rows))


if __name__ == "__main__":
    main()
