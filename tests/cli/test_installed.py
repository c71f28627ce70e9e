"""The package as a stranger installs it: a wheel that holds the workflow, run in a folder that is no checkout."""

from __future__ import annotations

import re
import zipfile

import pytest

import installed
import tiny
from popleak import __version__
from popleak.cli import run as command
from popleak.cli import stages
from popleak.core import home
from runs import results

pytestmark = [pytest.mark.slow, pytest.mark.dag]
MOST = 1.5
"""Megabytes of a wheel."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source distribution as the package's publisher would build it."""
    top = tmp_path_factory.mktemp("built")
    return installed.wheel(installed.sdist(installed.sources(top / "source"), top), top / "wheels")


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory):
    return installed.environment(tmp_path_factory.mktemp("stranger") / "env", wheel)


def test_the_wheel_holds_every_file_of_the_workflow_once(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    prefix = f"popleak/{home.INSIDE}/"
    found = {name.removeprefix(prefix): text for name, text in inside.items() if name.startswith(prefix)}
    assert found == {str(path): (tiny.ROOT / path).read_bytes() for path in home.files(tiny.ROOT)}
    assert {
        "Snakefile",
        "config.yaml",
        "workflow/Snakefile",
        "workflow/rules/train.smk",
        "workflow/experiments/smoke.yaml",
    } <= found.keys()
    assert not [name for name in inside if "egg-info" in name or "/tests/" in name or name.endswith(".pyc")]


def test_the_docs_tell_the_size_of_the_wheel(wheel):
    megabytes = wheel.stat().st_size / 1e6
    assert megabytes < MOST
    (told,) = re.findall(
        r"\| the wheel \| ([0-9.]+) MB \|", (tiny.ROOT / "docs/install.md").read_text(encoding="utf-8")
    )
    assert float(told) == pytest.approx(megabytes, rel=0.25)


def test_commands_outside_a_checkout(programs, tmp_path):
    assert installed.run(programs, "popleak", "--version", cwd=tmp_path) == f"popleak {__version__}\n"
    assert "\nkl " in installed.run(programs, "popleak", "list", "attacks", cwd=tmp_path)
    where = installed.run(programs, "python", "-c", "import popleak; print(popleak.__file__)", cwd=tmp_path)
    assert where.startswith(str(programs.parent)), "the package of the checkout"
    names = [
        line.split()[0] for line in installed.run(programs, "popleak", "list", "experiments", cwd=tmp_path).splitlines()
    ]
    assert names[0] == "default" and len(names) == 1 + len(home.experiments())
    assert "about" in installed.run(programs, "popleak", "plan", "--configfile", "smoke", cwd=tmp_path)


def test_a_run_gives_the_bytes_of_a_run_in_the_checkout(programs, tmp_path, smoke):
    installed.run(programs, "popleak", "run", "--cores", "1", "--configfile", "smoke", cwd=tmp_path)
    assert results(tmp_path) == results(smoke) != {}
    again = installed.run(programs, "popleak", "run", "--dry-run", "--configfile", "smoke.yaml", cwd=tmp_path)
    assert "Nothing to be done" in again
    assert "files are intact" in installed.run(programs, "popleak", "verify", "--configfile", "smoke", cwd=tmp_path)


def test_a_workflow_that_was_copied_out_is_the_one_that_runs(programs, tmp_path):
    said = installed.run(programs, "popleak", "workflow", "mine", cwd=tmp_path)
    assert said.startswith("mine: ")
    mine = tmp_path / "mine"
    assert sorted(str(path) for path in home.files(mine)) == sorted(str(path) for path in home.files(tiny.ROOT))
    assert (mine / "profiles/default/profile.yaml").is_file(), "where snakemake and the scripts of profiles look"
    (mine / "config.yaml").write_text(
        (mine / "workflow/experiments/smoke.yaml").read_text().replace("experiment: smoke", "experiment: own")
    )
    for words in (("popleak", "run"), ("python", "-m", "snakemake", "--cores", "1")):
        said = installed.run(programs, *words, "--summary", cwd=mine)
        assert "results/own/" in said and "results/default/" not in said
    refused = installed.run(programs, "popleak", "workflow", "mine", cwd=tmp_path, status=2)
    assert refused == "popleak: mine: not an empty folder: name one that does not exist\n"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_run_hands_to_snakemake(elsewhere):
    snakefile = ["--snakefile", str(tiny.ROOT / "workflow" / "Snakefile")]
    assert command.command(["-n"])[1:] == ["-m", "snakemake", *snakefile, "--cores", "all", "-n"]
    for words in (["--cores", "2"], ["-c2"], ["--cores=2"], ["--workflow-profile", "slurm"], ["-j", "4"]):
        assert command.command(words)[3:] == [*snakefile, *words]
    smoke = tiny.ROOT / "workflow" / "experiments" / "smoke.yaml"
    (elsewhere / "own.yaml").write_text("experiment: own\n")
    found = command.command(["--configfile", "smoke", "own.yaml", "--cores", "2", "page"])[5:]
    assert found == ["--cores", "2", "page", "--configfile", str(smoke), "own.yaml"]
    (elsewhere / "config.yaml").write_text("seed: 1\n")
    assert command.command(["--configfile", "own.yaml"])[-3:] == ["--configfile", "config.yaml", "own.yaml"]
    (elsewhere / "Snakefile").write_text("")
    assert command.command(["--configfile", "own.yaml"])[3:] == ["--cores", "all", "--configfile", "own.yaml"]


def test_a_folder_named_like_an_experiment_is_not_taken_for_it(elsewhere, capsys):
    (elsewhere / "smoke").mkdir()
    assert stages.main(["run", "--configfile", "smoke"]) == 2
    assert stages.main(["run", "--configfile", "smok"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all(
        "no such file, and no experiment of that name: name a file, or " in line for line in said
    )
    assert stages.main(["run", "--help"]) == 0
    assert "--configfile" in capsys.readouterr().out
