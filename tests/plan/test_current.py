"""What stands in an experiment's folder is of the config and the code at hand, whatever Snakemake remembers or is told to look at."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tiny
import warm
from runs import copy, snakemake

pytestmark = pytest.mark.dag
SMALL = """
experiment: small
seed: 1
tasks:
  - {dataset: synthetic, rows: 60, query_rows: 30, options: {rows: 800}}
worlds: [{protocol: pure}]
models: [{name: mlp, settings: {widths: [4]}}]
defences: [none]
attacks: [loss]
population: {splits: 2, victims: 4, shadows: 2}
training: {epochs: 1}
figures: [gap]
"""
HERE = ("--configfile", "small.yaml")
MTIME = ("--rerun-triggers", "mtime")


def results(folder: Path) -> dict[str, str]:
    """Return the digest of each published file."""
    found = [
        path
        for path in sorted((folder / "results" / "small").rglob("*"))
        if path.is_file() and ".stamps" not in path.parts
    ]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def run(folder: Path, *words: str, **more) -> str:
    return snakemake(folder, "--cores", "2", *HERE, *words, **more)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run of seed 1 and of seed 3, in that order, and what each published."""
    folder = copy(tmp_path_factory.mktemp("current"))
    (folder / "small.yaml").write_text(SMALL)
    run(folder)
    one = results(folder)
    run(folder, "--config", "seed=3")
    return folder, one, results(folder)


@pytest.fixture
def both(first, tmp_path):
    """A copy of those runs, dates kept; seed 3's results are published."""
    folder = tmp_path / "copy"
    shutil.copytree(first[0], folder, symlinks=True)
    return folder, *first[1:]


def test_two_seeds_differ(first):
    _, one, three = first
    assert one.keys() == three.keys() and "results/small/report.html" in one
    assert one["results/small/tables/scores.parquet"] != three["results/small/tables/scores.parquet"]


@pytest.mark.parametrize("words", [(), MTIME], ids=["all triggers", "dates alone"])
def test_back_to_an_earlier_seed(both, words):
    folder, one, _ = both
    said = run(folder, *words)
    assert results(folder) == one
    assert "rule train" not in said and "Nothing to be done" not in said, "copied, not made again"
    assert "Nothing to be done" in run(folder, *words)


def test_a_dry_run_of_another_config_asks_for_nothing(both):
    folder, _, three = both
    said = snakemake(folder, "--dry-run", *MTIME, *HERE)
    assert "publish_report" in said
    assert "Nothing to be done" in run(folder, "--config", "seed=3")
    assert results(folder) == three


@pytest.mark.parametrize("words", [(), MTIME], ids=["all triggers", "dates alone"])
def test_snakemakes_memory_lost(both, words):
    """`results` was copied, moved, or shared by two clones: `.snakemake` knows nothing of it."""
    folder, one, three = both
    shutil.rmtree(folder / ".snakemake")
    run(folder, *words, "--config", "seed=3")
    assert results(folder) == three
    shutil.rmtree(folder / ".snakemake")
    run(folder, *words)
    assert results(folder) == one


@pytest.mark.parametrize("words", [(), MTIME], ids=["all triggers", "dates alone"])
def test_snakemakes_memory_lost_and_the_engine_edited(both, words):
    folder, one, _ = both
    shutil.rmtree(folder / ".snakemake")
    path = folder / "workflow" / "popleak" / "engine" / "eo.py"
    path.write_text(path.read_text() + "\n\nADDED = 1\n")
    os.utime(path, (1, 1))
    before = {path for path in (folder / "results" / "store" / "train").iterdir()}
    run(folder, *words)
    assert {path for path in (folder / "results" / "store" / "train").iterdir()} > before, (
        "the old files are left alone"
    )
    assert pq.read_table(folder / "results/small/tables/scores.parquet").num_rows
    assert results(folder)["results/small/tables/scores.parquet"] != one["results/small/tables/scores.parquet"], (
        "the metadata names the code"
    )


