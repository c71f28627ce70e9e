"""Files that nobody but their owner can have written: what is kept in the user's cache because making it takes long.

They may hold machine code, so a file is read only where no other user could have put it there: the folder and the file
belong to this user and are open to no other, no link is followed, and nobody else may rename a folder on the way. A digest
in the file shows damage. Nothing here ever fails a job: what cannot be read is made anew, what cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

KEPT = 64
"""Files that stay in the folder: of more, those that were written first go."""
_DIGEST = hashlib.sha256().digest_size
_TELLS = hasattr(os, "geteuid") and os.open in os.supports_dir_fd
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def folder() -> Path:
    """Return where the files lie: `popleak` in `XDG_CACHE_HOME`, or in `.cache` of the user's home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "popleak"


def read(name: str) -> bytes | None:
    """Return what `write` kept under `name`; None if there is nothing, or it is damaged, or another may have written it."""
    try:
        with _opened(make=False) as place:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
            with open(handle, "rb") as file:
                found = os.fstat(handle)
                if not stat.S_ISREG(found.st_mode) or not _own(found):
                    return None
                whole = file.read()
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return None
    data = whole[_DIGEST:]
    return data if whole[:_DIGEST] == _digest(name, data) else None


def write(name: str, data: bytes) -> None:
    """Keep `data` under `name`, whole or not at all; not where the folder is not this user's alone."""
    partial = f".{name}.{os.getpid()}.{os.urandom(4).hex()}.partial"
    with contextlib.suppress(OSError, RuntimeError), _opened(make=True) as place:
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=place)
            with open(handle, "wb") as file:
                file.write(_digest(name, data) + data)
            os.replace(partial, name, src_dir_fd=place, dst_dir_fd=place)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial, dir_fd=place)
            raise
        _tidy(place)


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + data).digest()


@contextlib.contextmanager
def _opened(*, make: bool) -> Iterator[int]:
    """Open the folder. Raises OSError where it is not there or could be another user's doing."""
    if not _TELLS:
        raise PermissionError("this system cannot tell whose files these are")
    path = folder()
    if make:
        above = next(parent for parent in path.parents if parent.exists())
        _trusted(above)  # before anything is made there
        for one in (*reversed(path.relative_to(above).parents), path.relative_to(above)):
            # each this user's alone: by the umask of many systems the group could write to those above, and none would be trusted
            (above / one).mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if not _own(os.fstat(handle)):
            raise PermissionError(f"{path}: not this user's alone")
        _trusted(path.parent)
        yield handle
    finally:
        os.close(handle)


def _own(found: os.stat_result) -> bool:
    """Return whether a file or folder belongs to this user and no other has any right to it."""
    return found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


def _trusted(path: Path) -> None:
    """Raise PermissionError if another user than root could put something else in the place of a folder or one above it."""
    whole = path.resolve(strict=True)
    for one in (whole, *whole.parents):
        found = one.stat()
        others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
        if found.st_uid not in (0, os.geteuid()) or others:
            raise PermissionError(f"{one}: others may write here")


def _tidy(place: int) -> None:
    """Remove the oldest files. Another process may remove some of them at the same time."""
    written = {}
    with os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                written[entry.name] = entry.stat(follow_symlinks=False).st_mtime
    for name in sorted(written, key=written.__getitem__)[:-KEPT]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=place)
