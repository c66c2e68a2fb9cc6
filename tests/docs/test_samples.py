"""Every sample file that the documentation shows is read as it says."""

import re
from pathlib import Path

import pytest

from niwaki.data import read_expression
from niwaki.knowledge import read_network

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "bring-your-data.md"
# A sample is a fenced block whose info string is a kind and a file name: ```expression long.csv
SAMPLES = re.findall(
    r"^```(expression|network|genes) (\S+)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S
)
FILES = {name: (kind, text) for kind, name, text in SAMPLES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (_, text) in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_there_is_a_sample_of_every_form() -> None:
    assert len(FILES) == len(SAMPLES) >= 10


@pytest.mark.parametrize("name", [n for n, (kind, _) in FILES.items() if kind == "expression"])
def test_expression_samples_are_all_the_same_data(folder: Path, name: str) -> None:
    genes = folder / "genes.txt" if name == "phoenix.csv" else None
    found = read_expression(folder / name, genes_file=genes).trajectories
    assert found.genes == ("SWI4", "CLN2")
    assert [item.times.tolist() for item in found.items] == [[0.0, 5.0]]
    assert found.items[0].values.tolist() == [[0.2, 0.9], [0.4, 0.7]]


@pytest.mark.parametrize("name", [n for n, (kind, _) in FILES.items() if kind == "network"])
def test_network_samples_hold_the_same_edges(folder: Path, name: str) -> None:
    network = read_network(folder / name, genes=("SWI4", "MBP1", "CLN2")).network
    edges = {
        (network.genes[s], network.genes[t])
        for s, t in zip(network.source, network.target, strict=True)
    }
    assert edges == {("SWI4", "CLN2"), ("MBP1", "CLN2")}
    assert network.signed == (name in {"signed.tsv", "typed.csv"})
    if network.signed:
        assert sorted(network.weight.tolist()) == [-1.0, 1.0]
