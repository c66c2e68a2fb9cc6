"""The transform as a layer: angles are the parameters, so it stays a wavelet while it trains."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from niwaki.core import ConfigError
from niwaki.wavelets._filters import Wavelet, start_angles
from niwaki.wavelets._modes import Mode, check_mode
from niwaki.wavelets._objective import Layout
from niwaki.wavelets._transform import Bands, Bands2, Details, dwt, dwt2, idwt, idwt2


class WaveletTransform(nn.Module):
    """A discrete wavelet transform whose filters can be learned and cannot stop being wavelets.

    The parameters are the free angles of the lattice: whatever an optimiser does to them, the
    inverse stays exact, so no penalty on reconstruction is needed.

    Parameters
    ----------
    wavelet
        Where to start: name, PyWavelets object or low-pass taps (projected if not orthonormal).
    level
        Number of levels.
    mode
        Boundary mode.
    dimensions
        1 for signals, 2 for images.
    per_level, per_axis
        Whether levels, or the axes of images, have filters of their own.

    Attributes
    ----------
    angles
        Free angles ``[filter, free]`` (radians).
    notes
        What had to be changed about the start.

    Examples
    --------
    >>> layer = WaveletTransform("db2", level=2)
    >>> x = torch.randn(3, 17)
    >>> bool(torch.allclose(layer.inverse(layer(x), (17,)), x, atol=1e-5))
    True
    """

    angles: nn.Parameter

    def __init__(
        self,
        wavelet: Wavelet,
        *,
        level: int,
        mode: Mode = "zero",
        dimensions: int = 1,
        per_level: bool = False,
        per_axis: bool = False,
    ) -> None:
        super().__init__()
        check_mode(mode)
        if dimensions not in (1, 2) or level < 1:
            raise ConfigError(
                f"dimensions is {dimensions} and level {level}; give 1 or 2 dimensions and at "
                "least one level."
            )
        free, self.notes = start_angles(wavelet)
        taps = 2 * len(free) + 2
        self.layout = Layout(taps, level, dimensions, per_level, per_axis and dimensions == 2)
        self.mode: Mode = mode
        start = free.to(torch.get_default_dtype()).expand(self.layout.filters, -1).clone()
        self.angles = nn.Parameter(start)

    def filters(self) -> Tensor:
        """Return the low-pass taps ``[level, tap]``, or ``[level, axis, tap]`` for images."""
        return self.layout.lows(self.angles)

    def forward(self, x: Float[Tensor, " *signals"]) -> Bands | Bands2:
        """Return the bands of signals, in the order of `dwt` or `dwt2`."""
        low = self.filters()
        if self.layout.axes == 2:
            return dwt2(x, low, level=self.layout.level, mode=self.mode)
        return dwt(x, low, level=self.layout.level, mode=self.mode)

    def inverse(self, bands: Sequence[Tensor | Details], shape: Sequence[int]) -> Tensor:
        """Return the signals of a shape ``(length,)`` or ``(rows, columns)`` from their bands."""
        low = self.filters()
        if self.layout.axes == 2:
            return idwt2(bands, low, shape=(shape[0], shape[1]), mode=self.mode)
        plain = [band for band in bands if isinstance(band, Tensor)]
        return idwt(plain, low, length=shape[0], mode=self.mode)
