"""Slow twins for pruning, written from the formulas of the released DASH scripts.

Orientation of the paper: `A[i, j]` is the effect of gene i on gene j, first layers are
``[hidden, gene]``, output layers ``[gene, hidden]``.
"""

import math

import numpy as np


def released_scores(W, C, v, A, R, S, *, lambda1, lambda2, multiplicative):
    """One prune of one branch: the scores of both layers, the first being the next S."""
    m, n = W.shape
    inverse = np.linalg.inv(S @ S.T)
    total = sum(
        math.exp(W[k, i]) if multiplicative else abs(W[k, i]) for k in range(m) for i in range(n)
    )
    first = np.zeros((m, n))
    for k in range(m):
        for i in range(n):
            knowledge = 0.0
            for q in range(m):
                for r in range(n):
                    knowledge += inverse[k, q] * S[q, r] * R[r, i]
            data = math.exp(W[k, i]) if multiplicative else abs(W[k, i])
            first[k, i] = lambda1 * abs(knowledge) + (1 - lambda1) * data / total
    inverse = np.linalg.inv(first @ first.T)
    total = sum(abs(C[j, k]) * max(v[j], 0) for j in range(n) for k in range(m))
    output = np.zeros((n, m))
    for j in range(n):
        for k in range(m):
            knowledge = 0.0
            for q in range(m):
                for i in range(n):
                    knowledge += first[q, i] * abs(A[i, j]) * inverse[q, k]
            data = abs(C[j, k]) * max(v[j], 0) / total
            output[j, k] = lambda2 * abs(knowledge) + (1 - lambda2) * data
    return first, output


def keep_top(mask, score, ties, keep):
    """Drop the lowest living entry, one at a time, until `keep` are left."""
    kept = mask.copy()
    while kept.sum() > keep:
        worst = min(
            (i for i in range(kept.size) if kept.flat[i]),
            key=lambda i: (score.flat[i], ties.flat[i], -i),
        )
        kept.flat[worst] = False
    return kept


def effective(chains):
    """D[target, regulator] = v_target * sum over branches of C W, entry by entry."""
    n = chains[0][0].shape[0]
    strength = np.zeros((n, n))
    for C, W, v in chains:
        for target in range(n):
            for regulator in range(n):
                for k in range(W.shape[0]):
                    strength[target, regulator] += v[target] * C[target, k] * W[k, regulator]
    return strength
