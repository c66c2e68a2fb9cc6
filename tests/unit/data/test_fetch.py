import hashlib
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from niwaki.core import InputError, StorageError
from niwaki.data import DATA_SETS, RemoteFile, data_folder, fetch, read_sim350

CONTENT = b"gene\nA\nB\n"
SIM350 = Path(os.environ.get("NIWAKI_DATA", "no folder")) / "sim350"


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()


def serve(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.asked = []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def server(tmp_path):
    (tmp_path / "public" / "repo").mkdir(parents=True)
    (tmp_path / "public" / "repo" / "names.csv").write_bytes(CONTENT)
    server = serve(tmp_path / "public")
    yield server
    server.shutdown()
    server.server_close()


def address(server):
    return f"http://127.0.0.1:{server.server_port}/"


def table(content=CONTENT, source="repo/names.csv"):
    return {"toy": (RemoteFile("lists/names.csv", source, hashlib.sha256(content).hexdigest()),)}


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once_and_again_if_it_was_damaged(server, tmp_path):
    get = partial(
        fetch, "toy", folder=tmp_path / "data", base_url=address(server), data_sets=table()
    )
    folder = get()
    assert (folder / "lists" / "names.csv").read_bytes() == CONTENT
    get()
    assert len(server.asked) == 1
    (folder / "lists" / "names.csv").write_bytes(b"half")
    get()
    assert (folder / "lists" / "names.csv").read_bytes() == CONTENT
    assert len(server.asked) == 2
    assert len(files(tmp_path / "data")) == 1


def test_other_content_is_refused_and_leaves_nothing(server, tmp_path):
    with pytest.raises(StorageError, match="does not have the expected content"):
        fetch("toy", folder=tmp_path / "data", base_url=address(server), data_sets=table(b"x"))
    assert files(tmp_path / "data") == []


def test_a_missing_public_file_names_the_answer(server, tmp_path):
    missing = table(source="repo/none.csv")
    with pytest.raises(StorageError, match="the server answered 404"):
        fetch("toy", folder=tmp_path / "data", base_url=address(server), data_sets=missing)
    assert files(tmp_path / "data") == []


def test_no_network_is_one_sentence(server, tmp_path):
    base = address(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(StorageError, match=r"could not be downloaded \(ConnectionError\)"):
        fetch("toy", folder=tmp_path / "data", base_url=base, data_sets=table())


def test_unknown_names_list_the_known_ones():
    with pytest.raises(InputError, match="sim350, yeast, breast, hema"):
        fetch("mouse")


def test_a_folder_that_cannot_be_made_is_one_sentence(server, tmp_path):
    (tmp_path / "data").write_text("a file stands in the way")
    with pytest.raises(StorageError, match="could not be written"):
        fetch("toy", folder=tmp_path / "data", base_url=address(server), data_sets=table())


def test_the_folder_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("NIWAKI_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("NIWAKI_DATA")
    assert data_folder().name == "niwaki"


def test_every_public_file_is_pinned_by_commit_and_hash():
    for files_of_set in DATA_SETS.values():
        assert len({file.name for file in files_of_set}) == len(files_of_set)
        for file in files_of_set:
            assert len(file.sha256) == 64
            assert len(file.source.split("/")[2]) == 40


@pytest.mark.skipif(not SIM350.is_dir(), reason="NIWAKI_DATA names no folder with sim350")
def test_the_benchmark_is_built_from_its_parts_and_then_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("niwaki.data._sim350._TRAIN_SAMPLES", 4)  # quick
    public = {
        "sim350": tuple(RemoteFile(f.name, f.name, f.sha256) for f in DATA_SETS["sim350"]),
    }
    server = serve(SIM350)
    try:
        get = partial(fetch, "sim350", folder=tmp_path, base_url=address(server), data_sets=public)
        assert len(read_sim350(get()).truth) == 550
        asked = len(server.asked)
        before = {path: path.stat().st_mtime_ns for path in files(tmp_path)}
        get()
        assert {path: path.stat().st_mtime_ns for path in files(tmp_path)} == before
        assert len(server.asked) == asked == len(public["sim350"])
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(not SIM350.is_dir(), reason="NIWAKI_DATA names no folder with the data sets")
@pytest.mark.parametrize("name", list(DATA_SETS))
def test_a_folder_that_is_complete_needs_no_network(name):
    nowhere = "http://127.0.0.1:9"  # the discard port: nothing answers
    assert fetch(name, folder=SIM350.parent, base_url=nowhere) == SIM350.parent / name
