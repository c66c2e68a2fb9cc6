"""Whether a fit finds edges that were taken out of its prior: yeast cell cycle, motif prior.

    python benchmarks/hidden_edges.py [--json] [--quick]

A fifth of the prior's edges is hidden, once as all edges of some regulators and once edge by edge.
The gene field is fitted on the rest, and every pair of a candidate regulator and a target that the
rest does not hold is ranked by its posterior log odds. The score is the area under precision-recall
of the hidden edges, divided by their density: 1 is chance, whose interval comes from 200 random
labellings of the same ranking. Candidates are the prior's regulators, the hidden ones among them.

Rivals rank the same pairs: correlation, correlation one time later, the coefficients of a linear
ODE fitted by ridge (in standard deviations), and how many edges the rest of the prior gives the
regulator and the target, which uses no data at all. ``bayes factor`` is the fit without its prior
odds, which know how many other edges of a regulator stand.

Random labellings take pairs as alike, and they are not: a ranking that only prefers some regulators
or some targets leaves their interval. The interval named ``same degrees`` belongs to the ranking it
stands beside: the hidden edges are exchanged at random, every regulator and every target keeping
its number of them. A score above it says that the right pairs were found. Of whole regulators that
interval tells far more than chance does: a candidate without an edge in the rest is a hidden one,
and putting those first scores 1.9 on all genes without any data.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from niwaki.core import Network, Trajectories
from niwaki.data import read_expression
from niwaki.evaluation import ridge_linear_ode
from niwaki.experiment import read_aligned
from niwaki.experiment._edges import EdgeSearch

SHARE, PASSES = 0.2, 2
DRAWS = 200  # random labellings
SWEEPS = 50  # exchanges offered to every edge in each; with 10, too many edges are where they were
FILES = {
    False: ("pramila_3551genes_1sample_24T.csv", "pramila3551_gene_names.csv"),
    True: ("pramila_500genes_1sample_24T.csv", "pramila500_gene_names.csv"),
}

Scores = Float[np.ndarray, "target candidate"]
Places = Int[np.ndarray, "target candidate"]
Pairs = Bool[np.ndarray, "target candidate"]
Candidates = Int[np.ndarray, " candidate"]


def load(*, quick: bool) -> tuple[Trajectories, Network]:
    """Return expression and the motif prior on its genes, without edges to the gene itself."""
    folder = Path(os.environ.get("NIWAKI_DATA") or "no folder") / "yeast"
    if not folder.is_dir():
        sys.exit("NIWAKI_DATA names no folder with yeast; run niwaki data yeast and set it.")
    values, names = FILES[quick]
    data = read_expression(str(folder / values), genes_file=str(folder / names)).trajectories
    prior = read_aligned(str(folder / "motif_prior.csv"), data.genes).network
    return data, prior.where(prior.source != prior.target)


def hide_regulators(prior: Network, rng: np.random.Generator) -> Bool[np.ndarray, " edge"]:
    """Mark all edges of random regulators, as many as fit into the share to hide."""
    hidden = np.zeros(len(prior), dtype=bool)
    for regulator in rng.permutation(prior.regulators()):
        more = prior.source == regulator
        if (hidden | more).sum() <= SHARE * len(prior):
            hidden |= more
    return hidden


def hide_edges(prior: Network, rng: np.random.Generator) -> Bool[np.ndarray, " edge"]:
    """Mark random edges."""
    hidden = np.zeros(len(prior), dtype=bool)
    hidden[rng.choice(len(prior), round(SHARE * len(prior)), replace=False)] = True
    return hidden


def table(network: Network, candidates: Candidates) -> Pairs:
    """Return which pairs of target and candidate are edges."""
    found = np.zeros((len(network.genes), len(candidates)), dtype=bool)
    found[network.target, np.searchsorted(candidates, network.source)] = True
    return found


def correlation(data: Trajectories, candidates: Candidates, *, lag: int) -> Scores:
    """Return absolute correlations of every target with every candidate `lag` times earlier."""
    later = np.concatenate([item.values[lag:] for item in data.items])
    early = np.concatenate([item.values[: len(item.values) - lag] for item in data.items])
    one, two = (_standardised(part) for part in (later, early[:, candidates]))
    return np.abs(one.T @ two) / len(later)


def _standardised(values: Float[np.ndarray, "row gene"]) -> Float[np.ndarray, "row gene"]:
    centred, spread = values - values.mean(0), values.std(0)
    return centred / np.where(spread > 0, spread, np.inf)


def linear_ode(data: Trajectories, candidates: Candidates) -> Scores:
    """Return absolute coefficients of a ridge linear ODE, in standard deviations of both genes."""
    fit, spread = ridge_linear_ode(data), data.stack().std(0)
    size = np.abs(fit.left @ fit.right[candidates].T) * spread[candidates]
    return size / np.where(spread > 0, spread, np.inf)[:, None]


def degrees(kept: Pairs) -> Scores:
    """Return the product of what the prior gives the regulator and the target (plus one, count)."""
    return np.outer(kept.sum(1) + 1.0, kept.sum(0) + 1.0)


def precision_ratio(places: Int[np.ndarray, " hit"], pairs: int) -> float:
    """Return average precision over density for the places of the hidden edges, from 0."""
    ranks = np.sort(places) + 1
    hits = np.arange(1, len(ranks) + 1)
    return float((hits / ranks).mean() * pairs / len(ranks))


def rank(values: Scores, asked: Pairs, seed: int) -> Places:
    """Return the place of every pair asked for, -1 for others; equal values in random order."""
    flat = values[asked]
    mixed = np.random.default_rng(seed).permutation(len(flat))
    order = mixed[np.argsort(-flat[mixed], kind="stable")]
    found, places = np.full(values.shape, -1), np.empty(len(flat), dtype=int)
    places[order] = np.arange(len(flat))
    found[asked] = places
    return found


def chance(hits: int, pairs: int, seed: int) -> tuple[float, float]:
    """Return the middle 95 % of the ratio when labels are drawn at random."""
    rng = np.random.default_rng(seed)
    return _middle(
        [precision_ratio(rng.choice(pairs, hits, replace=False), pairs) for _ in range(DRAWS)]
    )


def exchange(
    hit: Pairs, asked: Pairs, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " hit"], Int[np.ndarray, " hit"]]:
    """Return the hidden edges with targets exchanged at random, always among the pairs asked for.

    The edges are paired at random, and a pair exchanges targets with probability one half wherever
    that gives two places that are asked for and free. Pairs that share a place, now or after their
    exchange, are left alone whether or not they could exchange: so every step is as likely as its
    reverse, and all arrangements come up equally often in the end.
    """
    now = hit.copy()
    target, source = np.nonzero(now)
    for _ in range(SWEEPS):
        order = rng.permutation(len(target))
        one, two = order[: len(order) // 2], order[len(order) // 2 :][: len(order) // 2]
        touched = np.stack(
            [target[t] * hit.shape[1] + source[s] for t in (one, two) for s in (one, two)]
        )
        _, place, times = np.unique(touched, return_inverse=True, return_counts=True)
        fine = (times[place.reshape(touched.shape)] == 1).all(0)
        fine &= asked[target[two], source[one]] & asked[target[one], source[two]]
        fine &= ~now[target[two], source[one]] & ~now[target[one], source[two]]
        fine &= rng.random(len(one)) < 0.5
        one, two = one[fine], two[fine]
        now[target[one], source[one]] = now[target[two], source[two]] = False
        target[one], target[two] = target[two], target[one]
        now[target[one], source[one]] = now[target[two], source[two]] = True
    return target, source


def _middle(ratios: list[float]) -> tuple[float, float]:
    low, high = np.percentile(ratios, (2.5, 97.5))
    return float(low), float(high)


def measure(
    name: str,
    data: Trajectories,
    prior: Network,
    hidden: Bool[np.ndarray, " edge"],
    *,
    passes: int,
    seed: int,
) -> list[dict[str, object]]:
    """Return one row per rival for one way of hiding."""
    candidates = prior.regulators()
    rest = prior.where(~hidden)
    began = time.perf_counter()
    search = EdgeSearch(data, rest, candidates)
    for _ in range(passes):
        search.step()
    seconds = time.perf_counter() - began
    kept, truth = table(rest, candidates), table(prior.where(hidden), candidates)
    asked = ~kept & search.possible
    hits, pairs = int(truth.sum()), int(asked.sum())
    rng = np.random.default_rng(seed)
    mixed = [exchange(truth, asked, rng) for _ in range(DRAWS)]
    found = {}
    for ranking, values in {
        "posterior log odds": search.state.odds,
        "bayes factor": search.state.factor,
        "correlation": correlation(data, candidates, lag=0),
        "lagged correlation": correlation(data, candidates, lag=1),
        "ridge linear ODE": linear_ode(data, candidates),
        "degrees of the prior": degrees(kept),
    }.items():
        places = rank(values, asked, seed)
        ratio = precision_ratio(places[truth], pairs)
        found[ranking] = (ratio, *_middle([precision_ratio(places[m], pairs) for m in mixed]))
    ours, ours_low, ours_high = found.pop("posterior log odds")
    low, high = chance(hits, pairs, seed)
    return [
        {
            "name": name,
            "ours": ours,
            "rival": theirs,
            "rival_name": rival,
            "unit": "AUPRC / density",
            "ratio": ours / theirs,
            "chance_low": low,
            "chance_high": high,
            "ours_same_degrees_low": ours_low,
            "ours_same_degrees_high": ours_high,
            "rival_same_degrees_low": theirs_low,
            "rival_same_degrees_high": theirs_high,
            "genes": len(data.genes),
            "candidates": len(candidates),
            "pairs": pairs,
            "hidden": hits,
            "hidden_regulators": len(np.unique(prior.source[hidden])),
            "prior_trust": search.state.trust.shares[0],
            "passes": passes,
            "fit_seconds": seconds,
        }
        for rival, (theirs, theirs_low, theirs_high) in found.items()
    ]


def as_table(rows: list[dict[str, object]]) -> str:
    """Return the rows for a person."""
    lines = []
    for name in dict.fromkeys(row["name"] for row in rows):
        part = [row for row in rows if row["name"] == name]
        first = part[0]
        lines += [
            f"{name}: {first['hidden']} edges of {first['hidden_regulators']} regulators among "
            f"{first['pairs']} pairs ({first['genes']} genes, {first['candidates']} candidates)",
            f"  {'':22} {'score':>6}  same degrees",
            _line("posterior log odds", first, "ours"),
            *(_line(str(row["rival_name"]), row, "rival") for row in part),
            f"  {'random labels':30}  {first['chance_low']:.3f} to {first['chance_high']:.3f}",
            f"  fit {first['fit_seconds']:.0f} s, trust in the prior {first['prior_trust']:.3f}",
        ]
    return "\n".join([*lines, "AUPRC / density; larger is better"])


def _line(name: str, row: dict[str, object], whose: str) -> str:
    low, high = (row[f"{whose}_same_degrees_{end}"] for end in ("low", "high"))
    return f"  {name:22} {row[whose]:6.3f}  {low:.3f} to {high:.3f}"


def main() -> None:
    """Hide, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print rows for a machine")
    parser.add_argument("--quick", action="store_true", help="500 genes and one pass")
    parser.add_argument("--seed", type=int, default=0, help="seed of what is hidden")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, prior = load(quick=options.quick)
    rng = np.random.default_rng(options.seed)
    splits = {
        "whole regulators": hide_regulators(prior, rng),
        "random edges": hide_edges(prior, rng),
    }
    rows = [
        {**row, "seed": options.seed, "quick": options.quick}
        for name, hidden in splits.items()
        for row in measure(
            name,
            data,
            prior,
            hidden,
            passes=1 if options.quick else PASSES,
            seed=options.seed,
        )
    ]
    print(json.dumps(rows, indent=1) if options.json else as_table(rows))


if __name__ == "__main__":
    main()
