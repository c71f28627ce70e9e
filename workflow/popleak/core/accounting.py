"""Where a job's time goes: one line in its log, with the seconds of start, training, store and rest.

Standard library only, and cheap enough to be always on. What it finds goes to stderr, never into a file of results:
results are the same bytes however long they took. `benchmarks/experiment.py` adds the lines of a run up.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PARTS = ("start", "training", "store", "rest")
_SECONDS = r"(\d+\.\d+) \((\d+\.\d+)\)"
_LINE = re.compile(rf"popleak: (\S+) (\S+) took {_SECONDS} s: " + ", ".join(f"{part} {_SECONDS}" for part in PARTS))


class Seconds(NamedTuple):
    """Wall seconds, and CPU seconds of all threads and of child processes that have ended."""

    wall: float
    cpu: float

    def plus(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def minus(self, other: Seconds) -> Seconds:
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)


class Line(NamedTuple):
    """One job's line: stage, step, and seconds by part."""

    stage: str
    step: str
    parts: dict[str, Seconds]

    def total(self) -> Seconds:
        return Seconds(
            sum(spent.wall for spent in self.parts.values()), sum(spent.cpu for spent in self.parts.values())
        )


def _began() -> float:
    """Return when this process began, on the clock of `time.perf_counter`, to 0.01 s; where the system does not tell, now."""
    now = time.perf_counter()
    try:
        # field 22, in clock ticks since boot; the name in field 2 may hold blanks and ends in the last bracket
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return min(now, now - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError, IndexError):  # not Linux
        return now


_BEGAN = _began()
_spent: dict[str, Seconds] = {}
_inner: list[Seconds] = []  # for each part that is open, what the parts opened within it have taken


def _now() -> Seconds:
    """Return the seconds since the process began."""
    times = os.times()
    return Seconds(time.perf_counter() - _BEGAN, time.process_time() + times.children_user + times.children_system)


@contextlib.contextmanager
def part(name: str) -> Iterator[None]:
    """Count what happens within as `name`, less the parts within it. As a decorator, it counts each call."""
    begin = _now()
    _inner.append(Seconds(0.0, 0.0))
    try:
        yield
    finally:
        took = _now().minus(begin)
        within = _inner.pop()
        _spent[name] = _spent.get(name, Seconds(0.0, 0.0)).plus(took.minus(within))
        if _inner:
            _inner[-1] = _inner[-1].plus(took)


def start(*modules: str) -> None:
    """Begin a job's account: import the modules it needs, so that `start` holds all since the process began."""
    _spent.clear()
    for module in modules:
        importlib.import_module(module)
    _spent["start"] = _now()


def line(stage: str, step: str) -> str:
    """Return the line on the job that `start` began, which `parse` reads back."""
    total = _now()
    known = [_spent.get(name, Seconds(0.0, 0.0)) for name in PARTS[:-1]]
    rest = total
    for spent in known:
        rest = rest.minus(spent)
    parts = ", ".join(f"{name} {_text(spent)}" for name, spent in zip(PARTS, [*known, rest]))
    return f"popleak: {stage} {step} took {_text(total)} s: {parts}"


def _text(spent: Seconds) -> str:
    return f"{max(spent.wall, 0.0):.3f} ({max(spent.cpu, 0.0):.3f})"


def parse(text: str) -> list[Line]:
    """Return the jobs whose lines are in a log's text."""
    found = []
    for match in _LINE.finditer(text):
        stage, step, _, _, *numbers = match.groups()
        pairs = zip(numbers[::2], numbers[1::2])
        found.append(Line(stage, step, {name: Seconds(float(w), float(c)) for name, (w, c) in zip(PARTS, pairs)}))
    return found
