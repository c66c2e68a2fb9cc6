import errno
import os
from pathlib import Path

import pytest

from niwaki.core import StorageError, write_atomic


def raising(code):
    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return fail


def test_text_and_bytes_arrive_whole_and_nothing_else_is_left(tmp_path):
    write_atomic(tmp_path / "a.txt", "gène\n")
    write_atomic(tmp_path / "b.bin", b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == "gène\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.bin"]


def test_a_second_write_replaces_the_first(tmp_path):
    path = tmp_path / "a.txt"
    write_atomic(path, "a long first version")
    write_atomic(path, "second")
    assert path.read_text() == "second"


def test_others_may_read_what_was_written(tmp_path):
    write_atomic(tmp_path / "a.txt", "x")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch, where, code):
    path = tmp_path / "record.json"
    path.write_text("old")
    monkeypatch.setattr(os if where == "fsync" else Path, where, raising(code))
    with pytest.raises(StorageError) as caught:
        write_atomic(path, "new")
    monkeypatch.undo()
    assert str(caught.value) == (
        f"the disk is full, so {path} could not be written; free some space and run again, what "
        "was saved before is intact."
    )
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_an_interrupted_write_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    path = tmp_path / "record.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "nowhere" / "a.txt"
    with pytest.raises(StorageError) as caught:
        write_atomic(path, "x")
    assert str(caught.value) == (
        f"{path} could not be written (No such file or directory); check that the folder exists "
        "and that you may write there."
    )
