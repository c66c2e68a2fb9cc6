import csv

import numpy as np
import pytest
from unit.experiment.study import results, small

from niwaki.core import DivergedError
from niwaki.dynamics import train_together
from niwaki.experiment import _epoch, _members, fit, make_config
from niwaki.experiment._members import _halves, _member
from niwaki.experiment._prepare import make_problem, split_data

FEW = {"epochs": 8, "controls": False}


def stabilities(out):
    with (out / "network.tsv").open() as handle:
        return [row["stability"] for row in csv.DictReader(handle, delimiter="\t")]


@pytest.fixture
def problem(material):
    config = small(**FEW, members=4).resolve(len(material.data.genes))
    return make_problem(split_data(material.data, config), config)


def test_two_members_share_out_the_pairs_whole_trajectories_at_a_time(problem):
    for draw in range(3):
        first, second = _halves(problem, draw)
        np.testing.assert_array_equal(
            np.sort(np.concatenate([first, second])), np.arange(len(problem.pairs))
        )
        if len(np.unique(problem.pairs.trajectory)) >= _members._FEW:
            both = set(problem.pairs.trajectory[first]) & set(problem.pairs.trajectory[second])
            assert not both


def test_draws_and_starts_of_members_differ_and_repeat(problem):
    cases = [_member(problem, member, 5) for member in (0, 1, 2, 0)]
    assert len({case.config.seed for case in cases}) == 3
    starts = [case.make_field().output_sum for case in cases]
    assert not np.allclose(starts[0].detach(), starts[1].detach())
    np.testing.assert_array_equal(starts[0].detach(), starts[3].detach())
    np.testing.assert_array_equal(cases[0].pairs.start, cases[3].pairs.start)
    assert {case.config.epochs for case in cases} == {5}


def test_a_fit_with_members_says_how_often_every_edge_was_found_again(inputs, material, tmp_path):
    fit(material, small(**FEW, members=2), out=tmp_path / "run", inputs=inputs)
    found = stabilities(tmp_path / "run")
    assert set(found) <= {"0", "0.5", "1"}
    assert len(set(found)) > 1


def test_without_members_the_column_is_empty(inputs, material, tmp_path):
    fit(material, small(**FEW), out=tmp_path / "run", inputs=inputs)
    assert set(stabilities(tmp_path / "run")) == {""}


def test_members_done_before_a_stop_are_not_repeated(inputs, material, tmp_path):
    from niwaki.experiment import resume

    trained = []

    def stop_in_third(arm, epoch, epochs, loss):
        if arm.startswith("refit"):
            trained.append(arm)
            if arm == "refit 3 of 3" and epoch == 2:
                raise KeyboardInterrupt

    whole = tmp_path / "whole"
    fit(material, small(**FEW, members=3), out=whole, inputs=inputs)
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(material, small(**FEW, members=3), out=out, inputs=inputs, progress=stop_in_third)
    trained.clear()
    resume(out, progress=lambda arm, *_: trained.append(arm))
    assert {arm for arm in trained if arm.startswith("refit")} == {"refit 3 of 3"}
    assert results(out)["network.tsv"] == results(whole)["network.tsv"]


def test_members_side_by_side_find_what_members_one_by_one_find(
    inputs, material, tmp_path, monkeypatch
):
    for place in ("_train", "_solve", "_stacked"):  # no engine: they are trained as one program
        monkeypatch.setattr(f"niwaki.dynamics.{place}.scheme_of", lambda *_: None)
    calls = []

    def note(*args, **options):
        calls.append(len(args[0]))
        return train_together(*args, **options)

    monkeypatch.setattr(_epoch, "train_together", note)
    fit(material, small(**FEW, members=3), out=tmp_path / "together", inputs=inputs)
    assert set(calls) == {3}
    monkeypatch.setattr(_members, "_MOST_MEMBERS", 1)
    fit(material, small(**FEW, members=3), out=tmp_path / "alone", inputs=inputs)
    assert set(calls) == {3}
    alone, together = (
        np.array(stabilities(tmp_path / name), dtype=float) for name in ("alone", "together")
    )
    assert (alone != together).mean() < 0.02  # rounding may turn the order of two edges


def test_a_member_that_diverges_side_by_side_is_named(inputs, material, tmp_path, monkeypatch):
    for place in ("_train", "_solve", "_stacked"):
        monkeypatch.setattr(f"niwaki.dynamics.{place}.scheme_of", lambda *_: None)

    def diverge(trainings, *_, batches, **__):
        trainings[1].field.multiplier.detach().fill_(np.nan)
        return [(0.1, None), (np.nan, batches[1][0]), (0.1, None)]

    monkeypatch.setattr(_epoch, "train_together", diverge)
    with pytest.raises(DivergedError, match="left the finite range"):
        fit(material, small(**FEW, members=3), out=tmp_path / "run", inputs=inputs)


def test_a_field_in_closed_form_has_fifty_members_unless_told_otherwise_and_others_none():
    assert make_config({}).resolve(5).members == 50
    assert make_config({"field": "phoenix"}).resolve(5).members == 0
    assert make_config({"members": 7, "field": "phoenix"}).resolve(5).members == 7
