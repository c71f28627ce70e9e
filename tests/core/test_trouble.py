"""What the machine or a caller does wrong ends in one line with the path and the remedy, and leaves nothing half written."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

import fake_tables
import tiny
from popleak.cli import stages
from popleak.core import trouble

pytestmark = pytest.mark.slow


def run(
    *words: object, cwd: Path, limit: tuple[int, int] | None = None, **environment: str
) -> subprocess.CompletedProcess:
    """Run a command in a fresh interpreter, under a limit (resource, bytes) of the system's."""
    return subprocess.run(
        [sys.executable, "-m", "popleak", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(tiny.ROOT / "workflow")} | environment,
        preexec_fn=None if limit is None else lambda: resource.setrlimit(limit[0], (limit[1], limit[1])),
    )  # fmt: skip


def said(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("popleak: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.rstrip()


def dataset(output: Path, **changes: object) -> list[object]:
    step = next(iter(tiny.build().steps["dataset"].values()))
    return [
        "dataset",
        "--step",
        "x",
        "--settings",
        json.dumps({**step.settings.plain(), **changes}),
        "--output",
        output,
    ]


def figure(folder: Path, stem: Path) -> list[object]:
    paths = fake_tables.write(folder, fake_tables.tables())
    settings = json.dumps({"figure": "gap", "tau": 0.1})
    return ["figures", "--step", "gap", "--settings", settings, "--models", paths["models"], "--stem", stem]


def test_a_full_disk(tmp_path):
    """A limit on the size of files stands for the full disk: writing fails in the same place."""
    (tmp_path / "out").mkdir()
    done = run(*dataset(tmp_path / "out" / "d.parquet"), cwd=tmp_path, limit=(resource.RLIMIT_FSIZE, 2000))
    assert said(done).startswith(
        f"popleak: {tmp_path}/out/d.parquet: no room left on the disk (File too large): make room"
    )
    done = run(*figure(tmp_path / "in", tmp_path / "out" / "gap"), cwd=tmp_path, limit=(resource.RLIMIT_FSIZE, 2000))
    assert f": {tmp_path}/out/gap" in said(done) and "no room left on the disk" in said(done)
    assert list((tmp_path / "out").iterdir()) == [], "nothing half written"


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.parquet").mkdir()
    for output in (tmp_path / "file" / "d.parquet", tmp_path / "folder.parquet", tmp_path / ("x" * 300) / "d.parquet"):
        text = said(run(*dataset(output), cwd=tmp_path))
        assert (
            f": {tmp_path}" in text
            and ".partial" not in text
            and text.endswith("name another place, or repair this one")
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.parquet"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights(tmp_path):
    tmp_path.chmod(0o500)
    assert "d.parquet: may not be read or written (Permission denied)" in said(
        run(*dataset(tmp_path / "d.parquet"), cwd="/")
    )


def test_a_home_that_cannot_be_written(tmp_path):
    (tmp_path / "home").touch()
    done = run(*figure(tmp_path / "in", tmp_path / "gap"), cwd=tmp_path, HOME=str(tmp_path / "home"), MPLCONFIGDIR="")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert (tmp_path / "gap.pdf").exists()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, "x"), "out: no room left on the disk (No space left on device): make room"),
        (OSError(errno.EROFS, "x", "a/b"), "a/b: may not be read or written (Read-only file system)"),
        (PermissionError(errno.EACCES, "x", "a/.b.parquet.12.partial"), "a/b.parquet: may not be read or written"),
        (OSError(errno.EMFILE, "x", "a"), "a: Too many open files: raise the limit"),
        (OSError("Couldn't deserialize\nthrift"), "out: Couldn't deserialize thrift: name another place"),
        (
            MemoryError("Unable to allocate 9 TiB"),
            "not enough memory (Unable to allocate 9 TiB): run fewer jobs at once",
        ),
        (MemoryError(), "not enough memory: run fewer jobs at once"),
    ],
)
def test_errors_of_the_machine(monkeypatch, capsys, error, text):
    def fail(run, arguments):
        raise error

    monkeypatch.setattr(stages, "called", fail)
    assert stages.main(["split", "--step", "x", "--settings", "{}", "--data", "d", "--output", "out"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"popleak: {text}") and printed.count("\n") == 1


def test_an_error_without_a_path_in_a_command_without_output():
    assert trouble.line(OSError(errno.EIO, "x"), Namespace()).startswith("a file: Input/output error: ")


@pytest.mark.parametrize("stage", ["dataset", "defend", "attack", "tables", "figures", "report"])
def test_stages_say_which_setting_is_missing(tmp_path, capsys, stage):
    options = {
        "defend": "--data x --draw x --complement x --base-victims x --base-shadows x --victims {0}/v --shadows {0}/s",
        "attack": "--points x --victims v --shadows s --output {0}/o",
        "tables": "--output {0}/o --scores {0}/scores.parquet",
        "figures": "--stem {0}/f",
    }
    fake_tables.write(tmp_path, {"scores": fake_tables.tables()["scores"]})
    words = options.get(stage, "--output {0}/o").format(tmp_path).split()
    step = "leakage" if stage == "tables" else "x"
    assert stages.main([stage, "--step", step, "--settings", "{}", *words]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("popleak: the settings lack the key '") and printed.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


@pytest.mark.parametrize("settings", ["[]", "8", "{", "null", "[" * 100_000])
def test_settings_that_are_no_object(capsys, settings):
    assert stages.main(["split", "--step", "x", "--settings", settings, "--data", "d", "--output", "o"]) == 2
    printed = capsys.readouterr().err
    assert ("not a JSON object" in printed or "not valid JSON" in printed) and printed.count("\n") == 1


def test_more_files_than_the_settings_name(tmp_path, capsys):
    assert stages.main([*map(str, dataset(tmp_path / "o")), "--files", "a", "b"]) == 2
    assert capsys.readouterr().err == "popleak: --files: 2 given, but the settings name 0: none\n"


def test_a_table_that_is_none(capsys):
    assert stages.main(["tables", "--step", "x", "--settings", '{"table": "modles"}', "--output", "o"]) == 2
    assert capsys.readouterr().err.startswith("popleak: tables: 'modles' is no public table: choose from bounds, ")
