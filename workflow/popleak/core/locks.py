"""Snakemake's lock on a folder, after a run that was killed outright; and what keeps two runs off the same files.

Snakemake locks its folder with files, which nobody removes if it is killed by SIGKILL, by a lack of memory or by a power
cut; the next run then refuses to start. Beside them, each run holds a lock of the operating system, which goes with the
process. Where Snakemake's files are there and nobody holds that lock, the run that left them is dead, and they go.

Snakemake's lock says nothing of runs in other working directories whose `results` is the same folder. A job of one would
remove the file that a job of the other is about to read, since Snakemake removes what a job is to make. So each run says
in `results` which files it is going to make (`claim`).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO

from .errors import PopleakError

try:
    import fcntl
except ImportError:  # not Unix: Snakemake's own rules hold
    fcntl = None  # type: ignore[assignment]

LIVING = "popleak.alive"
"""Name of the file in `.snakemake` that each run locks, shared."""
_held: list[IO[str]] = []


def clear(folder: str | Path) -> bool:
    """Hold the lock of a living run in `folder`, a working directory's `.snakemake`; return whether a dead run's files went.

    They stay where a living run holds the lock, where the file system has no such locks, and where no run has ever held
    one.
    """
    if fcntl is None:
        return False
    folder = Path(folder)
    locks, living = folder / "locks", folder / LIVING
    known = living.exists()
    try:
        folder.mkdir(exist_ok=True)
        handle = open(living, "a")  # noqa: SIM115 - held until the process ends
        _held.append(handle)
        dead = known and any(locks.glob("*.lock")) and _alone(handle)
        if dead:
            shutil.rmtree(locks, ignore_errors=True)
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError:  # a folder that cannot be written, which Snakemake will name, or a file system without such locks
        return False
    return dead


def _alone(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


CLAIMS = ".runs"
"""Folder in `results` in which each run that lives has a file."""
_CLAIM = re.compile(r"[0-9a-f]{16}\.json")


def claim(folder: str | Path, files: Collection[str]) -> Callable[[], None]:
    """Say to other runs on a results folder which files this one will make, until its process ends, or what is returned is called.

    Raises PopleakError if a run that lives is going to make some of them. Where the folder cannot be written or the file
    system has no locks, nothing is said and nothing is refused.
    """
    if fcntl is None or not files:
        return _nothing
    claims = Path(folder, CLAIMS)
    with contextlib.suppress(OSError):
        claims.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):  # another user's
            (claims / "lock").touch()
        with _lockable(claims / "lock") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            for path in sorted(claims.iterdir()):
                if _CLAIM.fullmatch(path.name):
                    with contextlib.suppress(
                        OSError
                    ):  # another user's: it may not be possible to tell, or to remove it
                        _check(path, set(files))
            mine = claims / f"{os.urandom(8).hex()}.json"
            handle = open(mine, "w")  # noqa: SIM115 - held until the process ends
            fcntl.flock(handle, fcntl.LOCK_EX)
            who = f"process {os.getpid()} on {socket.gethostname()}, in {Path.cwd()}"
            json.dump({"who": who, "files": sorted(files)}, handle)
            handle.flush()
            _held.append(handle)
            atexit.register(mine.unlink, missing_ok=True)
            return functools.partial(_end, mine, handle)
    return _nothing


def _nothing() -> None:
    """End a claim that was not made."""


def _end(mine: Path, handle: IO[str]) -> None:
    mine.unlink(missing_ok=True)
    handle.close()


def _lockable(path: Path) -> IO[str]:
    """Open a file that is there, to lock it. NFS locks alone only what is open for writing, which another user's file cannot be."""
    try:
        return open(path, "r+")
    except PermissionError:
        return open(path)


def _check(path: Path, files: set[str]) -> None:
    """Raise PopleakError if the run that wrote `path` lives and makes some of these files; remove it if the run is dead."""
    with _lockable(path) as handle:
        if _alone(handle):
            path.unlink()
            return
        told = json.load(handle)
    if shared := sorted(files.intersection(told["files"])):
        raise PopleakError(
            f"{shared[0]}{f' and {len(shared) - 1} more files' if len(shared) > 1 else ''}: another run is making them ({told['who']}): "
            f"repeat the command when it has ended, or run in another folder; if it died with its machine, delete {path}"
        )
