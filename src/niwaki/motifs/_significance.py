"""Counts against nulls: z, effect sizes, p-values, false discovery rates, profiles."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy import special

from niwaki.core import InputError, MotifRow, as_generator
from niwaki.motifs._classes import DEGREE_FIXED, MOTIFS, NAMES
from niwaki.motifs._count import count_flat
from niwaki.motifs._directed import (
    TRIAD_WORDS,
    TRIADS,
    DirectedGraph,
    count_loops,
    count_triads,
)
from niwaki.motifs._layered import Flat, LayeredGraph, flatten
from niwaki.motifs._sample import SAMPLERS
from niwaki.motifs._switch import sample_any, sample_signs_directed, sample_switched
from niwaki.motifs._uniform import uniform_moments
from niwaki.motifs._weighted import count_signed_flat

LAYERED_NULLS = ("uniform", "degree", "min-degree", "signs")
DIRECTED_NULLS = ("uniform", "degree", "signs")
NULL_WORDS = {
    "uniform": "nodes per layer and edges per block",
    "degree": "also the degrees of every node",
    "min-degree": "edges per block, at least one per node (published)",
    "signs": "every edge; weights are shuffled",
}
_EPSILON = 4.0  # keeps the normalised difference of rare motifs small, [1] milo2004
_Samples = Mapping[str, Float[np.ndarray, " sample"]]


def significance(
    graph: LayeredGraph | DirectedGraph,
    *,
    nulls: Sequence[str] = ("uniform", "degree"),
    samples: int = 1_000,
    rng: np.random.Generator | int | None = None,
    induced: bool = False,
) -> list[MotifRow]:
    """Hold the motifs of a graph against random graphs, one row per motif and null.

    Two nulls stand side by side by default, because they answer different questions: `uniform`
    keeps the size of the graph only, `degree` also how unequal its nodes are. What is
    remarkable under the first alone restates that some nodes have more edges than others.

    Parameters
    ----------
    graph
        A layered graph, or a directed one with cycles.
    nulls
        ``uniform`` (exact for layered graphs), ``degree`` (curveball, or switching that keeps
        reciprocal edges), ``min-degree`` (layered only, the published sampler), ``signs``. Motifs
        by sign are always held against ``signs``, and only where weights have both signs.
    samples
        Random graphs per sampled null (count).
    rng
        Source of the draws, or its seed.
    induced
        Count motifs of layered graphs without those inside denser ones; triads always are so.

    Raises
    ------
    InputError
        If a null is unknown or not defined for the graph, or `samples` is below 20.

    References
    ----------
    .. [1] milo2004, significance profile and normalised difference.
    .. [2] phipson2010, the empirical p-value (r + 1) / (n + 1), which is never 0.
    .. [3] benjamini1995, the false discovery rate, over all motifs of one null.
    """
    layered = isinstance(graph, LayeredGraph)
    known = LAYERED_NULLS if layered else DIRECTED_NULLS
    for null in nulls:
        if null not in known:
            raise InputError(
                f"null '{null}' is unknown for a {'layered' if layered else 'directed'} graph; "
                f"there are {', '.join(known)}."
            )
    if samples < 20:
        raise InputError(f"{samples} samples were asked for; expected at least 20.")
    draws = as_generator(rng)
    if isinstance(graph, LayeredGraph):
        return _layered(graph, tuple(nulls), samples, draws, induced)
    return _directed(graph, tuple(nulls), samples, draws)


def _layered(
    graph: LayeredGraph,
    nulls: tuple[str, ...],
    samples: int,
    rng: np.random.Generator,
    induced: bool,
) -> list[MotifRow]:
    flat = flatten(graph)
    observed = count_flat(flat, induced=induced).total
    rows: list[MotifRow] = []
    for null in nulls:
        if null == "uniform":
            moments = uniform_moments(graph, induced=induced)
            rows += _exact_rows(observed, moments.mean, moments.sd())
        elif null != "signs":
            drawn = _drawn(flat, null, samples, rng, lambda f: count_flat(f, induced=induced).total)
            fixed = DEGREE_FIXED if null == "degree" else frozenset({"edge"})
            rows += _sampled_rows(observed, drawn, null, fixed)
    if (flat.weight > 0).any() and (flat.weight < 0).any():
        drawn = _drawn(flat, "signs", samples, rng, lambda f: count_signed_flat(f).total)
        rows += _sampled_rows(count_signed_flat(flat).total, drawn, "signs", frozenset())
    return rows


def _drawn(
    flat: Flat,
    null: str,
    samples: int,
    rng: np.random.Generator,
    counted: Callable[[Flat], dict[str, int]],
) -> _Samples:
    found = [counted(SAMPLERS[null](flat, rng)) for _ in range(samples)]
    return {name: np.array([float(f[name]) for f in found]) for name in found[0]}


def _directed(
    graph: DirectedGraph, nulls: tuple[str, ...], samples: int, rng: np.random.Generator
) -> list[MotifRow]:
    makers = {"uniform": sample_any, "degree": sample_switched, "signs": sample_signs_directed}
    both_signs = graph.signed and bool((graph.weight > 0).any() and (graph.weight < 0).any())
    rows: list[MotifRow] = []
    for null in nulls:
        if null == "signs":
            continue
        found = [_plain(g) for g in makers[null](graph, rng, samples)]
        drawn = {name: np.array([float(f[name]) for f in found]) for name in found[0]}
        rows += _sampled_rows(_plain(graph), drawn, null, frozenset())
    if both_signs:
        found = [_by_sign(g) for g in sample_signs_directed(graph, rng, samples)]
        drawn = {name: np.array([float(f[name]) for f in found]) for name in found[0]}
        rows += _sampled_rows(_by_sign(graph), drawn, "signs", frozenset())
    return rows


def _plain(graph: DirectedGraph) -> dict[str, int]:
    """Return triads and loops whatever their sign."""
    loops = count_loops(graph)
    return count_triads(graph) | {name: loops[name] for name in _LOOP_WORDS}


def _by_sign(graph: DirectedGraph) -> dict[str, int]:
    return {n: c for n, c in count_loops(graph).items() if n.split("_")[0] in _SIGNS}


_SIGNS = ("coherent", "incoherent", "positive", "negative")
_LOOP_WORDS = {
    "feed_forward": "a→b→c, a→c",
    "feedback2": "a→b→a",
    "feedback3": "a→b→c→a",
}


def pattern(name: str) -> str:
    """Return a motif as a person writes it."""
    if name in MOTIFS:
        return MOTIFS[name].words
    if name in TRIADS:
        return TRIAD_WORDS[name]
    sign, _, base = name.partition("_")
    if sign in _SIGNS:
        return f"{pattern(base)} ({sign})"
    return _LOOP_WORDS.get(name, name)


def _exact_rows(observed: Mapping[str, int], mean: np.ndarray, sd: np.ndarray) -> list[MotifRow]:
    z = [
        (observed[name] - float(m)) / float(s) if s > 0 else None
        for name, m, s in zip(NAMES, mean, sd, strict=True)
    ]
    p = [None if v is None else float(2 * special.ndtr(-abs(v))) for v in z]
    return _rows(observed, "uniform", mean=mean, sd=sd, z=z, p=p, exact=True)


def _sampled_rows(
    observed: Mapping[str, int], drawn: _Samples, null: str, fixed: frozenset[str]
) -> list[MotifRow]:
    mean = np.array([drawn[name].mean() for name in observed])
    sd = np.array([0.0 if n in fixed else drawn[n].std(ddof=1) for n in observed])
    z: list[float | None] = []
    p: list[float | None] = []
    for name, m, s in zip(observed, mean, sd, strict=True):
        if s == 0:
            z.append(None)
            p.append(None)
            continue
        z.append((observed[name] - float(m)) / float(s))
        p.append(empirical_p(drawn[name], observed[name]))
    return _rows(observed, null, mean=mean, sd=sd, z=z, p=p, exact=False)


def empirical_p(drawn: Float[np.ndarray, " sample"], observed: float | int) -> float:
    """Return the two-sided share of random graphs at least as extreme, with one added to both.

    References
    ----------
    .. [1] phipson2010
    """
    more, less = int((drawn >= observed).sum()), int((drawn <= observed).sum())
    return min(1.0, 2 * (min(more, less) + 1) / (len(drawn) + 1))


def false_discovery_rates(p: Sequence[float | None]) -> list[float | None]:
    """Return the rate at which each hypothesis would be called; None stays None.

    References
    ----------
    .. [1] benjamini1995
    """
    known = [i for i, value in enumerate(p) if value is not None]
    rates: list[float | None] = [None] * len(p)
    if known:
        from scipy import stats  # loads slowly, and not everyone who imports motifs tests them

        values = stats.false_discovery_control([p[i] for i in known])
        for i, rate in zip(known, values, strict=True):
            rates[i] = float(rate)
    return rates


def _rows(
    observed: Mapping[str, int],
    null: str,
    *,
    mean: np.ndarray,
    sd: np.ndarray,
    z: list[float | None],
    p: list[float | None],
    exact: bool,
) -> list[MotifRow]:
    length = float(np.sqrt(sum(v * v for v in z if v is not None))) or 1.0
    rates = false_discovery_rates(p)
    return [
        MotifRow(
            motif=name,
            pattern=pattern(name),
            null=null,
            observed=observed[name],
            mean=float(mean[i]),
            sd=float(sd[i]),
            z=z[i],
            ratio=observed[name] / float(mean[i]) if mean[i] > 0 else None,
            difference=(observed[name] - float(mean[i]))
            / (observed[name] + float(mean[i]) + _EPSILON),
            p=p[i],
            q=rates[i],
            profile=None if z[i] is None else z[i] / length,  # type: ignore[operator]
            fixed=z[i] is None,
            exact=exact,
        )
        for i, name in enumerate(observed)
    ]
