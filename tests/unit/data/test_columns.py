import pytest

from niwaki.core import InputError
from niwaki.data import TIME_NAMES
from niwaki.data._columns import ColumnLabel, find_column, parse_labels, parse_time, parse_times


@pytest.mark.parametrize(
    ("text", "time"),
    [("5", 5), ("0.25", 0.25), ("t5", 5), ("5h", 5), ("Day 3", 3), ("X10", 10), ("T_1e1", 10)],
)
def test_times_are_read_from_labels(text, time):
    assert parse_time(text).time == time


@pytest.mark.parametrize("text", ["GENE5", "5 apples", "", "h", "1.2.3"])
def test_other_labels_are_not_times(text):
    assert parse_time(text) is None


def test_mixed_units_are_refused_but_a_bare_zero_is_not():
    assert parse_times(["0", "30min", "60 minutes"]) == [0, 30, 60]
    with pytest.raises(InputError, match="mix units"):
        parse_times(["30min", "1h"])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["donorA_t5", "donor_B_t0"], [("donorA", 5), ("donor_B", 0)]),
        (["5h_rep1", "0h_rep1"], [("rep1", 5), ("rep1", 0)]),
        (["a_0", "a_5", "b_0", "b_5"], [("a", 0), ("a", 5), ("b", 0), ("b", 5)]),
        (["X0", "X5"], [("sample 1", 0), ("sample 1", 5)]),
    ],
)
def test_samples_and_times_are_read_from_labels(labels, expected):
    assert parse_labels(labels) == [ColumnLabel(*pair) for pair in expected]


def test_replicate_numbers_are_times_only_if_the_user_says_so():
    labels = ["ctrl_1", "ctrl_2", "treated_1", "treated_2"]
    assert parse_labels(labels) is None
    assert parse_labels(labels, sure=True)[3] == ColumnLabel("treated", 2)


def test_columns_are_found_in_order_of_preference_and_short_ones_by_case():
    assert find_column(["Pseudotime", "TIME"], TIME_NAMES, what="time") == 1
    assert find_column(["T", "H"], TIME_NAMES, what="time") is None


def test_a_wrong_key_lists_the_columns():
    with pytest.raises(InputError, match=r"'hour' is not one of the columns; they are 'a', 'b'"):
        find_column(["a", "b"], TIME_NAMES, key="hour", what="time")
    with pytest.raises(InputError, match="twice"):
        find_column(["a", "a"], TIME_NAMES, key="a", what="time")
