"""Runs of Snakemake on a copy of the workflow."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tiny
import warm

SMOKE = ("--configfile", "workflow/experiments/smoke.yaml")


def copy(folder: Path) -> Path:
    """Copy what a run needs of the checkout, and the bytecode that is there: each file of it names the date and size of its source."""
    folder.mkdir(exist_ok=True)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(tiny.ROOT / name, folder / name)
    shutil.copytree(
        tiny.ROOT / "workflow", folder / "workflow", ignore=shutil.ignore_patterns("*.pyc.*")
    )  # half written
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


def snakemake(
    folder: Path,
    *words: str,
    status: int = 0,
    cwd: Path | None = None,
    cold: bool = False,
    python: str = "",
    **more: str,
) -> str:
    """Run Snakemake in a copy, its package first on the path; return stdout and stderr. `cold`: start Python as a user does; more:
    variables of the environment."""
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"} | more
    environment.pop("POPLEAK_DATA", None)
    done = subprocess.run(
        [python or (sys.executable if cold else warm.python()), "-m", "snakemake", *words],
        cwd=cwd or folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    return said


def smoke(factory: pytest.TempPathFactory) -> Path:
    """Return a copy in which the smoke experiment was run on one core: one for all processes of the tests, which nobody changes."""
    base = factory.getbasetemp()
    top = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, folder = top / "smoke.made", top / "smoke"
    with open(top / "smoke.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second waits for the first
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            snakemake(copy(folder), "--cores", "1", *SMOKE)
            made.touch()
    return folder


def results(folder: Path, experiment: str = "smoke") -> dict[str, str]:
    """Return the digest of every file that an experiment's run has published: tables, figures and the report."""
    top = folder / "results" / experiment
    return {
        str(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }
