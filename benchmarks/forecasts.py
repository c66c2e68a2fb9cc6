"""Forecasts on real data that no fit has seen: the gene-resolved field, PHOENIX and baselines.

    NIWAKI_DATA=DIR python benchmarks/forecasts.py [--set NAME ...] [--field NAME] [--json]

Every set is a public one of ``niwaki data``; both fields see its training file and its prior, with
their defaults and without controls, and forecast its test file: another replicate (yeast), donors
(hema), or a stretch of the same pseudotime (breast). Errors are mean squared, in squared units of
the data, one observation ahead and from each first observation to the end.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from niwaki.core import Network, Trajectories
from niwaki.data import read_expression
from niwaki.evaluation import Predictor, mean_at_t, persistence, ridge_linear_ode, score_forecast
from niwaki.experiment import FittedModel, make_config, make_material, read_aligned, run_rounds

SETS = {
    "yeast, 500 genes": (
        "yeast/pramila500_gene_names.csv",
        "yeast/pramila_500genes_1sample_24T.csv",
        "yeast/pramila_500genes_1VALsample_24T.csv",
        "yeast/edge_prior_matrix_pramila_500.csv",
    ),
    "yeast, 3551 genes": (
        "yeast/pramila3551_gene_names.csv",
        "yeast/pramila_3551genes_1sample_24T.csv",
        "yeast/pramila_3551genes_1VALsample_24T.csv",
        "yeast/motif_prior.csv",
    ),
    "breast, 500 genes": (
        "breast/desmedt_gene_names_500.csv",
        "breast/desmedt_500genes_1sample_178T.csv",
        "breast/desmedt_500genes_1TESTsample_8middleT.csv",
        "breast/edge_prior_matrix_desmedt_500.csv",
    ),
    "hema, 529 genes": (
        "hema/hema_gene_names_529.csv",
        "hema/hema_B_529genes_2samples.csv",
        "hema/hema_B_529genes_3testsamples.csv",
        "hema/edge_prior_matrix_hema_529.csv",
    ),
}
FIELDS = {"gene": {"field": "gene", "members": 0}, "phoenix": {"field": "phoenix"}}


def load(name: str) -> tuple[Trajectories, Trajectories, Network]:
    """Return training data, test data and prior of a set."""
    folder = Path(os.environ.get("NIWAKI_DATA") or "no folder")
    if not folder.is_dir():
        sys.exit("NIWAKI_DATA names no folder with the data; run niwaki data and set it.")
    genes, train, test, prior = (str(folder / file) for file in SETS[name])
    data, unseen = (
        read_expression(file, genes_file=genes, layout="phoenix").trajectories
        for file in (train, test)
    )
    if "matrix" in Path(prior).name:  # rows regulate columns; its signs are random
        matrix = np.loadtxt(prior, delimiter=",")
        network = Network.from_matrix(matrix.T.copy(), data.genes, signed=False)
    else:
        network = read_aligned(prior, data.genes).network
    return data, unseen, network


def measure(name: str, fields: Sequence[str] = tuple(FIELDS)) -> list[dict[str, object]]:
    """Fit a set with some fields and return one row per method."""
    train, test, prior = load(name)
    material = make_material(train, prior=prior, label=name)
    rows: list[dict[str, object]] = []

    def note(method: str, predictor: Predictor, **further: object) -> None:
        estimate = {"estimate": predictor.estimate} if isinstance(predictor, FittedModel) else {}
        score = score_forecast(method, "test", predictor, test, **estimate)
        errors = score.model_dump(include={"one_step_mse", "rollout_mse"})
        rows.append({"name": name, "method": method, **errors, **further})

    for method in fields:
        config = make_config({**FIELDS[method], "controls": False, "threads": 1, "device": "cpu"})
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            run = run_rounds(material, config, folder=Path(folder))
            seconds = time.process_time() - began
            edges = len(run.network(run.chosen))
            note(method, run.model(run.chosen), edges=edges, cpu_seconds=seconds)
    middle = train.stack().mean(0)
    note("mean of the training data", lambda s, g, t=None: np.tile(middle[:, None], s.shape[1]))
    note("persistence", persistence())
    note("mean at time", mean_at_t(train))
    note("ridge linear ODE", ridge_linear_ode(train))
    return rows


def main() -> None:
    """Fit, forecast and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--set", choices=SETS, action="append", help="only these sets")
    parser.add_argument("--field", choices=FIELDS, action="append", help="only these fields")
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    options = parser.parse_args()
    torch.set_num_threads(1)
    fields = tuple(options.field or FIELDS)
    rows = [row for name in options.set or SETS for row in measure(name, fields)]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        edges = f"{row['edges']:7d} edges {row['cpu_seconds']:6.0f} CPU s" if "edges" in row else ""
        print(
            f"{row['name']:18} {row['method']:26} one step {row['one_step_mse']:.4g}"
            f"  roll-out {row['rollout_mse']:.4g}  {edges}"
        )


if __name__ == "__main__":
    main()
