"""A run that is killed again and again, and started again each time, ends with the bytes of one that was left alone."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

import killing
import tiny
import warm
from runs import SMOKE, copy, snakemake

pytestmark = [pytest.mark.dag, pytest.mark.slow]
KILLS = int(os.environ.get("POPLEAK_KILLS", "20"))
"""How often the run is killed. `POPLEAK_KILLS=200` takes some minutes."""
SEED = int(os.environ.get("POPLEAK_KILLS_SEED", "0"))


def content(folder: Path) -> dict[str, bytes]:
    """Return all that a run leaves, but for logs and their times, stamps, whose content is random, and what keeps two runs apart."""
    top = folder / "results"
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and path.relative_to(top).parts[0] not in ("logs", ".runs") and ".stamps" not in path.parts
    }


def test_killed_at_random_moments(smoke, tmp_path):
    """Resumed by the same command, whose profile has `rerun-incomplete`: the same files in the store and in the experiment's folder, to
    the byte, and no other."""
    folder, expected = copy(tmp_path / "killed"), content(smoke)
    blows = killing.struck(
        folder, ("--cores", "1", *SMOKE), random.Random(SEED), blows=KILLS, whole=killing.files(smoke)
    )
    assert len(blows) == KILLS and set(blows) == {"all", "one"}
    snakemake(folder, "--cores", "1", *SMOKE)
    assert content(folder) == expected
    words = ("popleak", "verify", *SMOKE)
    done = tiny.command(*words, cwd=folder, path=folder / "workflow", python=warm.python())
    assert done.returncode == 0, done.stderr
    assert f"{len(expected)} files are intact and of this config, 0 are not made yet" in done.stdout
    assert "Nothing to be done" in snakemake(folder, "--cores", "1", *SMOKE)
