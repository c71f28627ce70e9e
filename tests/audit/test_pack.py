"""A run's models packed for a stranger, attacked by her code, and graded; and judged again as the run judged them."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popleak
import tiny
import whole
from popleak.audit import pack
from popleak.audit.judge import judge
from popleak.cli import stages
from popleak.core.errors import PopleakError
from popleak.plan.build import Plan
from popleak.store import parquet as store

pytestmark = pytest.mark.slow

ATTACKS = [
    "accuracy-gap",
    "loss",
    "threshold",
    "kl",
    "kl-label",
    "kl-transductive",
    "meta",
    "meta-mlp",
    "per-point",
    "snap",
    "pair",
]
RUN = {
    "experiment": "packed",
    "worlds": [{"protocol": "ratio", "ratios": [0.1, 0.9]}],
    "attacks": ATTACKS,
    "knowledge": ["unaware", "informed"],
    "population": {"splits": 3, "victims": 12, "shadows": 4},
    "training": {"epochs": 3, "batch": 16},
    "seed": 3,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run: its folder and its plan."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plan = tiny.build(**RUN)
        whole.run(plan, "scores", "models", "leakage")
    return folder, plan


@pytest.fixture
def plan(run, monkeypatch) -> Plan:
    monkeypatch.chdir(run[0])
    return run[1]


def packed(plan: Plan, folder: Path, **more) -> tuple[Path, Path]:
    """Pack the run below `folder`; return the folder for the stranger and the key."""
    out, key = folder / "out", folder / "key.parquet"
    pack.write(plan, pack.find(plan, defences=more.pop("defences", ())), out, key, **more)
    return out, key


# As the run judged them.


@pytest.mark.parametrize("text", [False, True], ids=["parquet", "csv"])
def test_judged_again_the_leakage_is_the_runs_own_to_the_last_bit(plan, tmp_path, text):
    out, key = packed(plan, tmp_path, text=text)
    ending = "csv" if text else "parquet"
    found = judge(out / f"answers.{ending}", out / f"points.{ending}", key=key, attacks=ATTACKS)
    own = store.read(plan.tables["leakage"].outputs["table"]).to_pandas()
    assert len(own) == 53 and set(own["adversary"]) == {*ATTACKS, "best"}
    pd.testing.assert_frame_equal(found.leakage, own, check_exact=True)
    scores = store.read(plan.tables["scores"].outputs["table"]).to_pandas()
    order = ["adversary", "defence", "knowledge", "split", "world", "model_index"]
    mine, theirs = (one.sort_values(order, ignore_index=True) for one in (found.scores, scores))
    pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
    assert own["accuracy"].max() > 0.5 and own["accuracy"].nunique() > 3, "something is compared"


def test_one_defence_alone_and_labels_alone(plan, tmp_path):
    out, key = packed(plan, tmp_path, defences=["none"], labels=True)
    found = judge(out / "answers.parquet", out / "points.parquet", key=key).leakage
    own = store.read(plan.tables["leakage"].outputs["table"]).to_pandas()
    own = own[(own["defence"] == "none") & (own["access"] == "labels")].set_index("adversary")
    found = found[found["adversary"] != "best"].set_index("adversary")
    assert set(own.index) <= set(found.index) == {*own.index, "snap-label"}
    same = [name for name in own if "holm" not in name]
    assert found.loc[own.index, same].equals(own[same])


# What is handed out, and what is not.


def test_a_stranger_is_not_told_the_worlds_or_the_seed(plan, tmp_path):
    out, key = packed(plan, tmp_path)
    answers = pq.read_table(out / "answers.parquet").to_pandas()
    victims = answers[answers["role"] == "victim"]
    assert victims["world"].isna().all() and len(victims) == 3 * 2 * 12
    assert answers.loc[answers["role"] == "shadow", "world"].notna().all()
    names = ("role", "world", "split", "model", "defence", "status")
    assert [name for name in answers if name not in names] == [f"q{i}" for i in range(60)]
    assert pq.read_table(out / "points.parquet").column_names == ["split", "point", "y", "a", "origin"]
    assert {path.name for path in out.iterdir()} == {"answers.parquet", "points.parquet", "guesses.csv", "README.md"}
    for path in out.glob("*.parquet"):
        told = json.dumps(store.facts(path))
        assert store.facts(path)["inputs"] == {} and store.facts(path)["settings"] == {}
        for secret in [step.id for step in plan.all_steps()] + ["seed"]:
            assert secret not in told
    assert '"seed": 3' in json.dumps(store.facts(key))


def test_ids_are_new_each_time_and_say_nothing_of_the_draw(plan, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tables = [pq.read_table(packed(plan, tmp_path / name)[1]).to_pandas() for name in "ab"]
    assert not set(tables[0]["model"]) & set(tables[1]["model"])
    assert tables[0].drop(columns="model").equals(tables[1].drop(columns="model"))
    # a model has another id under every defence
    assert tables[0]["model"].nunique() == len(tables[0]) == 3 * 24
    answers = pq.read_table(tmp_path / "a" / "out" / "answers.parquet").to_pandas()
    told = answers.loc[answers["role"] == "victim", "model"].tolist()
    assert told == sorted(told), "the order of rows follows from the random ids alone"


def test_nothing_half_written(plan, tmp_path, monkeypatch):
    out, key = packed(plan, tmp_path)
    with pytest.raises(PopleakError, match="exists already"):
        packed(plan, tmp_path)
    key.unlink()
    with pytest.raises(PopleakError, match="exists already"):
        packed(plan, tmp_path)
    shutil.rmtree(out)
    with pytest.raises(PopleakError, match="is in the folder that is handed out"):
        pack.write(plan, pack.find(plan), out, out / "key.parquet")
    usual = os.replace

    def full(source, target):
        if Path(target) == out:  # all is written but for the folder's place
            raise OSError("full")
        return usual(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="full"):
        packed(plan, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_finished_is_one_line(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PopleakError, match=r"results/store/query/.*: missing, so the run is not finished"):
        packed(plan, tmp_path)


# Guesses.


def stranger(out: Path, path: Path, *, scored: bool = True) -> pd.DataFrame:
    """Attack the packed victims through the Python door; write guesses.csv and return it."""
    answers = pq.read_table(out / "answers.parquet").to_pandas()
    asked, rows = answers.filter(regex=r"^q\d+$"), []
    for _, here in answers.groupby(["split", "defence"]):
        mine = here["role"] == "shadow"
        zero, one = (asked.loc[here.index[mine & (here["world"] == world)]].to_numpy() for world in (0, 1))
        judged = popleak.attack("kl").calibrate(zero, one)
        for index in here.index[~mine]:
            score = judged.score(asked.loc[index].to_numpy())
            rows.append({"model": answers.loc[index, "model"], "guess": judged.guess(score), "score": score})
    found = pd.DataFrame(rows).sample(frac=1, random_state=1)
    (found if scored else found.drop(columns="score")).to_csv(path, index=False)
    return found


@pytest.fixture
def handed(plan, tmp_path):
    """The packed folder, the key, and a stranger's guesses."""
    out, key = packed(plan, tmp_path)
    return out, key, stranger(out, tmp_path / "eve.csv"), tmp_path / "eve.csv"


