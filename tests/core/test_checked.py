"""Types and style: mypy finds nothing in the package, ruff nothing in any code."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib

import pytest
from packaging.utils import canonicalize_name

import tiny

pytestmark = pytest.mark.slow

CODE = ("workflow", "tests", "benchmarks")
TYPED = ("mypy", "matplotlib", "numba", "numpy", "pandas", "pyarrow", "pydantic", "torch")
"""Libraries whose own types decide what mypy finds."""
STRICT = {"core", "plan", "questions", "steps", "store", "threat"}


def run(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=tiny.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def other_versions() -> list[str]:
    """Return the libraries that are not there in the version whose types were tried."""
    lines = (tiny.ROOT / "envs" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tried = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if "==" in line}
    found = []
    for name in TYPED:
        try:
            there = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            there = "none"
        if there != tried[name]:
            found.append(f"{name} {there}, not {tried[name]}")
    return found


def test_types():
    if found := other_versions():
        pytest.skip(f"types are checked with envs/constraints.txt, and here is {', '.join(found)}")
    run("mypy")


def test_the_rooms_that_plan_and_store_are_checked_strictly():
    """No room may leave the list, and mypy may overlook none."""
    mypy = tomllib.loads((tiny.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    stubs, strict = mypy["overrides"]
    assert stubs["module"] == ["pandas", "pandas.*"]  # only a library is taken as it is, untyped
    assert {name.split(".")[1] for name in strict["module"]} == STRICT
    assert "ignore_errors" not in {*mypy, *strict} and "exclude" not in mypy
    assert (tiny.ROOT / "workflow" / "popleak" / "py.typed").is_file()


@pytest.mark.parametrize("words", [("check",), ("format", "--check")], ids=" ".join)
def test_style(words):
    run("ruff", *words, *CODE)
