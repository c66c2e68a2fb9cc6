from copy import deepcopy

import numpy as np
import pytest
from scipy.special import expit

from niwaki.pruning import (
    Beliefs,
    EffectLaw,
    Support,
    TargetData,
    judge,
    member_probabilities,
    prune_and_regrow,
    resample,
)

UNITS, PER_UNIT, COUNT = 12, 6, 8
UNIT_OF_ROW = np.repeat(np.arange(UNITS), PER_UNIT)


def made(rng, effects, *, pairs=None, noise=0.05, count=COUNT):
    """A target of known effects in twelve trajectories of six rows."""
    columns = rng.normal(size=(UNITS * PER_UNIT, count))
    return with_response(rng, columns, effects, pairs or {}, noise)


def with_response(rng, columns, effects, pairs, noise):
    def joint(wanted):
        return np.stack([columns[:, a] * columns[:, b] for a, b in wanted], 1)

    response = 0.5 + noise**0.5 * rng.normal(size=len(columns))
    for edge, effect in effects.items():
        response = response + effect * columns[:, edge]
    for pair, effect in pairs.items():
        response = response + effect * joint([pair])[:, 0]
    return TargetData(response, np.ones((len(columns), 1)), columns, joint, noise)


def repeated(data, times):
    """The same target with each row as often as its unit is drawn."""
    rows = np.repeat(np.arange(len(data.response)), times[UNIT_OF_ROW].astype(int))
    return TargetData(
        data.response[rows],
        data.base[rows],
        data.candidates[rows],
        lambda pairs: data.joint(pairs)[rows],
        data.noise,
    )


def believed(count=COUNT, *, signs=False):
    allowed = np.ones(count, dtype=bool)
    allowed[-1] = False
    sign = np.where(np.arange(count) % 2, 1.0, -1.0) if signs else np.zeros(count)
    law = EffectLaw(0.5, 0.8, (0.8, 0.1, 0.06, 0.04))
    return Beliefs(law, np.full(count, -2.0), sign, 0.8, 2.0, -3.0, 0.5, allowed)


def searched(data, beliefs, start):
    support = Support(list(start))
    prune_and_regrow(data, beliefs, support)
    return support, judge(data, beliefs, support)


def member_twin(data, beliefs, support, times):
    """One member's search, flip by flip, each judged on rows that are really repeated."""
    rows = repeated(data, times)
    edges = list(support.edges)
    for _ in range(26):
        pairs = [(a, b) for a, b in support.pairs if a in edges and b in edges]
        trial = Support(list(edges), pairs, dict(support.variances))
        odds = judge(rows, beliefs, trial).log_odds
        gain = np.where(np.isin(np.arange(len(odds)), edges), -odds, odds)
        best = int(np.argmax(gain))
        if gain[best] <= 0.02:
            break
        edges = [j for j in edges if j != best] if best in edges else [*edges, best]
    return expit(odds)


def test_resampling_draws_as_many_units_as_there_are(rng):
    drawn = resample(9, 40, rng)
    assert drawn.shape == (40, 9)
    np.testing.assert_array_equal(drawn.sum(1), 9)
    assert (drawn >= 0).all() and (drawn == 0).any() and (drawn > 1).any()
    again = resample(9, 40, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, again)


def test_every_unit_is_drawn_once_on_average(rng):
    # 4000 draws of each count, of variance one: three standard errors are 0.05
    np.testing.assert_allclose(resample(5, 4000, rng).mean(0), 1.0, atol=0.05)


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize(
    ("effects", "pairs"),
    [
        ({0: 0.8, 3: -0.6}, {}),
        ({0: 0.8, 3: -0.12, 5: 0.08}, {}),
        ({1: 0.5, 2: 0.4}, {(1, 2): 0.6}),
        ({1: 0.5, 2: 0.4}, {(2, 2): 0.6}),
        ({}, {}),
    ],
    ids=["clear", "faint", "pair", "square", "nothing"],
)
def test_members_of_all_the_data_equal_the_judgement_itself(rng, effects, pairs, signs):
    data, beliefs = made(rng, effects, pairs=pairs), believed(signs=signs)
    support, found = searched(data, beliefs, [1, 2])
    assert set(pairs) == set(support.pairs)
    chance = member_probabilities(
        data,
        beliefs,
        support,
        log_odds=found.log_odds,
        unit_of_row=UNIT_OF_ROW,
        weights=np.ones((3, UNITS)),
    )
    # two factorisations of one matrix; the rest is rounding
    np.testing.assert_allclose(chance, expit(found.log_odds), rtol=1e-7, atol=1e-10)


