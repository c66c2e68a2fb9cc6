"""Whatever is wrong with a file or an option: one sentence, exit code 2, nothing left behind."""

import errno
import os

import pytest
from unit.cli.conftest import OPTIONS
from unit.experiment.study import results

from niwaki import experiment
from niwaki.experiment import _arm

LONG = "trajectory,time,gene,value\n"


def table(*, genes=("GATA1", "KLF1", "SPI1"), times=(0, 1, 2), samples="ab", value=None):
    """A long table of smooth values; `value` replaces the fifth of them."""
    rows = [
        [s, str(t), g, str(0.2 + 0.1 * t + 0.05 * i + 0.02 * j)]
        for j, s in enumerate(samples)
        for t in times
        for i, g in enumerate(genes)
    ]
    if value is not None:
        rows[4][3] = value
    return LONG + "".join(",".join(row) + "\n" for row in rows)


PRIOR = "source\ttarget\nGATA1\tKLF1\nSPI1\tGATA1\n"


@pytest.fixture
def files(tmp_path):
    """Write expression and prior; returns their paths and that of the run folder."""

    def write(data=None, prior=PRIOR):
        (tmp_path / "x.csv").write_text(table() if data is None else data)
        (tmp_path / "p.tsv").write_text(prior)
        return tmp_path / "x.csv", tmp_path / "p.tsv", tmp_path / "run"

    return write


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", "x.csv"),
        (table(value="high"), "'high'"),
        (table(value="nan"), "missing or infinite"),
        (table(value="inf"), "inf"),
        (table(times=(0,)), "one time point only"),
        (table().replace(",", ":"), "x.csv"),
        ("time,GATA1,GATA1\n0,1,2\n1,2,3\n2,3,4\n", "stands twice"),
        ("time,GATA1,KLF1,SPI1\n0,1,2,3\n1,1,2,3\n2,1,2,3\n", "every gene is constant"),
        (table(samples="a", times=(0, 1)), "at least 3"),
    ],
)
def test_unusable_expression(data, expected, files, refused):
    x, p, out = files(data)
    assert expected in refused("fit", x, "--prior", p, "--out", out)
    assert not out.exists()
    assert expected in refused("doctor", x, "--prior", p)


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        ("", "p.tsv"),
        ("source\ttarget\n", "p.tsv"),
        ("source\ttarget\ngata1\tklf1\n", "the nearest are 'gata1' there and 'GATA1'"),
        ("source\ttarget\nENSG01\tENSG02\n", "shares no gene name"),
        ("source\ttarget\nGATA1\tENSG02\n", "no edge has both"),
        ("source\ttarget\tweight\nGATA1\tKLF1\thigh\n", "expected a finite weight in row 2"),
        ("source\ttarget\tweight\nGATA1\tKLF1\tnan\n", "expected a finite weight in row 2"),
    ],
)
def test_unusable_prior(prior, expected, files, refused):
    x, p, out = files(prior=prior)
    assert expected in refused("fit", x, "--prior", p, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize("option", ["--prior", "--ppi", "--reference", "--test", "--config"])
def test_a_missing_file_is_named(option, files, refused):
    x, p, out = files()
    arguments = ["--prior", p] if option != "--prior" else []
    message = refused("fit", x, *arguments, option, "nowhere.csv", "--out", out)
    assert "nowhere.csv" in message
    assert not out.exists()
    assert "nowhere.csv" in refused("fit", "nowhere.csv", "--prior", p, "--out", out)


def test_a_transposed_prior_is_suspected(files, niwaki):
    genes = [f"g{i:02d}" for i in range(20)]
    prior = "source\ttarget\n" + "".join(f"{gene}\tg00\n" for gene in genes[1:])
    x, p, _ = files(table(genes=genes), prior)
    assert "looks transposed" in niwaki("doctor", x, "--prior", p)[1]
    assert "looks transposed" not in niwaki("doctor", x, "--prior", p, "--transpose-prior")[1]


def test_times_out_of_order_and_repeated_are_mended_and_said(files, niwaki):
    lines = table(samples="ab").splitlines(keepends=True)
    x, p, _ = files(LONG + "".join(reversed(lines[1:])) + lines[1])
    code, out, _ = niwaki("doctor", x, "--prior", p)
    assert code == 0
    assert "sorted" in out
    assert "averaged" in out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--hidden", "0"], "hidden = 0"),
        (["--hidden", "-3"], "hidden = -3"),
        (["--epochs", "-1"], "epochs = -1"),
        (["--batch", "0"], "at least 1 pair"),
        (["--batch", "many"], "'trajectory'"),
        (["--criterion", "foo"], "'dash-paper'"),
        (["--solver", "foo"], "expected one of etd4"),
        (["--field", "foo"], "'phoenix'"),
        (["--field", "module"], "pass it from Python"),
        (["--scope", "foo"], "'assayed'"),
        (["--select", "foo"], "'one-se'"),
        (["--device", "foo"], "auto, cpu, cuda"),
        (["--device", "cuda:63"], "usable GPUs"),
        (["--lambda1", "2"], "lambda1 = 2.0"),
        (["--lambda2", "nan"], "lambda2 = nan"),
        (["--learning-rate", "inf"], "finite"),
        (["--first-amount", "0"], "first_amount = 0.0"),
        (["--amount", "1"], "amount = 1.0"),
        (["--held-out", "1.5"], "a share between 0 and 1"),
        (["--patience", "sometimes"], "patience = 'sometimes'"),
        (["--target-sparsity", "1"], "target_sparsity"),
        (["--hidden", "many"], "'--hidden'"),
        (["--no-such-option"], "No such option"),
        (["--seed", "-1"], "'--seed'"),
        (["--time-key", "hours"], "hours"),
    ],
)
def test_unusable_options(options, expected, files, refused):
    x, p, out = files()
    assert expected in refused("fit", x, "--prior", p, "--out", out, *options)
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[fit]\nhiden = 5\n", "unknown key 'hiden'"),
        ("[fit]\nhidden = 'five'\n", "hidden = 'five'"),
        ("[model]\nhidden = 5\n", "unknown table or key 'model'"),
        ("hidden = 5\n", "options belong under [fit]"),
        ("fit = 5\n", "where a table of options is expected"),
        ("[fit\n", "is not a TOML file"),
        ("[fit]\nlambda1 = nan\n", "lambda1 = nan"),
    ],
)
def test_an_unusable_configuration_names_its_file(content, expected, files, refused):
    x, p, out = files()
    path = out.parent / "fit.toml"
    path.write_text(content)
    message = refused("fit", x, "--prior", p, "--out", out, "--config", path)
    assert expected in message
    assert message.startswith(str(path))
    assert not out.exists()


