"""What people call the columns of an edge list, and how they write signs."""

import re

import numpy as np
import pandas as pd
from jaxtyping import Float

_SOURCE = (
    *("source", "tf", "regulator", "reg", "from", "gene1", "src", "regulatorygene", "tfname"),
    *("transcriptionfactor", "sourcegenesymbol", "protein1", "genea", "node1", "regulatorgene"),
)
_TARGET = (
    *("target", "tgt", "targetgene", "to", "gene2", "aff", "affected", "gene", "regulated"),
    *("targetgenesymbol", "targetname", "protein2", "geneb", "node2", "regulatedgene"),
)
_WEIGHT = (
    *("weight", "importance", "priorweight", "score", "force", "strength", "confidence"),
    *("combinedscore", "probability", "value", "coef", "likelihood", "motif"),
)
_SIGN = ("sign", "type", "mor", "effect", "mode", "regulation", "activation", "interaction")

_POSITIVE = (
    *("+", "+1", "1", "1.0", "activation", "activator", "activates", "activating", "activate"),
    *("positive", "pos", "up", "stimulation", "induces", "induction", "true", "t", "plus", "->"),
)
_NEGATIVE = (
    *("-", "-1", "-1.0", "−", "–", "−1", "repression", "repressor", "represses", "repressing"),
    *("repress", "inhibition", "inhibitor", "inhibits", "negative", "neg", "down", "false", "f"),
    *("minus", "-|", "--|"),
)
_SIGNS = dict.fromkeys(_POSITIVE, 1.0) | dict.fromkeys(_NEGATIVE, -1.0)


def find_columns(header: list[str]) -> dict[str, int]:
    """Return the places of ``source``, ``target``, ``weight`` and ``sign``, as far as known."""
    names = [re.sub(r"[\s_.\-]+", "", cell).lower() for cell in header]
    roles = {"source": _SOURCE, "target": _TARGET, "weight": _WEIGHT, "sign": _SIGN}
    found = {}
    for role, aliases in roles.items():
        place = next((names.index(alias) for alias in aliases if alias in names), None)
        if place is not None:
            found[role] = place
    return found


def parse_signs(cells: pd.Series) -> Float[np.ndarray, " edge"]:
    """Return +1, -1, or 0 where a cell states no sign."""
    return np.asarray(cells.str.lower().map(_SIGNS).fillna(0.0), dtype=np.float64)


def is_number(cell: str) -> bool:
    """Say whether a cell is a number; missing values are not."""
    try:
        return np.isfinite(float(cell)).item() and "_" not in cell
    except ValueError:
        return False
