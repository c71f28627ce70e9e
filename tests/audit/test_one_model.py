"""One model of the owner's own against a run on the owner's table: the commands `queries`, `score` and `verdict`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import runs
import tiny
from popleak.audit import one_model, own_labels, query_rows
from popleak.cli import stages
from popleak.cli.tools import experiment_of
from popleak.core.errors import PopleakError
from popleak.measures import roc
from popleak.plan import build as plan
from popleak.store import parquet as store
from popleak.store import populations

CONFIG = """
experiment: own
title: own
seed: 3
tasks:
  - dataset: table
    rows: 150
    query_rows: 60
    placebo: 0
    options:
      {path: people.csv, label: repaid, positive: "yes", negative: "no", attribute: sex, groups: [female, male], drop: [name]}
worlds: [{protocol: pure}, {protocol: ratio, ratios: [0.3, 0.5]}]
models: [{name: estimator, settings: {estimator: RandomForestClassifier, params: {n_estimators: 20}}}]
defences: [none]
attacks: [kl, threshold, data]
population: {splits: 2, victims: 12, shadows: 6}
figures: [leakage]
"""
OVER = ("--configfile", "own.yaml")


def people(count: int = 3000) -> pd.DataFrame:
    """People of three jobs, of which one is paid by sex; some are of no group and in no record."""
    rng = np.random.default_rng(0)
    sex, age, job = (
        rng.integers(0, 2, count),
        rng.integers(18, 80, count),
        rng.choice(["clerk", "nurse", "smith"], count),
    )
    odds = 0.04 * (age - 45) + (1.6 * sex - 0.8) * (job == "nurse") + 0.5 * (job == "smith") + rng.normal(size=count)
    names = np.array(["female", "male", "unknown"])[np.where(rng.random(count) < 0.05, 2, sex)]
    told = {"age": age, "sex": names, "job": job, "hours": rng.integers(10, 60, count)}
    return pd.DataFrame(told | {"name": [f"p{i}" for i in range(count)], "repaid": np.where(odds > 0, "yes", "no")})


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = runs.copy(tmp_path_factory.mktemp("own") / "run")
    people().to_csv(folder / "people.csv", index=False)
    (folder / "own.yaml").write_text(CONFIG, encoding="utf-8")
    runs.snakemake(folder, "--cores", "1", *OVER)
    return folder


@pytest.fixture
def here(run, monkeypatch) -> Path:
    monkeypatch.chdir(run)
    return run


def whole() -> plan.Plan:
    return plan.build(experiment_of([Path("own.yaml")]))


def refused(*words: str, capsys) -> str:
    assert stages.main(list(words)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


pytestmark = pytest.mark.dag


def test_a_victim_gets_the_scores_and_guesses_that_the_run_gave_it(here):
    built = whole()
    asked = query_rows.asked(built)
    table = store.read(built.tables["scores"].outputs["table"], stage="tables").to_pandas()
    compared = 0
    for step in asked.steps:
        if one_model._unfit(step):
            continue
        for number, pair in enumerate(step.settings.pairs):
            world = f"{pair.ratios[1]!r}#0"
            files = [one.outputs["victims"] for one in built.steps["train"].values() if world in one.settings.worlds]
            victims = populations.read(files, world=world)
            for k in (0, 5, 11):
                (found,) = one_model._guesses(step, number, asked, victims.weights[k][asked.rows])
                at = {name: int(victims.keys[name][k]) for name in ("split", "model_index")}
                mine = table[
                    (table["adversary"] == step.settings.attack_id) & (table["protocol"] == pair.protocol) & (table["world"] == 1)
                    & (table["split"] == at["split"]) & (table["model_index"] == at["model_index"])
                ]  # fmt: skip
                assert len(mine) == 1
                place = int(np.flatnonzero(found["split"] == at["split"])[0])
                assert found["score"][place] == mine["score"].iloc[0] and found["guess"][place] == mine["guess"].iloc[0]
                compared += 1
    assert compared == 12


def test_query_rows_have_the_tables_columns_and_nothing_that_is_dropped(here, capsys):
    assert stages.main(["queries", *OVER, "--output", "rows.csv", "--points", "points.csv"]) == 0
    assert "never train on them" in capsys.readouterr().out
    rows, points, table = pd.read_csv("rows.csv"), pd.read_csv("points.csv"), pd.read_csv("people.csv")
    assert list(rows.columns) == ["row", "age", "sex", "job", "hours"]
    kept = table[table["sex"] != "unknown"].reset_index(drop=True)
    wanted = kept.iloc[rows["row"]].reset_index(drop=True)
    for name in rows.columns[1:]:
        assert (rows[name] == wanted[name]).all()
    assert set(points["row"]) == set(rows["row"]) and len(points) == 2 * 2 * 120
    truth = kept.iloc[points["row"]].reset_index(drop=True)
    assert ((truth["repaid"] == "yes") == points["y"]).all() and ((truth["sex"] == "male") == points["a"]).all()


def pipeline(rows: pd.DataFrame):
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    steps = ColumnTransformer([("n", StandardScaler(), ["age", "hours"]), ("c", OneHotEncoder(), ["job"])])
    model = make_pipeline(steps, RandomForestClassifier(n_estimators=20, random_state=0))
    return model.fit(rows.drop(columns="repaid"), rows["repaid"])


def test_a_pipeline_of_the_owners_is_asked_and_judged(here, capsys):
    skops = pytest.importorskip("skops.io")
    stages.main(["queries", *OVER, "--output", "rows.csv"])
    rows, table = pd.read_csv("rows.csv"), people()
    kept = table[table["sex"] != "unknown"].reset_index(drop=True)
    free = kept.drop(index=rows["row"])
    model = pipeline(free[free["sex"] == "male"].sample(150, random_state=0)[["age", "hours", "job", "repaid"]])
    skops.dump(model, "men.skops")
    assert stages.main(["score", "men.skops", "--propose"]) == 0
    assert "estimator: RandomForestClassifier" in capsys.readouterr().out
    words = ["score", "men.skops", *OVER, "--ratio", "1", "--output", "answers.csv", "--verdict", "verdict.json"]
    assert stages.main(words) == 0
    said = capsys.readouterr().out
    assert "takes the columns of the table" in said and "one model gives no accuracy" in said
    assert "left out: data sees more than answers" in said and "of another kind" not in said
    answers = pd.read_csv("answers.csv")
    wanted = model.predict_proba(rows[["age", "hours", "job"]])[:, list(model.classes_).index("yes")]
    assert np.allclose(answers["score"], wanted)
    told = json.loads(Path("verdict.json").read_text())
    assert told["version"] == 1 and told["own_ratio"] == 1 and "data" in told["left_out"]
    assert {(one["protocol"], one["attack"]) for one in told["verdicts"]} == {
        (protocol, attack) for protocol in ("pure", "ratio") for attack in ("kl", "threshold")
    }
    for one in told["verdicts"]:
        assert one["guess"] in (-1, 0, 1) and one["splits"] == 2 and 1 <= one["agreeing"] <= 2 and 0 <= one["rate"] <= 1
        if one["protocol"] == "pure":
            assert one["right"] == {1: "yes", 0: "no", -1: "no guess"}[one["guess"]]
        elif one["guess"] >= 0:
            assert one["right"] == "neither world: nearer to 0.5"
    assert stages.main(["verdict", "answers.csv", *OVER, "--ratio", "1", "--verdict", "again.json"]) == 0
    again = json.loads(Path("again.json").read_text())
    assert again["verdicts"] == told["verdicts"]


def test_the_values_of_the_label_are_those_of_the_runs_table(here):
    asked = query_rows.asked(whole())
    label = own_labels.of(asked.dataset.settings.options, asked.loaded().facts)
    assert label == own_labels.Label(("yes",), ("no",))


def test_shadows_of_another_kind_are_said(here, capsys):
    skops = pytest.importorskip("skops.io")
    from sklearn.linear_model import LogisticRegression

    asked = query_rows.asked(whole())
    loaded = asked.loaded()
    skops.dump(LogisticRegression().fit(loaded.x, loaded.y), "other.skops")
    assert stages.main(["score", "other.skops", *OVER]) == 0
    said = capsys.readouterr().out
    assert "takes the encoded features" in said and "are of another kind or have other settings" in said


def test_a_model_of_columns_that_are_not_there_is_refused_by_their_names(here, capsys):
    skops = pytest.importorskip("skops.io")
    table = people().assign(income=1.0)
    from sklearn.ensemble import RandomForestClassifier

    skops.dump(RandomForestClassifier(2).fit(table[["age", "income"]], table["repaid"]), "income.skops")
    said = refused("score", "income.skops", *OVER, capsys=capsys)
    assert "'income'" in said and not Path("verdict.json.partial").exists()


def given(here: Path, **changes) -> pd.DataFrame:
    asked = query_rows.asked(whole())
    return pd.DataFrame({"row": asked.rows, "score": 0.4}).assign(**changes)


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda t: t.drop(columns="score"), "lacks the column 'score'"),
        (lambda t: t.iloc[1:], "has no answer to query row"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "appears twice"),
        (
            lambda t: t.assign(score=np.where(t.index == 3, np.nan, 0.4)),
            "line 5, column 'score': nan is no probability",
        ),
        (lambda t: t.assign(score=1.5), "1.5 is no probability"),
        (lambda t: t.assign(score="high"), "'high' is no probability"),
        (lambda t: t, "answers are the same, so they say nothing"),
        (lambda t: t.assign(row=t["row"] + 0.5), "column 'row'"),
    ],
)
def test_answers_that_are_none_are_refused_in_one_line(here, capsys, change, told):
    change(given(here)).to_csv("bad.csv", index=False)
    assert told in refused("verdict", "bad.csv", *OVER, "--verdict", "bad.json", capsys=capsys)
    assert not Path("bad.json").exists()


def test_other_options_that_cannot_be_are_refused(here, capsys):
    given(here).to_csv("fine.csv", index=False)
    assert "0 to 1" in refused("verdict", "fine.csv", *OVER, "--ratio", "1.2", capsys=capsys)
    assert ".json or .csv" in refused("verdict", "fine.csv", *OVER, "--verdict", "v.txt", capsys=capsys)
    assert "--task" in refused("verdict", "fine.csv", *OVER, "--task", "other", capsys=capsys)


def test_hard_labels_are_judged_by_attacks_on_labels_alone(here, capsys):
    """An attack on scores would read 0 and 1 as a model that is sure of everything."""
    asked = query_rows.asked(whole())
    y = asked.loaded().y[asked.rows]
    given(here).assign(score=y).to_csv("labels.csv", index=False)
    assert stages.main(["verdict", "labels.csv", *OVER, "--verdict", "labels.json"]) == 0
    told = json.loads(Path("labels.json").read_text())
    assert {one["attack"] for one in told["verdicts"]} == {"threshold"}
    assert told["left_out"]["kl"] == "needs scores, and all answers are 0 or 1" and told["group_1"] == "male"
    said = capsys.readouterr().out
    assert "P(a = 1) is the share of male" in said and "is --positive right" not in said
    given(here).assign(score=1 - y).to_csv("turned.csv", index=False)
    assert stages.main(["verdict", "turned.csv", *OVER]) == 0
    assert "caution: the answers are right for 0 % of the query rows" in capsys.readouterr().out


def test_the_standard_error_of_an_auc_is_that_of_its_draws():
    rng = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(400):
        y = np.repeat([0, 1], (120, 80))
        scores = np.round(rng.normal(size=200) + 0.7 * y, 1)  # with ties
        area, variance = roc.delong(scores, y)
        error = np.sqrt(variance)
        areas.append(area)
        errors.append(error)
    pairs = scores[y == 1][:, None] - scores[y == 0][None]
    assert np.isclose(area, (pairs > 0).mean() + (pairs == 0).mean() / 2)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.15)


def test_answers_that_chance_may_give_are_a_caution():
    rng = np.random.default_rng(1)
    y = (rng.random(400) < 0.3).astype(np.int8)
    blind = 0.4 * rng.random(400)  # says y = 0 of every row, so it is right as often as a constant
    (said,) = one_model.doubts(y, blind)
    assert "no better than chance" in said and "--takes" in said and "--positive" in said
    assert one_model.doubts(y, blind / 2 + 0.2 * y) == [], "a model may say one class alone of a rare label"


def test_a_model_of_raw_columns_without_names_is_a_caution(here, capsys):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.tree import DecisionTreeClassifier
    from skops import io

    table = people()
    kept = table[table["sex"] != "unknown"]
    raw = np.column_stack([kept["age"], kept["hours"], *(kept["job"] == one for one in ("clerk", "nurse", "smith"))])
    assert raw.shape[1] == query_rows.asked(whole()).loaded().x.shape[1]
    model = make_pipeline(FunctionTransformer(), DecisionTreeClassifier(max_depth=4)).fit(
        raw.astype(float), kept["repaid"]
    )
    io.dump(model, "raw.skops")
    assert stages.main(["score", "raw.skops", *OVER]) == 0
    said = capsys.readouterr().out
    assert "it names no columns, so nothing shows" in said and "caution: the answers " in said and "--takes" in said


def test_a_tree_that_is_sure_of_everything_answers_probabilities(here, capsys):
    from sklearn.tree import DecisionTreeClassifier
    from skops import io

    loaded = query_rows.asked(whole()).loaded()
    io.dump(DecisionTreeClassifier().fit(loaded.x, (loaded.x[:, 0] > 0).astype(int)), "tree.skops")
    assert stages.main(["score", "tree.skops", *OVER, "--verdict", "tree.json", "--output", "tree.csv"]) == 0
    assert set(pd.read_csv("tree.csv")["score"]) == {0, 1}
    assert {one["attack"] for one in json.loads(Path("tree.json").read_text())["verdicts"]} == {"kl", "threshold"}


def test_a_world_is_guessed_by_more_than_half_of_the_splits(here):
    step = query_rows.asked(whole()).steps[0]
    rates = one_model._rates(whole())
    for guesses, said in (([1, 1, 0], 1), ([1, 1, -1, -1], -1), ([0, 1], -1), ([0], 0)):
        found = {"split": np.arange(len(guesses)), "score": np.zeros(len(guesses)), "guess": np.array(guesses)}
        assert one_model._row(step, 0, found, rates, None)["guess"] == said


def test_the_order_of_answers_means_nothing_and_a_csv_can_be_written(here, capsys):
    table = given(here)
    table["score"] = np.random.default_rng(0).random(len(table))
    table.to_csv("one.csv", index=False)
    table.sample(frac=1, random_state=0).to_csv("two.csv", index=False)
    for name in ("one", "two"):
        assert stages.main(["verdict", f"{name}.csv", *OVER, "--verdict", f"{name}-verdict.csv"]) == 0
    assert Path("one-verdict.csv").read_bytes() == Path("two-verdict.csv").read_bytes()
    assert list(pd.read_csv("one-verdict.csv").columns) == list(one_model.COLUMNS)


def test_before_the_run_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built = tiny.build(defences=["none"])
    with pytest.raises(PopleakError, match="run snakemake with this config first"):
        query_rows.asked(built)
