import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from niwaki.core import InputError
from niwaki.data import read_anndata, read_expression

VALUES = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], dtype=np.float32)


def make(values=VALUES, **obs):
    columns = obs or {"dpt_pseudotime": [0.5, 0.0, 0.0, 0.2], "donor": ["a", "a", "b", "b"]}
    index = [f"cell{i}" for i in range(values.shape[0])]
    genes = pd.DataFrame(index=["TP53", "β-actin,1"])
    return anndata.AnnData(values, obs=pd.DataFrame(columns, index=index), var=genes)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_dense_and_sparse_files_are_read_alike(tmp_path, kind):
    make(kind(VALUES)).write_h5ad(tmp_path / "x.h5ad")
    reading = read_expression(tmp_path / "x.h5ad")
    first, second = reading.trajectories.items
    assert (reading.layout, reading.trajectories.genes) == ("h5ad", ("TP53", "β-actin,1"))
    np.testing.assert_array_equal(first.times, [0, 0.5])
    np.testing.assert_array_equal(first.values, [[3, 4], [1, 2]])
    np.testing.assert_array_equal(second.values, [[5, 6], [7, 8]])
    assert reading.notes[0] == "Column 'dpt_pseudotime' of obs is the time."
    assert any("sorted" in note for note in reading.notes)


def test_keys_layers_and_categories(tmp_path):
    data = make(day=["d0", "d2", "d0", "d2"], arm=["x", "x", "y", "y"], time=[9.0, 8.0, 7.0, 6.0])
    data.layers["scaled"] = VALUES * 10
    reading = read_anndata(data, time_key="day", trajectory_key="arm", layer="scaled")
    assert reading.trajectories.items[1].values.tolist() == [[50, 60], [70, 80]]
    assert reading.trajectories.items[1].times.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("obs", "options", "message"),
    [
        ({"batch": [1, 2, 3, 4]}, {}, r"no column of obs is a time \(batch\)"),
        ({"time": [1, 2, 3, 4]}, {"time_key": "t"}, "'t' is not one of the columns"),
        ({"time": [1, 2, 3, 4]}, {"layer": "raw"}, "no layer 'raw'; its layers are: none"),
        ({"time": [1, np.inf, np.nan, 4]}, {}, "2 of 4 rows have a missing or infinite time"),
        ({"time": ["a", "b", "c", "d"]}, {}, "expected a number in column 'time', row 1"),
    ],
)
def test_unusable_annotations_give_one_sentence(obs, options, message):
    with pytest.raises(InputError, match=message):
        read_anndata(make(**obs), **options)


def test_missing_values_name_the_gene():
    with pytest.raises(InputError, match="gene 'TP53' has a missing"):
        read_anndata(make(np.where(VALUES == 3, np.nan, VALUES)))


def test_repeated_genes_are_named(tmp_path):
    data = make()
    data.var_names = ["A", "A"]
    data.write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(InputError, match=r"x\.h5ad: gene 'A' stands twice"):
        read_expression(tmp_path / "x.h5ad")


def test_truncated_files_give_one_sentence(tmp_path):
    make().write_h5ad(tmp_path / "whole.h5ad")
    content = (tmp_path / "whole.h5ad").read_bytes()
    for name, data in (("half", content[: len(content) // 2]), ("text", b"time,A\n0,1\n")):
        (tmp_path / f"{name}.h5ad").write_bytes(data)
        with pytest.raises(InputError, match="cannot be read as AnnData"):
            read_expression(tmp_path / f"{name}.h5ad")


def test_an_object_without_values_asks_for_a_layer():
    data = make()
    data.X = None
    with pytest.raises(InputError, match="no values in X"):
        read_anndata(data)
