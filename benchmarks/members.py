"""Processor time of one member of stability selection, in three ways.

    python benchmarks/members.py [--members 16] [--engine] [--json]

The task is a `dash` fit of SIM350 at noise 0.025. A member is a refit of half of the trajectories
up to the round that the fit keeps. It is trained in the compiled engine, one after the other; by
automatic differentiation, one after the other; and by automatic differentiation side by side, as on
a GPU. On a GPU, if there is one, the last way is timed by the clock. Needs NIWAKI_DATA.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

from niwaki.dynamics import PairTensors
from niwaki.experiment import ArmRun, Material, make_config, run_rounds
from niwaki.experiment import _members as members_of
from niwaki.experiment._arms import networks_of
from niwaki.experiment._network import read_out
from niwaki.sweep._methods import METHODS
from niwaki.sweep._sim350 import load_case

TARGET = 3.0  # processor seconds per member: a hundred in five minutes
_SCHEMES = tuple(f"niwaki.dynamics.{place}.scheme_of" for place in ("_train", "_solve", "_stacked"))


def seconds(run: ArmRun, material: Material, count: int, *, engine: bool, width: int) -> float:
    """Return the time per member: of the processor, or of the clock on a GPU."""
    problem = run.problem
    problem = replace(problem, config=problem.config.model_copy(update={"members": count}))
    number = run.result.rounds[run.chosen].round
    model = run.model(run.chosen)
    found = read_out(model.field, model.masks, model.genes, limit=None)
    on_gpu = problem.config.device != "cpu"
    clock = time.perf_counter if on_gpu else time.process_time
    kept = run.result.folder / f"refits_{number:03d}.safetensors"
    kept.unlink(missing_ok=True)
    with mock.patch.object(members_of, "_MOST_MEMBERS", width):
        patches = [] if engine else [mock.patch(name, lambda *_: None) for name in _SCHEMES]
        for patch in patches:
            patch.start()
        began = clock()
        members_of.refit_stability(
            problem, run.result, number, found, knowledge=networks_of(material)
        )
        taken = clock() - began
        for patch in patches:
            patch.stop()
    return taken / count


def on_device(run: ArmRun, device: str) -> ArmRun:
    """Return the same fit with its problem on another device."""
    problem = run.problem
    parts = {
        name: PairTensors(part.start.to(device), part.end.to(device), part.gaps.to(device))
        for name, part in (("train", problem.train), ("held_out", problem.held_out))
    }
    config = problem.config.model_copy(update={"device": device})
    return replace(run, problem=replace(problem, config=config, **parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--members", type=int, default=16, help="how many, in every way")
    parser.add_argument("--engine", action="store_true", help="in the engine only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    case = load_case(noise=0.025, seed=0)
    material = Material("sim350", case.train, prior=case.prior, scope="all")
    config = make_config({**METHODS["dash"], "controls": False, "members": 0}, "benchmark")
    with tempfile.TemporaryDirectory() as place:
        began = time.process_time()
        run = run_rounds(material, config, folder=Path(place))
        fit = time.process_time() - began
        count = options.members
        ways = {"engine, one by one": seconds(run, material, count, engine=True, width=1)}
        if not options.engine:
            for name, width in (("one by one", 1), ("side by side", count)):
                taken = seconds(run, material, count, engine=False, width=width)
                ways[f"recorded, {name}"] = taken
        if torch.cuda.is_available():
            there = on_device(run, "cuda")
            seconds(there, material, 2, engine=True, width=2)  # what loads at first use
            ways["GPU, side by side"] = seconds(there, material, count, engine=True, width=count)
    rival = ways.get("recorded, one by one")
    rows = [
        {
            "name": f"member of SIM350, {name}",
            "ours": value,
            "rival": rival,
            "rival_name": "automatic differentiation, one by one",
            "unit": "s" if name.startswith("GPU") else "CPU s",
            "ratio": rival / value if rival else None,
            "target": TARGET if name.startswith("engine") else None,
            "members": count,
        }
        for name, value in ways.items()
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"the fit itself: {fit:.2f} CPU s")
    for row in rows:
        aim = f" (aim {row['target']:g})" if row["target"] else ""
        ratio = f", {row['ratio']:.2f} times" if row["ratio"] else ""
        print(f"{row['name']:44} {row['ours']:8.2f} {row['unit']}{aim}{ratio}")


if __name__ == "__main__":
    main()
