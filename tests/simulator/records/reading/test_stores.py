"""Logs where they live: fetched from a store in order, kept, and gone on with after a stop."""

import gzip
import importlib
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

import scopedrift as sd
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading import stores
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.stores import shown_place

DATA = Path(__file__).parent / "data"
RECORDS = json.loads((DATA / "invictus.json").read_text())
RECORDS = RECORDS["Records"] if isinstance(RECORDS, dict) else RECORDS
LOG = "s3://trail/AWSLogs/"
PIECE = 1 << 10


@pytest.fixture(scope="module")
def store():
    """A bucket `trail` of three delivered files, a note and a bucket that is empty."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    place = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in place.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        for bucket in ("trail", "empty"):
            client.create_bucket(Bucket=bucket)
        for key, content in delivered().items():
            client.put_object(Bucket="trail", Key=key, Body=content)
        yield client
    server.stop()


def delivered():
    third = len(RECORDS) // 3
    parts = RECORDS[:third], RECORDS[third : 2 * third], RECORDS[2 * third :]
    texts = [json.dumps({"Records": part}).encode() for part in parts]
    return {
        "AWSLogs/1.json.gz": gzip.compress(texts[0], mtime=0),
        "AWSLogs/2.json": texts[1],
        "AWSLogs/deep/er/3.json": texts[2],
        "AWSLogs/note.txt": b"no log",
    }


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where files are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scopedrift" / "logs"


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The log of the same files on this machine."""
    folder = tmp_path_factory.mktemp("local")
    for key, content in delivered().items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)
    return import_log(folder)


def fetched(kept):
    return {file: file.stat().st_mtime_ns for file in kept.rglob("*") if file.is_file()}


def test_a_log_in_a_store_is_the_log_on_this_machine(store, kept, local):
    there = import_log(LOG)
    assert there.log.digest == local.log.digest
    assert there.report.summary() == local.report.summary()
    assert [there.original(at) for at in (0, 5, len(there.log) - 1)] == [
        local.original(at) for at in (0, 5, len(local.log) - 1)
    ]
    assert sum(1 for _ in there.records()) == len(there.log)


def test_one_file_of_a_store_may_have_any_name(store, kept):
    store.put_object(Bucket="trail", Key="odd", Body=json.dumps({"Records": RECORDS[:3]}).encode())
    assert import_log("s3://trail/odd").report.records == 3


def test_what_was_fetched_is_not_fetched_again_unless_it_has_changed(store, kept):
    store.put_object(Bucket="trail", Key="new/1.json", Body=json.dumps({"Records": RECORDS[:3]}).encode())
    import_log("s3://trail/new/")
    before = fetched(kept)
    import_log("s3://trail/new/")
    assert fetched(kept) == before
    store.put_object(Bucket="trail", Key="new/1.json", Body=json.dumps({"Records": RECORDS[:5]}).encode())
    assert import_log("s3://trail/new/").report.records == 5


class FetchStopped(BaseException):
    """What stops an import in the middle of a fetch."""


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stops=st.lists(st.integers(0, 40), max_size=3))
def test_an_import_that_was_stopped_goes_on_where_it_was(store, tmp_path_factory, local, stops):
    """However often and wherever it stops: the same log, and no byte is fetched twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(stores, "PIECE", PIECE)
        patch.setattr(stores, "PARALLEL", 1)
        pieces, left = [], [0]
        write = stores._write

        def counted(held, at, piece):
            if left[0] == 0:
                raise FetchStopped
            left[0] -= 1
            pieces.append(len(piece))
            write(held, at, piece)

        patch.setattr(stores, "_write", counted)
        for stop in stops:
            left[0] = stop
            with suppress(FetchStopped, LogError):
                import_log(LOG)
        left[0] = -1
        assert import_log(LOG).log.digest == local.log.digest
        assert sum(pieces) == sum(len(content) for name, content in delivered().items() if "json" in name)


KILLED = """
import os, signal, sys
from multiprocessing import get_context
from scopedrift.simulator.records.reading import stores
from scopedrift.simulator.records.reading.importer import import_log
stores.PIECE, write = 512, stores._write
def fetch(log, left):
    def counted(*what):
        nonlocal left
        write(*what)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    stores._write = counted
    print(import_log(log).log.digest, flush=True)
