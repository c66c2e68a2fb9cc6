import xml.etree.ElementTree as ET

import pytest
from unit.report.example_run import write_run, write_weighed_run

from niwaki.core import MotifRow, MotifSummary
from niwaki.report import build_report, motif_svg, motif_words, write_figures
from niwaki.report._motifs import motif_figure, motif_table


def motif_row(motif, null, z, *, q=0.5, observed=12):
    return MotifRow(
        motif=motif,
        pattern="a→b→c, a→c",
        null=null,
        observed=observed,
        mean=10.0,
        sd=0.0 if z is None else 2.0,
        z=z,
        ratio=observed / 10,
        difference=0.1,
        p=None if z is None else q / 2,
        q=None if z is None else q,
        profile=None if z is None else 0.5,
        fixed=z is None,
        exact=False,
    )


def summary(**changes):
    content = MotifSummary(
        kind="directed",
        nodes=40,
        edges=90,
        samples=200,
        rows=[
            motif_row("feed_forward", "uniform", 4.0, q=0.01),
            motif_row("feedback3", "uniform", -3.0, q=0.02),
            motif_row("feed_forward", "degree", 1.0),
            motif_row("feedback3", "degree", None),
        ],
        instances={"feed_forward": [["<b>A</b>", "B&C", "D"]]},
        notes=["2 self-loops were left out; no motif has them."],
    )
    return content.model_copy(update=changes)


def test_the_words_name_what_stands_out_per_null():
    first, second = motif_words(summary())
    assert "more often: feed forward; less often: feedback3" in first
    assert "nothing stands out" in second
    assert "1 motif free" in second


def test_a_null_that_fixes_every_motif_is_said_to():
    rows = [motif_row("feedback2", "degree", None)]
    assert "this null fixes all" in motif_words(summary(rows=rows))[0]


def test_fixed_motifs_are_fixed_in_the_table_and_absent_from_the_figure():
    table = motif_table(summary())
    assert [row.cells[5] for row in table.rows] == ["4.00", "−3.00", "1.00", "fixed"]
    assert [row.strong for row in table.rows] == [True, True, False, False]
    figure = str(motif_figure(summary().rows))
    assert figure.count("<title>") == 3 + 2  # three points and the legend
    ET.fromstring(figure)


def test_nothing_is_drawn_where_everything_is_fixed():
    rows = [motif_row("feedback2", "degree", None)]
    assert motif_figure(rows) is None
    assert motif_svg(summary(rows=rows)) is None
    ET.fromstring(motif_svg(summary()))


def test_the_page_has_a_section_with_names_escaped(tmp_path):
    page = build_report(write_weighed_run(tmp_path / "run", motifs=summary()))
    section = page[page.index('<section id="motifs"') :]
    section = section[: section.index("</section>")]
    assert 'href="#motifs"' in page
    assert "&lt;b&gt;A&lt;/b&gt;" in section
    assert "<b>A</b>" not in page
    assert "2 self-loops were left out" in section
    assert "40 linked genes" in section
    assert "200 random networks" in section


def test_a_record_without_motifs_has_no_section(tmp_path):
    page = build_report(write_run(tmp_path / "run"))
    assert 'id="motifs"' not in page
    assert "#motifs" not in page


def test_motifs_that_were_left_out_leave_their_note(tmp_path):
    small = summary(rows=[], instances={}, notes=["With 9,000 edges they were not looked at."])
    page = build_report(write_run(tmp_path / "run", motifs=small))
    assert "With 9,000 edges" in page
    assert "The numbers of these motifs" not in page


@pytest.mark.parametrize("motifs", [None, summary()])
def test_the_figure_is_a_file_where_there_is_one(motifs, tmp_path):
    names = {p.name for p in write_figures(write_run(tmp_path / "run", motifs=motifs))}
    assert ("motifs.svg" in names) == (motifs is not None)
