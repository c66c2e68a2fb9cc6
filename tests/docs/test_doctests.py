import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


def with_prompts(paths):
    return sorted(path for path in paths if ">>> " in path.read_text())


@pytest.mark.parametrize("path", with_prompts(SOURCE.rglob("*.py")), ids=lambda p: p.stem)
def test_examples_in_docstrings_hold(path):
    name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    module = importlib.import_module(name)
    assert any(found.examples for found in doctest.DocTestFinder().find(module))
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


def test_examples_in_pages_hold():
    for path in with_prompts([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        assert doctest.testfile(str(path), module_relative=False).failed == 0, path
