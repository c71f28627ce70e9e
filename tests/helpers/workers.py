"""The processes of a run's jobs, found while it goes on: what befalls workers on a cluster is done to them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


def of(folder: Path, stage: str) -> list[int]:
    """Return the processes that run a stage's command in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[1:4] == [b"-m", b"popleak", stage.encode()] and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


@contextlib.contextmanager
def struck(folder: Path, blows: dict[str, Callable[[int], None]]) -> Iterator[None]:
    """While the body runs, wait for the first process of each stage in `blows`, and give it to that function, once.

    Raises AssertionError if the body has ended and a stage had no process, and whatever a function raises.
    """
    ended = threading.Event()

    def wait(stage: str, blow: Callable[[int], None]) -> None:
        while not (found := of(folder, stage)):
            assert not ended.is_set(), f"no process of {stage} was seen"
            time.sleep(0.05)
        blow(found[0])

    with ThreadPoolExecutor() as pool:
        waiting: list[Future] = [pool.submit(wait, stage, blow) for stage, blow in blows.items()]
        try:
            yield
        finally:
            ended.set()
    for one in waiting:
        one.result()


def job_of(process: int) -> str:
    """Return the number of the Slurm job that a process belongs to."""
    words = Path("/proc", str(process), "environ").read_bytes().split(b"\0")
    return next(os.fsdecode(word.split(b"=")[1]) for word in words if word.startswith(b"SLURM_JOB_ID="))
