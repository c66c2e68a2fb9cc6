"""From a network to one that is homogeneous of degree one, as far as its parts allow."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError

from niwaki.attribution._degree._calls import canonical
from niwaki.attribution._forward import Inputs
from niwaki.attribution._homogeneity import HomogeneityReport, homogeneity_report
from niwaki.core import InputError

_SMOOTH = (
    nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Tanh, nn.Sigmoid,
    nn.ReLU6, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softsign, nn.Softshrink,
    nn.Hardshrink, nn.Tanhshrink, nn.LogSigmoid, nn.Threshold,
)  # fmt: skip
_SMOOTH_NAMES = {
    *("elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "tanh", "sigmoid", "relu6"),
    *("hardtanh", "hardswish", "hardsigmoid", "softsign", "softshrink", "hardshrink"),
    *("tanhshrink", "logsigmoid", "threshold"),
}
_NORMS = nn.modules.batchnorm._BatchNorm


class VarianceScale(nn.Module):
    """BatchNorm without mean and shift: ``w x / sqrt(E[x^2])``, degree one in evaluation.

    While training the second moment is that of the batch, and a running one is kept; the output is
    then of degree 0, as that of BatchNorm is.

    Parameters
    ----------
    features
        Channels, along axis 1 (count).
    eps
        Added to the second moment (squared input units).
    momentum
        Share of the newest batch in the running moment (dimensionless).
    """

    second_moment: Float[Tensor, " feature"]

    def __init__(self, features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.eps, self.momentum = eps, momentum
        self.register_buffer("second_moment", torch.ones(features))

    def forward(self, x: Any) -> Any:
        """Return the scaled ``[sample, feature, ...]``; no types, so that it can be traced."""
        if not self.training:
            moment = self.second_moment
            no_mean = torch.zeros_like(moment)
            return nn.functional.batch_norm(x, no_mean, moment, self.weight, eps=self.eps)
        moment = x.square().transpose(0, 1).flatten(1).mean(1)
        with torch.no_grad():
            self.second_moment.lerp_(moment, self.momentum)
        scale = self.weight * torch.rsqrt(moment + self.eps)
        return x * scale.reshape(1, -1, *[1] * (x.ndim - 2))

    @classmethod
    def from_batch_norm(cls, norm: nn.Module) -> "VarianceScale":
        """Return the layer with the scale and the second moment of a BatchNorm."""
        running = getattr(norm, "running_var", None)
        made = cls(
            int(norm.num_features),  # type: ignore[arg-type]
            eps=float(norm.eps),  # type: ignore[arg-type]
            momentum=0.1 if norm.momentum is None else float(norm.momentum),  # type: ignore[arg-type]
        )
        with torch.no_grad():
            if isinstance(norm.weight, Tensor):
                made.weight.copy_(norm.weight)
            if isinstance(running, Tensor) and isinstance(norm.running_mean, Tensor):
                made.second_moment.copy_(running + norm.running_mean.square())
        example = norm.weight if isinstance(norm.weight, Tensor) else running
        return made.to(example).train(norm.training) if example is not None else made


@dataclass(frozen=True)
class Conversion:
    """A converted copy and what was done to it.

    Attributes
    ----------
    model
        The copy; the original is untouched.
    changes
        What was changed, one line each, by module.
    report
        Of the copy on the example, where one was given: says what still breaks the property.
    advice
        What has to be done before the copy is of use.
    """

    model: nn.Module
    changes: tuple[str, ...]
    report: HomogeneityReport | None

    @property
    def advice(self) -> str:
        """What has to be done before the copy is of use."""
        if not self.changes:
            return "nothing was changed."
        return (
            f"{len(self.changes)} parts were changed, so the copy computes another function; train "
            "it again (from its weights or from scratch) before you read its attributions."
        )


def to_xdnn(
    module: nn.Module,
    *,
    activations: Literal["keep", "relu"] = "keep",
    zero: Sequence[str] = (),
    example: Inputs | None = None,
) -> Conversion:
    """Return a copy that is homogeneous of degree one, as far as the parts allow.

    Biases go, BatchNorm becomes `VarianceScale`, and on request saturating and smooth activations
    become ReLU. A module with a method ``drop_constants``, such as the gene-resolved field, does
    the rest itself and returns what it changed, one line each. What cannot be converted
    (LayerNorm, softmax attention, gates) stays, and the report on an example names it.

    Parameters
    ----------
    module
        Any network; it is left as it is.
    activations
        ``relu`` swaps activations that are not homogeneous, also those called as functions (the
        copy is then a graph of the model).
    zero
        Further parameters or buffers that act as constants and are set to zero for good, by their
        full names, for instance ``("offset",)``.
    example
        A few samples, for the report.

    Raises
    ------
    InputError
        If a name in `zero` is unknown, or functions cannot be swapped since the model has no graph.

    References
    ----------
    .. [1] hesse2021, section 4. There the networks are written by hand, and normalisation gives way
       to another initialisation; scaling by the variance alone is ours.
    """
    if activations not in ("keep", "relu"):
        raise InputError(f"activations is '{activations}'; choose 'keep' or 'relu'.")
    model = copy.deepcopy(module)
    changes: list[str] = []
    swapped: dict[int, nn.Module] = {}
    model = _swap(model, "", activations == "relu", swapped, changes)
    for name, part in model.named_modules():
        _drop_biases(part, name, changes)
        own = getattr(part, "drop_constants", None)
        changes += [f"{name or 'the model'}: {line}" for line in own()] if callable(own) else []
    _set_zero(model, zero, changes)
    if activations == "relu":
        model = _swap_functions(model, changes)
    report = None if example is None else homogeneity_report(model, example)
    return Conversion(model, tuple(changes), report)


def _swap(
    module: nn.Module, name: str, smooth: bool, done: dict[int, nn.Module], changes: list[str]
) -> nn.Module:
    """Replace modules from the outside in; one that is used twice is replaced once."""
    if id(module) in done:
        return done[id(module)]
    made = _replacement(module, name, smooth, changes)
    done[id(module)] = made
    if made is module:
        for child_name, child in list(module._modules.items()):  # named_children drops copies
            if child is None:
                continue
            full = f"{name}.{child_name}" if name else child_name
            setattr(module, child_name, _swap(child, full, smooth, done, changes))
    return made


def _replacement(module: nn.Module, name: str, smooth: bool, changes: list[str]) -> nn.Module:
    kind, place = type(module).__name__, name or "the model"
    if isinstance(module, _NORMS):
        changes.append(f"{place}: {kind} became a scaling by the second moment")
        return VarianceScale.from_batch_norm(module)
    if smooth and isinstance(module, _SMOOTH):
        changes.append(f"{place}: {kind} became ReLU")
        return nn.ReLU()
    if isinstance(module, nn.RNNBase):
        return _recurrent(module, place, smooth, changes)
    return module


def _recurrent(module: nn.RNNBase, place: str, smooth: bool, changes: list[str]) -> nn.Module:
    """Return a recurrent net without bias; its flat weights cannot be changed in place."""
    swap = smooth and module.mode == "RNN_TANH"
    if not module.bias and not swap:
        return module
    options: dict[str, Any] = {}
    if module.mode.startswith("RNN"):
        options["nonlinearity"] = "relu" if swap or module.mode == "RNN_RELU" else "tanh"
    elif module.mode == "LSTM":
        options["proj_size"] = module.proj_size
    make: Any = type(module)
    made: nn.RNNBase = make(
        module.input_size,
        module.hidden_size,
        num_layers=module.num_layers,
        bias=False,
        batch_first=module.batch_first,
        dropout=module.dropout,
        bidirectional=module.bidirectional,
        **options,
    )
    own = dict(module.named_parameters())
    made.to(next(module.parameters()))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(own[name])
            parameter.requires_grad_(own[name].requires_grad)
    if module.bias:
        changes.append(f"{place}: bias dropped")
    if swap:
        changes.append(f"{place}: tanh became ReLU")
    return made.train(module.training)


def _drop_biases(part: nn.Module, name: str, changes: list[str]) -> None:
    """Remove the biases of torch's layers; in other modules they become zeros that stay."""
    ours = type(part).__module__.startswith("torch.nn.modules")
    for own, value in list(part.named_parameters(recurse=False)):
        if not _is_bias(own):
            continue
        if ours:
            setattr(part, own, None)
        else:
            delattr(part, own)
            part.register_buffer(own, torch.zeros_like(value.detach()))
        changes.append(f"{name or 'the model'}: {own} dropped")


