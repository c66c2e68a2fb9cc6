import pytest

from niwaki.core import InputError
from niwaki.data import detect_layout


def rows(text):
    return [line.split(",") for line in text.split("\n")]


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("2,1,\n1,2,3\n4,5,6\n0,1,2", "phoenix"),
        ("2,1\n1,2\n4,5\n0,1", "phoenix"),
        ("2,1\n1\n2\n0", "phoenix"),
        ("0,1\nA,5\nB,6", "genes"),
        ("0,5\nA,1,2\nB,3,4", "genes"),
        ("time,gene,value\n0,A,1", "long"),
        ("Gene,Expression,donor,Hours\nA,1,d,0", "long"),
        ("time,A,B\n0,1,2", "samples"),
        ("cell,A,B,dpt_pseudotime\nc1,1,2,0.1", "samples"),
        ("time,T1,T2\n0,1,2", "samples"),
        ("gene,0,5,10\nA,1,2,3", "genes"),
        ("time,0,5,10\nA,1,2,3", "genes"),
        (",10,5,0\nA,1,2,3", "genes"),
        ("0,5,10\nA,1,2,3", "genes"),
        ("gene,d1_t0,d1_t5\nA,1,2", "genes"),
        ("id,X0,X5\nA,1,2", "genes"),
    ],
)
def test_layout_is_told_from_the_first_rows(text, layout):
    assert detect_layout(rows(text)) == layout


def test_a_named_time_column_makes_rows_samples():
    assert detect_layout(rows("my clock,A,B\n0,1,2"), time_key="my clock") == "samples"


def test_a_table_without_header_is_refused():
    with pytest.raises(InputError, match="looks like a gene"):
        detect_layout(rows("A,3,1,2\nB,1,2,3"))


def test_a_table_without_times_is_refused_with_what_was_seen():
    with pytest.raises(InputError, match=r"'gene', 'ctrl_1'.*expected a column called 'time'"):
        detect_layout(rows("gene,ctrl_1,ctrl_2\nA,1,2"))
