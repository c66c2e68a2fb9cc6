import importlib
import pkgutil
import subprocess
import sys

import pytest

import niwaki

MODULES = [m.name for m in pkgutil.walk_packages(niwaki.__path__, "niwaki.")]


@pytest.mark.parametrize("name", [m for m in MODULES if m != "niwaki.__main__"])
def test_every_module_imports_with_its_types_checked(name):
    importlib.import_module(name)


@pytest.mark.parametrize("name", ["niwaki.core", "niwaki.report", "niwaki.cli", "niwaki.data"])
def test_what_must_start_at_once_does_not_load_torch(name):
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr or f"{name} loads torch"
