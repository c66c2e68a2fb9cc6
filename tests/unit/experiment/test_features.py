import numpy as np
import pytest

from niwaki.core import InputError
from niwaki.experiment._features import read_features


def written(tmp_path, text):
    path = tmp_path / "features.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "a;b\r\n1;2\r\n3;4\r\n",
        "a\tb\n1\t2\n3\t4\n",
        "\ufeffa,b\n1,2\n\n3,4\n",
        "sample,a,b\ns1,1,2\ns2,3,4\n",
        ",a,b\n0,1,2\n1,3,4\n",
    ],
)
def test_delimiters_and_names_of_samples_are_understood(tmp_path, text):
    names, values = read_features(written(tmp_path, text))
    assert names == ("a", "b")
    assert np.array_equal(values, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "header and one line per sample"),
        ("1,2\n3,4\n", "begins with numbers"),
        ("a,a\n1,2\n", "two columns 'a'"),
        ("a,b\n1,2\n3\n", "1 cells in line 3"),
        ("a,b\n1,\n3,4\n", "'' in line 2, column 'b'"),
        ("a,b\nNA,2\n3,4\n", "'NA' in line 2, column 'a'"),  # no column of names
        ("a;b\n1,5;2\n3;4\n", "'1,5' in line 2, column 'a'.*decimal point"),
    ],
)
def test_a_table_that_is_none_gets_a_sentence(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read_features(written(tmp_path, text))
