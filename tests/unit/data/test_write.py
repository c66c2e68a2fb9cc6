import numpy as np
import pytest

from niwaki.core import StorageError, Trajectories, Trajectory
from niwaki.data import read_expression, write_long, write_phoenix

ODD = ("a,b", 'say "hi"', "<script>", "größe", "a\tb", "#1", "NA", "it's")


def make(genes=ODD):
    rng = np.random.default_rng(0)
    return Trajectories(
        genes,
        tuple(
            Trajectory(name, np.sort(rng.random(n)), rng.normal(size=(n, len(genes))))
            for name, n in (("#first", 4), ("second, with comma", 2))
        ),
    )


def assert_same(found, expected, *, names=True):
    assert found.genes == expected.genes
    for ours, theirs in zip(found.items, expected.items, strict=True):
        np.testing.assert_array_equal(ours.times, theirs.times)
        np.testing.assert_array_equal(ours.values, theirs.values)
        assert ours.name == theirs.name or not names


@pytest.mark.parametrize("name", ["x.csv", "x.tsv"])
def test_long_tables_come_back_exactly(tmp_path, name):
    write_long(make(), tmp_path / name)
    assert_same(read_expression(tmp_path / name).trajectories, make())


def test_the_phoenix_format_comes_back_exactly_but_for_sample_names(tmp_path):
    write_phoenix(make(), tmp_path / "x.csv", genes_path=tmp_path / "genes.csv")
    found = read_expression(tmp_path / "x.csv", genes_file=tmp_path / "genes.csv")
    assert_same(found.trajectories, make(), names=False)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(StorageError, match="check that the folder exists"):
        write_long(make(), tmp_path / "no" / "x.csv")
