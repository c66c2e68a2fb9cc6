"""The result in words: what was fitted, what was chosen, and whether it beats what is simple."""

import math
from collections.abc import Sequence

from niwaki.core import (
    FIT,
    PRIOR_ALONE,
    ArmSummary,
    EdgeEvidence,
    ForecastScore,
    NetworkScore,
    PathPoint,
    RunRecord,
)
from niwaki.report._format import count, is_number, number, plural, share, short

STRONGEST = "fit, strongest"
RULES = {
    "posterior": "the edges more probable than not, or the nearest round that is not clearly worse "
    "than the best",
    "one-se": "the sparsest round whose held-out loss is within one standard error of the best",
    "best": "the round with the lowest held-out loss",
    "last": "the last and sparsest round",
}
FITTING, PARTLY_FITTING = 0.5, 0.2  # trust in a prior below which it fits in part, or not
PRACTICALLY_EQUAL = 0.005  # ratios closer to 1 than this are not worth a "better" or "worse"


def headline(record: RunRecord) -> list[str]:
    """Return the sentences that a reader of one paragraph needs, in order of importance."""
    return [
        _fitted(record),
        *_chosen(record),
        *_evidence(record),
        *_forecast(record),
        *_network(record),
        *_controls(record),
    ]


def selected_point(record: RunRecord) -> PathPoint | None:
    """Return the chosen round of the pruning path; None if the path is empty."""
    chosen = [point for point in record.path if point.selected]
    return chosen[-1] if chosen else (record.path[-1] if record.path else None)


def rule_words(record: RunRecord) -> str:
    """Return the rule by which the round was chosen, in words."""
    rule = record.selection
    if rule.isdecimal():
        return f"round {rule}, as asked for"
    try:
        return f"the round nearest to a sparsity of {share(float(rule))}"
    except ValueError:
        return RULES.get(rule, rule)


def network_score(record: RunRecord, method: str) -> NetworkScore | None:
    """Return the row of `method` among the network scores, if it is there."""
    return next((score for score in record.networks if score.method == method), None)


def scores_shown(record: RunRecord) -> bool:
    """Return whether network scores may be shown: only beside the prior alone, if one was given."""
    if not record.networks:
        return False
    return record.prior is None or network_score(record, PRIOR_ALONE) is not None


def held_out_fit(record: RunRecord) -> ForecastScore | None:
    """Return the forecast of the fit on data that it has not seen, if it was scored.

    A separate test set goes first, because the held-out data also chose the round.
    """
    rows = [f for f in record.forecasts if f.method == FIT and "train" not in f.data.lower()]
    rows.sort(key=lambda row: row.data != "test")  # stable: the record's order otherwise
    return rows[0] if rows else None


def best_baseline(record: RunRecord, data: str, measure: str) -> ForecastScore | None:
    """Return the baseline with the lowest `measure` on `data`; a refit is not a baseline."""
    refits = {PRIOR_ALONE, *(arm.method for arm in record.arms)}
    rows = [
        row
        for row in record.forecasts
        if row.data == data
        and row.method not in refits
        and row.method.split(",")[0] != FIT
        and is_number(getattr(row, measure))
    ]
    return min(rows, key=lambda row: getattr(row, measure), default=None)


def relative_gain(ours: float, theirs: float) -> float:
    """Return by which share `ours` is lower than `theirs`; negative where it is higher."""
    if theirs == 0:
        return 0.0 if ours == 0 else -math.inf
    return 1.0 - ours / theirs


def _fitted(record: RunRecord) -> str:
    data = record.data
    sentence = (
        f"Niwaki fitted a model of regulation to {plural(data.genes, 'gene')} along "
        f"{plural(data.trajectories, 'trajectory', 'trajectories')} "
        f"({plural(data.observations, 'observation')}, time {short(data.first_time)} to "
        f"{short(data.last_time)})"
    )
    if record.prior is None:
        return sentence + ", without a prior network."
    return (
        f"{sentence}, with a prior network of {plural(record.prior.edges_kept, 'edge')} from "
        f"{plural(record.prior.regulators_found, 'regulator')}."
    )


