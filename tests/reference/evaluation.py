"""Slow twins for evaluation: dense matrices and loops, straight from the definitions.

Networks are dense ``[target, regulator]`` matrices, NaN where there is no edge.
"""

import numpy as np
from scipy import linalg


def dense(network):
    matrix = np.full((len(network.genes),) * 2, np.nan)
    for source, target, weight in zip(network.source, network.target, network.weight, strict=True):
        matrix[target, source] = weight
    return matrix


def network_score(predicted, reference, prior=None, sources=None):
    n = len(predicted)
    columns = range(n) if sources is None else list(sources)
    cells = [(i, j) for j in columns for i in range(n)]
    found = {c for c in cells if not np.isnan(predicted[c])}
    truth = {c for c in cells if not np.isnan(reference[c])}
    hits, negatives = len(found & truth), len(cells) - len(truth)
    out = {
        "edges": len(found),
        "mean_out_degree": len(found) / len(columns) if columns else 0.0,
        "precision": hits / len(found) if found else None,
        "recall": hits / len(truth) if truth else None,
        "f1": 2 * hits / (len(found) + len(truth)) if found or truth else None,
        "balanced_accuracy": None,
        "auprc": None,
        "auprc_ratio": None,
        "early_precision": None,
        "missing": None,
        "missing_found": None,
        "false": None,
        "false_rejected": None,
    }
    if truth and negatives:
        specificity = len([c for c in cells if c not in found and c not in truth]) / negatives
        out["balanced_accuracy"] = (hits / len(truth) + specificity) / 2
    if truth:
        # no edge ranks below every edge, even below one of weight zero
        strength = np.array([abs(predicted[c]) if c in found else -1.0 for c in cells])
        true = np.array([c in truth for c in cells])
        out["auprc"] = average_precision(strength, true)
        out["auprc_ratio"] = out["auprc"] / (len(truth) / len(cells))
        out["early_precision"] = early_precision(strength, true)
    if prior is not None:
        believed = {c for c in cells if not np.isnan(prior[c])}
        missing, false = truth - believed, believed - truth
        out["missing"], out["false"] = len(missing), len(false)
        out["missing_found"] = len(missing & found) / len(missing) if missing else None
        out["false_rejected"] = len(false - found) / len(false) if false else None
    return out


def average_precision(strength, true):
    """Sum over thresholds of (gain in recall) x (precision at the threshold)."""
    area, before = 0.0, 0.0
    for threshold in sorted(set(strength), reverse=True):
        chosen = strength >= threshold
        recall = true[chosen].sum() / true.sum()
        area += (recall - before) * true[chosen].mean()
        before = recall
    return area


def early_precision(strength, true):
    """Mean share of true pairs among the first k, each group of ties in random order."""
    room = k = int(true.sum())
    expected = 0.0
    for threshold in sorted(set(strength), reverse=True):
        group = true[strength == threshold]
        taken = min(room, len(group))
        expected += taken * group.mean()
        room -= taken
    return expected / k


def one_step_errors(predict, trajectories):
    errors = []
    for item in trajectories.items:
        for now in range(len(item.times) - 1):
            gap = item.times[now + 1] - item.times[now]
            end = predict(item.values[now][:, None], np.array([gap]), item.times[[now]])
            errors.append(np.mean((end[:, 0] - item.values[now + 1]) ** 2))
    return np.array(errors)


def rollout_errors(predict, trajectories):
    errors = []
    for item in trajectories.items:
        state = item.values[0][:, None]
        for now in range(len(item.times) - 1):
            gap = item.times[now + 1] - item.times[now]
            state = predict(state, np.array([gap]), item.times[[now]])
            errors.append(np.mean((state[:, 0] - item.values[now + 1]) ** 2))
    return np.array(errors)


def linear_flow(matrix, constant, start, gap):
    """x(gap) of dx/dt = matrix x + constant, by one exponential with the constant as a state."""
    n = len(start)
    augmented = np.zeros((n + 1, n + 1))
    augmented[:n, :n], augmented[:n, n] = matrix, constant
    return (linalg.expm(gap * augmented) @ np.append(start, 1.0))[:n]


def rows(trajectories):
    """Midpoints, slopes and gaps of consecutive observations."""
    middles, slopes, gaps = [], [], []
    for item in trajectories.items:
        for now in range(len(item.times) - 1):
            gap = item.times[now + 1] - item.times[now]
            middles.append((item.values[now] + item.values[now + 1]) / 2)
            slopes.append((item.values[now + 1] - item.values[now]) / gap)
            gaps.append(gap)
    return np.array(middles), np.array(slopes), np.array(gaps)


def ridge_fit(middles, slopes, gaps, penalty):
    """A and c that minimise sum gap^2 |slope - A x - c|^2 + penalty |A|^2, by normal equations."""
    n = middles.shape[1]
    inputs = np.column_stack([middles, np.ones(len(middles))])
    weight = np.diag(gaps**2)
    shrink = penalty * np.diag([1.0] * n + [0.0])  # the constant is free
    solved = np.linalg.solve(inputs.T @ weight @ inputs + shrink, inputs.T @ weight @ slopes)
    return solved[:n].T, solved[n]


def left_out_errors(middles, slopes, gaps, penalty, groups):
    """Squared error of each row's change, fitted without the row's group."""
    errors = np.zeros(len(gaps))
    for group in sorted(set(groups)):
        out = np.array(groups) == group
        matrix, constant = ridge_fit(middles[~out], slopes[~out], gaps[~out], penalty)
        for row in np.flatnonzero(out):
            missed = slopes[row] - matrix @ middles[row] - constant
            errors[row] = np.sum((gaps[row] * missed) ** 2)
    return errors


def largest_within_one_se(values, errors):
    """The largest of increasing `values` whose errors exceed the best ones by one SE at most."""
    best = min(errors, key=np.sum)
    chosen = None
    for value, each in zip(values, errors, strict=True):
        worse = each - best
        if worse.mean() <= worse.std(ddof=1) / np.sqrt(len(worse)):
            chosen = value
    return chosen
