"""Runs of Snakemake on a copy of the workflow."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import tiny
import warm


def copy(folder: Path) -> Path:
    """Copy what a run needs of the checkout."""
    folder.mkdir(exist_ok=True)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(tiny.ROOT / name, folder / name)
    shutil.copytree(tiny.ROOT / "workflow", folder / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
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


def results(folder: Path, experiment: str = "smoke") -> dict[str, str]:
    """Return the digest of every file that an experiment's run has published: tables, figures and the report."""
    top = folder / "results" / experiment
    return {
        str(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }
