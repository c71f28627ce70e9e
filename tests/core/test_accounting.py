"""Accounts of jobs: parts add up to the whole, a line reads back as it was written, and only jobs that end well write one."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tiny
from popleak.core import accounting
from popleak.core.accounting import Seconds
from popleak.engine.fit import Table, Training, fit
from popleak.store import parquet as store


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves: CPU seconds run at half the pace of wall seconds."""
    at = [0.0]
    monkeypatch.setattr(accounting, "_now", lambda: Seconds(at[0], at[0] / 2))
    monkeypatch.setattr(accounting, "_spent", {})

    def move(seconds: float) -> None:
        at[0] += seconds

    return move


def test_parts_leave_out_the_parts_within_and_add_up(clock):
    clock(2)
    accounting.start("json")
    with accounting.part("training"):
        clock(3)
        with accounting.part("store"):
            clock(4)
            with accounting.part("start"):
                clock(5)
        clock(6)
    clock(7)
    with accounting.part("store"):
        clock(8)
    (found,) = accounting.parse(f"other words\n{accounting.line('train', 'a-1')}\nmore")
    assert found[:2] == ("train", "a-1")
    wall = {name: spent.wall for name, spent in found.parts.items()}
    assert wall == {"start": 7, "training": 9, "store": 12, "rest": 7}
    assert found.total() == Seconds(35, 17.5)


def test_a_part_that_fails_is_counted_and_closed(clock):
    accounting.start()
    with accounting.part("store"):
        with pytest.raises(ValueError, match="broken"), accounting.part("training"):
            clock(1)
            raise ValueError("broken")
        clock(2)
    (found,) = accounting.parse(accounting.line("train", "a"))
    assert found.parts["training"].wall == 1
    assert found.parts["store"].wall == 2


def test_a_job_begins_with_an_empty_account(clock):
    with accounting.part("training"):
        clock(1)
    accounting.start()
    (found,) = accounting.parse(accounting.line("train", "a"))
    assert found.parts["training"].wall == 0


@pytest.mark.parametrize("text", ["", "popleak: train a took 1.00 s", "popleak: done. Report: a took a long time"])
def test_other_lines_are_no_accounts(text):
    assert accounting.parse(text) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the start of a process is read from /proc")
def test_the_account_begins_with_the_process():
    code = "import time; time.sleep(0.3); from popleak.core import accounting; print(accounting._now().wall)"
    done = tiny.command("timeit", "-n1", "-r1", code)
    assert 0.3 <= float(done.stdout.splitlines()[0]) < 30, done.stderr


def test_fitting_and_files_are_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(accounting, "_spent", {})
    records, training = tiny.records(), Training(epochs=1, batch=32, learning_rate=0.01)
    table = Table.of(records.x, records.y, records.a)
    fit(tiny.module(features=records.x.shape[1]), table, np.arange(64)[None], np.array([1]), training)
    assert set(accounting._spent) - {"start"} == {"training"}  # start: plugins that the tests load
    facts = store.provenance(stage="train", step="a", settings={}, code="x", inputs=[])
    store.write(tmp_path / "a.parquet", {"a": [1]}, facts)
    store.read(tmp_path / "a.parquet")
    assert set(accounting._spent) - {"start"} == {"training", "store"}
    assert all(spent.wall > 0 for spent in accounting._spent.values())


def test_a_job_ends_in_its_line(tmp_path):
    step = next(iter(tiny.build().steps["dataset"].values()))
    words = ("--step", step.id, "--settings", step.params, "--output", "a.parquet")
    done = tiny.command("popleak", "dataset", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = accounting.parse(done.stderr)
    assert found.stage == "dataset"
    assert done.stderr.splitlines()[-1].startswith("popleak: dataset ")
    assert found.parts["start"].wall > 0.05


def test_a_job_that_fails_says_only_why(tmp_path):
    step = next(iter(tiny.build().steps["split"].values()))
    words = ("--step", "a", "--settings", step.params, "--data", "none", "--output", "b")
    done = tiny.command("popleak", "split", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["popleak: none: no such file: run the step that makes it"]
