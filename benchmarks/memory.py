"""Peak memory and time of the main job at genome scale: 11,000 genes, 186 times, hidden 300.

    python benchmarks/memory.py [--json] [--quick]

Simulates a network of that size with the built-in generator, fits it as ``niwaki fit`` does
(training, two prunes, read-out, tables, report) for a few epochs without controls, and prints the
peak resident memory of the whole process beside the size of one dense gene-by-gene matrix.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from niwaki import experiment
from niwaki.data import add_noise, generate_network, integrate, sample_starts
from niwaki.knowledge import move_edges
from niwaki.report import write_report

_FULL = {"genes": 11_165, "times": 186, "hidden": 300, "epochs": 12}
_QUICK = {"genes": 2_000, "times": 60, "hidden": 60, "epochs": 4}


def make_material(genes: int, times: int, rng: np.random.Generator) -> experiment.Material:
    """Return one noisy trajectory of a random network and a prior with a fifth of it misplaced."""
    system = generate_network(genes, rng, in_degree=2.2)
    clean = integrate(system, sample_starts(system, 1, rng), np.linspace(0.0, 9.0, times))
    noisy = add_noise(clean, 0.025, rng)
    prior = move_edges(system.truth, 0.2, rng=rng)
    return experiment.make_material(noisy, prior=prior, label="simulated")


def main() -> None:
    """Run the fit and print its peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="2,000 genes, in under a minute")
    arguments = parser.parse_args()
    size = _QUICK if arguments.quick else _FULL
    material = make_material(size["genes"], size["times"], np.random.default_rng(0))
    config = experiment.FitConfig(
        hidden=size["hidden"], epochs=size["epochs"], first_prune=2, period=5, controls=False
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        record = experiment.fit(material, config, out=run)
        write_report(run)
        on_disk = sum(f.stat().st_size for f in run.rglob("*") if f.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    dense = size["genes"] ** 2 * 4
    row = {
        "name": "fit, peak memory",
        "ours": peak / 1e9,
        "rival": dense / 1e9,
        "rival_name": "one dense float32 gene-by-gene matrix",
        "unit": "GB",
        "ratio": dense / peak,
        "genes": size["genes"],
        "prior_edges": len(material.prior.network),
        "effective_edges": record.edges_total,
        "epochs": size["epochs"],
        "seconds": time.perf_counter() - began,
        "run_folder_gb": on_disk / 1e9,
        "quick": arguments.quick,
    }
    if arguments.json:
        print(json.dumps([row], indent=1))
    else:
        for key, value in row.items():
            print(f"{key:<16} {value:.3g}" if isinstance(value, float) else f"{key:<16} {value}")


if __name__ == "__main__":
    main()
