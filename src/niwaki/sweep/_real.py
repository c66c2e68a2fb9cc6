"""Benchmarks on measured data: what is known of their networks, and how a run scores there."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from niwaki.core import PRIOR_ALONE
from niwaki.data import data_folder
from niwaki.evaluation import assayed_regulators, score_forecast, score_network
from niwaki.experiment import Material, make_config, make_inputs, read_material, run_rounds
from niwaki.sweep._methods import METHODS, QUICK
from niwaki.sweep._rows import BenchmarkRow, network_row

# Files of each data set in the folder of public data.
FILES: Mapping[str, dict[str, str]] = {
    "breast500": {
        "data": "breast/desmedt_500genes_1sample_178T.csv",
        "test": "breast/desmedt_500genes_1TESTsample_8middleT.csv",
        "genes": "breast/desmedt_gene_names_500.csv",
        "prior": "breast/edge_prior_matrix_desmedt_500.csv",
        "reference": "breast/chip_validation_network.csv",
    },
    "hema-b": {
        "data": "hema/hema_B_529genes_2samples.csv",
        "test": "hema/hema_B_529genes_3testsamples.csv",
        "genes": "hema/hema_gene_names_529.csv",
        "prior": "hema/edge_prior_matrix_hema_529.csv",
    },
    "yeast500": {
        "data": "yeast/pramila_500genes_1sample_24T.csv",
        "test": "yeast/pramila_500genes_1VALsample_24T.csv",
        "genes": "yeast/pramila500_gene_names.csv",
        "prior": "yeast/edge_prior_matrix_pramila_500.csv",
    },
}


def read_real(name: str) -> Material:
    """Read a data set of the folder of public data.

    Raises
    ------
    InputError
        If a file is not there.
    """
    folder = data_folder()
    paths = {key: str(folder / place) for key, place in FILES[name].items()}
    return read_material(make_inputs(paths, f"the data set {name}"))


def run_real(
    name: str, method: str, *, changes: Mapping[str, Any], seed: int, quick: bool
) -> list[BenchmarkRow]:
    """Return the rows of the prior alone and of one method.

    Without a known network the prior itself stands in as the reference, and the row says how far
    the method moved away from it, not how right it is; `dataset` then ends in ``(against prior)``.

    Parameters
    ----------
    name
        A data set in `FILES`.
    method
        Name in `METHODS`.
    changes
        Settings that differ from the method's.
    seed
        Of model and batches.
    quick
        A few epochs of a small model.
    """
    material = read_real(name)
    values = {**METHODS[method], **changes, "seed": seed, "controls": False}
    if quick:
        values |= QUICK[values["field"]]
    if isinstance(values.get("held_out"), tuple):
        del values["held_out"]  # positions of other data
    config = make_config(values, f"method {method}")
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = run_rounds(material, config, folder=Path(folder))
        cost = {
            "cpu_seconds": time.process_time() - cpu,
            "wall_seconds": time.perf_counter() - wall,
        }
        assert material.prior is not None  # noqa: S101 - every data set here has one
        prior = material.prior.network
        reference = prior if material.reference is None else material.reference.network
        sources = None if material.reference is None else assayed_regulators(reference)
        dataset = name if material.reference is not None else f"{name} (against prior)"
        entry, model = run.result.rounds[run.chosen], run.model(run.chosen)
        shared = {"dataset": dataset, "noise": 0.0, "seed": seed, "quick": quick}
        rows = []
        for network, label in ((prior, PRIOR_ALONE), (run.network(run.chosen), method)):
            score = score_network(network, reference, method=label, prior=prior, sources=sources)
            forecast, further = None, {}
            if label == method and material.test is not None:
                forecast = score_forecast(method, "test", model, material.test)
                further = {
                    "sparsity": entry.sparsity,
                    "held_out_loss": entry.loss,
                    "epochs": entry.epoch,
                    **cost,
                }
            rows.append(
                network_row(score, kind=BenchmarkRow, forecast=forecast, **shared, **further)
            )
    return rows
