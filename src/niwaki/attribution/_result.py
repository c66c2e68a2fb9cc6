"""What an attribution is: the values, the score they explain, and how it was made."""

from dataclasses import dataclass

import torch
from torch import Tensor

from niwaki.core import InputError


@dataclass(frozen=True)
class Attribution:
    """Contributions of inputs to a score, and what is needed to check them.

    Attributes
    ----------
    output
        The model's whole output, from the same pass where there was one; usable in a loss.
    score
        What is explained, ``[sample]``, or ``[sample, target]`` for all targets (output units).
    values
        One tensor per input of the shape of that input; with all targets, the target is axis 1
        (output units).
    baseline_score
        The score at the baseline (output units); 0 in the closed form.
    method
        ``x-gradient``, ``integrated gradients``, ``expected gradients`` or ``gradient``.
    degree
        Degree of homogeneity that the closed form rests on; None elsewhere.
    nodes
        Gradient evaluations per sample (count).
    note
        Why this method was taken, where it was chosen automatically.
    """

    output: Tensor
    score: Tensor
    values: tuple[Tensor, ...]
    baseline_score: Tensor
    method: str
    degree: float | int | None = None
    nodes: int = 1
    note: str = ""

    @property
    def value(self) -> Tensor:
        """The values of a single input.

        Raises
        ------
        InputError
            If there are several.
        """
        if len(self.values) != 1:
            raise InputError(
                f"this attribution is over {len(self.values)} inputs; take one of `values`."
            )
        return self.values[0]

    @property
    def gap(self) -> Tensor:
        """Score minus baseline minus the sum of all values, per score (output units)."""
        return completeness_gap(self)


def completeness_gap(found: Attribution, *, relative: bool = False) -> Tensor:
    """Return by how much attributions miss the score that they explain, one number per score.

    Parameters
    ----------
    found
        From any method.
    relative
        Divide by the size of the difference between score and baseline.

    References
    ----------
    .. [1] sundararajan2017, axiom of completeness.
    """
    axes = found.score.ndim
    total = torch.zeros_like(found.score)
    for part in found.values:
        total = total + (part.flatten(axes).sum(axes) if part.ndim > axes else part)
    wanted = found.score - found.baseline_score
    gap = wanted - total
    if not relative:
        return gap
    return gap / wanted.abs().clamp(min=torch.finfo(wanted.dtype).tiny)
