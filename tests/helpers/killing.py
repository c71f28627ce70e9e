"""Runs that are killed outright, as by a power cut or a lack of memory: all processes of a run, or one, at random moments."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import warm


def processes(folder: Path) -> list[int]:
    """Return the processes that work in `folder`, those that started last at the end."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if (process / "cwd").readlink() == folder:
                began = int((process / "stat").read_text().rpartition(")")[2].split()[19])
                found.append((began, int(process.name)))
    return [number for _, number in sorted(found)]


def kill(numbers: list[int]) -> None:
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def kill_all(folder: Path) -> None:
    """Kill all processes that work in `folder`, until there are none for a while: one may be about to start another."""
    quiet = 0
    while quiet < 5:
        found = processes(folder)
        kill(found)
        quiet = 0 if found else quiet + 1
        time.sleep(0.02)


def files(folder: Path) -> int:
    """Return how many files a run in `folder` has finished."""
    return sum(
        1 for path in (folder / "results").rglob("*") if path.suffix not in (".log", ".tsv", ".partial", ".json")
    )


def struck(folder: Path, words: tuple[str, ...], moments: random.Random, *, blows: int, whole: int) -> list[str]:
    """Run Snakemake in a copy, and again whenever it has ended, until it was struck so many times; return what each blow killed.

    A blow comes shortly after so many files are there as its number asks for, a random one up to four fifths of `whole`. It kills all processes, or
    the one that started last, which is nearly always a job. Raises AssertionError if a run ends well before all blows are given.
    """
    done = []
    process = None
    # the last files appear in one go: a blow that waits for them may come too late
    for number in sorted(moments.randrange(whole * 8 // 10) for _ in range(blows)):
        while True:
            if process is None or process.poll() is not None:
                assert process is None or process.returncode, f"all was made after {len(done)} blows"
                process = _started(folder, words)
            if files(folder) >= number and processes(folder):
                break
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.8))
        done.append(moments.choice(["all", "one"]))
        if done[-1] == "all":
            kill_all(folder)
            process.wait()
        else:
            kill(processes(folder)[-1:])
    kill_all(folder)
    process.wait()
    return done


def _started(folder: Path, words: tuple[str, ...]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("POPLEAK_DATA", None)
    return subprocess.Popen(
        [warm.python(), "-m", "snakemake", *words],
        cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
