"""Whether edges of probability p are true in a share p of cases: the reliability table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from niwaki.core import Record

BINS = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Claims:
    """What fits say of edges, and what holds.

    Attributes
    ----------
    probability, stability
        Posterior probability, and its mean over refits to resampled data; NaN where not made.
    prior, true
        Whether the prior holds the edge, and whether it exists.
    """

    probability: Float[np.ndarray, " edge"]
    stability: Float[np.ndarray, " edge"]
    prior: Bool[np.ndarray, " edge"]
    true: Bool[np.ndarray, " edge"]


class ReliabilityRow(Record):
    """Edges whose probability or stability falls into one bin; None where there are none.

    Attributes
    ----------
    measure
        ``probability`` or ``stability``.
    low, high
        Ends of the bin; it holds its low end, and the last bin its high end too.
    edges, mean, true_share
        Edges in the bin (count), their mean measure, and the share of them that exist.
    prior_edges, prior_mean, prior_true_share, other_edges, other_mean, other_true_share
        The same for edges of the prior, and for all others.
    """

    measure: Literal["probability", "stability"]
    low: float
    high: float
    edges: int
    mean: float | None
    true_share: float | None
    prior_edges: int
    prior_mean: float | None
    prior_true_share: float | None
    other_edges: int
    other_mean: float | None
    other_true_share: float | None


def reliability(claims: Sequence[Claims]) -> list[ReliabilityRow]:
    """Return one row per measure and bin, over the edges of all fits together.

    Parameters
    ----------
    claims
        One per fit. Edges below the lowest bin, 0.01, do not count; fits list other edges by their
        probability alone, so those less probable are missing from the bins of stability too.
    """
    prior = np.concatenate([each.prior for each in claims])
    true = np.concatenate([each.true for each in claims])
    measures: tuple[Literal["probability", "stability"], ...] = ("probability", "stability")
    rows = []
    for measure in measures:
        values = np.concatenate([getattr(each, measure) for each in claims])
        for low, high in pairwise(BINS):
            inside = (values >= low) & ((values < high) | ((high == BINS[-1]) & (values <= high)))
            parts = {"": inside, "prior_": inside & prior, "other_": inside & ~prior}
            found: dict[str, float | int | None] = {}
            for name, part in parts.items():
                some = bool(part.any())
                found[f"{name}edges"] = int(part.sum())
                found[f"{name}mean"] = float(values[part].mean()) if some else None
                found[f"{name}true_share"] = float(true[part].mean()) if some else None
            rows.append(
                ReliabilityRow.model_validate(
                    {"measure": measure, "low": low, "high": high, **found}
                )
            )
    return rows
