"""``niwaki distill`` from files to a page, and every way its input can be wrong."""

import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from niwaki.wavelets import dwt

QUICK = ("--taps", "4", "--level", "2", "--beam", "2", "--quiet")


class Teacher(nn.Module):
    """A response to one coefficient of db2, through a bend."""

    def __init__(self):
        super().__init__()
        weight = dwt(torch.eye(24), "db2", level=2)[1][:, 3]
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return torch.tanh(x @ self.weight).unsqueeze(1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Signals with a header and names, a response, an exported program and its gradients."""
    folder = tmp_path_factory.mktemp("distill")
    x = np.random.default_rng(0).normal(size=(60, 24)).astype(np.float32)
    teacher = Teacher()
    y = teacher(torch.from_numpy(x)).detach().numpy()[:, 0]
    head = "cell," + ",".join(f"t{i}" for i in range(24))
    rows = [f"cell {i}," + ",".join(map(str, row)) for i, row in enumerate(x)]
    (folder / "x.csv").write_text("\n".join([head, *rows]) + "\n")
    np.save(folder / "x.npy", x)
    np.savetxt(folder / "y.csv", y, header="response", comments="")
    weight = teacher.weight.detach().numpy()
    np.save(folder / "g.npy", (1 - y[:, None] ** 2) * weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(teacher, (torch.from_numpy(x[:8]),))  # batches of 8 only
        torch.export.save(program, folder / "model.pt2")
    return folder


@pytest.fixture
def quick(niwaki, files, tmp_path):
    def call(model, data, *more):
        return niwaki(
            "distill", files / model, files / data, *QUICK, "--out", tmp_path / "w", *more
        )

    return call


def test_an_exported_program_becomes_a_wavelet_a_model_and_a_page(quick, tmp_path):
    code, out, error = quick("model.pt2", "x.csv", "--compare", "db2")
    assert (code, error) == (0, "")
    assert "distilled" in out
    record = json.loads((tmp_path / "w" / "record.json").read_text())
    assert (record["samples"], record["shape"], record["response"]) == (
        60, [24], "the teacher's output",
    )  # fmt: skip
    assert {row["method"] for row in record["rows"]} == {
        "distilled", "no attribution", "db2", "teacher",
    }  # fmt: skip
    assert record["reconstruction_error"] < 1e-5
    taps = (tmp_path / "w" / "wavelet.tsv").read_text().splitlines()
    assert len(taps) == 3
    assert abs(sum(map(float, taps[1].split("\t")[2:])) - 2**0.5) < 1e-6
    page = (tmp_path / "w" / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert page.count("<svg") >= 8
    assert len(list((tmp_path / "w" / "figures").glob("*.svg"))) == 8


def test_gradients_of_any_teacher_do_as_well(quick):
    code, out, _ = quick("g.npy", "x.npy", "--json")
    record = json.loads(out)
    assert code == 0
    assert record["rows"] == []
    assert next(p for p in record["path"] if p["selected"])["distance"] is not None


def test_a_response_of_its_own_is_predicted(niwaki, files, tmp_path):
    code, out, _ = niwaki(
        "distill", files / "g.npy", files / "x.npy", "--response", files / "y.csv", *QUICK,
        "--json", "--positions", "--shifts", "--readout", "ridge", "--out", tmp_path / "w",
    )  # fmt: skip
    assert code == 0
    assert [row["method"] for row in json.loads(out)["rows"]] == [
        "distilled", "no attribution", "db5",
    ]  # fmt: skip


def test_an_earlier_result_is_replaced_only_by_force(quick, refused, files, tmp_path):
    assert quick("g.npy", "x.npy")[0] == 0
    again = ("distill", files / "g.npy", files / "x.npy", *QUICK, "--out", tmp_path / "w")
    assert "--force" in refused(*again)
    assert quick("g.npy", "x.npy", "--force")[0] == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    assert "left alone" in refused(*again[:-1], tmp_path / "other")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("a,b\n", "holds no signals"),
        ("1,2,3\n4,5\n", "2 values in sample 2"),
        ("1,2,3\n4,high,6\n", "'high' as value 2 of sample 2"),
        ("1,2,3\n4,,6\n", "missing or infinite value in sample 2"),
        ("1,2,3\n4,inf,6\n", "missing or infinite value in sample 2"),
        ("1,1,1,1\n2,2,2,2\n3,3,3,3\n4,4,4,4\n5,5,5,5\n", "gradients of shape"),
    ],
)
def test_unusable_signals(text, words, refused, files, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(text)
    found = refused("distill", files / "g.npy", path, "--out", tmp_path / "w")
    assert words in found
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--taps", "7"), "even number"),
        (("--level", "9"), "at most 4 levels"),
        (("--mode", "round"), "boundary mode"),
        (("--attribution", "lime"), "one of saliency"),
        (("--compare", "db77"), "unknown"),
        (("--readout", "forest"), "readout"),
        (("--features", "some"), "features"),
        (("--features", "peaks"), "need images"),
        (("--features", "all", "--shifts"), "goes with top"),
        (("--points", "1"), "at least 2"),
        (("--held-out", "1.5"), "between 0 and 1"),
        (("--target", "0", "--target", "3"), "target 3 does not exist"),
        (("--target", "-1"), "target -1 does not exist"),
    ],
)
def test_unusable_options(options, words, refused, files, tmp_path):
    call = ("distill", files / "model.pt2", files / "x.npy", *QUICK, *options)
    assert words in refused(*call, "--out", tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_models_that_are_no_exported_program(refused, files, tmp_path):
    torch.save({"weight": torch.ones(3)}, tmp_path / "model.pt")
    (tmp_path / "model.pt2").write_text("not an archive")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name, words in (
        ("model.pt", "torch.export.save"),
        ("model.pt2", "cannot be read as an exported program"),
        ("objects.npy", "no plain array"),
        ("absent.pt2", "does not exist"),
    ):
        call = ("distill", tmp_path / name, files / "x.npy", "--out", tmp_path / "w")
        assert words in refused(*call)


def test_a_model_of_other_signals(refused, files, tmp_path):
    np.save(tmp_path / "short.npy", np.random.default_rng(0).normal(size=(20, 12)))
    found = refused("distill", files / "model.pt2", tmp_path / "short.npy", "--out", tmp_path / "w")
    assert "does not take signals of shape (12,)" in found


def test_responses_must_match(refused, files, tmp_path):
    (tmp_path / "y.csv").write_text("y\n1\n2\n")
    found = refused(
        "distill", files / "g.npy", files / "x.npy", "--response", tmp_path / "y.csv", *QUICK,
        "--out", tmp_path / "w",
    )  # fmt: skip
    assert "2 responses for 60 signals" in found
