"""The reference pages describe the program as it is."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from niwaki.core import RunRecord
from niwaki.experiment import FitConfig

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_command_line_page_is_up_to_date() -> None:
    page = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    assert page == _generator("make_cli").page(), "run: python docs/reference/make_cli.py"


def test_api_page_is_up_to_date() -> None:
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    assert page == _generator("make_api").page(), "run: python docs/reference/make_api.py"


def test_every_public_name_has_a_description() -> None:
    page = _generator("make_api").page()
    assert not re.findall(r"^- `\w+`: *$", page, re.MULTILINE)
    assert not re.findall(r"^- `\w+`: (?:dict|int)\(", page, re.MULTILINE)


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


def _generator(name: str) -> ModuleType:
    path = DOCS / "reference" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
