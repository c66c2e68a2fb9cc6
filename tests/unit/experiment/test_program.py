import io
import json
import pickle
import zipfile

import pytest
import torch
from torch import nn

from niwaki.core import ConfigError, InputError
from niwaki.experiment import attribute_program, load_program
from niwaki.experiment._features import read_features


def export(model, path, *, rows=4, shape=(3,), dynamic=True):
    example = torch.randn(rows, *shape, generator=torch.Generator().manual_seed(0))
    dims = ({0: torch.export.Dim.AUTO},) if dynamic else None
    torch.export.save(torch.export.export(model.eval(), (example,), dynamic_shapes=dims), path)
    return path


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    return export(net, tmp_path_factory.mktemp("program") / "net.pt2")


@pytest.fixture(scope="module")
def biased(tmp_path_factory):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return export(net, tmp_path_factory.mktemp("program") / "net.pt2", dynamic=False)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "features.csv"
    path.write_text("id,age,dose,weight\ns1,1,2,3\ns2,-1,0.5,2\ns3,0,1,1\n")
    return path


def test_an_exported_model_is_attributed_in_closed_form(program, table):
    found = attribute_program(program, table)
    assert (found.method, found.degree, found.nodes) == ("x-gradient", 1, 1)
    assert [t.target for t in found.targets] == ["0", "1"]
    assert {row.source for row in found.targets[0].contributions} == {"age", "dose", "weight"}
    assert found.gap < 1e-5
    total = sum(row.mean for row in found.targets[1].contributions)
    assert total == pytest.approx(found.targets[1].result, rel=1e-4)


def test_a_model_without_the_closed_form_gets_integrated_gradients(biased, table):
    found = attribute_program(biased, table, targets=[1, 1], nodes=20, baseline="mean")
    assert found.method == "integrated gradients"
    assert found.nodes == 20
    assert [t.target for t in found.targets] == ["1"]
    assert found.gap < 1e-4
    named = attribute_program(biased, table, targets=[0])
    assert "bias" in named.note


def test_a_model_for_a_fixed_number_of_samples_takes_any(biased):
    model = load_program(biased).model
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    whole = model(x)
    assert whole.shape == (7, 2)
    assert torch.allclose(model(x[:1]), whole[:1], atol=1e-6)


def test_images_are_read_from_flat_tables(tmp_path):
    net = nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.ReLU(), nn.Flatten())
    path = export(net, tmp_path / "net.pt2", shape=(1, 2, 2))
    table = tmp_path / "images.tsv"
    table.write_text("p0\tp1\tp2\tp3\n1\t2\t3\t4\n")
    found = attribute_program(path, table)
    assert [t.target for t in found.targets] == ["0", "1"]
    assert {row.source for row in found.targets[0].contributions} == {"p0", "p1", "p2", "p3"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"targets": [2]}, "out of range"),
        ({"baseline": "median"}, "expected a number"),
        ({"baseline": float("inf")}, "finite"),
    ],
)
def test_bad_requests_get_a_sentence(program, table, options, words):
    with pytest.raises(ConfigError, match=words):
        attribute_program(program, table, **options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,c\n", "1 lines"),
        ("1,2,3\n4,5,6\n", "begins with numbers"),
        ("a,a,b\n1,2,3\n", "two columns 'a'"),
        ("a,b,c\n1,,3\n", "line 2, column 'b'"),
        ("a,b,c\n1,2,nan\n", "column 'c'"),
        ("a,b,c\n1,2,3\n4,5\n", "line 3"),
    ],
)
def test_bad_tables_get_a_sentence(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_features(path)


def test_a_table_of_another_width_is_refused(program, tmp_path):
    path = tmp_path / "narrow.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="2 columns"):
        attribute_program(program, path)


# ------------------------------------------------------- nothing in a file is ever run
class Payload:
    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


def rewritten(program, path, change):
    """Copy an archive, with some of its members changed."""
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return path


def graph_with(edit):
    def change(name, content):
        if not name.endswith("models/model.json"):
            return content
        graph = json.loads(content)
        edit(graph)
        return json.dumps(graph).encode()

    return change


def weights_pickled(name, content):
    if not name.endswith("weights_config.json"):
        return content
    config = json.loads(content)
    for entry in config["config"].values():
        entry["use_pickle"] = True
    return json.dumps(config).encode()


def samples_pickled(name, content):
    if "sample_inputs" not in name:
        return content
    buffer = io.BytesIO()
    torch.save((Payload(),), buffer)
    return buffer.getvalue()


def calls_something_else(graph):
    graph["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.system"


def size_as_code(graph):
    values = graph["graph_module"]["graph"]["tensor_values"]
    for value in values.values():
        for size in value["sizes"]:
            if "as_expr" in size:
                size["as_expr"]["expr_str"] = "exec(chr(49))"


def guards(graph):
    graph["guards_code"] = ["print(1)"]


def name_as_code(graph):
    graph["graph_module"]["graph"]["nodes"][0]["name"] = "x = 1; print(x)"


@pytest.mark.parametrize(
    "change",
    [
        weights_pickled,
        samples_pickled,
        *map(graph_with, (calls_something_else, size_as_code, guards, name_as_code)),
    ],
    ids=["weights", "samples", "call", "size", "guards", "name"],
)
def test_what_would_have_to_be_run_is_refused(program, tmp_path, change):
    path = rewritten(program, tmp_path / "bad.pt2", change)
    with pytest.raises(InputError, match="would have to be run"):
        load_program(path)


def test_an_archive_that_was_only_copied_still_loads(program, tmp_path):
    path = rewritten(program, tmp_path / "same.pt2", lambda name, content: content)
    assert load_program(path).shape == (3,)


@pytest.mark.parametrize("kind", ["pickle", "torch", "text", "cut"])
def test_other_files_are_refused(program, tmp_path, kind):
    path = tmp_path / "model.pt"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Payload()))
    elif kind == "torch":
        torch.save(Payload(), path)
    elif kind == "text":
        path.write_text("weights")
    else:
        path.write_bytes(program.read_bytes()[:2000])
    with pytest.raises(InputError, match="exported program"):
        load_program(path)


def test_a_model_of_two_inputs_is_refused(tmp_path):
    class Two(nn.Module):
        def forward(self, a, b):
            return a + b

    x = torch.ones(2, 3)
    torch.export.save(torch.export.export(Two(), (x, x)), tmp_path / "two.pt2")
    with pytest.raises(InputError, match="2 inputs"):
        load_program(tmp_path / "two.pt2")
