"""Scores of the weights of a chain of linear layers from what is known about its ends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy import sparse
from torch import Tensor

from niwaki.core import AlignmentError, ConfigError
from niwaki.knowledge import Knowledge, module_scores, target_scores
from niwaki.pruning._criteria._chain import shares


@dataclass(frozen=True)
class ChainKnowledge:
    """What is known about a chain of layers, as non-negative matrices.

    Attributes
    ----------
    paths
        How much each input is believed to act on each output (any unit); None if unknown.
    together
        How much two inputs belong together, symmetric (any unit); None if unknown.
    """

    paths: sparse.csr_array | None = None
    together: sparse.csr_array | None = None

    def __post_init__(self) -> None:
        if self.paths is None and self.together is None:
            raise ConfigError("nothing is known: give paths, together or groups.")
        for name in ("paths", "together"):
            matrix = getattr(self, name)
            if matrix is not None and (matrix.data < 0).any():
                raise ConfigError(f"`{name}` holds a negative number; take absolute values first.")
        if self.paths is not None and self.together is not None:
            inputs = self.paths.shape[1]
            if self.together.shape != (inputs, inputs):
                raise AlignmentError(
                    f"`paths` has {inputs} inputs, but `together` is of shape "
                    f"{self.together.shape}; both need the same inputs in the same order."
                )

    @classmethod
    def from_knowledge(cls, knowledge: Knowledge) -> "ChainKnowledge":
        """Return the knowledge in a prior network and its regulator interactions."""
        return cls(knowledge.prior, knowledge.ppi)


Matrix = Float[np.ndarray, "row column"] | pd.DataFrame


def chain_knowledge(
    *,
    paths: Matrix | None = None,
    together: Matrix | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> ChainKnowledge:
    """Return knowledge from adjacency, pairs of inputs, or groups such as gene sets.

    Without `together` and `groups`, inputs that act on the same outputs belong together.

    Parameters
    ----------
    paths
        ``[output, input]``; magnitudes count. A table is put into the order of `outputs` and
        `inputs`; an array must have it.
    together
        ``[input, input]``; of two different strengths for one pair the larger counts.
    groups
        Members of each group; inputs of one group belong together, the more groups they share
        the more.
    inputs, outputs
        Names in the order of the network; needed with groups and tables.

    Raises
    ------
    AlignmentError
        If names are missing, or not in a table, or no member of any group is an input.
    ConfigError
        If nothing is given, or both `together` and `groups`.
    """
    if together is not None and groups is not None:
        raise ConfigError("both `together` and `groups` were given; choose one.")
    known_paths = None if paths is None else abs(_matrix(paths, outputs, inputs, "paths"))
    known_together = None
    if together is not None:
        given = abs(_matrix(together, inputs, inputs, "together"))
        known_together = sparse.csr_array(given.maximum(given.T))
    elif groups is not None:
        members = group_members(groups, inputs or ())
        known_together = sparse.csr_array(members.T.astype(float) @ members.astype(float))
    elif known_paths is not None:
        known_together = sparse.csr_array(known_paths.T @ known_paths)
    return ChainKnowledge(known_paths, known_together)


def group_members(
    groups: Mapping[str, Sequence[str]], inputs: Sequence[str]
) -> Bool[np.ndarray, "group input"]:
    """Return which inputs are members of which group; unknown members are left out.

    Raises
    ------
    AlignmentError
        If there are no inputs, or none of them is in any group.
    """
    place = {name: i for i, name in enumerate(inputs)}
    members = np.zeros((len(groups), len(place)), dtype=bool)
    for row, names in zip(members, groups.values(), strict=True):
        row[[place[name] for name in names if name in place]] = True
    if not members.any():
        raise AlignmentError(
            f"none of the {len(place)} inputs is a member of any of the {len(groups)} groups; "
            "check that both use the same kind of names."
        )
    return members


@dataclass(frozen=True)
class LayerScores:
    """Scores of each layer of a chain, first layer first, float64.

    Attributes
    ----------
    knowledge
        What knowledge says, as shares of its sum over the layer's living weights.
    mixed
        The same mixed with the sizes of the weights.
    """

    knowledge: tuple[Tensor, ...]
    mixed: tuple[Tensor, ...]


def layer_scores(
    sizes: Sequence[Float[Tensor, "_row _column"]],
    masks: Sequence[Bool[Tensor, "_row _column"]],
    knowledge: ChainKnowledge,
    *,
    inner: float = 0.5,
    last: float = 0.5,
    ridge: float = 1e-3,
) -> LayerScores:
    """Score the weights of two or more linear layers in a row by size and knowledge.

    Read the units of a layer as modules of what they read. In the first layer, inputs that belong
    together should share a unit. In a middle layer, units should be grouped that stand for inputs
    that belong together: with M the product of the scores so far, two units belong together as
    ``M @ together @ M.T`` says. In the last layer, the product of all scores should look like
    `paths`. Where nothing is known about a layer its score is size alone.

    With two layers this is the criterion ``dash``; the paper is about two layers too, and how it
    treats more we do not know.

    Parameters
    ----------
    sizes
        Non-negative size of each weight, ``[output, input]`` per layer (any unit).
    masks
        True where a weight lives.
    knowledge
        About the inputs of the first and the outputs of the last layer.
    inner, last
        Weight of knowledge in all layers but the last, and in the last, 0 to 1 (dimensionless).
    ridge
        Penalty when solving for the last layer, relative to the mean diagonal (dimensionless).

    Raises
    ------
    ConfigError
        If there are fewer than two layers, or a weight is out of range.
    AlignmentError
        If layers do not follow each other, or knowledge has other inputs or outputs.

    References
    ----------
    .. [1] dash2024, released scripts, for two layers.
    """
    _check_chain(sizes, masks, knowledge)
    for name, value in (("inner", inner), ("last", last)):
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} is {value:g}; expected 0 (sizes only) to 1 (knowledge).")
    known, mixed = [], []
    together = knowledge.together
    reach: np.ndarray | None = None  # of each input on each unit so far
    for at, (size, mask) in enumerate(zip(sizes, masks, strict=True)):
        data = shares(size.detach().to("cpu", torch.float64), mask.cpu())
        is_last = at == len(sizes) - 1
        part = (
            _last_part(knowledge, reach, ridge)
            if is_last and reach is not None
            else _inner_part(data, mask.cpu(), together)
        )
        weight = 0.0 if part is None else (last if is_last else inner)
        score = data if part is None else shares(part, mask.cpu())
        known.append(score)
        mixed.append(weight * score + (1 - weight) * data)
        if is_last:  # nothing reads on, and what reaches the outputs is genes times genes
            break
        reach = mixed[-1].numpy() if reach is None else mixed[-1].numpy() @ reach
        if knowledge.together is not None:
            together = sparse.csr_array(reach @ (knowledge.together @ reach.T))
    return LayerScores(tuple(known), tuple(mixed))


def chain_scorer(
    names: Sequence[str],
    knowledge: ChainKnowledge,
    *,
    inner: float = 0.5,
    last: float = 0.5,
    ridge: float = 1e-3,
) -> Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], dict[str, Tensor]]:
    """Return `layer_scores` in the form that ``Pruner(knowledge=...)`` takes.

    Parameters
    ----------
    names
        Weights of the chain, first layer first.
    knowledge
        About its ends.
    inner, last
        Weights of knowledge while it is passed on from layer to layer (dimensionless).
    ridge
        See `layer_scores` (dimensionless).
    """

    def scores(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = layer_scores(
            [weights[n].abs() for n in names],
            [masks[n] for n in names],
            knowledge,
            inner=inner,
            last=last,
            ridge=ridge,
        )
        return dict(zip(names, found.knowledge, strict=True))

    return scores


def _inner_part(data: Tensor, mask: Tensor, together: sparse.csr_array | None) -> Tensor | None:
    """Return how well each weight groups what belongs together."""
    if together is None:
        return None
    start = data + shares(mask.double())
    return torch.from_numpy(module_scores(start.numpy(), together))


def _last_part(knowledge: ChainKnowledge, reach: np.ndarray, ridge: float) -> Tensor | None:
    """Return how much each weight helps the product to look like the known paths."""
    if knowledge.paths is None:
        return None
    return torch.from_numpy(target_scores(reach, knowledge.paths, ridge=ridge))


def _check_chain(
    sizes: Sequence[Tensor], masks: Sequence[Tensor], knowledge: ChainKnowledge
) -> None:
    shapes = [tuple(size.shape) for size in sizes]
    if len(shapes) < 2 or [tuple(m.shape) for m in masks] != shapes:
        raise ConfigError(
            f"a chain of layers of shapes {shapes} was given with {len(masks)} masks; expected "
            "two or more layers, and a mask of the same shape for each."
        )
    if any(after[1] != before[0] for before, after in pairwise(shapes)):
        raise AlignmentError(
            f"the layers {shapes} do not follow each other; each must read as many units as the "
            "one before has, first layer first."
        )
    inputs, outputs = shapes[0][1], shapes[-1][0]
    if knowledge.paths is not None and knowledge.paths.shape != (outputs, inputs):
        raise AlignmentError(
            f"`paths` is of shape {knowledge.paths.shape}, but the chain goes from {inputs} inputs "
            f"to {outputs} outputs; it must be [output, input]."
        )
    if knowledge.together is not None and knowledge.together.shape[0] != inputs:
        raise AlignmentError(
            f"`together` covers {knowledge.together.shape[0]} inputs, the chain {inputs}."
        )


def _matrix(
    given: Matrix, rows: Sequence[str] | None, columns: Sequence[str] | None, name: str
) -> sparse.csr_array:
    """Return a matrix in the wanted order."""
    if isinstance(given, pd.DataFrame):
        for axis, wanted, have in (("row", rows, given.index), ("column", columns, given.columns)):
            missing = sorted(set(wanted or ()) - set(have))
            if not wanted or missing:
                what = f"lacks the {axis} '{missing[0]}'" if missing else f"needs {axis} names"
                raise AlignmentError(
                    f"the table `{name}` {what}; name its rows and columns as inputs= and "
                    "outputs= do, in any order."
                )
        given = given.loc[list(rows or ()), list(columns or ())].to_numpy(float)
    elif (rows and len(rows) != given.shape[0]) or (columns and len(columns) != given.shape[1]):
        raise AlignmentError(
            f"`{name}` is of shape {given.shape}, but {len(rows or ())} row and "
            f"{len(columns or ())} column names are given; an array needs the network's order."
        )
    if not np.isfinite(given).all():
        raise ConfigError(f"`{name}` holds a missing number; write 0 where nothing is known.")
    return sparse.csr_array(given)
