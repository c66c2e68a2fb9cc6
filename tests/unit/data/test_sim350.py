import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from niwaki.core import InputError
from niwaki.data import (
    build_sim350,
    integrate,
    read_equations,
    read_expression,
    read_gene_names,
    read_sim350,
)

DATA = Path(os.environ.get("NIWAKI_DATA", "no folder"))
FOLDER = DATA / "sim350"

needs_sim350 = pytest.mark.skipif(
    not (FOLDER / "original").is_dir(), reason="NIWAKI_DATA names no folder with sim350/original"
)
needs_all = pytest.mark.skipif(
    not (DATA / "hema").is_dir(), reason="NIWAKI_DATA names no folder with the public data sets"
)


def edges(path):
    return {tuple(line.split("\t")) for line in path.read_text().splitlines()[1:]}


@needs_sim350
def test_the_shipped_trajectories_are_reproduced():
    system, data = read_equations(FOLDER / "equations.csv"), read_sim350(FOLDER)
    for whole in (data.test, data.train):
        part = whole.subset(range(10))
        starts = np.stack([item.values[0] for item in part.items])
        found = integrate(system, starts, part.items[0].times)
        # the files were made by a solver that is itself good to about 2e-6
        np.testing.assert_allclose(found.stack(), part.stack(), atol=1e-5, rtol=0)


@needs_sim350
def test_the_public_files_are_repaired_to_the_shipped_benchmark(tmp_path):
    build_sim350(FOLDER / "original", tmp_path)
    shutil.copy(FOLDER / "test_10samples.csv", tmp_path)
    ours, shipped = (read_equations(folder / "equations.csv") for folder in (tmp_path, FOLDER))
    assert (tmp_path / "genes.txt").read_text() == (FOLDER / "genes.txt").read_text()
    assert ours.genes == shipped.genes
    states = np.random.default_rng(0).random((350, 20))
    difference = ours.regulation(states) - shipped.regulation(states)
    assert np.abs(difference).max() < 1e-12  # exponents may differ by a rounding
    for name in ("truth.tsv", "prior_0.025.tsv", "prior_0.05.tsv", "prior_0.1.tsv"):
        assert edges(tmp_path / name) == edges(FOLDER / name), name
    built = read_sim350(tmp_path)
    assert len(built.truth) == 550
    assert built.train.stack().shape == (750, 350)
    assert set(built.train.items[0].times) == {0, 2, 3, 7, 9}


@needs_sim350
def test_a_folder_with_gaps_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"lacks equations\.csv, genes\.txt, train.*niwaki data"):
        read_sim350(tmp_path)
    shutil.copy(FOLDER / "original" / "ode_system_functions_350.csv", tmp_path)
    with pytest.raises(InputError, match=r"edge_properties_G350\.csv does not exist"):
        build_sim350(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@needs_all
@pytest.mark.parametrize(
    ("file", "names", "shapes"),
    [
        (
            "yeast/pramila_3551genes_1sample_24T.csv",
            "yeast/pramila3551_gene_names.csv",
            [(24, 3551)],
        ),
        (
            "breast/desmedt_500genes_1sample_178T.csv",
            "breast/desmedt_gene_names_500.csv",
            [(178, 500)],
        ),
        (
            "hema/hema_B_529genes_2samples.csv",
            "hema/hema_gene_names_529.csv",
            [(482, 529), (168, 529)],
        ),
    ],
)
def test_public_expression_is_read(file, names, shapes):
    reading = read_expression(DATA / file, genes_file=DATA / names)
    assert (reading.layout, reading.notes) == ("phoenix", ())
    assert [item.values.shape for item in reading.trajectories.items] == shapes


@needs_all
def test_yeast_genes_are_systematic_or_common_names():
    path = DATA / "yeast" / "pramila500_gene_names.csv"
    assert read_gene_names(path)[2] == "YAL040C"
    with pytest.raises(InputError, match="stands twice"):
        read_gene_names(path, column="name")
