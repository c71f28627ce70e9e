"""Files in the user's cache: read only where no other user can have written them, and never the reason that a job fails."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from popleak.core import private


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of this user's files, below a folder that only this user may write to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # the temporary folder may lie anywhere; what is above it is tested by itself
    whole = private._trusted
    monkeypatch.setattr(private, "_trusted", lambda path: None if path.resolve() == tmp_path.resolve() else whole(path))
    return tmp_path / "popleak"


def test_what_is_kept_is_read_back(cache):
    assert private.read("a") is None and not cache.exists(), "to look makes nothing"
    private.write("a", b"machine code")
    private.write("b", b"")
    assert (private.read("a"), private.read("b"), private.read("c")) == (b"machine code", b"", None)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in cache.iterdir()} == {"a": 0o600, "b": 0o600}


def test_the_home_is_where_no_folder_is_named(monkeypatch, tmp_path):
    for given in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert private.folder() == tmp_path / ".cache" / "popleak"


def _flip(cache, at):
    data = bytearray((cache / "a").read_bytes())
    data[at] ^= 1
    (cache / "a").write_bytes(data)


def _linked(path, *, folder):
    """Put a link in the place of what is there, which stays as it is."""
    elsewhere = path.with_name(f"{path.name}-elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere, target_is_directory=folder)


FOREIGN = {
    "damaged": lambda cache: _flip(cache, -1),
    "damaged digest": lambda cache: _flip(cache, 0),
    "cut short": lambda cache: (cache / "a").write_bytes((cache / "a").read_bytes()[:-1]),
    "empty": lambda cache: (cache / "a").write_bytes(b""),
    "another's under this name": lambda cache: (cache / "a").write_bytes((cache / "b").read_bytes()),
    "others may read the folder": lambda cache: cache.chmod(0o750),
    "others may write to the folder": lambda cache: cache.chmod(0o702),
    "others may write to the file": lambda cache: (cache / "a").chmod(0o620),
    "the file is a link": lambda cache: _linked(cache / "a", folder=False),
    "the folder is a link": lambda cache: _linked(cache, folder=True),
    "the file is a pipe": lambda cache: ((cache / "a").unlink(), os.mkfifo(cache / "a", 0o600)),
    "the file is a folder": lambda cache: ((cache / "a").unlink(), (cache / "a").mkdir(0o700)),
}


@pytest.mark.parametrize("how", FOREIGN)
def test_what_another_may_have_written_is_not_read(cache, how):
    private.write("a", b"machine code")
    private.write("b", b"other code")
    assert private.read("a") is not None
    FOREIGN[how](cache)
    assert private.read("a") is None


@pytest.mark.parametrize("what", ["file", "folder"])
def test_another_users_is_not_read(cache, monkeypatch, what):
    private.write("a", b"machine code")
    theirs = (cache / "a" if what == "file" else cache).stat().st_ino
    whole = os.fstat

    def fstat(handle):
        found = whole(handle)
        if found.st_ino == theirs:
            found = os.stat_result((*found[:4], found.st_uid + 1, *found[5:]))
        return found

    monkeypatch.setattr(os, "fstat", fstat)
    assert private.read("a") is None
    private.write("a", b"new")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    kept = (cache / "a").read_bytes()
    assert kept.endswith(b"new" if what == "file" else b"machine code"), "a file gives way to one of this user's"


def test_another_user_reads_nothing(cache, monkeypatch):
    private.write("a", b"machine code")
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert private.read("a") is None


@pytest.mark.parametrize(("mode", "trusted"), [(0o755, True), (0o777, False), (0o775, False), (0o1777, True)])
def test_a_folder_above_that_others_may_write_to_is_not_trusted(tmp_path, monkeypatch, mode, trusted):
    above = tmp_path / "above"
    above.mkdir()
    (above / "cache").mkdir()
    above.chmod(mode)
    found = []
    stat = Path.stat
    monkeypatch.setattr(
        Path, "stat", lambda path, **more: found.append(path) or stat(path if path == above else "/usr")
    )
    if trusted:
        private._trusted(above / "cache")
        assert above in found and Path("/") in found
    else:
        with pytest.raises(PermissionError, match="above: others may write here"):
            private._trusted(above / "cache")


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077], ids=oct)
def test_folders_that_are_made_on_the_way_are_trusted_whatever_the_umask(cache, tmp_path, monkeypatch, mask):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    before = os.umask(mask)
    try:
        private.write("a", b"machine code")
    finally:
        os.umask(before)
    assert private.read("a") == b"machine code"


def test_nothing_is_made_below_a_folder_of_others(cache, monkeypatch):
    monkeypatch.setattr(private, "_trusted", _refuse)
    private.write("a", b"machine code")
    assert not cache.exists() and private.read("a") is None


def _refuse(path):
    raise PermissionError(path)


def test_a_place_that_cannot_be_written_is_no_reason_to_fail(cache):
    cache.write_text("a file where the folder should be")
    private.write("a", b"machine code")
    assert private.read("a") is None


def test_no_home_is_no_reason_to_fail(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", _homeless)
    private.write("a", b"machine code")
    assert private.read("a") is None


def _homeless():
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("call", ["replace", "open"])
def test_a_full_disk_leaves_nothing_and_is_no_reason_to_fail(cache, monkeypatch, call):
    private.write("a", b"old")
    whole = getattr(os, call)

    def full(path, *arguments, **more):
        if str(path).endswith(".partial"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, *arguments, **more)

    monkeypatch.setattr(os, call, full)
    private.write("a", b"new")
    assert private.read("a") == b"old"
    assert [path.name for path in cache.iterdir()] == ["a"]


def test_the_oldest_files_go(cache, monkeypatch):
    monkeypatch.setattr(private, "KEPT", 3)
    for i in range(5):
        private.write(f"{i}", b"code")
        os.utime(cache / f"{i}", (i, i))
    assert {path.name for path in cache.iterdir()} == {"2", "3", "4"}


def test_a_file_that_another_process_removes_is_no_reason_to_fail(cache, monkeypatch):
    """Between the list of the files and a look at each of them: those that are left are kept."""
    for name in "ab":
        private.write(name, b"code")
    scandir = os.scandir

    @contextlib.contextmanager
    def racing(place):
        with scandir(place) as found:
            entries = list(found)
        (cache / "a").unlink(missing_ok=True)
        yield entries

    monkeypatch.setattr(private.os, "scandir", racing)
    private.write("c", b"more")
    monkeypatch.undo()
    assert {path.name for path in cache.iterdir()} == {"b", "c"}
