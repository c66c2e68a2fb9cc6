"""What a prior says about the weights of two linear layers in a row.

With ``hidden = W @ x`` and ``out = C @ hidden``, the product ``C @ W`` is the network. Read the
rows of `W` as soft modules of regulators: regulators that share targets should share a hidden unit,
so a non-negative score `S` of the first layer should obey ``S.T @ S ~ ppi``; and the product of
both scores should look like the prior, ``B @ S ~ prior``.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import linalg, sparse

from niwaki.core import AlignmentError, Network

_TINY = 1e-100  # below anything that occurs, and still safe to divide by


@dataclass(frozen=True)
class Knowledge:
    """What is known before the data, as two non-negative matrices over the model's genes.

    Attributes
    ----------
    prior
        Strength of each suspected edge, ``[target, regulator]`` (any unit, signs dropped).
    ppi
        How much two regulators belong together, ``[regulator, regulator]``, symmetric.
    """

    prior: sparse.csr_array
    ppi: sparse.csr_array

    def __post_init__(self) -> None:
        if self.prior.shape != self.ppi.shape:
            raise AlignmentError(
                f"the prior covers {self.prior.shape[0]} genes but the regulator-regulator network "
                f"covers {self.ppi.shape[0]}; align both to the genes of the expression data first."
            )


def knowledge_from(prior: Network, *, ppi: Network | None = None) -> tuple[Knowledge, list[str]]:
    """Return the knowledge in a prior, and hints about the regulator-regulator network.

    Parameters
    ----------
    prior
        Suspected edges, aligned to the model's genes.
    ppi
        Which regulators interact; without it, they are scored by shared targets in the prior.
    """
    strengths = abs(prior.to_sparse())
    if ppi is None:
        return Knowledge(strengths, co_target_ppi(prior)), []
    together, hints = symmetric_ppi(ppi)
    return Knowledge(strengths, together), hints


def co_target_ppi(prior: Network) -> sparse.csr_array:
    """Return how many targets each two regulators share, as shares of the total.

    Entry ``[i, k]`` is the sum over targets of ``abs(prior)`` of `i` times that of `k`; the
    diagonal is kept. Empty if the prior has no edges.

    References
    ----------
    .. [1] dash2024, released simulation script (there the prior is ``[regulator, target]``).
    """
    strengths = abs(prior.to_sparse())
    return _sum_to_one(sparse.csr_array(strengths.T @ strengths))


def symmetric_ppi(network: Network) -> tuple[sparse.csr_array, list[str]]:
    """Return an undirected version of a network, summing to 1, and a hint if it had to be made.

    Of two different strengths for one pair the larger one counts, so a file that lists each pair
    once (one triangle) and one that lists it twice mean the same.
    """
    given = abs(network.to_sparse())
    both = sparse.csr_array(given.maximum(given.T))
    off_diagonal = int((network.source != network.target).sum())
    mirrored = sparse.csr_array(given.multiply(given.T > 0))
    one_way = off_diagonal - int(mirrored.count_nonzero() - np.count_nonzero(mirrored.diagonal()))
    hints = []
    if one_way:
        hints.append(
            f"{one_way} of {off_diagonal} regulator-regulator pairs are listed in one direction "
            "only; the network was made symmetric."
        )
    return _sum_to_one(both), hints


def module_scores(
    start: Float[np.ndarray, "hidden regulator"],
    ppi: sparse.csr_array,
    *,
    tolerance: float = 1e-3,
    max_steps: int = 300,
) -> Float[np.ndarray, "hidden regulator"]:
    """Score first-layer weights by how well they group regulators that belong together.

    Minimises the squared distance of ``S.T @ S`` from `ppi` over non-negative `S`, from `start`, by
    multiplicative steps; a step that would increase the distance ends the search, so the result
    never swings between two states. Many `S` fit equally well: `start` only chooses
    which hidden unit takes which regulators. Where `start` is 0 the result is 0.

    Parameters
    ----------
    start
        Non-negative scores to start from; zeros mark pruned weights (any unit, scale is ignored).
    ppi
        Symmetric, non-negative; genes with an empty column score 0.
    tolerance
        Stop when the squared distance falls by less than this share in one step (dimensionless).
    max_steps
        Stop after this many steps.

    References
    ----------
    .. [1] dash2024, released scripts: one step of ``abs(inv(S @ S.T) @ S @ R)`` per prune from a
       random start, whose scale flips with period 2.
    .. [2] ding2005, the multiplicative step.
    """
    known = np.flatnonzero(ppi.sum(axis=0) > 0)
    scores = np.zeros_like(start, dtype=np.float64)
    if known.size:
        inner = _compact(sparse.csr_array(sparse.csr_array(ppi[known])[:, known]))
        scores[:, known] = _factorise(
            start[:, known].astype(np.float64), inner, tolerance=tolerance, max_steps=max_steps
        )
    return scores


def target_scores(
    first: Float[np.ndarray, "hidden regulator"],
    prior: sparse.csr_array,
    *,
    ridge: float = 1e-3,
) -> Float[np.ndarray, "target hidden"]:
    """Score output weights so that both layers together look like the prior.

    Solves ``B @ first ~ prior`` by ridge regression and drops negative values.

    Parameters
    ----------
    first
        Non-negative scores of the first layer (any unit).
    prior
        Non-negative strengths ``[target, regulator]`` (any unit).
    ridge
        Weight of the penalty, relative to the mean diagonal of ``first @ first.T`` (dimensionless).

    References
    ----------
    .. [1] dash2024, released scripts: absolute values of a plain inverse. Negative values there
       mean "this unit would make the fit worse", so we do not count them as support.
    """
    gram = first @ first.T
    scale = float(np.trace(gram)) / max(gram.shape[0], 1)
    if scale <= 0:
        return np.zeros((prior.shape[0], first.shape[0]))
    gram.flat[:: gram.shape[0] + 1] += ridge * scale
    solved = linalg.solve(gram, (prior @ first.T).T, assume_a="pos", check_finite=False)
    return np.maximum(solved.T, 0.0)


def _factorise(
    start: np.ndarray, ppi: np.ndarray | sparse.csr_array, *, tolerance: float, max_steps: int
) -> np.ndarray:
    """Return non-negative `S` with ``S.T @ S ~ ppi``; no step increases the distance."""
    total = float((ppi * ppi).sum())
    # regulator by hidden unit, the order in which a sparse product takes no detour
    scores = np.ascontiguousarray(start.T)
    proposal, distance = scores * _best_scale(scores, ppi), np.inf
    for _ in range(max_steps):
        wanted, gram = ppi @ proposal, proposal.T @ proposal
        reached = total - 2 * float(np.vdot(proposal, wanted)) + float(np.vdot(gram, gram))
        if reached > distance:
            break
        scores, fall, distance = proposal, distance - reached, reached
        if fall <= tolerance * distance:
            break
        # where it is 0 the proposal is 0 too, and stays so whatever the quotient is
        present = np.maximum(proposal @ gram, _TINY)
        wanted /= present
        wanted += 1
        wanted *= 0.5
        proposal = np.multiply(proposal, wanted, out=wanted)
    return scores.T


def _compact(ppi: sparse.csr_array) -> np.ndarray | sparse.csr_array:
    """Return the matrix dense if that is quicker and takes about as much memory."""
    return ppi.toarray() if ppi.nnz > 0.25 * ppi.shape[0] ** 2 else ppi


def _best_scale(scores: np.ndarray, ppi: np.ndarray | sparse.csr_array) -> float:
    """Return the factor on `scores` that brings ``S @ S.T`` closest to `ppi`."""
    size = float(((scores.T @ scores) ** 2).sum())
    overlap = float((scores * (ppi @ scores)).sum())
    return float(np.sqrt(overlap / size)) if size > 0 else 0.0


def _sum_to_one(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return a non-negative matrix divided by its sum, or itself if that is 0."""
    total = float(matrix.sum())
    return sparse.csr_array(matrix / total) if total > 0 else matrix
