import json
import tomllib
from math import nan

import pytest

from niwaki.core import ConfigError
from niwaki.experiment import FitConfig, load_config, make_config, make_inputs
from niwaki.experiment._config import check_device
from niwaki.experiment._toml import to_toml


def back(config):
    return make_config(tomllib.loads(to_toml({"fit": config.table()}))["fit"])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"patience": None},
        {"held_out": (3, 23)},
        {"held_out": 0.25, "batch": "trajectory", "target_sparsity": 0.9},
        {"learning_rate": 1e-12, "controls": False, "hidden": 7, "threads": 3},
    ],
)
def test_a_configuration_survives_its_file(changes):
    config = make_config(changes)
    assert back(config) == config
    resolved = config.model_copy(update={"device": "cpu"}).resolve(350)
    assert back(resolved) == resolved == back(resolved).resolve(12)


def test_awkward_paths_survive_the_file():
    inputs = make_inputs({"data": 'a "b"\\c\n\x7f\u00e4\U0001f331.csv', "genes": "x'y"})
    written = to_toml({"inputs": inputs.model_dump()})
    assert make_inputs(tomllib.loads(written)["inputs"]) == inputs


def test_resolving_chooses_what_was_left_open():
    config = FitConfig(device="cpu")
    assert config.resolve(12).hidden == config.resolve(50).hidden == 40
    assert config.resolve(3551).hidden == 260
    assert config.resolve(12).threads == 1
    assert FitConfig(hidden=3, threads=2, device="cpu").resolve(10**4).threads == 2
    assert FitConfig(hidden=3, device="cpu").resolve(10**4).hidden == 3
    assert config.hidden is None  # the configuration itself is unchanged
    assert FitConfig(device="auto").resolve(12).device in ("cpu", "cuda")


def test_a_device_that_is_not_there_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    check_device("cuda")
    check_device("cuda:1")
    with pytest.raises(ConfigError, match=r"'cuda:2' was asked for, .* has 2 usable GPUs"):
        FitConfig(device="cuda:2").resolve(12)


def test_options_win_over_the_file_and_the_file_over_defaults(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[fit]\nhidden = 5\nepochs = 7\npatience = "never"\n')
    config = load_config(path, {"epochs": 9})
    assert (config.hidden, config.epochs, config.patience) == (5, 9, None)
    assert config.seed == FitConfig().seed


def test_without_a_prior_the_data_alone_decide_unless_told_otherwise(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[fit]\ncriterion = "random"\n')
    trained = {"field": "phoenix"}
    assert load_config(None, trained).resolve(9).criterion == "dash"
    assert load_config(None, trained, has_prior=False).criterion == "magnitude"
    assert load_config(None, {}, has_prior=False).resolve(9).criterion == "posterior"
    assert load_config(path, {}, has_prior=False).criterion == "random"
    assert load_config(path, {"criterion": "dash"}, has_prior=False).criterion == "dash"


def test_the_configuration_of_a_run_starts_another(finished):
    config = load_config(finished / "config.toml", {"seed": 3})
    assert (config.hidden, config.seed) == (5, 3)


@pytest.mark.parametrize(
    ("criterion", "prior_loss", "uses"),
    [("dash", 0, True), ("magnitude", 0, False), ("magnitude", 0.1, True), ("random", 0, False)],
)
def test_which_fits_a_prior_can_change(criterion, prior_loss, uses):
    assert make_config({"criterion": criterion, "prior_loss": prior_loss}).uses_knowledge is uses


def test_numbers_must_be_finite_and_in_range():
    for values in ({"learning_rate": nan}, {"lambda1": -0.1}, {"held_out": 1.0}, {"batch": 0}):
        with pytest.raises(ConfigError, match=next(iter(values))):
            make_config(values)


def test_a_run_keeps_the_resolved_configuration_and_its_alignment(finished, inputs):
    tables = tomllib.loads((finished / "config.toml").read_text())
    assert tables["niwaki"] == {"version": 1}
    assert tables["fit"]["device"] == "cpu"
    assert make_inputs(tables["inputs"]) == inputs.absolute()
    notes = json.loads((finished / "inputs.json").read_text())
    assert set(notes["hashes"]) == {"data", "prior", "reference", "test"}
    assert notes["alignment"]["prior"]["genes_shared"] == notes["alignment"]["prior"]["genes_read"]
