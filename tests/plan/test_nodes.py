"""Simulated runs on N workers: against closed forms, and against a plain loop over time."""

from __future__ import annotations

import numpy as np
import pytest

import tiny
from popleak.core.errors import PopleakError
from popleak.plan import estimate, nodes

SPEED = estimate.Speed(start=1.0, engine=1.0)


def alike(count: int, seconds: float = 10.0, after: tuple[int, ...] = ()) -> list[nodes.Job]:
    return [nodes.Job("train", seconds, after)] * count


@pytest.mark.parametrize(("workers", "wall"), [(1, 12 * 15), (4, 3 * 15), (5, 3 * 15), (12, 15), (100, 15)])
def test_equal_jobs_take_rounds(workers, wall):
    found = nodes.simulate(alike(12), workers, latency=5.0)
    assert found.wall == pytest.approx(wall) and found.work == 120 and found.longest == 15
    assert found.efficiency == pytest.approx(120 / (workers * wall))


def test_a_chain_gains_nothing():
    chain = [nodes.Job("train", 10.0, (place - 1,) if place else ()) for place in range(6)]
    assert {nodes.simulate(chain, workers, latency=1.0).wall for workers in (1, 3, 50)} == {66.0}
    assert nodes.simulate(chain, 2, latency=1.0).longest == 66.0


def test_snakemake_feeds_one_job_after_another():
    """A hundred workers for jobs of a second, and a second to start each: as slow as one after another."""
    found = nodes.simulate(alike(50, seconds=1.0), 100, latency=0.0, start=3.0, each=1.0)
    assert found.wall == pytest.approx(3.0 + 50 + 1)


def test_a_plain_loop_over_time_agrees():
    """Ticks of one second, whole seconds everywhere: jobs start in the order of the plan as soon as a worker and their inputs are there."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        count, workers = int(rng.integers(1, 30)), int(rng.integers(1, 6))
        todo = [
            nodes.Job(
                "x",
                float(rng.integers(1, 9)),
                tuple(sorted(set(rng.integers(0, place, rng.integers(0, 3)).tolist()))) if place else (),
            )
            for place in range(count)
        ]
        ends, started, now = {}, {}, 0
        while len(ends) < count or max(ends.values()) > now:
            busy = sum(end > now for end in ends.values())
            for place, job in enumerate(todo):
                ready = all(before in ends and ends[before] <= now for before in job.after)
                if place not in started and ready and busy < workers:
                    started[place], ends[place], busy = now, now + job.seconds + 2, busy + 1
            now += 1
        found = nodes.simulate(todo, workers, latency=2.0)
        assert found.wall == max(ends.values())
        assert found.longest <= found.wall <= sum(job.seconds + 2 for job in todo)


def test_no_worker_is_refused():
    with pytest.raises(PopleakError, match="at least 1"):
        nodes.simulate(alike(1), 0)


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tiny.build()


def test_a_plan_is_simulated_whole(here):
    todo = nodes.left(here, SPEED)
    steps = here.all_steps()
    assert [job.stage for job in todo] == [step.stage for step in steps]
    for job, step in zip(todo, steps, strict=True):
        read = {path for paths in step.inputs.values() for path in paths}
        expected = {place for place, other in enumerate(steps) if read & set(other.outputs.values())}
        assert set(job.after) == expected and (expected or step.stage == "dataset")
    by_stage = sum(stage.seconds for stage in estimate.stages(here, SPEED))
    assert sum(job.seconds for job in todo) == pytest.approx(by_stage)


def test_lines_say_what_limits(here, tmp_path):
    text = nodes.lines(here, SPEED, [1, 4], 10.0)
    assert text[0].split() == ["workers", "wall", "efficiency", "core", "hours"] and len(text[1].split()) == len(
        text[2].split()
    )
    assert "simulated: " in text[3] and any("longest chain of jobs" in line for line in text)
    assert any("`engine.job_seconds`" in line for line in text), "jobs of this toy are short"
    for step in here.all_steps():
        for path in step.outputs.values():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).touch()
    assert nodes.lines(here, SPEED, [4], 10.0) == ["all files exist: nothing to share among workers"]
