"""Anybody's models, judged by a table of their answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forty
from popleak.attacks.base import Game, Query
from popleak.audit.judge import judge
from popleak.cli import stages
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.measures import fairness, leakage
from popleak.store import parquet as store
from popleak.store import schema

pytestmark = pytest.mark.slow

GAME = Game(ratio_0=0.1, ratio_1=0.9, rows=0, mode="natural", model="model")


def in_process(capsys, *words: str) -> tuple[int, str, str]:
    status = stages.main(words)
    return (status, *capsys.readouterr())


@pytest.fixture
def files(tmp_path):
    """Forty models as CSV files; by their path."""
    answers, points = forty.made()
    answers.to_csv(tmp_path / "answers.csv", index=False)
    points.to_csv(tmp_path / "points.csv", index=False)
    return tmp_path / "answers.csv", tmp_path / "points.csv"


# What forty models amount to.


@pytest.mark.parametrize("name", ["kl", "threshold", "meta", "per-point", "kl-label"])
def test_forty_models_against_the_literal_form(name):
    """Split by split: calibrate on the shadows, score each victim alone, summarise."""
    answers, points = forty.made()
    found = judge(answers, points, attacks=[name], ratios=(0.1, 0.9))
    plugin = plugins.load("attacks", name)
    query = Query(*(points[field].to_numpy(np.int8) for field in ("y", "a", "origin")))
    asked = answers.filter(like="q")
    seen = {access: (asked >= 0.5).astype(float) if access == "labels" else asked for access in ("labels", "scores")}
    victims, shadows = seen[plugin.access], seen[plugin.shadow_access or plugin.access]
    expected = []
    for split in range(forty.SPLITS):
        here = answers["split"] == split
        worlds = [shadows[here & (answers["role"] == "shadow") & (answers["world"] == b)].to_numpy() for b in (0, 1)]
        one = plugin.calibrate(
            shadows_0=worlds[0], shadows_1=worlds[1], query=query, game=GAME, settings=plugin.Settings()
        )
        expected += [one.score(row) for row in victims[here & (answers["role"] == "victim")].to_numpy()]
    assert np.array_equal(found.scores["score"], expected) and len(expected) == 20
    world = answers.loc[answers["role"] == "victim", "world"].to_numpy()
    split = answers.loc[answers["role"] == "victim", "split"].to_numpy()
    guess = np.sign(expected).astype(int).clip(-1, 1)
    literal = leakage.summarise(
        score=np.array(expected),
        guess=np.where(guess == 0, -1, guess > 0),
        world=world,
        split=split,
        ratio_0=0.1,
        ratio_1=0.9,
    )
    row = found.leakage[found.leakage["adversary"] == name].iloc[0]
    for column, value in (
        ("accuracy_low", literal.accuracy.low), ("advantage", literal.advantage.value), ("auc_high", literal.auc.high),
        ("n_leaked_low", literal.n_leaked_low), ("victims", 20), ("splits", 5),
    ):  # fmt: skip
        assert row[column] == value, column
    assert row["against_chance"] == "above" and literal.accuracy.value > 0.9


def test_worlds_that_are_one_are_not_told_apart():
    answers, points = forty.made((0.5, 0.5))
    found = judge(answers, points, attacks=["kl", "meta", "threshold"], ratios=(0.5, 0.5))
    assert set(found.leakage["against_chance"]) == {"cannot tell"}
    assert found.leakage["protocol"].unique().tolist() == ["equal"]
    assert found.risk().low < 0.5 < found.risk().high


def test_a_file_says_what_a_frame_says(files, tmp_path):
    answers, points = forty.made()
    answers.to_parquet(tmp_path / "answers.parquet")
    frames = judge(answers, points)
    for one in (judge(*files), judge(tmp_path / "answers.parquet", points)):
        assert [name for name in one.leakage if not one.leakage[name].equals(frames.leakage[name])] == []
        assert str(one) == str(frames) and one.scores.equals(frames.scores)


def test_utility_and_fairness_on_the_query_points():
    answers, points = forty.made()
    found = judge(answers, points, attacks=["kl"]).models
    rates = fairness.rates(
        answers[answers["role"] == "victim"].filter(like="q").to_numpy(), *points[["y", "a"]].to_numpy().T
    )
    assert np.array_equal(found["delta_eo"], rates.delta_eo) and np.allclose(found["accuracy"], rates.accuracy)
    assert judge(answers, attacks=["kl"]).models["accuracy"].isna().all()


def test_order_of_rows_and_of_query_points_means_nothing():
    answers, points = forty.made()
    rng = np.random.default_rng(0)
    turned = answers[[*answers.columns[:4], *rng.permutation(answers.columns[4:])]].iloc[rng.permutation(40)]
    attacks = ["kl", "threshold"]
    one, other = judge(answers, points, attacks=attacks), judge(turned, points.iloc[::-1], attacks=attacks)
    same = ["accuracy", "accuracy_low", "advantage", "auc"]
    assert np.allclose(one.leakage[same], other.leakage[same], atol=1e-12)


# Defences.


def defended() -> pd.DataFrame:
    """Forty models, and the same with answers drawn towards one half: the same labels, so no attack on labels loses anything."""
    answers, _ = forty.made()
    weak = answers.assign(defence="shrink")
    asked = [name for name in answers if name.startswith("q")]
    weak[asked] = 0.5 + 0.01 * (weak[asked] - 0.5)
    return pd.concat([answers.assign(defence="none"), weak])


def test_defences_are_compared_victim_by_victim():
    _, points = forty.made()
    found = judge(defended(), points, attacks=["kl", "threshold"]).leakage
    cells = set(zip(found["adversary"], found["defence"], found["knowledge"], strict=True))
    expected = {("none", "informed"), ("shrink", "informed"), ("shrink", "unaware")}
    assert cells == {(name, *cell) for name in ("kl", "threshold", "best") for cell in expected}
    labels = found[(found["adversary"] == "threshold") & (found["defence"] == "shrink")]
    assert (labels["difference_vs_none"] == 0).all() and (labels["p_vs_none"] == 1).all()
    with_control = judge(defended(), points, attacks=["kl"], controls={"shrink": "none"}).leakage
    assert with_control["verdict_vs_control"].notna().any() and found["verdict_vs_control"].isna().all()


def test_answers_that_are_the_same_are_the_same_models():
    answers, points = forty.made()
    both = pd.concat([answers.assign(defence="none"), answers.assign(defence="renamed")])
    found = judge(both, points, attacks=["kl"]).leakage
    assert set(found.loc[found["defence"] == "renamed", "verdict_vs_none"]) == {"not applicable"}


def test_base_and_defended_model_together():
    found = judge(defended(), attacks=["pair"]).leakage
    assert found.loc[found["adversary"] == "pair", "access"].tolist() == ["pair"]
    assert set(found["adversary"]) == {"pair"}, "who sees two models is no candidate for best"


def test_shadows_of_one_defence_alone():
    both = defended()
    there = both[~((both["role"] == "shadow") & (both["defence"] == "shrink"))]
    assert set(judge(there, attacks=["kl"]).leakage["knowledge"]) == {"informed", "unaware"}
    there = both[~((both["role"] == "shadow") & (both["defence"] == "none"))]
    found = judge(there, attacks=["kl"]).leakage
    assert set(found["defence"]) == {"shrink"}, "nobody learned what undefended models look like"


# What is not there.


def test_an_attack_that_lacks_what_it_needs_is_left_out_with_the_reason():
    answers, points = forty.made()
    found = judge(answers)
    assert found.left_out["threshold"] == "reads y and origin of the query points, which were not given"
    assert found.left_out["pair"].startswith("compares a base model with a defended one")
    assert {"kl", "meta", "per-point", "kl-label", "best"} <= set(found.leakage["adversary"])
    assert "left out: threshold reads y and origin" in str(found)
    alone = judge(answers[answers["role"] == "victim"], points)
    assert set(alone.leakage["adversary"]) == {"loss", "accuracy-gap", "calibration", "best"}
    assert alone.left_out["kl"] == "learns from shadow models, and there are none"
    with pytest.raises(PopleakError, match="attack 'threshold' reads y and origin"):
        judge(answers, attacks=["threshold"])
    with pytest.raises(PopleakError, match="attack 'weights' sees weights, which no table of answers holds"):
        judge(answers, attacks=["weights"])
    with pytest.raises(PopleakError, match="no attack can judge these answers: accuracy-gap reads"):
        judge(answers[answers["role"] == "victim"])


def test_labels_are_judged_by_attacks_on_labels():
    answers, points = forty.made()
    asked = [name for name in answers if name.startswith("q")]
    hard = answers.copy()
    victims = hard["role"] == "victim"
    hard.loc[victims, asked] = (hard.loc[victims, asked] >= 0.5).astype(float)
    found = judge(hard, points)
    assert set(found.leakage["access"]) == {"labels", "any"}
    assert found.left_out["kl"] == "sees scores, but the victims' answers are labels"
    assert "kl-label" in set(found.leakage["adversary"]), "its shadows still show scores"
    hard[asked] = (hard[asked] >= 0.5).astype(float)
    assert "theirs are labels" in judge(hard, points).left_out["kl-label"]


def test_settings_of_an_attack():
    answers, points = forty.made()
    given = [{"name": "accuracy-gap", "id": "wide", "settings": {"tau": 1.0}}, "accuracy-gap"]
    found = judge(answers, points, attacks=given).leakage.set_index("adversary")
    assert found.loc["wide", "abstained"] == 1.0 and found.loc["accuracy-gap", "abstained"] < 1.0
    with pytest.raises(PopleakError, match="attack 'accuracy-gap': tau: input should be less than or equal to 1"):
        judge(answers, points, attacks=[{"name": "accuracy-gap", "settings": {"tau": 2}}])
    with pytest.raises(PopleakError, match="'kl' appears twice"):
        judge(answers, points, attacks=["kl", "kl"])


def test_one_split_gives_no_verdict():
    answers, points = forty.made()
    found = judge(answers.assign(split=0), points, attacks=["kl"])
    assert set(found.leakage["against_chance"]) == {"cannot tell"}
    assert "caution: all models belong to one pool split" in str(found)
    assert judge(answers.drop(columns="split"), points, attacks=["kl"]).leakage.equals(found.leakage)


def test_a_model_that_diverged_answers_one_half():
    answers, points = forty.made()
    lost = answers["model"].isin(["m0", "m2"])  # a victim and a shadow
    asked = [name for name in answers if name.startswith("q")]
    gone = answers.assign(status=np.where(lost, "diverged", "ok"))
    gone.loc[lost, asked] = np.nan
    half = gone.copy()
    half.loc[lost, asked] = 0.5
    found = judge(gone, points)
    assert found.leakage.equals(judge(half, points).leakage) and set(found.leakage["diverged"]) == {1}
    without = judge(gone[gone["model"] != "m2"], points).scores
    assert found.scores.equals(without), "a shadow that diverged is not learned from"


# What is wrong.


def change(column, value, row=3):
    def apply(answers):
        answers = answers.astype({column: object})
        answers.loc[row, column] = value
        return answers

    return apply


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.drop(columns="role"), "lacks the column 'role'"),
        (lambda t: t.drop(columns="world"), "lacks the column 'world'"),
        (change("role", "teacher"), r"line 5, column 'role': 'teacher': give victim or shadow"),
        (change("world", 2), r"line 5, column 'world': 2: give 0 or 1"),
        (change("world", None), r"line 5, column 'world': empty: a shadow's world"),
        (change("world", None, 1), "victims without a world"),
        (change("split", 0.5), r"line 5, column 'split': 0.5: give a whole number"),
        (change("model", "m2"), r"line 5, column 'model': 'm2' is in line 4 already"),
        (change("model", None), r"line 5, column 'model': empty"),
        (change("q7", 1.5), r"line 5, column 'q7': 1.5 is no score in \[0, 1\]"),
        (change("q7", float("inf")), r"line 5, column 'q7': inf is no score"),
        (change("q7", None), r"line 5, column 'q7': no score: give one, or say 'diverged'"),
        (change("q7", "high"), r"line 5, column 'q7': 'high' is not a number"),
        (lambda t: t.assign(status="lost"), r"column 'status': 'lost': give ok or diverged"),
        (lambda t: t[t["role"] == "shadow"], "no row has role 'victim'"),
        (lambda t: t.drop(index=0), "split 0, defence 'none': 1 victims of world 0 and 2 of world 1: give equally many"),
        (lambda t: t.drop(index=[2, 3]), "split 0 has no shadow of world 0 with defence 'none'"),
        (lambda t: t[["role", "world", "split", "model"]], "has no query points"),
        (lambda t: t.drop(columns="model").assign(defence=["a", "b"] * 20), "several defences and no column 'model'"),
        (lambda t: pd.concat([t, t.assign(defence="x", split=0)]), "'m8' is in another split or world than in an earlier row"),
        (lambda t: t.drop(columns="q7"), r"60 query points of split|60 query points, but the models answered 59"),
        (lambda t: t.rename(columns={"q7": "p7"}), "query point 'q7' is not a column of the answers, and their 'p7' is not here"),
    ],
    ids=lambda one: None if callable(one) else one[:40],
)  # fmt: skip
def test_a_bad_table_of_answers_is_one_line(files, capsys, edit, message):
    edit(forty.made()[0]).to_csv(files[0], index=False)
    status, out, err = in_process(capsys, "judge", str(files[0]), "--points", str(files[1]))
    assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith("popleak: ")
    with pytest.raises(PopleakError, match=message):
        judge(*files)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.assign(age=1), "unknown column 'age'"),
        (lambda t: t[["point"]], "says nothing about the query points"),
        (change("y", 2), "line 5, column 'y': 2: give 0 or 1"),
        (change("a", None), "line 5, column 'a': empty"),
        (change("point", "q2"), "query point 'q2' appears twice"),
        (lambda t: t.assign(origin=0), "must come from both worlds"),
        (lambda t: t.assign(split=1), "split 0|0 query points of split 0, but the models answered 60"),
    ],
    ids=lambda one: None if callable(one) else one[:40],
)
def test_a_bad_table_of_query_points_is_one_line(files, edit, message):
    edit(forty.made()[1]).to_csv(files[1], index=False)
    with pytest.raises(PopleakError, match=message) as error:
        judge(*files)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"role,world\nvictim,0,1\n", "cannot be read as comma-separated text"),
        ("a.csv", b"role,role,world\nvictim,a,1\n", "column 'role' appears twice"),
        ("a.csv", b"role,world\n", "has no rows"),
        ("a.csv", b"", "cannot be read as comma-separated text"),
        ("a.parquet", b"PAR1 nothing", "cannot be read as Parquet"),
        ("a.xlsx", b"x", "a table here is .csv"),
        ("none.csv", None, "no such file"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(tmp_path, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(PopleakError, match=message) as error:
        judge(tmp_path / name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--attacks", "kl2"), "attacks: 'kl2' is unknown: choose from"),
        (("--ratios", "0.5", "1.5"), "ratios: give two shares"),
        (("--control", "fft"), "give DEFENCE=CONTROL"),
        (("--margin", "2"), "margin: input should be less than 1"),
        (("--guesses", "g.csv"), "guesses are graded by the key"),
    ],
)
def test_a_bad_option_is_one_line(files, capsys, words, message):
    status, out, err = in_process(capsys, "judge", str(files[0]), *words)
    assert (status, out, err.count("\n")) == (2, "", 1) and message in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attacks": "kl"}, r"attacks: give a list of attacks, as in \['kl'\], not 'kl'"),
        ({"attacks": []}, "attacks: the list is empty"),
        ({"attacks": [5]}, "attacks: 5: an attack is a name"),
        ({"attacks": [{"name": "kl", "settings": 5}]}, "attack 'kl': settings must be a mapping"),
        ({"attacks": [{"name": "kl", "id": "best"}, "meta"]}, "'best' is the name of the best attack"),
        ({"guesses": "eve.csv"}, "guesses: give a mapping from each stranger's name"),
        ({"guesses": pd.DataFrame({"model": ["m0"], "guess": [0]}), "key": "k"}, "guesses: give a mapping"),
        ({"guesses": {"": "eve.csv"}}, "guesses: give a mapping from each stranger's name"),
        ({"ratios": 5}, "ratios: give two shares"),
        ({"ratios": ("a", "b")}, "ratios: give two shares"),
        ({"controls": "fft"}, "controls: give by defence"),
        ({"controls": {"fft": "none"}}, "controls: no victim has the defence 'fft': choose from none"),
        ({"controls": {"none": "fft"}}, "controls: no victim has the defence 'fft': choose from none"),
    ],
    ids=str,
)
def test_a_bad_argument_is_one_line(options, message):
    with pytest.raises(PopleakError, match=message) as error:
        judge(*forty.made(), **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: [1, 2], "a table is a path"),
        (lambda t: t.to_numpy(), "a table is a path"),
        (lambda t: {"role": "victim", "world": 0, "q": 0.5}, r"column 'role' must hold one value a row, .* shape \(\)"),
        (lambda t: {**t, "q7": np.zeros((40, 2))}, r"column 'q7' must hold one value a row, .* shape \(40, 2\)"),
        (lambda t: t.iloc[:0], "answers: has no rows"),
        (change("q7", pd.NA), "row 4, column 'q7': no score"),
        (lambda t: t.assign(split=t["split"].astype("Int64").where(t.index != 3)), "row 4, column 'split': empty"),
        (change("world", pd.NA), "row 4, column 'world': empty"),
        (lambda t: t.assign(world=[[0]] * 40), r"row 1, column 'world': \[0\]: give 0 or 1"),
        (lambda t: t.assign(world=[np.zeros(2)] * 40), "row 1, column 'world': array"),
        (lambda t: t.assign(split=[10**400] * 40), "row 1, column 'split': 1000"),
        (lambda t: t.assign(q7=[10**400] * 40), "row 1, column 'q7': 1000"),
    ],
    ids=lambda one: None if callable(one) else one[:40],
)
def test_a_bad_frame_is_one_line(edit, message):
    with pytest.raises(PopleakError, match=message) as error:
        judge(edit(forty.made()[0]), attacks=["kl"])
    assert "\n" not in str(error.value)


def test_columns_of_nullable_types_are_read():
    answers, points = forty.made()
    assert judge(answers.convert_dtypes(), points, attacks=["kl"]).leakage.equals(
        judge(answers, points, attacks=["kl"]).leakage
    )


def test_victims_that_all_diverged_are_not_taken_for_labels():
    answers, points = forty.made()
    victims = answers["role"] == "victim"
    gone = answers.assign(status=np.where(victims, "diverged", "ok"))
    gone.loc[victims, [name for name in answers if name.startswith("q")]] = np.nan
    found = judge(gone, points)
    assert "kl" not in found.left_out and set(found.leakage["accuracy"]) == {0.5}


def test_nothing_to_judge(capsys):
    assert in_process(capsys, "judge")[::2] == (2, "popleak: nothing to judge: give answers, or a key and guesses\n")


# The tables.


def test_the_tables_are_public_ones_and_of_one_judgement(files, tmp_path, capsys):
    folder = tmp_path / "judged"
    words = ("judge", str(files[0]), "--points", str(files[1]), "--attacks", "kl", "loss", "--output", str(folder))
    status, out, err = in_process(capsys, *words)
    assert (status, err) == (0, "")
    assert "20 victims and 20 shadows in 5 pool splits, 60 query points from 'q0' to 'q59', answers are scores" in out
    paths = {name: folder / f"{name}.parquet" for name in ("scores", "leakage")}
    store.agree(paths)
    for name, path in paths.items():
        made = store.read(path, stage="tables")
        assert made.column_names == [column.name for column in schema.TABLES[name]]
        assert [str(field.type) for field in made.schema] == [column.type for column in schema.TABLES[name]]
    first = {name: path.read_bytes() for name, path in paths.items()}
    assert in_process(capsys, *words)[0] == 0
    assert {name: path.read_bytes() for name, path in paths.items()} == first, "the same bytes twice"
    assert str(tmp_path.parent) not in first["scores"].decode("latin-1"), "no path of the machine is kept"
