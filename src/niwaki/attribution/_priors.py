"""Attribution priors: penalties on attributions, differentiable, to add to a training loss."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from niwaki.core import InputError


def mean_size(values: Float[Tensor, "sample ..."]) -> Float[Tensor, " _feature"]:
    """Return the mean absolute attribution of every feature, flat (output units)."""
    return values.abs().mean(0).flatten()


def gini(sizes: Float[Tensor, " feature"]) -> Float[Tensor, ""]:
    """Return the Gini coefficient of non-negative numbers: 0 if all are equal, near 1 if few count.

    ``sum_ij |a_i - a_j| / (2 n sum a)``, from sorted numbers in O(n log n) time and O(n) memory
    instead of over all pairs; differentiable.

    Parameters
    ----------
    sizes
        For instance from `mean_size` (any unit).

    Raises
    ------
    InputError
        If there are no numbers.

    References
    ----------
    .. [1] erion2021, section 3 (over all pairs there).

    Examples
    --------
    >>> float(gini(torch.tensor([0.0, 0.0, 0.0, 1.0])))
    0.75
    """
    count = sizes.numel()
    if count == 0:
        raise InputError("the Gini coefficient needs at least one number.")
    rank = torch.arange(1, count + 1, device=sizes.device, dtype=sizes.dtype)
    ordered = sizes.sort().values
    # all zero: no feature stands out, and the gradient stays finite
    whole = ordered.sum().clamp(min=torch.finfo(sizes.dtype).tiny)
    return ((2 * rank - count - 1) * (ordered / whole)).sum() / count


def gini_prior(values: Float[Tensor, "sample ..."]) -> Float[Tensor, ""]:
    """Return minus the Gini coefficient of mean absolute attributions: few features should count.

    Parameters
    ----------
    values
        Attributions (any unit); the penalty does not depend on their scale.

    References
    ----------
    .. [1] erion2021, section 3.
    """
    return -gini(mean_size(values))


def l1_prior(values: Float[Tensor, "sample ..."]) -> Float[Tensor, ""]:
    """Return the mean absolute attribution (output units)."""
    return values.abs().mean()


def l2_prior(values: Float[Tensor, "sample ..."]) -> Float[Tensor, ""]:
    """Return the mean squared attribution (squared output units)."""
    return values.square().mean()


def mixed_prior(
    values: Float[Tensor, "sample ..."], *, share: float | int = 0.5
) -> Float[Tensor, ""]:
    """Return a mixture of the Gini penalty and L1: few features, and small attributions.

    Parameters
    ----------
    values
        Attributions (any unit).
    share
        Weight of L1 in [0, 1].

    Raises
    ------
    InputError
        If the share is outside [0, 1].

    References
    ----------
    .. [1] erion2021, supplement (Gini plus L1); the mixture by a share is ours.
    """
    if not 0 <= share <= 1:
        raise InputError(f"the share of L1 is {share:g}; expected a number from 0 to 1.")
    return (1 - share) * gini_prior(values) + share * l1_prior(values)


def total_variation_prior(
    values: Float[Tensor, "sample ..."], *, axes: tuple[int, ...] = (-2, -1)
) -> Float[Tensor, ""]:
    """Return the mean absolute difference between neighbours, for images and series.

    Parameters
    ----------
    values
        Attributions (output units).
    axes
        Axes along which features are neighbours; not axis 0.

    Raises
    ------
    InputError
        If an axis is that of the samples, missing, or has one entry.

    References
    ----------
    .. [1] erion2021, section 3 (pixel attribution prior).
    """
    parts = []
    for axis in axes:
        place = axis % values.ndim if -values.ndim <= axis < values.ndim else 0
        if place == 0 or values.shape[place] < 2:
            raise InputError(
                f"axis {axis} of attributions of shape {tuple(values.shape)} holds no neighbours; "
                "name axes after the first with at least two entries."
            )
        parts.append(values.diff(dim=place).abs().mean())
    return torch.stack(parts).sum()


def graph_prior(
    values: Float[Tensor, "sample feature"],
    edges: Int[Tensor, "2 edge"],
    *,
    weight: Float[Tensor, " edge"] | None = None,
) -> Float[Tensor, ""]:
    """Return the graph Laplacian form: neighbours in a network should matter alike.

    ``sum over edges w (m_i - m_j)^2 / sum w`` with m the mean absolute attributions; equal to
    ``m L m`` over the sum of weights, without a dense matrix.

    Parameters
    ----------
    values
        Attributions (output units).
    edges
        Pairs of features, for instance genes that interact.
    weight
        Weight per edge (dimensionless); 1 by default.

    Raises
    ------
    InputError
        If there are no edges, or one points outside the features.

    References
    ----------
    .. [1] erion2021, section 3 (graph attribution prior).
    """
    if edges.shape[1] == 0:
        raise InputError("the network of the graph prior has no edges; give at least one.")
    if int(edges.min()) < 0 or int(edges.max()) >= values.shape[1]:
        raise InputError(
            f"an edge of the graph prior points outside the {values.shape[1]} features."
        )
    sizes = mean_size(values)
    share = torch.ones_like(sizes[:1]).expand(edges.shape[1]) if weight is None else weight
    return (share * (sizes[edges[0]] - sizes[edges[1]]).square()).sum() / share.sum()


def mask_prior(
    values: Float[Tensor, "sample ..."], mask: Float[Tensor, "..."]
) -> Float[Tensor, ""]:
    """Return the mean over samples of squared attributions where the mask is 1: wrong reasons.

    Parameters
    ----------
    values
        Attributions, for RRR gradients of summed log probabilities (output units).
    mask
        1 where an attribution is unwanted, 0 elsewhere; broadcasts to the values.

    Raises
    ------
    InputError
        If the mask does not broadcast to the values.

    References
    ----------
    .. [1] ross2017, equation 1.
    """
    try:
        marked = mask.to(values).expand(values.shape)
    except RuntimeError as error:
        raise InputError(
            f"the mask has shape {tuple(mask.shape)}, the attributions {tuple(values.shape)}; the "
            "mask must broadcast to them."
        ) from error
    return (marked * values).square().flatten(1).sum(1).mean()
