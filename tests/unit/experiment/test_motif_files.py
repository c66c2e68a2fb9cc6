import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from niwaki.core import InputError, Network
from niwaki.experiment import _motif_files as files
from niwaki.experiment import network_motifs, read_graph
from niwaki.motifs import DirectedGraph, LayeredGraph, count, from_weights


@pytest.fixture
def layers(rng):
    return [rng.normal(size=(4, 3)), rng.normal(size=(2, 4))]


def test_a_state_dict_is_read_in_the_natural_order_of_its_names(tmp_path):
    model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(11)), nn.Linear(3, 1))
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    graph = read_graph(tmp_path / "m.safetensors")
    assert graph.layers == 13
    last = model[10].weight.detach().double().numpy()
    np.testing.assert_allclose(graph.blocks[10, 11].toarray(), last)
    assert len(graph.biases) == 12
    assert not read_graph(tmp_path / "m.safetensors", biases=False).biases


def test_masks_beside_weights_count(tmp_path, layers):
    tensors = {"a.weight": torch.tensor(layers[0]), "mask.a.weight": torch.zeros(4, 3)}
    tensors["mask.a.weight"][1, 2] = 1
    save_file(tensors, tmp_path / "m.safetensors")
    assert read_graph(tmp_path / "m.safetensors").edges() == 1


def test_arrays_are_read_too(tmp_path, layers):
    np.savez(tmp_path / "m.npz", *layers)
    np.save(tmp_path / "m.npy", layers[0])
    assert count(read_graph(tmp_path / "m.npz")) == count(from_weights(layers))
    assert read_graph(tmp_path / "m.npy").sizes == (3, 4)


def test_a_kernel_is_one_edge_per_pair_of_channels(tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 1))
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    assert read_graph(tmp_path / "m.safetensors").sizes == (2, 3, 4)


def test_a_table_of_edges_is_a_directed_graph_or_layers(tmp_path):
    path = tmp_path / "e.tsv"
    path.write_text("source\ttarget\nA\tB\nB\tC\nA\tA\n")
    graph = read_graph(path)
    assert isinstance(graph, DirectedGraph)
    assert any("self-loop" in note for note in graph.notes)
    path.write_text("source\ttarget\nA\tB\nB\tC\n")
    assert isinstance(read_graph(path, layered=True), LayeredGraph)


def test_a_run_is_its_network(run):
    graph = read_graph(run)
    assert isinstance(graph, DirectedGraph)
    record = json.loads((run / "record.json").read_text())
    if record["motifs"] is not None:
        assert len(graph.source) == record["motifs"]["edges"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("m.pt", b"x", "is a pickle"),
        ("m.npz", b"x", "cannot be read as npz"),
        ("m.safetensors", b"x" * 20, "cannot be read as safetensors"),
        ("e.tsv", b"source\ttarget\nA\tA\n", "no edge"),
        ("m.npy", b"", "is empty"),
    ],
)
def test_unusable_files_are_refused_in_words(name, content, expected, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        read_graph(tmp_path / name)
    assert name in str(caught.value)


def test_arrays_that_are_no_layers_are_refused(tmp_path, layers):
    np.savez(tmp_path / "a.npz", layers[0], layers[0])
    with pytest.raises(InputError, match="arr_0, arr_1"):
        read_graph(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", np.ones(3))
    with pytest.raises(InputError, match="holds no matrix"):
        read_graph(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", np.array([["a"]]))
    with pytest.raises(InputError, match="no numbers"):
        read_graph(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", np.array([[np.nan]]))
    with pytest.raises(InputError, match="missing or infinite"):
        read_graph(tmp_path / "d.npz")


def test_the_motifs_of_a_fit_depend_on_its_seed_alone(rng):
    matrix = rng.normal(size=(9, 9)) * (rng.random((9, 9)) < 0.3)
    network = Network.from_matrix(matrix, [f"g{i}" for i in range(9)], signed=True)
    found = network_motifs(network, seed=3)
    assert found == network_motifs(network, seed=3)
    assert {row.null for row in found.rows} == {"uniform", "degree", "signs"}


def test_networks_without_edges_or_with_too_many_hold_up_no_fit(monkeypatch):
    assert network_motifs(Network.from_edges(["a"], ["a"]), seed=0) is None
    monkeypatch.setattr(files, "_FIT_EDGES", 1)
    found = network_motifs(Network.from_edges(["a", "b"], ["b", "c"]), seed=0)
    assert found.rows == []
    assert "niwaki motifs RUN" in found.notes[-1]
