"""The few numbers that stand large at the top of the page."""

from dataclasses import dataclass

from niwaki.core import FIT, PRIOR_ALONE, RunRecord
from niwaki.report._format import count, is_number, number, share
from niwaki.report._headline import (
    best_baseline,
    held_out_fit,
    network_score,
    relative_gain,
    scores_shown,
    selected_point,
)


def key_numbers(record: RunRecord) -> list["KeyNumber"]:
    """Return up to four numbers: edges, sparsity, forecast against a baseline, F1 against prior.

    Where the fit weighed every edge, the share of the prior that it bears out stands for sparsity.
    """
    numbers = []
    point = selected_point(record)
    if point is not None:
        numbers.append(KeyNumber(count(point.edges), "edges between genes"))
        if record.evidence is None:
            numbers.append(KeyNumber(share(point.sparsity), "of the weights are zero"))
    return [*numbers, *_evidence(record), *_forecast(record), *_network(record)]


def _evidence(record: RunRecord) -> list["KeyNumber"]:
    found = record.evidence
    total = 0 if found is None else found.kept + found.refuted + found.untested
    if found is None or total == 0:
        return []
    caption = f"of the prior's edges borne out; {share(found.untested / total, 0)} untested"
    return [KeyNumber(share(found.kept / total, 0), caption)]


def _forecast(record: RunRecord) -> list["KeyNumber"]:
    fit = held_out_fit(record)
    if fit is None or not is_number(fit.one_step_mse) or fit.one_step_mse is None:
        return []
    rival = best_baseline(record, fit.data, "one_step_mse")
    if rival is None or not rival.one_step_mse:
        return []
    gain = relative_gain(fit.one_step_mse, rival.one_step_mse)
    sign = "\u2212" if gain >= 0 else "+"
    return [
        KeyNumber(
            sign + share(abs(gain), 0),
            f"one-step error against {rival.method}",
            good=gain > 0,
        )
    ]


def _network(record: RunRecord) -> list["KeyNumber"]:
    fit, prior = network_score(record, FIT), network_score(record, PRIOR_ALONE)
    if fit is None or fit.f1 is None or not scores_shown(record):
        return []
    if prior is None:
        return [KeyNumber(number(fit.f1, 2), "F1; there was no prior")]
    good = None if prior.f1 is None else fit.f1 > prior.f1
    return [KeyNumber(number(fit.f1, 2), f"F1; prior alone {number(prior.f1, 2)}", good=good)]


@dataclass(frozen=True)
class KeyNumber:
    """A value, its caption, and whether it speaks for the fit (None: neither)."""

    value: str
    caption: str
    good: bool | None = None
