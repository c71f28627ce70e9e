"""Files that appear under their name whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not Unix: what a killed process leaves stays until `popleak gc --delete`
    fcntl = None  # type: ignore[assignment]

PARTIAL = re.compile(r"\.(?P<name>[^/]+)\.[0-9]+\.partial")
"""Names of files that are being written, with the number of the process that writes."""


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, which takes its place when the block ends; not at all if the block raises.

    What killed processes had written of `path` is removed first. A living one holds a lock of the operating system on its file, which
    ends with the process.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    partial, held = _begin(path)
    try:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without such locks
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield partial
        with open(partial, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
        os.close(held)


def _begin(path: Path) -> tuple[Path, int]:
    """Make a file beside `path`, under the number of this process; or under another one: processes of two machines or containers that share a
    folder may have one number."""
    for number in (os.getpid(), int.from_bytes(os.urandom(6))):
        partial = path.with_name(f".{path.name}.{number}.partial")
        with contextlib.suppress(FileExistsError):
            # new, so that no link that lies there is followed
            return partial, os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(partial))


def write(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`."""
    with replacing(path) as partial:
        partial.write_bytes(data)


@contextlib.contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`, which takes its place when the block ends; not at all if the block raises. `path` must not exist,
    or be an empty folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.resolve().parent) as above:
        partial = Path(above) / path.name
        partial.mkdir()
        yield partial
        os.replace(partial, path)


def _sweep(path: Path) -> None:
    """Remove what processes that are gone had written of `path`, and whatever else has such a name and is no file."""
    with os.scandir(path.parent) as entries:
        left = [
            entry
            for entry in entries
            if (found := PARTIAL.fullmatch(entry.name)) and found["name"] == path.name and _abandoned(entry)
        ]
    for entry in left:
        with contextlib.suppress(OSError):  # another process was first, or a folder
            Path(entry.path).unlink()


def _abandoned(entry: os.DirEntry[str]) -> bool:
    """Return whether nobody writes this file."""
    if not entry.is_file(follow_symlinks=False):
        return True
    if fcntl is None:
        return False
    try:
        # NFS locks alone only what is open for writing
        handle = os.open(entry.path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody does, or the file system cannot tell
        return False
    finally:
        os.close(handle)
    return True
