"""DASH as released, every oddity named."""

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from niwaki.core import ConfigError
from niwaki.knowledge import Knowledge
from niwaki.pruning._criteria._chain import (
    Chain,
    PaperQuirks,
    ScoreOptions,
    Scores,
    needed,
    scored,
    shares,
)


def dash_paper(
    chain: Chain,
    knowledge: Knowledge | None,
    *,
    options: ScoreOptions,
    state: Tensor | None,
    rng: np.random.Generator,
) -> Scores:
    """Score weights as the released code does, to compare with the paper.

    Its lambdas are no mixing weights: knowledge scores are not normalised and their scale flips
    from prune to prune. `PaperQuirks` switches each oddity off.

    Raises
    ------
    ConfigError
        If the plain inverse does not exist, as with fewer regulators than hidden units.

    References
    ----------
    .. [1] dash2024, released simulation script. Computed in float64, there in float32.
    """
    known = needed(knowledge, "dash-paper")
    quirks = options.quirks
    mask_first, mask_output = _counted(chain, quirks)
    data_first = _data_first(chain, quirks, mask_first)
    start = _start(data_first, state=state, quirks=quirks, rng=rng)
    inverse = _inverse(start, options)
    modules = np.asarray(np.abs(inverse @ (start @ known.ppi)))
    first = _mix(modules, data_first, mask_first, weight=options.lambda_ppi, quirks=quirks)
    wanted = _wanted(first.numpy(), known.prior, options)
    output = _mix(
        wanted,
        _data_output(chain, quirks, mask_output),
        mask_output,
        weight=options.lambda_prior,
        quirks=quirks,
    )
    return scored(chain, first, output, state=first)


def _counted(chain: Chain, quirks: PaperQuirks) -> tuple[Tensor | None, Tensor | None]:
    """Return the masks over which sums run; None for all entries."""
    if quirks.pruned_entries_count:
        return None, None
    return chain.first_mask.cpu(), chain.output_mask.cpu()


def _data_first(chain: Chain, quirks: PaperQuirks, mask: Tensor | None) -> Tensor:
    """Return the data scores of the first layer."""
    weight = chain.living_first()
    exponential = chain.multiplicative and quirks.exponential_data
    return shares(weight.exp() if exponential else weight.abs(), mask)


def _data_output(chain: Chain, quirks: PaperQuirks, mask: Tensor | None) -> Tensor:
    """Return the data scores of the output layer."""
    size = chain.living_output().abs()
    return shares(size * chain.scale()[:, None] if quirks.multiplier_in_output else size, mask)


def _start(
    data: Tensor, *, state: Tensor | None, quirks: PaperQuirks, rng: np.random.Generator
) -> Float[np.ndarray, "hidden gene"]:
    """Return the scores from which this prune takes its one step."""
    if quirks.stored_state and state is not None:
        return state.detach().to("cpu", torch.float64).numpy()
    if quirks.random_start:
        return rng.random(tuple(data.shape))
    return data.numpy()


def _wanted(
    first: Float[np.ndarray, "hidden gene"], prior: sparse.csr_array, options: ScoreOptions
) -> Float[np.ndarray, "target hidden"]:
    """Return the knowledge scores of the output layer."""
    return np.asarray(np.abs((prior @ first.T) @ _inverse(first, options)))


def _inverse(
    scores: Float[np.ndarray, "hidden gene"], options: ScoreOptions
) -> Float[np.ndarray, "hidden other"]:
    """Return the inverse of ``S @ S.T``, plain or with a ridge."""
    gram = scores @ scores.T
    if not options.quirks.plain_inverse:
        gram += np.eye(len(gram)) * options.ridge * np.trace(gram) / len(gram)
    if not np.isfinite(gram).all() or np.linalg.cond(gram) > 1e12:
        raise ConfigError(
            "the criterion 'dash-paper' cannot invert S S^T (fewer regulators with knowledge than "
            "hidden units, most likely); lower lambda_ppi or the hidden size, switch off the quirk "
            "'plain_inverse', or use the criterion 'dash'."
        )
    return np.linalg.inv(gram)


def _mix(
    knowledge: np.ndarray,
    data: Tensor,
    mask: Tensor | None,
    *,
    weight: float,
    quirks: PaperQuirks,
) -> Tensor:
    """Return the weighted sum of both parts."""
    part = torch.from_numpy(knowledge)
    if not quirks.raw_knowledge:
        part = shares(part, mask)
    return weight * part + (1 - weight) * data
