"""Masks of a chain of layers through which only allowed inputs reach an output."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from niwaki.core import ConfigError


def path_masks(
    allowed: Bool[np.ndarray, "output input"] | Bool[Tensor, "output input"],
    hidden: Sequence[int],
) -> list[Bool[Tensor, "_row _column"]]:
    """Return masks whose product has a path from an input to an output exactly where allowed.

    A hidden unit stands for a set of inputs that some outputs may all read; it feeds every output
    that may read the whole set. So no forbidden path can exist whatever the weights, and every
    allowed one exists at least once. With more layers the narrowest is chosen first, which makes
    the others always possible.

    Parameters
    ----------
    allowed
        True where the input may reach the output.
    hidden
        Units of each hidden layer, first layer first (counts).

    Returns
    -------
    One mask ``[output, input]`` per layer, ``len(hidden) + 1`` of them. Units to spare repeat the
    sets that give most paths.

    Raises
    ------
    ConfigError
        If the narrowest layer is too narrow; the text says how many units are enough.

    References
    ----------
    .. [1] chen2023, which factorises the adjacency greedily. Unlike there the result is exact or
       refused: their factorisation may lose allowed paths in a narrow layer.
    """
    matrix = np.asarray(allowed.cpu() if isinstance(allowed, Tensor) else allowed)
    if any(width < 1 for width in hidden):
        raise ConfigError(f"hidden layers of {list(hidden)} units; expected at least 1 each.")
    return [torch.from_numpy(mask) for mask in _factorise(matrix, list(hidden))]


def group_mask(members: Bool[np.ndarray, "group input"], units: int) -> Bool[Tensor, "_unit input"]:
    """Return a first-layer mask in which each unit reads the members of one group.

    Groups take turns until all units have one.

    Parameters
    ----------
    members
        Which inputs are in which group.
    units
        Units of the layer (count).

    Raises
    ------
    ConfigError
        If there are fewer units than groups.
    """
    if units < len(members):
        raise ConfigError(
            f"{units} units cannot stand for {len(members)} groups; take at least as many units, "
            "or fewer groups."
        )
    return torch.from_numpy(members[np.arange(units) % len(members)])


def _factorise(allowed: np.ndarray, hidden: list[int]) -> list[np.ndarray]:
    """Return the masks of a chain, first layer first."""
    if not hidden:
        return [allowed.copy()]
    at = int(np.argmin(hidden))
    sets = _sets(allowed, hidden[at])
    return _factorise(sets, hidden[:at]) + _factorise(_feeds(sets, allowed), hidden[at + 1 :])


def _feeds(sets: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return which set may feed which output, ``[output, set]``: those it may read as a whole."""
    forbidden = (~allowed).astype(np.float32) @ sets.T.astype(np.float32)
    feeds: np.ndarray = (forbidden == 0) & sets.any(1)
    return feeds


def _sets(allowed: np.ndarray, units: int) -> np.ndarray:
    """Return one set of inputs per unit, which together give every allowed path."""
    rows = _distinct(allowed)
    columns = _closures(allowed)
    if not len(rows):
        return np.zeros((units, allowed.shape[1]), dtype=bool)
    if min(len(rows), len(columns)) <= units:
        chosen = rows if len(rows) <= units else columns
    else:
        chosen = _cover(allowed, rows, columns)
    if len(chosen) > units:
        raise ConfigError(
            f"a layer of {units} units is too narrow for exactly the allowed paths; "
            f"{len(chosen)} units are enough, or leave this layer out."
        )
    paths = chosen.sum(1) * _feeds(chosen, allowed).sum(0)
    spare = chosen[np.argsort(-paths, kind="stable")]
    repeats = spare[np.arange(units - len(chosen)) % len(spare)]
    return np.concatenate([chosen, repeats])


def _distinct(allowed: np.ndarray) -> np.ndarray:
    """Return the different non-empty rows."""
    rows = np.unique(allowed, axis=0)
    return rows[rows.any(1)]


def _closures(allowed: np.ndarray) -> np.ndarray:
    """Return for each different kind of input the inputs that every reader of it may read."""
    kinds = _distinct(allowed.T)  # [kind, output]
    missing = kinds.astype(np.float32) @ (~allowed).astype(np.float32)
    return _distinct(missing == 0)


def _cover(allowed: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return sets that cover all allowed paths, the one with most new paths at a time."""
    candidates = _distinct(np.concatenate([rows, columns]))
    feeds = _feeds(candidates, allowed).T.astype(np.float32)
    sets = candidates.astype(np.float32)
    uncovered = allowed.astype(np.float32)
    chosen = []
    while uncovered.any():
        best = int(((feeds @ uncovered) * sets).sum(1).argmax())
        chosen.append(candidates[best])
        uncovered[np.ix_(feeds[best] > 0, candidates[best])] = 0
    return np.array(chosen)
