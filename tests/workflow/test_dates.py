"""Dates decide nothing: what a run makes again, whatever happened to the files' dates and to Snakemake's memory of them."""

from __future__ import annotations

import base64
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import tiny
import warm
from popleak import steps
from runs import copy, snakemake

STAGES = tuple(stage for stage in steps.STAGES if stage not in ("sample", "inspect", "advise"))
"""Stages of an experiment without generators and without an audit."""

pytestmark = pytest.mark.dag
OPTIONS = "{path: people.csv, label: y, positive: 1, attribute: g, groups: [u, v]}"
CONFIG = f"""
experiment: small
seed: 1
tasks:
  - {{dataset: table, id: own, rows: 60, query_rows: 20, placebo: 0, options: {OPTIONS}}}
worlds: [{{protocol: ratio, ratios: [0.1, 0.9]}}]
models: [{{name: mlp, settings: {{widths: [4]}}}}]
defences: [none, finetune]
attacks: [loss, kl]
population: {{splits: 2, victims: 4, shadows: 2}}
training: {{epochs: 1}}
figures: [gap]
"""
HERE = ("--configfile", "small.yaml")
ALL = ("mtime", "params", "input", "code", "software-env")
PROFILE = ("mtime", "params")
DATES = ("mtime",)
"""What Snakemake is told to look at (`--rerun-triggers`). More triggers make no less."""


def people(shift: int = 0) -> str:
    """Return a table of 800 people as CSV."""
    rows = (f"{(i // 2 + i * i // 7) % 2},{'uv'[i % 2]},{(i * 37 + shift) % 101}" for i in range(800))
    return "y,g,x\n" + "".join(f"{row}\n" for row in rows)


def made(folder: Path, *words: str, triggers: tuple[str, ...] = ALL) -> set[tuple[str, str]]:
    """Return stage and id of each step that a run would make, and (`publish`, kind) for the files that it would copy."""
    # as if every file were larger than those of which Snakemake compares the content
    given = ("--workflow-profile", "none", "--max-checksum-file-size", "0", "--rerun-triggers", *triggers)
    said = snakemake(folder, "--dry-run", *words, *given, *HERE)
    outputs = " ".join(re.findall(r"output: (.*)\n", said))
    found = set(re.findall(r"results/store/(\w+)/([\w-]+)\.", outputs))
    return found | {("publish", kind) for kind in re.findall(r"^(?:local)?rule publish_(\w+):", said, re.MULTILINE)}


PLANNED = """
from popleak.cli import tools
from popleak.plan import build
from pathlib import Path
for step in build.build(tools.experiment_of([Path("small.yaml")])).all_steps():
    print(step.stage, step.id)
"""


def planned(folder: Path) -> set[tuple[str, str]]:
    """Return stage and id of each step of the config in a folder, planned by the code in it."""
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow")}
    words = [warm.python(), "-c", PLANNED]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {tuple(line.split()) for line in done.stdout.splitlines()}


def made_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "results").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run."""
    folder = copy(tmp_path_factory.mktemp("dates"))
    (folder / "small.yaml").write_text(CONFIG)
    (folder / "people.csv").write_text(people())
    snakemake(folder, "--cores", "1", *HERE)
    return folder


@pytest.fixture
def done(first, tmp_path):
    """A copy of that run, dates kept."""
    folder = tmp_path / "copy"
    shutil.copytree(first, folder, symlinks=True)
    return folder


# What happens to dates.


def raw_copied(folder: Path) -> Path:
    """The same bytes with a newer date."""
    (folder / "people.csv").write_bytes((folder / "people.csv").read_bytes())
    return folder


def shuffled(folder: Path) -> Path:
    """Each file has a date of its own between 2001 and next year."""
    rng = random.Random(0)
    for path in [*files(folder), folder / "people.csv"]:
        os.utime(path, (rng.uniform(1e9, path.stat().st_mtime + 3e7),) * 2)
    return folder


def reversed_dates(folder: Path) -> Path:
    """A later file is older: the clock was set back between any two jobs."""
    for number, path in enumerate(sorted(files(folder), key=lambda path: -path.stat().st_mtime_ns)):
        os.utime(path, (1e9 + number,) * 2)
    return folder


def unpacked(folder: Path) -> Path:
    """As an archive that keeps no dates gives them back."""
    memory_lost(folder)
    for path in [*files(folder), folder / "people.csv"]:
        os.utime(path, (1, 1))
    return folder


def memory_lost(folder: Path) -> Path:
    shutil.rmtree(folder / ".snakemake")
    return folder


def memory_lost_and_shuffled(folder: Path) -> Path:
    return shuffled(memory_lost(folder))


def results_copied(folder: Path) -> Path:
    """`cp -r results` into a fresh clone: dates in the order in which the files were copied."""
    other = copy(made_folder(folder.with_name("fresh")))
    for path in [*files(folder), folder / "people.csv", folder / "small.yaml"]:
        aim = other / path.relative_to(folder)
        aim.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, aim)
    rng = random.Random(1)
    for path in files(other):
        os.utime(path, (path.stat().st_mtime + rng.uniform(-60, 0),) * 2)
    return other


def second_clone(folder: Path) -> Path:
    """Another clone whose `results` is a link to the first one's folder."""
    other = copy(made_folder(folder.with_name("second")))
    (other / "results").symlink_to(folder / "results")
    for name in ("people.csv", "small.yaml"):
        shutil.copy2(folder / name, other)
    return shuffled(other)


