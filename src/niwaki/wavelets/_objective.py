"""How sparse signals and attributions are in a wavelet: two numbers per wavelet, with gradients."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from niwaki.core import InputError
from niwaki.wavelets._engine import composed_matrix
from niwaki.wavelets._gradients import Attribution
from niwaki.wavelets._lattice import complete_angles, filter_from_angles
from niwaki.wavelets._modes import Extension, Mode, adjoint_extension
from niwaki.wavelets._transform import DENSE, analyse, analyse2, join_columns, split_rows

_BLOCK = 2**19  # coefficients at a time, so that a block stays in the cache


@dataclass(frozen=True)
class Layout:
    """Which filters a wavelet has.

    Attributes
    ----------
    taps
        Length of every filter (count, even).
    level
        Levels of the transform (count).
    axes
        1 for signals, 2 for images.
    per_level, per_axis
        Whether levels, or the axes of images, have filters of their own.
    """

    taps: int
    level: int
    axes: int = 1
    per_level: bool = False
    per_axis: bool = False

    @property
    def filters(self) -> int:
        """Number of filters."""
        return (self.level if self.per_level else 1) * (self.axes if self.per_axis else 1)

    @property
    def free(self) -> int:
        """Number of free angles of one filter: one less than half its taps."""
        return self.taps // 2 - 1

    def lows(self, angles: Float[Tensor, "*batch filter free"]) -> Tensor:
        """Return low-pass taps ``[..., level, axis, tap]``, without the axis for signals."""
        low = filter_from_angles(complete_angles(angles))
        batch = low.shape[:-2]
        levels = self.level if self.per_level else 1
        axes = self.axes if self.per_axis else 1
        low = low.reshape(*batch, levels, axes, self.taps)
        low = low.expand(*batch, self.level, self.axes, self.taps)
        return low if self.axes > 1 else low.squeeze(-2)


@dataclass(frozen=True, eq=False)
class Objective:
    """Signals and gradients whose sparsity a wavelet is sought for.

    `scores` gives, for each candidate wavelet W, ``|W X|_1`` and the L1 norm of the attributions,
    each divided by what the transform cannot change. Both are dimensionless and between 0 and
    about 1; 0.80 is white noise. A weight between them therefore carries over to other data.

    Attributes
    ----------
    signals
        ``[sample, *signal]``.
    gradients
        ``[target, sample, *signal]``, over the path for Integrated Gradients.
    layout
        Filters of the wavelet.
    mode
        Boundary mode of the signals.
    attribution
        ``saliency`` takes ``|W G|_1``; the others weigh each term by the coefficient.
    """

    signals: Tensor
    gradients: Tensor
    layout: Layout
    mode: Mode = "zero"
    attribution: Attribution = "saliency"
    scale: tuple[float, float] = field(init=False, default=(1.0, 1.0))

    def __post_init__(self) -> None:
        """Refuse what no wavelet can be learned from."""
        if self.gradients.shape[1:] != self.signals.shape:
            raise InputError(
                f"the gradients have shape {tuple(self.gradients.shape[1:])} per target, the "
                f"signals {tuple(self.signals.shape)}; give one gradient per input value, in the "
                "order of the signals."
            )
        for name, values in (("signals", self.signals), ("gradients", self.gradients)):
            if not bool(torch.isfinite(values).all()):
                raise InputError(
                    f"the {name} hold missing or infinite values; remove or fill them first."
                )
        axes = tuple(range(1, self.signals.ndim))
        if bool((self.signals.amax(axes) == self.signals.amin(axes)).all()):
            raise InputError(
                "every signal is constant, so there is no scale to tell apart; check that samples "
                "are rows and times are columns."
            )
        if not bool(self.gradients.any()):
            raise InputError(
                "all gradients are zero: the teacher does not react to its input, so there is "
                "nothing to distil; check the target and that the teacher is trained."
            )
        object.__setattr__(self, "scale", self._scale())

    def _scale(self) -> tuple[float, float]:
        """Return what both sums are divided by."""
        x, g = self.signals, self.gradients
        norm_x, norm_g = float(x.norm()), float(g.norm())
        product = math.sqrt(len(g)) * norm_x * norm_g
        second = norm_g * math.sqrt(g.numel()) if self.attribution == "saliency" else product
        return norm_x * math.sqrt(x.numel()), second

    def rows(self, index: np.ndarray) -> "Objective":
        """Return the objective over some samples."""
        chosen = torch.as_tensor(index, device=self.signals.device)
        signals, gradients = self.signals[chosen], self.gradients[:, chosen]
        if not bool(gradients.any()) or not bool(signals.any()):
            return self  # a rare response: too few samples to see it
        return self.over(signals, gradients)

    def parts(self, values: int) -> list["Objective"]:
        """Return objectives over consecutive samples of about so many values each.

        Their sums add up to the sums of this one.
        """
        size = max(1, values * len(self.signals) // self.signals.numel())
        if size >= len(self.signals):
            return [self]
        cut = zip(self.signals.split(size), self.gradients.split(size, 1), strict=True)
        return [self.over(x, g) for x, g in cut]

    def over(self, signals: Tensor, gradients: Tensor) -> "Objective":
        """Return the same objective over parts of its data, which need no second check."""
        made = _copy(self, signals=signals, gradients=gradients)
        object.__setattr__(made, "scale", made._scale())
        return made

    def having(self, layout: Layout) -> "Objective":
        """Return the same objective for other filters."""
        return _copy(self, layout=layout)

    def to(self, dtype: torch.dtype) -> "Objective":
        """Return the objective in another precision."""
        return self.over(self.signals.to(dtype), self.gradients.to(dtype))

    def scores(
        self, angles: Float[Tensor, "candidate filter free"]
    ) -> Float[Tensor, "candidate score"]:
        """Return for each candidate the sparsity of signals and of attributions (dimensionless).

        Parameters
        ----------
        angles
            Free angles (radians).
        """
        raw = self.sums(angles)
        return raw / raw.new_tensor(self.scale)

    def sums(
        self, angles: Float[Tensor, "candidate filter free"]
    ) -> Float[Tensor, "candidate score"]:
        """Return both L1 norms themselves (data units; output units per data unit)."""
        x = self.signals
        lows = self.layout.lows(angles.to(x.device, x.dtype))
        if self.layout.axes == 1 and x.shape[-1] <= DENSE:
            return self._dense(lows)
        return torch.stack([self._banded(low) for low in lows])

    def _extensions(self) -> tuple[Extension, Extension]:
        return self.mode, adjoint_extension(self.mode)

    def _dense(self, lows: Tensor) -> Tensor:
        """Return both sums from one product each with the matrices of all candidates."""
        own, adjoint = self._extensions()
        length = self.signals.shape[-1]
        matrix = composed_matrix(lows, length, own)
        saliency, gradients = self.attribution == "saliency", self.gradients.flatten(0, 1)
        if saliency and own == adjoint:
            return _absolute_sums(matrix, self.signals, gradients)
        other = matrix if own == adjoint else composed_matrix(lows, length, adjoint)
        first = _absolute_sums(matrix, self.signals)
        if saliency:
            return torch.cat([first, _absolute_sums(other, gradients)], -1)
        parts = [_product_sum(self.signals, g, matrix, other) for g in self.gradients]
        return torch.cat([first, torch.stack(parts).sum(0)[:, None]], -1)

    def _banded(self, low: Tensor) -> Tensor:
        """Return both sums of one candidate, band by band."""
        own, adjoint = self._extensions()
        transform = analyse if self.layout.axes == 1 else analyse2
        x, g = self.signals, self.gradients.flatten(0, 1)
        saliency = self.attribution == "saliency"
        if saliency and own == adjoint and self.layout.axes == 2:
            return self._stacked(torch.cat([x, g]), low, own)
        bands = _flat(transform(x, low, own)), _flat(transform(g, low, adjoint))
        first = torch.stack([torch.linalg.vector_norm(c, 1) for c in bands[0]]).sum()
        if saliency:
            parts = [torch.linalg.vector_norm(a, 1) for a in bands[1]]
        else:
            parts = [
                (c * a.view(len(self.gradients), *c.shape)).abs().sum()
                for c, a in zip(*bands, strict=True)
            ]
        return torch.stack([first, torch.stack(parts).sum()])

    def _stacked(self, both: Tensor, low: Tensor, extension: Extension) -> Tensor:
        """Return both sums of images and gradients that go through one transform together."""
        count, total = len(self.signals), torch.zeros((), device=both.device)
        for pair in low:
            wide = join_columns(both, pair[1], extension)
            top, bottom = split_rows(wide, pair[0], extension)
            both, one = _band_sums(top, count, top.shape[-1] // 2)
            _, two = _band_sums(bottom, count, 0)
            total = total + one + two
        return total + _band_sums(both, count, 0)[1]


def _copy(objective: Objective, **changes: Any) -> Objective:
    """Return a copy without the checks, which read all of the data."""
    made = object.__new__(Objective)
    for entry in fields(Objective):
        object.__setattr__(
            made, entry.name, changes.get(entry.name, getattr(objective, entry.name))
        )
    return made


def _flat(bands: "list[Tensor] | list[Tensor | tuple[Tensor, Tensor, Tensor]]") -> list[Tensor]:
    found: list[Tensor] = []
    for band in bands:
        found.extend([band] if isinstance(band, Tensor) else band)
    return found


def _blocks(matrix: Tensor) -> int:
    return max(1, _BLOCK // max(1, matrix[..., 0].numel()))


class _AbsoluteSums(torch.autograd.Function):
    """Sums of absolute values of ``rows @ matrix.T``, per candidate and set of rows.

    The gradient is taken on the way, while a block is in the cache.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, *sets: Tensor) -> Tensor:
        flat = matrix.reshape(-1, matrix.shape[-1])
        slopes = flat.new_zeros(len(sets), *flat.shape)
        for rows, slope in zip(sets, slopes, strict=True):
            for part in rows.split(_blocks(matrix)):
                slope.addmm_((flat @ part.T).sign_(), part)
        sums = (slopes * flat).view(len(sets), len(matrix), -1).sum(-1)  # a sign times its number
        ctx.save_for_backward(slopes.view(len(sets), *matrix.shape))
        return sums.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (slopes,) = ctx.saved_tensors
        total = torch.einsum("csij,cs->cij", slopes.transpose(0, 1), gradient)
        return total, *(None,) * len(slopes)