def test_an_option_is_not_blamed_on_the_file(files, refused):
    x, p, out = files()
    (out.parent / "fit.toml").write_text("[fit]\nhidden = 5\n")
    options = ["--config", out.parent / "fit.toml", "--hidden", "0"]
    assert refused("fit", x, "--prior", p, "--out", out, *options).startswith("the command has")


def test_dash_without_a_prior_and_test_data_without_pairs(files, refused):
    x, p, out = files()
    assert "needs a prior" in refused("fit", x, "--criterion", "dash", "--out", out)
    (out.parent / "t.csv").write_text(table(times=(0,)))
    message = refused("fit", x, "--prior", p, "--test", out.parent / "t.csv", "--out", out)
    assert message.startswith("the test data: ")
    (out.parent / "t.csv").write_text(table(genes=("GATA1", "KLF1")))
    message = refused("fit", x, "--prior", p, "--test", out.parent / "t.csv", "--out", out)
    assert "'SPI1'" in message
    assert not out.exists()


def test_a_folder_that_holds_something_is_left_alone(run, files, niwaki, refused):
    x, p, out = files()
    before = results(run)
    assert "a finished run" in refused("fit", x, "--prior", p, "--out", run)
    (run / "DONE").unlink()
    assert "an unfinished run" in refused("fit", x, "--prior", p, "--out", run)
    assert results(run) == before
    (out.parent / "mine").mkdir()
    (out.parent / "mine" / "thesis.tex").write_text("years of work")
    for option in ([], ["--force"]):
        message = refused("fit", x, "--prior", p, "--out", out.parent / "mine", *option)
        assert "not a Niwaki run" in message
    assert "is a file" in refused("fit", x, "--prior", p, "--out", x)


def test_force_replaces_a_run_and_nothing_else(run, files, niwaki):
    x, p, _ = files()
    (run / "data").mkdir()
    (run / "data" / "mine.csv").write_text("keep")
    code, _, _ = niwaki("fit", x, "--prior", p, "--out", run, "--force", *OPTIONS, "--no-controls")
    assert code == 0
    assert (run / "data" / "mine.csv").read_text() == "keep"
    assert not (run / "checkpoint" / "shuffled_prior").exists()


def test_a_bad_fit_with_force_leaves_the_old_run(run, files, refused):
    x, p, _ = files()
    before = results(run)
    refused("fit", x, "--prior", p, "--out", run, "--force", "--hidden", "0")
    refused("fit", x, "--prior", p, "--out", run, "--force", "--field", "module")
    assert results(run) == before


