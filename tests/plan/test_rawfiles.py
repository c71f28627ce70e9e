"""Raw files that may not be here: which data a task has, what is left out without them, and that the rest still runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fake_tables
import tiny
from popleak.cli import stages
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.plan import build as plan
from popleak.report import build as report
from popleak.report import page as results
from popleak.stages import publish

pytestmark = pytest.mark.slow

SAMPLE = "acs_income_2018_us_100k.parquet"
ACS = {"dataset": "acs-income", "rows": 60, "query_rows": 30}
TABLE = {**ACS, "id": "own-table", "options": {"format": "parquet", "file": "mine.parquet"}}
HERE = tiny.raw()["tasks"][0]


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    """No data folder is named, and the working directory holds no data."""
    monkeypatch.delenv("POPLEAK_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    """A data folder that holds a file of the sample's name; the plan asks whether it is there, and no more."""
    file = tmp_path / "data" / "acs_income" / SAMPLE
    file.parent.mkdir(parents=True)
    file.touch()
    return str(tmp_path / "data")


def dataset_step(built: plan.Plan) -> plan.Step:
    (step,) = built.steps["dataset"].values()
    return step


# Which data a task has.


def test_a_failed_run_names_the_files_to_fetch_and_the_data_folder(tmp_path):
    built = tiny.build(tasks=[ACS])
    said = publish.closing(built).splitlines()
    assert said[0].startswith("popleak: missing")
    assert (
        said[-1].startswith("popleak:   <data_dir>/acs_income/2018/csv_pca.zip (data_dir: ")
        and "POPLEAK_DATA" in said[-1]
    )
    old = tmp_path / "results/data/acs-income/2018/csv_pca.zip"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"fetched by an earlier version")
    built = tiny.build(tasks=[ACS])
    assert list(built.fetches) == [str(old.relative_to(tmp_path))]
    assert len(publish.closing(built).splitlines()) == 1, "nothing is left to fetch"


@pytest.mark.parametrize("name", ["tables", "ratios"])
def test_shipped_experiments_can_be_planned_without_any_file(name, capsys, monkeypatch):
    monkeypatch.chdir(tiny.ROOT)  # whose config.yaml has the defaults
    for word in ("plan", "data"):
        assert stages.main([word, "--configfile", str(tiny.ROOT / f"workflow/experiments/{name}.yaml")]) == 0
        said = capsys.readouterr().out
        assert "results/data/acs_income/2018/csv_pca.zip" in said and "left out" not in said
        assert "\ndata: acs-income-sex: ACS Income 2018, person files of CA, since acs_income_2018_us_100k" in said


def test_the_sample_is_taken_where_it_is_and_the_step_says_so(folder):
    sample, person = tiny.build(tasks=[ACS], data_dir=folder), tiny.build(tasks=[ACS])
    assert dataset_step(sample).settings.options["format"] == "parquet"
    assert dataset_step(person).settings.options["format"] == "person"
    assert dataset_step(sample).id != dataset_step(person).id
    assert sample.fetches == {}
    assert list(person.fetches) == ["results/data/acs_income/2018/csv_pca.zip"]
    assert sample.chosen == [
        f"acs-income-sex: ACS Income 2018, 100k sample without RELP, since {SAMPLE} is here; for the person files: format: person"
    ]
    assert sample.notices() == [f"data: {line}" for line in sample.chosen]


@pytest.mark.parametrize("kind", ["parquet", "person"])
def test_a_named_format_gives_the_same_steps_without_a_word(folder, kind):
    where = {"data_dir": folder} if kind == "parquet" else {}
    left_open = tiny.build(tasks=[ACS], **where)
    named = tiny.build(tasks=[{**ACS, "options": {"format": kind}}], data_dir=folder)
    mine, theirs = ([step.id for step in plan.all_steps() if step.stage != "report"] for plan in (named, left_open))
    assert mine == theirs
    assert named.notices() == []


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"states": ["NY"]}, "person"), ({"year": 2021}, "person"), ({"file": SAMPLE}, "parquet"), ({}, "parquet"),
        ({"format": "parquet", "states": ["NY"]}, "parquet"),
    ],
)  # fmt: skip
def test_who_names_states_or_a_year_never_gets_the_sample_instead(folder, options, kind):
    built = tiny.build(tasks=[{**ACS, "options": options}], data_dir=folder)
    assert dataset_step(built).settings.options["format"] == kind


