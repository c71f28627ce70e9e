"""How long a run takes on a cluster of N workers: the steps that are left, with their estimated times, as a scheduler would start them.

Nothing is run. A worker is one core that takes one job after another. Snakemake's own process starts one job after another too, which limits how
many workers it can feed.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import PopleakError
from . import cost
from .estimate import Speed, duration, is_there, step_seconds
from .steps import MOST_JOBS

if TYPE_CHECKING:
    from .build import Plan
    from .steps import Step

LATENCY = 10.0
"""Seconds that a job waits for its scheduler: until it starts, and until its end is seen. Slurm asked every few seconds takes about so long."""
SHORT = 10.0
"""A job shorter than so many latencies is short: it waits for a tenth of its time."""


class Job(NamedTuple):
    """What a step is to the simulation: its stage, the seconds that it takes, and the places of the jobs that it waits for."""

    stage: str
    seconds: float
    after: tuple[int, ...]


class Run(NamedTuple):
    """A simulated run. workers: cores; wall, longest: seconds, of the run and of its longest chain of jobs; work: CPU seconds of all jobs."""

    workers: int
    wall: float
    longest: float
    work: float

    @property
    def efficiency(self) -> float:
        """The share of the workers' time in which they work."""
        return self.work / (self.workers * self.wall) if self.wall else 1.0


def left(plan: Plan, speed: Speed) -> list[Job]:
    """Return the jobs whose files are not all there, each after those it reads from, with their seconds on this machine."""
    seconds = step_seconds(plan, speed)
    return jobs([step for step in plan.all_steps() if not is_there(step)], seconds)


def jobs(steps: Iterable[Step[Any]], seconds: Mapping[tuple[str, str], float]) -> list[Job]:
    """Return these steps as jobs. seconds: of each, by stage and id; steps: in the order of the stages, so that none comes before what it reads."""
    place: dict[str, int] = {}
    found: list[Job] = []
    for step in steps:
        read = [path for paths in step.inputs.values() for path in paths]
        after = tuple(sorted({place[path] for path in read if path in place}))
        place |= dict.fromkeys(step.outputs.values(), len(found))
        found.append(Job(step.stage, seconds[step.stage, step.id], after))
    return found


def simulate(
    todo: Sequence[Job], workers: int, *, latency: float = LATENCY, start: float = 0.0, each: float = 0.0
) -> Run:
    """Return the run of these jobs on so many workers, first come first served.

    latency: seconds that each job waits for its scheduler; start: seconds before the first job; each: seconds that Snakemake needs for each job,
    one after another. Raises PopleakError for fewer workers than one.
    """
    if workers < 1:
        raise PopleakError(f"--nodes {workers}: give the number of workers, at least 1")
    queue = _Queue(todo)
    free, running, now, snakemake = workers, list[tuple[float, int]](), start, start
    while queue.ready or running:
        while queue.ready and free:
            place = heapq.heappop(queue.ready)
            snakemake = max(snakemake, now) + each
            heapq.heappush(running, (snakemake + latency + todo[place].seconds, place))
            free -= 1
        now = running[0][0]
        while running and running[0][0] == now:
            queue.end(heapq.heappop(running)[1])
            free += 1
    return Run(workers, now, _longest(todo, latency), sum(job.seconds for job in todo))


class _Queue:
    """Which jobs are ready: a heap of their places, since plans list jobs in the order to start them."""

    def __init__(self, todo: Sequence[Job]) -> None:
        self.waits, self.then = [len(job.after) for job in todo], defaultdict[int, list[int]](list)
        for place, job in enumerate(todo):
            for before in job.after:
                self.then[before].append(place)
        self.ready = [place for place, many in enumerate(self.waits) if not many]

    def end(self, done: int) -> None:
        """Let go the jobs that waited for this one alone."""
        for place in self.then[done]:
            self.waits[place] -= 1
            if not self.waits[place]:
                heapq.heappush(self.ready, place)


def _longest(todo: Sequence[Job], latency: float) -> float:
    """Return the seconds of the longest chain of jobs that wait for each other: no number of workers is faster."""
    ends: list[float] = []
    for job in todo:
        ends.append(max((ends[place] for place in job.after), default=0.0) + latency + job.seconds)
    return max(ends, default=0.0)


def lines(plan: Plan, speed: Speed, workers: Sequence[int], latency: float) -> list[str]:
    """Return the simulated runs as lines of text, and what limits them."""
    todo = left(plan, speed)
    if not todo:
        return ["all files exist: nothing to share among workers"]
    once, each = (speed.start * seconds for seconds in cost.SNAKEMAKE)
    runs = [simulate(todo, many, latency=latency, start=once, each=each) for many in workers]
    text = [f"{'workers':>9}{'wall':>12}{'efficiency':>12}{'core hours':>12}"]
    text += [
        f"{run.workers:>9,}{duration(run.wall):>12}{run.efficiency:>12.0%}{run.workers * run.wall / 3600:>12.2f}"
        for run in runs
    ]
    text.append(
        f"simulated: {len(todo):,} jobs, {duration(runs[0].work)} CPU in all; each waits {latency:g} s for the scheduler, and Snakemake starts one every "
        f"{each:.2g} s; core hours are those of workers held all the time"
    )
    return [*text, *_limits(todo, runs, latency, each)]


def _limits(todo: Sequence[Job], runs: Sequence[Run], latency: float, each: float) -> list[str]:
    """Return what keeps a run from being faster, and the remedy, a line each."""
    most = max(runs, key=lambda run: run.workers)
    found = [f"no number of workers takes less than {duration(most.longest)}, the longest chain of jobs"]
    short = [job for job in todo if job.seconds < SHORT * latency]
    if len(short) > len(todo) / 2:
        found.append(
            f"{len(short):,} of {len(todo):,} jobs take less than {SHORT * latency:g} s: a larger `engine.job_seconds` makes fewer and longer ones"
        )
    if each * len(todo) > most.wall / 2:
        found.append(
            f"Snakemake itself takes {duration(each * len(todo))} to start {len(todo):,} jobs: a larger `engine.job_seconds` makes fewer"
        )
    if len(todo) > MOST_JOBS:
        found.append(f"more than {MOST_JOBS:,} jobs: Snakemake needs minutes to build its graph")
    return found
