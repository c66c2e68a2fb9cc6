"""Which round to keep, and how networks and forecasts score against references and controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from niwaki.core import (
    FIT,
    PRIOR_ALONE,
    ConfigError,
    EdgeIndex,
    ForecastScore,
    Network,
    NetworkScore,
    Trajectories,
    derived_seed,
)
from niwaki.data import Split
from niwaki.evaluation import (
    Predictor,
    assayed_regulators,
    mean_at_t,
    persistence,
    ridge_linear_ode,
    score_forecast,
    score_network,
    strongest,
)
from niwaki.experiment._arm_state import Round
from niwaki.experiment._config import FitConfig
from niwaki.experiment._network import read_out
from niwaki.experiment._predict import FittedModel
from niwaki.knowledge import shuffle
from niwaki.pruning import (
    RoundLoss,
    nearest_as_good,
    nearest_sparsity,
    sparsest_within_one_se,
)

SHUFFLED, NO_PRIOR = "shuffled prior", "no prior"


@dataclass(frozen=True)
class Judge:
    """A reference network and the region in which it may judge.

    Attributes
    ----------
    reference, prior
        Both over the genes of the data.
    sources
        Regulators whose edges count; None for all genes.
    """

    reference: Network
    prior: Network | None
    sources: EdgeIndex | None

    def score(
        self,
        network: Network,
        method: str,
        *,
        sparsity: float | None = None,
        ranking: Network | None = None,
    ) -> NetworkScore:
        """Return the score of one network; `ranking` orders edges where its weights do not."""
        return score_network(
            network,
            self.reference,
            method=method,
            prior=self.prior,
            sources=self.sources,
            sparsity=sparsity,
            ranking=ranking,
        )


def make_judge(reference: Network, prior: Network | None, scope: str) -> Judge:
    """Return the judge for a scope, ``assayed`` or ``all``; raises `ConfigError` for another."""
    if scope not in ("assayed", "all"):
        raise ConfigError(
            f"scope is '{scope}'; expected 'assayed' (regulators that the reference has targets "
            "of) or 'all'."
        )
    sources = assayed_regulators(reference) if scope == "assayed" else None
    return Judge(reference, prior, sources)


def select_round(rounds: Sequence[Round], config: FitConfig, groups: EdgeIndex) -> int:
    """Return the position of the round to keep, by held-out loss and sparsity alone."""
    rule = config.select
    if rule == "last":
        return len(rounds) - 1
    if isinstance(rule, float):
        return nearest_sparsity([r.sparsity for r in rounds], rule)
    if isinstance(rule, int):
        return _numbered(rounds, rule)
    losses = [RoundLoss(r.sparsity, r.losses) for r in rounds]
    if rule == "posterior":
        even = [abs((r.probability or 0.0) - 0.5) for r in rounds]
        return nearest_as_good(losses, wanted=int(np.argmin(even)), groups=groups)
    if rule == "best":
        return min(range(len(rounds)), key=lambda i: losses[i].mean())
    return sparsest_within_one_se(losses, groups=groups)


def _numbered(rounds: Sequence[Round], number: int) -> int:
    """Return the position of a round by its number; raises `ConfigError` if there is none."""
    numbers = [entry.round for entry in rounds]
    if number not in numbers:
        raise ConfigError(
            f"round {number} was asked for, and the path has rounds {numbers[0]} to {numbers[-1]}; "
            "see path.tsv."
        )
    return numbers.index(number)


def shuffled_prior(prior: Network, seed: int, name: str = "prior") -> Network:
    """Return the control's prior: every degree kept, the edges exchanged at random.

    Where few regulators have many targets each, a large share of the edges falls back on a place
    that the prior holds too; no prior with these degrees is much further from it.
    """
    return shuffle(prior, rng=np.random.default_rng(derived_seed(seed, "shuffle", name)))


def shuffled_ppi(ppi: Network, seed: int) -> Network:
    """Return regulator interactions shuffled as undirected ones.

    A pair listed in both directions counts once, else both copies would go to different places and
    the control would know of twice as many interactions.
    """
    low, high = np.minimum(ppi.source, ppi.target), np.maximum(ppi.source, ppi.target)
    once = np.zeros(len(ppi), dtype=bool)
    once[np.unique(low * len(ppi.genes) + high, return_index=True)[1]] = True
    return shuffled_prior(ppi.where(once), seed, "ppi")


def model_scores(
    judge: Judge,
    model: FittedModel,
    label: str,
    *,
    sparsity: float | None = None,
    ranking: Network | None = None,
) -> tuple[list[NetworkScore], int]:
    """Return the rows of one fitted model, and how many edges it has.

    Only the edges that the judge looks at are read out, since all of a large model would fill the
    memory. A second row cuts the network to the prior's number of edges, strongest first, because a
    pruned network of hidden units still has many more edges than any prior.

    Parameters
    ----------
    judge
        The reference.
    model
        The fit, or one of its controls.
    label
        Name of the first row.
    sparsity
        Share of pruned weights (dimensionless), passed on.
    ranking
        Edges by probability, where the model gives one; it has no second row then, because its
        network is as sparse as it means to be.
    """
    parts = model.field, model.masks, model.genes
    found = read_out(*parts, limit=None, sources=judge.sources)
    rows = [judge.score(found.network, label, sparsity=sparsity, ranking=ranking)]
    if judge.prior is not None and ranking is None:
        count, whole = len(judge.prior), found.network
        if judge.sources is not None:
            whole = read_out(*parts, limit=count).network
        rows.append(judge.score(strongest(whole, count), f"{label}, strongest"))
    return rows, found.edges


def prior_scores(judge: Judge, *, seed: int) -> list[NetworkScore]:
    """Return the rows of the prior alone and of the shuffled one that a control was shown."""
    if judge.prior is None:
        return []
    return [
        judge.score(judge.prior, PRIOR_ALONE),
        judge.score(shuffled_prior(judge.prior, seed), "shuffled prior alone"),
    ]


def arm_label(name: str) -> str:
    """Return what the rows of an arm are called."""
    return FIT if name == FIT else f"{FIT}, {name}"


def forecast_scores(
    models: Mapping[str, FittedModel], parts: Split, test: Trajectories | None
) -> list[ForecastScore]:
    """Return errors of the fit, its controls and the baselines, on held-out and test data."""
    fits = {arm_label(name): model for name, model in models.items()}
    baselines: dict[str, Predictor] = {
        "persistence": persistence(),
        "training mean at t": mean_at_t(parts.train),
        "ridge linear ODE": ridge_linear_ode(parts.train),
    }
    sets = {"held-out": parts.held_out}
    if test is not None:
        sets["test"] = test
    scores = []
    for label, data in sets.items():
        scores += [score_forecast(n, label, m, data, estimate=m.estimate) for n, m in fits.items()]
        scores += [score_forecast(n, label, p, data) for n, p in baselines.items()]
    return scores