def test_the_reports_settings_give_the_same_data_elsewhere(folder):
    built = tiny.build(tasks=[ACS], data_dir=folder)
    shown = json.loads(built.report.params)["experiment"]
    assert shown["tasks"][0]["options"]["format"] == "parquet"
    again = plan.build(config.load({**shown, "data_dir": folder}))
    assert [step.id for step in again.all_steps()] == [step.id for step in built.all_steps()]
    with pytest.raises(PopleakError, match=f"no file {SAMPLE}"):
        plan.build(config.load(shown))


# What is left out.


def test_a_task_without_its_file_is_left_out_and_named():
    built, alone = tiny.build(tasks=[TABLE, HERE]), tiny.build(tasks=[HERE])
    line = (
        "own-table: no file mine.parquet: put it into <data_dir>/acs_income/, or ask for the Census Bureau's person files, "
        "which are fetched: format: person"
    )
    assert built.absent == [line]
    assert built.notices() == [f"left out: {line}"]
    assert [task.id for task in built.tasks] == ["synthetic-group"]
    assert built.steps.keys() == alone.steps.keys()
    for stage in plan.STAGES[: plan.STAGES.index("report")]:
        assert list(built.steps[stage]) == list(alone.steps[stage])
    assert built.targets() == alone.targets()
    settings = json.loads(built.report.params)
    assert settings["absent"] == [line]
    assert [task["id"] for task in settings["experiment"]["tasks"]] == ["own-table", None], "what was asked stays there"


def test_the_tables_are_made_anew_when_the_file_is_there(tmp_path):
    (tmp_path / "data" / "acs_income").mkdir(parents=True)
    ask = {"tasks": [TABLE, HERE], "data_dir": str(tmp_path / "data")}
    before = tiny.build(**ask)
    (tmp_path / "data" / "acs_income" / "mine.parquet").touch()
    after = tiny.build(**ask)
    assert after.absent == []
    assert len(after.steps["dataset"]) == 2
    for name in ("models", "bounds", "scores"):
        assert set(before.tables[name].inputs["parts"]) < set(after.tables[name].inputs["parts"])
    assert before.tables["claims"].params != after.tables["claims"].params
    assert before.report.params != after.report.params


def test_the_only_task_is_not_left_out():
    with pytest.raises(PopleakError, match=r"^config: tasks: own-table: no file mine\.parquet: put it into") as error:
        tiny.build(tasks=[TABLE])
    assert "\n" not in str(error.value)


def test_a_users_own_table_that_is_not_there_stays_a_mistake():
    options = {"path": "nowhere.csv", "label": "y", "positive": 1, "attribute": "g", "groups": ["u", "v"]}
    own = {"dataset": "table", "id": "loans", "options": options}
    with pytest.raises(
        PopleakError, match=r"^config: tasks: loans: no file nowhere\.csv: give its path, or put it into"
    ):
        tiny.build(tasks=[own, HERE])


