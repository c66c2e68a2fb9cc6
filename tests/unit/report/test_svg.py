import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from niwaki.report._svg import (
    Scale,
    band,
    drawing,
    element,
    limits,
    log_limits,
    log_ticks,
    nice_ticks,
    path_data,
    spread,
    text,
    tick_label,
)


def test_element_escapes_text_and_attributes_and_stays_well_formed():
    nasty = "</svg><script>alert('x')</script>\x08&\""
    parsed = ET.fromstring(element("g", text((1.0, 2.0), nasty), data_n=nasty, missing=None))
    assert parsed.attrib == {"data-n": nasty.replace("\x08", "\ufffd")}
    assert parsed[0].text == nasty.replace("\x08", "\ufffd")


def test_drawing_tells_assistive_software_what_it_shows():
    parsed = ET.fromstring(drawing([Markup("<g/>")], size=(10.0, 20.0), label="loss & <edges>"))
    assert parsed.attrib["role"] == "img"
    assert parsed.attrib["aria-label"] == "loss & <edges>"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0021, 0.0058, [0.003, 0.004, 0.005]),
        (-3.0, 12.0, [-2, 0, 2, 4, 6, 8, 10, 12]),
        (2.0, 2.0, [2.0]),
        (math.nan, 1.0, []),
    ],
)
def test_nice_ticks_are_round_and_inside(low, high, expected):
    assert nice_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (5.0, 20000.0, [10, 100, 1000, 10000]),
        (0.9, 40.0, [1, 3, 10, 30]),
        (0.0, 3.0, []),
    ],
)
def test_log_ticks_thin_out_over_many_decades_and_fill_in_over_few(low, high, expected):
    assert log_ticks(low, high) == pytest.approx(expected)


def test_log_ticks_within_less_than_a_decade_are_still_there():
    assert len(log_ticks(0.31, 0.42)) >= 2
    assert log_ticks(140.0, 230.0) == [140.0, 160.0, 180.0, 200.0, 220.0]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0.0, "0"),
        (1000.0, "1,000"),
        (0.05, "0.05"),
        (1e-5, "10⁻⁵"),
        (3e7, "3×10⁷"),
        (-2.0, "\u22122"),
    ],
)
def test_tick_labels_are_short(value, label):
    assert tick_label(value) == label


def test_scale_maps_ends_to_ends_and_what_has_no_place_to_nan():
    scale = Scale(1.0, 100.0, 300.0, 0.0, log=True)
    assert [scale(v) for v in (1.0, 10.0, 100.0)] == pytest.approx([300.0, 150.0, 0.0])
    assert all(math.isnan(scale(v)) for v in (0.0, -1.0, math.inf, math.nan, None))


def test_lines_break_where_a_point_is_missing():
    points = [(0.0, 1.0), (1.0, math.nan), (2.0, 3.0), (3.0, 4.0)]
    assert path_data(points) == "M0 1M2 3L3 4"


def test_band_without_any_finite_point_is_empty():
    assert 'd=""' in band([(0.0, math.nan)], [(0.0, 1.0)])


def test_labels_are_spread_without_changing_their_order():
    placed = spread([50.0, 52.0, 51.0, 99.0], 15.0, 0.0, 100.0)
    assert sorted(range(4), key=lambda i: placed[i]) == [0, 2, 1, 3]
    ordered = sorted(placed)
    assert all(b - a >= 15 - 1e-9 for a, b in itertools.pairwise(ordered))
    assert 0 <= ordered[0] <= ordered[-1] <= 100


def test_limits_survive_constant_missing_and_infinite_values():
    assert limits([]) == (0.0, 1.0)
    low, high = limits([2.0, None, math.inf, 2.0])
    assert low < 2.0 < high
    low, high = log_limits([0.0, 3.0, -1.0])
    assert 0 < low < 3.0 < high
