"""The linear model at the end of a distillation, scored on samples it has not seen."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from niwaki.core import ConfigError, InputError

KINDS = ("linear", "ridge", "lasso")
_NEGLIGIBLE = 1e-6  # spread of a feature, in units of the largest, below which it is rounding
_TRACE = 1e-3  # shrinkage that keeps features apart which agree but for rounding


@dataclass(frozen=True, eq=False)
class Readout:
    """A linear model of features.

    Attributes
    ----------
    weights, intercept
        In the units of features and response.
    r2, r2_sd
        Mean and standard deviation over folds of the cross-validated share of explained variance.
    """

    weights: Float[np.ndarray, " feature"]
    intercept: float
    r2: float
    r2_sd: float

    @property
    def used(self) -> int:
        """Number of weights that are not zero."""
        return int(np.count_nonzero(self.weights))

    def predict(
        self, features: Float[np.ndarray, "sample feature"]
    ) -> Float[np.ndarray, " sample"]:
        """Return the predicted response."""
        guess: Float[np.ndarray, " sample"] = features @ self.weights + self.intercept
        return guess


def fit_readout(
    features: Float[np.ndarray, "sample feature"],
    response: Float[np.ndarray, " sample2"],
    *,
    kind: str = "linear",
    folds: int = 5,
    groups: Int[np.ndarray, " sample3"] | None = None,
    seed: int = 0,
) -> Readout:
    """Return a linear model, its penalty and its score from cross-validation (scikit-learn).

    Parameters
    ----------
    features, response
        What to predict from, and what.
    kind
        ``linear`` (least squares), ``ridge``, or ``lasso`` (sparse); the last two choose their
        penalty inside each training fold.
    folds
        Of the cross-validation (count).
    groups
        Samples of one group are never split between training and test.
    seed
        Of the folds.

    Raises
    ------
    InputError
        If lengths differ, there are fewer samples or groups than folds, the response is constant,
        or something is not finite.
    ConfigError
        If `kind` is unknown.
    """
    from sklearn.model_selection import GroupKFold, KFold

    check_readout(kind)
    _check(features, response, folds if groups is None else 2)
    if groups is not None and len(np.unique(groups)) < folds:
        raise InputError(
            f"there are {len(np.unique(groups))} groups for {folds} folds; give fewer folds."
        )
    split = KFold(folds, shuffle=True, random_state=seed) if groups is None else GroupKFold(folds)
    scores = []
    for train, test in split.split(features, response, groups):
        weights, intercept = _fit(features[train], response[train], kind, seed)
        scores.append(r2_score(response[test], features[test] @ weights + intercept))
    weights, intercept = _fit(features, response, kind, seed)
    return Readout(weights, intercept, float(np.mean(scores)), float(np.std(scores, ddof=1)))


def check_readout(kind: str) -> None:
    """Raise ConfigError unless there is such a readout."""
    if kind not in KINDS:
        raise ConfigError(f"readout '{kind}' is unknown; choose one of {', '.join(KINDS)}.")


def r2_score(truth: Float[np.ndarray, " sample"], guess: Float[np.ndarray, " sample2"]) -> float:
    """Return the share of the variance of `truth` that `guess` explains (dimensionless)."""
    residual, spread = ((truth - guess) ** 2).sum(), ((truth - truth.mean()) ** 2).sum()
    return float(1 - residual / spread)


def _fit(
    features: np.ndarray, response: np.ndarray, kind: str, seed: int
) -> tuple[np.ndarray, float]:
    """Return weights and intercept of a model of standardised features.

    A feature that hardly varies, such as a coefficient that is zero but for rounding, has weight
    zero: standardised it would be noise that a single later sample can make enormous.
    """
    centre, spread = features.mean(0), features.std(0)
    used = spread > _NEGLIGIBLE * spread.max(initial=0.0)
    weights = np.zeros(features.shape[1])
    if used.any():
        model = _estimator(kind, seed)
        model.fit((features[:, used] - centre[used]) / spread[used], response)
        weights[used] = model.coef_ / spread[used]
    return weights, float(response.mean() - weights @ centre)


def _estimator(kind: str, seed: int):  # type: ignore[no-untyped-def]  # scikit-learn has no types
    from sklearn.linear_model import LassoCV, Ridge, RidgeCV

    if kind == "linear":
        return Ridge(_TRACE)
    if kind == "ridge":
        return RidgeCV(np.geomspace(1e-3, 1e5, 17))
    return LassoCV(cv=5, random_state=seed, max_iter=20_000)


def _check(features: np.ndarray, response: np.ndarray, fewest: int) -> None:
    if len(features) != len(response):
        raise InputError(
            f"there are {len(features)} signals but {len(response)} responses; give one response "
            "per signal, in the same order."
        )
    if len(features) < max(fewest, 2):
        raise InputError(
            f"{len(features)} samples are too few for {fewest} folds; give more, or fewer folds."
        )
    if not (np.isfinite(features).all() and np.isfinite(response).all()):
        raise InputError("features or responses hold missing or infinite values; remove them.")
    if np.ptp(response) == 0:
        raise InputError("the response is the same for every sample; nothing can be predicted.")