def _is_bias(name: str) -> bool:
    words = name.split("_")
    return "bias" in words or name.endswith("bias")


def _set_zero(model: nn.Module, names: Sequence[str], changes: list[str]) -> None:
    known = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name in names:
        if name not in known:
            raise InputError(
                f"the model has no parameter or buffer '{name}'; it has {', '.join(known)}."
            )
        parent_name, _, own = name.rpartition(".")
        parent = model.get_submodule(parent_name)
        delattr(parent, own)
        parent.register_buffer(own, torch.zeros_like(known[name].detach()))
        changes.append(f"{name}: set to zero")


def _swap_functions(model: nn.Module, changes: list[str]) -> nn.Module:
    """Replace activations that are called as functions, which only a graph shows."""
    try:
        graph = fx.symbolic_trace(model)
    except (TraceError, TypeError, AttributeError, RuntimeError, ValueError):
        return model  # the report says whether something is left
    found = [
        node
        for node in graph.graph.nodes
        if node.op in ("call_function", "call_method") and canonical(node.target) in _SMOOTH_NAMES
    ]
    for node in found:
        with graph.graph.inserting_after(node):
            new = graph.graph.call_function(nn.functional.relu, (node.args[0],))
            node.replace_all_uses_with(new)
            graph.graph.erase_node(node)
        changes.append(f"{node.name}: {canonical(node.target)} became relu")
    if not found:
        return model
    graph.recompile()
    return graph.train(model.training)
