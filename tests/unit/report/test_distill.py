import json
import re

import pytest

from niwaki.core import (
    BandSummary,
    DistillPoint,
    DistillRecord,
    DistillRow,
    RunFolderError,
    WaveletCurves,
)
from niwaki.report import build_distill_report, write_distill_report


def curves(name):
    grid = [0.1 * i for i in range(11)]
    return WaveletCurves(
        name=name,
        taps=[0.5, 0.5],
        positions=grid,
        scaling=grid,
        wavelet=[-v for v in grid],
        frequencies=grid,
        low_gain=grid,
        high_gain=grid,
    )


def record(*, rows=True, images=False):
    point = {"signals": 0.7, "attributions": 0.5, "start": "grown 1", "kept": 0.1, "distance": 1.0}
    scored = {"r2": 0.2, "r2_sd": 0.01} if rows else {}
    bands = [
        BandSummary(
            name=name,
            shortest=4,
            longest=None if name == "A1" else 8,
            data=0.6,
            attributions=0.4,
            example=[] if images else [1.0, -2.0],
            example_attributions=[] if images else [0.0, 3.0],
        )
        for name in ("A1", "D1")
    ]
    scores = [("distilled", 0.3), ("no attribution", 0.2), ("db5", 0.25), ("teacher", 0.4)]
    return DistillRecord(
        title="<script>alert(1)</script>",
        teacher="m.pt2",
        data="x.csv",
        samples=40,
        held_out=10,
        shape=[4],
        response="y.csv",
        settings={"taps": "2"},
        path=[
            DistillPoint(ratio=ratio, selected=ratio == 1.0, **point, **scored)
            for ratio in (0.0, 0.1, 1.0, 10.0, None)
        ],
        rows=[
            DistillRow(method=m, parameters=5, kept=0.1, cv_r2=0.2, test_r2=v, seconds=0.01)
            for m, v in scores
        ]
        if rows
        else [],
        curves=[curves("distilled"), curves("db5")],
        bands=bands,
        example=[] if images else [1.0, 2.0, 1.0, 0.0],
        reconstruction_error=1e-15,
        searches=9,
        teacher_seconds=0.1,
        search_seconds=1.0,
        warnings=["A note & more."],
        provenance={"niwaki": "0"},
    )


def test_the_page_is_whole_offline_and_escapes_names():
    page = build_distill_report(record())
    assert "<script>alert" not in page
    assert "A note &amp; more." in page
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert page.count("<svg") == 8
    assert build_distill_report(record()) == page


def test_what_does_not_help_is_said():
    worse = record().model_copy(
        update={"rows": [r.model_copy(update={"test_r2": 0.3}) for r in record().rows]}
    )
    assert "Distilling did not help here" in build_distill_report(worse)
    assert "Distilling did not help here" not in build_distill_report(record())


def test_without_a_response_and_with_images_there_are_fewer_parts():
    page = build_distill_report(record(rows=False, images=True))
    assert "no linear model was fitted" in page
    assert page.count("<svg") == 6


def test_an_image_is_drawn_band_by_band():
    plain = record(images=True)
    maps = {"map": [[0.0, 1.0], [2.0, 3.0]], "map_attributions": [[0.0, 0.0]]}
    drawn = [band.model_copy(update=maps) for band in plain.bands]
    page = build_distill_report(plain.model_copy(update={"bands": drawn}))
    assert "One image." in page
    assert page.count("fill-opacity") == 6  # three shades in each of two bands; none for zeros


def test_a_record_comes_back_from_its_file():
    assert DistillRecord.from_json(record().to_json()) == record()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[:50], "not complete JSON"),
        (lambda text: text.replace('"distill"', '"fit"'), "not the record of a distillation"),
        (lambda text: json.dumps({**json.loads(text), "samples": "many"}), "at 'samples'"),
    ],
)
def test_a_damaged_record_is_one_sentence(change, words, tmp_path):
    (tmp_path / "record.json").write_text(change(record().to_json()))
    with pytest.raises(RunFolderError, match=words):
        write_distill_report(tmp_path)


def test_a_folder_without_a_record_is_one_sentence(tmp_path):
    with pytest.raises(RunFolderError, match="niwaki distill wrote"):
        write_distill_report(tmp_path)
