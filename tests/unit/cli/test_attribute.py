import json
import xml.etree.ElementTree as ET

import pytest
import torch
from torch import nn


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    net = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    path = tmp_path_factory.mktemp("net") / "net.pt2"
    example = torch.ones(4, 2)
    dims = ({0: torch.export.Dim.AUTO},)
    torch.export.save(torch.export.export(net, (example,), dynamic_shapes=dims), path)
    return path


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "features.csv"
    path.write_text("<b>&age,dose\n1,2\n3,4\n")
    return path


def test_a_run_gets_a_table_and_a_plot_per_target(niwaki, finished, tmp_path):
    out = tmp_path / "why"
    code, text, _ = niwaki("attribute", finished, "--out", out)
    assert code == 0
    assert "contributions miss" in text
    plots = list(out.glob("*.svg"))
    assert 1 <= len(plots) <= 8
    for plot in plots:
        assert ET.parse(plot).getroot().tag.endswith("svg")
    assert (out / "attribution.tsv").read_text().startswith("target\tsource\tsign\tsize\tmean\n")


def test_a_forecast_of_one_gene_as_json(niwaki, finished, study, tmp_path):
    out = tmp_path / "why"
    code, text, _ = niwaki(
        "attribute",
        finished,
        study.data,
        "--target",
        "G001",
        "--horizon",
        1,
        "--out",
        out,
        "--json",
    )
    assert code == 0
    found = json.loads(text)
    assert found["files"] == ["attribution.tsv", "target-G001.svg"]
    assert [t["target"] for t in found["targets"]] == ["G001"]
    assert found["gap"] < 0.1


def test_a_program_is_attributed_and_names_are_escaped(niwaki, program, table, tmp_path):
    out = tmp_path / "why"
    code, text, _ = niwaki("attribute", program, table, "--out", out)
    assert code == 0
    assert "X-gradient" in text
    assert "<b>&age" in text
    for plot in out.glob("*.svg"):
        assert "<b>" not in plot.read_text()
        ET.parse(plot)


def test_an_earlier_result_is_replaced_by_force_only(niwaki, refused, program, table, tmp_path):
    out = tmp_path / "why"
    niwaki("attribute", program, table, "--out", out)
    assert "--force" in refused("attribute", program, table, "--out", out)
    code, _, _ = niwaki("attribute", program, table, "--out", out, "--force")
    assert code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--horizon", 1], "no meaning for an exported model"),
        (["--target", "age"], "number of an output"),
        (["--target", 7], "out of range"),
        (["--baseline", "best"], "expected a number"),
        (["--nodes", 0], "nodes"),
    ],
)
def test_bad_options_of_a_program_are_refused_and_nothing_is_written(
    refused, program, table, tmp_path, options, words
):
    assert words in refused("attribute", program, table, "--out", tmp_path / "why", *options)
    assert not (tmp_path / "why").exists()


def test_bad_options_of_a_run_are_refused(refused, finished, program, tmp_path):
    out = ("--out", tmp_path / "why")
    assert "no meaning for a run" in refused("attribute", finished, "--nodes", 5, *out)
    assert "not a gene" in refused("attribute", finished, "--target", "nobody", *out)
    assert "above 0" in refused("attribute", finished, "--horizon", "-1", *out)
    assert "needs DATA" in refused("attribute", program, *out)
    assert "does not exist" in refused("attribute", tmp_path / "none.pt2", "x.csv", *out)
    assert "config.toml" in refused("attribute", tmp_path, *out)
    (tmp_path / "file").write_text("")
    assert "is a file" in refused("attribute", finished, "--out", tmp_path / "file")


def test_a_pickle_is_never_read(refused, tmp_path, table):
    path = tmp_path / "model.pt"
    torch.save(nn.Linear(2, 1), path)
    assert "would run code" in refused("attribute", path, table, "--out", tmp_path / "why")
