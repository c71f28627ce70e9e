"""The smoke experiment as jobs of a real Slurm, through the profile that users are given, with every loss that jobs meet."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

import slurm_node
import tiny
import workers
from runs import copy, results, snakemake

ABSENT = slurm_node.absent() or (
    None if find_spec("snakemake_executor_plugin_slurm") else "no snakemake-executor-plugin-slurm"
)
pytestmark = [
    pytest.mark.dag,
    pytest.mark.slow,
    pytest.mark.skipif(ABSENT is not None, reason=f"no Slurm can be brought up here: {ABSENT}"),
]
# the second is what users lay over a larger experiment; the jobs of this one are too short to be cut otherwise by it
CONFIGS = ("workflow/experiments/smoke.yaml", "workflow/profiles/slurm/long-jobs.yaml")
ON_THE_CLUSTER = {"dataset": 1, "split": 1, "draw": 3, "train": 1, "defend": 2, "query": 3, "measure": 1, "attack": 2,
                  "tables": 7}  # fmt: skip
"""Jobs of the smoke experiment by rule; the others run where Snakemake runs."""


class Job(NamedTuple):
    """One job as Slurm tells it: the memory it asked for in MB, its time limit, and its last state."""

    number: str
    rule: str
    memory: int
    limit: str
    state: str


def jobs() -> list[Job]:
    said = slurm_node.run("squeue", "--states=all", "--noheader", "--format=%i|%k|%m|%l|%T")
    lines = sorted((line.split("|") for line in said.splitlines()), key=lambda words: int(words[0]))
    return [
        Job(number, re.match(r"rule_([a-z]+)_", comment)[1], int(memory.removesuffix("M")), limit, state)
        for number, comment, memory, limit, state in lines
    ]


def described(number: str) -> str:
    return slurm_node.run("scontrol", "show", "job", number)


def lose_node(process: int) -> str:
    """Tell Slurm that the node of a process has failed; return its job. The node reports by itself that it is back."""
    number, host = workers.job_of(process), socket.gethostname().split(".")[0]
    slurm_node.run("scontrol", "update", f"NodeName={host}", "State=DOWN", "Reason=test")
    return number


def daemons() -> set[str]:
    names = (path.read_text(encoding="utf-8").strip() for path in Path("/proc").glob("[0-9]*/comm"))
    return {"munged", "slurmctld", "slurmd", "slurmstepd"} & set(names)


def test_what_a_test_brings_up_is_gone_even_if_it_fails(tmp_path):
    before = daemons()
    with pytest.raises(ZeroDivisionError), slurm_node.node(tmp_path):
        assert daemons() >= {"munged", "slurmctld", "slurmd"}
        assert slurm_node.absent() is not None, "a second one must leave it alone"
        slurm_node.run("sbatch", "--output=/dev/null", "--wrap", "sleep 300")
        while "slurmstepd" not in daemons():
            time.sleep(0.1)
        raise ZeroDivisionError
    end = time.monotonic() + 10
    while daemons() != before:  # the process that watched the job ends a moment after it
        assert time.monotonic() < end, daemons()
        time.sleep(0.1)
    assert slurm_node.absent() is None


def test_every_loss_is_survived_and_the_results_are_the_same_bytes(locally, tmp_path):
    folder, state, lost = copy(tmp_path / "run"), tmp_path / "slurm", []
    blows = {
        "draw": lambda process: lost.append(lose_node(process)),
        "train": lambda process: os.kill(process, signal.SIGSTOP),  # it hangs, until its time is over
        "query": lambda process: os.kill(process, signal.SIGKILL),
        "measure": lambda process: slurm_node.run("scancel", workers.job_of(process)),
    }
    with slurm_node.node(state):
        # without a database, the command that the plugin would choose knows nothing, and the run would wait for ever
        assert subprocess.run(["sacct"], capture_output=True).returncode != 0
        with workers.struck(folder, blows):
            said = snakemake(
                folder, "--workflow-profile", "profiles/slurm", "--configfile", *CONFIGS,
                "--slurm-init-seconds-before-status-checks", "6",
                "--set-resources", "split:mem_mb=60 if attempt == 1 else 1000", "train:runtime=1 if attempt == 1 else 30",
                cold=True,
            )  # fmt: skip
        ran, requeued = jobs(), described(lost[0])
        log = (state / "slurmd.log").read_text(encoding="utf-8")
    print(*ran, sep="\n")

    completed = [job.rule for job in ran if job.state == "COMPLETED"]
    assert {rule: completed.count(rule) for rule in completed} == ON_THE_CLUSTER
    twice = {rule: [job for job in ran if job.rule == rule] for rule in ("split", "train", "query", "measure")}
    # of the jobs that query, an arm each, one was hit
    again = [job for job in twice["query"] if job.memory > min(one.memory for one in twice["query"])]
    twice["query"] = [*(job for job in twice["query"] if job.state != "COMPLETED"), *again]
    assert {rule: [job.state for job in pair] for rule, pair in twice.items()} == {
        "split": ["FAILED", "COMPLETED"],  # what Slurm says of too much memory if it enforces it without cgroups
        "train": ["TIMEOUT", "COMPLETED"],
        "query": ["FAILED", "COMPLETED"],
        "measure": ["CANCELLED", "COMPLETED"],
    }
    assert re.search(rf"StepId={twice['split'][0].number}\.\S+ exceeded memory limit .*, being killed", log)
    assert [job.memory for job in twice["split"]] == [60, 1000]
    assert [job.limit for job in twice["train"]] == ["1:00", "30:00"]
    for rule in ("query", "measure"):  # without a word on the command line: as the rules say
        first, second = twice[rule]
        assert (first.limit, second.limit, second.memory) == ("30:00", "1:00:00", 2 * first.memory)
    assert "Restarts=1" in requeued and "JobState=COMPLETED" in requeued
    assert said.count("Trying to restart job") == len(twice)
    assert results(folder) == locally


def test_the_scripts_of_the_generic_profile_need_no_more_than_squeue(tmp_path, monkeypatch):
    """For sites that forget a job at once and have no database, where the plugin would wait for ever."""
    monkeypatch.setenv("POPLEAK_SCHEDULER", "slurm")
    monkeypatch.chdir(tmp_path)
    scripts, script = tiny.ROOT / "workflow" / "profiles" / "cluster-generic", tmp_path / "script.sh"

    def submit(text: str) -> str:
        script.write_text(text, encoding="utf-8")
        return slurm_node.run(str(scripts / "submit.sh"), "train", "1", "100", "30", "0", str(script)).strip()

    def ended(job: str) -> str:
        while (said := slurm_node.run(str(scripts / "status.sh"), job).strip()) == "running":
            time.sleep(0.5)
        return said

    with slurm_node.node(tmp_path / "slurm"):
        good, bad, lost = submit("true\n"), submit("false\n"), submit("sleep 100\n")
        slurm_node.run(str(scripts / "cancel.sh"), lost)
        assert [ended(job) for job in (good, bad, lost)] == ["success", "failed", "failed"]
        told = described(lost.split()[0])
    assert "JobName=train" in told and "TimeLimit=00:30:00" in told and "MinMemoryNode=100M" in told
