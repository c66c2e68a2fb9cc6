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
    "shooting": 0.0,
    "hidden": 40,
    "amount": 0.1,
    "paper_quirks": True,
    "patience": None,
    "select": "best",
    "held_out": (3, 23, 25, 61, 74, 90, 103, 128, 139, 146),
}

_NEVER = 10_000  # an epoch that no run reaches
# The papers give the data 0.99.
_PRIOR_LOSS: dict[str, Any] = {"prior_loss": 0.01, "prior_samples": 64}
_REGROWN: dict[str, Any] = {**_TRAINED, "target_sparsity": 0.9, "first_amount": 0.9}
# Their rounds are stretches of training; the last one is the settled model.
_SPARSIFIED: dict[str, Any] = {**_TRAINED, "patience": None, "select": "last"}

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
        "snip": {**_TRAINED, "criterion": "snip"},
        "grasp": {**_TRAINED, "criterion": "grasp"},
        "synflow": {**_TRAINED, "criterion": "synflow"},
        "taylor": {**_TRAINED, "criterion": "taylor"},
        "imp-rewind": {**_TRAINED, "criterion": "magnitude", "rewind": 2, "period": 20},
        "unpruned": {**_TRAINED, "criterion": "magnitude", "first_prune": _NEVER},
        "pinn": {**_TRAINED, "criterion": "magnitude", "first_prune": _NEVER, **_PRIOR_LOSS},
        "pinn+mp": {
            **_TRAINED,
            **_PRIOR_LOSS,
            "criterion": "magnitude",
            "first_prune": 151,
            "first_amount": 0.872,
            "period": _NEVER,
            "patience": None,
            "select": "last",
        },
        "pinn+mp-paper": {
            **_RELEASED,
            **_PRIOR_LOSS,
            "criterion": "magnitude",
            "first_prune": 151,
            "first_amount": 0.872,
            "period": _NEVER,
            "select": "last",
        },
        "set": {**_REGROWN, "regrow": "random"},
        "rigl": {**_REGROWN, "regrow": "gradient"},
        "l1": {**_SPARSIFIED, "sparsifier": "l1"},
        "group-lasso": {**_SPARSIFIED, "sparsifier": "group-lasso"},
        "c-node": {**_SPARSIFIED, "sparsifier": "c-node"},
        "l0": {**_SPARSIFIED, "sparsifier": "l0"},
        "l0-units": {**_SPARSIFIED, "sparsifier": "l0-units"},
        "pathreg": {**_SPARSIFIED, "sparsifier": "pathreg"},
        "policy": {**_SPARSIFIED, "sparsifier": "policy", "target_sparsity": 0.5},
        "mlp dash": {"field": "mlp", "criterion": "dash"},
        "mlp magnitude": {"field": "mlp", "criterion": "magnitude"},
        "mlp random": {"field": "mlp", "criterion": "random"},
    }
)

# Three settings each, from which the held-out loss chooses, so that every method has as many tries.
_LAMBDAS = tuple({"lambda1": value, "lambda2": value} for value in (0.5, 0.8, 0.95))
_PACES = tuple({"amount": value} for value in (0.1, 0.15, 0.2))


def _strengths(*values: float) -> tuple[dict[str, Any], ...]:
    return tuple({"strength": value} for value in values)


def _densities(*values: float) -> tuple[dict[str, Any], ...]:
    return tuple({"target_sparsity": value, "first_amount": value} for value in values)


GRIDS: MappingProxyType[str, tuple[dict[str, Any], ...]] = MappingProxyType(
    {
        "dash": _LAMBDAS,
        "mlp dash": _LAMBDAS,
        **dict.fromkeys(
            (
                *("magnitude", "knowledge", "random", "snip", "grasp", "synflow", "taylor"),
                *("imp-rewind", "mlp magnitude", "mlp random"),
            ),
            _PACES,
        ),
        "pinn": tuple({"prior_loss": value} for value in (0.01, 0.05, 0.2)),
        "pinn+mp": tuple({"first_amount": value} for value in (0.872, 0.93, 0.96)),
        "unpruned": tuple({"learning_rate": value} for value in (1e-3, 2e-3, 4e-3)),
        "set": _densities(0.8, 0.9, 0.95),
        "rigl": _densities(0.8, 0.9, 0.95),
        "l1": _strengths(0.03, 0.1, 0.3),
        "group-lasso": _strengths(0.01, 0.05, 0.2),
        "c-node": _strengths(0.05, 0.2, 0.5),
        "l0": _strengths(0.01, 0.03, 0.1),
        "l0-units": _strengths(0.003, 0.01, 0.03),
        "pathreg": _strengths(1e-5, 3e-5, 1e-4),
        "policy": tuple({"target_sparsity": value} for value in (0.3, 0.5, 0.7)),
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
        "mlp": {"epochs": 12, "hidden": 20, "first_prune": 2, "period": 2},
    }
)

# Read off the shipped figure of dash2024 (SIM350; +-0.5 points).
PUBLISHED_NOISE = 0.025
PUBLISHED: MappingProxyType[str, dict[str, float]] = MappingProxyType(
    {
        "dash-paper": {"sparsity": 0.946, "balanced_accuracy": 0.906},
        "bioprune-paper": {"sparsity": 0.835, "balanced_accuracy": 0.872},
        "imp-paper": {"sparsity": 0.959, "balanced_accuracy": 0.708},
        "pinn": {"sparsity": 0.099, "balanced_accuracy": 0.586},
        "pinn+mp-paper": {"sparsity": 0.872, "balanced_accuracy": 0.824},
        "c-node": {"sparsity": 0.062, "balanced_accuracy": 0.558},
        "l0-units": {"sparsity": 0.338, "balanced_accuracy": 0.549},
        "pathreg": {"sparsity": 0.566, "balanced_accuracy": 0.619},
    }
)
