"""The closed form where it holds, integrated gradients elsewhere, and a word on which."""

from dataclasses import replace

from torch import Tensor

from niwaki.attribution._forward import Inputs, Model, as_inputs
from niwaki.attribution._gradient import xgrad
from niwaki.attribution._homogeneity import homogeneity_report
from niwaki.attribution._integrated import Baseline, integrated_gradients
from niwaki.attribution._result import Attribution
from niwaki.attribution._target import Target
from niwaki.core import InputError


def attribute(
    model: Model,
    inputs: Inputs,
    target: Target = None,
    *,
    baseline: Baseline = None,
    nodes: int = 50,
    chunk: int | None = None,
    create_graph: bool = False,
) -> Attribution:
    """Return exact attributions in one pass where the model allows it, else integrated gradients.

    The model is checked by `homogeneity_report` on the first samples. The result's `method`,
    `degree` and `note` say what was done, and `gap` how complete it is.

    Parameters
    ----------
    model, inputs, target
        As for `xgrad`.
    baseline, nodes, chunk
        As for `integrated_gradients`; a baseline other than zero rules the closed form out.
    create_graph
        Make the values differentiable.

    Raises
    ------
    InputError
        If inputs, target, baseline or model cannot be used.
    """
    parts = as_inputs(inputs)
    if _is_zero(baseline):
        report = homogeneity_report(model, tuple(part[:4] for part in parts))
        if report.holds and report.degree:
            found = xgrad(
                model, parts, target, degree=report.degree, create_graph=create_graph, chunk=chunk
            )
            return replace(found, note=f"closed form: {report.reason}")
        why = report.reason
    else:
        why = "the baseline is not zero, and the closed form knows no other."
    found = integrated_gradients(
        model, parts, target, baseline=baseline, nodes=nodes, chunk=chunk,
        create_graph=create_graph,
    )  # fmt: skip
    return replace(found, note=f"no closed form: {why}")


def _is_zero(baseline: Baseline) -> bool:
    if baseline is None:
        return True
    if isinstance(baseline, Tensor):
        return not bool(baseline.any())
    if isinstance(baseline, int | float):
        return baseline == 0
    return all(_is_zero(part) for part in baseline)


class XGradient:
    """X-Gradient behind the calling convention of Captum, for code that is written for it.

    Unlike Captum's InputXGradient it refuses models that it is not exact for, reaches the weights
    with ``create_graph=True``, and refuses a baseline other than zero.

    Parameters
    ----------
    forward_func
        A module or a function.
    degree
        As for `xgrad`; None checks the model at every call.

    Examples
    --------
    >>> import torch
    >>> method = XGradient(torch.nn.Linear(3, 2, bias=False))
    >>> method.attribute(torch.ones(4, 3), target=1).shape
    torch.Size([4, 3])
    """

    def __init__(self, forward_func: Model, *, degree: float | int | None = None) -> None:
        self.forward_func = forward_func
        self.degree = degree

    @property
    def multiplies_by_inputs(self) -> bool:
        """Whether values are contributions rather than slopes: always."""
        return True

    def has_convergence_delta(self) -> bool:
        """Whether a delta can be returned: always."""
        return True

    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Baseline = None,
        target: Target = None,
        additional_forward_args: object = None,
        *,
        return_convergence_delta: bool = False,
        create_graph: bool = False,
        **unneeded: object,
    ) -> Tensor | tuple[Tensor, ...] | tuple[Tensor | tuple[Tensor, ...], Tensor]:
        """Return attributions of the shape of the inputs, and on request what they miss.

        Parameters
        ----------
        inputs, target
            As for `xgrad`, without ``"all"``.
        baselines
            Only zero.
        additional_forward_args
            Further arguments of the model, which are not attributed.
        return_convergence_delta
            Also return the sum of values minus the score, per sample (output units).
        create_graph
            Make the values differentiable.
        unneeded
            ``n_steps``, ``method`` and ``internal_batch_size`` of Captum's IntegratedGradients,
            which one exact pass has no use for.

        Raises
        ------
        InputError
            As `xgrad` does, and for another baseline than zero.
        """
        if not _is_zero(baselines):
            raise InputError(
                "the closed form is integrated gradients from zero and knows no other baseline; "
                "drop the baselines, or use integrated_gradients."
            )
        other = set(unneeded) - {"n_steps", "method", "internal_batch_size"}
        if other:
            raise InputError(f"XGradient knows no argument '{min(other)}'; leave it out.")
        extra = () if additional_forward_args is None else additional_forward_args
        extra = extra if isinstance(extra, tuple) else (extra,)
        forward = self.forward_func
        model = forward if not extra else lambda *x: forward(*x, *extra)
        found = xgrad(model, inputs, target, degree=self.degree, create_graph=create_graph)
        values = found.values if isinstance(inputs, tuple) else found.value
        return (values, -found.gap) if return_convergence_delta else values