class _BandSums(torch.autograd.Function):
    """Absolute sums of the first `count` samples and of the others, but for the first columns.

    Those columns, which the next level takes, come back as they are. One pass, where slices
    would fill a whole gradient each.
    """

    @staticmethod
    def forward(ctx: Any, bands: Tensor, count: int, width: int) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(bands)
        ctx.count, ctx.width = count, width
        rest = bands[..., width:]
        parts = [torch.linalg.vector_norm(part, 1) for part in (rest[:count], rest[count:])]
        return bands[..., :width].contiguous(), torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, kept: Tensor, sums: Tensor) -> tuple[Tensor, None, None]:
        (bands,) = ctx.saved_tensors
        slope = bands.sign()
        slope[: ctx.count] *= sums[0]
        slope[ctx.count :] *= sums[1]
        slope[..., : ctx.width] = kept
        return slope, None, None


class _ProductSum(torch.autograd.Function):
    """Sum of ``|x @ first.T| * |g @ second.T|`` per candidate, gradient taken on the way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, g: Tensor, first: Tensor, second: Tensor) -> Tensor:
        one, two = (m.reshape(-1, m.shape[-1]) for m in (first, second))
        slopes = torch.zeros_like(one), torch.zeros_like(two)
        size = _blocks(first)
        for a, b in zip(x.split(size), g.split(size), strict=True):
            c, d = one @ a.T, two @ b.T
            slopes[0].addmm_(c.sign().mul_(d.abs()), a)
            slopes[1].addmm_(d.sign_().mul_(c.abs_()), b)
        ctx.save_for_backward(slopes[0].view_as(first), slopes[1].view_as(second))
        return (slopes[0] * one).view(len(first), -1).sum(-1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor, Tensor]:
        one, two = ctx.saved_tensors
        weight = gradient[:, None, None]
        return None, None, one * weight, two * weight


def _absolute_sums(matrix: Tensor, *sets: Tensor) -> Tensor:
    made: Tensor = _AbsoluteSums.apply(matrix, *sets)  # type: ignore[no-untyped-call]
    return made


def _band_sums(bands: Tensor, count: int, width: int) -> tuple[Tensor, Tensor]:
    made: tuple[Tensor, Tensor] = _BandSums.apply(bands, count, width)  # type: ignore[no-untyped-call]
    return made


def _product_sum(x: Tensor, g: Tensor, first: Tensor, second: Tensor) -> Tensor:
    made: Tensor = _ProductSum.apply(x, g, first, second)  # type: ignore[no-untyped-call]
    return made
