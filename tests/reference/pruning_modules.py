"""Slow twins of pruning for any module, one entry at a time, from the papers' formulas."""

import math
from itertools import pairwise

import numpy as np
import torch


def n_of_m(score, mask, n, m):
    """The entries that a row-wise N:M pattern would keep: the best n of each m columns."""
    kept = np.zeros_like(mask)
    for row in range(score.shape[0]):
        for low in range(0, score.shape[1], m):
            block = [c for c in range(low, min(low + m, score.shape[1])) if mask[row, c]]
            for column in sorted(block, key=lambda c: (-score[row, c], c))[:n]:
                kept[row, column] = True
    return kept


def erdos_renyi_kernel(shapes, sizes, total):
    """Densities of Evci et al.: raise epsilon until the survivors number `total`."""

    def survivors(epsilon):
        return sum(
            size * min(1.0, epsilon * sum(shape) / math.prod(shape))
            for shape, size in zip(shapes, sizes, strict=True)
        )

    low, high = 0.0, 1e9
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (middle, high) if survivors(middle) < total else (low, middle)
    return [min(1.0, high * sum(shape) / math.prod(shape)) for shape in shapes]


def global_choice(scores, masks, keep):
    """Remove the worst living entry of all layers until `keep` are left; the last goes first."""
    kept = {name: mask.copy() for name, mask in masks.items()}
    order = list(scores)
    while sum(int(m.sum()) for m in kept.values()) > keep:
        worst = min(
            (
                (scores[name].flat[i], -order.index(name), -i)
                for name in order
                for i in range(kept[name].size)
                if kept[name].flat[i]
            ),
        )
        kept[order[-worst[1]]].flat[-worst[2]] = False
    return kept


def numerical_gradient(loss, weight, step=1e-5):
    """Central differences of a loss, entry by entry."""
    gradient = torch.zeros_like(weight)
    for i in range(weight.numel()):
        old = float(weight.data.view(-1)[i])
        values = []
        for moved in (old + step, old - step):
            weight.data.view(-1)[i] = moved
            values.append(float(loss().detach()))
        weight.data.view(-1)[i] = old
        gradient.view(-1)[i] = (values[0] - values[1]) / (2 * step)
    return gradient


def path_flow(matrices):
    """Of each weight of a linear chain: the sum over paths through it of all |weights| on them."""
    sizes = [matrices[0].shape[1], *(m.shape[0] for m in matrices)]
    flows = [np.zeros_like(m) for m in matrices]

    def walk(layer, unit, product, taken):
        if layer == len(matrices):
            for at, (row, column) in enumerate(taken):
                flows[at][row, column] += product
            return
        for after in range(sizes[layer + 1]):
            weight = abs(matrices[layer][after, unit])
            walk(layer + 1, after, product * weight, [*taken, (after, unit)])

    for unit in range(sizes[0]):
        walk(0, unit, 1.0, [])
    return flows


def has_path(masks):
    """Whether any path leads from an input to an output, one unit at a time."""
    reached = np.eye(masks[0].shape[1], dtype=bool)  # [unit, input]
    for mask in masks:
        after = np.zeros((mask.shape[0], reached.shape[1]), dtype=bool)
        for unit in range(mask.shape[0]):
            for before in range(mask.shape[1]):
                for source in range(reached.shape[1]):
                    if mask[unit, before] and reached[before, source]:
                        after[unit, source] = True
        reached = after
    return reached


def grouped(start, together):
    """Multiplicative steps towards S.T S ~ together, entry by entry, until it gets no better."""
    known = [i for i in range(together.shape[0]) if together[:, i].sum() > 0]
    inner = together[np.ix_(known, known)]
    scores = start[:, known]

    def distance(s):
        return float(((s.T @ s - inner) ** 2).sum())

    overlap = sum(
        scores[k, i] * inner[i, j] * scores[k, j]
        for k in range(len(scores))
        for i in range(len(known))
        for j in range(len(known))
    )
    proposal = scores * math.sqrt(overlap / float(((scores @ scores.T) ** 2).sum()))
    best, reached = scores, math.inf
    for _ in range(300):
        here = distance(proposal)
        if here > reached:
            break
        fall, best, reached = reached - here, proposal, here
        if fall <= 1e-3 * reached:
            break
        after = np.zeros_like(proposal)
        for k in range(len(proposal)):
            for i in range(len(known)):
                wanted = sum(proposal[k, j] * inner[j, i] for j in range(len(known)))
                present = sum(
                    proposal[k, j] * sum(proposal[q, j] * proposal[q, i] for q in range(len(best)))
                    for j in range(len(known))
                )
                after[k, i] = proposal[k, i] * (0.5 + 0.5 * (wanted / present if present else 0))
        proposal = after
    out = np.zeros_like(start)
    out[:, known] = best
    return out


def layer_knowledge(sizes, masks, paths, together, *, inner, last, ridge):
    """Mixed scores of a chain of layers, layer by layer as documented."""

    def share(values, mask):
        kept = np.where(mask, values, 0)
        return kept / kept.sum() if kept.sum() > 0 else kept

    mixed, reach, relation = [], np.eye(sizes[0].shape[1]), together
    for at, (size, mask) in enumerate(zip(sizes, masks, strict=True)):
        data = share(size, mask)
        if at < len(sizes) - 1:
            known = grouped(data + share(np.ones_like(size), mask), relation)
            weight = inner
        else:
            units = len(reach)
            penalty = ridge * np.trace(reach @ reach.T) / units
            known = np.zeros_like(size)
            for target in range(len(paths)):  # ridge regression as least squares with extra rows
                rows = np.vstack([reach.T, math.sqrt(penalty) * np.eye(units)])
                wanted = np.concatenate([paths[target], np.zeros(units)])
                known[target] = np.maximum(np.linalg.lstsq(rows, wanted, rcond=None)[0], 0)
            weight = last
        mixed.append(weight * share(known, mask) + (1 - weight) * data)
        reach = mixed[-1] @ reach
        relation = reach @ together @ reach.T
    return mixed


def path_penalty(first, output):
    """Mean over input-output pairs of the sum over hidden units of |C| |W|, path by path."""
    total = 0.0
    for target in range(output.shape[0]):
        for source in range(first.shape[1]):
            for unit in range(first.shape[0]):
                total += abs(output[target, unit]) * abs(first[unit, source])
    return total / (output.shape[0] * first.shape[1])


def capped_projection(values, total):
    """Nearest point with entries in [0, 1] and a sum of at most `total`: try every breakpoint."""
    best = np.clip(values, 0, 1)
    if best.sum() <= total:
        return best
    breaks = sorted({0.0, *values, *(values - 1)})
    for low, high in pairwise(breaks):
        at_low, at_high = (np.clip(values - c, 0, 1).sum() for c in (low, high))
        if at_high <= total <= at_low:  # linear between breakpoints
            c = (
                low
                if at_low == at_high
                else low + (high - low) * (at_low - total) / (at_low - at_high)
            )
            if c >= 0:
                return np.clip(values - c, 0, 1)
    raise AssertionError("no shift fits")


def rewired(mask, weight, grow, count):
    """Drop the smallest living weights one at a time, then grow the most wanted absent ones."""
    kept = mask.copy()
    for _ in range(count):
        living = [i for i in range(mask.size) if kept.flat[i]]
        kept.flat[min(living, key=lambda i: (abs(weight.flat[i]), -i))] = False
    absent = [i for i in range(mask.size) if not mask.flat[i]]
    for i in sorted(absent, key=lambda i: (-grow.flat[i], i))[:count]:
        kept.flat[i] = True
    return kept
