"""One forward pass whose inputs can be differentiated and that leaves the model as it was."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from niwaki.core import InputError

Inputs: TypeAlias = Tensor | Sequence[Any]  # of tensors; anything else gets a sentence
Model: TypeAlias = Callable[..., Any]


def as_inputs(inputs: object) -> tuple[Tensor, ...]:
    """Return the inputs of a model as a tuple, checked.

    Raises
    ------
    InputError
        If there are none, one is no tensor of real numbers, one is empty or not finite, or they
        differ in their numbers of samples.
    """
    if not isinstance(inputs, Tensor | Sequence) or isinstance(inputs, str):
        raise InputError(
            f"the input is of type {type(inputs).__name__}; expected a torch tensor, for instance "
            "torch.as_tensor(array), or a tuple of them."
        )
    parts = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if not parts:
        raise InputError("there is no input to attribute to; give a tensor or several of them.")
    for number, part in enumerate(parts):
        _check_input(part, f"input {number + 1}" if len(parts) > 1 else "the input")
    rows = {part.shape[0] for part in parts}
    if len(rows) > 1:
        raise InputError(
            f"the inputs have {', '.join(map(str, sorted(rows)))} samples; axis 0 is the sample, "
            "so all inputs must have the same number of them."
        )
    return parts


def _check_input(part: object, name: str) -> None:
    if not isinstance(part, Tensor):
        raise InputError(
            f"{name} is of type {type(part).__name__}; expected a torch tensor, for instance "
            "torch.as_tensor(array)."
        )
    if not part.is_floating_point():
        raise InputError(
            f"{name} holds {str(part.dtype).removeprefix('torch.')} values, which have no "
            "gradient; attribute to an embedding of them, or convert with .float()."
        )
    if part.ndim == 0 or part.numel() == 0:
        raise InputError(
            f"{name} has shape {tuple(part.shape)}; expected at least one sample along axis 0."
        )
    if not bool(torch.isfinite(part.detach()).all()):
        raise InputError(
            f"{name} holds NaN or infinite values, which would spread into every attribution; "
            "fill or drop them first."
        )


def check_graph(create_graph: bool) -> None:
    """Refuse to build a graph that the caller's surroundings would drop in silence.

    Raises
    ------
    InputError
        If a differentiable result is asked for while gradients are off.
    """
    if create_graph and not torch.is_grad_enabled():
        raise InputError(
            "create_graph=True was asked for inside torch.no_grad() or inference_mode(), where no "
            "loss can be differentiated; leave that block, or drop create_graph."
        )


@contextmanager
def gradients_on() -> Iterator[None]:
    """Turn gradients on, also inside ``no_grad`` and ``inference_mode``."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def leaves(parts: Sequence[Tensor], *, create_graph: bool) -> tuple[Tensor, ...]:
    """Return tensors of the same values whose gradients can be asked for.

    With `create_graph` an input that already has a history keeps it, so that a loss reaches what
    made the input.
    """
    return tuple(
        part
        if create_graph and part.requires_grad
        else part.detach().clone().requires_grad_()  # a clone, since inference tensors stay out
        for part in parts
    )


