"""Files appear whole or not at all; what a killed process leaves is removed by the next that writes the file, and nothing else is."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys

import pytest

import tiny
from popleak.core import atomic

WRITES = """
import sys, time
sys.path.insert(0, {package!r})
from popleak.core import atomic
with atomic.replacing({path!r}) as partial:
    partial.write_bytes(b"theirs")
    print(partial, flush=True)
    time.sleep(100)
"""


@pytest.fixture
def writer(tmp_path):
    """Another process that is writing `tmp_path / "x"`, and the name under which it does."""
    code = WRITES.format(package=str(tiny.ROOT / "workflow"), path=str(tmp_path / "x"))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    yield process, tmp_path / process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_living_process_writes_stays_and_what_a_dead_one_wrote_goes(writer, tmp_path):
    process, theirs = writer
    atomic.write(tmp_path / "x", b"ours")
    assert theirs.read_bytes() == b"theirs"
    process.kill()
    process.wait()
    atomic.write(tmp_path / "y", b"another file")
    assert theirs.exists()
    atomic.write(tmp_path / "x", b"again")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x": b"again", "y": b"another file"}


def test_no_link_that_lies_where_a_file_is_written_is_followed(tmp_path):
    """In a folder that somebody else has filled: the numbers of processes can be guessed."""
    (tmp_path / "mine").write_bytes(b"mine")
    folder = tmp_path / "results"
    folder.mkdir()
    for name in ("x", f".x.{os.getpid()}.partial", ".x.1.partial"):
        (folder / name).symlink_to(tmp_path / "mine")
    os.mkfifo(folder / ".x.2.partial")
    atomic.write(folder / "x", b"new")
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert [path.name for path in folder.iterdir()] == ["x"] and not (folder / "x").is_symlink()


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """Nothing that another process might be writing is removed."""
    left = (".x.1.partial", f".x.{os.getpid()}.partial")  # the second of a process in another container, say
    for name in left:
        (tmp_path / name).write_bytes(b"half")

    def none(*_):
        raise OSError

    monkeypatch.setattr(atomic.fcntl, "flock", none)
    atomic.write(tmp_path / "x", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"x", *left}
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_locks_of_a_network_file_system(writer, tmp_path, monkeypatch):
    """NFS refuses to lock alone what is open for reading only."""
    process, theirs = writer
    flock = fcntl.flock

    def strict(handle, kind):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(handle, kind)

    monkeypatch.setattr(atomic.fcntl, "flock", strict)
    atomic.write(tmp_path / "x", b"ours")
    assert theirs.read_bytes() == b"theirs"
    process.kill()
    process.wait()
    atomic.write(tmp_path / "x", b"again")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_block_that_raises_leaves_what_was_there(tmp_path):
    atomic.write(tmp_path / "x", b"old")
    with pytest.raises(KeyError), atomic.replacing(tmp_path / "x") as partial:
        partial.write_bytes(b"half")
        raise KeyError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x": b"old"}
