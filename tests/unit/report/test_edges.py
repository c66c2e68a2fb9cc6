import math

import pytest
from unit.report.example_run import (
    NASTY,
    WEIGHED_COLUMNS,
    WEIGHED_ROWS,
    edge_rows,
    names,
    write_edges,
)

from niwaki.core import RunFolderError
from niwaki.report._edges import read_edges, read_metrics


def test_the_strongest_edges_are_kept_in_order_and_all_are_counted(tmp_path):
    file = tmp_path / "network.tsv"
    rows = edge_rows(names(60), 300, removed=40)
    write_edges(file, rows)
    edges = read_edges(file, strongest=50, lost=10)
    weights = sorted((abs(float(r[2])) for r in rows if r[2]), reverse=True)
    assert [abs(e.weight) for e in edges.strongest] == weights[:50]
    assert edges.present == 300
    assert edges.statuses["removed"] == 40
    assert edges.absent == 40
    assert len(edges.lost) == 10


def test_an_untested_edge_is_in_the_network_or_lost_by_its_weight(tmp_path):
    file = tmp_path / "network.tsv"
    write_edges(file, WEIGHED_ROWS, WEIGHED_COLUMNS)
    edges = read_edges(file)
    assert [e.status for e in edges.strongest] == ["kept", "added", "untested"]
    assert [e.status for e in edges.lost] == ["untested", "refuted"]
    assert edges.statuses == {"kept": 1, "added": 1, "untested": 2, "refuted": 1}
    assert (edges.present, edges.absent) == (3, 2)


def test_probability_and_stability_are_read_where_the_table_has_them(tmp_path):
    file = tmp_path / "network.tsv"
    write_edges(file, WEIGHED_ROWS, WEIGHED_COLUMNS)
    assert [(e.probability, e.stability) for e in read_edges(file).strongest] == [
        (1.0, 0.95),
        (0.9995, 0.7),
        (0.81, 0.64),
    ]
    rows = [[*row[:4], "", "", *row[6:]] for row in WEIGHED_ROWS]
    write_edges(file, rows, WEIGHED_COLUMNS)
    assert read_edges(file).strongest[0].probability is None
    write_edges(file, edge_rows(names(20), 5))
    assert all(e.stability is None for e in read_edges(file).strongest)


def test_awkward_names_come_through_unchanged(tmp_path):
    file = tmp_path / "network.tsv"
    write_edges(file, [[name, name, "1.5", "+", "1", "1", "kept"] for name in NASTY])
    assert sorted(e.source for e in read_edges(file).strongest) == sorted(NASTY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lacks the column source"),
        ("source,target\na,b\n", "lacks the column"),
        ("source\ttarget\tweight\tsign\tprior_weight\tstatus\na\tb\tmany\t+\t\tkept\n", "line 2"),
        ("source\ttarget\tweight\tsign\tprior_weight\tstatus\na\tb\n", "line 2"),
    ],
)
def test_a_damaged_table_is_one_sentence(tmp_path, content, message):
    file = tmp_path / "network.tsv"
    file.write_text(content)
    with pytest.raises(RunFolderError, match=message):
        read_edges(file)


def test_a_missing_table_is_one_sentence(tmp_path):
    with pytest.raises(RunFolderError, match=r"network\.tsv cannot be read"):
        read_edges(tmp_path / "network.tsv")


def test_metrics_read_null_as_not_finite_and_forgive_a_cut_last_line(tmp_path):
    file = tmp_path / "metrics.jsonl"
    line = '{"epoch": 1, "round": 0, "train_loss": 0.5, "held_out_loss": null}\n'
    file.write_text(line + '{"epoch": 2, "rou')
    (epoch,) = read_metrics(file)
    assert epoch.train_loss == 0.5
    assert math.isnan(epoch.held_out_loss)
    assert read_metrics(tmp_path / "absent.jsonl") == []


def test_metrics_damaged_in_the_middle_are_named(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"epoch": 1}\n{"epoch": 2}\n')
    with pytest.raises(RunFolderError, match="damaged at line 1"):
        read_metrics(file)
