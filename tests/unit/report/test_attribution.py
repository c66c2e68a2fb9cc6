import xml.etree.ElementTree as ET

import pytest
from unit.report.example_run import attribution, record, write_run

from niwaki.report import build_report, write_bars, write_figures
from niwaki.report._attribution import (
    attribution_figure,
    attribution_tables,
    attribution_words,
    bars_figure,
)


@pytest.fixture
def attributed():
    return record(attribution=attribution())


def test_without_attribution_nothing_is_shown(tmp_path):
    assert attribution_words(record()) == []
    assert attribution_tables(record()) == []
    assert attribution_figure(record()) is None
    write_run(tmp_path)
    assert 'id="attribution"' not in build_report(tmp_path)


def test_the_words_give_the_method_the_gap_and_the_overlap(attributed):
    text = " ".join(attribution_words(attributed))
    assert "from the mean state, by integrated gradients" in text
    assert "miss less than 0.1\u00a0%" in text
    assert "Of the 82 strongest pairs by edge weight, 61" in text
    assert "of the 20 strongest regulators 15" in text
    closed = attribution_words(record(attribution=attribution(degree=1.0, gap=0.2)))
    assert "one gradient is exact" in closed[0]
    assert "20.0\u00a0%" in closed[0]
    agreed = attribution(only_by_edge=[], only_by_attribution=[])
    assert len(attribution_words(record(attribution=agreed))) == 2


def test_tables_show_both_ranks_and_a_dash_where_there_is_no_edge(attributed):
    regulators, by_edge, by_attribution = attribution_tables(attributed)
    assert regulators.rows[1].cells[3:] == ["2", "1.00", "8"]
    assert by_edge.rows[0].cells[3] == "300"
    assert by_attribution.rows[0].cells[-2:] == ["\u2013", "\u2013"]


def test_the_figure_is_svg_with_one_point_per_regulator(attributed):
    figure = str(attribution_figure(attributed))
    root = ET.fromstring(figure)
    assert len(root.findall(".//circle")) == 20
    assert "<script" not in figure
    few = attribution(regulators=attribution().regulators[:1])
    assert attribution_figure(record(attribution=few)) is None


def test_the_page_and_the_figures_hold_it(tmp_path):
    write_run(tmp_path, attribution=attribution())
    page = build_report(tmp_path)
    assert 'href="#attribution"' in page
    assert "Strong edges with a small contribution" in page
    assert "<script>alert(1)" not in page
    assert "attribution.svg" in {path.name for path in write_figures(tmp_path)}


def test_bars_start_at_zero_and_keep_their_sign(tmp_path):
    root = ET.fromstring(str(bars_figure("t", [("up", 2.0), ("down", -1.0), ("none", 0.0)], "u")))
    up, down, none = root.findall(".//rect")
    assert float(up.get("width")) == pytest.approx(2 * float(down.get("width")), rel=0.01)
    end_of_down = float(down.get("x")) + float(down.get("width"))
    assert float(up.get("x")) == pytest.approx(end_of_down, abs=0.02)  # rounded to pixels / 100
    assert float(none.get("width")) < 1
    assert up.get("class") != down.get("class")
    write_bars(tmp_path / "bars.svg", "<t>", [("a&b", 1.0)], unit="u")
    assert ET.parse(tmp_path / "bars.svg").getroot().tag.endswith("svg")


def test_bars_of_nothing_but_zeros_can_be_drawn():
    ET.fromstring(str(bars_figure("t", [("a", 0.0)], "u")))