def run(model: Model, parts: Sequence[Tensor], *, keep_state: bool) -> Tensor:
    """Return the output of a model; buffers that the pass changes stay as they were.

    The model gets copies of the inputs, so that modules that work in place can be differentiated.

    Parameters
    ----------
    model
        A module or a function of tensors.
    parts
        Its inputs.
    keep_state
        Whether running statistics and the like are left alone; off, the pass counts as one of
        training.

    Raises
    ------
    InputError
        If the model does not take these inputs or gives no tensor of real numbers.
    """
    copies = tuple(part.clone() for part in parts)
    with ExitStack() as stack:
        if _recurrent_on_gpu(model, copies):
            # the fused kernels refuse a backward pass in evaluation mode
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        try:
            if isinstance(model, nn.Module) and keep_state:
                buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
                output = torch.func.functional_call(model, buffers, copies)
            else:
                output = model(*copies)
        except (RuntimeError, TypeError, IndexError, ValueError) as error:
            raise InputError(
                f"the model does not run on inputs of shape "
                f"{', '.join(str(tuple(p.shape)) for p in parts)} and type {parts[0].dtype}: "
                f"{_first_line(error)}."
            ) from error
    if not isinstance(output, Tensor) or not output.is_floating_point():
        raise InputError(
            f"the model returned {_kind(output)}; expected one tensor of real numbers, so wrap it "
            "in a function that picks the part to attribute."
        )
    if output.ndim == 0 or output.shape[0] != parts[0].shape[0]:
        raise InputError(
            f"the model returned shape {tuple(output.shape)} for {parts[0].shape[0]} samples; "
            "expected the samples along axis 0, so leave sums and means over them to the caller."
        )
    return output


def pull(
    output: Tensor, parts: Sequence[Tensor], *, create_graph: bool, keep: bool = False
) -> tuple[Tensor, ...]:
    """Return the gradients of a sum of outputs, zero for inputs that it does not use.

    With `keep` the pass can be pulled again.

    Raises
    ------
    InputError
        If no gradient can be formed: the model cut the graph, or changed a value in place.
    """
    if not output.requires_grad:
        return tuple(torch.zeros_like(part) for part in parts)
    try:
        found = torch.autograd.grad(
            output, parts, retain_graph=create_graph or keep, create_graph=create_graph,
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
    except RuntimeError as error:
        if "cudnn RNN" in str(error):
            raise InputError(
                "cuDNN's recurrent nets have no backward pass in evaluation mode; give the net as "
                "a module, or call inside torch.backends.cudnn.flags(enabled=False)."
            ) from error
        raise InputError(
            f"the model could not be differentiated ({_first_line(error)}); replace operations "
            "that work in place, such as relu(inplace=True) after a sigmoid, by their plain form."
        ) from error
    return found


def pull_all(
    output: Tensor, parts: tuple[Tensor, ...], *, create_graph: bool, chunk: int | None = None
) -> tuple[Tensor, ...]:
    """Return the gradients of every output, ``[sample, target, ...]``.

    Cotangents are batched through one recorded pass, so the forward pass is run once.

    Parameters
    ----------
    output
        ``[sample, target]``.
    parts
        What to differentiate by.
    create_graph
        Make the gradients differentiable.
    chunk
        Targets at once (count); all by default.
    """
    count = output.shape[1]
    if not output.requires_grad:
        return tuple(torch.zeros(p.shape[0], count, *p.shape[1:]).to(p) for p in parts)

    def backward(seed: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            output,
            parts,
            seed.expand_as(output),
            create_graph=create_graph,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )

    seeds = torch.eye(count, dtype=output.dtype, device=output.device)
    try:
        found: tuple[Tensor, ...] = torch.func.vmap(backward, out_dims=1, chunk_size=chunk)(seeds)
    except RuntimeError:  # an operation without a batching rule: one target at a time
        rows = [
            pull((output * seed).sum(), parts, create_graph=create_graph, keep=True)
            for seed in seeds
        ]
        found = tuple(torch.stack(column, 1) for column in zip(*rows, strict=True))
    return found


def _recurrent_on_gpu(model: Model, parts: Sequence[Tensor]) -> bool:
    if not parts[0].is_cuda:
        return False
    return any(isinstance(m, nn.RNNBase) for top in _modules_of(model) for m in top.modules())


def _modules_of(model: Model) -> list[nn.Module]:
    """Return the module, or those that a function or a bound method works with."""
    cells = getattr(model, "__closure__", None) or ()
    held = [model, getattr(model, "__self__", None), *(cell.cell_contents for cell in cells)]
    return [part for part in held if isinstance(part, nn.Module)]


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.partition(" Hint:")[0].rstrip(". ")


def _kind(output: object) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of type {output.dtype}"
    return f"a {type(output).__name__}"
