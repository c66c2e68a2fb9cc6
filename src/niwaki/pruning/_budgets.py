"""How a sparsity is shared among layers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from niwaki.core import ConfigError, DivergedError
from niwaki.pruning._masks import keep_top
from niwaki.pruning._patterns import Items


@runtime_checkable
class Budget(Protocol):
    """Chooses the survivors of all layers at a sparsity."""

    def keep(self, layers: Mapping[str, Items], sparsity: float) -> dict[str, Tensor]:
        """Return a mask over the items of each layer."""
        ...


@dataclass(frozen=True)
class PerLayer:
    """The same share in every layer, or a share of its own for some.

    Attributes
    ----------
    sparsities
        Final sparsities of single layers by name, in [0, 1); they are approached in proportion to
        the schedule's (dimensionless). Layers not named follow the schedule.
    final
        The schedule's final sparsity, needed with `sparsities` (dimensionless).
    """

    sparsities: Mapping[str, float] = field(default_factory=dict)
    final: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.sparsities.items():
            if not 0 <= value < 1:
                raise ConfigError(
                    f"the sparsity of '{name}' is {value:g}; expected a share from 0 up to but "
                    "not including 1."
                )
        if self.sparsities and not self.final:
            raise ConfigError("sparsities of single layers need `final`, that of the schedule.")

    def keep(self, layers: Mapping[str, Items], sparsity: float) -> dict[str, Tensor]:
        """Return a mask over the items of each layer."""
        unknown = set(self.sparsities) - set(layers)
        if unknown:
            raise ConfigError(
                f"a sparsity is given for '{min(unknown)}', which is not pruned; the layers are "
                f"{', '.join(layers)}."
            )
        return {
            name: _best(items, _kept(items, self._share(name, sparsity)))
            for name, items in layers.items()
        }

    def _share(self, name: str, sparsity: float) -> float:
        own = self.sparsities.get(name)
        return sparsity if own is None else min(own, own * sparsity / (self.final or 1))


@dataclass(frozen=True)
class Global:
    """The best items of all layers together.

    Scores of different layers must be comparable: sizes are among layers of one scale, products
    with a gradient always are.

    Attributes
    ----------
    least
        Every layer keeps at least this many items, so that none is cut off (count).
    """

    least: int = 1

    def keep(self, layers: Mapping[str, Items], sparsity: float) -> dict[str, Tensor]:
        """Return a mask over the items of each layer."""
        top = 1 + max(int(items.tier.max()) for items in layers.values())
        tiers = []
        for items in layers.values():
            sure = _best(items, min(self.least, int(items.alive.sum())))
            tiers.append(torch.where(sure, top, items.tier))
        scores = torch.cat([items.score for items in layers.values()])
        alive = torch.cat([items.alive for items in layers.values()])
        everything = Items(scores, alive, torch.cat(tiers), tuple(alive.shape))
        kept = _best(everything, _kept(everything, sparsity))
        parts = kept.split([len(items.score) for items in layers.values()])
        return dict(zip(layers, parts, strict=True))


@dataclass(frozen=True)
class ErdosRenyi:
    """Larger layers become sparser: the density goes with ``sum(shape) / product(shape)``.

    For a linear layer this is ``(inputs + outputs) / (inputs * outputs)``; a kernel's sides count
    too. Layers whose density would pass 1 stay dense and the others share the rest. The sum of
    the survivors is exact.

    References
    ----------
    .. [1] evci2020, Erdos-Renyi-Kernel.
    .. [2] mocanu2018, the same for linear layers.
    """

    def keep(self, layers: Mapping[str, Items], sparsity: float) -> dict[str, Tensor]:
        """Return a mask over the items of each layer."""
        sizes = [len(items.score) for items in layers.values()]
        total = sum(sizes) - round(sparsity * sum(sizes))
        shapes = [items.shape for items in layers.values()]
        densities = erdos_renyi_densities(shapes, sizes, total)
        wanted = [d * size for d, size in zip(densities, sizes, strict=True)]
        caps = [int(items.alive.sum()) for items in layers.values()]
        counts = apportion(wanted, total=total, caps=caps)
        return {
            name: _best(items, count)
            for (name, items), count in zip(layers.items(), counts, strict=True)
        }


def erdos_renyi_densities(
    shapes: Sequence[tuple[int, ...]], sizes: Sequence[int], total: int
) -> list[float]:
    """Return the density of each layer so that `total` items survive, none denser than 1."""
    raw = [sum(shape) / math.prod(shape) for shape in shapes]
    dense: set[int] = set()
    while len(dense) < len(raw):
        left = total - sum(sizes[i] for i in dense)
        weight = sum(raw[i] * sizes[i] for i in range(len(raw)) if i not in dense)
        factor = left / weight
        over = {i for i in range(len(raw)) if i not in dense and factor * raw[i] > 1}
        if not over:
            return [1.0 if i in dense else factor * raw[i] for i in range(len(raw))]
        dense |= over
    return [1.0] * len(raw)


def apportion(wanted: Sequence[float], *, total: int, caps: Sequence[int]) -> list[int]:
    """Return whole numbers near `wanted` that sum to `total`, none above its cap.

    The largest remainders are rounded up, the earlier of two equal ones first.
    """
    counts = [min(math.floor(w + 1e-9), cap) for w, cap in zip(wanted, caps, strict=True)]
    missing = min(total, sum(caps)) - sum(counts)
    while missing > 0:
        open_ = [i for i in range(len(counts)) if counts[i] < caps[i]]
        open_.sort(key=lambda i: (counts[i] - wanted[i], i))
        for i in open_[:missing]:
            counts[i] += 1
        missing = min(total, sum(caps)) - sum(counts)
    return counts


def _kept(items: Items, sparsity: float) -> int:
    return len(items.score) - round(sparsity * len(items.score))


def _best(items: Items, count: int) -> Tensor:
    """Return the `count` best living items: by tier, then by score, then the earlier."""
    if not torch.isfinite(items.score[items.alive]).all():
        raise DivergedError(
            "a pruning score is not a finite number, so the training diverged before this prune; "
            "lower the learning rate."
        )
    return keep_top(items.alive, items.tier.double(), keep=count, ties=items.score.double())