def test_guesses_are_graded_with_the_statistics_of_the_run(plan, handed, capsys, tmp_path):
    _, key, _, path = handed
    found = judge(key=key, guesses={"eve": path}).leakage
    own = store.read(plan.tables["leakage"].outputs["table"]).to_pandas()
    own = own[(own["adversary"] == "kl") & (own["knowledge"] == "informed")].reset_index(drop=True)
    mine = found[found["adversary"] == "eve"].reset_index(drop=True)
    same = [
        name
        for name in own
        if name not in ("adversary", "verdict_vs_none", "verdict_vs_control")
        and "reason" not in name
        and "holm" not in name
    ]
    same = [name for name in same if not name.startswith(("sd_", "between_", "p_equal", "p_vs", "difference"))]
    assert mine[same].equals(own[same]), "her code is kl: so is her grade"
    status = stages.main(["judge", "--guesses", str(path), "--key", str(key), "--output", str(tmp_path / "graded")])
    out = capsys.readouterr().out
    assert status == 0 and "eve" in out and "best" not in out, "one adversary is her own best"
    assert store.read(tmp_path / "graded" / "leakage.parquet").to_pandas().equals(found)


def test_guesses_stand_beside_our_attacks(handed):
    out, key, _, path = handed
    found = judge(
        out / "answers.parquet", out / "points.parquet", key=key, attacks=["kl", "loss"], guesses={"eve": path}
    )
    rows = found.leakage.set_index(["adversary", "defence", "knowledge"])
    assert set(found.leakage["adversary"]) == {"kl", "loss", "eve", "best"}
    for defence in ("none", "finetune", "fft"):
        mine, theirs = (rows.loc[name, defence, "informed"] for name in ("eve", "kl"))
        assert mine["accuracy_low"] == theirs["accuracy_low"] and mine["auc"] == theirs["auc"]
    with pytest.raises(PopleakError, match="an adversary of that name is in the tables already"):
        judge(out / "answers.parquet", key=key, attacks=["kl"], guesses={"kl": path})