def test_regulators_of_a_product_alone_stay_in_every_member(rng):
    data, beliefs = made(rng, {}, pairs={(0, 1): 0.8}), believed()
    support = Support([0, 1], [(0, 1)])
    prune_and_regrow(data, beliefs, support)
    found = judge(data, beliefs, support)
    chance = member_probabilities(
        data,
        beliefs,
        support,
        log_odds=found.log_odds,
        unit_of_row=UNIT_OF_ROW,
        weights=resample(UNITS, 20, rng),
    )
    assert (chance[[0, 1]] > 0.99).all()
    assert chance[2:].max() < 0.5


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("pairs", [{}, {(1, 4): 0.5}], ids=["edges", "pair"])
def test_members_equal_a_search_on_rows_really_repeated(rng, pairs, signs):
    data, beliefs = made(rng, {1: 0.5, 4: -0.3, 6: 0.07}, pairs=pairs), believed(signs=signs)
    support, found = searched(data, beliefs, [])
    weights = resample(UNITS, 6, rng)
    weights[0] = 0.0
    weights[0, [2, 5]] = UNITS / 2  # two trajectories, all others missing
    ours = member_probabilities(
        data,
        beliefs,
        support,
        log_odds=found.log_odds,
        unit_of_row=UNIT_OF_ROW,
        weights=weights,
    )
    twins = [member_twin(data, beliefs, support, times) for times in weights]
    # rounding, as sums over rows are taken in another order
    np.testing.assert_allclose(ours[:-1], np.mean(twins, 0)[:-1], rtol=1e-6, atol=1e-9)
    assert ours[-1] == expit(found.log_odds[-1])  # may not regulate, so is not refitted


def test_a_member_that_drew_nothing_falls_back_on_prior_odds(rng):
    data, beliefs = made(rng, {0: 0.8}), believed()
    support, found = searched(data, beliefs, [])
    chance = member_probabilities(
        data,
        beliefs,
        support,
        log_odds=found.log_odds,
        unit_of_row=UNIT_OF_ROW,
        weights=np.zeros((1, UNITS)),
    )
    # without a row every factor is that of a hugely uncertain effect: none
    np.testing.assert_allclose(chance[:-1], expit(-2.0), atol=1e-6)


def test_an_edge_of_one_trajectory_is_less_stable_than_an_edge_of_all(rng):
    columns = rng.normal(size=(UNITS * PER_UNIT, COUNT))
    columns[UNIT_OF_ROW != 3, 5] = 0.0  # candidate 5 moves in one trajectory only
    data = with_response(rng, columns, {0: 0.5, 5: 0.5}, {}, 0.05)
    beliefs = believed()
    support, found = searched(data, beliefs, [])
    assert set(support.edges) == {0, 5}
    chance = member_probabilities(
        data,
        beliefs,
        support,
        log_odds=found.log_odds,
        unit_of_row=UNIT_OF_ROW,
        weights=resample(UNITS, 200, rng),
    )
    assert chance[0] > 0.99
    # a trajectory is missing from a bootstrap member with chance (1 - 1/12)^12 = 0.35
    assert chance[5] == pytest.approx(0.65 + 0.35 * expit(-2.0), abs=0.12)


def test_candidates_beyond_the_first_32_keep_their_chance_of_all_the_data(rng):
    data, beliefs = made(rng, {0: 0.8}, count=40), believed(40)
    support, found = searched(data, beliefs, [])
    chance = member_probabilities(
        data,
        beliefs,
        support,
        log_odds=found.log_odds,
        unit_of_row=UNIT_OF_ROW,
        weights=resample(UNITS, 8, rng),
    )
    order = np.argsort(-found.log_odds)
    left = order[32:]
    np.testing.assert_array_equal(chance[left], expit(found.log_odds[left]))
    refitted = order[1:32]  # the first is certain either way
    assert (chance[refitted] != expit(found.log_odds[refitted])).all()


def test_nothing_given_is_changed(rng):
    data, beliefs = made(rng, {0: 0.8, 3: -0.6}), believed()
    support, found = searched(data, beliefs, [])
    before, odds = deepcopy(support), found.log_odds.copy()
    member_probabilities(
        data,
        beliefs,
        support,
        log_odds=found.log_odds,
        unit_of_row=UNIT_OF_ROW,
        weights=resample(UNITS, 4, rng),
    )
    assert support == before
    np.testing.assert_array_equal(found.log_odds, odds)


def test_no_allowed_candidate_gives_the_chances_of_all_the_data(rng):
    data, beliefs = made(rng, {0: 0.8}), believed()
    beliefs.allowed[:] = False
    odds = np.full(COUNT, -30.0)
    chance = member_probabilities(
        data,
        beliefs,
        Support(),
        log_odds=odds,
        unit_of_row=UNIT_OF_ROW,
        weights=np.ones((2, UNITS)),
    )
    np.testing.assert_allclose(chance, expit(odds))
