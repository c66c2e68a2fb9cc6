"""Graphs from files of weights, tables of edges and run folders."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open

from niwaki.core import InputError, MotifSummary, Network, check_file, derived_seed
from niwaki.experiment._folder import open_run
from niwaki.experiment._network import read_out
from niwaki.experiment._predict import load_model
from niwaki.knowledge import read_network
from niwaki.motifs import (
    DirectedGraph,
    LayeredGraph,
    directed_graph,
    from_weights,
    layered_from_edges,
    summarise_motifs,
)

_PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin")
FIT_SAMPLES = 1_000  # fewer could not call one motif among all at a false discovery rate of 5 %
_FIT_EDGES, _FIT_NODES = 1_000, 500  # larger networks would hold up a fit


def read_graph(
    path: Path | str, *, layered: bool = False, biases: bool = True
) -> LayeredGraph | DirectedGraph:
    """Return the graph in a file, or of a run.

    Parameters
    ----------
    path
        A run folder; weights as ``.safetensors``, ``.npz`` or ``.npy``, one matrix
        ``[target, source]`` per layer in the natural order of their names; or a table of edges.
    layered
        Read a table of edges as layers, which it must then allow.
    biases
        Whether a bias, stored as ``NAME.bias`` beside ``NAME.weight``, is a node.

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    place = Path(path)
    if place.is_dir():
        open_run(place)
        model = load_model(place)
        found = read_out(model.field, model.masks, model.genes, limit=None).network
        return _directed(found, place)
    check_file(place)
    ending = place.suffix.lower()
    if ending in _PICKLED:
        raise InputError(
            f"{place} is a pickle, which could run code when opened, so it is not read; save the "
            "weights with safetensors.torch.save_file(model.state_dict(), 'model.safetensors')."
        )
    if ending in (".safetensors", ".npz", ".npy"):
        return _weights(place, _arrays(place), biases)
    read = read_network(place)
    if not layered:
        return _directed(read.network, place, read.notes)
    network = read.network
    return layered_from_edges(
        [network.genes[i] for i in network.source],
        [network.genes[i] for i in network.target],
        weight=network.weight.tolist(),
    )


def network_motifs(network: Network, *, seed: int) -> MotifSummary | None:
    """Return the motifs of a fitted gene network, held against random graphs.

    None where there is no edge between two genes; only a note where the network is so large that
    this would hold up the fit.

    Parameters
    ----------
    network
        The network of the fit.
    seed
        The run's seed.
    """
    if not (network.source != network.target).any():
        return None
    graph = directed_graph(network)
    if len(graph.source) > _FIT_EDGES or len(graph.names) > _FIT_NODES:
        note = (
            f"With {len(graph.source):,} edges between {len(graph.names):,} genes the motifs were "
            "not looked at during the fit; niwaki motifs RUN does it."
        )
        return MotifSummary(
            kind="directed",
            nodes=len(graph.names),
            edges=len(graph.source),
            samples=0,
            rows=[],
            notes=[*graph.notes, note],
        )
    return summarise_motifs(graph, samples=FIT_SAMPLES, rng=derived_seed(seed, "motifs"))


def _directed(network: Network, path: Path, notes: tuple[str, ...] = ()) -> DirectedGraph:
    try:
        graph = directed_graph(network)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # the reader says that it kept self-loops, and the graph that it left them out
    kept = (*(note for note in notes if "to itself" not in note), *graph.notes)
    return DirectedGraph(graph.names, graph.source, graph.target, graph.weight, graph.signed, kept)


def _arrays(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return the arrays of a file by name."""
    try:
        if path.suffix.lower() == ".safetensors":
            with safe_open(path, framework="pt") as handle:
                return {n: handle.get_tensor(n).double().numpy() for n in handle.keys()}
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"weight": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (SafetensorError, OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as {path.suffix[1:]} ({error}); save it again."
        ) from error


def _weights(path: Path, arrays: Mapping[str, np.ndarray], biases: bool) -> LayeredGraph:
    """Return the graph of the matrices of a file, masked where it holds masks too."""
    plain = {n: a for n, a in arrays.items() if not n.startswith("mask.")}
    matrices, names = [], []
    for name in sorted(plain, key=_natural):
        array = plain[name]
        if array.dtype.kind not in "fiub":
            raise InputError(f"{path}: '{name}' holds no numbers; expected matrices of weights.")
        mask = arrays.get(f"mask.{name}")
        values = array.astype(float) if mask is None else array * (mask != 0)
        if values.ndim > 2:  # a kernel counts as its norm
            values = np.linalg.norm(values.reshape(*values.shape[:2], -1), axis=-1)
        if values.ndim == 2:
            matrices.append(values)
            names.append(name)
    if not matrices:
        raise InputError(f"{path} holds no matrix; expected one [target, source] per layer.")
    vectors = []
    for name, matrix in zip(names, matrices, strict=True):
        bias = plain.get(re.sub(r"weight$", "bias", name)) if name.endswith("weight") else None
        fits = biases and bias is not None and bias.shape == matrix.shape[:1]
        vectors.append(np.asarray(bias, dtype=float) if fits else None)
    try:
        return from_weights(matrices, biases=vectors)
    except InputError as error:
        raise InputError(f"{path} ({', '.join(names)}): {error}") from error


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that puts ``layer10`` after ``layer9``."""
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name) if p]
