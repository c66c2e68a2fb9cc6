"""Slow twins for priors, in the orientation of the DASH paper: row acts on column."""

import numpy as np


def co_target_ppi(prior):
    """R = |A| |A|^T / sum, entry by entry; `prior[i, j]` is the effect of i on j."""
    n = len(prior)
    shared = np.zeros((n, n))
    for i in range(n):
        for k in range(n):
            for j in range(n):
                shared[i, k] += abs(prior[i, j]) * abs(prior[k, j])
    return shared / shared.sum()


def factor_distance(scores, ppi):
    """Squared distance of S^T S from R, entry by entry."""
    distance = 0.0
    for i in range(scores.shape[1]):
        for k in range(scores.shape[1]):
            distance += (np.dot(scores[:, i], scores[:, k]) - ppi[i, k]) ** 2
    return distance


def in_and_out_degrees(network):
    """Count edges into and out of each gene, edge by edge."""
    into, out = {}, {}
    for source, target in zip(network.source, network.target, strict=True):
        out[source] = out.get(source, 0) + 1
        into[target] = into.get(target, 0) + 1
    return into, out
