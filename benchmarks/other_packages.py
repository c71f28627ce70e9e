"""Asking other packages in an environment of their own, which pip makes in a temporary folder. Arrays go there and back, no pickle."""

from __future__ import annotations

import json
import subprocess
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def installed(folder: Path, beside: Sequence[str], others: Sequence[str]) -> tuple[Path, dict[str, str]]:
    """Make the environment of other packages; return its Python, and the versions of what it holds.

    others: the packages, installed without what they ask for. beside: what their modules import. Raises CalledProcessError if pip fails.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", *beside], check=True)
    subprocess.run([*pip, "install", "--quiet", "--no-deps", *others], check=True)
    listed = subprocess.run([*pip, "list", "--format", "json"], check=True, capture_output=True, text=True).stdout
    return python, {one["name"].lower(): one["version"] for one in json.loads(listed)}


def asked(python: str | Path, script: Path, **given: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays that a script writes, run by this Python as `script given.npz told.npz`. Raises CalledProcessError if it fails."""
    with tempfile.TemporaryDirectory() as name:
        asks, told = Path(name) / "given.npz", Path(name) / "told.npz"
        np.savez(asks, **given)
        subprocess.run([python, script, asks, told], check=True, cwd=name)
        with np.load(told) as arrays:
            return dict(arrays)
