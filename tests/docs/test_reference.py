"""The reference pages describe the program as it is."""

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from niwaki.core import RunRecord
from niwaki.experiment import FitConfig

DOCS = Path(__file__).resolve().parents[2] / "docs"
PACKAGES = (
    *("core", "data", "knowledge", "dynamics", "pruning", "evaluation"),
    *("experiment", "report", "sweep"),
)


def test_command_line_page_is_up_to_date() -> None:
    page = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    assert page == _generator().page(), "run: python docs/reference/make_cli.py"


@pytest.mark.parametrize("package", PACKAGES)
def test_api_page_lists_every_public_name_and_no_other(package: str) -> None:
    public = {n for n in vars(importlib.import_module(f"niwaki.{package}")) if n[0] != "_"}
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    section = page.split(f"## niwaki.{package}\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^- `(\w+)`", section, re.MULTILINE)) == public


def test_settings_page_gives_every_setting_with_its_default() -> None:
    page = (DOCS / "how-to" / "choose-settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE))
    wanted = {name: info.default for name, info in FitConfig.model_fields.items()}
    assert rows.keys() == wanted.keys()
    stated = {name: text.strip().strip("`") for name, text in rows.items()}
    plain = {n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in wanted.items()}
    assert {n: t for n, t in stated.items() if plain[n] != "None"} == {
        n: v for n, v in plain.items() if v != "None"
    }


def test_formats_page_names_every_field_of_the_record() -> None:
    page = (DOCS / "reference" / "formats.md").read_text(encoding="utf-8")
    missing = [name for name in RunRecord.model_fields if f"`{name}`" not in page]
    assert not missing


def _generator() -> ModuleType:
    path = DOCS / "reference" / "make_cli.py"
    spec = importlib.util.spec_from_file_location("make_cli", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
