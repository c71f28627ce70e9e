"""`popleak verify` and `popleak gc`: whatever happens to a file of a results folder is named, and what is whole is not."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from pathlib import Path

import pytest

import tiny
import whole
from popleak.cli import inventory
from popleak.plan import build as plan
from popleak.stages import publish
from popleak.store import parquet as store

pytestmark = pytest.mark.slow
SMALL = {"attacks": ["loss"], "defences": ["none", "finetune"], "figures": ["gap"], "training": {"epochs": 1}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of two experiments whose worlds differ; the first one's are published."""
    folder = tmp_path_factory.mktemp("inventory")
    for built in (other(), small()):
        whole.run_all(built, folder)
    with contextlib.chdir(folder):
        copies = small().public()
        publish.run(files=[Path(path) for path in copies.values()], outputs=[Path(path) for path in copies])
    return folder


def small() -> plan.Plan:
    return tiny.build(**SMALL)


def other() -> plan.Plan:
    return tiny.build(**SMALL, worlds=[{"protocol": "ratio", "ratios": [0.45, 0.55]}], experiment="other")


@pytest.fixture
def results(folder, tmp_path, monkeypatch):
    """A copy of them, the current folder."""
    shutil.copytree(folder / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def names(path: Path | str) -> set[str]:
    """Return the lines of `verify` that begin with a path."""
    found = inventory.verify(small()).problems
    assert all("\n" not in line for line in found)
    return {line for line in found if line.startswith(f"{path}: ")}


def stored(built: plan.Plan) -> list[tuple[str, str]]:
    """Return (kind, path) of one file of each kind: stage and output."""
    return list(
        {f"{step.stage} {name}": path for step in built.all_steps() for name, path in step.outputs.items()}.items()
    )


KINDS = dict(stored(small()))


def test_what_is_whole_is_not_named(results):
    built = small()
    files = {path for step in built.all_steps() for path in step.outputs.values()}
    shared = {path for step in other().all_steps() for path in step.outputs.values()} & files
    assert shared, "two experiments share the dataset and its pools"
    found = inventory.verify(built)
    assert found.problems == [] and found.absent == 0
    assert found.whole == len(files) + len(built.public())
    assert found.others == len({path for path in results.glob("store/*/*")}) - len(files) > 20
    assert {kind.split()[0] for kind in KINDS} == set(plan.STAGES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte_a_lost_file_and_another_runs_file_are_named(results, kind):
    path, rng = Path(KINDS[kind]), random.Random(kind)
    data = path.read_bytes()
    for _ in range(8):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        found = inventory.verify(small()).problems
        beside = {str(one) for one in path.parent.glob(f"{path.name.split('.')[0]}.*")}
        assert found and any(line.partition(": ")[0] in beside for line in found), (
            "it, or what its manifest vouches for"
        )
    path.unlink()
    assert inventory.verify(small()).absent == 1
    theirs = dict(stored(other()))[kind]
    if theirs == str(path):  # both experiments have it
        theirs = next(one for name, one in KINDS.items() if name != kind and Path(one).suffix == path.suffix)
    shutil.copy(theirs, path)  # two runs may come to the same verdicts, to the byte
    assert bool(inventory.verify(small()).problems) == (path.read_bytes() != data)


def test_a_flipped_byte_of_a_published_file_is_named(results):
    for path in small().public():
        data = bytearray(Path(path).read_bytes())
        data[len(data) // 2] ^= 4
        Path(path).write_bytes(data)
        assert len(names(path)) == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("store/train/notes.txt", "not a file of popleak: move it away"),
        ("store/notes.parquet", "truncated or not Parquet"),
        ("store/figures/gap-000000000000.png", "not a file of popleak: move it away"),
        ("store/figures/gap-000000000000.sha256", "damaged"),
        ("store/train/.x.parquet.17.partial", "is being written, or was left by a job that was killed"),
        ("small/tables/leakage-2.parquet", "not a file of this run"),
        ("small/figures/gap.svg", "not a file of this run"),
    ],
)
def test_a_foreign_file_is_named(results, path, said):
    (results / path).write_bytes(b"foreign")
    (line,) = inventory.verify(small()).problems
    assert line.startswith(f"results/{path}: {said}")


def test_another_experiments_file_that_is_damaged_is_named(results):
    path = Path(dict(stored(other()))["query victims"])
    path.write_bytes(path.read_bytes()[:-30] + b"x" * 30)
    assert len(names(path)) == 1


def test_a_step_that_was_made_again_with_other_bytes_names_what_was_made_of_the_old_ones(results):
    """Whole, and under its own name: a base model that came out otherwise on another machine."""
    path = KINDS["train victims"]
    table, facts = store.read(path), store.facts(path)
    store.write(path, table, {**facts, "device": "another"})
    found = inventory.verify(small())
    assert found.absent == 0 and found.problems
    assert all("was made of another train/" in line for line in found.problems)
    assert {line.split("/")[2] for line in found.problems} == {"defend", "query", "measure"}


@pytest.mark.parametrize("name", ["prune", "gc"])
def test_gc_lists_what_no_experiment_needs_and_removes_it_on_request(results, name):
    shutil.copy(tiny.ROOT / "config.yaml", results.parent)
    (results.parent / "small.yaml").write_text(json.dumps(tiny.raw(**SMALL, title="")))
    words = ("popleak", name, "--configfile", "small.yaml")
    needed = {Path(path) for step in small().all_steps() for path in step.outputs.values()}
    said = tiny.command(*words, cwd=results.parent).stdout.splitlines()
    listed = {Path(line) for line in said[:-1]}
    there = {path.relative_to(results.parent) for path in results.glob("store/*/*")}
    assert listed == there - needed and listed
    assert tiny.command(*words, "--delete", cwd=results.parent).returncode == 0
    assert {path.relative_to(results.parent) for path in results.glob("store/*/*")} == needed
    assert inventory.verify(small()).problems == []
