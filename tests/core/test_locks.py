"""Two runs on one results folder: which files each makes is said as long as it lives, and not after."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tiny
from popleak.core import locks
from popleak.core.errors import PopleakError

CLAIMS = """
import sys, time
sys.path.insert(0, {package!r})
from popleak.core import locks
locks.claim({folder!r}, ["results/store/a", "results/store/b"])
print("claimed", flush=True)
time.sleep(100)
"""


@pytest.fixture
def other(tmp_path):
    """Another process, which is making a and b."""
    code = CLAIMS.format(package=str(tiny.ROOT / "workflow"), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


@pytest.fixture
def claim(tmp_path):
    """Claim files for this process, which says so no longer when the test ends."""
    held = len(locks._held)
    yield lambda *files: locks.claim(tmp_path, files)
    while len(locks._held) > held:
        locks._held.pop().close()


def test_a_living_runs_files_are_refused_and_others_are_not(other, claim, tmp_path):
    claim("results/store/c")
    with pytest.raises(PopleakError) as error:
        claim("results/store/c2", "results/store/b", "results/store/a")
    assert str(error.value).startswith(
        f"results/store/a and 1 more files: another run is making them (process {other.pid} on "
    )
    assert len(list((tmp_path / ".runs").glob("*.json"))) == 2, "who was refused says nothing"


def test_a_dead_runs_files_are_free(other, claim, tmp_path):
    other.kill()
    other.wait()
    assert len(list((tmp_path / ".runs").glob("*.json"))) == 1
    claim("results/store/a")
    (path,) = (tmp_path / ".runs").glob("*.json")
    assert json.loads(path.read_text())["files"] == ["results/store/a"]


def test_a_run_that_makes_nothing_says_nothing(claim, tmp_path):
    claim()
    assert list(tmp_path.iterdir()) == []


def test_only_files_of_such_a_name_are_read_or_removed(claim, tmp_path):
    (tmp_path / ".runs").mkdir()
    for name in ("mine.json", "0123456789abcdef.txt", "0123456789ABCDEF.json"):
        (tmp_path / ".runs" / name).write_text("mine")
    (tmp_path / ".runs" / "0123456789abcdef.json").write_text("[" * 100_000)
    claim("results/store/a")
    assert {path.name for path in (tmp_path / ".runs").iterdir()} >= {
        "mine.json",
        "0123456789abcdef.txt",
        "0123456789ABCDEF.json",
    }
    assert not (tmp_path / ".runs" / "0123456789abcdef.json").exists()


def test_where_there_are_no_locks_nothing_is_refused(other, claim, monkeypatch):
    def none(*_):
        raise OSError

    monkeypatch.setattr(locks.fcntl, "flock", none)
    claim("results/store/a")


def test_locks_of_a_network_file_system(other, claim, tmp_path, monkeypatch):
    """NFS refuses to lock alone what is open for reading only."""
    flock = fcntl.flock

    def strict(handle, kind):
        if kind & fcntl.LOCK_EX and fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(handle, kind)

    monkeypatch.setattr(locks.fcntl, "flock", strict)
    with pytest.raises(PopleakError, match="another run is making them"):
        claim("results/store/a")
    other.kill()
    other.wait()
    claim("results/store/a")
    assert len(list((tmp_path / ".runs").glob("*.json"))) == 1


def test_another_users_claim_is_heeded(other, claim, tmp_path, monkeypatch):
    """Who shares a folder with others may read their files and not write them."""
    theirs, opened = {path.name for path in (tmp_path / ".runs").iterdir()}, open

    def refused(path, mode="r", *words):
        if mode != "r" and Path(path).name in theirs:
            raise PermissionError
        return opened(path, mode, *words)

    monkeypatch.setattr(locks, "open", refused, raising=False)
    with pytest.raises(
        PopleakError, match=r"another run is making them .*; if it died with its machine, delete .*\.json$"
    ):
        claim("results/store/a")
    claim("results/store/c")
    assert len(list((tmp_path / ".runs").glob("*.json"))) == 2


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(claim, tmp_path):
    (tmp_path / ".runs").write_text("a file")
    claim("results/store/a")
