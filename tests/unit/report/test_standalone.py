import xml.etree.ElementTree as ET

from unit.report.example_run import write_run

from niwaki.report import write_figures


def test_every_figure_is_a_well_formed_file_with_its_own_style(tmp_path):
    write_run(tmp_path)
    written = write_figures(tmp_path)
    assert {"loss", "edges", "network"} <= {path.stem for path in written}
    for path in written:
        root = ET.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "--paper:" in root[0].text
        assert "http" not in path.read_text().replace("http://www.w3.org/2000/svg", "")
