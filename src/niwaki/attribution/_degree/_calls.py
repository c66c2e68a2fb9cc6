"""One operation as the rules see it: its name, its arguments, and their tags."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from niwaki.attribution._degree._algebra import Degree, Nothing, Several, Tag

# Operators, methods, functions and their ATen forms go by one name.
_ALIASES = {
    "truediv": "div", "true_divide": "div", "divide": "div", "multiply": "mul", "subtract": "sub",
    "negative": "neg", "concat": "cat", "concatenate": "cat", "mm": "matmul", "bmm": "matmul",
    "mv": "matmul", "dot": "matmul", "outer": "matmul", "einsum": "matmul", "inner": "matmul",
    "chain_matmul": "matmul", "tensordot": "matmul", "kron": "matmul", "cross": "matmul",
    "vdot": "matmul", "linalg_cross": "matmul", "multi_dot": "matmul", "ger": "matmul",
    "absolute": "abs", "clip": "clamp", "hstack": "cat", "vstack": "cat", "greater": "gt",
    "less": "lt", "iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div",
    "logical_not": "eq", "max_pool1d_with_indices": "max_pool1d",
    "max_pool2d_with_indices": "max_pool2d", "max_pool3d_with_indices": "max_pool3d",
    "safe_softmax": "softmax", "special_log_softmax": "log_softmax", "special_softmax": "softmax",
    "linalg_vector_norm": "norm", "linalg_norm": "norm", "vector_norm": "norm",
    "frobenius_norm": "norm", "norm_except_dim": "norm", "logical_and": "gt", "logical_or": "gt",
    "rpow": "exponential", "special_expit": "sigmoid", "expit": "sigmoid",
    "matrix_norm": "norm", "linalg_matrix_norm": "norm",
}  # fmt: skip


def canonical(target: Callable[..., Any] | str) -> str:
    """Return the one name of a method, function, operator or ATen overload."""
    packet = getattr(target, "overloadpacket", target)
    name = target if isinstance(target, str) else getattr(packet, "__name__", str(packet))
    name = name.rsplit(".", 1)[-1].strip("_")
    return _ALIASES.get(name, name)


@dataclass(frozen=True)
class Call:
    """A call with concrete values beside the tags of its arguments.

    Attributes
    ----------
    name
        Canonical name.
    args, kwargs
        Values.
    arg_tags, kwarg_tags
        Their tags.
    result
        The value of the call.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    arg_tags: tuple[Tag, ...]
    kwarg_tags: Mapping[str, Tag] = field(default_factory=dict)
    result: Any = None

    def value(self, place: int, name: str, default: Any = None) -> Any:
        """Return an argument by place or name."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[place] if place < len(self.args) else default

    def tag(self, place: int, name: str) -> Tag:
        """Return the tag of an argument; nothing for one that is absent or None."""
        if name in self.kwargs:
            return Nothing() if self.kwargs[name] is None else self.kwarg_tags[name]
        if place >= len(self.args) or self.args[place] is None:
            return Nothing()
        return self.arg_tags[place]

    @property
    def first(self) -> Tag:
        """Tag of the first argument, by place or by its usual names."""
        if self.arg_tags:
            return self.arg_tags[0]
        for name in ("input", "self", "x", "tensors", "a"):
            if name in self.kwarg_tags:
                return self.kwarg_tags[name]
        return next(iter(self.kwarg_tags.values()), Nothing())

    @property
    def tags(self) -> list[Tag]:
        """Tags of all arguments."""
        return [*self.arg_tags, *self.kwarg_tags.values()]


def constant_tag(value: Any) -> Tag:
    """Return the tag of a value that does not depend on the input."""
    if isinstance(value, Tensor):
        if not value.is_complex() and not bool(torch.any(value != 0)):
            return Nothing()  # zeros, or no numbers at all
        return Degree(0.0)
    if isinstance(value, bool):
        return Degree(0.0)
    if isinstance(value, int | float) and value == 0:
        return Nothing()
    if isinstance(value, tuple | list):
        return Several(tuple(constant_tag(part) for part in value)) if value else Degree(0.0)
    return Degree(0.0)