def touched(folder: Path) -> Path:
    snakemake(shuffled(folder), "--touch", "--cores", "1", *HERE)
    return folder


def touched_in_part(folder: Path) -> Path:
    snakemake(shuffled(folder), "--touch", "--until", "split", "--cores", "1", *HERE)
    return folder


def forgotten_marks(folder: Path) -> Path:
    """Snakemake was killed before it noted that jobs had ended, and is told to take no notice (`--ignore-incomplete`)."""
    for path in files(folder):
        if "store" in path.parts:
            _mark(folder, path)
    return folder


def _mark(folder: Path, path: Path) -> None:
    """Mark a file as Snakemake does while its job runs."""
    name = base64.b64encode(str(path.relative_to(folder)).encode()).decode()
    (folder / ".snakemake" / "incomplete").mkdir(exist_ok=True)
    (folder / ".snakemake" / "incomplete" / name).touch()


EVENTS = [
    raw_copied, shuffled, reversed_dates, unpacked, memory_lost, memory_lost_and_shuffled, results_copied, second_clone,
    touched, touched_in_part, forgotten_marks,
]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_nothing_is_made_again(done, event):
    folder = event(done)
    more = ("--ignore-incomplete",) if event is forgotten_marks else ()
    assert made(folder, *more) == set()


def test_every_profile_has_those_triggers():
    profiles = sorted((tiny.ROOT / "workflow" / "profiles").glob("*/profile.yaml"))
    assert len(profiles) >= 3
    for path in profiles:
        assert tuple(yaml.safe_load(path.read_text())["rerun-triggers"]) == PROFILE, path


@pytest.mark.parametrize("triggers", [ALL, PROFILE], ids=" ".join)
def test_raw_data_moved(done, triggers):
    """Where they lie is in no id. Snakemake itself compares the paths if it is told to (`input`), and runs all that was made of the table."""
    (done / "data" / "table").mkdir(parents=True)
    (done / "people.csv").rename(done / "data" / "table" / "people.csv")
    (done / "small.yaml").write_text(f"{CONFIG}data_dir: data\n")
    assert {stage for stage, _ in made(done, triggers=triggers)} == (from_("dataset") if "input" in triggers else set())


@pytest.mark.parametrize("triggers", [ALL, PROFILE], ids=" ".join)
def test_a_rules_command_spelt_otherwise(done, triggers):
    """What a command says beside paths and settings decides no result (`helpers/whole.py` holds it to that)."""
    rule = done / "workflow" / "rules" / "dataset.smk"  # the command of the other rules too
    text = rule.read_text()
    assert "python -m popleak" in text
    rule.write_text(text.replace("python -m popleak", "python  -m popleak"))
    assert {stage for stage, _ in made(done, triggers=triggers)} == (from_("dataset") if "code" in triggers else set())


def test_another_caption_makes_nothing_again(done):
    source = done / "workflow" / "popleak" / "report" / "captions.py"
    source.write_text(source.read_text().replace("Public table {name}.", "Table {name}."))
    assert {stage for stage, _ in made(done)} <= {"report", "publish"}


