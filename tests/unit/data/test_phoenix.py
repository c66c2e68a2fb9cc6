import numpy as np
import pytest
from reference.data import phoenix_text

from niwaki.core import InputError
from niwaki.data import read_expression

TWO = phoenix_text([([0, 1, 2], [[1, 2, 3], [4, 5, 6]]), ([5, 7], [[7, 8], [9, 10]])])


def read(tmp_path, text, genes="gene\nA\nB\n", **options):
    (tmp_path / "x.csv").write_text(text)
    if genes is not None:
        (tmp_path / "genes.csv").write_text(genes)
        options["genes_file"] = tmp_path / "genes.csv"
    return read_expression(tmp_path / "x.csv", **options)


def test_samples_of_unequal_length_are_read(tmp_path):
    reading = read(tmp_path, TWO)
    first, second = reading.trajectories.items
    assert (reading.layout, reading.trajectories.genes, reading.notes) == (
        "phoenix",
        ("A", "B"),
        (),
    )
    assert (first.name, second.name) == ("sample 1", "sample 2")
    np.testing.assert_array_equal(first.values, [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(second.times, [5, 7])
    np.testing.assert_array_equal(second.values, [[7, 9], [8, 10]])


def test_samples_of_one_time_are_start_states(tmp_path):
    reading = read(tmp_path, "2,2\n1\n2\n0\n3\n4\n0\n")
    assert [item.values.tolist() for item in reading.trajectories.items] == [[[1, 2]], [[3, 4]]]


def test_names_are_asked_for_unless_numbers_are_allowed(tmp_path):
    with pytest.raises(InputError, match="--genes FILE"):
        read(tmp_path, TWO, genes=None)
    reading = read(tmp_path, TWO, genes=None, number_genes=True)
    assert reading.trajectories.genes == ("g1", "g2")
    assert "no gene names" in reading.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWO.replace("2,2,", "2,3,"), "makes 9 further rows .* there are 6"),
        (TWO.replace("2,2,", "-2,2,"), "both must be positive"),
        (TWO.replace("2,2,", "2,0,"), "both must be positive"),
        (TWO.replace("8", "eight"), "sample 2, row of 'A', column 2, got 'eight'"),
        (TWO.replace("4,5,6", "4,,6"), "gene 'B' has a missing .* in 'sample 1' at time 1"),
        (TWO.replace("0,1,2", "0,,2"), "sample 1 has 1 columns of values without a time"),
        (TWO.replace("5,7,", ",,"), "sample 2 has 2 columns of values without a time"),
    ],
)
def test_sizes_rows_and_times_must_agree(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_the_list_of_names_must_have_the_same_length(tmp_path):
    with pytest.raises(InputError, match=r"names 3 genes but .*x\.csv holds 2"):
        read(tmp_path, TWO, genes="gene\nA\nB\nC\n")


def test_asking_for_the_format_explains_what_it_starts_with(tmp_path):
    with pytest.raises(InputError, match=r"starts with a row 'genes,samples'.*got 'time,A'"):
        read(tmp_path, "time,A\n0,1\n", layout="phoenix")