def test_guesses_without_scores_are_their_own_scores(handed, tmp_path):
    out, key, _, _ = handed
    stranger(out, tmp_path / "plain.csv", scored=False)
    with_scores = judge(key=key, guesses={"eve": tmp_path / "eve.csv"}).leakage
    without = judge(key=key, guesses={"eve": tmp_path / "plain.csv"}).leakage
    same = ["accuracy", "accuracy_low", "accuracy_high", "advantage", "abstained"]
    assert without[same].equals(with_scores[same])
    assert np.isin(judge(key=key, guesses={"eve": tmp_path / "plain.csv"}).scores["score"], (-1, 0, 1)).all()


def test_who_abstains_is_half_right(handed):
    _, key, guesses, _ = handed
    found = judge(key=key, guesses={"nobody": guesses.assign(guess=-1, score=0.0)}).leakage
    assert set(found["accuracy"]) == {0.5} and set(found["abstained"]) == {1.0}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.drop(columns="guess"), "lacks the column 'guess'"),
        (lambda t: t.assign(sure=1), "unknown column 'sure'"),
        (lambda t: t.iloc[1:], "1 of 72 victims have no guess"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "line 74, column 'model': .* has a guess already"),
        (lambda t: t.assign(model=[f"x{name}" for name in t["model"]]), "is not a victim in the key"),
        (lambda t: t.assign(guess=2), r"line 2, column 'guess': 2: give -1 or 0 or 1"),
        (lambda t: t.assign(guess=[None, *t["guess"][1:]]), r"line 2, column 'guess': empty"),
        (lambda t: t.assign(score=[None, *t["score"][1:]]), r"line 2, column 'score': nan: give a finite number"),
    ],
    ids=lambda one: None if callable(one) else one[:30],
)  # fmt: skip
def test_bad_guesses_are_one_line(handed, edit, message):
    _, key, guesses, path = handed
    edit(guesses).to_csv(path, index=False)
    with pytest.raises(PopleakError, match=message) as error:
        judge(key=key, guesses={"eve": path})
    assert "\n" not in str(error.value)


def test_the_template_holds_every_victim(handed):
    out, key, guesses, _ = handed
    with open(out / "guesses.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["model"] for row in rows} == set(guesses["model"]) and {row["guess"] for row in rows} == {""}
    with pytest.raises(PopleakError, match="column 'guess': empty"):
        judge(key=key, guesses={"eve": out / "guesses.csv"})


def test_the_lines_on_the_page_fill_in_guesses_that_are_graded(handed, monkeypatch):
    """The one who is given the folder needs nothing else to answer."""
    out, key, _, _ = handed
    (code,) = re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(out)
    exec(code, {})
    guesses = pd.read_csv("guesses.csv")
    assert set(guesses["guess"]) == {0, 1}
    found = judge(key=key, guesses={"mean": out / "guesses.csv"}).leakage
    assert (found[found["adversary"] == "mean"]["accuracy"] > 0.5).any(), "the worlds are far apart"


# Keys.


def test_a_key_of_another_pack_is_refused(plan, handed, tmp_path):
    out, key, _, path = handed
    (tmp_path / "again").mkdir()
    _, other = packed(plan, tmp_path / "again")
    with pytest.raises(PopleakError, match="is not in the key: give the key that was written with these answers"):
        judge(out / "answers.parquet", key=other)
    with pytest.raises(PopleakError, match="is not a victim in the key"):
        judge(key=other, guesses={"eve": path})
    with pytest.raises(PopleakError, match="not a key: `popleak pack` writes one"):
        judge(out / "answers.parquet", key=out / "points.parquet")
    with pytest.raises(PopleakError, match="victims without a world"):
        judge(out / "answers.parquet")
    with pytest.raises(PopleakError, match="ratios: the packed game says this already"):
        judge(out / "answers.parquet", key=key, ratios=(0, 1))


def test_a_damaged_key_is_refused(handed):
    _, key, _, path = handed
    data = bytearray(key.read_bytes())
    data[len(data) // 2] ^= 1
    key.write_bytes(bytes(data))
    with pytest.raises(PopleakError, match="damaged"):
        judge(key=key, guesses={"eve": path})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("world", 7, r"row 1, column 'world': 7: give 0 or 1"),
        ("world", 1, "not the key as `popleak pack` wrote it"),
        ("model", "v1", "not the key as `popleak pack` wrote it"),
        ("defence", None, "not the key as `popleak pack` wrote it"),
        (None, [5, -3], "was packed by another version"),
    ],
    ids=str,
)
def test_a_sealed_key_that_nobody_packed_is_one_line(handed, column, value, message):
    _, key, _, path = handed
    facts, table = store.facts(key), store.read(key).to_pandas()
    if column is None:
        facts = {**facts, "game": {**facts["game"], "ratios": value}}
    else:
        table[column] = value
    store.write(key, pa.Table.from_pandas(table, preserve_index=False), facts)
    with pytest.raises(PopleakError, match=message) as error:
        judge(key=key, guesses={"eve": path})
    assert "\n" not in str(error.value)


