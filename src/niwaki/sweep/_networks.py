"""Many fresh networks with exact truth: does a fit beat its prior, and are its odds honest."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niwaki.core import PRIOR_ALONE, ConfigError, Network, Record, Trajectories, derived_seed
from niwaki.data import add_noise, generate_network, integrate, sample_starts
from niwaki.evaluation import score_forecast, score_network
from niwaki.experiment import Progress, make_config, make_material, run_rounds
from niwaki.experiment._gene_arm import load_edges
from niwaki.knowledge import move_edges
from niwaki.sweep._methods import METHODS
from niwaki.sweep._reliability import Claims, ReliabilityRow, reliability
from niwaki.sweep._rows import BenchmarkRow, network_row

_GENES, _IN_DEGREE = (20, 200), (1.5, 2.5)
_OR_SHARE, _ACTIVATION_SHARE = (0.3, 0.7), (0.5, 0.9)
_NOISE, _MOVED = (0.025, 0.05, 0.1), (0.05, 0.1, 0.2)
_TRAIN, _TEST, _TIMES = 60, 10, (0.0, 1.0, 2.0, 4.0, 6.0, 9.0)
_QUICK_COUNT, _QUICK_MEMBERS = 3, 10
_GENE = "gene"


class GeneratedRow(BenchmarkRow):
    """One network on one generated data set; `noise` is that of the expression alone.

    Attributes
    ----------
    genes
        Size of the network (count).
    moved
        Share of the prior's edges in wrong places.
    in_degree, or_share, activation_share
        What the network was drawn with; see `data.generate_network`.
    """

    genes: int
    moved: float
    in_degree: float
    or_share: float
    activation_share: float


class NetworksSummary(Record):
    """The fits of many networks against their priors alone.

    Attributes
    ----------
    networks, better
        Networks, and those in which the fit's F1 is strictly above the prior's (counts).
    fit_f1, prior_f1
        Mean F1 of both.
    """

    networks: int
    better: int
    fit_f1: float
    prior_f1: float


@dataclass(frozen=True)
class NetworksBenchmark:
    """All that the benchmark on generated networks finds.

    Attributes
    ----------
    rows
        Two per network: its prior alone, and the fit.
    summary
        Over all networks.
    reliability
        How often edges of a probability or stability are true, over all networks together.
    """

    rows: list[GeneratedRow]
    summary: NetworksSummary
    reliability: list[ReliabilityRow]


@dataclass(frozen=True)
class _Setting:
    """What one network is drawn with."""

    genes: int
    in_degree: float
    or_share: float
    activation_share: float
    noise: float
    moved: float


@dataclass(frozen=True)
class _Case:
    """One network, its data and its prior."""

    setting: _Setting
    truth: Network
    prior: Network
    train: Trajectories
    test: Trajectories


def benchmark_networks(
    count: int = 100, *, seed: int = 0, quick: bool = False, progress: Progress | None = None
) -> NetworksBenchmark:
    """Fit fresh networks of the built-in generator and hold each fit against its prior alone.

    Networks have 20 to 200 genes (log-uniform), 1.5 to 2.5 regulators per gene, 30 to 70 % OR, and
    50 to 90 % activation; noise of 0.025, 0.05 or 0.1 on 60 training trajectories of six times, and
    5, 10 or 20 % of the prior's edges in wrong places; the prior knows signs, and those of its true
    edges are right. Forecasts are tested on 10 noise-free trajectories. A network depends on `seed`
    and its number alone, not on `count`.

    Parameters
    ----------
    count
        Number of networks.
    seed
        Seed of the networks, data, priors and fits.
    quick
        At most three networks and few members, to see that everything runs.
    progress
        Told about every network, with its held-out loss.

    Raises
    ------
    ConfigError
        If `count` is not positive.
    """
    if count < 1:
        raise ConfigError(f"{count} networks were asked for; expected at least 1.")
    count = min(count, _QUICK_COUNT) if quick else count
    rows: list[GeneratedRow] = []
    claims = []
    for number in range(count):
        found, claim = _run(number, seed, quick)
        rows += found
        claims.append(claim)
        if progress is not None:
            progress("networks", number + 1, count, found[-1].held_out_loss or 0.0)
    return NetworksBenchmark(rows, _summarise(rows), reliability(claims))


def _run(number: int, seed: int, quick: bool) -> tuple[list[GeneratedRow], Claims]:
    """Return the rows of one network, and what its fit claims of edges."""
    case = _draw(np.random.default_rng(derived_seed(seed, "network", number)))
    common = {
        "dataset": f"network {number:03d}",
        "seed": seed,
        "quick": quick,
        **vars(case.setting),
    }
    score = score_network(case.prior, case.truth, method=PRIOR_ALONE, prior=case.prior)
    alone = network_row(score, forecast=None, kind=GeneratedRow, **common)
    values = {**METHODS[_GENE], "seed": seed, "controls": False}
    config = make_config(values | ({"members": _QUICK_MEMBERS} if quick else {}))
    material = make_material(case.train, prior=case.prior, scope="all", label=common["dataset"])
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = run_rounds(material, config, folder=Path(folder))
        cost = {
            "cpu_seconds": time.process_time() - cpu,
            "wall_seconds": time.perf_counter() - wall,
        }
        entry, network = run.result.rounds[run.chosen], run.network(run.chosen)
        forecast = score_forecast(_GENE, "test", run.model(run.chosen), case.test)
        ranking, edges = run.ranking(), load_edges(run.result.folder)
    fitted = network_row(
        score_network(network, case.truth, method=_GENE, prior=case.prior, ranking=ranking),
        forecast=forecast,
        kind=GeneratedRow,
        **{**common, **cost},
        sparsity=entry.sparsity,
        held_out_loss=entry.loss,
        epochs=entry.epoch,
    )
    keys = edges.target * len(case.truth.genes) + edges.source
    known = (np.isin(keys, case.prior.keys()), np.isin(keys, case.truth.keys()))
    return [alone, fitted], Claims(edges.probability, edges.stability, *known)


def _draw(rng: np.random.Generator) -> _Case:
    """Draw a setting, a network with it, data and a prior."""
    setting = _Setting(
        genes=round(float(np.exp(rng.uniform(*np.log(_GENES))))),
        in_degree=float(rng.uniform(*_IN_DEGREE)),
        or_share=float(rng.uniform(*_OR_SHARE)),
        activation_share=float(rng.uniform(*_ACTIVATION_SHARE)),
        noise=float(rng.choice(_NOISE)),
        moved=float(rng.choice(_MOVED)),
    )
    system = generate_network(
        setting.genes,
        rng,
        in_degree=setting.in_degree,
        or_share=setting.or_share,
        activation_share=setting.activation_share,
    )
    prior = move_edges(system.truth, setting.moved, rng=rng)
    clean = integrate(system, sample_starts(system, _TRAIN + _TEST, rng), _TIMES)
    train = add_noise(clean.subset(range(_TRAIN)), setting.noise, rng)
    test = clean.subset(range(_TRAIN, _TRAIN + _TEST))
    return _Case(setting, system.truth, prior, train, test)


def _summarise(rows: list[GeneratedRow]) -> NetworksSummary:
    prior, fit = (
        np.array([row.f1 or 0.0 for row in rows if row.method == method])
        for method in (PRIOR_ALONE, _GENE)
    )
    return NetworksSummary(
        networks=len(fit),
        better=int((fit > prior).sum()),
        fit_f1=float(fit.mean()),
        prior_f1=float(prior.mean()),
    )
