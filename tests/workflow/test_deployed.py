"""The workflow as others take it: a module of their own Snakefile, with a config of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tiny
from popleak.config import resolve as config
from runs import copy, results, snakemake

pytestmark = pytest.mark.dag


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    folder = copy(tmp_path_factory.mktemp("checkout"))
    for name in (".test", "config"):
        shutil.copytree(
            tiny.ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("results", ".snakemake")
        )
    return folder


def test_a_module_gives_the_bytes_of_the_workflow_itself(checkout, smoke):
    """`.test` is a deployed workflow: Snakemake finds its Snakefile, which takes ours as a module."""
    snakemake(checkout, "--cores", "1", cwd=checkout / ".test")
    assert results(checkout / ".test") == results(smoke) != {}
    again = snakemake(checkout, "--dry-run", "--workflow-profile", "none", cwd=checkout / ".test")
    assert "Nothing to be done" in again
    planned = tiny.command(
        "popleak", "plan", cwd=checkout / ".test", path=checkout / "workflow"
    )  # finds config/config.yaml
    assert planned.returncode == 0 and "all files exist" in planned.stdout, planned.stderr


def test_the_workflow_is_read_out_of_git(checkout, tmp_path):
    """As a module of a repository: the Snakefile, what it includes, the captions and the default config."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *words], cwd=checkout, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("add", "Snakefile", "config.yaml", "config", "workflow")
    git("commit", "-qm", "all")
    deployed = tmp_path / "deployed"
    shutil.copytree(checkout / ".test", deployed, ignore=shutil.ignore_patterns("results", ".snakemake"))
    snakefile = deployed / "workflow" / "Snakefile"
    ours = f"git+file://{checkout}/workflow/Snakefile@main"
    snakefile.write_text(snakefile.read_text().replace("../../workflow/Snakefile", ours))
    environment = os.environ | {"PYTHONPATH": str(checkout / "workflow"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run"], cwd=deployed, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0 and ours in snakefile.read_text(), said
    assert "publish_report" in said and "total" in said


def test_the_config_that_is_deployed_is_the_default_one_and_complete():
    deployed = tiny.ROOT / "config" / "config.yaml"
    assert deployed.samefile(tiny.ROOT / "config.yaml")
    config.load(config.read(deployed))
    config.load(config.read(tiny.ROOT / ".test" / "config" / "config.yaml"))


def test_profiles_find_their_scripts_in_a_deployed_folder():
    """snakedeploy copies them to `profiles`, which is a link in a checkout; `workflow` holds a Snakefile alone."""
    profile = yaml.safe_load((tiny.ROOT / "profiles/cluster-generic/profile.yaml").read_text())
    scripts = [value.split()[0] for key, value in profile.items() if key.endswith("-cmd")]
    assert len(scripts) == 3
    for script in scripts:
        assert script.startswith("profiles/") and (tiny.ROOT / script).is_file()


def test_the_catalog_is_told_what_there_is():
    """What the Snakemake workflow catalog asks of a workflow that it shows with how to use it."""
    usage = yaml.safe_load((tiny.ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert {"mandatory-flags", "software-stack-deployment", "report"} <= set(usage)
    readme = (tiny.ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    assert any(usage["software-stack-deployment"].values())
    rules = "".join(path.read_text() for path in (tiny.ROOT / "workflow" / "rules").glob("*.smk"))
    assert usage["report"] == ("report(" in rules)
    for name in ("workflow/Snakefile", "config/README.md", "LICENSE"):
        assert (tiny.ROOT / name).is_file()
