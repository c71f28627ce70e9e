"""The ways to get the environment agree: pyproject.toml, the lists of versions, the conda file, the image's recipe and the profile for it."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import tiny
from pins import NEWEST, S3

ENVS = tiny.ROOT / "envs"
PROJECT = tomllib.loads((tiny.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
APART = {"python-dateutil"}
"""Which versions constraints-s3.txt may have otherwise than constraints.txt."""
FOR_S3 = ("s3", "kubernetes", "test-s3")
DOCKERFILE = (ENVS / "Dockerfile").read_text(encoding="utf-8")


def hashed() -> dict[str, tuple[Requirement, list[str]]]:
    """Return the requirements with digests, by name."""
    lines = (ENVS / "requirements-hashed.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith("#"):
            text, *digests = re.split(r"\s+--hash=sha256:", line.strip())
            one = Requirement(text)
            found[canonicalize_name(one.name)] = (one, digests)
    return found


def version(one: Requirement) -> Version:
    (pin,) = one.specifier
    assert pin.operator == "=="
    return Version(pin.version)


def test_the_versions_for_object_storage_are_the_others_too():
    assert {name for name in NEWEST if S3.get(name) != NEWEST[name]} == APART
    added = set(S3) - set(NEWEST)
    wanted = {canonicalize_name(Requirement(one).name) for extra in FOR_S3 for one in EXTRAS[extra]}
    assert wanted <= added, (
        "nothing of these extras in the usual list, whose python-dateutil they do not get along with"
    )


def test_every_digest_is_of_the_version_that_is_tested():
    found = hashed()
    linux = {name for name, (one, _) in found.items() if one.marker is not None}
    for name, (one, digests) in found.items():
        assert digests and all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests), name
        if name in NEWEST:
            assert version(one) == NEWEST[name], name
        else:  # what other platforms need, and setuptools, which is in every environment
            assert name in linux | {"setuptools"}, name
    wanted = [Requirement(one) for one in [*PROJECT["dependencies"], *EXTRAS["cluster"], *EXTRAS["torch"]]]
    assert {canonicalize_name(one.name) for one in wanted} <= set(found)
    assert all(one.specifier.contains(version(found[canonicalize_name(one.name)][0])) for one in wanted)


def test_the_conda_file_asks_for_the_same(monkeypatch):
    found = yaml.safe_load((ENVS / "environment.yaml").read_text(encoding="utf-8"))
    assert set(found) == {"name", "channels", "dependencies"} and found["channels"][-1] == "nodefaults"
    *conda, by_pip = found["dependencies"]
    python = next(one for one in conda if one.startswith("python="))
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python=")) and "pip" in conda
    options = dict(line.split() for line in by_pip["pip"])
    monkeypatch.chdir(ENVS)  # where pip is run
    assert set(options) == {"--constraint", "--editable"} and Path(options["--constraint"]).samefile("constraints.txt")
    path, extras = re.fullmatch(r"([^\[]+)\[(.+)\]", options["--editable"]).groups()
    assert (Path(path) / "pyproject.toml").is_file() and set(extras.split(",")) <= set(EXTRAS)


def test_the_image_is_made_of_what_there_is():
    for words in re.findall(r"^COPY (.+)$", DOCKERFILE, flags=re.MULTILINE):
        *sources, target = words.split()
        assert all((tiny.ROOT / source).exists() for source in sources) and target.startswith("/opt/source/")
    constraint, extras = re.search(r'--constraint /opt/source/(\S+) "/opt/source\[(.+)\]"', DOCKERFILE).groups()
    assert constraint == "envs/constraints-s3.txt" and (tiny.ROOT / constraint).is_file()
    assert set(extras.split(",")) == {"cluster", "kubernetes", "s3", "torch"} and set(extras.split(",")) <= set(EXTRAS)
    python = re.search(r"^ARG BASE=python:([0-9.]+)-", DOCKERFILE, flags=re.MULTILINE)[1]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)


@pytest.mark.parametrize(
    "profile", sorted((tiny.ROOT / "workflow/profiles").glob("*/profile.yaml")), ids=lambda path: path.parent.name
)
def test_every_profile_sets_what_results_depend_on(profile):
    found = yaml.safe_load(profile.read_text(encoding="utf-8"))
    usual = yaml.safe_load((tiny.ROOT / "workflow/profiles/default/profile.yaml").read_text(encoding="utf-8"))
    for name in ("rerun-triggers", "rerun-incomplete", "keep-going", "scheduler"):
        assert found[name] == usual[name], name


def test_no_rule_has_an_environment_of_its_own():
    """Rules run the Python that runs Snakemake, so an environment that Snakemake made for a rule would not be used."""
    rules = [tiny.ROOT / "Snakefile", *(tiny.ROOT / "workflow" / "rules").glob("*.smk")]
    named = [
        path.name for path in rules if re.search(r"^\s*conda:", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]
    assert not named


def test_every_pinned_version_runs_on_the_lowest_python_that_is_stated():
    """Of every release of it: a pin that wants 3.11.5 cannot be installed where a system has 3.11.2."""
    lowest = re.search(r">=\s*([\d.]+)", PROJECT["requires-python"])[1]
    wants = {canonicalize_name(one.metadata["Name"]): one.metadata.get("Requires-Python") for one in distributions()}
    assert {name for name in NEWEST if wants.get(name)}, "what is pinned is installed here"
    assert {
        name for name in NEWEST if wants.get(name) and not SpecifierSet(wants[name]).contains(f"{lowest}.0")
    } == set()
