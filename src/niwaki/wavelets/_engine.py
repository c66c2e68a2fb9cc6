"""One level along one axis, by matrix products: dense where short, in frames where long."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from niwaki.wavelets._lattice import high_pass
from niwaki.wavelets._modes import (
    Extension,
    band_lengths,
    coefficient_count,
    extension_index,
    frame_design,
    level_design,
)

_FRAME = 16  # coefficients of each band per frame


def level_matrix(
    low: Float[Tensor, "*batch tap"], length: int, extension: Extension
) -> Float[Tensor, "*batch coefficient sample"]:
    """Return the matrix of one level: rows of the low band, then of the high band."""
    design = level_design(length, low.shape[-1], extension, low.dtype, low.device)
    flat: Tensor = low @ design.T
    return flat.reshape(*low.shape[:-1], -1, length)


def composed_matrix(
    low: Float[Tensor, "*batch level tap"], length: int, extension: Extension
) -> Float[Tensor, "*batch coefficient sample"]:
    """Return the matrix of all levels: rows of A_J, D_J, ..., D_1."""
    if low.shape[-2] == 0:
        whole = torch.eye(length, dtype=low.dtype, device=low.device)
        return whole.expand(*low.shape[:-2], length, length)
    made: Tensor = _Composed.apply(low, length, extension)  # type: ignore[no-untyped-call]
    return made


class _Composed(torch.autograd.Function):
    """Product of all levels. Its backward pass is written out, as recording costs more than it."""

    @staticmethod
    def forward(ctx: Any, low: Tensor, length: int, extension: Extension) -> Tensor:
        taps, level = low.shape[-1], low.shape[-2]
        lengths = band_lengths(length, taps=taps, level=level, extension=extension)
        steps, above, blocks = [], [], []
        top: Tensor | None = None
        for j in range(level):
            step = level_matrix(low[..., j, :], lengths[j], extension)
            both = step if top is None else step @ top
            steps.append(step)
            above.append(top)
            top, detail = both.split(lengths[j + 1], -2)
            blocks.append(detail)
        ctx.kept = steps, above, (lengths, taps, extension)
        return torch.cat([top, *reversed(blocks)], -2) if top is not None else low

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        steps, above, (lengths, taps, extension) = ctx.kept
        sizes = [lengths[-1], *reversed(lengths[1:])]
        top, *details = gradient.split(sizes, -2)
        found = []
        for j, detail in zip(reversed(range(len(steps))), details, strict=True):
            both = torch.cat([top, detail], -2)
            if j:
                slope, top = both @ above[j].mT, steps[j].mT @ both
            else:
                slope = both
            design = level_design(lengths[j], taps, extension, slope.dtype, slope.device)
            found.append(slope.flatten(-2) @ design)
        return torch.stack(found[::-1], -2), None, None


def extend(x: Tensor, taps: int, *, extension: Extension, total: int, axis: int = -1) -> Tensor:
    """Return signals along the last or second-last axis with their ends, and zeros to `total`."""
    length = x.shape[axis]
    beyond = (0, 0) * (-1 - axis)
    if extension == "zero":
        return pad(x, (*beyond, taps - 2, total - (taps - 2) - length))
    index = extension_index(length, taps, extension)
    out = x.index_select(axis, torch.as_tensor(index.clip(0), device=x.device))
    if (index < 0).any():
        inside = torch.as_tensor(index >= 0, device=x.device, dtype=x.dtype)
        out = out * (inside if axis == -1 else inside.unsqueeze(-1))
    return pad(out, (*beyond, 0, total - len(index)))


def _fold(out: Tensor, length: int, *, taps: int, extension: Extension, axis: int = -1) -> Tensor:
    """Return the adjoint of `extend`."""
    if extension == "zero":
        return out.narrow(axis, taps - 2, length)
    index = extension_index(length, taps, extension)
    inside = torch.as_tensor((index >= 0).nonzero()[0], device=out.device)
    target = torch.as_tensor(index[index >= 0], device=out.device)
    shape = list(out.shape)
    shape[axis] = length
    return out.new_zeros(shape).index_add(axis, target, out.index_select(axis, inside))


def _frame(low: Tensor) -> tuple[Tensor, int]:
    """Return the matrix ``[sample, coefficient]`` of one frame, and its coefficients per band."""
    taps = low.shape[-1]
    outputs = max(_FRAME, taps // 2)  # then a frame reaches into the next one, not further
    design = frame_design(taps, outputs, low.dtype, low.device)
    pair = torch.stack([low, high_pass(low)])
    matrix = (design @ pair.T).reshape(2 * outputs + taps - 2, outputs, 2)
    return matrix.transpose(1, 2).reshape(-1, 2 * outputs), outputs


def analyse_framed(
    x: Float[Tensor, "*batch sample"], low: Float[Tensor, " tap"], extension: Extension
) -> tuple[Tensor, Tensor]:
    """Return low and high band of one level by products with one small matrix per frame."""
    taps = low.shape[-1]
    count = coefficient_count(x.shape[-1], taps, extension)
    if x.dtype == torch.float32 and not records_gradient(x, low):
        return _convolve(x, low, extension)
    matrix, outputs = _frame(low)
    frames, width = -(-count // outputs) + 1, 2 * outputs
    # One frame too many per signal: then frames of all signals are rows of one matrix, and the
    # samples that a frame borrows from its successor are a view of the same matrix.
    ended = extend(x, taps, extension=extension, total=frames * width)
    blocks = ended.reshape(-1, width)
    out = blocks @ matrix[:width]
    if taps > 2:
        out = out + pad(blocks[1:, : taps - 2] @ matrix[width:], (0, 0, 0, 1))
    bands = out.view(*x.shape[:-1], frames, 2, outputs).unbind(-2)
    first, second = (band.reshape(*x.shape[:-1], -1)[..., :count] for band in bands)
    return first, second


def analyse_rows(
    x: Float[Tensor, "*batch row column"], low: Float[Tensor, " tap"], extension: Extension
) -> tuple[Tensor, Tensor]:
    """Return low and high band along the second-last axis, in frames of rows."""
    taps, columns = low.shape[-1], x.shape[-1]
    count = coefficient_count(x.shape[-2], taps, extension)
    matrix, outputs = _frame(low)
    frames, width = -(-count // outputs), 2 * outputs
    ended = extend(x, taps, extension=extension, total=frames * width + taps - 2, axis=-2)
    flat: Tensor = _Blocks.apply(ended, width, taps - 2)  # type: ignore[no-untyped-call]
    out = torch.bmm(matrix.T.expand(len(flat), -1, -1), flat)
    out = out.view(*x.shape[:-2], frames, 2, outputs, columns)
    first, second = (
        band.reshape(*x.shape[:-2], frames * outputs, columns)[..., :count, :]
        for band in out.unbind(-3)
    )
    return first, second


class _Blocks(torch.autograd.Function):
    """Overlapping blocks of rows; folding them back is a copy and the addition of the overlaps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, width: int, overlap: int) -> Tensor:
        ctx.shape, ctx.width = x.shape, width
        blocks = x.unfold(-2, width + overlap, width).transpose(-1, -2)
        return blocks.reshape(-1, width + overlap, x.shape[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        *batch, rows, columns = ctx.shape
        width, overlap = ctx.width, gradient.shape[-2] - ctx.width
        frames = (rows - overlap) // width
        parts = gradient.view(-1, frames, width + overlap, columns)
        out = gradient.new_empty(len(parts), rows, columns)
        body = out[:, : frames * width].view(len(parts), frames, width, columns)
        body.copy_(parts[:, :, :width])
        body[:, 1:, :overlap] += parts[:, :-1, width:]
        out[:, frames * width :] = parts[:, -1, width:]
        return out.view(*batch, rows, columns), None, None


def synthesise_framed(
    bands: tuple[Tensor, Tensor], low: Float[Tensor, " tap"], *, length: int, extension: Extension
) -> Tensor:
    """Return the adjoint of `analyse_framed`: a signal of `length` from its two bands."""
    matrix, outputs = _frame(low)
    frames, width = -(-bands[0].shape[-1] // outputs), 2 * outputs
    spare = frames * outputs - bands[0].shape[-1]
    both = torch.cat([pad(band, (0, spare)).unflatten(-1, (frames, outputs)) for band in bands], -1)
    body = pad(both @ matrix[:width].T, (0, 0, 0, 1))
    taps = low.shape[-1]
    if taps > 2:
        body = body + pad(both @ matrix[width:].T, (0, width - taps + 2, 1, 0))
    return _fold(body.flatten(-2), length, taps=taps, extension=extension)


def synthesise_rows(
    bands: tuple[Tensor, Tensor], low: Float[Tensor, " tap"], *, length: int, extension: Extension
) -> Tensor:
    """Return the adjoint of `analyse_rows`: images of `length` rows from their two bands."""
    matrix, outputs = _frame(low)
    frames, width = -(-bands[0].shape[-2] // outputs), 2 * outputs
    spare = frames * outputs - bands[0].shape[-2]
    both = torch.cat(
        [pad(band, (0, 0, 0, spare)).unflatten(-2, (frames, outputs)) for band in bands], -2
    )
    flat = both.reshape(-1, width, both.shape[-1])
    out = torch.bmm(matrix.expand(len(flat), -1, -1), flat).view(
        *both.shape[:-2], matrix.shape[0], both.shape[-1]
    )
    body = pad(out[..., :width, :], (0, 0, 0, 0, 0, 1))
    taps = low.shape[-1]
    if taps > 2:
        body = body + pad(out[..., width:, :], (0, 0, 0, width - taps + 2, 1, 0))
    return _fold(body.flatten(-3, -2), length, taps=taps, extension=extension, axis=-2)


def convolve_axes(
    x: Float[Tensor, "*batch row column"], pair: Float[Tensor, "axis tap"], extension: Extension
) -> Float[Tensor, "*batch band row2 column2"]:
    """Return the four bands of one level by one convolution: fastest where nothing is recorded."""
    taps = pair.shape[-1]
    inside = extension == "zero" and not (x.shape[-1] % 2 or x.shape[-2] % 2)
    for axis in () if inside else (-1, -2):
        total = 2 * coefficient_count(x.shape[axis], taps, extension) + taps - 2
        x = extend(x, taps, extension=extension, total=total, axis=axis)
    rows, columns = (torch.stack([low, high_pass(low)]).flip(-1) for low in pair)
    kernels = torch.einsum("bj,ai->baij", columns, rows).reshape(4, 1, taps, taps)
    flat = x.reshape(-1, 1, *x.shape[-2:])
    out = torch.nn.functional.conv2d(flat, kernels, stride=2, padding=taps - 2 if inside else 0)
    return out.view(*x.shape[:-2], 4, *out.shape[-2:])


def _convolve(x: Tensor, low: Tensor, extension: Extension) -> tuple[Tensor, Tensor]:
    taps = low.shape[-1]
    inside = extension == "zero" and x.shape[-1] % 2 == 0  # the convolution adds the zeros itself
    total = 2 * coefficient_count(x.shape[-1], taps, extension) + taps - 2
    ended = x if inside else extend(x, taps, extension=extension, total=total)
    kernels = torch.stack([low, high_pass(low)]).flip(-1).unsqueeze(1)
    out = torch.nn.functional.conv1d(
        ended.reshape(-1, 1, ended.shape[-1]), kernels, stride=2, padding=taps - 2 if inside else 0
    )
    first, second = out.view(*x.shape[:-1], 2, -1).unbind(-2)
    return first, second


def records_gradient(*tensors: Tensor) -> bool:
    """Return whether a gradient will be asked of the result."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
