"""Criteria for any weight: pure functions of weight, statistics and knowledge.

The highest scores stay. A criterion knows nothing of layers, counts or schedules.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.pruning._criteria._chain import shares
from niwaki.pruning._criteria._magnitude import magnitude_score
from niwaki.pruning._statistics import KINDS, Statistics

Score = Callable[[Tensor, Statistics, Tensor | None], Tensor]


@dataclass(frozen=True)
class WeightCriterion:
    """A criterion and what it needs to know.

    Attributes
    ----------
    name
        How it is called.
    score
        ``score(weight, statistics, knowledge)``, pure; the highest stay.
    needs
        Fields of `Statistics`.
    knows
        Whether it needs knowledge of the weight's shape.
    at_start
        Whether its paper scores the untrained network.
    """

    name: str
    score: Score
    needs: frozenset[str] = frozenset()
    knows: bool = False
    at_start: bool = False

    def __post_init__(self) -> None:
        if unknown := self.needs - KINDS:
            raise ConfigError(
                f"the criterion '{self.name}' needs '{min(unknown)}'; statistics are "
                f"{', '.join(sorted(KINDS))}."
            )


def snip_score(
    weight: Float[Tensor, "*axes"], statistics: Statistics, knowledge: Tensor | None = None
) -> Float[Tensor, "*axes"]:
    """Score by ``abs(weight * gradient)``: how much the loss depends on the connection.

    References
    ----------
    .. [1] lee2019, equation 6; scored once, before training.
    """
    return (weight.detach() * statistics.get("gradient")).abs()


def grasp_score(
    weight: Float[Tensor, "*axes"], statistics: Statistics, knowledge: Tensor | None = None
) -> Float[Tensor, "*axes"]:
    """Score by ``weight * (H g)``: what removing the weight takes from the gradient's norm.

    The paper writes the score with the other sign and removes the highest.

    References
    ----------
    .. [1] wang2020, equation 8; scored once, before training.
    """
    return weight.detach() * statistics.get("curvature")


def synflow_score(
    weight: Float[Tensor, "*axes"], statistics: Statistics, knowledge: Tensor | None = None
) -> Float[Tensor, "*axes"]:
    """Score by ``abs(weight) * dR/d abs(weight)``, the flow through the weight; needs no data.

    References
    ----------
    .. [1] tanaka2020, equation 2; repeated over 100 rounds of ever higher sparsity.
    """
    return weight.detach().abs() * statistics.get("flow")


def taylor_score(
    weight: Float[Tensor, "*axes"], statistics: Statistics, knowledge: Tensor | None = None
) -> Float[Tensor, "*axes"]:
    """Score by the mean over batches of ``abs(weight * gradient)``.

    Unlike `snip_score` batches cannot cancel, so it says something about a trained network, whose
    mean gradient is near 0.

    References
    ----------
    .. [1] molchanov2017, equation 8 (there per feature map).
    """
    return statistics.get("saliency")


def movement_score(
    weight: Float[Tensor, "*axes"], statistics: Statistics, knowledge: Tensor | None = None
) -> Float[Tensor, "*axes"]:
    """Score by how far training moved the weight away from 0: the sum of ``-weight * gradient``.

    References
    ----------
    .. [1] sanh2020, equation 2; without its straight-through training of the scores.
    """
    return statistics.get("movement")


def knowledge_score(
    weight: Float[Tensor, "*axes"], statistics: Statistics, knowledge: Tensor | None = None
) -> Float[Tensor, "*axes"]:
    """Score by knowledge alone."""
    return _known(knowledge, weight)


def _magnitude(weight: Tensor, statistics: Statistics, knowledge: Tensor | None) -> Tensor:
    return magnitude_score(weight)


def _random(weight: Tensor, statistics: Statistics, knowledge: Tensor | None) -> Tensor:
    return statistics.get("noise")


def _known(knowledge: Tensor | None, weight: Tensor) -> Tensor:
    """Return the knowledge, or say what is wrong with it."""
    if knowledge is None:
        raise ConfigError("this criterion needs knowledge; give the pruner knowledge=.")
    if knowledge.shape != weight.shape:
        raise ConfigError(
            f"the knowledge about a weight has shape {tuple(knowledge.shape)}, the weight "
            f"{tuple(weight.shape)}; both are [output, input], and one entry per weight is needed."
        )
    if not bool(torch.isfinite(knowledge).all()) or bool((knowledge < 0).any()):
        raise ConfigError(
            "knowledge about a weight holds a negative or missing number; expected scores of at "
            "least 0, where 0 says that nothing is known."
        )
    return knowledge


def mixed(parts: Mapping[str | WeightCriterion, float]) -> WeightCriterion:
    """Return the weighted sum of criteria, each as shares of its sum over the living entries.

    So the weights mean what they say whatever the scale of each part: ``{"magnitude": 0.5,
    "knowledge": 0.5}`` counts both alike. Parts must be non-negative, which excludes ``grasp`` and
    ``movement``.

    Raises
    ------
    ConfigError
        If a part is unknown or can be negative, or a weight is not positive.
    """
    chosen = [(weight_criterion(part), share) for part, share in parts.items()]
    for criterion, share in chosen:
        if criterion.name in {"grasp", "movement"} or not share > 0:
            raise ConfigError(
                f"'{criterion.name}' times {share:g} cannot be mixed; expected positive weights "
                "of criteria that are never negative."
            )

    def score(weight: Tensor, statistics: Statistics, knowledge: Tensor | None) -> Tensor:
        parts = [
            share * shares(c.score(weight, statistics, knowledge).double(), statistics.alive)
            for c, share in chosen
        ]
        return torch.stack([part.cpu() for part in parts]).sum(0)

    return WeightCriterion(
        " + ".join(f"{share:g} {c.name}" for c, share in chosen),
        score,
        frozenset().union(*(c.needs for c, _ in chosen)),
        knows=any(c.knows for c, _ in chosen),
    )


WEIGHT_CRITERIA: Mapping[str, WeightCriterion] = MappingProxyType(
    {
        c.name: c
        for c in (
            WeightCriterion("magnitude", _magnitude),
            WeightCriterion("random", _random, frozenset({"noise"})),
            WeightCriterion("knowledge", knowledge_score, knows=True),
            WeightCriterion("snip", snip_score, frozenset({"gradient"}), at_start=True),
            WeightCriterion("grasp", grasp_score, frozenset({"curvature"}), at_start=True),
            WeightCriterion("synflow", synflow_score, frozenset({"flow"}), at_start=True),
            WeightCriterion("taylor", taylor_score, frozenset({"saliency"})),
            WeightCriterion("movement", movement_score, frozenset({"movement"})),
        )
    }
)


def weight_criterion(choice: str | WeightCriterion) -> WeightCriterion:
    """Return a criterion by name, or the given one.

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    if isinstance(choice, WeightCriterion):
        return choice
    if choice not in WEIGHT_CRITERIA:
        raise ConfigError(
            f"the criterion '{choice}' is unknown; choose from {', '.join(WEIGHT_CRITERIA)}."
        )
    return WEIGHT_CRITERIA[choice]
