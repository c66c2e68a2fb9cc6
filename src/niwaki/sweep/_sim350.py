"""The 350-gene benchmark with exact truth: methods, controls and the prior side by side."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from niwaki.core import PRIOR_ALONE, ConfigError, Network, derived_seed
from niwaki.data import Sim350, add_noise, data_folder, read_sim350
from niwaki.evaluation import Predictor, score_forecast, score_network, strongest
from niwaki.experiment import (
    Aligned,
    ArmRun,
    Material,
    Progress,
    make_config,
    read_aligned,
    run_rounds,
    shuffled_prior,
)
from niwaki.knowledge import align, move_edges
from niwaki.pruning import nearest_sparsity
from niwaki.sweep._methods import METHODS, PUBLISHED, PUBLISHED_NOISE, QUICK, SHOWN
from niwaki.sweep._rows import BenchmarkRow, network_row

NOISE_LEVELS = (0.025, 0.05, 0.1)  # the levels for which a prior is shipped
_NAME = "sim350"


def benchmark_sim350(
    methods: Sequence[str],
    *,
    noise: float = 0.025,
    seed: int = 0,
    quick: bool = False,
    progress: Progress | None = None,
) -> list[BenchmarkRow]:
    """Run methods on SIM350 and return one row per network, the prior alone among them.

    Train on 150 noisy trajectories, test on 10 noise-free ones whose means are shifted; the prior
    has the share `noise` of its edges in wrong places. Nothing is chosen by looking at the truth,
    but the row of a method with a published sparsity is read at the round nearest to it. Methods
    that are shown a shuffled prior or none are scored against the true one all the same.

    Parameters
    ----------
    methods
        Names from `METHODS`.
    noise
        0.025, 0.05 or 0.1 (share of full expression, and of the prior's edges).
    seed
        Seed of noise, model and batches.
    quick
        A few epochs of a small model, or one pass, to see that everything runs.
    progress
        Told about every epoch or pass.

    Raises
    ------
    ConfigError
        If a method or noise level is unknown.
    InputError
        If the data set is not there.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        known = ", ".join(f"'{name}'" for name in METHODS)
        raise ConfigError(f"method '{unknown[0]}' is unknown; choose from {known}.")
    case = load_case(noise=noise, seed=seed, quick=quick)
    rows = case.controls()
    for name in methods:
        rows += case.run(name, progress)
    return rows


def load_case(
    *, noise: float, seed: int, quick: bool = False, moved: float | None = None
) -> "Case":
    """Read the benchmark at one noise level.

    Parameters
    ----------
    noise
        0.025, 0.05 or 0.1 (share of full expression, and of the prior's edges).
    seed
        Of noise, model and batches.
    quick
        Whether methods run in their quick form.
    moved
        Share of the prior's edges in wrong places, drawn anew from the truth; None for the prior
        that is shipped for this noise level (dimensionless).

    Raises
    ------
    ConfigError
        If the noise level is unknown.
    InputError
        If the data set is not there.
    """
    if noise not in NOISE_LEVELS:
        raise ConfigError(f"noise {noise:g} is not part of SIM350; choose one of {NOISE_LEVELS}.")
    folder = data_folder() / _NAME
    study = read_sim350(folder)
    if moved is None:
        prior = read_aligned(str(folder / f"prior_{noise:g}.tsv"), study.genes)
    else:
        rng = np.random.default_rng(derived_seed(seed, "moved prior", f"{moved:g}"))
        network = move_edges(study.truth, moved, rng=rng)
        prior = Aligned(*align(network, study.genes, file=f"truth, {moved:g} moved"))
    return Case(study, prior, noise, seed, quick)


class Case:
    """One data set at one noise level and seed."""

    def __init__(self, study: Sim350, prior: Aligned, noise: float, seed: int, quick: bool) -> None:
        self.study, self.prior = study, prior
        self.noise, self.seed, self.quick = noise, seed, quick
        rng = np.random.default_rng(derived_seed(seed, "benchmark noise"))
        self.train = add_noise(study.train, noise, rng)

    def controls(self) -> list[BenchmarkRow]:
        """Return the rows that need no training."""
        network = self.prior.network
        return [
            self._row(network, PRIOR_ALONE),
            self._row(shuffled_prior(network, self.seed), "shuffled prior alone"),
        ]

    def run(
        self, name: str, progress: Progress | None, changes: Mapping[str, Any] | None = None
    ) -> list[BenchmarkRow]:
        """Return the rows of one method: the selected round, and the published sparsity's."""
        values = {**METHODS[name], **(changes or {}), "seed": self.seed, "controls": False}
        if self.quick:
            values |= QUICK[values["field"]]
        config = make_config(values, f"method {name}")
        material = Material(_NAME, self.train, prior=self.shown(name), scope="all")
        wall, cpu = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            run = run_rounds(material, config, folder=Path(folder), progress=progress)
            cost = {
                "cpu_seconds": time.process_time() - cpu,
                "wall_seconds": time.perf_counter() - wall,
            }
            published = PUBLISHED.get(name) if self.noise == PUBLISHED_NOISE else None
            if name.endswith("-paper") and published is not None:
                near = nearest_sparsity(
                    [entry.sparsity for entry in run.result.rounds], published["sparsity"]
                )
                return [
                    self._fitted(run, near, name, cost, published),
                    self._fitted(run, run.chosen, f"{name}-selected", cost, None),
                ]
            rows = [self._fitted(run, run.chosen, name, cost, published)]
            if config.field == "gene":
                return rows
            cut = strongest(run.network(run.chosen), len(self.prior.network))
            return [*rows, self._row(cut, f"{name}, strongest")]

    def shown(self, name: str) -> Aligned | None:
        """Return the prior that a method sees."""
        match SHOWN.get(name):
            case "none":
                return None
            case "shuffled":
                return replace(self.prior, network=shuffled_prior(self.prior.network, self.seed))
            case None:
                return self.prior

    def _fitted(
        self,
        run: ArmRun,
        at: int,
        method: str,
        cost: dict[str, float],
        published: dict[str, float] | None,
    ) -> BenchmarkRow:
        entry = run.result.rounds[at]
        return self._row(
            run.network(at),
            method,
            ranking=run.ranking(),
            predictor=run.model(at),
            sparsity=entry.sparsity,
            held_out_loss=entry.loss,
            epochs=entry.epoch,
            published=published,
            **cost,
        )

    def _row(
        self,
        network: Network,
        method: str,
        *,
        ranking: Network | None = None,
        predictor: Predictor | None = None,
        **further: float | int | dict[str, float] | None,
    ) -> BenchmarkRow:
        score = score_network(
            network,
            self.study.truth,
            method=method,
            prior=self.prior.network,
            ranking=ranking,
        )
        forecast = score_forecast(method, "test", predictor, self.study.test) if predictor else None
        return network_row(
            score,
            kind=BenchmarkRow,
            dataset=_NAME,
            noise=self.noise,
            seed=self.seed,
            quick=self.quick,
            forecast=forecast,
            **further,
        )
