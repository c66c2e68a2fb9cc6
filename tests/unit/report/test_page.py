import base64
import hashlib
import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from unit.report.example_run import (
    NASTY,
    evidence,
    path,
    record,
    score,
    weighed,
    write_run,
    write_weighed_run,
)

from niwaki.core import GeneCurve, RunFolderError, RunRecord
from niwaki.report import build_report, model_card, write_report

SECTIONS = [
    "summary",
    "warnings",
    "path",
    "trajectories",
    "regulators",
    "picture",
    "table",
    "scores",
    "methods",
]
VOID = {"meta", "link", "input"}


class Page(HTMLParser):
    """Collects tags and text, and checks that tags nest."""

    def __init__(self, content: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"th", "td", "figcaption"}:
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"th", "td", "figcaption"}:
            self.cells[-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> str:
    return build_report(write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def page(content) -> Page:
    return Page(content)


def drawings(content: str) -> list[ET.Element]:
    return [ET.fromstring(s) for s in re.findall(r"<svg .*?</svg>", content, re.DOTALL)]


def test_tags_nest_and_sections_stand_in_order(page):
    assert page.open == []
    assert [a["id"] for a in page.all("section")] == SECTIONS


def test_every_drawing_is_well_formed_and_named_or_hidden(content):
    for drawing in drawings(content):
        assert drawing.get("aria-label") or drawing.get("aria-hidden") == "true"
        assert "nan" not in ET.tostring(drawing, encoding="unicode").lower()


def test_nothing_is_loaded_from_anywhere(page, content):
    assert "http:" not in content
    assert "https:" not in content
    links = [a.get(k) for _, a in page.tags for k in ("src", "href") if a.get(k)]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"@import|@font-face|url\((?!#)", content)


def test_the_policy_allows_exactly_our_style_and_our_script(page, content):
    (policy,) = [
        a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", content, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy
    assert not any(k == "style" or k.startswith("on") for _, a in page.tags for k in a)


def test_awkward_names_are_text_and_nothing_else(page, content):
    assert "<script>alert" not in content
    for name in NASTY:
        assert name.replace("\x08", "\ufffd") in page.cells


def test_tables_have_captions_and_scopes(page):
    tables = [tag for tag, _ in page.tags if tag == "table"]
    assert len(tables) == len(page.all("caption"))
    assert all(a.get("scope") in {"row", "col"} for a in page.all("th"))


def test_the_prior_alone_stands_beside_the_fit(content):
    scores = content[content.index('id="scores"') :]
    assert '<th scope="row">fit</th>' in scores
    assert '<th scope="row">prior alone</th>' in scores
    assert "prior F1 0.90" in content


def test_no_score_is_shown_if_the_prior_alone_was_not_scored(tmp_path):
    run = write_run(tmp_path, networks=[score("fit", f1=0.8315, edges=412)])
    content = build_report(run)
    assert "F1 0.83" not in content
    assert "Networks against the reference" not in content
    assert "Network scores against sparsity" not in content
    assert "the prior alone was not scored" in content


def test_a_run_without_reference_controls_or_curves_still_has_a_page(tmp_path):
    bare = [point.model_copy(update={"score": None}) for point in path(1)]
    run = write_run(
        tmp_path,
        edges=3,
        prior=None,
        networks=[],
        arms=[],
        forecasts=[],
        curves=[],
        regulators=[],
        warnings=[],
        path=bare,
        solver_audit=None,
    )
    (run / "metrics.jsonl").unlink()
    page = Page(build_report(run))
    assert [a["id"] for a in page.all("section")] == [s for s in SECTIONS if s != "warnings"]


def test_a_forecast_that_diverged_leaves_a_gap_not_a_failure(tmp_path):
    curve = GeneCurve(
        gene="A",
        trajectory="1",
        held_out=True,
        times=[0.0, 1.0, 2.0],
        observed=[1.0, math.nan, 2.0],
        predicted_times=[0.0, 1.0],
        predicted=[1.0, math.inf],
    )
    lost = [p.model_copy(update={"held_out_loss": math.nan}) for p in path(3)]
    content = build_report(write_run(tmp_path, curves=[curve], path=lost))
    assert all("nan" not in ET.tostring(d, encoding="unicode").lower() for d in drawings(content))


def test_a_record_keeps_what_was_not_finite_as_not_a_number():
    lost = [p.model_copy(update={"held_out_se": math.nan}) for p in path(2)]
    back = RunRecord.from_json(record(path=lost).to_json())
    assert math.isnan(back.path[0].held_out_se)


def test_the_page_is_the_same_every_time(tmp_path):
    run = write_run(tmp_path)
    first = write_report(run)
    before = first.read_bytes()
    assert write_report(run).read_bytes() == before
    assert first == tmp_path / "report.html"


def test_a_large_run_gives_a_small_page(tmp_path):
    run = write_run(tmp_path, edges=50_000, genes=3_500, edges_total=50_000)
    written = write_report(run)
    assert written.stat().st_size < 1_500_000
    assert "Showing the strongest 500 of 50,000 edges" in written.read_text(encoding="utf-8")


def test_a_folder_without_a_record_is_one_sentence(tmp_path):
    with pytest.raises(RunFolderError, match=r"record\.json cannot be read"):
        build_report(tmp_path)


def test_a_failed_build_leaves_the_old_page(tmp_path):
    run = write_run(tmp_path)
    before = write_report(run).read_bytes()
    (run / "network.tsv").write_text("rubbish\n")
    with pytest.raises(RunFolderError):
        write_report(run)
    assert (run / "report.html").read_bytes() == before


def test_the_model_card_says_what_the_headline_says_and_escapes_markup():
    card = model_card(record(title="<b>my|data</b>"))
    assert card.startswith(r"# \<b\>my\|data\</b\>")
    assert "the fit is worse than its prior in F1" in card
    assert "| prior alone |" in card
    lines = card.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| network |"))
    table = lines[start : start + 4]
    assert len({line.count("|") for line in table}) == 1


@pytest.fixture(scope="module")
def weighed_content(tmp_path_factory) -> str:
    return build_report(write_weighed_run(tmp_path_factory.mktemp("weighed")))


def test_weighed_edges_show_probability_stability_and_all_four_statuses(weighed_content):
    cells = Page(weighed_content).cells
    for cell in ("probability", "stability", "0.950", ">\u202f0.999", "<\u202f0.001", "0.380"):
        assert cell in cells
    for status in ("kept", "added", "refuted", "untested"):
        assert f"<option>{status}</option>" in weighed_content
        assert f'data-status="{status}"' in weighed_content
    assert "<option>removed</option>" not in weighed_content
    assert "1 kept, 1 added, 1 refuted, 2 untested." in weighed_content
    assert "2 of 2 prior edges that it lacks" in weighed_content
    assert "kept from the prior, untested" in weighed_content


def test_the_path_of_weighed_edges_runs_along_their_probability(weighed_content):
    assert "Held-out loss against the least probability of an edge" in weighed_content
    assert "chosen: round 2, probability above 0.5" in weighed_content
    assert "probability above" in Page(weighed_content).cells
    marks = re.findall(r'<circle [^>]*class="mark c1 picked"', weighed_content)
    assert len(marks) == 2  # of the loss, and of F1
    assert all("nan" not in ET.tostring(d, encoding="unicode") for d in drawings(weighed_content))


def test_a_page_of_weighed_edges_has_no_word_of_training_weights(weighed_content):
    text = weighed_content + model_card(record(**weighed()))
    for word in ("λ", "weights are zero", "weights left", "parsity", "Training curve", "prunable"):
        assert word not in text
    assert "of the prior&#39;s edges borne out; 5\u00a0% untested" in weighed_content
    assert "50 refits" in weighed_content


def test_a_trained_page_has_no_word_of_probabilities(content):
    for word in ("robability", "refuted<", "untested<", "Stability"):
        assert word not in content
    assert "of the weights are zero" in content
    assert "<option>removed</option>" in content


def test_weighed_edges_without_prior_reference_or_refits_still_have_a_page(tmp_path):
    lone = evidence(prior_trust=None, signs_hold=None, kept=0, refuted=0, untested=0)
    points = [p.model_copy(update={"score": None}) for p in weighed()["path"][2:3]]
    run = write_weighed_run(
        tmp_path, prior=None, networks=[], evidence=lone, path=points, members=0
    )
    content = build_report(run)
    assert Page(content).open == []
    assert "none were made" in content
    assert "borne out" not in content
    assert "can be trusted" not in content


def test_an_empty_path_still_has_a_page(tmp_path):
    assert "The pruning path is empty" in build_report(write_run(tmp_path, path=[]))