def test_a_users_own_table_is_known_by_its_content_and_name_however_its_path_is_spelt(tmp_path, monkeypatch):
    """Absolute, relative, in another folder or in the data folder: all steps but the report, which shows the path, are the same."""
    text = "y,g,x,./t.csv\n" + "".join(f"{i % 2},{i // 2 % 2},{i % 7},{i % 2}\n" for i in range(2000))
    for folder in ("here", "here/table", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text(text)
    monkeypatch.chdir(tmp_path / "here")

    def planned(path, **changes):
        options = {"path": path, "label": "y", "positive": 1, "attribute": "g", "groups": [0, 1], **changes}
        return tiny.build(tasks=[{"dataset": "table", "rows": 60, "query_rows": 30, "options": options}])

    def ids(plan):
        return [step.id for step in plan.all_steps() if step.stage != "report"]

    usual = planned("t.csv")
    (step,) = (one for one in usual.steps["dataset"].values() if one.id not in usual.placebos)
    assert step.settings.files == ("t.csv",) and list(step.settings.content) == ["t.csv"]
    for path in ("./t.csv", "../here/t.csv", str(tmp_path / "here/t.csv"), "table/t.csv", "../there/t.csv"):
        again = planned(path)
        assert ids(again) == ids(usual), path
        assert again.steps["dataset"][step.id].inputs["files"] == (str(Path(path)),)
        assert tiny.run_stage(again.steps["dataset"][step.id], tmp_path / "here").is_file()
    monkeypatch.setenv("POPLEAK_DATA", str(tmp_path / "here"))
    assert ids(planned("t.csv")) == ids(usual)
    # a column of the same name as the path is a column still
    settings = next(iter(planned("./t.csv", label="./t.csv").steps["dataset"].values())).settings
    assert settings.options["path"] == "t.csv" and settings.options["label"] == "./t.csv"
    (tmp_path / "here/u.csv").write_text(text)
    (tmp_path / "there/t.csv").write_text(text + "1,1,3,0\n")
    for other in ("u.csv", "../there/t.csv"):
        assert not set(ids(planned(other))) & set(ids(usual)), other


@pytest.mark.parametrize("long", ["x" * 300, "/".join(["x" * 200] * 30)])
def test_a_path_that_is_too_long_is_one_line(long):
    options = {"path": f"{long}.csv", "label": "y", "positive": 1, "attribute": "g", "groups": ["u", "v"]}
    for changes in (
        {"tasks": [{"dataset": "table", "id": "loans", "options": options}]},
        {"tasks": [{"dataset": "bias-in-bios", "options": {"file": long}}]},
        {"tasks": [{"dataset": "adult"}], "data_dir": f"/{long}"},
    ):
        with pytest.raises(
            PopleakError, match=r"^config: .*x\.\.\.: cannot be looked up \(File name too long\): name"
        ) as error:
            tiny.build(**changes)
        assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_mistake_in_a_task_without_its_file_is_still_one():
    with pytest.raises(PopleakError, match="k-ary"):
        tiny.build(
            tasks=[{**TABLE, "worlds": [{"protocol": "k-ary", "ratios": [0, 0.5, 1]}], "attacks": ["loss"]}, HERE]
        )


def test_a_figure_that_only_that_task_could_fill_is_left_out_too():
    many = {**TABLE, "worlds": ["pure", {"protocol": "k-ary", "ratios": [0, 0.5, 1]}], "attacks": ["kl"]}
    built = tiny.build(tasks=[many, HERE], figures=["leakage", "regression"])
    assert list(built.figures) == ["leakage"]
    assert built.absent[1:] == ["figure regression: no remaining task makes the table `estimates`, which it shows"]
    assert json.loads(built.report.params)["figures"] == ["leakage"]
    assert len(built.report.inputs["figures"]) == 1
    with pytest.raises(PopleakError, match="exists only with worlds of protocol k-ary"):
        tiny.build(tasks=[TABLE, HERE], figures=["leakage", "regression"])


def test_command_names_what_is_left_out(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tiny.ROOT)
    (tmp_path / "some.yaml").write_text(json.dumps({"tasks": [TABLE, HERE]}))
    for words in (("plan",), ("data",)):
        assert stages.main([*words, "--configfile", str(tmp_path / "some.yaml")]) == 0
        assert (
            capsys.readouterr()
            .out.splitlines()[-1]
            .startswith("left out: own-table: no file mine.parquet: put it into")
        )


def test_pages_name_the_data_and_what_is_left_out(tmp_path):
    paths = fake_tables.write(tmp_path, fake_tables.tables())
    given = {"experiment": {"experiment": "x"}, "figures": [], "cards": [], "versions": {}}
    for absent in ((), ("own-table: no file mine.parquet: put it there",)):
        page = report.write(tables=paths, **given, absent=absent, output=tmp_path / "r.html").read_text(
            encoding="utf-8"
        )
        assert ("Left out: own-table: no file mine.parquet: put it there." in page) == bool(absent)
    frames = fake_tables.tables()
    text = results.block(
        "leakage",
        tau=0.1,
        frames=frames,
        data=["Adult", "ACS"],
        absent=["a task: why"],
        cautions=["much"],
    )
    assert "- Data: Adult; ACS.\n- Left out: a task: why.\n- Caution: much.\n" in text


# The contract of datasets.


@pytest.mark.parametrize("name", plugins.names("datasets"))
def test_what_is_settled_is_settled(name):
    from dataset_checks import EXAMPLES

    plugin = plugins.load("datasets", name)
    given = plugin.Settings.model_validate({} if name == "acs-income" else EXAMPLES.get(name, {}))
    for there in (True, False):
        options, note = plugin.settle(given, lambda source, there=there: there)
        assert bool(note) == (options != given)
        assert plugin.settle(options, lambda source, there=there: not there) == (options, "")
