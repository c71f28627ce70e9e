"""Loops kept as machine code: found again, made anew where anything differs, and never trusted where another may have written."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding

import tiny
from popleak.core import private
from popleak.engine import compiled
from popleak.engine.layout import ARGUMENTS, Layout, pack_table

pytestmark = pytest.mark.slow

SCORE = """
import sys
import numpy as np
from popleak.engine import fit
table = fit.Table.of(np.linspace(-2, 2, 24).reshape(6, 4), [0] * 6, [0] * 6)
build = fit.Chain((4, 3, 1))
scores = fit.predict_rows(build, fit.initial_weights(build, np.arange(2)), table, np.arange(6)[None])
print(scores.tobytes().hex(), "numba" in sys.modules)
"""


def score(folder: Path, **more: str) -> tuple[str, bool]:
    """Return the scores of two models as a fresh process finds them with its cache in `folder`, and whether it loaded numba."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder), "PYTHONPATH": str(tiny.ROOT / "workflow")} | more
    done = subprocess.run([sys.executable, "-c", SCORE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    numbers, loaded = done.stdout.split()
    return numbers, loaded == "True"


@pytest.fixture(scope="module")
def warm(tmp_path_factory) -> tuple[Path, str]:
    """A cache that one process has filled, and what it computed."""
    folder = tmp_path_factory.mktemp("cache")
    numbers, loaded = score(folder)
    assert loaded
    return folder, numbers


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "popleak").glob("*.o"))


def test_a_second_process_loads_no_numba_and_finds_the_same_bits(warm):
    folder, numbers = warm
    assert [path.name.rsplit("-", 1)[0] for path in kept(folder)] == ["score-float32"]
    assert score(folder) == (numbers, False)


def test_a_damaged_file_is_made_anew(warm, tmp_path):
    folder, numbers = warm
    shutil.copytree(folder / "popleak", tmp_path / "popleak")
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] + b"\0" * 64 + whole[5064:])
    assert score(tmp_path) == (numbers, True)
    assert path.read_bytes() == whole, "the same code again, in the place of the damaged"


def test_a_cache_that_cannot_be_written_costs_time_alone(warm, tmp_path):
    (tmp_path / "popleak").write_text("no folder")
    assert score(tmp_path) == (warm[1], True)


def test_other_settings_of_numba_are_other_code(warm):
    folder, numbers = warm
    assert score(folder, NUMBA_DEBUG_CACHE="0") == (numbers, True)


def test_processes_that_compile_at_once_do_not_meet(warm, tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(tiny.ROOT / "workflow")}
    jobs = [
        subprocess.Popen([sys.executable, "-c", SCORE], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert {job.communicate()[0].split()[0] for job in jobs} == {warm[1]}
    assert len(list((tmp_path / "popleak").iterdir())) == 1


def key(monkeypatch) -> str:
    for cached in (compiled.facts, compiled._processor):
        cached.cache_clear()
    return compiled.key("score", "float32")


@pytest.fixture
def fresh():
    yield
    for cached in (compiled.facts, compiled._processor):
        cached.cache_clear()


@pytest.mark.parametrize("source", compiled.SOURCES)
def test_the_key_follows_the_sources(monkeypatch, tmp_path, fresh, source):
    before = key(monkeypatch)
    for name in compiled.SOURCES:
        shutil.copy(Path(compiled.__file__).with_name(f"{name}.py"), tmp_path)
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    assert key(monkeypatch) == before, "where the package lies does not matter"
    with open(tmp_path / f"{source}.py", "a") as file:
        file.write("# another\n")
    assert key(monkeypatch) != before


@pytest.mark.parametrize("library", ["numba", "llvmlite", "numpy"])
def test_the_key_follows_the_compilers_version(monkeypatch, fresh, library):
    before, version = key(monkeypatch), importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == library else version(name))
    assert key(monkeypatch) != before


def test_the_key_follows_the_processor(monkeypatch, fresh):
    before = key(monkeypatch)
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: "pentium")
    other = key(monkeypatch)
    monkeypatch.undo()
    features = {**binding.get_host_cpu_features(), "avx512f": False, "sse2": False}
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: type("Features", (dict,), {"flatten": str})(features))
    assert len({before, other, key(monkeypatch)}) == 3


def test_the_key_follows_numbas_settings_and_python(monkeypatch, tmp_path, fresh):
    monkeypatch.chdir(tmp_path)
    found = [key(monkeypatch)]
    monkeypatch.setenv("NUMBA_OPT", "1")
    found.append(key(monkeypatch))
    (tmp_path / ".numba_config.yaml").write_text("opt: 0\n")
    found.append(key(monkeypatch))
    monkeypatch.setattr(sys, "version", "4.0")
    found.append(key(monkeypatch))
    assert len(set(found)) == 4
    assert compiled.key("train", "float32") != compiled.key("score", "float32") != compiled.key("score", "float64")


@pytest.mark.parametrize("number", ["float32", "float64"])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_code_holds_nothing_of_pythons(name, number):
    """What can raise would bring a pickled exception with it, and calls that are there only once numba is imported."""
    compiled.loop(name, number)
    code = private.read(f"{name}-{number}-{compiled.key(name, number)}.o") or compiled.make(name, number)
    assert compiled.SYMBOL.encode() in code
    # two letters alone may be an address
    for foreign in (b"pickle", b"Py[A-Z_]", b"numba_", b"NRT_", b"Error"):
        assert not re.search(foreign, code)


def test_other_arrays_than_the_code_was_made_for_are_refused():
    layout, number = Layout.of((2, 1), 1), np.dtype(np.float32)
    table, one = pack_table(np.zeros((1, 2), number)), np.zeros((1, 1), np.int64)
    packed, found = layout.pack(np.zeros((1, 3), number)), np.full((1, 1), 7, number)
    good = [layout.arena(number), layout.shape, table, one, 1, packed, found]
    run = compiled.loop("score", "float32")
    run(*good)
    assert found[0, 0] == 0
    for place, bad in (
        (2, table.astype(float)),
        (3, one[0]),
        (3, one.astype(np.int32)),
        (5, np.asfortranarray(np.zeros((3, 4), number))),
    ):
        with pytest.raises(ValueError, match="in C order, not"):
            run(*good[:place], bad, *good[place + 1 :])
    with pytest.raises(ValueError, match="argument"):
        run(*good[:-1])
