"""The methods that a benchmark runs, by name, as configurations."""

from types import MappingProxyType
from typing import Any, Literal

_TRAINED: dict[str, Any] = {"field": "phoenix"}
_GENE: dict[str, Any] = {"field": "gene"}

# The released script's training: one trajectory per step, its learning-rate slip after prunes, and
# the validation trajectories of the paper (a comment in that script lists them); it keeps the epoch
# of the lowest validation loss.
_RELEASED: dict[str, Any] = {
    **_TRAINED,
    "batch": "trajectory",
    "learning_rate": 1e-3,
    "hidden": 40,
    "amount": 0.1,
    "paper_quirks": True,
    "patience": None,
    "select": "best",
    "held_out": (3, 23, 25, 61, 74, 90, 103, 128, 139, 146),
}

METHODS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "gene": _GENE,
        "gene, no prior": _GENE,
        "gene, shuffled prior": _GENE,
        "dash": {**_TRAINED, "criterion": "dash"},
        "dash-paper": {
            **_RELEASED,
            "criterion": "dash-paper",
            "lambda1": 0.5,
            "lambda2": 0.05,
        },
        "bioprune-paper": {
            **_RELEASED,
            "criterion": "dash-paper",
            "lambda1": 1.0,
            "lambda2": 1.0,
        },
        "imp-paper": {
            **_RELEASED,
            "criterion": "dash-paper",
            "lambda1": 0.0,
            "lambda2": 0.0,
        },
        "magnitude": {**_TRAINED, "criterion": "magnitude"},
        "knowledge": {**_TRAINED, "criterion": "knowledge"},
        "random": {**_TRAINED, "criterion": "random"},
    }
)

# Which prior a method is shown; those not named here see the one that every row is scored against.
SHOWN: MappingProxyType[str, Literal["none", "shuffled"]] = MappingProxyType(
    {"gene, no prior": "none", "gene, shuffled prior": "shuffled"}
)

# What --quick replaces, by field: few passes of a search, few epochs of a small trained model.
QUICK: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "gene": {"passes": 1, "members": 5},
        "phoenix": {"epochs": 12, "hidden": 20, "first_prune": 2, "period": 2},
    }
)

# Read off the shipped figure of dash2024 (SIM350; +-0.5 points).
PUBLISHED_NOISE = 0.025
PUBLISHED: MappingProxyType[str, dict[str, float]] = MappingProxyType(
    {
        "dash-paper": {"sparsity": 0.946, "balanced_accuracy": 0.906},
        "bioprune-paper": {"sparsity": 0.835, "balanced_accuracy": 0.872},
        "imp-paper": {"sparsity": 0.959, "balanced_accuracy": 0.708},
    }
)