# Which game.


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ({}, "--task: which of 2"),
        ({"task": "adult"}, "--task: 'adult' is not in the experiment: choose from"),
        ({"task": "synthetic-group"}, "--model: which of 2"),
        ({"task": "synthetic-group", "model": "logistic"}, "--pair: which of 2"),
        (
            {"task": "synthetic-group", "model": "logistic", "pair": "0.3 0.4"},
            "--pair: '0.3 0.4' is not in the experiment",
        ),
        (
            {"task": "synthetic-group", "model": "logistic", "pair": "0.0 1.0", "defences": ["fft2"]},
            "--defence 'fft2': not in this task",
        ),
    ],
)
def test_what_is_meant_must_be_clear(which, message):
    task = {"rows": 60, "query_rows": 30, "options": {"rows": 800}}
    plan = tiny.build(
        tasks=[{"dataset": "synthetic", **task}, {"dataset": "synthetic-twin", **task}], models=["logistic", "mlp"],
        worlds=[{"protocol": "pure"}, {"protocol": "equal"}],
    )  # fmt: skip
    with pytest.raises(PopleakError, match=message):
        pack.find(plan, **which)
    found = pack.find(plan, task="synthetic-twin-group", model="mlp", pair="0.5 0.5", defences=["none"])
    assert found.pair.pair == "equal 0.5 0.5" and found.defences == ("none",)
    assert (found.settings.task, found.settings.model_id) == ("synthetic-twin-group", "mlp")


def test_only_pairs_of_worlds_of_classifiers_are_packed():
    """A table of answers holds two worlds, and no rows of generators."""
    plan = tiny.build(
        worlds=[{"protocol": "pure"}, {"protocol": "k-ary", "ratios": [0, 0.5, 1]}, {"protocol": "samples", "ratios": [0.3, 0.6]}],
        attacks=["kl", "property-inference"], generators=["tabular-diffusion"],
    )  # fmt: skip
    assert pack.find(plan).pair.protocol == "pure"
    for which in ({"model": "tabular-diffusion"}, {"pair": "k-ary 0.0 0.5 1.0"}, {"pair": "samples 0.3 0.6"}):
        with pytest.raises(PopleakError, match=r"is not in the experiment: choose from '(mlp|pure 0.0 1.0)'$"):
            pack.find(plan, **which)


def test_the_command_packs_and_says_what_to_keep(run, tmp_path, capsys, monkeypatch):
    folder, plan = run
    monkeypatch.chdir(folder)
    monkeypatch.setattr("popleak.cli.tools.experiment_of", lambda files: plan.experiment)
    assert stages.main(["pack", str(tmp_path / "out"), "--csv", "--labels"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        f"{tmp_path / 'out'}: 72 victims without their worlds, 72 shadows with theirs, 60 query points"
    )
    assert said[1].startswith(f"{tmp_path / 'out.key.parquet'}: the key: keep it") and said[2].startswith("caution: ")
    assert set(
        pd.read_csv(tmp_path / "out" / "answers.csv").query("role == 'victim'").filter(regex=r"^q\d+$").stack()
    ) == {0.0, 1.0}