def from_(stage: str) -> set[str]:
    """Return a stage and all that follow it."""
    return {*STAGES[STAGES.index(stage) :], "publish"}


def test_a_killed_job_is_run_again_with_what_was_made_of_it(done):
    """Its file is whole, since it is moved into place; Snakemake cannot know, and makes it again."""
    _mark(done, next(done.glob("results/store/train/*.victims.parquet")))
    assert {stage for stage, _ in made(done, "--rerun-incomplete")} == from_("train")


@pytest.mark.parametrize("stage", ["dataset", "train", "attack", "report"])
def test_beside_a_killed_job_all_that_is_missing_is_made(done, stage):
    """A run that was killed while a job's file stood there and nothing after it: once, that job alone was run, and the run ended well."""
    _mark(done, sorted((done / "results" / "store" / stage).iterdir())[0])
    shutil.rmtree(done / "results" / "small")
    for later in STAGES[STAGES.index(stage) + 1 :]:
        shutil.rmtree(done / "results" / "store" / later)
    assert {one for one, _ in made(done, "--rerun-incomplete")} == from_(stage)


def test_a_step_that_is_forced_is_run_with_what_was_made_of_it(done):
    assert {stage for stage, _ in made(done, "--forcerun", "train")} == from_("train")


# After a change, what depends on it.