@pytest.mark.parametrize("seed", [1, 4])
def test_touched_after_a_changed_config(both, seed):
    """--touch marks files as up to date without making them: those of seed 1 are there, those of seed 4 are not."""
    folder, one, three = both
    said = run(folder, "--config", f"seed={seed}", "--touch")
    assert results(folder) == three and "missing, or not of this config: results/small/" in said
    if seed == 1:
        run(folder, "--config", "seed=1")
        assert results(folder) == one
    else:
        said = snakemake(folder, "--dry-run", *HERE, "--config", "seed=4")
        assert "\ntrain " in said and "publish_report " in said


def test_it_is_said_that_a_folder_holds_another_configs_results(both):
    """They were once overwritten without a word."""
    folder, _, _ = both
    (folder / "three.yaml").write_text("seed: 3\n")
    (folder / "five.yaml").write_text("seed: 5\n")
    assert "another config" not in popleak(folder, "plan", *HERE, "three.yaml")
    said = popleak(folder, "plan", *HERE, "five.yaml")
    assert (
        "results/small holds " in said
        and "which this run replaces: to keep both, give this config another name" in said
        and "what was computed stays in the store" in said
    )


def test_changed_by_hand(both):
    """A published file that was edited or damaged is copied anew; the file in the store is what counts."""
    folder, _, three = both
    (folder / "three.yaml").write_text("seed: 3\n")
    for name in ("tables/leakage.parquet", "figures/gap.csv", "report.html"):
        path = folder / "results" / "small" / name
        stat = path.stat()
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    said = popleak(folder, "verify", *HERE, "three.yaml", status=2)
    assert said.count("not of this config, or changed") == len(said.splitlines()) == 3
    run(folder, *MTIME, "--config", "seed=3")
    assert results(folder) == three


def popleak(folder: Path, *words: str, status: int = 0) -> str:
    done = tiny.command("popleak", *words, cwd=folder, path=folder / "workflow", python=warm.python())
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_verify_names_what_is_damaged(both):
    folder, _, _ = both
    run(folder)
    assert popleak(folder, "verify", *HERE).endswith("files are intact and of this config, 0 are not made yet\n")
    for kind in ("query/*.victims.parquet", "figures/*.pdf", "report/*.html"):
        for path in (folder / "results" / "store").glob(kind):
            path.write_bytes(path.read_bytes()[:-20] + b"x" + path.read_bytes()[-19:])
    said = popleak(folder, "verify", *HERE, status=2)
    assert len(said.splitlines()) == 8, (
        "three of each seed in the store, and the published copies that two of them are not"
    )
    assert said.count(": damaged") == 6 and said.count("not of this config, or changed") == 2
    page = (folder / "results" / "small" / "report.html").read_bytes()
    said = snakemake(folder, "--cores", "1", *HERE, status=1)
    assert said.count(": damaged") >= 2 and "Traceback" not in said
    there = folder / "results" / "small" / "report.html"
    assert not there.exists() or there.read_bytes() == page, "the damage does not spread"


def test_prune_lists_what_nobody_needs(both):
    folder, one, _ = both
    for path in (folder / "workflow" / "experiments").iterdir():
        path.unlink()
    needed = {path for path in (folder / "results" / "store").rglob("*") if path.is_file()}
    said = popleak(folder, "prune", *HERE)
    assert said.splitlines()[-1].endswith("delete them with --delete")
    listed = {folder / line for line in said.splitlines()[:-1]}
    assert listed and all(path.is_file() for path in listed)
    popleak(folder, "prune", *HERE, "--delete")
    assert not any(path.exists() for path in listed)
    run(folder)
    assert results(folder) == one
    assert needed - listed == {path for path in (folder / "results" / "store").rglob("*") if path.is_file()}, (
        "nothing of the experiment that was named had to be made again"
    )


