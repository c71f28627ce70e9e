"""Snakemake's lock on a folder, after a run that was killed outright.

Snakemake locks its folder with files, which nobody removes if it is killed by SIGKILL, by a lack of memory or by a power
cut; the next run then refuses to start. Beside them, each run holds a lock of the operating system, which goes with the
process. Where Snakemake's files are there and nobody holds that lock, the run that left them is dead, and they go.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO

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
