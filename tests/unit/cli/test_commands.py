import csv
import io
import json
import os
import subprocess
import sys

import networkx
import numpy as np
import pandas as pd
import pytest
from unit.cli.conftest import OPTIONS
from unit.experiment.study import SMALL, chain_network, results, wave

from niwaki import __version__
from niwaki.cli._main import app
from niwaki.data import write_long
from niwaki.experiment import write_edges
from niwaki.experiment._toml import to_toml

COMMANDS = sorted(info.name or info.callback.__name__ for info in app.registered_commands)


def launch(*arguments, **options):
    command = [sys.executable, "-m", "niwaki", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_every_command_of_the_main_job_is_there():
    wanted = {"demo", "fit", "doctor", "evaluate", "predict", "simulate", "report", "data"}
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, niwaki):
    code, out, error = niwaki(command, "--help")
    assert (code, error) == (0, "")
    assert f"Example: niwaki {command}" in " ".join(out.split())
    assert "--json" in out


def test_the_version(niwaki):
    assert niwaki("--version") == (0, f"niwaki {__version__}\n", "")


def test_mistyped_command_lines(refused, niwaki):
    assert refused("fitt").startswith("No such command 'fitt'")
    assert "needs DATA, or --resume" in refused("fit")
    assert "Missing argument 'DATA'" in refused("doctor")
    assert "niwaki evaluate --help" in refused("evaluate", "run")
    code, out, _ = niwaki()
    assert code == 2
    assert "niwaki demo" in out


def test_json_is_the_record(study, tmp_path, niwaki):
    out = tmp_path / "run"
    files = ["--prior", study.prior, "--reference", study.reference, "--test", study.test]
    code, text, error = niwaki("fit", study.data, *files, "--out", out, *OPTIONS, "--json")
    assert (code, error) == (0, "")
    assert json.loads(text) == json.loads((out / "record.json").read_text())
    assert (out / "report.html").exists()


def test_progress_bars_are_off_without_a_terminal(study, tmp_path, niwaki):
    options = [*OPTIONS, "--no-controls", "--out", tmp_path / "run"]
    code, out, error = niwaki("fit", study.data, "--prior", study.prior, *options)
    assert (code, error) == (0, "")
    assert "\x1b" not in out
    assert f"Report   {tmp_path / 'run' / 'report.html'}" in out


def test_bars_follow_the_arms_on_a_terminal(monkeypatch, capsys):
    from niwaki.cli._output import training_progress

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with training_progress(False) as progress:
        progress("fit", 1, 2, 0.5)
        progress("shuffled prior", 2, 2, 0.25)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "shuffled prior" in shown.err
    with training_progress(True) as progress:
        assert progress is None


def test_options_and_a_configuration_file_mean_the_same(study, finished, tmp_path, niwaki):
    (tmp_path / "c.toml").write_text(to_toml({"fit": SMALL}))
    files = ["--prior", study.prior, "--reference", study.reference, "--test", study.test]
    options = ["--config", tmp_path / "c.toml", "--scope", "all", "--out", tmp_path / "run"]
    assert niwaki("fit", study.data, *files, *options, "--quiet")[0] == 0
    assert results(tmp_path / "run") == results(finished)


def test_doctor_in_words_and_for_machines(study, niwaki):
    files = [study.data, "--prior", study.prior, "--reference", study.reference]
    code, out, error = niwaki("doctor", *files, "--hidden", 5)
    assert (code, error) == (0, "")
    assert "12 genes, 6 trajectories" in " ".join(out.split())
    assert "3 fit(s)" in out
    assert "regulators are in the data" in " ".join(out.split())
    found = json.loads(niwaki("doctor", *files, "--hidden", 5, "--json")[1])
    assert found["hidden"] == 5
    assert found["seconds"] > 0
    assert found["data"]["genes"] == 12
    assert found["prior"]["edges_kept"] == found["prior"]["edges_read"]


def test_evaluate_a_run_and_a_table(study, finished, niwaki):
    code, out, _ = niwaki("evaluate", finished, "--reference", study.reference)
    assert code == 0
    assert "prior alone" in out
    rows = json.loads(niwaki("evaluate", finished, "-r", study.reference, "--json")[1])
    assert rows[-1]["method"] == "prior alone"
    assert {"precision", "recall", "f1", "balanced_accuracy", "auprc", "missing_found"} <= set(
        rows[0]
    )
    out = niwaki("evaluate", study.prior, "--reference", study.reference)[1]
    assert "Add --prior" in out


