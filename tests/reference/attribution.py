"""Slow twins of the attribution package, straight from the definitions."""

import torch


def integrated(model, x, start, target, *, steps=4000):
    """Midpoint sums along the path, one sample and one step at a time."""
    found = torch.zeros_like(x)
    for row in range(len(x)):
        total = torch.zeros_like(x[row])
        for step in range(steps):
            at = (start[row] + (step + 0.5) / steps * (x[row] - start[row])).requires_grad_()
            score = model(at[None])[0, target]
            total += torch.autograd.grad(score, at)[0]
        found[row] = (x[row] - start[row]) * total / steps
    return found


def gini_over_pairs(sizes):
    n, total = len(sizes), sum(sizes)
    return sum(abs(a - b) for a in sizes for b in sizes) / (2 * n * total)


def laplacian_form(sizes, edges, weights):
    """m L m with a dense Laplacian."""
    laplacian = torch.zeros(len(sizes), len(sizes), dtype=sizes.dtype)
    for (i, j), w in zip(edges, weights, strict=True):
        laplacian[i, i] += w
        laplacian[j, j] += w
        laplacian[i, j] -= w
        laplacian[j, i] -= w
    return sizes @ laplacian @ sizes / sum(weights)


def jacobian_table(field, states, start):
    """x_i df_j/dx_i for every state, one target at a time, at the states themselves."""
    genes, count = states.shape
    table = torch.zeros(count, genes, genes, dtype=states.dtype)
    for b in range(count):
        jacobian = torch.autograd.functional.jacobian(
            lambda s: field(s[:, None])[:, 0], states[:, b]
        )
        table[b] = jacobian * (states[:, b] - start)
    return table


def masked_scores(model, x, values, target, *, order, action, fill, fractions):
    key = {"positive": values, "negative": -values, "absolute": values.abs()}[order]
    scores = []
    for share in fractions:
        kept = x.clone()
        for row in range(len(x)):
            ranked = sorted(range(x.shape[1]), key=lambda i: -float(key[row, i]))
            top = set(ranked[: round(share * x.shape[1])])
            for i in range(x.shape[1]):
                if (i in top) == (action == "remove"):
                    kept[row, i] = fill
        out = model(kept).detach()
        good = out[:, target] if order != "absolute" else (out.argmax(1) == target).to(out)
        scores.append(float(good.mean()))
    return scores
