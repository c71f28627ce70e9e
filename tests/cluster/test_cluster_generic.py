"""The profile for schedulers without a plugin of their own: its scripts, with jobs in the background for a scheduler."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

import tiny
import workers
from runs import copy, results, snakemake

pytestmark = [pytest.mark.dag, pytest.mark.slow]
SCRIPTS = tiny.ROOT / "workflow" / "profiles" / "cluster-generic"
PLUGIN = pytest.mark.skipif(
    find_spec("snakemake_executor_plugin_cluster_generic") is None,
    reason="no snakemake-executor-plugin-cluster-generic",
)


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run a script of the profile in an empty folder; return what it printed."""
    monkeypatch.setenv("POPLEAK_SCHEDULER", "here")

    def run(name: str, *words: str, status: int = 0) -> str:
        done = subprocess.run([SCRIPTS / name, *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return done.stdout.strip() + done.stderr.strip()

    return run


def submit(call, folder: Path, text: str) -> str:
    script = folder / "script.sh"
    script.write_text(text, encoding="utf-8")
    return call("submit.sh", "train", "1", "100", "30", "0", str(script))


def until_ended(call, job: str) -> str:
    while (said := call("status.sh", job)) == "running":
        time.sleep(0.1)
    return said


def test_a_job_succeeds_or_fails_with_its_script(call, tmp_path):
    assert until_ended(call, submit(call, tmp_path, "touch made\n")) == "success"
    assert (tmp_path / "made").exists()
    job = submit(call, tmp_path, "echo why; exit 3\n")
    assert until_ended(call, job) == "failed"
    assert Path(job.split(" ", 1)[1], "log").read_text() == "why\n", "the log of a job that failed stays"


def test_a_job_that_is_gone_without_a_word_has_failed(call, tmp_path):
    job = submit(call, tmp_path, "sleep 100\n")
    assert call("status.sh", job) == "running"
    os.killpg(int(job.split()[0]), signal.SIGKILL)
    assert until_ended(call, job) == "failed"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("echo ' 17 short train me PD 0:00 1 (Priority)'", "running"),
        ("true", "failed"),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "failed"),
        ("echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1", "running"),
    ],
)
def test_a_scheduler_that_does_not_answer_has_not_lost_the_job(call, tmp_path, monkeypatch, answer, said):
    monkeypatch.setenv("POPLEAK_SCHEDULER", "slurm")
    for name, text in (("squeue", answer), ("sleep", "true")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert call("status.sh", f"17 {tmp_path / 'job'}") == said


def test_cancel_ends_the_jobs_and_what_they_started(call, tmp_path):
    first, second = (submit(call, tmp_path, "sleep 100 & wait\n") for _ in range(2))
    call("cancel.sh", first, second)
    assert until_ended(call, first) == "failed"
    assert subprocess.run(["pgrep", "--pgroup", f"{first.split()[0]},{second.split()[0]}"]).returncode == 1


def test_no_scheduler_is_one_line(call, tmp_path, monkeypatch):
    monkeypatch.delenv("POPLEAK_SCHEDULER")
    said = call("submit.sh", "train", "1", "100", "30", "0", "script.sh", status=2)
    assert said.startswith("popleak: POPLEAK_SCHEDULER must be 'slurm', 'here'") and "\n" not in said
    assert not (tmp_path / ".snakemake").exists()


@PLUGIN
def test_a_run_survives_a_lost_worker_with_the_same_bytes(locally, tmp_path, monkeypatch):
    monkeypatch.setenv("POPLEAK_SCHEDULER", "here")
    folder = copy(tmp_path / "run")
    blows = {
        "train": lambda process: os.kill(process, signal.SIGKILL),
        "query": lambda process: os.killpg(os.getpgid(process), signal.SIGKILL),  # the whole job, as with its node
    }
    with workers.struck(folder, blows):
        said = snakemake(
            folder, "--workflow-profile", "profiles/cluster-generic", "--jobs", "2",
            "--seconds-between-status-checks", "1", "--configfile", "workflow/experiments/smoke.yaml",
            cold=True,
        )  # fmt: skip
    assert said.count("Trying to restart job") == 2
    assert said.count("Submitted job") == 23, "21 jobs of which two ran twice; figures and the report are made here"
    assert results(folder) == locally