for left in map(int, sys.argv[2:]):
    process = get_context("fork").Process(target=fetch, args=(sys.argv[1], left))
    process.start()
    process.join()
    print(process.exitcode, flush=True)
"""


def test_a_killed_import_goes_on_where_it_was(store, kept, local):
    """Killed after 1, 2, 4 and 8 more pieces, in whatever order the files' pieces came."""
    size = sum(len(content) for name, content in delivered().items() if "json" in name)
    command = [sys.executable, "-c", KILLED, LOG, *map(str, (1, 2, 4, 8, size))]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
    assert run.stdout.split() == ["-9", "-9", "-9", "-9", local.log.digest, "0"], run.stderr
    assert not list(kept.rglob("*.part"))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("s3://trail/nothing/", "s3://trail/nothing/: no such file or folder"),
        ("s3://absent/", "s3://absent/: no such file or folder"),
        ("s3://trail/AWSLogs/note.txt", "not JSON"),
        ("https://127.0.0.1:1/log.json", "https://127.0.0.1:1/log.json: Cannot connect to host"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(store, kept, address, says):
    with pytest.raises(LogError, match=says) as told:
        import_log(address)
    assert "\n" not in str(told.value)


def test_a_file_that_cannot_be_fetched_costs_only_itself(store, kept, local, monkeypatch):
    whole = stores._fetch

    def fetch(file, stop):
        if file.name == "2.json":
            raise PermissionError("Forbidden")
        whole(file, stop)

    monkeypatch.setattr(stores, "_fetch", fetch)
    report = import_log(LOG).report
    assert [(str(file), why) for file, why in report.unreadable] == [
        ("s3://trail/AWSLogs/2.json", "cannot be fetched: access denied")
    ]
    assert report.files == local.report.files - 1


@pytest.mark.parametrize(
    ("scheme", "module", "extra"),
    [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gs"), ("az", "adlfs", "az"), ("https", "aiohttp", "https")],
)
def test_a_missing_library_is_named_by_the_extra_that_brings_it(monkeypatch, scheme, module, extra):
    known = importlib.import_module("fsspec.registry")._registry
    monkeypatch.delitem(known, scheme, raising=False)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LogError, match=rf"^{scheme}://there/log\.json: .*pip install 'scopedrift\[{extra}\]'$"):
        import_log(f"{scheme}://there/log.json")


@pytest.fixture
def web():
    """A server of one log, which gives parts of it or only the whole."""
    content = json.dumps({"Records": RECORDS}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            begin, end, parts = 0, len(content), "/parts/" in self.path
            if parts and (wanted := self.headers.get("Range")):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                begin, end = int(first), min(int(last) + 1, end) if last else end
            self.send_response(206 if parts and "Range" in self.headers else 200)
            self.send_header("Content-Length", str(end - begin))
            self.send_header("ETag", '"1"')
            if parts:
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[begin:end])

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:secret@127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("how", ["parts", "whole"])
def test_a_log_on_a_web_server_goes_on_where_it_was(web, kept, how, tmp_path):
    (tmp_path / "log.json").write_bytes(json.dumps({"Records": RECORDS}).encode())
    address = f"{web}/{how}/log.json?X-Signature=secret"
    (file,) = stores.find(address)
    file.kept.parent.mkdir(parents=True)
    (file.kept.with_name("log.json.part")).write_bytes((tmp_path / "log.json").read_bytes()[:3000])
    found = import_log(address)
    assert found.log.digest == import_log(tmp_path / "log.json").log.digest
    assert "secret" not in found.whereabouts(0) and "secret" not in shown_place(address)


def test_the_python_interface_takes_addresses(store, kept, local):
    log = sd.read_log(LOG)
    assert (log.name, log.log.digest) == ("AWSLogs", local.log.digest)
