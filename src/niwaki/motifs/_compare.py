"""How alike the motif profiles of several networks are."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster import hierarchy

from niwaki.core import InputError, MotifRow

Profiles = Float[np.ndarray, "network motif"]


def profiles(
    tables: Sequence[Sequence[MotifRow]], *, null: str
) -> tuple[tuple[str, ...], Profiles]:
    """Return the significance profiles of several networks under one null, and their motifs.

    Motifs that the null fixes for any of the networks are left out.

    Parameters
    ----------
    tables
        Rows of `significance`, one table per network.
    null
        The null.

    Raises
    ------
    InputError
        If there is no network, or no motif that the null leaves free in all of them.

    References
    ----------
    .. [1] milo2004, z over the length of all z, so that networks of different size compare.
    """
    found = [{r.motif: r.z for r in rows if r.null == null} for rows in tables]
    if not found:
        raise InputError("no network was given; profiles need at least one.")
    names = tuple(n for n in found[0] if all(f.get(n) is not None for f in found))
    if not names:
        raise InputError(f"null '{null}' leaves no motif free in all networks, so none compare.")
    values = np.array([[float(f[n] or 0.0) for n in names] for f in found])
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return names, values / np.where(length > 0, length, 1.0)


def cosines(values: Profiles) -> Float[np.ndarray, "network other"]:
    """Return the cosine of every two profiles; 0 for a profile of zeros."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit = values / np.where(length > 0, length, 1.0)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def mean_cosine(values: Profiles) -> float:
    """Return the mean cosine over all pairs of networks; NaN for fewer than two.

    Examples
    --------
    >>> mean_cosine(np.array([[1.0, 0.0], [0.0, 2.0]]))
    0.0
    """
    count = len(values)
    if count < 2:
        return float("nan")
    return float((cosines(values).sum() - np.trace(cosines(values))) / (count * (count - 1)))


def cluster(values: Profiles, *, groups: int) -> Int[np.ndarray, " network"]:
    """Return the group, from 0, of each network: average linkage on one minus the cosine.

    Parameters
    ----------
    values
        Profiles.
    groups
        How many groups at most (count).

    Raises
    ------
    InputError
        If `groups` is not between 1 and the number of networks.
    """
    if not 1 <= groups <= len(values):
        raise InputError(f"{groups} groups were asked of {len(values)} networks; ask for fewer.")
    if len(values) == 1:
        return np.zeros(1, dtype=np.int64)
    distance = 1 - cosines(values)
    tree = hierarchy.linkage(distance[np.triu_indices(len(values), 1)].clip(min=0), "average")
    labels = hierarchy.fcluster(tree, groups, "maxclust")
    order = {label: i for i, label in enumerate(dict.fromkeys(labels.tolist()))}
    return np.array([order[label] for label in labels.tolist()], dtype=np.int64)


def convergence(
    stages: Mapping[float, Sequence[Sequence[MotifRow]]], *, null: str
) -> dict[float, float]:
    """Return the mean cosine between networks at each stage, such as a sparsity.

    Parameters
    ----------
    stages
        Tables of `significance` of all networks at each stage.
    null
        The null.
    """
    found = {}
    for stage, tables in stages.items():
        try:
            found[stage] = mean_cosine(profiles(tables, null=null)[1])
        except InputError:  # at this stage the null fixes every motif of some network
            found[stage] = float("nan")
    return found
