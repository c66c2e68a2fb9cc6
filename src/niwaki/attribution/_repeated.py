"""Products of columns that are all the same, computed once."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_ATEN = torch.ops.aten
_POINTWISE = (
    _ATEN.neg.default, _ATEN.mul.Tensor, _ATEN.mul.Scalar, _ATEN.div.Tensor, _ATEN.div.Scalar
)  # fmt: skip


class RepeatedColumns(TorchDispatchMode):
    """Within it, a product with repeated columns is computed for one of them.

    The gradient of one target starts out the same for every state, as a view that repeats one
    column. Up to the first operation that depends on the state, one column is enough: half of the
    work of a network with one hidden layer. Bit for bit the same numbers, as views again.
    """

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run one operation, on one column where that is enough."""
        if not kwargs:
            if func is _ATEN.bmm.default and _repeats(args[1]) and args[0].stride(0) == 0:
                made = torch.mm(args[1][..., 0], args[0][0].T)  # one matrix for the whole batch
                return made[..., None].expand(*made.shape, args[1].shape[-1])
            if func is _ATEN.mm.default and _repeats(args[1]):
                return func(args[0], args[1][:, :1]).expand(-1, args[1].shape[-1])
            if func in _POINTWISE and all(_one_column(a) for a in args):
                width = max((a.shape[-1] for a in args if _repeats(a)), default=0)
                if width:
                    made = func(*(a[..., :1] if _repeats(a) else a for a in args))
                    return made.expand(*made.shape[:-1], width)
        return func(*args, **(kwargs or {}))


def _repeats(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.ndim > 1
        and value.shape[-1] > 1
        and value.stride(-1) == 0
    )


def _one_column(value: object) -> bool:
    """Return whether a value is a number, a single column, or a repeated one."""
    if not isinstance(value, Tensor) or value.ndim == 0:
        return True
    return value.ndim > 1 and (value.shape[-1] == 1 or value.stride(-1) == 0)
