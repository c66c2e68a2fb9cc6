import re

import pytest
from unit.report.moth_study import made_study, stage

from niwaki.report import build_moth_report, moth_markdown, moth_words, write_moth_report


@pytest.fixture
def study():
    return made_study()


def test_the_words_say_what_the_study_asks(study):
    words = " ".join(moth_words(study))
    assert "is not finished: 2 networks, the furthest at 94%" in words
    assert "1 of 2 networks have a stage with an error of at most 0.001" in words
    assert "rises most between 93% and 94%: from 0.001" in words
    assert "degrees kept, the mean cosine between motif profiles of two networks goes" in words
    assert "nearly all edges are gone of dphi_0 and dtheta_0" in words


def test_a_finished_study_is_not_called_half_finished(study):
    words = moth_words(study.model_copy(update={"finished": True, "quick": True}))
    assert words[0].startswith("Quick form")
    assert not any("not finished" in sentence for sentence in words)


def test_markdown_holds_every_table_and_the_command(study):
    text = moth_markdown(study, command="niwaki benchmark moth")
    assert "`niwaki benchmark moth`" in text
    for title in ("Stages of pruning", "published means", "Significance, degrees kept", "Both"):
        assert re.search(f"^## .*{title}", text, re.MULTILINE)
    assert "| bifan | 45,244.0 | 45,000.0 | 0.99 | 44,000.0 | 0.97 | both |" in text
    assert "| live nodes, layer 4 | 6.2 | 9.0 | 1.45 | 9.0 | 1.45 | no |" in text
    assert "| chain2 | a→b | 12 | 4.00 ± 0.50 | 1.20 | fixed | – |" in text


def test_the_page_needs_nothing_from_elsewhere(study, tmp_path):
    page = write_moth_report(tmp_path, study, command="<b>")
    text = page.read_text(encoding="utf-8")
    assert (tmp_path / "report.md").exists()
    assert "&lt;b&gt;" in text
    assert text.count("<svg") >= 5
    assert not re.search(r'(src|href)="http', text)


def test_a_study_of_one_network_has_no_convergence(study):
    alone = [stage(0, 0.0, 5e-4, networks=1), stage(1, 0.93, 1e-3, networks=1)]
    text = build_moth_report(
        study.model_copy(update={"stages": alone, "published": [], "rows": study.rows[:1]}),
        command="x",
    )
    assert "It takes two networks to compare." in text
