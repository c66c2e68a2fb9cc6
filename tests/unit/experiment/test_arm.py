import numpy as np
import pytest
from unit.experiment.study import small

from niwaki.core import ConfigError, DivergedError
from niwaki.experiment import _epoch, _results, fit, run_rounds, write_example


def test_an_epoch_without_a_number_does_not_replace_the_best_of_its_round(
    material, tmp_path, monkeypatch
):
    seen = []
    losses_of = _epoch.pair_losses

    def pair_losses(*args, **options):
        seen.append(losses_of(*args, **options))
        return np.full_like(seen[-1], np.nan) if len(seen) == 2 else seen[-1]

    monkeypatch.setattr(_epoch, "pair_losses", pair_losses)
    rounds = run_rounds(material, small(), folder=tmp_path).result.rounds
    assert rounds[0].epoch == 1  # the first prune comes at epoch 3
    assert rounds[0].loss == seen[0].mean()


def test_a_solver_audit_that_fails_does_not_lose_the_run(material, tmp_path, monkeypatch):
    def audit(*_, **__):
        raise DivergedError("too stiff")

    monkeypatch.setattr(_results, "audit", audit)
    record = fit(material, small(controls=False), out=tmp_path / "run")
    assert record.solver_audit is None
    assert (tmp_path / "run" / "DONE").exists()


def test_a_warm_start_without_a_drive_is_refused_before_anything_is_written(material, tmp_path):
    with pytest.raises(ConfigError, match="phoenix"):
        fit(material, small(field="mlp", warm_start=2), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_prior_loss_without_a_drive_is_refused_before_anything_is_written(material, tmp_path):
    with pytest.raises(ConfigError, match="needs the field phoenix"):
        fit(material, small(field="mlp", prior_loss=0.2), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_example_never_replaces_files_unasked(tmp_path):
    (tmp_path / "expression.csv").write_text("mine")
    with pytest.raises(ConfigError, match="already; choose another folder"):
        write_example(tmp_path, genes=12, trajectories=6)
    assert (tmp_path / "expression.csv").read_text() == "mine"
    write_example(tmp_path, genes=12, trajectories=6, force=True)
    assert (tmp_path / "prior.tsv").exists()
