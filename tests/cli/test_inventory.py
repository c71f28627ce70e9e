"""`popleak verify` and `popleak gc`: whatever happens to a file of a results folder is named, and what is whole is not."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import shutil
from pathlib import Path

import pytest

import tiny
import whole
from popleak.cli import inventory
from popleak.core.errors import PopleakError
from popleak.plan import build as plan
from popleak.plan import places
from popleak.stages import publish
from popleak.store import parquet as store

pytestmark = pytest.mark.slow
OTHER = [{"protocol": "ratio", "ratios": [0.45, 0.55]}, {"protocol": "samples", "ratios": [0.4, 0.7]}]
SMALL = {
    "attacks": ["loss", "property-inference"], "defences": ["none", "finetune"], "figures": ["gap"], "training": {"epochs": 1},
    "worlds": [{"protocol": "pure"}, {"protocol": "samples", "ratios": [0.3, 0.6]}],
    "generators": [{"name": "tabular-diffusion", "settings": {"width": 8, "depth": 1, "epochs": 1, "steps": 5}}],
    "audit": {},
}  # fmt: skip


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


@functools.cache
def small() -> plan.Plan:
    return tiny.build(**SMALL)


@functools.cache
def other() -> plan.Plan:
    return tiny.build(**{**SMALL, "worlds": OTHER}, experiment="other")


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
    for _ in range(4):
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


def test_copies_of_a_buckets_objects_are_current_beside_a_store_of_other_bytes(results):
    """Who ran here first, and then with the store in a bucket, whose jobs run on other machines. The store here is not what is copied."""
    copies, record = small().public("tables"), publish.record(small(), "tables")
    publish.run(
        files=[Path(path) for path in copies.values()], outputs=[Path(path) for path in copies], record=[Path(record)]
    )
    path = copies["results/small/tables/models.parquet"]
    store.write(path, store.read(path), {**store.facts(path), "device": "another"})
    assert publish.renew(small(), remote=True) == set(small().public())
    assert publish.stale(small()) == [] and publish.tidy(small()) == []
    # without the bucket the store here is what counts
    assert set(small().public()) - publish.renew(small()) == {"results/small/tables/models.parquet"}


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


# A stranger's results.

NAME = "mlp-000000000000"


def test_the_name_of_a_file_makes_no_line_of_its_own_and_moves_no_cursor(results, capsys):
    for name in (
        "x\n9 files are intact.parquet",
        "\x1b[2Jx.parquet",
        "x\rpopleak: all is well.txt",
        "\u202ex.png",
        "\udcffx.txt",
    ):
        (results / "store" / "train" / name).write_bytes(b"foreign")
    problems = inventory.verify(small()).problems
    assert len(problems) == 5 and all(line.isprintable() for line in problems)


def test_what_is_no_file_is_not_read(results):
    os.mkfifo(results / "store" / "train" / f"{NAME}.parquet")
    (results / "store" / "train" / "loop").symlink_to(results / "store")
    (results / "store" / "train" / "zero.parquet").symlink_to("/dev/zero")
    assert inventory.verify(small()).problems == []


def test_gc_deletes_nothing_that_a_link_leads_to_and_nothing_of_another_name(results):
    """Neither does `verify` or `gc` write anything."""
    elsewhere = results.parent / "elsewhere"
    elsewhere.mkdir()
    for name in (f"{NAME}.parquet", "letter.pdf"):
        (elsewhere / name).write_bytes(b"mine")
    shutil.rmtree(results / "store" / "attack")
    (results / "store" / "attack").symlink_to(elsewhere)
    (results / "store" / "home").symlink_to(elsewhere)
    (results / "store" / "train" / "notes.txt").write_bytes(b"mine")
    (results / "store" / "train" / f"{NAME}.parquet").symlink_to(elsewhere / f"{NAME}.parquet")
    (results / "store" / "train" / f".{NAME}.parquet.17.partial").write_bytes(b"half")
    before = {path: path.read_bytes() for path in elsewhere.iterdir()}
    found = inventory.unused([small()])
    assert Path("results/store/train", f".{NAME}.parquet.17.partial") in found
    assert Path("results/store/train", f"{NAME}.parquet") in found
    assert not any("elsewhere" in str(path) or "notes" in path.name or "attack" in path.parts for path in found)
    for path in found:
        path.unlink()
    assert {path: path.read_bytes() for path in elsewhere.iterdir()} == before
    assert (results / "store" / "train" / "notes.txt").exists()


LINKS = [
    "store/train", "logs/train", "logs/publish", "small", "small/tables", "small/figures", "small/.stamps", ".runs", ".runs/lock",
    "small/.stamps/report", "logs/publish/small/tables.log", "logs/publish/small/tables.stamp.log", "logs/page", "logs/page/small.log",
    "logs/fetch", "{log}",
]  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_a_link_through_which_a_run_would_write_elsewhere_is_refused(results, name):
    built = small()
    step = next(iter(built.steps["train"].values()))
    path = results / name.format(log=f"logs/train/{step.id}.log")
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(results.parent / "profile")
    with pytest.raises(PopleakError) as error:
        places.check(built)
    assert str(error.value).startswith(f"{path.relative_to(results.parent)}: a link to ") and "\n" not in str(
        error.value
    )
    path.unlink()
    places.check(built)


@pytest.mark.parametrize(
    "name", ["", "store", "store/train", "logs", "logs/train", "small", "small/tables", "small/.stamps"]
)
def test_a_file_in_the_place_of_a_folder_is_named(results, name):
    path = Path("results", name)
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(PopleakError, match=rf"^{path}: a file, where a folder of this name is needed: move it away$"):
        places.check(small())
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["data/german", "logs/fetch", "logs/fetch/german", "logs/fetch/german/german.data.log"]
)
def test_a_link_through_which_a_download_would_be_written_elsewhere_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POPLEAK_DATA", raising=False)
    built = tiny.build(tasks=[{"dataset": "german", "rows": 60, "query_rows": 30}])
    assert list(built.fetches) == ["results/data/german/german.data"]
    path = tmp_path / "results" / name
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path)
    with pytest.raises(PopleakError, match=rf"^results/{name}: a link to "):
        places.check(built)


@pytest.mark.parametrize("name", ["", "store", "logs", "data"])
def test_a_folder_that_the_user_has_moved_to_a_larger_disk_is_none(results, name):
    for folder in ("logs", "data"):
        shutil.rmtree(results / folder, ignore_errors=True)
        (results / folder).mkdir()
    (results / name).rename(results.parent / "larger")
    (results / name).symlink_to(results.parent / "larger")
    places.check(small())
    (results.parent / "larger").rename(results.parent / "unmounted")
    with pytest.raises(
        PopleakError, match=rf"^{(Path('results') / name)}: a link to .*larger', where there is no folder: mount"
    ):
        places.check(small())


def test_dates_of_what_a_link_leads_to_stay(results):
    """A run dates the files of the store before it starts."""
    mine = results.parent / "mine"
    mine.write_bytes(b"mine")
    os.utime(mine, (1e9, 1e9))
    for path in (KINDS["query victims"], "results/small/tables/scores.parquet"):
        Path(path).unlink()
        Path(path).symlink_to(mine)
    publish.settle(small())
    publish.renew(small())
    assert mine.stat().st_mtime == 1e9 and mine.read_bytes() == b"mine"
