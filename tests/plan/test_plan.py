"""The plan: how many steps, what each config key changes, what experiments share."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import tiny
from popleak.config import papers
from popleak.config import resolve as config
from popleak.core.errors import PopleakError
from popleak.plan import build as plan
from popleak.steps.report import DESCRIBED, papers_of

STORE = plan.STAGES[: plan.STAGES.index("tables")]
PUBLIC = ("models", "bounds", "scores", "leakage", "claims", "proxies", "defences")
EXPERIMENTS = tiny.ROOT / "workflow" / "experiments"
PAGE = tiny.ROOT / "docs" / "experiments.md"


def shipped(name: str | None) -> plan.Plan:
    raw = config.read(tiny.ROOT / "config.yaml")
    return plan.build(config.load(config.merge(raw, config.read(EXPERIMENTS / f"{name}.yaml")) if name else raw))


def sizes(built: plan.Plan) -> dict[str, int]:
    """Return the number of steps by stage, for the stages that have some."""
    return {stage: len(built.steps[stage]) for stage in STORE if built.steps[stage]}


@pytest.fixture(autouse=True)
def almost_no_data(monkeypatch, tmp_path):
    """A data folder with the one file that no publisher serves; the plan asks whether it is there, and no more."""
    file = tmp_path / "data" / "acs_income" / "acs_income_2018_us_100k.parquet"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setenv("POPLEAK_DATA", str(tmp_path / "data"))


# Counts.


def test_default_experiment():
    built = shipped(None)
    # 2 tasks x (base + complement + query); the two worlds share a job; x 5 defences; 1; 1; x 5 attacks
    assert sizes(built) == {
        "dataset": 2, "split": 2, "draw": 6, "train": 2, "defend": 10, "query": 12, "measure": 2, "attack": 10,
    }  # fmt: skip
    assert set(built.tables) == set(PUBLIC)
    assert list(built.figures) == list(built.experiment.figures)
    # 100 victims + 5 splits x 100 shadows in each world
    assert sum(step.models for step in built.steps["train"].values()) == 2 * 2 * 600
    assert sum(step.models for step in built.steps["defend"].values()) == 2 * 2 * 5 * 600
    assert built.fetches == {}
    assert "2 tasks, 14,400 models to train, 59 steps in all" in built.describe()
    assert len(built.all_steps()) == 59


def test_tables_experiment():
    built = shipped("tables")
    tasks, pairs, defences, attacks = 4, 3, 6, 9
    judged = tasks + 1  # measures on the large pool of ACS Income take longer than a job should: its pairs share two
    found = sizes(built)
    assert {name: found[name] for name in ("dataset", "split", "query", "measure", "attack")} == {
        "dataset": tasks, "split": tasks, "query": judged * defences, "measure": judged, "attack": judged * attacks,
    }  # fmt: skip
    # 1,152 victims + 24 splits x 40 shadows; worlds 0, 1, 0.3, 0.5 and the copy of 0.5; a defence for each side of each pair
    models = 1152 + 24 * 40
    assert sum(step.models for step in built.steps["train"].values()) == tasks * 5 * models
    assert sum(step.models for step in built.steps["defend"].values()) == tasks * (defences - 1) * pairs * 2 * models
    assert {name for name, _ in built.fetches.values()} == {"adult", "compas", "lsac"}


def test_smoke_experiment():
    built = shipped("smoke")
    assert sizes(built) == {
        "dataset": 1, "split": 1, "draw": 3, "train": 1, "defend": 2, "query": 3, "measure": 1, "attack": 2,
    }  # fmt: skip
    assert list(built.figures) == ["leakage", "gap"]


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_can_be_planned_and_stays_small(path):
    built = shipped(path.stem)
    assert len(built.all_steps()) < 1000
    assert built.targets()
    models = re.search(r"([\d,]+) models to train", built.describe())[1]
    listed = re.search(rf"^\| `{path.stem}` \|[^|]+\| ([\d,]+) \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert listed, f"{path.stem} is not in the table of docs/experiments.md"
    assert listed[1] == models or built.absent, "the table counts other models"


def test_every_input_is_made_or_there(tmp_path):
    built = shipped("tables")
    made = {path for step in built.all_steps() for path in step.outputs.values()} | set(built.fetches)
    for step in built.all_steps():
        for paths in step.inputs.values():
            assert {path for path in paths if not path.startswith(str(tmp_path / "data"))} <= made
    outputs = [path for step in built.all_steps() for path in step.outputs.values()]
    assert len(set(outputs)) == len(outputs)


def test_ids_are_as_the_snakefile_wants_them():
    for name in (None, "tables", "smoke"):
        built = shipped(name)
        for stage in STORE:
            for step in built.steps[stage].values():
                assert re.fullmatch(r"[a-z0-9][A-Za-z0-9_-]*", step.id), step.id


def test_unknown_steps_are_refused_in_one_line():
    built = tiny.build()
    with pytest.raises(PopleakError, match="not a step of experiment 'small'"):
        built["train", "nonsense"]
    with pytest.raises(PopleakError, match="not a raw file of experiment 'small'"):
        built.source("results/data/x")


def test_path_lengths():
    long = "x" * 40
    for worlds in (
        [{"protocol": "ratio", "ratios": [0.123456, 0.654321]}],
        [{"protocol": "equal", "ratios": [0.123456] * 2}],
    ):
        built = tiny.build(
            experiment=long,
            tasks=[{"dataset": "synthetic-twin", "id": long}],
            worlds=worlds,
            models=[{"name": "logistic", "id": "m" * 40}],
            defences=["none", {"name": "fft-rehearsal", "id": "d" * 40}],
            attacks=[{"name": "accuracy-gap", "id": "a" * 40}],
            population={"splits": 20, "victims": 20, "shadows": 3},
        )
        assert max(len(path) for step in built.all_steps() for path in step.outputs.values()) < 200


@pytest.mark.parametrize("name", [None, "tables"])
def test_shipped_paths_are_short(name):
    assert max(len(path) for step in shipped(name).all_steps() for path in step.outputs.values()) < 130


def test_planning_is_light():
    """A Snakefile is parsed again by every cluster job: no torch, pandas or matplotlib."""
    code = (
        "import sys; from popleak.config import resolve as config; from popleak.plan import build as plan\n"
        "built = plan.build(config.load(config.read('config.yaml')))\n"
        "[step.code for step in built.all_steps()]\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    environment = os.environ | {"PYTHONPATH": str(tiny.ROOT / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tiny.ROOT, env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "popleak" in loaded
    assert not loaded & {"torch", "pandas", "matplotlib", "scipy", "sklearn", "pyarrow", "snakemake", "statsmodels"}


def test_building_twice_gives_the_same_plan():
    assert facts(tiny.build()) == facts(tiny.build())


def facts(built: plan.Plan) -> dict[tuple[str, str], tuple]:
    """Return (params, inputs, outputs) of every step, by stage and id."""
    return {
        (step.stage, step.id): (
            step.params, tuple(sorted((k, tuple(v)) for k, v in step.inputs.items())), tuple(sorted(step.outputs.items())),
        )
        for step in built.all_steps()
    }  # fmt: skip


# What experiments share.


def test_experiments_that_share_a_task_share_its_steps():
    one = tiny.build()
    task = tiny.raw()["tasks"][0]
    two = tiny.build(experiment="other", title="another", tasks=[{"dataset": "synthetic-twin"}, task], tau=0.2)
    for stage in STORE:
        mine = {step.id: step.params for step in one.steps[stage].values()}
        assert mine.items() <= {step.id: step.params for step in two.steps[stage].values()}.items(), stage
    assert not set(one.targets()) & set(two.targets())


def test_pairs_share_a_world():
    one = tiny.build(worlds=[{"protocol": "ratio", "ratios": [0.3, 0.5]}, {"protocol": "ratio", "ratios": [0.7, 0.5]}])
    (train,) = one.steps["train"].values()
    assert train.settings.worlds == ("0.3#0", "0.5#0", "0.7#0")
    (draw,) = [step for step in one.steps["draw"].values() if step.settings.purpose == "base"]
    assert [drawn.world for drawn in draw.settings.draws] == ["0.3#0", "0.5#0", "0.7#0"]


def test_equal_worlds_are_drawn_afresh():
    built = tiny.build(worlds=[{"protocol": "equal", "ratios": [0.5, 0.5]}])
    (base,) = [step for step in built.steps["draw"].values() if step.settings.purpose == "base"]
    assert [drawn.world for drawn in base.settings.draws] == ["0.5#0", "0.5#1"]


def test_a_task_may_have_its_own_ratio_mode():
    """It reaches all that draws, measures and attacks, and no other task; what the experiment says then counts for nothing here."""
    task = tiny.raw()["tasks"][0]
    tasks = [{**task, "id": "own", "ratio_mode": "label-balanced"}, {**task, "id": "usual"}]
    built = tiny.build(tasks=tasks)
    for stage in ("measure", "attack"):
        modes = {step.settings.task: step.settings.mode for step in built.steps[stage].values()}
        assert modes == {"own": "label-balanced", "usual": "natural"}
    draws = {(step.settings.purpose, step.settings.mode) for step in built.steps["draw"].values()}
    assert draws == {
        (purpose, mode) for purpose in ("base", "complement", "query") for mode in ("natural", "label-balanced")
    }
    one, other = (tiny.build(tasks=tasks[:1], ratio_mode=mode) for mode in ("natural", "label-balanced"))
    for stage in STORE:
        assert list(one.steps[stage]) == list(other.steps[stage])


def test_sizes_go_by_the_tasks_own_ratio_mode(tmp_path):
    """A pool holds 80 rows of group v, 40 of them negative: 70 rows of world 1 fit, and the 62 negatives of balanced ones do not."""
    (tmp_path / "t.csv").write_text("x,y,g\n" + "1,0,u\n" * 1000 + "2,1,u\n" * 50 + "3,0,v\n" * 100 + "4,1,v\n" * 100)
    options = {"path": str(tmp_path / "t.csv"), "label": "y", "positive": 1, "attribute": "g", "groups": ["u", "v"]}
    task = {"dataset": "table", "options": options, "rows": 70, "query_rows": 20}
    tiny.build(tasks=[task], ratio_mode="natural")
    tiny.build(tasks=[{**task, "ratio_mode": "natural"}], ratio_mode="label-balanced")
    with pytest.raises(PopleakError, match="rows of group v with label 0 are asked for"):
        tiny.build(tasks=[{**task, "ratio_mode": "label-balanced"}])


def test_what_is_fetched_and_what_is_found(tmp_path):
    task = {"dataset": "adult", "rows": 60, "query_rows": 30}
    fetched = tiny.build(tasks=[task])
    names = [source.file for _, source in fetched.fetches.values()]
    assert names
    for path in fetched.fetches:
        assert path.startswith("results/data/adult/")
        assert fetched.source(path).startswith("{")
        (tmp_path / "adult" / path.removeprefix("results/data/adult/")).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "adult" / path.removeprefix("results/data/adult/")).write_text("x")
    found = tiny.build(tasks=[task], data_dir=str(tmp_path))
    assert found.fetches == {}
    assert list(found.steps["dataset"]) == list(fetched.steps["dataset"])


def test_a_missing_table_is_named():
    options = {"path": "nowhere.csv", "label": "y", "positive": 1, "attribute": "g", "groups": ["u", "v"]}
    with pytest.raises(PopleakError, match=r"^config: tasks: .*nowhere\.csv") as error:
        tiny.build(tasks=[{"dataset": "table", "options": options}])
    assert "\n" not in str(error.value)


def test_no_figures():
    built = tiny.build(figures=[])
    assert built.figures == {}
    assert len(built.targets()) == 8 + len(papers_of(built.tables)) + len(DESCRIBED)
    assert papers_of([*built.tables, "placebo"]) == (*papers_of(built.tables), "placebo.csv", "placebo.tex")


def test_the_old_word_for_equal_worlds_makes_the_same_steps():
    old, new = (tiny.build(worlds=[{"protocol": word, "ratios": [0.5, 0.5]}]) for word in ("null", "equal"))
    assert {stage: list(steps) for stage, steps in old.steps.items()} == {
        stage: list(s) for stage, s in new.steps.items()
    }
    assert old.report.params == new.report.params


def test_no_folder_of_a_users_own_files_is_published(tmp_path):
    """A run with the config that is published finds the files by their names: in <data_dir>/table, and in the working directory."""
    path, paper = tmp_path / "people.csv", tmp_path / "mine.yaml"
    path.write_text("y,a,x\n" + "".join(f"{i % 2},{i // 2 % 2},{i % 7}\n" for i in range(2000)))
    paper.write_text((papers.FOLDER / "fair-finetuning.yaml").read_text(encoding="utf-8"))
    options = {"path": str(path), "label": "y", "positive": 1, "attribute": "a", "groups": [0, 1]}
    task = {"dataset": "table", "rows": 60, "query_rows": 30, "options": options}
    report = tiny.build(tasks=[task], paper=str(paper)).report
    assert str(tmp_path) not in report.params
    shown = report.settings.experiment
    assert shown["tasks"][0]["options"]["path"] == "people.csv" and shown["paper"] == "mine.yaml"


@pytest.mark.parametrize("through", ["path", "data_dir"])
def test_braces_in_the_path_of_a_table(tmp_path, through):
    """Snakemake would take {b} for a wildcard, and say so in a message that names a rule."""
    folder = tmp_path / ("data" if through == "path" else "da{b}ta")
    path = folder / "table" / ("a{b}.csv" if through == "path" else "a.csv")
    path.parent.mkdir(parents=True)
    path.write_text("y,a\n0,0\n")
    options = {"label": "y", "positive": 1, "attribute": "a", "groups": [0, 1]}
    options["path"] = str(path) if through == "path" else path.name
    with pytest.raises(
        PopleakError, match=r"^config: tasks: mine: .*\{b\}.*: Snakemake reads braces as a wildcard: rename"
    ):
        tiny.build(data_dir=str(folder), tasks=[{"dataset": "table", "id": "mine", "options": options}])
