"""Running a graph on an example with a degree beside every value."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from niwaki.attribution._degree._algebra import (
    BreaksError,
    Degree,
    Nothing,
    Several,
    Tag,
    Unknown,
    flat,
    same,
)
from niwaki.attribution._degree._calls import Call, canonical, constant_tag
from niwaki.attribution._degree._rules import apply_rule

_RUNNING = nn.modules.batchnorm._NormBase
_WHOLE: tuple[type[nn.Module], ...] = (
    _RUNNING,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
)


@dataclass(frozen=True)
class Inference:
    """What the graph says of a model's degree.

    Attributes
    ----------
    degree
        The degree, or None where it is broken or not known.
    culprit, reason
        The first place that breaks it or has no rule, and why; empty for a known degree.
    broken
        Whether it is known to break.
    """

    degree: float | None
    culprit: str = ""
    reason: str = ""
    broken: bool = False


class _Tracer(fx.Tracer):
    """Look into layers, so that a rule per operation suffices; some are taken whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module stays one node."""
        return isinstance(m, _WHOLE)


def trace(model: Callable[..., Any]) -> fx.GraphModule | None:
    """Return the graph of a model; None where its control flow depends on values."""
    if isinstance(model, fx.GraphModule):
        return model
    root = nn.Sequential(model) if isinstance(model, _WHOLE) else model
    if not isinstance(root, nn.Module) and not inspect.isroutine(root):
        return None
    tracer = _Tracer()
    try:
        graph = tracer.trace(root)
    except Exception:  # noqa: BLE001  the user's own code ran on stand-ins: anything may be raised
        return None
    return fx.GraphModule(root if isinstance(root, nn.Module) else tracer.root, graph)


def infer(
    model: Callable[..., Any],
    inputs: Sequence[Tensor],
    *,
    keep: Callable[[nn.Module], AbstractContextManager[None]],
) -> Inference | None:
    """Return the degree of a model by the algebra of degrees; None where it cannot be traced.

    The rule is sound but not complete: terms that cancel are not seen. The example decides only
    which constants are zero.

    Parameters
    ----------
    model
        A module or a function.
    inputs
        An example, samples along axis 0.
    keep
        Keeps the buffers of a module as they are.
    """
    graph = trace(model)
    if graph is None:
        return None
    runner = _Runner(graph)
    try:
        with torch.no_grad(), keep(graph):
            runner.run(*[part.detach().clone() for part in inputs])
    except BreaksError:
        return Inference(None, runner.where, f"{runner.why}.", broken=True)
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError):
        return None  # the numeric checks say whether the model runs at all
    return _conclusion(runner)


def _conclusion(runner: "_Runner") -> Inference:
    found = runner.output_tag
    try:
        found = same([found], "the output")
    except BreaksError as error:
        return Inference(None, "the output", f"{error}.", broken=True)
    if isinstance(found, Unknown):
        where, _, name = found.where.partition("|")
        reason = f"there is no rule for {name or where}."
        return Inference(None, where if name else "the model", reason)
    if isinstance(found, Nothing):
        return Inference(None, "the output", "it is zero whatever the input.", broken=True)
    if isinstance(found, Degree):
        return Inference(found.value)
    return Inference(None, "the output", "it is the logarithm of something.", broken=True)


class _Runner(fx.Interpreter):
    """Runs a graph and keeps the tag of every node."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.tag_of: dict[fx.Node, Tag] = {}
        self.where, self.why = "", ""
        self.output_tag: Tag = Nothing()

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and tag its value."""
        self.where = _place(n)
        if n.op == "placeholder":
            value = super().run_node(n)
            given = isinstance(value, Tensor) and value.is_floating_point()
            self.tag_of[n] = Degree(1.0) if given else constant_tag(value)
            return value
        values = self.fetch_args_kwargs_from_env(n) if n.op != "get_attr" else ((), {})
        before = [v._version for v in flat_tensors(values)]
        value = super().run_node(n)
        try:
            tag = self._tag(n, *values, value)
        except BreaksError as error:
            self.why = str(error)  # the interpreter adds a trace to the error itself
            raise
        self.tag_of[n] = tag
        self._spread(n, values, before, tag)
        return value

    def _spread(self, n: fx.Node, values: Any, before: list[int], tag: Tag) -> None:
        """Give an argument that was changed in place the tag of the result."""
        first = n.args[0] if n.args and isinstance(n.args[0], fx.Node) else None
        tensors = flat_tensors(values)
        if first is not None and tensors and tensors[0]._version != before[0]:
            self.tag_of[first] = tag

    def _tag(self, n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Tag:
        if n.op == "get_attr":
            return constant_tag(value)
        if n.op == "output":
            self.output_tag = self._tags_of(n.args[0])
            return self.output_tag
        tags = tuple(self._tags_of(a) for a in n.args)
        named = {k: self._tags_of(a) for k, a in n.kwargs.items()}
        if not n.all_input_nodes or not any(self._depends(m) for m in n.all_input_nodes):
            return constant_tag(value)
        if n.op == "call_module":
            module = self.fetch_attr(str(n.target))
            call = _module_call(module, args, tags)
            if call is None:  # our own guards, or a module without a rule
                return Unknown(f"{self.where}|{type(module).__name__}")
        else:
            name = canonical(n.target)
            if name == "getitem" and isinstance(tags[0], Several) and isinstance(args[1], int):
                return tags[0].parts[args[1]]
            call = Call(name, args, kwargs, tags, named, value)
        tag = apply_rule(call)
        if isinstance(tag, Unknown) and "|" not in tag.where:
            tag = Unknown(f"{self.where}|{tag.where}")
        return _over(value, tag)

    def _depends(self, n: fx.Node) -> bool:
        """Return whether a node's value can depend on the input."""
        return n.op == "placeholder" or any(self._depends(m) for m in n.all_input_nodes)

    def _tags_of(self, argument: Any) -> Tag:
        if isinstance(argument, fx.Node):
            return self.tag_of[argument]
        if isinstance(argument, tuple | list):
            return Several(tuple(self._tags_of(part) for part in argument))
        if isinstance(argument, dict):
            return Several(tuple(self._tags_of(part) for part in argument.values()))
        return constant_tag(argument)


