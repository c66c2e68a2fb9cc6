import shutil

import pytest
from unit.experiment.study import small, write_study

from niwaki.experiment import _motif_files, _results, fit, read_material


@pytest.fixture(scope="session", autouse=True)
def short_curves():
    """Draw few points of curves and few random networks: most of the time of a tiny fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_results, "_CURVE_POINTS", 5)
        patch.setattr(_motif_files, "FIT_SAMPLES", 20)
        yield


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def material(inputs):
    return read_material(inputs)


@pytest.fixture(scope="session")
def finished(inputs, material, tmp_path_factory):
    """A finished run; tests that change it take `run`."""
    out = tmp_path_factory.mktemp("runs") / "run"
    fit(material, small(), out=out, inputs=inputs)
    return out


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")
