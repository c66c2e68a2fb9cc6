"""Motif counts and z-scores against the published way and against igraph.

    python benchmarks/motifs.py [--json] [--quick] [--study FOLDER]

The network is one of a moth study at 93 % (``--study``: the folder of ``niwaki benchmark moth
--out``), else a random one of the same live nodes, edges per layer and unequal degrees.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from math import comb
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from scipy import stats

from niwaki.motifs import (
    MOTIFS,
    LayeredGraph,
    ProfileLog,
    count,
    count_batch,
    flatten,
    from_weights,
    trim,
    uniform_moments,
)
from niwaki.motifs._count import count_flat
from niwaki.motifs._layered import Flat
from niwaki.motifs._sample import sample_degree, sample_uniform
from niwaki.sweep._moth_groups import claimed_plan, read_stages

SIZES = (8, 174, 400, 118, 7, 6)  # live nodes of a trained network at 93 %
EDGES = (284, 4_800, 2_982, 129, 8)
BIASES = (1, 8, 2, 0, 0)
TRIADS = {"diverging2": "021D", "converging2": "021U", "chain2": "021C"}
Row = dict[str, Any]


def stand_in(rng: np.random.Generator) -> LayeredGraph:
    """Return a random network of the size of a trained one, with unequal nodes."""
    weights, biases = [], []
    for i, edges in enumerate(EDGES):
        shape = (SIZES[i + 1], SIZES[i])
        chance = np.outer(rng.gamma(3.0, size=shape[0]), rng.gamma(1.0, size=shape[1])).ravel()
        chosen = rng.choice(len(chance), size=edges, replace=False, p=chance / chance.sum())
        mask = np.zeros(len(chance))
        mask[chosen] = rng.normal(size=edges)
        weights.append(mask.reshape(shape))
        biases.append(np.arange(shape[0]) < BIASES[i])
    return trim(from_weights(weights, biases=biases))[0]


def trained(folder: Path) -> LayeredGraph:
    """Return the first network of a moth study at 93 %."""
    plan = claimed_plan(folder)
    group = tuple(range(plan.group))
    for stage in read_stages(plan, group, folder / "group_0000"):
        if stage.sparsity == 0.93:
            weights = [w[0] for w in stage.weights]
            return trim(from_weights(weights, biases=[b[0] for b in stage.biases]))[0]
    raise SystemExit(f"{folder} holds no network at 93 % yet; let the study go on.")


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Return the median processor time of a call in milliseconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        run()
        times.append(1e3 * (time.process_time() - began))
    return statistics.median(times)


def published_sample(masks: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Return random masks as the released code makes them: spare ones, then one per row, column.

    Blocks that are too sparse for that are laid at random here; there they stay empty.
    """
    made = []
    for mask in masks:
        rows, columns = mask.shape
        edges = int(mask.sum())
        new = np.zeros((rows, columns))
        spare = max(edges - rows - columns, 0)
        new.ravel()[rng.choice(new.size, size=spare, replace=False)] = 1
        for side in (new, new.T):
            for line in side:
                if new.sum() >= edges:
                    break
                free = np.flatnonzero(line == 0)
                if len(free):
                    line[rng.choice(free)] = 1
        made.append(new)
    return made


def published_counts(masks: list[np.ndarray]) -> list[int]:
    """Return nine counts by the loops of the released code (definitions corrected)."""
    totals = [0] * 9
    for mask in masks:
        totals[0] += int(np.count_nonzero(mask))
        for line in mask:
            n = int(np.count_nonzero(line))
            totals[1] += comb(n, 2)
            totals[4] += comb(n, 3)
        for line in mask.T:
            n = int(np.count_nonzero(line))
            totals[2] += comb(n, 2)
            totals[5] += comb(n, 3)
        for i, line in enumerate(mask[:-1]):
            for shared in mask[i + 1 :] @ line:
                totals[7] += comb(int(shared), 2)
    for a, b in itertools.pairwise(masks):
        inner = b[: a.shape[1]]
        product = a @ inner
        totals[3] += int(np.count_nonzero(product))
        totals[8] += int(sum(comb(int(v), 2) for v in product.ravel()))
    for a, b, c in zip(masks[:-2], masks[1:-1], masks[2:], strict=True):
        totals[6] += int(np.count_nonzero(a @ b[: a.shape[1]] @ c[: b.shape[1]]))
    return totals


def dense_masks(graph: LayeredGraph) -> list[np.ndarray]:
    """Return masks ``[source, target]`` with the bias as a last row, as the released code has."""
    made = []
    for (_, t), block in sorted(graph.blocks.items()):
        mask = (block.toarray() != 0).astype(float).T
        bias = graph.biases.get(t, np.zeros(mask.shape[1]))
        made.append(np.vstack([mask, bias != 0]))
    return made