def test_an_own_table_replaced_by_an_older_file(tmp_path):
    """mv, cp -p, rsync -t and tar keep dates: the content is what counts."""
    folder = copy(tmp_path)
    options = (
        "{path: people.csv, label: y, positive: 1, attribute: g, groups: [a, b]}, rows: 40, query_rows: 10, id: own"
    )
    (folder / "own.yaml").write_text(
        SMALL.replace(
            "dataset: synthetic, rows: 60, query_rows: 30, options: {rows: 800}", f"dataset: table, options: {options}"
        )
    )

    def write(label):
        rows = [f"{i % 2},{'ab'[i // 2 % 2]},{(i * 37) % 101}" for i in range(600)]
        rows = [f"{label(i)},{line.split(',', 1)[1]}" for i, line in enumerate(rows)]
        (folder / "people.csv").write_text("y,g,x\n" + "\n".join(rows) + "\n")

    def asked():
        said = snakemake(folder, "--dry-run", *MTIME, "--configfile", "own.yaml")
        return "\ndataset " in said

    write(lambda i: i % 2)
    snakemake(folder, "--cores", "1", "--configfile", "own.yaml", "--until", "dataset")
    assert not asked()
    write(lambda i: (i // 3) % 2)
    os.utime(folder / "people.csv", (1e9, 1e9))
    assert asked()
    snakemake(folder, "--cores", "1", *MTIME, "--configfile", "own.yaml", "--until", "dataset")
    write(lambda i: i % 2)
    assert not asked(), "the first content is known"


def test_no_folder_holds_two_configs_side_by_side(both):
    """Seed 1's tables are asked for where seed 3's results stand: the other copies go, and a failed job changes nothing of that."""
    folder, one, _ = both
    table, note = "results/small/tables/scores.parquet", folder / "results/small/figures/mine.png"
    # what this config does not make at all, and what is not ours
    for other in ("tables/sensitivity.parquet", "figures/forms.png", "figures/mine.png"):
        (folder / "results/small" / other).write_bytes(b"of another config")
    said = snakemake(folder, table, "--cores", "2", *HERE)
    assert (
        "removed because it was of another config or of earlier code: results/small/config.json, results/small/figures/forms.png, results/small/figures/gap.csv"
        in said
    )
    assert "results/small/tables/sensitivity.parquet" in said
    note.unlink()  # nobody's but the user's
    left = results(folder)  # a file that is equal under both configs is of this one too
    assert left.items() <= one.items() and {path for path in one if path.endswith(".parquet")} <= left.keys()
    run(folder)
    assert results(folder) == one
    page = next(
        path
        for path in (folder / "results/store/report").glob("*.html")
        if path.read_bytes() == (folder / "results/small/report.html").read_bytes()
    )
    page.unlink()
    page.mkdir()  # the report cannot be written
    (folder / "results/small/tables/models.parquet").unlink()
    run(folder, status=1)
    left = results(folder)
    assert "results/small/report.html" not in left and left.items() <= one.items()


def test_only_a_part_was_asked_for(tmp_path):
    folder = copy(tmp_path)
    (folder / "small.yaml").write_text(SMALL)
    said = run(folder, "--until", "split")
    assert "missing, or not of this config: results/small/config.json and 22 more" in said
    assert "done. Report" not in said


def test_another_working_directory_keeps_the_defaults(tmp_path):
    """The overlay leaves the tasks out; they are those of the config.yaml beside the Snakefile, and not lost."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "elsewhere").mkdir()
    folder = copy(tmp_path / "repo")
    (folder / "part.yaml").write_text("experiment: part\nseed: 5\n")
    said = snakemake(
        folder, "--dry-run", "--directory", str(tmp_path / "elsewhere"), "--configfile", str(folder / "part.yaml")
    )
    assert "\ndataset           2\n" in said.replace("  \n", "\n") or "dataset" in said
    inside = snakemake(folder, "--dry-run", "--configfile", str(folder / "part.yaml"))
    assert said.split("job ", 1)[1].split("\n\n")[0] == inside.split("job ", 1)[1].split("\n\n")[0]


def test_killed_outright_and_started_again(tmp_path):
    """SIGKILL leaves Snakemake's lock behind: the same command goes on nevertheless; a living run keeps its lock."""
    folder = copy(tmp_path)
    (folder / "small.yaml").write_text(SMALL)
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow"), "XDG_CACHE_HOME": str(folder / ".cache")}
    words = [sys.executable, "-m", "snakemake", "--cores", "1", *HERE]
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    locks = folder / ".snakemake" / "locks"
    for _ in range(600):
        if list(locks.glob("*.lock")) or process.poll() is not None:
            break
        time.sleep(0.05)
    assert process.poll() is None
    assert "lock" in run(folder, status=1).lower(), "it lives"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(locks.glob("*.lock"))
    with open(folder / ".snakemake" / "popleak.alive") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it
    said = run(folder)
    assert "the last run in this folder was killed; its lock is removed" in said
    assert "popleak: done. Report" in said
