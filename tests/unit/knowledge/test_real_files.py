import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from niwaki.knowledge import align, co_target_ppi, read_network, shuffle

DATA = Path(os.environ.get("NIWAKI_DATA", "absent"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="NIWAKI_DATA names no folder")


def names(file):
    return pd.read_csv(DATA / file).iloc[:, 0].tolist()


def test_yeast_motif_prior_on_the_genes_of_pramila():
    reading = read_network(DATA / "yeast/motif_prior.csv")
    aligned, report = align(
        reading.network, names("yeast/pramila3551_gene_names.csv"), file="motif_prior.csv"
    )
    assert (report.edges_kept, report.regulators_found) == (51_254, 65)
    assert report.orientation == "ok"
    assert not aligned.signed


@pytest.mark.parametrize(
    ("file", "genes", "edges", "regulators", "signs"),
    [
        ("breast/edge_prior_matrix_desmedt_500.csv", "breast/desmedt_gene_names_500.csv",
         7_732, 34, True),
        ("hema/edge_prior_matrix_hema_529.csv", "hema/hema_gene_names_529.csv",
         31_030, 111, False),
        ("yeast/edge_prior_matrix_pramila_500.csv", "yeast/pramila500_gene_names.csv",
         1_146, 6, True),
    ],
)  # fmt: skip
def test_dense_priors_take_their_names_from_the_data(file, genes, edges, regulators, signs):
    listed = names(genes)
    reading = read_network(DATA / file, genes=listed)
    _, report = align(reading.network, listed, file=file)
    assert (report.edges_kept, report.regulators_found) == (edges, regulators)
    assert report.orientation == "ok"
    assert any("weights are negative" in note for note in reading.notes) is signs
    assert not report.signed


def test_chip_network_is_read_and_shuffled():
    network = read_network(DATA / "breast/chip_validation_network.csv").network
    assert (len(network), len(network.regulators())) == (
        226_813,
        61,
    )  # of 226,844 rows, 31 are copies
    _, report = align(network, names("breast/desmedt_gene_names_500.csv"), file="chip")
    assert (report.edges_kept, report.regulators_found) == (1_586, 7)
    mixed = shuffle(network, rng=np.random.default_rng(0), sweeps=3)
    np.testing.assert_array_equal(np.sort(mixed.target), np.sort(network.target))


@pytest.mark.parametrize(("share", "shared"), [("0.025", 523), ("0.05", 495), ("0.1", 440)])
def test_simulated_priors_share_the_stated_edges_with_the_truth(share, shared):
    genes = (DATA / "sim350/genes.txt").read_text().split()
    truth = align(read_network(DATA / "sim350/truth.tsv").network, genes, file="truth")[0]
    prior = align(read_network(DATA / f"sim350/prior_{share}.tsv").network, genes, file="prior")[0]
    assert len(truth) == len(prior) == 550
    assert truth.signed
    assert len(np.intersect1d(truth.keys(), prior.keys())) == shared
    assert co_target_ppi(prior).sum() == pytest.approx(1)
