"""Linear layers in compressed sparse rows, where that is measured to be faster."""

import copy
import time
import warnings

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from niwaki.core import ConfigError
from niwaki.pruning._modules._parametrize import finalize


class CsrLinear(nn.Module):
    """A linear layer that stores and multiplies only its survivors; for inference.

    Parameters
    ----------
    layer
        The pruned dense layer.
    gain
        How many times faster it was than the dense one (dimensionless); None if not measured.
    """

    rows: Tensor
    columns: Tensor
    values: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear, *, gain: float | None = None) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.gain = gain
        with warnings.catch_warnings():  # torch says once that its CSR tensors are in beta
            warnings.simplefilter("ignore")
            matrix = layer.weight.detach().to_sparse_csr()
        self.register_buffer("rows", matrix.crow_indices())
        self.register_buffer("columns", matrix.col_indices())
        self.register_buffer("values", matrix.values())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, inputs: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return the outputs of the layer."""
        matrix = torch.sparse_csr_tensor(
            self.rows,
            self.columns,
            self.values,
            (self.out_features, self.in_features),
            check_invariants=False,  # a dense matrix made them
        )
        flat = inputs.reshape(-1, self.in_features)
        outputs = (matrix @ flat.T).T
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.reshape(*inputs.shape[:-1], self.out_features)


@torch.no_grad()
def to_sparse(
    module: nn.Module,
    inputs: Tensor,
    *,
    least_gain: float = 1.1,
    repeats: int = 15,
) -> nn.Module:
    """Return a copy for inference whose linear layers are sparse where that is faster.

    Each linear layer is timed dense and sparse, in turn, on what reaches it from `inputs`; it is
    replaced if the median of the sparse one is smaller by the factor `least_gain`. At 50 % sparsity
    dense layers win on any processor we tried; small layers stay dense at any sparsity.

    Parameters
    ----------
    module
        Masked or finalised; left as it is.
    inputs
        A batch of the size that will be used: a sparse product that is fast for one sample may be
        slow for a thousand.
    least_gain
        Smallest factor for which a layer is replaced (dimensionless).
    repeats
        How often each is timed (count).

    Raises
    ------
    ConfigError
        If `least_gain` or `repeats` is not positive.
    """
    if least_gain <= 0 or repeats < 1:
        raise ConfigError(
            f"least_gain is {least_gain:g} and repeats {repeats}; expected positive numbers."
        )
    twin = finalize(copy.deepcopy(module)).eval()
    seen = _inputs_of_layers(twin, inputs)
    for name, reached in seen.items():
        layer = twin.get_submodule(name)
        if isinstance(layer, nn.Linear):
            sparse = CsrLinear(layer)
            sparse.gain = _gain(layer, sparse, reached, repeats)
            if sparse.gain >= least_gain:
                twin = _replaced(twin, name, sparse)
    return twin


def _inputs_of_layers(module: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Return what reaches each linear layer."""
    seen: dict[str, Tensor] = {}
    handles = [
        part.register_forward_pre_hook(lambda _, given, name=name: seen.__setitem__(name, given[0]))
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear)
    ]
    module(inputs)
    for handle in handles:
        handle.remove()
    return seen


def _gain(dense: nn.Module, sparse: nn.Module, inputs: Tensor, repeats: int) -> float:
    """Return how many times faster the sparse layer is, by medians of interleaved runs."""
    times: dict[nn.Module, list[float]] = {dense: [], sparse: []}
    for _ in range(repeats + 1):
        for layer, taken in times.items():
            began = time.perf_counter()
            layer(inputs)
            if inputs.is_cuda:
                torch.cuda.synchronize()
            taken.append(time.perf_counter() - began)
    return float(np.median(times[dense][1:]) / np.median(times[sparse][1:]))


def _replaced(module: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Return the module with one part replaced."""
    place, _, attribute = name.rpartition(".")
    if not attribute:
        return layer
    setattr(module.get_submodule(place), attribute, layer)
    return module
