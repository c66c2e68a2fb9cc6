import math

import pytest

from niwaki.report._format import clean, number, probability, share, short, shorten


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0.0, "0"),
        (0.00219, "0.00219"),
        (1234.5, "1,234"),
        (-1.5, "\u22121.50"),
        (3.14e-7, "3.14\u202f×\u202f10⁻⁷"),
    ],
)
def test_numbers_have_three_significant_digits(value, words):
    assert number(value) == words


def test_short_numbers_lose_only_zeros_after_the_point():
    assert [short(v) for v in (10.0, 100.0, 0.5, 3.0e-9)] == [
        "10",
        "100",
        "0.5",
        "3.00\u202f×\u202f10⁻⁹",
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.963, "96.3"), (0.99996, "99.996"), (0.9999998, "99.99998"), (1.0, "100.0"), (0.0, "0.0")],
)
def test_a_share_just_below_one_does_not_read_as_all(value, words):
    assert share(value) == words + "\u00a0%"


def test_control_and_reversing_characters_become_visible():
    assert clean("a\x00b\u202ec\ud800 é") == "a\ufffdb\ufffdc\ufffd é"


def test_long_names_are_cut_with_an_ellipsis():
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (math.nan, "–"),
        (9e-14, "<\u202f0.001"),
        (0.5, "0.500"),
        (0.999, "0.999"),
        (1.0, ">\u202f0.999"),
    ],
)
def test_no_probability_is_written_as_certain(value, words):
    assert probability(value) == words