def flat_tensors(values: Any) -> list[Tensor]:
    """Return all tensors inside nested arguments."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = tuple(values.values())
    if isinstance(values, tuple | list):
        return [found for part in values for found in flat_tensors(part)]
    return []


def _over(value: Any, tag: Tag) -> Tag:
    """Return one tag per part of a container; whole numbers in it do not grow with the input."""
    if not isinstance(value, tuple | list) or isinstance(tag, Several):
        return tag
    return Several(
        tuple(
            _over(v, tag) if not isinstance(v, Tensor) or v.is_floating_point() else Degree(0.0)
            for v in value
        )
    )


def _place(n: fx.Node) -> str:
    """Return a name for a person: the module that the node belongs to, else the operation."""
    if n.op == "call_module":
        return str(n.target)
    stack = n.meta.get("nn_module_stack") or {}
    name = str(next(reversed(stack.values()))[0]) if stack else ""
    if name:
        return name
    return f"the operation {canonical(n.target)}"


def _module_call(module: nn.Module, args: tuple[Any, ...], tags: tuple[Tag, ...]) -> Call | None:
    """Return the call that a module taken whole stands for."""
    if isinstance(module, _RUNNING):
        return _norm_call(module, args, tags)
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        kind = getattr(module, "mode", "") or getattr(module, "nonlinearity", "")
        if kind not in {"RNN_RELU", "relu"}:
            name = type(module).__name__.lower()
            return Call(f"{name}" if name in {"gru", "lstm"} else "tanh", args, {}, tags)
        biases = [p for n, p in module.named_parameters() if n.startswith("bias")]
        bias = Nothing() if not biases else _any_of([constant_tag(b) for b in biases])
        hidden = (args[1], tags[1]) if len(args) > 1 else (None, Nothing())
        return Call(
            "rnn_relu", (args[0], hidden[0], biases or None), {}, (tags[0], hidden[1], bias)
        )
    if isinstance(module, _WHOLE):
        return Call("scaled_dot_product_attention", args, {}, tags)
    return None


def _any_of(tags: list[Tag]) -> Tag:
    return next((tag for tag in flat(tags) if not isinstance(tag, Nothing)), Nothing())


def _norm_call(module: Any, args: tuple[Any, ...], tags: tuple[Tag, ...]) -> Call:
    live = module.training or module.running_mean is None
    batch = isinstance(module, nn.modules.batchnorm._BatchNorm)
    values = (
        args[0], module.running_mean, module.running_var, module.weight, module.bias, live,
        module.momentum, module.eps,
    )  # fmt: skip
    found = (tags[0], *(constant_tag(v) for v in values[1:]))
    return Call("batch_norm" if batch else "instance_norm", values, {}, found)
