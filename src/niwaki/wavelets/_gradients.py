"""What the teacher's output changes with: its input gradients, computed once and in chunks."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from niwaki.core import ConfigError, InputError

Attribution = Literal["saliency", "input_x_gradient", "integrated_gradients"]
ATTRIBUTIONS: tuple[Attribution, ...] = get_args(Attribution)
Teacher = Callable[[Tensor], Tensor]
_RANDOM = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_BATCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def input_gradients(
    teacher: Teacher,
    x: Float[Tensor, " sample *signal"],
    *,
    targets: Sequence[int] = (0,),
    chunk: int = 512,
    nodes: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "target sample *signal"]:
    """Return the gradient of each target output by each input sample, or its mean over a path.

    For an orthonormal transform the attribution of a wavelet coefficient is the transform of this
    gradient, whatever the wavelet, so the teacher is evaluated here once and never again. Samples
    go through the teacher in chunks; one backward pass per target serves a whole chunk.

    A module in train mode is evaluated in eval mode, and left as it was found, with a warning
    where that matters (dropout, BatchNorm). Its parameters receive no gradient. It is fed in the
    floating-point type and on the device of its parameters; the gradients come back in those of
    `x`.

    Parameters
    ----------
    teacher
        Module or function from ``[sample, ...]`` to ``[sample]`` or ``[sample, output]``.
    x
        Inputs.
    targets
        Outputs to attribute (index); each gives one block.
    chunk
        Samples per evaluation (count).
    nodes
        0 for the gradient at `x` itself; else the mean over so many Gauss-Legendre nodes of the
        straight path from zero to `x`, which times `x` is Integrated Gradients.
    progress
        Called with samples done and samples in all.

    Raises
    ------
    InputError
        If the teacher has no gradient, has no such output, answers with another number of rows, or
        a gradient is not finite.

    References
    ----------
    .. [1] ha2021, section 3. There the gradient is taken through the inverse transform in every
       training step; it is the same number.
    """
    places, weights = path_nodes(nodes)
    blocks: list[Tensor] = []
    feed = _feeder(teacher)
    with _evaluating(teacher):
        for start in range(0, len(x), chunk):
            part = feed(x[start : start + chunk].detach())
            mean = part.new_zeros(len(targets), *part.shape)
            for place, weight in zip(places, weights, strict=True):
                mean += weight * _gradients(teacher, part * place, targets)
            blocks.append(mean.to(x.device, x.dtype))
            if progress is not None:
                progress(min(start + chunk, len(x)), len(x))
    found = torch.cat(blocks, 1)
    if not bool(torch.isfinite(found).all()):
        raise InputError(
            "the teacher has gradients that are not finite; check its inputs and look for a square "
            "root, logarithm or division by zero in it."
        )
    return found


def teacher_outputs(
    teacher: Teacher,
    x: Float[Tensor, " sample *signal"],
    *,
    targets: Sequence[int] = (0,),
    chunk: int = 512,
) -> Float[Tensor, "sample target"]:
    """Return the target outputs of the teacher in eval mode, without recording a gradient."""
    with _evaluating(teacher), torch.no_grad():
        feed = _feeder(teacher)
        parts = [_columns(teacher(feed(part)), len(part), targets) for part in x.split(chunk)]
    return torch.cat(parts).to(x.device, x.dtype)


def _feeder(teacher: Teacher) -> Callable[[Tensor], Tensor]:
    """Return what brings inputs to the type and device of a module's parameters."""
    parameters = teacher.parameters() if isinstance(teacher, nn.Module) else ()
    like = next((p for p in parameters if p.is_floating_point()), None)
    return (lambda x: x) if like is None else (lambda x: x.to(like.device, like.dtype))


def check_attribution(name: str) -> Attribution:
    """Return `name` as an attribution; raise ConfigError if it is none."""
    for known in ATTRIBUTIONS:
        if name == known:
            return known
    raise ConfigError(f"attribution '{name}' is unknown; choose one of {', '.join(ATTRIBUTIONS)}.")


def path_nodes(nodes: int) -> tuple[list[float], list[float]]:
    """Return places and weights of Gauss-Legendre nodes on [0, 1]; none means the end alone."""
    if nodes == 0:
        return [1.0], [1.0]
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return ((places + 1) / 2).tolist(), (weights / 2).tolist()


def _gradients(teacher: Teacher, part: Tensor, targets: Sequence[int]) -> Tensor:
    with torch.enable_grad():
        leaf = part.detach().requires_grad_()
        outputs = _columns(teacher(leaf), len(part), targets)
        if not outputs.requires_grad:
            raise InputError(
                "the teacher's output has no gradient by its input (it is detached, rounded or "
                "computed outside PyTorch); give the gradients as an array instead."
            )
        found = []
        for k in range(len(targets)):
            (gradient,) = torch.autograd.grad(
                outputs[:, k].sum(), leaf, retain_graph=k + 1 < len(targets), allow_unused=True
            )
            found.append(torch.zeros_like(part) if gradient is None else gradient)
    return torch.stack(found)


def _columns(outputs: object, rows: int, targets: Sequence[int]) -> Tensor:
    if not isinstance(outputs, Tensor):
        raise InputError(
            f"the teacher returns {type(outputs).__name__}; wrap it so that it returns one tensor "
            "with a row per sample."
        )
    table = outputs.reshape(len(outputs), -1) if outputs.ndim else outputs.reshape(1, 1)
    if len(table) != rows:
        raise InputError(
            f"the teacher returns {len(table)} rows for {rows} samples; expected one row each."
        )
    wrong = [t for t in targets if not 0 <= t < table.shape[1]]
    if wrong:
        raise InputError(
            f"target {wrong[0]} does not exist; the teacher has {table.shape[1]} outputs, "
            "counted from 0."
        )
    return table[:, list(targets)]


@contextlib.contextmanager
def _evaluating(teacher: Teacher) -> Iterator[None]:
    """Put a module into eval mode and back; warn where its train mode would have mattered."""
    if not isinstance(teacher, nn.Module):
        yield
        return
    modules = list(teacher.modules())
    training = [module for module in modules if module.training]
    _warn(training)
    recurrent = any(isinstance(module, nn.RNNBase) for module in modules)
    for module in training:
        module.training = False
    try:  # cuDNN has no backward pass of recurrent layers in eval mode
        with torch.backends.cudnn.flags(enabled=not recurrent and torch.backends.cudnn.enabled):
            yield
    finally:
        for module in training:
            module.training = True


def _warn(training: list[nn.Module]) -> None:
    changes = []
    if any(isinstance(module, _RANDOM) for module in training):
        changes.append("dropout would make every gradient random")
    if any(isinstance(module, _BATCH) for module in training):
        changes.append("BatchNorm would make a sample's gradient depend on its chunk")
    if changes:
        warnings.warn(
            f"the teacher is in train mode, where {' and '.join(changes)}; it is evaluated in eval "
            "mode. Call teacher.eval() to say that you know.",
            UserWarning,
            stacklevel=4,
        )
