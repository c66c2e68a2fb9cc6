"""Processor time until a field forecasts unseen data that well, against the published loop.

    python benchmarks/time_to_quality.py [--rival] [--seeds 3] [--json]
    python benchmarks/time_to_quality.py --shooting [--json]

The task is SIM350 at noise 0.025: train on noisy trajectories, test one step ahead on noise-free
ones whose means are shifted. Time is that of one processor, for training alone: the test after each
epoch is not counted. `--rival` also trains the published way (one adaptive adjoint solve per pair,
one trajectory per step, 40 hidden units, learning rate 1e-3), which takes a quarter of an hour;
its time is compared with that of the defaults.

Warm starts: SIM350, yeast-500 and hematopoiesis are trained with ten passes of gradient matching
before, and without, until the held-out loss that the cold start reaches.

`--shooting` compares test errors by the share of the field's own forecast in the states that steps
start from. Needs NIWAKI_DATA.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torchdiffeq
from step import PublishedField, published_solve

from niwaki.core import DivergedError, Trajectories
from niwaki.dynamics import (
    METHODS,
    Method,
    Optimisation,
    PairTensors,
    PhoenixField,
    RungeKutta4,
    Training,
    make_batches,
    match_knots,
    pair_losses,
    previous_pairs,
    shooting_starts,
    smoothed_knots,
    solve,
    train_epoch,
)
from niwaki.experiment._epoch import SETTLED
from niwaki.sweep._real import read_real
from niwaki.sweep._sim350 import load_case

QUALITIES = (2.5e-3, 2.0e-3, 1.5e-3)  # test mean squared errors to reach
TARGET = 500  # times less processor time to the second of them
EPOCHS, WARM_EPOCHS = 80, 10
WARM_SETS = ("sim350", "yeast500", "hema-b")


@dataclass(frozen=True)
class Setting:
    """How a field is trained; the defaults are those of ``niwaki fit --field phoenix``."""

    name: str
    method: str = "etd4"
    batch: int = 8
    rate: float = 2e-3
    hidden: int = 80
    shooting: float = 0.5
    warm: int = 0
    seed: int = 0


DEFAULT = Setting("defaults")
SETTINGS = (
    DEFAULT,
    Setting("second order", method="etd2"),
    Setting("batches of 16", batch=16),
    Setting("batches of 32", batch=32),
    Setting("rate 1e-3", rate=1e-3),
    Setting("rate 4e-3", rate=4e-3),
    Setting("40 hidden units", hidden=40),
    Setting("from observations", shooting=0.0),
    Setting("warm start", warm=WARM_EPOCHS),
)


@dataclass(frozen=True)
class Study:
    """What is trained on and what is forecast."""

    train: Trajectories
    judged: Trajectories
    whole: Trajectories


def load(name: str, seed: int) -> Study:
    """Return training data, data to judge by, and trajectories to forecast from their starts."""
    if name == "sim350":
        case = load_case(noise=0.025, seed=seed)
        return Study(case.train, case.study.test, case.study.test)
    material = read_real(name)
    item = material.data.items[0]  # the last fifth of the only trajectory is judged
    cut = int(0.8 * len(item.times))
    parts = [
        Trajectories(
            material.data.genes, (replace(item, times=item.times[at], values=item.values[at]),)
        )
        for at in (slice(0, cut), slice(cut - 1, None))
    ]
    return Study(parts[0], parts[1], material.test or parts[1])


def train(study: Study, setting: Setting) -> Iterator[tuple[float, float, PhoenixField]]:
    """Yield processor seconds so far, the loss on what is judged, and the field, every epoch."""
    pairs, judged = study.train.pairs(), study.judged.pairs()
    observed, unseen = PairTensors.from_pairs(pairs), PairTensors.from_pairs(judged)
    generator = torch.Generator().manual_seed(setting.seed)
    field = PhoenixField(len(study.train.genes), hidden=setting.hidden, generator=generator)
    method = METHODS[setting.method]()
    spent, began = 0.0, time.process_time()
    if setting.warm:
        match_knots(
            field,
            smoothed_knots(study.train),
            epochs=setting.warm,
            settings=Optimisation(learning_rate=setting.rate),
            generator=generator,
        )
    training = Training(field, Optimisation(learning_rate=setting.rate))
    before, starts = previous_pairs(pairs), observed.start
    for epoch in range(1, EPOCHS + 1):
        batches = make_batches(pairs, size=setting.batch, seed=setting.seed, epoch=epoch)
        here = replace(observed, start=starts)
        noisy = train_epoch(training, here, batches=batches, method=method, masks={})
        training.plateau.step(noisy)
        if setting.shooting:
            share = setting.shooting * min(1.0, epoch / SETTLED)
            starts = shooting_starts(
                field, starts, observed=observed, previous=before, share=share, method=method
            )
        spent += time.process_time() - began
        loss = float(pair_losses(field, unseen, method=METHODS["etd4"]()).mean())
        yield spent, loss, field
        began = time.process_time()


def run(study: Study, setting: Setting) -> list[tuple[float, float]]:
    """Return processor seconds and losses epoch by epoch, until the end or until it diverges."""
    curve = []
    try:
        for spent, loss, _ in train(study, setting):
            curve.append((spent, loss))
    except DivergedError:
        curve.append((np.inf, np.inf))
    return curve


# ------------------------------------------------------------------------- rival
def train_rival(study: Study, seed: int, until: float) -> Iterator[tuple[float, float]]:
    """Yield processor seconds and test loss of the published loop, every 15 trajectories."""
    pairs = study.train.pairs()
    unseen = PairTensors.from_pairs(study.judged.pairs())
    generator = torch.Generator().manual_seed(seed)
    field = PhoenixField(len(study.train.genes), hidden=40, generator=generator)
    rival = PublishedField(field)
    optimiser = torch.optim.Adam(rival.parameters(), lr=1e-3)
    start, end = (torch.from_numpy(a.T.copy()).float() for a in (pairs.start, pairs.end))
    spans = [torch.tensor([0.0, gap]) for gap in pairs.gaps.tolist()]
    spent, epoch, loss = 0.0, 0, np.inf
    while loss > until:
        epoch += 1
        batches = make_batches(pairs, size="trajectory", seed=seed, epoch=epoch)
        for part in range(0, len(batches), 15):
            began = time.process_time()
            for batch in batches[part : part + 15]:
                optimiser.zero_grad(set_to_none=True)
                ends = [published_solve(rival, start[i : i + 1], spans[i]) for i in batch]
                (torch.cat(ends) - end[batch]).square().mean().backward()
                optimiser.step()
            spent += time.process_time() - began
            loss = published_loss(rival, unseen)
            print(f"published loop, epoch {epoch}: {spent:.0f} s, {loss:.3g}", file=sys.stderr)
            yield spent, loss


@torch.no_grad()
def published_loss(rival: PublishedField, pairs: PairTensors) -> float:
    """Return the test loss: sixteen RK4 steps per pair are exact enough for that."""
    exact = RungeKutta4(substeps=16)
    ends = exact(lambda state: rival(None, state.T).T, pairs.start, pairs.gaps)
    return float((ends - pairs.end).square().mean())


# ------------------------------------------------------------------------- rows
def times_to(curve: list[tuple[float, float]], qualities: tuple[float, ...]) -> list[float | None]:
    """Return when a curve first falls to each quality; None where it does not."""
    return [next((spent for spent, loss in curve if loss <= q), None) for q in qualities]


def middle(values: list[float | None]) -> float | None:
    """Return the median; None if one of the values is missing."""
    return None if any(v is None for v in values) else float(np.median(values))


def measure(seeds: int, *, with_rival: bool) -> list[dict[str, object]]:
    """Return one row per setting and quality on SIM350."""
    found = {}
    for setting in SETTINGS:
        runs = []
        for seed in range(seeds):
            study = load("sim350", seed)
            curve = run(study, replace(setting, seed=seed))
            runs.append((times_to(curve, QUALITIES), min(loss for _, loss in curve)))
        found[setting.name] = [middle([run[0][i] for run in runs]) for i in range(len(QUALITIES))]
        found[setting.name].append(float(np.median([run[1] for run in runs])))
    rival, name = found[DEFAULT.name], "the defaults"
    rows = []
    for setting, values in found.items():
        for quality, ours, theirs in zip(QUALITIES, values[:-1], rival[:-1], strict=True):
            rows.append(row(f"{setting}, to {quality:g}", ours, theirs, name, least=values[-1]))
    if with_rival:
        curve = list(train_rival(load("sim350", 0), 0, QUALITIES[1]))
        name = f"torchdiffeq {torchdiffeq.__version__} adjoint dopri5, pair by pair"
        for at, theirs in enumerate(times_to(curve, QUALITIES[:2])):
            ours = found[DEFAULT.name][at]
            target = TARGET if at == 1 else None
            rows.append(
                row(f"published loop, to {QUALITIES[at]:g}", ours, theirs, name, target=target)
            )
    return rows


def measure_warm(seeds: int) -> list[dict[str, object]]:
    """Return how long a warm and a cold start take to the best held-out loss of the cold one."""
    rows = []
    for name in WARM_SETS:
        cold, warm = [], []
        for seed in range(seeds):
            study = load(name, seed)
            curves = [run(study, replace(DEFAULT, warm=w, seed=seed)) for w in (0, WARM_EPOCHS)]
            aim = min(loss for _, loss in curves[0]) * 1.02
            for curve, times in zip(curves, (cold, warm), strict=True):
                times += times_to(curve, (aim,))
        rows.append(
            row(f"warm start, {name}, to the cold start's best", middle(warm), middle(cold), "cold")
        )
    return rows


def row(
    name: str, ours: float | None, rival: float | None, rival_name: str, **more: object
) -> dict[str, object]:
    ratio = rival / ours if ours and rival else None
    return {
        "name": name,
        "ours": ours,
        "rival": rival,
        "rival_name": rival_name,
        "unit": "CPU s",
        "ratio": ratio,
        **more,
    }


def measure_shooting(seeds: int) -> list[dict[str, object]]:
    """Return test errors after all epochs, by the share of forecasts in the starts."""
    rows = []
    for name in WARM_SETS:
        errors: dict[float, list[tuple[float, float]]] = {}
        for share in (0.0, 0.5, 0.8):
            for seed in range(seeds):
                study = load(name, seed)
                *_, last = train(study, replace(DEFAULT, shooting=share, seed=seed))
                errors.setdefault(share, []).append(forecasts(last[2], study.whole))
        for share in (0.5, 0.8):
            for at, what in enumerate(("one step", "roll-out")):
                ours, rival = (float(np.mean([e[at] for e in errors[s]])) for s in (share, 0.0))
                rows.append(
                    row(f"share {share:g}, {name}, {what}", ours, rival, "from observations")
                    | {"unit": "MSE"}
                )
    return rows


@torch.no_grad()
def forecasts(field: PhoenixField, data: Trajectories) -> tuple[float, float]:
    """Return mean squared errors one step ahead and from the first state on."""
    method: Method = METHODS["etd4"]()
    one, far = [], []
    for item in data.items:
        states = torch.from_numpy(item.values.T.copy()).float()
        gaps = torch.from_numpy(np.diff(item.times)).float()
        ends = solve(field, states[:, :-1].contiguous(), gaps=gaps, method=method)
        one.append(float((ends - states[:, 1:]).square().mean()))
        state, path = states[:, :1].contiguous(), []
        for gap in gaps:
            state = solve(field, state, gaps=gap[None], method=method)
            path.append(state)
        far.append(float((torch.cat(path, 1) - states[:, 1:]).square().mean()))
    return float(np.mean(one)), float(np.mean(far))


def as_table(rows: list[dict[str, object]]) -> str:
    lines = [f"{'':48} {'ours':>10} {'rival':>10} {'ratio':>8}"]
    for entry in rows:
        cells = [
            f"{'never' if v is None else format(v, '.4g'):>{width}}"
            for v, width in ((entry["ours"], 10), (entry["rival"], 10), (entry["ratio"], 8))
        ]
        tail = f"  least {entry['least']:.3g}" if "least" in entry else ""
        lines.append(
            f"{entry['name']:48} {' '.join(cells)}  {entry['unit']}, "
            f"rival: {entry['rival_name']}{tail}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--rival", action="store_true", help="train the published way too: minutes")
    parser.add_argument("--shooting", action="store_true", help="compare states to start from")
    parser.add_argument("--seeds", type=int, default=3, help="seeds per row")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run(load("yeast500", 0), DEFAULT)  # what is loaded at first use must not count
    if options.shooting:
        rows = measure_shooting(options.seeds)
    else:
        rows = measure(options.seeds, with_rival=options.rival) + measure_warm(options.seeds)
    print(json.dumps(rows, indent=1) if options.json else as_table(rows))


if __name__ == "__main__":
    main()
