"""Peak memory and time of the main job at genome scale: 11,000 genes, 186 times, hidden 300.

    python benchmarks/memory.py [--field gene|phoenix] [--assayed 100] [--json] [--quick]

Simulates a network of that size with the built-in generator, with about a thousand regulators, fits
it as ``niwaki fit`` does (search or training, path, read-out, tables, report) without controls, and
prints the peak resident memory of the whole process beside the size of one dense gene-by-gene
matrix, and beside what `niwaki doctor` estimates (in a process of its own; within a quarter is the
aim). With `--assayed` the fit is scored against the true targets of so many regulators, as against
ChIP data. The gene-resolved field takes one pass and ten members, PHOENIX a few epochs and two
prunes.
"""

import argparse
import json
import multiprocessing
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
_TRAINING = {"first_prune": 2, "period": 5, "controls": False}
_SHARES = {"input_share": 0.05, "regulator_share": 0.04}  # of genes: those that regulate


def make_material(
    genes: int, times: int, rng: np.random.Generator, *, assayed: int
) -> experiment.Material:
    """Return one noisy trajectory of a random network, a prior in part misplaced, a reference."""
    system = generate_network(genes, rng, in_degree=2.2, **_SHARES)
    clean = integrate(system, sample_starts(system, 1, rng), np.linspace(0.0, 9.0, times))
    noisy = add_noise(clean, 0.025, rng)
    prior = move_edges(system.truth, 0.2, rng=rng)
    prior = prior.where(np.isin(prior.source, system.truth.regulators()))
    known = np.isin(system.truth.source, system.truth.regulators()[:assayed])
    reference = system.truth.where(known) if assayed else None
    return experiment.make_material(noisy, prior=prior, reference=reference, label="simulated")


def estimated(material: experiment.Material, config: experiment.FitConfig) -> float:
    """Return the memory that `niwaki doctor` foresees (GB); a child's peak is not the parent's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(diagnosed, (material, config))


def diagnosed(material: experiment.Material, config: experiment.FitConfig) -> float:
    return experiment.diagnose(material, config).megabytes / 1e3


def main() -> None:
    """Run the fit and print its peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--field", choices=("gene", "phoenix"), default="gene")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--genes", type=int, help="another number of genes")
    parser.add_argument("--assayed", type=int, default=0, help="regulators in a reference")
    parser.add_argument("--quick", action="store_true", help="2,000 genes, in under a minute")
    arguments = parser.parse_args()
    size = _QUICK if arguments.quick else _FULL
    if arguments.genes:
        size = size | {"genes": arguments.genes}
    rng = np.random.default_rng(0)
    material = make_material(size["genes"], size["times"], rng, assayed=arguments.assayed)
    config = experiment.make_config(
        {"field": "gene", "passes": 1, "members": 10, "controls": False}
        if arguments.field == "gene"
        else {"hidden": size["hidden"], "epochs": size["epochs"], **_TRAINING}
    )
    estimate = estimated(material, config)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        record = experiment.fit(material, config, out=run)
        write_report(run)
        on_disk = sum(f.stat().st_size for f in run.rglob("*") if f.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    dense = size["genes"] ** 2 * 4
    row = {
        "name": f"fit of the field {arguments.field}, peak memory",
        "ours": peak / 1e9,
        "rival": dense / 1e9,
        "rival_name": "one dense float32 gene-by-gene matrix",
        "unit": "GB",
        "ratio": dense / peak,
        "doctor_estimate_gb": estimate,
        "estimate_over_peak": estimate * 1e9 / peak,
        "genes": size["genes"],
        "prior_edges": len(material.prior.network),
        "effective_edges": record.edges_total,
        "assayed": arguments.assayed,
        "regulators": len(material.prior.network.regulators()),
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
