"""A really smaller dense network with the outputs of the pruned one."""

import copy
from typing import TypeGuard

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from niwaki.core import ConfigError
from niwaki.pruning._modules._parametrize import finalize

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_MAPS = (  # applied to each entry alone
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardswish, nn.Identity),
)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_POOLS = (  # a constant map stays the same constant
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
)
_ACTIVATIONS = (
    functional.relu,
    functional.elu,
    functional.gelu,
    functional.silu,
    functional.softplus,
)
_FUNCTIONS = (torch.relu, torch.tanh, torch.sigmoid, *_ACTIVATIONS)
_METHODS = ("relu", "tanh", "sigmoid")


class _Link:
    """Two layers in a row and what stands between them."""

    def __init__(self, names: tuple[str, str], first: Layer, second: Layer) -> None:
        self.first_name, self.second_name = names
        self.first, self.second = first, second
        self.steps: list[nn.Module | fx.Node] = []
        self.flat = self.edges_differ = False


def compact(module: nn.Module) -> nn.Module:
    """Return a smaller dense copy with the same inputs, outputs and (in eval mode) results.

    See `compact_with_units`, which also says which units are left.
    """
    return compact_with_units(module)[0]


def compact_with_units(module: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a smaller dense copy, and which units of each shrunken layer are left.

    A unit that nothing reads is removed. A unit that reads nothing gives a constant, which is
    folded into the biases of the layer that reads it, then removed; where a zero-padded
    convolution reads it, only a constant of 0 can go. This is repeated until nothing changes. Every
    layer keeps at least one unit. Between two layers may stand what acts on each unit alone:
    activations, batch normalisation (as in eval mode), dropout, pooling, flattening. Units that
    reach the output, a branch or anything else stay.

    Parameters
    ----------
    module
        Masked or finalised, with a forward pass that ``torch.fx`` can trace; left as it is. The
        copy is in eval mode.

    Raises
    ------
    ConfigError
        If the forward pass cannot be traced, or a weight is tied.
    """
    twin = finalize(copy.deepcopy(module)).eval()
    _refuse_ties(twin)
    try:
        graph = fx.symbolic_trace(twin).graph
    except (TypeError, RuntimeError, ValueError, NotImplementedError) as error:
        raise ConfigError(
            f"the forward pass of {type(module).__name__} cannot be traced ({error}); compact the "
            "parts that are plain layers, such as an nn.Sequential, on their own."
        ) from error
    links = _links(graph, twin)
    left = {
        link.first_name: torch.arange(len(link.first.weight), device=link.first.weight.device)
        for link in links
    }
    with torch.no_grad():
        while True:
            before = sum(len(units) for units in left.values())
            for link in links:
                left[link.first_name] = left[link.first_name][_shrink(link)]
            if sum(len(units) for units in left.values()) == before:
                return twin, left


def _refuse_ties(module: nn.Module) -> None:
    seen: dict[int, str] = {}
    for name, value in module.named_parameters(remove_duplicate=False):
        if id(value) in seen:
            raise ConfigError(
                f"'{name}' and '{seen[id(value)]}' are one tied weight, which cannot shrink in two "
                "places; compact the parts of the network before they are tied."
            )
        seen[id(value)] = name


def _links(graph: fx.Graph, module: nn.Module) -> list[_Link]:
    """Return every two layers that only unit-wise steps separate."""
    calls = [node.target for node in graph.nodes if node.op == "call_module"]
    links = []
    for node in graph.nodes:
        if node.op == "call_module" and calls.count(node.target) == 1:
            first = module.get_submodule(str(node.target))
            if _is_layer(first):
                link = _follow(node, first, module, calls)
                if link is not None:
                    links.append(link)
    return links


def _follow(node: fx.Node, first: Layer, module: nn.Module, calls: list[object]) -> _Link | None:
    """Return the link that starts at a layer, or None if something else reads its units."""
    link = _Link(("", ""), first, first)
    at = node
    while len(at.users) == 1:
        at = next(iter(at.users))
        part = module.get_submodule(str(at.target)) if at.op == "call_module" else None
        if part is not None and calls.count(at.target) != 1:
            return None
        if part is not None and _is_layer(part):
            link.first_name, link.second_name = str(node.target), str(at.target)
            link.second = part
            return link if _fits(link) else None
        if not _take(link, at, part):
            return None
    return None


def _take(link: _Link, node: fx.Node, part: nn.Module | None) -> bool:
    """Add a step to the link; False if it does not act on each unit alone."""
    if len(node.all_input_nodes) != 1:
        return False
    if isinstance(part, nn.Flatten) and (part.start_dim, part.end_dim) == (1, -1):
        link.flat = True
    elif node.target in (torch.flatten, "flatten") and node.args[1:] == (1,):
        link.flat = True
    elif isinstance(part, _MAPS) or node.target in (*_FUNCTIONS, *_METHODS):
        link.steps.append(part or node)
    elif isinstance(part, _NORMS):
        link.steps.append(part)
        return part.running_mean is not None and not link.flat
    elif isinstance(part, _POOLS):
        average = "Avg" in type(part).__name__
        link.edges_differ |= average and getattr(part, "padding", 0) not in (0, (0, 0), (0,))
        return isinstance(link.first, _CONVOLUTIONS) and not link.flat
    else:
        return isinstance(part, _DROPOUTS)
    return True


def _is_layer(part: nn.Module) -> TypeGuard[Layer]:
    if isinstance(part, _CONVOLUTIONS):
        return part.groups == 1
    return isinstance(part, nn.Linear)


def _fits(link: _Link) -> bool:
    """Say whether the second layer reads the units of the first, and note padding."""
    units = link.first.weight.shape[0]
    if isinstance(link.second, nn.Linear):
        spread = link.second.in_features // units
        if isinstance(link.first, nn.Linear):
            return spread * units == link.second.in_features and spread == 1
        return link.flat and spread * units == link.second.in_features
    padding = link.second.padding
    padded = padding != "valid" if isinstance(padding, str) else any(padding)
    link.edges_differ |= padded and link.second.padding_mode == "zeros"
    return isinstance(link.first, _CONVOLUTIONS) and not link.flat


def _shrink(link: _Link) -> Tensor:
    """Remove dead units of the first layer and return which of its units stay."""
    weight, units = link.first.weight, len(link.first.weight)
    read = link.second.weight.movedim(1, 0).reshape(units, -1).ne(0).any(1)
    constant = weight.flatten(1).eq(0).all(1)
    values = _constants(link)
    foldable = constant & (values.eq(0) if link.edges_differ else values.isfinite())
    keep = read & ~foldable
    if not keep.any():
        keep[0] = True
    if keep.all():
        return keep
    gone = foldable & read & ~keep
    _fold(link.second, torch.where(gone, values, 0.0), units)
    _cut(link, keep)
    return keep


def _constants(link: _Link) -> Tensor:
    """Return what each unit would give if it read nothing."""
    bias = link.first.bias
    weight = link.first.weight
    values = torch.zeros_like(weight[:, 0].flatten(1)[:, 0]) if bias is None else bias.clone()
    for step in link.steps:
        if isinstance(step, _NORMS):
            values = functional.batch_norm(
                values[None],
                step.running_mean,
                step.running_var,
                step.weight,
                step.bias,
                eps=step.eps,
            )[0]
        elif isinstance(step, nn.Module):
            values = step(values)
        elif step.op == "call_method":
            values = getattr(values, str(step.target))()
        else:
            values = step.target(values, *step.args[1:], **step.kwargs)  # type: ignore[operator]
    return values


def _fold(layer: Layer, values: Tensor, units: int) -> None:
    """Add what constant units contribute to the biases of the layer that reads them."""
    if not values.any():
        return
    weight = layer.weight
    per_unit = weight.reshape(len(weight), units, -1).sum(2)
    added = per_unit @ values
    layer.bias = nn.Parameter(added if layer.bias is None else layer.bias + added)


def _cut(link: _Link, keep: Tensor) -> None:
    """Slice both layers and the normalisations between them."""
    first, second = link.first, link.second
    units = len(first.weight)
    columns = keep.repeat_interleave(second.weight.shape[1] // units)
    first.weight = nn.Parameter(first.weight[keep])
    if first.bias is not None:
        first.bias = nn.Parameter(first.bias[keep])
    second.weight = nn.Parameter(second.weight[:, columns])
    left = int(keep.sum())
    if isinstance(first, nn.Linear):
        first.out_features = left
    else:
        first.out_channels = left
    if isinstance(second, nn.Linear):
        second.in_features = int(columns.sum())
    else:
        second.in_channels = left
    for step in link.steps:
        if isinstance(step, _NORMS):
            _cut_norm(step, keep)


def _cut_norm(norm: nn.Module, keep: Tensor) -> None:
    for name in ("weight", "bias"):
        value = getattr(norm, name)
        if value is not None:
            setattr(norm, name, nn.Parameter(value[keep]))
    for name in ("running_mean", "running_var"):
        setattr(norm, name, getattr(norm, name)[keep])
    norm.num_features = int(keep.sum())  # type: ignore[assignment]
