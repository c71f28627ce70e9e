"""What befalls a run: a cell that fails, a disk that is full or cannot be written, another run at the same time. What else does is tested in
test_killed.py, test_dates.py (dates, clocks, lost memory), tests/cli/test_inventory.py (flipped bits) and tests/cluster (lost workers).
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import mounted
import tiny
import warm
from runs import copy, results, snakemake

pytestmark = pytest.mark.dag
SMALL = tiny.raw(defences=["none"], attacks=["loss", "kl"], training={"epochs": 1}, figures=["gap"])
HERE = ("--cores", "1", "--configfile", "small.yaml")
MOUNTS = pytest.mark.skipif(bool(mounted.refused()), reason=f"no file systems can be mounted here: {mounted.refused()}")
FAILS = """
import os, sys
if os.environ.get("POPLEAK_TEST_BREAK") and sys.argv[1:2] == ["attack"]:
    raise RuntimeError("a mistake of\\nthe attack's author")
"""


def small(folder: Path, **changes: object) -> Path:
    """Return a copy of the workflow with a small config; its attack `kl` fails in jobs if a variable of the environment says so."""
    copy(folder)
    (folder / "small.yaml").write_text(json.dumps({**SMALL, **changes}))
    with open(folder / "workflow" / "popleak" / "attacks" / "kl.py", "a") as handle:
        handle.write(FAILS)
    return folder


def popleak(folder: Path, *words: str, status: int = 0) -> list[str]:
    done = tiny.command("popleak", *words, cwd=folder, path=folder / "workflow", python=warm.python())
    assert done.returncode == status, done.stderr
    return (done.stdout + done.stderr).splitlines()


def left(folder: Path) -> list[Path]:
    """Return the files that are only half written."""
    return list((folder / "results").rglob("*.partial"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run that nothing befalls publishes."""
    folder = small(tmp_path_factory.mktemp("whole"))
    snakemake(folder, *HERE)
    return results(folder, "small")


def test_one_cell_fails_and_the_rest_is_made(tmp_path, whole):
    """The end of the run, and `popleak plan` after it, say which job failed, its last words, its log and what waits for it."""
    folder = small(tmp_path)
    said = snakemake(folder, *HERE, status=1, POPLEAK_TEST_BREAK="1").splitlines()
    told = [
        line for line in popleak(folder, "plan", "--configfile", "small.yaml") if "made" in line or "failed" in line
    ]
    assert len(told) == 3 and all(f"popleak: {line}" in said for line in told)
    assert re.fullmatch(r"attack (\S+-kl-\w+) failed: the attack's author \(results/logs/attack/\1\.log\)", told[0])
    assert told[1] == "not made without it: tables scores, leakage, claims, proxies, defences; the report"
    assert re.fullmatch(r"(\d+) of \d+ steps are made: repeat the command .*", told[2])
    made = results(folder, "small")
    assert {"tables/models.parquet", "tables/bounds.parquet", "figures/gap.pdf"} <= made.keys()
    assert made.items() <= whole.items()
    said = snakemake(folder, *HERE)
    assert results(folder, "small") == whole and "failed" not in said


@MOUNTS
def test_a_full_disk_and_one_that_cannot_be_written(tmp_path, whole):
    folder, mounts = small(tmp_path), mounted.Mounts()
    (folder / "results").mkdir()
    there = mounts.seen(folder)
    mounts.mount("-t", "tmpfs", "-o", "size=200k", "none", str(folder / "results"))
    said = snakemake(folder, *HERE, status=1, python=mounts.python)
    assert re.search(
        r"(?m)^popleak: results/store/\w+/\S+: no room left on the disk \(No space left on device\): make room", said
    )
    assert re.search(r"(?m)^popleak: \w+ \S+ (failed: results/store|is not made, .* or no room for the log)", said)
    assert "Traceback" not in said and left(there) == []
    mounts.mount("-o", "remount,size=100m", "none", str(folder / "results"))
    snakemake(folder, *HERE, python=mounts.python)
    assert results(there, "small") == whole
    mounts.mount("-o", "remount,ro", "none", str(folder / "results"))
    assert "Nothing to be done" in snakemake(folder, *HERE, python=mounts.python)
    said = snakemake(folder, *HERE, "--config", "seed=4", status=1, python=mounts.python)
    assert "results/small/.stamps/tables: cannot be written (Read-only file system): make its folder writable" in said
    assert "Traceback" not in said and results(there, "small") == whole


def test_two_clones_of_one_folder_at_once(tmp_path, whole):
    """The second is refused in one line, whatever its experiment, while the first makes what it needs; then it finds that made."""
    one, two = small(tmp_path / "one"), small(tmp_path / "two", experiment="other", attacks=["loss"])
    (one / "results").mkdir()
    (two / "results").symlink_to(one / "results")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(snakemake, one, *HERE)
        while not list(one.glob("results/.runs/*.json")) and not first.done():
            time.sleep(0.05)
        assert "another run" not in snakemake(two, *HERE, "--dry-run")
        said = snakemake(two, *HERE, status=1)
        first.result()
    assert re.search(
        rf"results/store/\S+ and \d+ more files: another run is making them \(process \d+ on \S+, in {one}\): repeat the",
        said,
    )
    assert "Traceback" not in said
    said = snakemake(two, *HERE)
    assert "popleak: done." in said and not re.search(r"popleak: (dataset|train) \S+ took", said)
    assert results(one, "small") == whole and left(one) == []
    assert [path.name for path in (one / "results" / ".runs").iterdir()] == ["lock"]
    assert {"tables/leakage.parquet", "report.html"} <= results(one, "other").keys()
