import json
import math

import pytest
from pydantic import ValidationError

from niwaki.core import (
    RECORD_VERSION,
    ArmSummary,
    DataSummary,
    ForecastScore,
    GeneCurve,
    NetworkScore,
    PathPoint,
    Provenance,
    RunFolderError,
    RunRecord,
)

NAN, INF = math.nan, math.inf


def example(**changed):
    network = NetworkScore(
        method="fit",
        edges=0,
        mean_out_degree=0.0,
        precision=None,
        recall=0.0,
        f1=0.0,
        balanced_accuracy=0.5,
        auprc=0.1,
        auprc_ratio=1.0,
        early_precision=0.1,
    )
    point = PathPoint(
        round=0,
        epoch=3,
        sparsity=0.7,
        weights=10,
        edges=4,
        mean_out_degree=2.0,
        train_loss=0.1 + 0.2,  # a number that decimal digits must not change
        held_out_loss=0.5,
        held_out_se=0.01,
        score=network,
    )
    parts = {
        "title": 'gène <script> "quoted", 中',
        "criterion": "dash",
        "field": "phoenix",
        "lambda1": 0.5,
        "lambda2": 0.05,
        "selection": "one standard error",
        "data": DataSummary(
            file="x.csv",
            genes=2,
            trajectories=1,
            observations=2,
            pairs=1,
            first_time=0,
            last_time=1,
            minimum=0,
            maximum=1,
            constant_genes=0,
            held_out="none",
        ),
        "prior": None,
        "path": [point],
        "arms": [
            ArmSummary(
                method="fit",
                epochs=3,
                selected_round=0,
                sparsity=0.7,
                edges=4,
                held_out_loss=0.5,
                held_out_se=0.01,
            )
        ],
        "networks": [network],
        "forecasts": [ForecastScore(method="fit", data="test", one_step_mse=0.5, rollout_mse=None)],
        "regulators": [],
        "curves": [curve([0.0, 1.0])],
        "edges_total": 4,
        "edges_written": 4,
        "provenance": Provenance(
            niwaki="0",
            python="3",
            torch="2",
            platform="linux",
            device="cpu",
            threads=1,
            seed=0,
            command="niwaki fit",
            wall_seconds=1,
            cpu_seconds=1,
        ),
    }
    return RunRecord(**{**parts, **changed})


def curve(predicted):
    return GeneCurve(
        gene="a",
        trajectory="s",
        held_out=True,
        times=[0, 1],
        observed=[0.0, 1.0],
        predicted_times=[0, 1],
        predicted=predicted,
    )


def test_a_record_comes_back_as_it_was_written():
    record = example()
    assert RunRecord.from_json(record.to_json()) == record


def test_numbers_that_are_not_finite_become_null_and_come_back_as_nan():
    record = example(curves=[curve([NAN, INF])], solver_audit=NAN)
    text = record.to_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["curves"][0]["predicted"] == [None, None]
    again = RunRecord.from_json(text)
    assert all(math.isnan(value) for value in again.curves[0].predicted)
    assert again.solver_audit is None
    assert again.to_json() == text


def test_losses_of_a_round_that_diverged_come_back_as_nan():
    point = example().path[0].model_copy(update={"held_out_loss": INF, "held_out_se": NAN})
    again = RunRecord.from_json(example(path=[point]).to_json()).path[0]
    assert math.isnan(again.held_out_loss)
    assert math.isnan(again.held_out_se)
    assert again.train_loss == point.train_loss


def test_records_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        example().title = "other"


def refusal(text):
    with pytest.raises(RunFolderError) as caught:
        RunRecord.from_json(text, "runs/a/record.json")
    sentence = str(caught.value)
    assert sentence.startswith("runs/a/record.json ")
    assert sentence.endswith(("run the fit again.", "or run the fit again."))
    assert "\n" not in sentence
    assert ". " not in sentence  # one sentence
    return sentence


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_record_is_refused_in_one_sentence(share):
    text = example().to_json()
    sentence = refusal(text[: int(share * len(text))])
    assert "is not complete JSON (it breaks at line" in sentence


@pytest.mark.parametrize("version", [0, RECORD_VERSION + 1, None, "1"])
def test_a_record_of_another_version_is_refused_in_one_sentence(version):
    content = {**json.loads(example().to_json()), "version": version}
    assert refusal(json.dumps(content)) == (
        f"runs/a/record.json has format version {version}, this Niwaki reads version "
        f"{RECORD_VERSION}; use the Niwaki that wrote it, or run the fit again."
    )


@pytest.mark.parametrize("text", ["[]", "3", "null", '"record"'])
def test_json_that_is_no_record_is_refused(text):
    assert "has format version None" in refusal(text)


def test_an_unknown_key_is_refused_by_name():
    content = json.loads(example().to_json())
    content["path"][0]["surprise"] = 1
    assert "at 'path.0.surprise' (Extra inputs are not permitted)" in refusal(json.dumps(content))


def test_a_missing_key_is_refused_by_name():
    content = json.loads(example().to_json())
    del content["provenance"]["seed"]
    assert "at 'provenance.seed' (Field required)" in refusal(json.dumps(content))
