import shutil

import pytest
from unit.experiment.study import SMALL, write_study

from niwaki.cli import run as run_command
from niwaki.experiment import _motif_files, _results, make_config, read_material
from niwaki.experiment import fit as fit_material

OPTIONS = [part for name, value in SMALL.items() for part in (f"--{name}", str(value))]


@pytest.fixture(scope="session", autouse=True)
def short_curves():
    """Draw few points of curves and few random networks: most of the time of a tiny fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_results, "_CURVE_POINTS", 5)
        patch.setattr(_motif_files, "FIT_SAMPLES", 20)
        yield


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def finished(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    fit_material(read_material(study), make_config(SMALL), out=out, inputs=study)
    return out


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def niwaki(capfd):
    """Run a command line in this process; returns exit code, standard output and error."""

    def call(*arguments):
        capfd.readouterr()
        code = run_command([str(part) for part in arguments])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def refused(niwaki):
    """Run a command line that must fail with one sentence, which is returned."""

    def call(*arguments, code=2):
        found, out, error = niwaki(*arguments)
        assert (found, out) == (code, "")
        assert error.startswith("niwaki: error: ")
        assert error.endswith(".\n") or error.endswith("--help.\n")
        assert error.count("\n") == 1
        assert "Traceback" not in error
        return error.removeprefix("niwaki: error: ").rstrip("\n")

    return call