def _chosen(record: RunRecord) -> list[str]:
    point = selected_point(record)
    if point is None:
        return ["The pruning path is empty, so no network was chosen."]
    last = max(p.round for p in record.path)
    if point.probability is not None:
        return [
            f"The chosen network is round {point.round} of {last} on the pruning path: "
            f"{plural(point.edges, 'edge')} between genes, {number(point.mean_out_degree, 2)} per "
            f"gene, each with a posterior probability above {short(point.probability)} "
            f"(rule: {rule_words(record)})."
        ]
    return [
        f"The chosen network is round {point.round} of {last} on the pruning path: "
        f"{share(point.sparsity)} of the weights are zero, and {plural(point.edges, 'edge')} "
        f"between genes remain, {number(point.mean_out_degree, 2)} per gene "
        f"(rule: {rule_words(record)})."
    ]


def _evidence(record: RunRecord) -> list[str]:
    """Return how far the prior fits the data, and what became of its edges."""
    found = record.evidence
    if found is None or found.prior_trust is None:
        return []
    total = found.kept + found.refuted + found.untested
    return [
        f"{_trust_words(found, total)}: about {share(found.prior_trust, 0)} of its edges are held "
        "to be true.",
        f"Of the prior's {plural(total, 'edge')} the data bear out {count(found.kept)} (kept) and "
        f"speak against {count(found.refuted)} (refuted); on {count(found.untested)} they say too "
        "little either way (untested), so the prior decides about these. "
        f"The data add {plural(found.added, 'edge')} that the prior lacks (added).",
    ]


def _trust_words(found: EdgeEvidence, total: int) -> str:
    if 2 * found.untested > total:
        return "These data can hardly judge the prior, most of whose edges are untested"
    trust = found.prior_trust or 0.0
    if trust < PARTLY_FITTING:
        return "This prior does not fit these data"
    return "The prior fits these data" + ("" if trust >= FITTING else " only in part")


def _forecast(record: RunRecord) -> list[str]:
    fit = held_out_fit(record)
    if fit is None:
        return ["No forecast on held-out data was scored, so nothing is known about new data."]
    sentences = []
    for measure, name in (("one_step_mse", "one-step"), ("rollout_mse", "roll-out")):
        ours = getattr(fit, measure)
        rival = best_baseline(record, fit.data, measure)
        if rival is not None:
            sentences.append(
                _against((name, fit.data), ours, rival.method, getattr(rival, measure))
            )
    return sentences or ["The forecast was not compared with any baseline."]


def _against(what: tuple[str, str], ours: float | None, rival: str, theirs: float) -> str:
    name, data = what
    where = f"On {data} data the {name} error of the fit"
    baseline = f"the best simple baseline, {rival}"
    if ours is None or not math.isfinite(ours):
        return f"{where} is not a number (the forecast diverged), so it is not better than {rival}."
    gain = relative_gain(ours, theirs)
    numbers = f"mean squared error {number(ours)} against {number(theirs)}"
    if gain >= PRACTICALLY_EQUAL:
        return f"{where} is {share(gain, 0)} lower than that of {baseline} ({numbers})."
    if gain > -PRACTICALLY_EQUAL:
        return f"{where} is not better than that of {baseline}: the two are equal ({numbers})."
    factor = "infinitely" if not math.isfinite(gain) else share(-gain, 0)
    return f"{where} is not better than that of {baseline}: it is {factor} higher ({numbers})."


def _network(record: RunRecord) -> list[str]:
    fit, prior = network_score(record, FIT), network_score(record, PRIOR_ALONE)
    if fit is None:
        return []
    if prior is None and record.prior is not None:
        return [
            "A reference network was given, but the prior alone was not scored, so no network "
            "score is shown."
        ]
    found = _score_words(fit)
    if prior is None:
        return [f"Against the reference, the network reaches {found}; there was no prior."]
    sentence = (
        f"Against the reference, the fitted network reaches {found}; "
        f"the prior alone reaches {_score_words(prior)}: {_verdict(fit.f1, prior.f1)}."
    )
    return [sentence, *_cut(record), *_corrections(fit)]


def _cut(record: RunRecord) -> list[str]:
    """Return how the strongest edges alone do, as many as the prior has, where that was scored."""
    score = network_score(record, STRONGEST)
    if score is None:
        return []
    return [f"Its strongest edges alone, as many as the prior has, reach {_score_words(score)}."]


def _score_words(score: NetworkScore) -> str:
    return (
        f"F1 {number(score.f1)} (precision {number(score.precision)}, recall "
        f"{number(score.recall)}, {plural(score.edges, 'edge')})"
    )


