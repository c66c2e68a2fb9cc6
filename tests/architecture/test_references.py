import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIBLIOGRAPHY = re.findall(r"^@\w+\{(\w+),", (ROOT / "docs/references.bib").read_text(), re.M)
CITED = {
    key: path.relative_to(ROOT)
    for path in sorted((ROOT / "src").rglob("*.py"))
    for key in re.findall(r"^ *\.\. \[\d+\] (\w+)", path.read_text(), re.M)
}


def test_every_source_in_a_docstring_is_in_the_bibliography():
    unknown = {key: str(path) for key, path in CITED.items() if key not in BIBLIOGRAPHY}
    assert not unknown


def test_every_entry_of_the_bibliography_is_cited_and_stands_once():
    assert set(BIBLIOGRAPHY) <= set(CITED)
    assert len(set(BIBLIOGRAPHY)) == len(BIBLIOGRAPHY)


def test_keys_named_elsewhere_in_the_sources_are_known():
    named = {
        key
        for path in (ROOT / "src").rglob("*.py")
        for key in re.findall(r"\b[a-z]{3,}(?:19|20)\d\d\b", path.read_text())
    }
    assert named <= set(BIBLIOGRAPHY)