# ------------------------------------------------------------------------------- run folders
@pytest.mark.parametrize("command", [["fit", "--resume"], ["predict"], ["report"]])
def test_a_folder_that_is_no_run(command, tmp_path, refused):
    refused(*command, tmp_path)
    refused(*command, tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    refused(*command, tmp_path / "file")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_run_of_another_version(run, refused):
    edit(run / "config.toml", "version = 1", "version = 99")
    for command in (["fit", "--resume"], ["predict"]):
        assert "run-folder version 99" in refused(*command, run)
    edit(run / "record.json", '"version": 1', '"version": 99')
    assert "format version 99" in refused("report", run)


def test_a_configuration_that_is_no_longer_one(run, refused):
    (run / "config.toml").write_text("niwaki = 3\n")
    assert "version None" in refused("fit", "--resume", run)


def test_an_edited_configuration(run, refused):
    edit(run / "config.toml", "epochs = 9", "epochs = 11")
    assert "was edited since the run began" in refused("fit", "--resume", run)
    edit(run / "config.toml", "epochs = 11", "epochs = nine")
    assert "is not a TOML file" in refused("fit", "--resume", run)


def test_a_model_of_another_configuration(run, refused):
    edit(run / "config.toml", "hidden = 5", "hidden = 6")
    assert "does not fit the model" in refused("predict", run)


@pytest.mark.parametrize("keep", [0, 7, 200, -1])
@pytest.mark.parametrize("name", ["state", "round_001"])
def test_a_truncated_checkpoint_can_be_repeated(name, keep, run, refused, niwaki):
    before = results(run)
    path = run / "checkpoint" / "fit" / f"{name}.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    message = refused("fit", "--resume", run)
    assert str(path) in message
    assert f"delete the folder {path.parent} and resume" in message
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    assert niwaki("fit", "--resume", run, "--quiet")[0] == 0
    assert results(run) == before


def test_a_checkpoint_of_another_configuration(run, refused):
    from niwaki.experiment._folder import _digest

    before = _digest((run / "config.toml").read_text())
    edit(run / "config.toml", "hidden = 5", "hidden = 6")
    edit(run / "inputs.json", before, _digest((run / "config.toml").read_text()))
    assert "made by another configuration" in refused("fit", "--resume", run)


@pytest.mark.parametrize("keep", [0, 50, -1])
def test_a_truncated_model(keep, run, refused, niwaki):
    path = run / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    assert "--resume" in refused("predict", run)
    assert niwaki("fit", "--resume", run, "--quiet")[0] == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"hashes": 3}'])
def test_damaged_notes_on_inputs(content, run, refused):
    (run / "inputs.json").unlink()
    if content is not None:
        (run / "inputs.json").write_text(content)
    assert "inputs.json is missing, cut off or damaged" in refused("fit", "--resume", run)


def test_an_input_that_changed_or_went_away(files, niwaki, refused):
    x, p, out = files()
    assert niwaki("fit", x, "--prior", p, "--out", out, *OPTIONS)[0] == 0
    x.write_text(table(value="0.9"))
    assert "(data)" in refused("fit", "--resume", out)
    x.write_text(table())
    p.write_text(PRIOR + "GATA1\tSPI1\n")
    assert "(prior)" in refused("fit", "--resume", out)
    x.unlink()
    assert "x.csv" in refused("fit", "--resume", out)


def test_resume_takes_no_other_options(run, refused):
    assert "'epochs' would have no effect" in refused("fit", "--resume", run, "--epochs", "50")
    assert "'data'" in refused("fit", "x.csv", "--resume", run)


# ----------------------------------------------------------------------------------- writing
class FullDisk:
    """Stands in for os.fsync: lets some files through, then the disk is full."""

    def __init__(self, files):
        self.left, self.fsync = files, os.fsync

    def __call__(self, handle):
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.fsync(handle)


@pytest.mark.parametrize("files_written", [0, 1])
def test_a_disk_full_at_once_leaves_no_run(files_written, files, refused, monkeypatch):
    x, p, out = files()
    monkeypatch.setattr(os, "fsync", FullDisk(files_written))
    message = refused("fit", x, "--prior", p, "--out", out, *OPTIONS, code=1)
    assert "the disk is full" in message
    assert not out.exists()


@pytest.mark.parametrize("files_written", [2, 9, 30])
def test_a_disk_full_later_leaves_a_run_to_resume(
    files_written, study, finished, tmp_path, refused, niwaki, monkeypatch
):
    monkeypatch.setattr(_arm, "_SAVE_EVERY_S", -1.0)
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(files_written))
        files = ["--prior", study.prior, "--reference", study.reference, "--test", study.test]
        options = ["--scope", "all", "--out", out, *OPTIONS]
        assert "the disk is full" in refused("fit", study.data, *files, *options, code=1)
    assert not (out / "DONE").exists()
    assert not list(out.rglob(".*"))  # no half-written file
    assert niwaki("fit", "--resume", out, "--quiet")[0] == 0
    assert results(out) == results(finished)


def test_a_place_that_cannot_be_written(files, refused, run):
    x, p, _ = files()
    message = refused("fit", x, "--prior", p, "--out", x / "run", *OPTIONS, code=1)
    assert str(x / "run") in message
    assert "could not be written" in refused("predict", run, "--out", x / "y.csv", code=1)


def test_a_prediction_goes_to_a_known_kind_of_file(run, refused):
    assert ".csv or .tsv" in refused("predict", run, "--out", "y.xlsx")
    assert "--times" in refused("predict", run, "--times", "0,soon")
    assert "finite" in refused("predict", run, "--times", "0,nan")
    assert "starts at time 0" in refused("predict", run, "--times", "-1,2")


def test_a_lack_of_memory_is_said(files, refused, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 GB")

    x, p, out = files()
    monkeypatch.setattr(experiment, "fit", fail)
    assert "out of memory" in refused("fit", x, "--prior", p, "--out", out, code=1)
