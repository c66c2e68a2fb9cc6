"""Where the engine comes from, and what happens on machines that cannot have it."""

import logging
import shutil

import pytest
import torch

from niwaki.dynamics import Exponential, PhoenixField, engine, solve
from niwaki.dynamics._engine import _build


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A machine that has built nothing yet; the engine of this process is found again after it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NIWAKI_ENGINE", raising=False)
    monkeypatch.delenv("CC", raising=False)
    engine.cache_clear()
    yield tmp_path
    engine.cache_clear()


def ends():
    generator = torch.Generator().manual_seed(0)
    field = PhoenixField(12, hidden=24, generator=generator).double()
    start = torch.rand(12, 5, generator=generator).double()
    gaps = torch.tensor([1.0, 2.0, 1.0, 4.0, 2.0], dtype=torch.float64)
    return solve(field, start, gaps=gaps, method=Exponential()).detach()


def test_without_a_compiler_everything_runs_in_torch_and_says_so(fresh, monkeypatch, caplog):
    monkeypatch.setattr(_build, "_compiler", lambda: None)
    with caplog.at_level(logging.INFO, "niwaki.dynamics"):
        slow = ends()
    assert engine().library is None
    assert "pure torch" in caplog.text
    assert "no C compiler was found" in caplog.text
    monkeypatch.undo()
    engine.cache_clear()
    torch.testing.assert_close(slow, ends(), rtol=1e-12, atol=1e-14)


def test_failed_build_is_reported_with_the_compilers_own_words(fresh, monkeypatch, tmp_path):
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'kernel.c: error: no vectors here' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    found = engine()
    assert found.library is None
    assert "no vectors here" in found.note
    assert not list(tmp_path.rglob("*.so"))


def test_library_of_another_processor_is_not_run(fresh, monkeypatch):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    monkeypatch.undo()
    monkeypatch.setattr(_build, "supported", lambda isa, flags: False)
    engine.cache_clear()
    assert "another processor" in engine().note
    assert torch.isfinite(ends()).all()


def test_switch_turns_the_engine_off(fresh, monkeypatch):
    monkeypatch.setenv("NIWAKI_ENGINE", "torch")
    assert engine().library is None
    assert "NIWAKI_ENGINE is set to torch" in engine().note


def test_another_processor_gets_a_library_of_its_own(fresh, monkeypatch):
    class Ran:
        def __call__(self, command, **_):
            place = command[command.index("-o") + 1]
            _build.Path(place).write_bytes(b"library")

    monkeypatch.setattr(_build.subprocess, "run", Ran())
    first = _build._built(["cc"])
    assert first == _build._built(["cc"])
    monkeypatch.setattr(_build, "cpu_flags", lambda: frozenset({"another"}))
    assert first != _build._built(["cc"])
    assert first != _build._built(["clang"])
