import math

import pytest
from unit.report.example_run import evidence, record, score, weighed

from niwaki.core import ArmSummary, ForecastScore
from niwaki.report import headline


def words(**changes) -> str:
    return " ".join(headline(record(**changes))).replace("\u00a0", " ")


def forecasts(fit: float | None, *rivals: float, data: str = "held-out") -> list[ForecastScore]:
    rows = [ForecastScore(method="fit", data=data, one_step_mse=fit, rollout_mse=None)]
    names = ("persistence", "training mean at t")
    return rows + [
        ForecastScore(method=name, data=data, one_step_mse=error, rollout_mse=None)
        for name, error in zip(names, rivals, strict=False)
    ]


def arms(fit: float, shuffled: float, none: float, se: float = 0.1) -> list[ArmSummary]:
    return [
        ArmSummary(
            method=method,
            epochs=1,
            selected_round=1,
            sparsity=0.9,
            edges=3,
            held_out_loss=loss,
            held_out_se=se,
        )
        for method, loss in (("fit", fit), ("shuffled prior", shuffled), ("no prior", none))
    ]


def test_it_says_what_was_fitted_and_which_round_was_chosen():
    text = words()
    assert "100 genes along 20 trajectories (180 observations, time 0 to 10)" in text
    assert "a prior network of 231 edges from 40 regulators" in text
    assert "round 9 of 11" in text
    assert "412 edges" in text
    assert "within one standard error of the best" in text


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        (0.66, "is 34 % lower than that of the best simple baseline, persistence"),
        (
            1.0,
            "is not better than that of the best simple baseline, persistence: the two are equal",
        ),
        (
            1.5,
            "is not better than that of the best simple baseline, persistence: it is 50 % higher",
        ),
        (None, "diverged), so it is not better than persistence"),
    ],
)
def test_the_forecast_is_compared_with_the_best_baseline(fit, expected):
    assert expected in words(forecasts=forecasts(fit, 1.0, 1.2))


def test_a_control_refit_is_not_a_baseline():
    refit = ForecastScore(
        method="fit, no prior", data="held-out", one_step_mse=0.1, rollout_mse=None
    )
    text = words(forecasts=[*forecasts(0.5, 1.0), refit])
    assert "50 % lower than that of the best simple baseline, persistence" in text


def test_a_test_set_speaks_before_the_held_out_data_that_chose_the_round():
    both = [*forecasts(0.5, 1.0), *forecasts(0.9, 1.0, data="test")]
    assert "On test data the one-step error of the fit is 10 % lower" in words(forecasts=both)


def test_without_a_held_out_forecast_it_says_so():
    assert "nothing is known about new data" in words(forecasts=[])


@pytest.mark.parametrize(
    ("fit", "verdict"),
    [
        (0.5, "the fit is worse than its prior in F1"),
        (0.95, "the fit is better than its prior in F1"),
        (0.902, "the fit is as good as its prior in F1, no better"),
    ],
)
def test_the_network_is_judged_against_its_prior(fit, verdict):
    rows = [score("fit", f1=fit), score("prior alone", f1=0.902)]
    text = words(networks=rows)
    assert verdict in text
    assert "of 22 true edges" in text.lower()


def test_no_network_score_without_the_prior_alone():
    text = words(networks=[score("fit", f1=0.831)])
    assert "0.831" not in text
    assert "the prior alone was not scored" in text


def test_without_any_prior_the_score_stands_and_says_there_was_none():
    text = words(networks=[score("fit", f1=0.831)], prior=None)
    assert "F1 0.831" in text
    assert "there was no prior" in text


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ((1.0, 1.5, 1.4), "The prior helps the forecast:"),
        ((1.0, 1.5, 1.1), "The prior does not clearly help the forecast"),
        ((1.0, 1.5, 1.2), "The prior does not clearly help the forecast"),
        ((1.0, 1.5, 0.9), "The prior does not help the forecast:"),
        ((math.nan, 1.5, 0.9), "The prior does not help the forecast:"),
        ((1.0, math.nan, 1.5), "The prior helps the forecast:"),
    ],
)
def test_the_prior_helps_only_beyond_the_noise(losses, verdict):
    assert verdict in words(arms=arms(*losses))


def test_losses_on_the_same_pairs_are_told_apart_by_their_differences():
    fit, *controls = arms(1.0, 1.2, 1.3)
    assert "does not clearly help" in words(arms=[fit, *controls])
    paired = [fit, *(arm.model_copy(update={"difference_se": 0.05}) for arm in controls)]
    text = words(arms=paired)
    assert "The prior helps the forecast: the held-out loss is 1.00 with it" in text
    assert "1.30 with no prior (higher by 0.30 ± 0.05" in text


def test_without_controls_it_says_that_the_prior_was_not_tested():
    assert "No control was run" in words(arms=arms(1.0, 1.0, 1.0)[:1])


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("posterior", "(rule: the edges more probable than not, or the nearest round"),
        ("0.95", "(rule: the round nearest to a sparsity of 95.0 %)"),
        ("4", "(rule: round 4, as asked for)"),
        ("a rule of the future", "(rule: a rule of the future)"),
    ],
)
def test_every_rule_of_selection_has_words(selection, expected):
    assert expected in words(selection=selection)


def test_a_network_of_weighed_edges_is_told_by_their_probability():
    text = words(**weighed())
    assert "round 2 of 4" in text
    assert "each with a posterior probability above 0.5" in text
    assert "weights" not in text


def test_every_status_has_its_count_and_untested_its_meaning():
    text = words(**weighed())
    assert "The prior fits these data: about 81 % of its edges are held to be true." in text
    assert (
        "Of the prior's 231 edges the data bear out 180 (kept) and speak against 40 (refuted); "
        "on 11 they say too little either way (untested), so the prior decides about these. "
        "The data add 33 edges that the prior lacks (added)." in text
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (evidence(prior_trust=0.5), "The prior fits these data: about 50 %"),
        (evidence(prior_trust=0.3), "The prior fits these data only in part: about 30 %"),
        (evidence(prior_trust=0.12), "This prior does not fit these data: about 12 %"),
        (
            evidence(untested=300),
            "These data can hardly judge the prior, most of whose edges are untested: about 81 %",
        ),
    ],
)
def test_a_prior_that_does_not_fit_or_cannot_be_judged_is_called_so(found, verdict):
    assert verdict in words(**weighed(evidence=found))


def test_nothing_is_said_of_a_prior_that_was_not_weighed():
    lone = evidence(prior_trust=None, signs_hold=None, kept=0, refuted=0, untested=0)
    assert "held to be true" not in words(**weighed(evidence=lone, prior=None))
    assert "held to be true" not in words()


def test_the_controls_of_weighed_edges_are_told_by_their_networks_too():
    noise = "That loss also holds the measurement noise"
    scored = words(**weighed())
    assert noise in scored
    assert "F1 is 0.831 with the prior, 0.112 with a shuffled prior, 0.243 with no prior." in scored
    blind = words(**weighed(networks=[]))
    assert noise in blind
    assert "F1" not in blind
    assert noise not in words()
