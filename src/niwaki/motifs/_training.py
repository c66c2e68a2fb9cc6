"""Watching a network train: motif profiles, and summaries of it as a weighted graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from torch import nn

from niwaki.core import InputError
from niwaki.motifs._classes import NAMES
from niwaki.motifs._count import count
from niwaki.motifs._layered import LayeredGraph, flatten
from niwaki.motifs._model import from_model
from niwaki.motifs._trim import trim
from niwaki.motifs._uniform import uniform_moments

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
_POWER_STEPS = 100
_TOLERANCE = 1e-9


@dataclass
class ProfileLog:
    """A callback that keeps the motif profile of a network every so many steps.

    Attributes
    ----------
    every
        Steps between looks (count).
    entries
        What was seen: ``step``, ``nominal_sparsity``, ``effective_sparsity``, and for each motif
        its count and its z under the uniform null (None where the null fixes it).

    Examples
    --------
    >>> log = ProfileLog(every=100)
    >>> log(0, nn.Sequential(nn.Linear(3, 2, bias=False), nn.Linear(2, 2, bias=False)))
    >>> log.entries[0]["count"]["bifan"]
    4
    """

    every: int = 100
    entries: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"every is {self.every}; expected a whole number of at least 1.")

    def __call__(
        self, step: int, network: nn.Module | LayeredGraph | Callable[[], LayeredGraph]
    ) -> None:
        """Look at a network if this step is due.

        Parameters
        ----------
        step
            Steps so far (count).
        network
            A module, a graph, or a function that makes the graph, called only when due.
        """
        if step % self.every:
            return
        if isinstance(network, nn.Module):
            graph = from_model(network)
        else:
            graph = network if isinstance(network, LayeredGraph) else network()
        living, report = trim(graph)
        entry: dict[str, object] = {
            "step": step,
            "nominal_sparsity": report.nominal_sparsity,
            "effective_sparsity": report.effective_sparsity,
        }
        if report.edges_after:
            counts, moments = count(living).total, uniform_moments(living)
            pairs = zip(NAMES, moments.mean, moments.sd(), strict=True)
            z = {n: (counts[n] - float(m)) / float(s) if s > 0 else None for n, m, s in pairs}
            entry |= {"count": counts, "z": z}
        self.entries.append(entry)


def weighted_degrees(graph: LayeredGraph) -> Float[np.ndarray, " node"]:
    """Return the sum of absolute weights at each node, in and out (unit of a weight).

    References
    ----------
    .. [1] vahedian2022
    """
    flat = flatten(graph)
    size = np.abs(flat.weight)
    out = np.bincount(flat.source, size, minlength=flat.nodes)
    return out + np.bincount(flat.target, size, minlength=flat.nodes)


def eigenvector_centrality(graph: LayeredGraph) -> Float[np.ndarray, " node"]:
    """Return the leading eigenvector of the undirected graph of absolute weights, of length 1.

    Power steps on the matrix plus its largest degree times one, since a layered graph is bipartite
    and its plain powers would swing for ever.

    References
    ----------
    .. [1] vahedian2022
    """
    flat = flatten(graph)
    size = np.abs(flat.weight)
    shift = float(weighted_degrees(graph).max(initial=0.0)) or 1.0
    value = np.full(flat.nodes, 1 / np.sqrt(flat.nodes))
    for _ in range(_POWER_STEPS):
        new = shift * value
        new += np.bincount(flat.source, size * value[flat.target], minlength=flat.nodes)
        new += np.bincount(flat.target, size * value[flat.source], minlength=flat.nodes)
        new /= np.linalg.norm(new)
        if np.abs(new - value).max() < _TOLERANCE:
            return new
        value = new
    return value


def graph_summary(graph: LayeredGraph) -> Float[np.ndarray, " feature"]:
    """Return a short signature of a network: five quantiles, mean, deviation and skew of both.

    The first eight numbers are of the weighted degree, the others of eigenvector centrality.
    Signatures of epochs, one after the other, describe a training run.

    References
    ----------
    .. [1] vahedian2022, node statistics aggregated per snapshot; the set of aggregates is ours.
    """
    return np.concatenate(
        [_aggregates(weighted_degrees(graph)), _aggregates(eigenvector_centrality(graph))]
    )


def _aggregates(values: np.ndarray) -> np.ndarray:
    from scipy import stats  # loads slowly, and most users of motifs follow no training

    spread = values.std()
    uneven = spread > 1e-12 * np.abs(values).max()  # else it is rounding, of which there is no skew
    skew = float(stats.skew(values)) if uneven else 0.0
    return np.array([*np.quantile(values, _QUANTILES), values.mean(), spread, skew])


@dataclass(frozen=True)
class EarlyPrediction:
    """How well early features foretell the outcome of training runs left out.

    Attributes
    ----------
    r2
        One less the squared error over that of the mean of the other runs (dimensionless).
    rank_correlation
        Spearman's, of predicted and true outcomes (dimensionless).
    """

    r2: float
    rank_correlation: float


def predict_outcome(
    features: Mapping[str, Float[np.ndarray, "run _feature"]],
    outcome: Float[np.ndarray, " run"],
    *,
    ridge: float = 0.1,
) -> dict[str, EarlyPrediction]:
    """Predict the outcome of each run from all others, once per kind of feature.

    Ridge regression on standardised features, each run left out in turn, in closed form. Give the
    plain early loss as one kind: graph summaries are of use only where they beat it.

    Parameters
    ----------
    features
        By name, such as ``graph`` and ``early loss``.
    outcome
        Such as final accuracies (any unit).
    ridge
        Penalty per run, on standardised features (dimensionless).

    Raises
    ------
    InputError
        If there are fewer than five runs, or a value is not finite.

    References
    ----------
    .. [1] vahedian2022, the question.
    """
    from scipy import stats  # loads slowly, and most users of motifs predict nothing

    if len(outcome) < 5:
        raise InputError(f"{len(outcome)} runs were given; expected at least 5.")
    found = {}
    for name, values in features.items():
        if values.shape[0] != len(outcome) or not np.isfinite(values).all():
            raise InputError(f"'{name}' needs one row of finite numbers per run.")
        guess = np.array([_left_out(values, outcome, i, ridge) for i in range(len(outcome))])
        base = np.array([np.delete(outcome, i).mean() for i in range(len(outcome))])
        error, spread = ((outcome - guess) ** 2).sum(), ((outcome - base) ** 2).sum()
        flat = np.ptp(guess) == 0 or np.ptp(outcome) == 0
        rank = float("nan") if flat else float(stats.spearmanr(guess, outcome).statistic)
        found[name] = EarlyPrediction(float(1 - error / spread) if spread > 0 else 0.0, rank)
    return found


def _left_out(values: np.ndarray, outcome: np.ndarray, run: int, ridge: float) -> float:
    """Return the outcome of one run as the others tell it."""
    rest, known = np.delete(values, run, axis=0), np.delete(outcome, run)
    centre, spread = rest.mean(0), rest.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    x, new = (rest - centre) / scale, (values[run] - centre) / scale
    gram = x @ x.T + ridge * len(known) * np.eye(len(known))
    return float(known.mean() + new @ x.T @ np.linalg.solve(gram, known - known.mean()))
