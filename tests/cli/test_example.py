"""The example package: installed beside popleak as a stranger installs it, its tests pass and its plugins run."""

from __future__ import annotations

import shutil

import pytest

import installed
import tiny

pytestmark = [pytest.mark.slow, pytest.mark.dag]
EXAMPLE = tiny.ROOT / "examples" / "popleak-example"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    top = tmp_path_factory.mktemp("example")
    source = shutil.copytree(
        EXAMPLE, top / "source", ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    )
    ours = installed.wheel(installed.sources(top / "popleak"), top / "ours")
    theirs = installed.wheel(source, top / "theirs")
    return installed.environment(top / "env", ours, theirs)


def test_its_plugins_are_listed(programs, tmp_path):
    assert "\nsure-share " in installed.run(programs, "popleak", "list", "attacks", cwd=tmp_path)
    assert "\ntwo-shops " in installed.run(programs, "popleak", "list", "datasets", cwd=tmp_path)


def test_its_tests_pass(programs, tmp_path):
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    said = installed.run(programs, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), cwd=tmp_path)
    assert " passed" in said and "failed" not in said


def test_its_run_attacks_its_data(programs, tmp_path):
    config = str(EXAMPLE / "example.yaml")
    installed.run(programs, "popleak", "run", "--cores", "1", "--configfile", config, cwd=tmp_path)
    code = (
        "import pandas as pd; found = pd.read_parquet('results/example/tables/leakage.parquet'); "
        "print(sorted(set(found['adversary'])), sorted(set(found['task'])))"
    )
    assert (
        installed.run(programs, "python", "-c", code, cwd=tmp_path)
        == "['best', 'loss', 'sure-share'] ['two-shops-shop']\n"
    )


def test_a_plugin_that_needs_what_is_missing_is_refused_before_any_job(programs, tmp_path):
    """And one that needs torch says which extra brings it; a run that does not need torch is planned without."""
    installed.without(programs, "torch", "opacus")
    small = (EXAMPLE / "example.yaml").read_text(encoding="utf-8")
    refused = {
        "defences: [none, dp-sgd]": "opacus is not installed: pip install 'popleak[torch]'",
        "engine: {backend: torch}": "torch is not installed: pip install 'popleak[torch]'",
        "generators: [tabular-diffusion]": "torch is not installed: pip install 'popleak[torch]'",
    }
    (tmp_path / "small.yaml").write_text(small)
    assert "about" in installed.run(programs, "popleak", "plan", "--configfile", "small.yaml", cwd=tmp_path)
    for more, message in refused.items():
        (tmp_path / "more.yaml").write_text(more)
        words = ("popleak", "plan", "--configfile", "small.yaml", "more.yaml")
        said = installed.run(programs, *words, cwd=tmp_path, status=2)
        assert message in said and said.count("\n") == 1, said
    found = "import importlib.util; print(importlib.util.find_spec('torch'))"
    assert installed.run(programs, "python", "-c", found, cwd=tmp_path) == "None\n"
    said = installed.run(programs, "popleak", "run", "--cores", "1", "--configfile", "small.yaml", cwd=tmp_path)
    assert "step" in said
    assert (tmp_path / "results/example/report.html").is_file(), "a whole run without torch"
