"""Counts of many networks of one shape at once, on any device."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from niwaki.core import InputError
from niwaki.motifs._classes import NAMES

_EXACT = 2**62


def count_batch(
    masks: Sequence[Bool[Tensor, "network _out _in"]],
    *,
    biases: Sequence[Bool[Tensor, "network _out"]] | None = None,
) -> Int[Tensor, "network motif"]:
    """Count all motifs of many layered networks at once; columns in the order of `MOTIFS`.

    Counts are exact 64-bit integers; nothing is trimmed and nothing is left out for being inside a
    denser motif.

    Parameters
    ----------
    masks
        One stack ``[network, target, source]`` per layer.
    biases
        One stack ``[network, target]`` per layer.

    Raises
    ------
    InputError
        If shapes do not chain, or a count could leave 64 bits; `count` has no such limit.

    Examples
    --------
    >>> count_batch([torch.ones(2, 3, 2, dtype=torch.bool)])[:, NAMES.index("bifan")].tolist()
    [3, 3]
    """
    _check(masks, biases)
    layers = [_with_bias(m, None if biases is None else biases[i]) for i, m in enumerate(masks)]
    out = [layer.sum(1, dtype=torch.int64) for layer in layers]
    into = [m.sum(2, dtype=torch.int64) for m in layers]
    zero = torch.zeros(masks[0].shape[0], dtype=torch.int64, device=masks[0].device)
    total = {name: zero.clone() for name in NAMES}
    for i, layer in enumerate(layers):
        r, c = out[i], into[i]
        ins = _padded(into[i - 1], r) if i else torch.zeros_like(r)
        outs = _trimmed(out[i + 1], c) if i + 1 < len(layers) else torch.zeros_like(c)
        total["edge"] += r.sum(1)
        total["diverging2"] += _two(r).sum(1)
        total["converging2"] += _two(c).sum(1)
        total["diverging3"] += _three(r).sum(1)
        total["converging3"] += _three(c).sum(1)
        total["chain2"] += (c * outs).sum(1)
        total["star_2in_1out"] += (_two(c) * outs).sum(1)
        total["star_1in_2out"] += (c * _two(outs)).sum(1)
        # sums over edges j→k of f(j) g(k) are g' A f
        total["chain3"] += _along(layer, ins, outs)
        total["converging_extended"] += _along(layer, ins, c - 1)
        total["diverging_extended"] += _along(layer, r - 1, outs)
        total["zigzag"] += _along(layer, r - 1, c - 1)
        total["bifan"] += _fans(layer)
        if i + 1 < len(layers):
            inner = layers[i + 1][:, :, : layer.shape[1]]
            total["biparallel"] += _pairs(_product(inner, layer)).sum((1, 2))
    return torch.stack([total[name] for name in NAMES], dim=1)


def _check(masks: Sequence[Tensor], biases: Sequence[Tensor] | None) -> None:
    if not masks:
        raise InputError("no mask was given; a layered network needs at least one.")
    for i, (below, above) in enumerate(itertools.pairwise(masks)):
        if above.shape[2] != below.shape[1]:
            raise InputError(
                f"mask {i} ends in {below.shape[1]} nodes, but mask {i + 1} begins with "
                f"{above.shape[2]}; give them in order, targets in rows."
            )
    if biases is not None and [b.shape[1] for b in biases] != [m.shape[1] for m in masks]:
        raise InputError("biases need one value per target of each mask; check their order.")
    widest = 1 + max(max(m.shape[1:]) for m in masks)
    if widest**4 * 2 * len(masks) > _EXACT:
        raise InputError(
            f"layers of {widest - 1} nodes could have more motifs than 64 bits hold; count one "
            "network at a time with count(), which has no limit."
        )


def _with_bias(mask: Tensor, bias: Tensor | None) -> Tensor:
    return mask if bias is None else torch.cat([mask, bias[:, :, None]], dim=2)


def _padded(degree: Tensor, like: Tensor) -> Tensor:
    """Return in-degrees of sources, 0 for the bias."""
    return torch.nn.functional.pad(degree, (0, like.shape[1] - degree.shape[1]))


def _trimmed(degree: Tensor, like: Tensor) -> Tensor:
    """Return out-degrees of targets, without that of the next bias."""
    return degree[:, : like.shape[1]]


def _two(n: Tensor) -> Tensor:
    return n * (n - 1) // 2


def _three(n: Tensor) -> Tensor:
    return n * (n - 1) * (n - 2) // 6


def _along(layer: Tensor, of_source: Tensor, of_target: Tensor) -> Tensor:
    """Return the sum over edges of a number of the source times one of the target.

    In float64 with whole numbers below 2^53 at every step: row sums stay below the width times the
    largest degree squared.
    """
    rows = torch.bmm(layer.double(), of_source.double()[:, :, None])[:, :, 0]
    return (rows.to(torch.int64) * of_target).sum(1)


def _product(a: Tensor, b: Tensor) -> Tensor:
    return torch.bmm(a.float(), b.float())


def _pairs(number: Tensor) -> Tensor:
    return _two(number.to(torch.int64))


def _fans(layer: Tensor) -> Tensor:
    """Return the pairs of nodes with two common neighbours, from the narrower side."""
    wide = layer if layer.shape[1] <= layer.shape[2] else layer.mT
    common = _pairs(_product(wide, wide.mT))
    return (common.sum((1, 2)) - torch.diagonal(common, dim1=1, dim2=2).sum(1)) // 2