def z_row(graph: LayeredGraph, *, quick: bool) -> Row:
    """Time z-scores of all motifs against 1,000 networks of the published sampler."""
    masks = dense_masks(graph)
    rng = np.random.default_rng(0)
    uniform_moments(graph)  # the patterns of overlaps are worked out once per process
    ours = median_ms(lambda: (count(graph), uniform_moments(graph)), 5 if quick else 25)
    one = median_ms(lambda: published_counts(published_sample(masks, rng)), 2 if quick else 10)
    return row(
        "z of all motifs", ours, 1_000 * one, "1,000 networks of the published sampler", 1_000
    ) | {"rival_networks_timed": 2 if quick else 10, "motifs": len(MOTIFS), "rival_motifs": 9}


def igraph_row(graph: LayeredGraph, *, quick: bool) -> Row | None:
    """Time counts of all ten classes of four nodes against igraph; None where it is missing.

    All 3 + 10 induced classes are compared one by one, those of three nodes with networkx too.
    """
    try:
        import igraph
    except ImportError:
        return None
    flat = flatten(graph)
    ends = list(zip(flat.source.tolist(), flat.target.tolist(), strict=True))
    rival = igraph.Graph(n=flat.nodes, edges=ends, directed=True)
    census = {size: rival.motifs_randesu(size=size) for size in (3, 4)}
    triads = nx.triadic_census(nx.DiGraph(ends))
    own = count(graph, induced=True).total
    for name, motif in MOTIFS.items():
        if motif.nodes == 2:
            continue
        place = igraph.Graph(n=motif.nodes, edges=motif.edges, directed=True).isoclass()
        found = {"igraph": int(census[motif.nodes][place])}
        if name in TRIADS:
            found["networkx"] = triads[TRIADS[name]]
        for who, number in found.items():
            if number != own[name]:
                raise SystemExit(f"{name}: {who} counts {number}, we count {own[name]}")
    ours = median_ms(lambda: count(graph, induced=True), 5 if quick else 25)
    theirs = median_ms(lambda: rival.motifs_randesu(size=4), 1 if quick else 5)
    return row("counts of four nodes", ours, theirs, "igraph motifs_randesu", 100) | {
        "classes_equal_to_igraph": sum(m.nodes > 2 for m in MOTIFS.values()),
        "classes_equal_to_networkx": len(TRIADS),
    }


def curveball_row(*, quick: bool, seed: int = 4) -> Row:
    """Return chi-square tests of the curveball on every case of degrees from 2 x 3 to 4 x 4.

    A case is a choice of degrees up to the order of rows and of columns; with one graph only there
    is nothing to test. The sum of all statistics is a chi-square test of all cases together.
    """
    rng, shapes = np.random.default_rng(seed), [(2, 3), (2, 4), (3, 3), (3, 4), (4, 4)]
    p_values, states, outside, squares = [], 0, 0, 0.0
    for rows, columns in shapes[:3] if quick else shapes:
        for masks in cases_of(rows, columns):
            if len(masks) < 2:
                continue
            flat = flatten(from_weights([masks[0].astype(float)]))
            index = {key(flatten(from_weights([m.astype(float)]))): i for i, m in enumerate(masks)}
            times = np.zeros(len(masks))
            for _ in range((20 if quick else 60) * len(masks)):
                place = index.get(key(sample_degree(flat, rng)))
                outside += place is None
                times[place or 0] += place is not None
            tested = stats.chisquare(times)
            p_values.append(float(tested.pvalue))
            squares += float(tested.statistic)
            states += len(masks)
    return {
        "name": "curveball: chi-square on every case of degrees, 2 x 3 to 4 x 4",
        "unit": "p-values",
        "cases": len(p_values),
        "graphs": states,
        "degrees_or_layers_broken": outside,
        "share_below_0.05": float(np.mean(np.array(p_values) < 0.05)),
        "smallest_p": min(p_values),
        "smallest_p_expected": 1 / (len(p_values) + 1),
        "all_cases_together_p": float(stats.chi2.sf(squares, states - len(p_values))),
    }


def key(flat: Flat) -> bytes:
    """Return what tells the graphs of one case apart."""
    return bytes(np.sort(flat.source * flat.nodes + flat.target).tolist())


def cases_of(rows: int, columns: int) -> list[list[np.ndarray]]:
    """Return all masks of a shape by their degrees; one order of rows and columns each."""
    found: dict[tuple[tuple[int, ...], ...], list[np.ndarray]] = {}
    for bits in itertools.product((False, True), repeat=rows * columns):
        mask = np.array(bits).reshape(rows, columns)
        out, into = mask.sum(1), mask.sum(0)
        if (np.diff(out) >= 0).all() and (np.diff(into) >= 0).all():
            found.setdefault((tuple(out), tuple(into)), []).append(mask)
    return list(found.values())


