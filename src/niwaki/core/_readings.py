"""Base of all records, and what is read from a fitted network: attribution and motifs."""

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _nan_if_null(value: object) -> object:
    return math.nan if value is None else value


# JSON has no NaN: a number that was not finite is written as null, and read back as NaN.
Measured = Annotated[float, BeforeValidator(_nan_if_null)]


class Record(BaseModel):
    """Base of all records: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class AttributedRegulator(Record):
    """One regulator by what it contributes to rates of change, beside its strength by edges.

    `contribution` is the mean absolute contribution summed over its targets (data units per time
    unit), `strength` the sum of its absolute edge weights; ranks count from 1.
    """

    gene: str
    contribution: float
    share: float
    rank: int
    strength: float
    strength_rank: int | None


class AttributedPair(Record):
    """One pair of regulator and target by both measures; ranks count from 1.

    `size` is the mean absolute contribution over states, `slope` the mean slope along the way to
    them (per time unit); `weight` is None where the network has no such edge.
    """

    source: str
    target: str
    slope: float
    size: float
    rank: int | None
    weight: float | None
    weight_rank: int | None


class AttributionSummary(Record):
    """What moves the genes along the observed states, beside what the edges say.

    Attributes
    ----------
    method, baseline
        How contributions were found, and from what they count: ``zero`` or ``mean state``.
    degree
        Degree of homogeneity that a closed form rests on; None for integrated gradients.
    states, nodes
        Observed states, and gradient evaluations per state (count).
    gap
        Root mean square of what contributions miss of the rates, relative to the rates.
    regulators
        The regulators with the largest contributions.
    compared, shared
        Length of both lists of strongest pairs, and how many pairs stand in both (count).
    regulators_compared, regulators_shared
        The same for regulators.
    only_by_edge, only_by_attribution
        Pairs that stand in one list only, strongest first.
    """

    method: str
    baseline: str
    degree: float | None
    states: int
    nodes: int
    gap: Measured
    regulators: list[AttributedRegulator]
    compared: int
    shared: int
    regulators_compared: int
    regulators_shared: int
    only_by_edge: list[AttributedPair]
    only_by_attribution: list[AttributedPair]


class MotifRow(Record):
    """One motif under one null.

    Attributes
    ----------
    motif, pattern
        Its class, by name and as a person writes it.
    null
        What random graphs keep: see `MotifSummary`.
    observed
        How often it occurs.
    mean, sd
        Of its count under the null.
    z
        Deviations of the count from the mean; None where the null fixes the count.
    ratio, difference
        Effect sizes: observed / mean, and (observed - mean) / (observed + mean + 4).
    p, q
        Two-sided p-value, and the false discovery rate at which it would be called.
    profile
        z over the length of all z of this null.
    fixed
        Whether every graph of this null has the same count.
    exact
        Whether mean and sd are exact; p is then a normal approximation, else it is empirical.
    """

    motif: str
    pattern: str
    null: str
    observed: int
    mean: float
    sd: float
    z: float | None
    ratio: float | None
    difference: float
    p: float | None
    q: float | None
    profile: float | None
    fixed: bool
    exact: bool


class MotifSummary(Record):
    """Motifs of one graph, and what random graphs have instead.

    Attributes
    ----------
    kind
        ``layered`` or ``directed``.
    nodes, edges
        Of the graph that was counted.
    live
        Nodes on a path from input to output, per layer, of a layered graph.
    nominal_sparsity, effective_sparsity
        Share of possible edges that a layered graph lacks, and that no signal passes.
    samples
        Random graphs per sampled null.
    rows
        One per motif and null.
    instances
        For each significant motif of a directed graph, some of its copies, by node names.
    notes
        What was left out, in words.
    """

    kind: str
    nodes: int
    edges: int
    live: list[int] = []
    nominal_sparsity: float | None = None
    effective_sparsity: float | None = None
    samples: int
    rows: list[MotifRow]
    instances: dict[str, list[list[str]]] = {}
    notes: list[str] = []
