"""The versions that are stated are the versions that were run: pyproject.toml, envs/lowest.txt and envs/constraints*.txt."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import tiny
from pins import LOWEST, NEWEST, S3

PROJECT = tomllib.loads((tiny.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"].values()
WANTED = [Requirement(one) for one in [*PROJECT["dependencies"], *(one for extra in EXTRAS for one in extra)]]
TRIED = S3 | NEWEST


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_the_stated_minimum_is_the_one_that_was_run(wanted):
    name = canonicalize_name(wanted.name)
    least = [Version(one.version) for one in wanted.specifier if one.operator == ">="]
    assert least == [LOWEST[name]]
    assert wanted.specifier.contains(TRIED[name]), "the pinned version lies in the stated range"


def test_numba_is_bounded_by_the_next_minor_version():
    """Its compiler reads this package's functions: a new minor version may take them otherwise, or not at all."""
    numba = next(one for one in WANTED if one.name == "numba")
    tried = NEWEST["numba"]
    assert f"<{tried.major}.{tried.minor + 1}" in str(numba.specifier).split(",")
    assert not numba.specifier.contains(f"{tried.major}.{tried.minor + 1}.0")


def test_the_version_is_dated_as_it_is_cited():
    import yaml

    import popleak

    cited = yaml.safe_load((tiny.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["version"], cited["date-released"]) == (popleak.__version__, popleak.__released__)
