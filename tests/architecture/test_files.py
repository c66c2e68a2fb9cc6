import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRIVATE = re.compile(r"/(home|Users|root|work)/|\.\./shared|[A-Z]:\\+Users")


@pytest.fixture(scope="module")
def tracked():
    """Files under version control that exist in the working tree."""
    ran = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in ran.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_binary_and_no_large_file_is_tracked(tracked):
    large = {str(p): size for p in tracked if (size := p.stat().st_size) > 500_000}
    assert not large
    binary = [str(p) for p in tracked if b"\0" in p.read_bytes()]
    assert not binary


def test_no_notebook_holds_outputs(tracked):
    for path in tracked:
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text())["cells"]
            assert not any(cell.get("outputs") for cell in cells), path


def test_no_text_for_people_names_a_place_on_one_machine(tracked):
    found = []
    for path in tracked:
        place = path.relative_to(ROOT)
        if place.parts[0] in {"src", "docs", "benchmarks"} or place.suffix == ".md":
            lines = path.read_text().splitlines()
            found += [f"{place}:{i}" for i, line in enumerate(lines, 1) if PRIVATE.search(line)]
    assert not found