def changed(folder: Path, before: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the steps that the plan of a folder, by the code in it, has and had not `before`, and what is to be copied then."""
    found = planned(folder) - before
    assert found
    stages = {"tables": "tables", "figures": "figures", "report": "report"}
    everything = "experiment: small" not in (folder / "small.yaml").read_text()
    return found | {("publish", kind) for kind in stages if everything or any(one == stages[kind] for one, _ in found)}


def worlds(folder: Path) -> None:
    config = folder / "small.yaml"
    config.write_text(config.read_text().replace("[0.1, 0.9]", "[0.45, 0.55]"))


def attacks_setting(folder: Path) -> None:
    config = folder / "small.yaml"
    config.write_text(config.read_text().replace("[loss, kl]", "[loss, {name: kl, settings: {clip: 0.01}}]"))


def training(folder: Path) -> None:
    config = folder / "small.yaml"
    config.write_text(config.read_text().replace("epochs: 1", "epochs: 2"))


def title(folder: Path) -> None:
    config = folder / "small.yaml"
    config.write_text(f"{config.read_text()}title: another\n")


def another_experiment(folder: Path) -> None:
    """Of the same cells, and one more attack."""
    config = folder / "small.yaml"
    config.write_text(
        config.read_text().replace("experiment: small", "experiment: other").replace("[loss, kl]", "[loss, kl, meta]")
    )


def module(name: str):
    def edit(folder: Path) -> None:
        path = folder / "workflow" / "popleak" / name
        path.write_text(f"{path.read_text()}\n\nADDED = 1\n")

    edit.__name__ = name
    return edit


def content(folder: Path) -> None:
    """With the old date."""
    stat = (folder / "people.csv").stat()
    (folder / "people.csv").write_text(people(1))
    os.utime(folder / "people.csv", ns=(stat.st_atime_ns, stat.st_mtime_ns))


CHANGES = {
    worlds: {"draw", "train", "defend", "query", "measure", "attack", "tables", "figures", "report"},
    training: {"train", "defend", "query", "measure", "attack", "tables", "figures", "report"},
    title: {"report"},
    content: {"dataset", "split", "draw", "train", "defend", "query", "measure", "attack", "tables", "figures", "report"},
    another_experiment: {"attack", "tables", "report"},
    attacks_setting: {"attack", "tables", "report"},
    module("defences/finetune.py"): {"defend", "query", "measure", "attack", "tables", "figures", "report"},
    module("attacks/kl.py"): {"attack", "tables", "report"},
    module("figures/gap.py"): {"figures", "report"},
}  # fmt: skip
"""What is changed, and the stages that depend on it."""


@pytest.fixture(scope="module")
def before(first):
    """The steps of the finished run."""
    return planned(first)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_depends_on_a_change_is_made_and_nothing_else(done, before, change):
    """Whatever Snakemake is told to look at: no more by all triggers, although all dates were shuffled and its memory lost, and no less by
    dates alone, although it was told that all is up to date (`--touch`)."""
    memory_lost_and_shuffled(done)
    change(done)
    expected = changed(done, before)
    assert {stage for stage, _ in expected} - {"publish"} == CHANGES[change]
    assert made(done, triggers=ALL) == expected
    snakemake(done, "--touch", "--cores", "1", *HERE)
    assert made(done, triggers=DATES) == expected


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A run of two narrower worlds in a folder of its own: what it published."""
    folder = copy(tmp_path_factory.mktemp("narrow"))
    (folder / "small.yaml").write_text(CONFIG)
    (folder / "people.csv").write_text(people())
    worlds(folder)
    snakemake(folder, "--cores", "1", *HERE)
    return published(folder)


def published(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files(folder)
        if path.is_relative_to(folder / "results" / "small") and ".stamps" not in path.parts
    }


def test_other_worlds_in_the_same_folder_get_models_of_their_own(done, narrow):
    """All that is there is dated next year, as after a clock that was set back: models of 0.1 and 0.9 answer for no others."""
    for path in files(done):
        os.utime(path, (path.stat().st_mtime + 3e7,) * 2)
    old = published(done)
    worlds(done)
    snakemake(done, "--cores", "1", *HERE, "--rerun-triggers", *DATES)
    assert published(done) == narrow != old
    assert made(done) == set()


def test_raw_data_dated_in_the_future_are_refused_before_a_job(done):
    """Snakemake would fail the job when it is done. What is made of them already is no reason to complain."""
    os.utime(done / "people.csv", (4e9, 4e9))
    assert made(done) == set()
    next(done.glob("results/store/dataset/*")).unlink()
    said = snakemake(done, "--dry-run", *HERE, status=1)
    assert "people.csv: is dated in the future" in said and "Traceback" not in said


# What is gone or damaged.


def test_files_that_are_gone_are_made_when_they_are_needed(done):
    """Not before: what was made of them is there."""
    gone = []
    for stage in ("dataset", "split", "draw", "train", "defend", "query", "measure", "attack"):
        gone.append(sorted((done / "results" / "store" / stage).iterdir())[0])
        gone[-1].unlink()
    assert made(done) == set()
    needed = made(done, *(str(path.relative_to(done)) for path in gone), triggers=DATES)
    assert {(path.parent.name, path.name.split(".")[0]) for path in gone} <= needed


def test_with_a_file_that_is_gone_all_that_was_made_of_it_is_made_again(done):
    """Where a job needs it: on another machine its last bits may be others."""
    next(done.glob("results/store/defend/*-finetune-*.victims.parquet")).unlink()
    next(done.glob("results/store/query/*-finetune-*.victims.parquet")).unlink()
    table = next(done.glob("results/store/attack/*-kl-*"))
    table.unlink()
    found = made(done, str(table.relative_to(done)), triggers=DATES)
    assert {stage for stage, _ in found} == {"defend", "query", "attack"}


@pytest.mark.parametrize(("stage", "kind"), [("tables", "tables"), ("figures", "figures"), ("report", "report")])
def test_a_result_that_is_gone_is_made_again(done, stage, kind):
    path = sorted((done / "results" / "store" / stage).iterdir())[-1]
    path.unlink()
    found = made(done, triggers=DATES)
    assert {(stage, path.name.split(".")[0]), ("publish", kind)} <= found
    assert {one for one, _ in found} <= {"tables", "figures", "report", "publish"}


def test_a_step_that_was_forced_is_published(done):
    """A figure with other bytes under the same id: the copies are the new ones when the run ends."""
    name = next(done.glob("results/store/figures/*.csv"))
    other = b"other\n"
    rule = done / "workflow" / "rules" / "figures.smk"
    shell = "{params.results} --settings {params.settings:q} 2>&1 | tee {log}"
    assert shell in rule.read_text()
    # the report has the same command, and is no figure
    more = (
        "; cd results/store/figures; if [ -f {wildcards.id}.pdf ]; then echo other > {wildcards.id}.csv; "
        "sha256sum {wildcards.id}.pdf {wildcards.id}.png {wildcards.id}.csv > {wildcards.id}.sha256; fi"
    )
    rule.write_text(rule.read_text().replace(shell, shell + more))
    snakemake(done, "--cores", "1", *HERE, "--forcerun", "figures", "--rerun-triggers", *DATES)
    assert name.read_bytes() == other == (done / "results/small/figures/gap.csv").read_bytes()
