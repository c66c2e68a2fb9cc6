import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from unit.report.moth_study import made_study

from niwaki import sweep


@pytest.fixture
def weights(tmp_path, rng):
    path = tmp_path / "net.npz"
    np.savez(path, *(rng.normal(size=s) * (rng.random(s) < 0.5) for s in ((8, 5), (6, 8), (3, 6))))
    return path


def test_a_network_is_counted_and_held_against_two_nulls(niwaki, weights):
    code, out, _ = niwaki("motifs", weights, "--samples", 20)
    assert code == 0
    assert "biparallel" in out
    assert "fixed" in out
    assert "as many edges, anywhere" in out
    assert "the degrees of every node" in out
    assert "Sparsity" in out


def test_json_is_one_document_and_a_seed_repeats_it(niwaki, weights):
    first, second = (niwaki("motifs", weights, "--samples", 20, "--json")[1] for _ in range(2))
    assert first == second
    found = json.loads(first)
    assert found["kind"] == "layered"
    assert {row["null"] for row in found["rows"]} == {"uniform", "degree", "signs"}


def test_edges_give_copies_by_name_and_a_figure(niwaki, tmp_path):
    hubs = [(f"r{i}", f"t{j}") for i in range(4) for j in range(6)]
    loops = [(f"a{i}", f"b{i}") for i in range(12)] + [(f"b{i}", f"c{i}") for i in range(12)]
    loops += [(f"a{i}", f"c{i}") for i in range(12)]
    rows = [f"{a}\t{b}" for a, b in hubs + loops]
    path = tmp_path / "e.tsv"
    path.write_text("\n".join(["source\ttarget", *rows]) + "\n")
    out, figure = tmp_path / "copies.tsv", tmp_path / "figure.svg"
    code, text, _ = niwaki(
        "motifs", path, "--samples", 800, "--instances", out, "--plot", figure, "--copies", 5
    )
    assert code == 0
    assert "(directed)" in text
    lines = out.read_text().splitlines()
    assert lines[0] == "motif\ta\tb\tc\td"
    assert sum(line.startswith("feed_forward\t") for line in lines) == 5
    ET.fromstring(figure.read_text())


def test_a_run_can_be_looked_at_again(niwaki, run):
    code, out, _ = niwaki("motifs", run, "--samples", 20)
    assert code == 0
    assert "(directed)" in out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--null", "erdos"], "null 'erdos' is unknown"),
        (["--samples", "3"], "at least 20"),
        (["--null", "degree", "--null", "min-degree"], "minimum-degree null is not defined"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(options, expected, refused, tmp_path):
    np.savez(tmp_path / "net.npz", np.eye(6))
    assert expected in refused("motifs", tmp_path / "net.npz", *options)


def test_files_that_do_not_fit_are_one_sentence(refused, tmp_path):
    assert "does not exist" in refused("motifs", tmp_path / "no.npz")
    assert "not a Niwaki run folder" in refused("motifs", tmp_path)


def test_nothing_to_draw_leaves_no_file(refused, tmp_path):
    np.savez(tmp_path / "net.npz", np.ones((3, 3)))
    figure = tmp_path / "figure.svg"
    assert "nothing to draw" in refused("motifs", tmp_path / "net.npz", "--plot", figure)
    assert not figure.exists()


def test_a_network_that_passes_no_signal_is_told(niwaki, tmp_path):
    np.savez(tmp_path / "net.npz", np.zeros((3, 3)))
    code, out, _ = niwaki("motifs", tmp_path / "net.npz")
    assert code == 0
    assert "No path" in out


def test_benchmarks_refuse_each_other_s_options(refused):
    assert "No such option: --networks" in refused("benchmark", "sim350", "--networks", 3)
    assert "No such option: --count" in refused("benchmark", "moth", "--count", 3)
    assert "quirk 'bug' is unknown" in refused("benchmark", "moth", "--quirk", "bug")
    assert "criterion 'dash' is unknown" in refused("benchmark", "moth", "--criterion", "dash")


def test_the_moth_study_leaves_a_page_and_tables(niwaki, monkeypatch, tmp_path):
    asked = {}

    def benchmark(networks, **options):
        asked.update(options, networks=networks)
        return made_study()

    monkeypatch.setattr(sweep, "benchmark_moth", benchmark)
    folder = tmp_path / "study"
    folder.mkdir()
    options = ("--networks", 2, "--criterion", "taylor", "--fast", "--out", folder)
    _, said, _ = niwaki("benchmark", "moth", *options)
    assert asked["networks"] == 2
    assert (asked["plan"].criterion, asked["plan"].fast) == ("taylor", True)
    assert "not finished" in said
    assert "bifan 0.99" in said
    assert (folder / "report.html").exists()
    assert "Moth study" in (folder / "report.md").read_text(encoding="utf-8")


def test_the_page_of_a_half_finished_moth_study_is_one_command(niwaki, monkeypatch, tmp_path):
    (tmp_path / "plan.json").write_text("{}")
    monkeypatch.setattr(sweep, "read_study", lambda folder: made_study())
    assert "report.html" in niwaki("report", tmp_path)[1]
    assert f"--out {tmp_path}" in (tmp_path / "report.md").read_text(encoding="utf-8")