def row(name: str, ours: float, rival: float, rival_name: str, target: float) -> Row:
    """Return a row of the form that all benchmarks share."""
    return {
        "name": name,
        "ours": ours,
        "rival": rival,
        "rival_name": rival_name,
        "unit": "ms",
        "ratio": rival / ours,
        "target_ratio": target,
    }


def drawn_counts(flat: Flat, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the counts of random networks of the uniform null, ``[draw, motif]``."""
    return np.array(
        [list(count_flat(sample_uniform(flat, rng)).total.values()) for _ in range(draws)], float
    )


def exactness_row(graph: LayeredGraph, *, quick: bool) -> Row:
    """Compare exact moments with those of sampled networks."""
    draws = 200 if quick else 5_000
    moments = uniform_moments(graph)
    values = drawn_counts(flatten(graph), draws, np.random.default_rng(1))
    free = moments.sd() > 0
    gap = np.abs(values.mean(0) - moments.mean)[free] / (moments.sd()[free] / draws**0.5)
    ratio = values.std(0, ddof=1)[free] / moments.sd()[free]
    return {
        "name": "exact uniform null against samples",
        "unit": "standard errors; ratio of deviations",
        "samples": draws,
        "largest_mean_gap_se": float(gap.max()),
        "sd_ratio_low": float(ratio.min()),
        "sd_ratio_high": float(ratio.max()),
    }


def calibration_row(*, quick: bool) -> Row:
    """Return how often random networks of the null have an absolute z above 1.96, by motif."""
    draws = 500 if quick else 20_000
    rng = np.random.default_rng(2)
    sizes, edges = (10, 60, 60, 8), (90, 360, 70)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    stacks = []
    for shape, number in zip(shapes, edges, strict=True):
        keys = rng.random((draws, shape[0] * shape[1])).argsort(axis=1)[:, :number]
        mask = np.zeros((draws, shape[0] * shape[1]), dtype=bool)
        np.put_along_axis(mask, keys, True, axis=1)
        stacks.append(torch.from_numpy(mask.reshape(draws, *shape)))
    moments = uniform_moments(from_weights([s[0].double() for s in stacks]))
    values = np.concatenate(
        [count_batch([s[i : i + 500] for s in stacks]).numpy() for i in range(0, draws, 500)]
    ).astype(float)
    free = moments.sd() > 0
    z = (values[:, free] - moments.mean[free]) / moments.sd()[free]
    names = [name for name, keep in zip(moments.names, free, strict=True) if keep]
    skew = ((z - z.mean(0)) ** 3).mean(0) / z.std(0) ** 3
    return {
        "name": "share of random networks with |z| above 1.96 (normal law: 0.05)",
        "unit": "share",
        "networks": draws,
        "beyond": dict(zip(names, (np.abs(z) > 1.96).mean(0).tolist(), strict=True)),
        "skewness": dict(zip(names, skew.tolist(), strict=True)),
    }


def callback_row(graph: LayeredGraph, *, quick: bool) -> Row:
    """Time a look of the training callback, and a step on which none is due."""
    log = ProfileLog(every=2)
    log(0, graph)
    return {
        "name": "training callback",
        "unit": "ms",
        "look": median_ms(lambda: log(0, graph), 5 if quick else 25),
        "step_not_due": median_ms(lambda: [log(1, graph) for _ in range(10_000)], 3) / 10_000,
    }


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few repeats, in under a minute")
    parser.add_argument("--study", type=Path, help="folder of niwaki benchmark moth --out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    graph = (
        stand_in(np.random.default_rng(0)) if arguments.study is None else trained(arguments.study)
    )
    about = {
        "network": "random stand-in" if arguments.study is None else "moth study, 93 %",
        "edges": graph.edges(),
        "quick": arguments.quick,
    }
    made = [
        z_row(graph, quick=arguments.quick),
        igraph_row(graph, quick=arguments.quick),
        exactness_row(graph, quick=arguments.quick),
        calibration_row(quick=arguments.quick),
        curveball_row(quick=arguments.quick),
        callback_row(graph, quick=arguments.quick),
    ]
    rows = [about | r for r in made if r is not None]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for entry in rows:
        print(entry["name"])
        for key, value in entry.items():
            if key != "name":
                print(
                    f"  {key:<22} {value:.4g}"
                    if isinstance(value, float)
                    else f"  {key:<22} {value}"
                )
    if made[1] is None:
        print("igraph (GPL, for tests only) is not installed, so its row is left out")


if __name__ == "__main__":
    main()
