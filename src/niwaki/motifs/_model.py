"""Graphs of torch modules: which unit feeds which, found by following the computation."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor, fx, nn

from niwaki.core import InputError
from niwaki.motifs._layered import LayeredGraph

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
# What passes a signal on, unit by unit.
_PASSING = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus),
    *(nn.Softmax, nn.LogSoftmax, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Flatten),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm, nn.Hardtanh),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d),
    *(nn.AdaptiveAvgPool2d, nn.ReLU6, nn.Softsign, nn.Mish, nn.Hardswish, nn.PReLU),
)
_ADDING = (operator.add, operator.iadd, torch.add, "add", "add_")
_JOINING = (torch.cat, torch.concat)


@dataclass(frozen=True)
class _Carried:
    """What a tensor carries: the unit of each of its channels, from one layer or from several.

    Attributes
    ----------
    parts
        For each layer the positions of its units along the channels; -1 where another layer is.
    """

    parts: Mapping[int, np.ndarray]
    width: int


def from_model(
    module: nn.Module, *, masks: Mapping[str, Tensor] | None = None, biases: bool = True
) -> LayeredGraph:
    """Return the graph of a module of linear and convolutional layers; weights of 0 are no edges.

    A linear layer is a layer of units; a convolution a layer of channels, joined where the kernel
    between them is not all 0, with its Euclidean norm as weight. Activations, normalisation,
    dropout and pooling pass units on. Where tensors are added or concatenated (skip connections),
    the next layer reads from all of them.

    Parameters
    ----------
    module
        The module, as it is: pruned weights are 0 or masked by `torch.nn.utils.prune`.
    masks
        Survivors by name of the weight, where they are kept apart.
    biases
        Whether a bias is a node.

    Raises
    ------
    InputError
        If the computation cannot be followed, or it is no feed-forward one; give the matrices to
        `from_weights` then.

    References
    ----------
    .. [1] vahedian2022, units and channels as nodes, the norm of a kernel as weight.
    """
    masks = masks or {}
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
        module, masks = nn.Sequential(module), {f"0.{name}": m for name, m in masks.items()}
    builder = _Builder(dict(module.named_modules()), masks, biases)
    try:
        graph = fx.symbolic_trace(module).graph
    except Exception as error:
        raise InputError(
            f"the computation of {type(module).__name__} cannot be followed "
            f"({type(error).__name__}); give its matrices to from_weights instead."
        ) from error
    carried: dict[fx.Node, _Carried | None] = {}
    for node in graph.nodes:
        carried[node] = builder.visit(node, carried)
    return builder.graph()


class _Builder:
    """Collects layers and blocks while the computation is followed."""

    def __init__(
        self, modules: dict[str, nn.Module], masks: Mapping[str, Tensor], biases: bool
    ) -> None:
        self.modules, self.masks, self.biases = modules, masks, biases
        self.sizes: list[int] = []
        self.blocks: dict[tuple[int, int], sparse.csr_array] = {}
        self.bias: dict[int, Float[np.ndarray, " _node"]] = {}
        self.inputs: dict[fx.Node, int] = {}

    def visit(self, node: fx.Node, carried: dict[fx.Node, _Carried | None]) -> _Carried | None:
        """Return what the tensor of a node carries; None while its width is not known yet."""
        given = [carried[a] for a in node.all_input_nodes]
        if node.op in ("placeholder", "get_attr"):
            return None
        if node.op == "call_module":
            module = self.modules[str(node.target)]
            if isinstance(module, nn.Linear | _CONV[0] | _CONV[1] | _CONV[2]):
                return self._layer(str(node.target), module, given[0])
            if isinstance(module, _PASSING):
                return given[0]
            raise InputError(
                f"layer '{node.target}' is a {type(module).__name__}, whose units cannot be "
                "followed; give the matrices to from_weights instead."
            )
        if node.op == "output":
            return given[0] if given else None
        return self._combined(node, given)

    def _combined(self, node: fx.Node, given: list[_Carried | None]) -> _Carried | None:
        """Return what sums, concatenations and functions of one tensor carry."""
        known = [g for g in given if g is not None]
        if len(known) < len(given) and len(given) > 1:
            raise InputError(
                "an input skips the first layer, and the graph has no place for that; give the "
                "matrices to from_weights, or build a LayeredGraph by hand."
            )
        if node.target in _JOINING:
            return _joined(known)
        if len(known) > 1 and node.target in _ADDING:
            return _added(known)
        if len(known) > 1:
            raise InputError(
                f"'{node.target}' mixes tensors in a way that is no sum; give the matrices to "
                "from_weights instead."
            )
        return known[0] if known else None

    def _layer(self, name: str, module: nn.Module, given: _Carried | None) -> _Carried:
        matrix = self._matrix(name, module)
        outs, width = matrix.shape
        if given is None:
            if self.sizes:
                raise InputError(f"layer '{name}' is a second entrance; only one is supported.")
            self.sizes.append(width)
            given = _Carried({0: np.arange(width)}, width)
        layer = len(self.sizes)
        self.sizes.append(outs)
        if width % given.width:
            raise InputError(
                f"layer '{name}' reads {width} values, but {given.width} units come in; the "
                "graph needs a whole number of values per unit."
            )
        # after flattening each channel is as many values in a row as it has positions
        matrix = _norms(matrix.reshape(outs, given.width, -1))
        for source, units in given.parts.items():
            here = units >= 0
            summed = np.zeros((outs, self.sizes[source]))
            np.add.at(summed.T, units[here], matrix[:, here].T)
            block = sparse.csr_array(summed)
            block.eliminate_zeros()
            self.blocks[source, layer] = block
        bias = getattr(module, "bias", None)
        if self.biases and isinstance(bias, Tensor):
            self.bias[layer] = self._masked(f"{name}.bias", bias).numpy()
        return _Carried({layer: np.arange(outs)}, outs)

    def _matrix(self, name: str, module: nn.Module) -> np.ndarray:
        """Return ``[out, in]``, kernels by their norm; grouped channels read only their group."""
        weight = self._masked(f"{name}.weight", _tensor(module.weight)).numpy()
        if isinstance(module, nn.Linear):
            return np.asarray(weight)
        values = _norms(weight.reshape(*weight.shape[:2], -1))
        groups = int(getattr(module, "groups", 1))
        if groups == 1:
            return values
        outs, each = values.shape
        full = np.zeros((outs, each * groups))
        for out in range(outs):
            begin = out // (outs // groups) * each
            full[out, begin : begin + each] = values[out]
        return full

    def _masked(self, name: str, weight: Tensor) -> Tensor:
        mask = self.masks.get(name)
        values = weight.detach().to("cpu", torch.float64)
        if mask is not None and mask.shape != weight.shape:
            raise InputError(
                f"the mask of '{name}' has shape {tuple(mask.shape)}, its weight "
                f"{tuple(weight.shape)}; give a mask of the same shape."
            )
        values = values if mask is None else values * mask.detach().to("cpu", torch.float64)
        if not bool(torch.isfinite(values).all()):
            raise InputError(f"'{name}' has a value that is not finite; repair the model first.")
        return values

    def graph(self) -> LayeredGraph:
        """Return what was collected."""
        if not self.blocks:
            raise InputError("the module has no linear or convolutional layer, so no graph.")
        return LayeredGraph(tuple(self.sizes), self.blocks, self.bias)


def _tensor(value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise InputError("a layer has no weight yet; call it once on data first.")
    return value


def _norms(values: np.ndarray) -> np.ndarray:
    """Return the norm over the last axis, with the sign where it has one entry."""
    if values.shape[-1] == 1:
        return values[..., 0]
    return np.asarray(np.linalg.norm(values, axis=-1))


def _added(given: list[_Carried]) -> _Carried:
    if len({g.width for g in given}) > 1:
        raise InputError("tensors of different widths are added; the graph cannot follow that.")
    parts: dict[int, np.ndarray] = {}
    for one in given:
        parts |= dict(one.parts)
    return _Carried(parts, given[0].width)


def _joined(given: list[_Carried]) -> _Carried:
    width = sum(g.width for g in given)
    parts: dict[int, np.ndarray] = {}
    begin = 0
    for one in given:
        for layer, units in one.parts.items():
            place = parts.setdefault(layer, np.full(width, -1))
            place[begin : begin + one.width] = units
        begin += one.width
    return _Carried(parts, width)