def _verdict(fit: float | None, prior: float | None) -> str:
    if fit is None or prior is None or not (math.isfinite(fit) and math.isfinite(prior)):
        return "the two cannot be compared in F1"
    if abs(fit - prior) < PRACTICALLY_EQUAL:
        return "the fit is as good as its prior in F1, no better"
    if fit < prior:
        return "the fit is worse than its prior in F1"
    return "the fit is better than its prior in F1"


def _corrections(fit: NetworkScore) -> list[str]:
    parts = []
    if fit.missing and is_number(fit.missing_found):
        parts.append(
            f"of {count(fit.missing)} true edges that the prior lacks the fitted network found "
            f"{share(fit.missing_found, 0)}"
        )
    if fit.false and is_number(fit.false_rejected):
        parts.append(
            f"of {count(fit.false)} false edges in the prior it rejected "
            f"{share(fit.false_rejected, 0)}"
        )
    if not parts:
        return []
    joined = ", and ".join(parts)
    return [joined[0].upper() + joined[1:] + "."]


def _controls(record: RunRecord) -> list[str]:
    fit = next((arm for arm in record.arms if arm.method == FIT), None)
    controls = [arm for arm in record.arms if arm.method not in {FIT, PRIOR_ALONE}]
    if record.prior is None:
        return []
    if fit is None or not controls:
        return ["No control was run, so whether the prior helps is not known."]
    losses = ", ".join(
        f"{number(a.held_out_loss)} with {_prior_words(a.method)}{_apart(fit, a)}" for a in controls
    )
    return [
        f"{_help(fit, controls)}: the held-out loss is {number(fit.held_out_loss)} with it, "
        f"{losses}.",
        *_control_networks(record, controls),
    ]


def _control_networks(record: RunRecord, controls: Sequence[ArmSummary]) -> list[str]:
    """Return what the controls say about the network of a search, beyond the forecast."""
    if record.evidence is None:
        return []
    noise = (
        "That loss also holds the measurement noise of the held-out observations, which no model "
        "can predict, so networks of different quality can look alike in it"
    )
    fit = network_score(record, FIT)
    scores = [(arm, network_score(record, f"{FIT}, {arm.method}")) for arm in controls]
    found = [
        f"{number(score.f1)} with {_prior_words(arm.method)}"
        for arm, score in scores
        if score is not None
    ]
    if fit is None or not found or not scores_shown(record):
        return [noise + "."]
    return [
        f"{noise}; against the reference F1 is {number(fit.f1)} with the prior, {', '.join(found)}."
    ]


def _prior_words(method: str) -> str:
    return f"a {method}" if method == "shuffled prior" else method


def _help(fit: ArmSummary, controls: Sequence[ArmSummary]) -> str:
    unclear = [arm for arm in controls if not _clearly_lower(fit, arm)]
    if not unclear:
        return "The prior helps the forecast"
    if not math.isfinite(fit.held_out_loss) or any(
        arm.held_out_loss <= fit.held_out_loss for arm in controls
    ):
        return "The prior does not help the forecast"
    names = " and ".join(_prior_words(arm.method) for arm in unclear)
    return f"The prior does not clearly help the forecast (with {names} it is as good within noise)"


def _clearly_lower(fit: ArmSummary, control: ArmSummary) -> bool:
    """Return whether the fit's loss is below the control's by more than two standard errors."""
    if not math.isfinite(fit.held_out_loss):
        return False
    if not math.isfinite(control.held_out_loss):  # the control diverged, the fit did not
        return True
    return control.held_out_loss - fit.held_out_loss > 2 * _noise(fit, control)


def _noise(fit: ArmSummary, control: ArmSummary) -> float:
    """Return the standard error of the difference of two losses: of pairs, where it is known."""
    if control.difference_se is not None:
        return control.difference_se
    return math.hypot(fit.held_out_se, control.held_out_se)


def _apart(fit: ArmSummary, control: ArmSummary) -> str:
    """Return by how much a control's loss differs from the fit's."""
    difference = control.held_out_loss - fit.held_out_loss
    if not math.isfinite(difference):
        return ""
    way = "lower" if difference < 0 else "higher"
    return f" ({way} by {number(abs(difference), 2)} ± {number(_noise(fit, control), 2)})"
