"""The quick search once, from config to page: nothing of stage 1 is a result, random search is treated alike, and nothing is trained twice."""

from __future__ import annotations

import json
import shutil
import time

import pandas as pd
import pytest

import tiny
from popleak.cli import main
from popleak.config import resolve
from popleak.core.errors import PopleakError
from popleak.report import readme
from popleak.search import campaign, points, results, running, study
from popleak.store import parquet as store
from popleak.store.schema.search import SEARCHED
from runs import copy, snakemake

pytestmark = pytest.mark.slow
QUICK = tiny.ROOT / "workflow" / "experiments" / "pareto-quick.yaml"


def quick(**changes):
    """Return the quick search; `changes` replace keys of its section `search`."""
    raw = resolve.merge(resolve.read(tiny.ROOT / "config.yaml"), resolve.read(QUICK))
    return resolve.load(raw | {"search": raw["search"] | changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished search with its page, only to be read: its folder, its tables, its studies and the seconds that it took."""
    folder = tmp_path_factory.mktemp("search")
    shutil.copy(tiny.ROOT / "config.yaml", folder)
    (folder / "README.md").write_text("\n".join(readme.MARKERS), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        began = time.monotonic()
        assert main(["pareto", "--configfile", str(QUICK), "--cores", "1", "--page", "docs/results"]) == 0
        spent = time.monotonic() - began
        found = campaign.run(quick())
    home = folder / "results" / "pareto-quick" / "search"
    return folder, {name: pd.read_parquet(home / f"{name}.parquet") for name in SEARCHED}, found, spent


def test_it_takes_less_than_a_minute(run):
    assert run[3] < 120, "a minute more than on an idle machine"


def test_tables_have_the_declared_columns(run):
    for name, frame in run[1].items():
        assert list(frame.columns) == [column.name for column in SEARCHED[name]] and len(frame)


def test_no_table_figure_or_page_has_a_value_of_stage_1(run):
    """What chose is no result: of many noisy values the best is lucky."""
    folder, tables, found, _ = run
    first = {
        float(one.values[name])
        for each in found.studies
        for one in each.trials
        if one.values
        for name in points.OBJECTIVES
    }
    first -= {0.0, 0.25, 0.5, 0.75, 1.0}  # advantages of few victims, which stage 2 may have too
    assert len(first) > 10
    shown = tables["search"].drop(columns=["optimism_accuracy", "optimism_delta_eo", "optimism_advantage"])
    second = {float(one) for one in shown.select_dtypes("number").to_numpy().ravel()}
    assert not first & second
    assert set(tables["search"]["stage"]) == {2, 3}
    page = (folder / "docs" / "results" / "pareto-quick.md").read_text(encoding="utf-8")
    accuracies = {f"{one.values['accuracy']:.5f}" for each in found.studies for one in each.trials if one.values}
    csv = "".join(
        path.read_text(encoding="utf-8") for path in (folder / "docs" / "results" / "pareto-quick").glob("*.csv")
    )
    assert not any(one in page + csv for one in accuracies)
    with pytest.raises(ValueError, match="stage 1"):
        results.searched([found.measured[0]._replace(stage=1)])


def test_the_optimism_is_stage_1_minus_stage_2(run):
    _, tables, found, _ = run
    trials = {(one.spec.sampler, one.spec.seed, trial.number): trial for one in found.studies for trial in one.trials}
    front = tables["search"].query("role == 'front' and stage == 2")
    for row in front.to_dict("records"):
        before = points.objectives(trials[row["sampler"], row["study_seed"], row["trial"]].values)
        after = points.objectives(row)
        assert row["optimism_accuracy"] == pytest.approx(before[0] - after[0])
        assert row["optimism_delta_eo"] == pytest.approx(after[1] - before[1])
        assert row["optimism_advantage"] == pytest.approx(after[2] - before[2])
    chance = tables["search"].query("role == 'unselected' and stage == 2")
    assert len(chance) == quick().search.unselected and set(chance["sampler"]) == {"random"}
    judged = tables["search_checks"].query("check == 'C4' and subject == 'optimism in accuracy'").iloc[0]
    assert judged["value"] == pytest.approx(front["optimism_accuracy"].mean() - chance["optimism_accuracy"].mean())
    assert judged["n"] == 1, "one study number, so one pool split of stage 1"


def test_what_is_shown_of_a_choice_is_of_stage_3(run):
    """Values of stage 2 are those by which stage 3 was asked: on the page they are no results."""
    folder, tables, _, _ = run
    search, page = tables["search"], (folder / "docs" / "results" / "pareto-quick.md").read_text(encoding="utf-8")
    second, third = (search.query(f"role == 'front' and stage == {stage}") for stage in (2, 3))
    assert 0 < len(third) <= quick().search.survivors and set(third["point"]) <= set(second["point"])
    listed = [line for line in page.splitlines() if line.startswith("| synthetic | ") and "activation" in line]
    assert len(listed) == len(third) and all(line.startswith("| synthetic | 3 | ") for line in listed)
    moved = search.query("role == 'transfer'")
    assert list(moved["point"]) == list(third["point"])
    assert set(search.loc[search["front"], "point"]) <= set(second["point"]) | set(
        search.query("role == 'default'")["point"]
    )


def test_the_floor_is_above_the_better_constant_answer(run, monkeypatch):
    monkeypatch.chdir(run[0])

    def least(stage, seed=0):  # of these generated records, which are others for each seed
        (data,) = points.Job(quick(), 0, {}, stage, seed).plan().steps["dataset"].values()
        ones = pd.read_parquet(data.outputs["table"])["y"].mean()
        return pytest.approx(max(ones, 1 - ones) + quick().search.above_constant)

    measured = [one for one in run[2].measured if one.task == "synthetic" and one.found]
    assert {one.stage for one in measured} == {2, 3}
    assert all(one.found.floor == least(one.stage) for one in measured)
    for each in run[2].studies:
        assert all(trial.floor == least(1, each.spec.seed) for trial in each.trials if trial.values)


def test_random_search_has_the_same_budget_and_the_same_stage_2(run):
    _, tables, found, _ = run
    trials = tables["search_studies"].set_index("sampler")["trials"]
    assert trials["tpe"] == trials["random"] == quick().search.trials
    second = tables["search"].query("stage == 2 and role == 'front'")
    assert set(second["sampler"]) == {"tpe", "random"}
    assert second.groupby("sampler")["victims"].unique().map(list).to_dict() == {"tpe": [12], "random": [12]}
    for one in found.studies:
        assert [trial.number for trial in study.front(one.trials, quick().search.front)] == [
            trial.number for trial in one.front
        ]
        mine = second[second["sampler"] == one.spec.sampler]
        assert list(mine["trial"]) == [trial.number for trial in one.front]


def test_a_finished_search_trains_nothing_again(run, monkeypatch):
    monkeypatch.chdir(run[0])
    monkeypatch.setattr(running, "import_module", lambda name: pytest.fail(f"{name} was run"))
    found = campaign.run(quick())
    assert all(one.found.ran == 0 for one in found.measured)
    frames = results.frames(found)
    assert frames["search"].astype(object).where(frames["search"].notna(), None).equals(
        run[1]["search"].astype(object).where(run[1]["search"].notna(), None)
    )  # fmt: skip


def test_two_cores_give_the_same_tables(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = quick(trials=3, front=1, survivors=1, transferred=2, curve=[0, 1, 2])
    written = {}
    for cores in (1, 2):
        paths = results.write(small, campaign.run(small, cores))
        written[cores] = [path.read_bytes() for path in paths.values()]
        shutil.rmtree(tmp_path / "results")
    assert written[1] == written[2]


def test_what_a_row_says_is_in_the_table_defences_of_an_ordinary_experiment(run, monkeypatch):
    monkeypatch.chdir(run[0])
    one = next(one for one in run[2].measured if one.role == "default" and one.stage == 2)
    job = points.Job(quick(), 0, {}, 2)
    target = job.plan().tables["defences"]
    assert target.outputs["table"] == one.found.file
    row = store.read(one.found.file, stage="tables").to_pandas().set_index("defence").loc["fft-rehearsal"]
    shown = run[1]["search"].query("role == 'default' and stage == 2").iloc[0]
    assert (shown["accuracy"], shown["delta_eo_crossed"], shown["advantage"]) == (
        row["accuracy"], row["delta_eo_crossed"], row["informed_advantage"],
    )  # fmt: skip
    assert shown["delta_eo"] == row["delta_eo"] and shown["delta_eo_floor"] == row["delta_eo_floor"] > 0


def test_another_search_may_not_go_on_in_the_same_folder(run, monkeypatch):
    monkeypatch.chdir(run[0])
    with pytest.raises(PopleakError, match="made by other settings, so its trials cannot be gone on with"):
        campaign.run(quick(above_constant=0.05))


def test_the_page_says_every_check_and_lists_its_files(run):
    folder = run[0] / "docs" / "results"
    page = (folder / "pareto-quick.md").read_text(encoding="utf-8")
    for row in run[1]["search_checks"].to_dict("records"):
        assert row["statement"] in page
    for name in (
        "search.png",
        "search-curve.png",
        "search.csv",
        "search_checks.csv",
        "search_studies.csv",
        "experiment.json",
    ):
        assert (folder / "pareto-quick" / name).is_file()
    assert "snakemake --cores all pareto --configfile docs/results/pareto-quick/experiment.json" in page
    assert "2 points above the better constant answer" in page
    again = resolve.load(json.loads((folder / "pareto-quick" / "experiment.json").read_text(encoding="utf-8")))
    assert again.resolved() == quick().resolved()
    assert "[pareto-quick](docs/results/pareto-quick.md)" in (run[0] / "README.md").read_text(encoding="utf-8")


@pytest.mark.dag
def test_the_rule_runs_the_command(run, tmp_path):
    folder = copy(tmp_path / "rule")
    shutil.copytree(run[0] / "results", folder / "results")
    # cold: the processes of the search start Python with pipes that only a child of theirs inherits
    said = snakemake(
        folder, "--cores", "2", "pareto", "--configfile", "workflow/experiments/pareto-quick.yaml", cold=True
    )
    assert "C5" in said and "studies: 2 of 2 done" in said
    assert (folder / "results" / "pareto-quick" / "search" / "search.png").is_file()


def test_without_a_search_the_command_says_so(run, monkeypatch, capsys):
    monkeypatch.chdir(run[0])
    assert main(["pareto"]) == 2
    assert "config: search: missing" in capsys.readouterr().err
    for wrong in ("{", "[1]"):
        assert main(["pareto", "--settings", wrong]) == 2
        assert "--settings: no JSON" in capsys.readouterr().err
