"""A distilled model: transform, a few coefficients, a linear readout; and what it costs."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from niwaki.core import ConfigError, InputError
from niwaki.wavelets._features import (
    peak_edges,
    peak_histograms,
    peak_kernels,
    top_coefficients,
)
from niwaki.wavelets._modes import Extension, adjoint_extension, check_mode
from niwaki.wavelets._objective import Layout
from niwaki.wavelets._readout import Readout, fit_readout
from niwaki.wavelets._search import Path, Point
from niwaki.wavelets._shifts import undecimated
from niwaki.wavelets._transform import Bands, Bands2, analyse, analyse2

_ROWS, _SAMPLES = 8192, 64  # of a block whose coefficients are held at a time


@dataclass(frozen=True)
class FeatureOptions:
    """Which features a distilled model uses.

    Attributes
    ----------
    kind
        ``top`` coefficients of every band, ``all`` coefficients, or ``peaks``: histograms of
        filtered maps at the peaks of images.
    count, signed, positions
        For ``top``; see `top_coefficients`.
    shifts
        For ``top`` of signals: rank the coefficients of every shift (`undecimated`), so that
        features stay the same when a signal moves, at several times the cost.
    bins
        For ``peaks``: bins per kernel (count).
    """

    kind: str = "top"
    count: int = 6
    signed: bool = True
    positions: bool = False
    shifts: bool = False
    bins: int = 22

    def __post_init__(self) -> None:
        """Refuse an unknown kind."""
        if self.kind not in ("top", "all", "peaks"):
            raise ConfigError(f"features '{self.kind}' are unknown; choose top, all or peaks.")
        if self.shifts and self.kind != "top":
            raise ConfigError(
                f"every shift was asked for with features '{self.kind}'; it goes with top only."
            )


@dataclass(frozen=True, eq=False)
class DistilledModel:
    """A wavelet and a linear model of its coefficients.

    Attributes
    ----------
    point, layout, mode
        The wavelet.
    options
        Which features.
    readout
        The linear model.
    edges
        Bin edges of peak histograms.
    """

    point: Point
    layout: Layout
    mode: str
    options: FeatureOptions
    readout: Readout
    edges: Tensor | None = field(default=None)

    def features(self, x: Tensor) -> Float[np.ndarray, "sample feature"]:
        """Return the features of signals."""
        return features_of(
            x,
            self.point,
            layout=self.layout,
            mode=self.mode,
            options=self.options,
            edges=self.edges,
        )[0]

    def predict(self, x: Tensor) -> Float[np.ndarray, " sample"]:
        """Return the predicted response."""
        return self.readout.predict(self.features(x))

    @property
    def parameters(self) -> int:
        """Numbers that make the model: free angles, bin edges, weights not zero, an intercept."""
        edges = 0 if self.edges is None else self.edges.numel()
        return self.point.angles.numel() + edges + self.readout.used + 1

    def seconds(self, x: Tensor, *, repeats: int = 5) -> float:
        """Return the median processor time to predict `x`, the transform included (seconds)."""
        return cpu_seconds(lambda: self.predict(x), repeats=repeats)


def cpu_seconds(call: Callable[[], object], *, repeats: int = 5) -> float:
    """Return the median processor time of a call, after one call that does not count (seconds)."""
    call()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times)


@torch.no_grad()
def features_of(
    x: Tensor,
    point: Point,
    *,
    layout: Layout,
    mode: str,
    options: FeatureOptions,
    edges: Tensor | None = None,
) -> tuple[Float[np.ndarray, "sample feature"], Tensor | None]:
    """Return the features of signals, and the bin edges that were used or made.

    Parameters
    ----------
    x
        Signals or images.
    point, layout, mode
        The wavelet.
    options
        Which features.
    edges
        Bin edges; None makes them from `x`.

    Raises
    ------
    InputError
        If peak histograms are asked of signals, or every shift of images.
    """
    lows = layout.lows(point.angles).to(x.device, x.dtype)
    if options.kind == "peaks":
        if layout.axes != 2:
            raise InputError("peak histograms need images; use features 'top' for signals.")
        kernels = peak_kernels(lows[0, 0]).to(x.dtype)
        edges = peak_edges(x, kernels, bins=options.bins) if edges is None else edges
        found = peak_histograms(x, kernels, edges)
        return found.double().cpu().numpy(), edges
    if options.shifts and layout.axes != 1:
        raise InputError("every shift needs signals; images have features peaks for that.")
    own, parts = check_mode(mode), []
    for part in x.split(max(1, _ROWS * _SAMPLES // max(1, x[:1].numel()))):
        if options.shifts:
            bands: Sequence[Any] = undecimated(part, lows, level=layout.level, mode=own)
        else:
            bands = _coefficients(part, lows, own)
        parts.append(_numbers(bands, options))
    return torch.cat(parts).double().cpu().numpy(), None


def _numbers(bands: Sequence[Any], options: FeatureOptions) -> Tensor:
    if options.kind == "all":
        return torch.cat(flat_bands(bands), 1)
    return top_coefficients(
        bands, count=options.count, signed=options.signed, positions=options.positions
    )


def _coefficients(x: Tensor, lows: Tensor, extension: Extension) -> Bands | Bands2:
    return analyse(x, lows, extension) if lows.ndim == 2 else analyse2(x, lows, extension)


def flat_bands(bands: Sequence[Tensor | tuple[Tensor, Tensor, Tensor]]) -> list[Tensor]:
    """Return every band as one row per sample."""
    each = [b for band in bands for b in ((band,) if isinstance(band, Tensor) else band)]
    return [band.flatten(1) for band in each]


def fit_model(
    x: Tensor,
    response: Float[np.ndarray, " sample"],
    point: Point,
    *,
    layout: Layout,
    mode: str = "zero",
    options: FeatureOptions | None = None,
    readout: str = "linear",
    groups: Int[np.ndarray, " sample2"] | None = None,
) -> DistilledModel:
    """Return the linear model of a wavelet's features, cross-validated.

    Parameters
    ----------
    x, response
        Training signals, and what to predict from each.
    point, layout, mode
        The wavelet.
    options
        Which features; the six largest coefficients of every band by default.
    readout
        ``linear``, ``ridge`` or ``lasso``.
    groups
        Samples of one group are never split between folds.

    Raises
    ------
    InputError
        As `fit_readout` and `features_of`.
    """
    options = options or FeatureOptions()
    features, edges = features_of(x, point, layout=layout, mode=mode, options=options)
    fitted = fit_readout(features, response, kind=readout, groups=groups)
    return DistilledModel(point, layout, mode, options, fitted, edges)


def best_model(
    x: Tensor,
    response: Float[np.ndarray, " sample"],
    path: Path,
    *,
    layout: Layout,
    mode: str = "zero",
    options: FeatureOptions | None = None,
    readout: str = "linear",
    groups: Int[np.ndarray, " sample2"] | None = None,
) -> tuple[DistilledModel, list[DistilledModel]]:
    """Return the model of the point of a path with the best cross-validated score, and all.

    The choice is made on training samples alone; judge the result on others.

    Parameters
    ----------
    x, response, layout, mode, options, readout, groups
        As for `fit_model`.
    path
        From `search_path`.
    """
    every = [
        fit_model(
            x,
            response,
            point,
            layout=layout,
            mode=mode,
            options=options,
            readout=readout,
            groups=groups,
        )
        for point in path.points
    ]
    return max(every, key=lambda model: model.readout.r2), every


@torch.no_grad()
def kept_share(
    x: Tensor,
    gradients: Tensor,
    point: Point,
    *,
    layout: Layout,
    mode: str = "zero",
    threshold: float = 0.1,
) -> float:
    """Return the share of coefficients that matter both to the data and to the teacher.

    A coefficient counts if it exceeds `threshold` times the root mean square of all coefficients,
    and its attribution that of all attributions. A relative threshold gives the same share for
    data in another unit, unlike the absolute one of the original study.

    Parameters
    ----------
    x, gradients
        Signals ``[sample, ...]`` and input gradients ``[target, sample, ...]``; the largest over
        targets counts.
    point, layout, mode
        The wavelet.
    threshold
        Relative threshold (dimensionless).
    """
    lows = layout.lows(point.angles).to(x.device, x.dtype)
    own = check_mode(mode)
    extension = adjoint_extension(own)
    c = torch.cat(flat_bands(_coefficients(x, lows, own)), 1).abs()
    a = torch.stack(
        [torch.cat(flat_bands(_coefficients(g, lows, extension)), 1).abs() for g in gradients]
    ).amax(0)
    both = (c > threshold * c.square().mean().sqrt()) & (a > threshold * a.square().mean().sqrt())
    return float(both.double().mean())


@torch.no_grad()
def band_shares(
    x: Tensor, *, point: Point, layout: Layout, adjoint: bool = False, mode: str = "zero"
) -> list[float]:
    """Return the share of the energy of signals, or of gradients, in each band (dimensionless).

    Parameters
    ----------
    x
        Signals; or gradients, with `adjoint`.
    point, layout, mode
        The wavelet.
    adjoint
        Whether to use the adjoint of the synthesis, which is what gradients transform by.
    """
    lows = layout.lows(point.angles).to(x.device, x.dtype)
    own = check_mode(mode)
    extension: Extension = adjoint_extension(own) if adjoint else own
    energies = [
        float(sum(b.square().sum() for b in ((band,) if isinstance(band, Tensor) else band)))
        for band in _coefficients(x, lows, extension)
    ]
    total = sum(energies) or 1.0
    return [energy / total for energy in energies]
