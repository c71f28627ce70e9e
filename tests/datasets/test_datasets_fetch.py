"""Raw files: found, fetched whole and verified, or one line that says what to do. A local server is the publisher."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import socket
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from popleak.core.errors import PopleakError
from popleak.datasets import _fetch
from popleak.datasets.base import Source

REAL_FETCH = _fetch.fetch
BODY = b"age,label\n" + b"40,1\n" * 5000
HTTP = ("http",)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as opened:
        for name, body in members.items():
            opened.writestr(name, body)
    return buffer.getvalue()


class Publisher:
    """A server whose answers are queued: each is (status, body, bytes really sent); the last one is repeated."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes, int | None]] = [(200, BODY, None)]
        self.agents: list[str] = []
        publisher = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.agents.append(self.headers["User-Agent"])
                answers = publisher.answers
                status, body, sent = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", body.decode())
                    body = b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if sent is None else body[:sent])

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/file"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def publisher():
    made = Publisher()
    yield made
    made.close()


def fetch(source: Source, destination: Path, *, retries: int = 0) -> Path:
    return REAL_FETCH(source, destination, retries=retries, timeout=5, pause=0.001, schemes=HTTP)


def refused(match: str, call: Callable[[], object], folder: Path) -> str:
    """Return the message of the call's error, which is one line and leaves no file behind."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(PopleakError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return str(caught.value)


def test_fetch(publisher, tmp_path):
    destination = tmp_path / "adult" / "f.csv"
    assert fetch(Source("f.csv", publisher.url, digest(BODY)), destination) == destination
    assert destination.read_bytes() == BODY
    assert list(destination.parent.iterdir()) == [destination]
    assert publisher.agents[0].startswith("popleak/")


def test_no_link_that_lies_where_a_download_is_written_is_followed(publisher, tmp_path):
    """In a results folder of somebody else: the numbers of processes can be guessed."""
    mine, folder = tmp_path / "mine", tmp_path / "adult"
    mine.write_bytes(b"mine")
    folder.mkdir()
    for ending in ("partial", "pin"):
        (folder / f".f.csv.{os.getpid()}.{ending}").symlink_to(mine)
    fetch(Source("f.csv", publisher.url, None), folder / "f.csv")
    assert mine.read_bytes() == b"mine" and (folder / "f.csv").read_bytes() == BODY
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_checksum_mismatch(publisher, tmp_path):
    source = Source("f.csv", publisher.url, digest(b"other"))
    destination = tmp_path / "f.csv"
    message = refused(f"found|{digest(BODY)}", lambda: fetch(source, destination, retries=2), tmp_path)
    assert digest(b"other") in message
    assert digest(BODY) in message
    assert publisher.url in message
    assert str(destination) in message
    assert len(publisher.agents) == 1, "a changed file does not change back: no further attempt"


def test_an_older_file_survives_a_failure(publisher, tmp_path):
    destination = tmp_path / "f.csv"
    destination.write_bytes(b"old")
    refused("sha256", lambda: fetch(Source("f.csv", publisher.url, digest(b"other")), destination), tmp_path)


def test_cut_connection(publisher, tmp_path):
    publisher.answers = [(200, BODY, 1000)]
    for pinned in (digest(BODY), None):
        source = Source("f.csv", publisher.url, pinned)
        message = refused("connection cut", lambda s=source: fetch(s, tmp_path / "f.csv"), tmp_path)
        assert f"1000 of {len(BODY)} bytes" in message
        assert publisher.url in message
        assert f"or at {tmp_path / 'f.csv'}" in message


def test_a_further_attempt_after_a_cut(publisher, tmp_path):
    publisher.answers = [(200, BODY, 1000), (200, BODY, None)]
    fetch(Source("f.csv", publisher.url, digest(BODY)), tmp_path / "f.csv", retries=1)
    assert (tmp_path / "f.csv").read_bytes() == BODY


def test_busy_server(publisher, tmp_path):
    publisher.answers = [(503, b"", None), (429, b"", None), (200, BODY, None)]
    fetch(Source("f.csv", publisher.url, digest(BODY)), tmp_path / "f.csv", retries=2)
    assert (tmp_path / "f.csv").read_bytes() == BODY
    assert len(publisher.agents) == 3


def test_attempts_are_bounded(publisher, tmp_path):
    publisher.answers = [(503, b"", None)]
    refused("HTTP 503", lambda: fetch(Source("f.csv", publisher.url), tmp_path / "f.csv", retries=2), tmp_path)
    assert len(publisher.agents) == 3


def test_waits_are_doubled(publisher, tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(_fetch.time, "sleep", waits.append)
    publisher.answers = [(503, b"", None)]
    with pytest.raises(PopleakError):
        _fetch.fetch(Source("f", publisher.url), tmp_path / "f", retries=3, timeout=5, pause=1.0, schemes=HTTP)
    assert waits == [1.0, 2.0, 4.0]


def test_missing_page_is_not_asked_for_again(publisher, tmp_path):
    publisher.answers = [(404, b"", None)]
    refused("HTTP 404", lambda: fetch(Source("f.csv", publisher.url), tmp_path / "f.csv", retries=3), tmp_path)
    assert len(publisher.agents) == 1


def test_no_network(tmp_path):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/f"
        message = refused("refused", lambda: fetch(Source("f.csv", url), tmp_path / "f.csv", retries=1), tmp_path)
    assert "f.csv: cannot be fetched" in message
    assert url in message
    assert "get it by hand and put it at <data_dir>/" in message and "POPLEAK_DATA" in message
    assert f", or at {tmp_path / 'f.csv'}, or give the config `tasks` without" in message


@pytest.mark.parametrize("folder", ["acs_income", "acs-income"])
def test_both_spellings_of_a_datasets_folder_are_read(tmp_path, folder):
    (path := tmp_path / folder / "2018" / "f.zip").parent.mkdir(parents=True)
    path.write_bytes(BODY)
    assert _fetch.locate("acs-income", Source("2018/f.zip", "https://example.org"), tmp_path) == path
    told = _fetch.at(Source("2018/f.zip", None), "results/data/acs_income/2018/f.zip")
    assert told.startswith("<data_dir>/acs_income/2018/f.zip (")


def test_only_https_unless_told(publisher, tmp_path):
    source = Source("f.csv", publisher.url, digest(BODY))
    refused("is not https", lambda: _fetch.fetch(source, tmp_path / "f.csv"), tmp_path)
    publisher.answers = [(302, b"ftp://127.0.0.1/f", None)]
    refused("f.csv", lambda: fetch(source, tmp_path / "f.csv"), tmp_path)


def test_member_of_an_archive(publisher, tmp_path):
    publisher.answers = [(200, archive(Index=b"x", data=BODY), None)]
    fetch(Source("f.csv", publisher.url, digest(BODY), "data"), tmp_path / "f.csv")
    assert (tmp_path / "f.csv").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["f.csv"]
    absent = Source("g.csv", publisher.url, digest(BODY), "zz")
    message = refused("no member zz", lambda: fetch(absent, tmp_path / "g.csv"), tmp_path)
    assert "put its member zz at <data_dir>/" in message and f"or at {tmp_path / 'g.csv'}" in message


def test_damaged_archives(publisher, tmp_path):
    whole = archive(data=BODY)
    place = whole.index(BODY) + 100
    flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    for body in (flipped, whole[:500], b"<html>log in first</html>"):
        publisher.answers = [(200, body, None)]
        member = Source("f.csv", publisher.url, None, "data")
        refused("zip", lambda s=member: fetch(s, tmp_path / "f.csv"), tmp_path)
        refused("zip|damaged", lambda: fetch(Source("f.zip", publisher.url), tmp_path / "f.zip"), tmp_path)


def test_first_digest_is_kept_and_compared(publisher, tmp_path):
    source = Source("2018/f.zip", publisher.url)
    destination = tmp_path / "acs_income" / "2018" / "f.zip"
    first, second = archive(data=BODY), archive(data=BODY + b"41,0\n")
    publisher.answers = [(200, first, None)]
    fetch(source, destination)
    pin = destination.with_name("f.zip.sha256")
    assert pin.read_text(encoding="utf-8") == f"{digest(first)}  f.zip\n"
    _fetch.verify(destination, source)
    publisher.answers = [(200, second, None)]
    message = refused("the publisher revised it", lambda: fetch(source, destination), tmp_path)
    assert f"delete {destination} and {pin}" in message
    destination.write_bytes(second)
    refused(digest(first), lambda: _fetch.verify(destination, source), tmp_path)
    destination.unlink()
    pin.unlink()
    assert fetch(source, destination).read_bytes() == second


def test_no_address(tmp_path):
    refused(f"put the file at {tmp_path / 'f.csv'}", lambda: fetch(Source("f.csv"), tmp_path / "f.csv"), tmp_path)


def test_unwritable_place(publisher, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    source = Source("f.csv", publisher.url, digest(BODY))
    refused("cannot be made", lambda: fetch(source, tmp_path / "file" / "f.csv"), tmp_path)


def test_locate(tmp_path, monkeypatch):
    served, own = Source("f.csv", "https://example.org/f"), Source("own.csv")
    assert _fetch.locate("acs-income", served, tmp_path) is None
    place = tmp_path / "acs_income" / "f.csv"
    place.parent.mkdir()
    place.write_bytes(BODY)
    assert _fetch.locate("acs-income", served, tmp_path) == place
    assert _fetch.locate("acs-income", served, None) is None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_bytes(BODY)
    (tmp_path / "f.csv").write_bytes(BODY)
    assert _fetch.locate("table", own, None) == Path("own.csv")
    assert _fetch.locate("table", Source(str(tmp_path / "own.csv")), "nowhere") == tmp_path / "own.csv"
    assert _fetch.locate("adult", served, None) is None, "a file of the working directory is no publisher's file"
