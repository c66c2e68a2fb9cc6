import itertools
import re
import xml.etree.ElementTree as ET

from unit.report.example_run import (
    WEIGHED_COLUMNS,
    WEIGHED_ROWS,
    edge_rows,
    names,
    write_edges,
)

from niwaki.report._edges import Edge, EdgeSummary, read_edges
from niwaki.report._graph import EDGES, LOST, REGULATORS, arrange, network_figure, picked_edges


def summary(tmp_path) -> EdgeSummary:
    file = tmp_path / "network.tsv"
    write_edges(file, edge_rows(names(120), 900, removed=80))
    return read_edges(file)


def test_the_picture_shows_the_strongest_edges_of_the_main_regulators(tmp_path):
    edges = summary(tmp_path)
    picked = picked_edges(edges)
    present = [e for e in picked if e.status != "removed"]
    assert len(present) == EDGES
    assert len({e.source for e in present}) <= REGULATORS
    assert len(picked) - len(present) <= LOST
    assert present == [e for e in edges.strongest if e in set(present)]


def test_the_picture_is_well_formed_complete_and_the_same_every_time(tmp_path):
    edges = summary(tmp_path)
    figure = network_figure(edges)
    assert figure is not None
    assert figure == network_figure(edges)
    root = ET.fromstring(figure)
    drawn = [p for p in root.iter("path") if "edge" in p.get("class", "").split()]
    assert len(drawn) == len(picked_edges(edges))
    numbers = {g.get("data-n") for g in root.iter("g") if g.get("data-n")}
    assert {p.get("data-s") for p in drawn} | {p.get("data-t") for p in drawn} == numbers


def test_places_in_a_column_do_not_overlap(tmp_path):
    layout = arrange(picked_edges(summary(tmp_path)))
    for places in (layout.regulators, layout.targets):
        points = sorted(places.values())
        for (x, y), (u, v) in itertools.pairwise(points):
            assert x != u or v - y >= 20  # a line of text is 15 px high


def test_a_self_edge_and_a_single_edge_can_be_drawn():
    edge = Edge("A", "A", -1.0, "-", None, "added")
    figure = network_figure(EdgeSummary([edge], [], {"added": 1}, {"-": 1}))
    assert figure is not None
    assert re.search(r'class="edge down added"', figure)


def test_what_the_network_lacks_is_grey_and_what_is_untested_in_it_is_not(tmp_path):
    file = tmp_path / "network.tsv"
    write_edges(file, [*WEIGHED_ROWS[:3], ["A", "D", *WEIGHED_ROWS[4][2:]]], WEIGHED_COLUMNS)
    figure = network_figure(read_edges(file))
    assert figure is not None
    assert 'class="edge up untested"' in figure
    assert 'class="edge gone refuted"' in figure
    assert "A represses C; added, strength −0.800, probability &gt; 0.999" in figure


def test_no_edges_no_picture():
    assert network_figure(EdgeSummary([], [], {}, {})) is None