def test_predict_from_the_run_and_from_new_starts(study, finished, tmp_path, niwaki, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = niwaki("predict", finished)
    assert code == 0
    assert "Wrote 6 trajectories, 36 predicted states, to predictions.csv" in out
    options = ["--start", study.test, "--times", "0,2.5,4", "--out", "p.tsv", "--json"]
    found = json.loads(niwaki("predict", finished, *options)[1])
    assert found == {"file": "p.tsv", "trajectories": 10, "observations": 30}
    table = pd.read_csv("p.tsv", sep="\t")
    assert sorted(table["time"].unique()) == [0.0, 2.5, 4.0]
    assert np.isfinite(table["value"]).all()


def test_predict_needs_only_the_expression_data(study, finished, tmp_path, niwaki, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (finished / "config.toml").read_text()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text(text.replace("prior.tsv", "gone.tsv"))
    model = (finished / "model.safetensors").read_bytes()
    (tmp_path / "run" / "model.safetensors").write_bytes(model)
    assert niwaki("predict", "run")[0] == 0


def test_report_is_written_again_byte_for_byte(run, niwaki):
    assert niwaki("report", run)[0] == 0
    first = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    found = json.loads(niwaki("report", run, "--json")[1])
    assert found["report"] == str(run / "report.html")
    assert (run / "report.html").read_bytes() == first


def test_export_goes_by_the_extension_or_the_format(finished, tmp_path, niwaki, refused):
    assert niwaki("export", finished, "--out", tmp_path / "x.graphml")[0] == 0
    text = niwaki("export", finished, "--out", tmp_path / "y", "--format", "json", "--json")[1]
    assert json.loads(text) == {"file": str(tmp_path / "y")}
    assert "elements" in json.loads((tmp_path / "y").read_text())
    assert "'xlsx' is unknown" in refused("export", finished, "--out", tmp_path / "x.xlsx")


def test_simulate_writes_files_that_fit_reads(tmp_path, niwaki):
    code, out, _ = niwaki("simulate", tmp_path / "s", "--genes", 12, "--trajectories", 5)
    assert code == 0
    assert "niwaki fit" in out
    options = [*OPTIONS, "--no-controls", "--out", tmp_path / "run", "--quiet"]
    files = [tmp_path / "s" / "expression.csv", "--prior", tmp_path / "s" / "prior.tsv"]
    assert niwaki("fit", *files, *options)[0] == 0


def test_data_lists_what_there_is(tmp_path, niwaki, refused):
    found = json.loads(niwaki("data", "--folder", tmp_path, "--json")[1])
    assert "sim350" in found["names"]
    assert "nonsense" in refused("data", "nonsense", "--folder", tmp_path)


@pytest.mark.slow
def test_demo_runs_from_simulation_to_report(tmp_path, niwaki, monkeypatch):
    """With the training itself cut short."""
    from niwaki import experiment

    fit = experiment.fit

    def short(material, config, **options):
        return fit(material, config.model_copy(update={"epochs": 4, "hidden": 5}), **options)

    monkeypatch.setattr(experiment, "fit", short)
    code, out, error = niwaki("demo", "--out", tmp_path / "demo", "--genes", 12)
    assert (code, error) == (0, "")
    assert "niwaki fit" in out
    assert (tmp_path / "demo" / "run" / "report.html").exists()
    assert niwaki("demo", "--out", tmp_path / "demo", "--genes", 12)[0] == 2
    assert niwaki("demo", "--out", tmp_path / "demo", "--genes", 12, "--force", "--json")[0] == 0


def test_awkward_gene_names_come_out_right_everywhere(tmp_path, niwaki):
    names = ("com,ma", 'qu"ote', "ta\tb", "<script>alert(1)</script>", "Ångström-β", "a&b")
    write_long(wave(names), tmp_path / "x.csv")
    write_edges(chain_network(names), tmp_path / "p.tsv")
    out = tmp_path / "run"
    options = ["--prior", tmp_path / "p.tsv", "--out", out, *OPTIONS, "--no-controls"]
    assert niwaki("fit", tmp_path / "x.csv", *options)[0] == 0
    rows = list(csv.DictReader(io.StringIO((out / "network.tsv").read_text()), delimiter="\t"))
    assert {row["source"] for row in rows} | {row["target"] for row in rows} == set(names)
    assert sum(row["in_prior"] == "1" for row in rows) == 5
    graph = networkx.read_graphml(out / "network.graphml")
    assert set(networkx.get_node_attributes(graph, "name").values()) <= set(names)
    assert niwaki("predict", out, "--out", tmp_path / "y.csv")[0] == 0
    with (tmp_path / "y.csv").open(newline="") as handle:
        assert {row["gene"] for row in csv.DictReader(handle)} == set(names)
    page = (out / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


# ---------------------------------------------------------------------- as a process of its own
def test_the_module_is_the_command():
    done = launch("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"niwaki {__version__}\n", "")


def test_a_reader_that_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "niwaki", "data"]
    for more in (["--json"], ["--help"]):  # printed by us, and by Typer
        done = subprocess.run(
            [*command, *more], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.stderr == ""
        assert done.returncode in (0, 1)
    os.close(write)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_output_to_a_full_disk_is_said():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "niwaki", "data", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "could not be" in done.stderr


def test_letters_that_a_terminal_cannot_show_are_no_error(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    (tmp_path / "β.csv").write_text("source,target\nβ,c\n")
    done = launch("evaluate", tmp_path / "β.csv", "-r", tmp_path / "β.csv", env=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_does_not_wait_for_torch():
    code = "import sys; from niwaki.cli import run; run(['--help']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
