"""All of a graph's motifs in one record, for pages and machines."""

from collections.abc import Sequence

import numpy as np

from niwaki.core import MotifRow, MotifSummary, as_generator
from niwaki.motifs._directed import DirectedGraph
from niwaki.motifs._instances import instances
from niwaki.motifs._layered import LayeredGraph, flatten
from niwaki.motifs._sample import check_min_degree
from niwaki.motifs._significance import significance
from niwaki.motifs._trim import trim

_SIGNIFICANT = 0.05  # false discovery rate up to which copies of a motif are listed
_MOST_EDGES = 20_000  # above, copies are not listed: they would be too many to look for


def summarise_motifs(
    graph: LayeredGraph | DirectedGraph,
    *,
    nulls: Sequence[str] = ("uniform", "degree"),
    samples: int = 1_000,
    rng: np.random.Generator | int | None = None,
    induced: bool = False,
    copies: int = 20,
) -> MotifSummary:
    """Return motifs with their significance, and copies of the significant ones by name.

    A layered graph is trimmed first; how much of it no signal passes is part of the record.

    Parameters
    ----------
    graph, nulls, samples, rng, induced
        See `significance`.
    copies
        Copies of each motif that is too frequent under a null that keeps degrees or edges (count).

    Raises
    ------
    InputError
        If a layered graph has no path from input to output, or as in `significance`.
    """
    draws = as_generator(rng)
    if isinstance(graph, DirectedGraph):
        rows = significance(graph, nulls=nulls, samples=samples, rng=draws)
        return MotifSummary(
            kind="directed",
            nodes=len(graph.names),
            edges=len(graph.source),
            samples=samples,
            rows=rows,
            instances=_copies(graph, rows, copies),
            notes=list(graph.notes),
        )
    living, report = trim(graph)
    if report.edges_after == 0:
        return _broken(graph, samples)
    rows = significance(living, nulls=nulls, samples=samples, rng=draws, induced=induced)
    return MotifSummary(
        kind="layered",
        nodes=sum(report.live),
        edges=report.edges_after,
        live=list(report.live),
        nominal_sparsity=report.nominal_sparsity,
        effective_sparsity=report.effective_sparsity,
        samples=samples,
        rows=rows,
        instances=_copies(living, rows, copies) if graph.names else {},
        notes=_layered_notes(living, report.edges_before, report.edges_after),
    )


def _broken(graph: LayeredGraph, samples: int) -> MotifSummary:
    """Return the record of a graph through which no signal passes."""
    note = (
        f"No path leads from an input to an output, so none of the {graph.edges()} edges has a "
        "part in what the network computes, and nothing was counted."
    )
    return MotifSummary(
        kind="layered",
        nodes=0,
        edges=0,
        live=[0] * graph.layers,
        nominal_sparsity=1 - graph.edges() / graph.possible(),
        effective_sparsity=1.0,
        samples=samples,
        rows=[],
        notes=[note],
    )


def _layered_notes(graph: LayeredGraph, before: int, after: int) -> list[str]:
    notes = []
    if after < before:
        notes.append(
            f"{before - after:,} of {before:,} edges lie on no path from an input to an output and "
            "were left out."
        )
    for (s, t), block in sorted(graph.blocks.items()):
        places = block.shape[0] * block.shape[1]
        if block.nnz in (0, places):
            state = "complete" if block.nnz else "empty"
            notes.append(
                f"Layers {s} to {t} are {state}: no null can change them, and motifs that lie "
                "there alone are fixed."
            )
    poor = check_min_degree(flatten(graph))
    if poor:
        notes.append(
            f"The minimum-degree null is not defined for {', '.join(poor)}: fewer edges than nodes."
        )
    return notes


def _copies(
    graph: LayeredGraph | DirectedGraph, rows: Sequence[MotifRow], most: int
) -> dict[str, list[list[str]]]:
    edges = len(graph.source) if isinstance(graph, DirectedGraph) else graph.edges()
    if edges > _MOST_EDGES or most < 1:
        return {}
    found = {}
    for row in rows:
        strict = row.null in ("degree", "signs")
        if strict and row.q is not None and row.q <= _SIGNIFICANT and (row.z or 0) > 0:
            found[row.motif] = [list(c) for c in instances(graph, row.motif, most=most)]
    return found
