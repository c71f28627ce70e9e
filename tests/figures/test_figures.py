"""The figure plugins and the stage `figure`, on made-up tables."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import drawing
import fake_tables
from drawing import drawn, laid_out
from popleak.core.errors import PopleakError
from popleak.figures import _select as select
from popleak.figures import _style
from popleak.figures.roc import KEYS, _curves, roc_curve
from popleak.measures import intervals
from popleak.stages import figures
from popleak.store import parquet as store

pytestmark = pytest.mark.slow

OURS = (
    "attacks", "bound", "confusion", "forms", "gap", "kqueries", "leakage", "poison", "proxies", "ratios", "regression", "roc",
    "sensitivity", "tradeoff", "control-pairs", "summary", "budgets", "scorecard", "pareto", "curves",
    "membership-roc", "membership-cells", "bill",
)  # fmt: skip
FOUR = {"victims": 8}
ONE = {"tasks": ("adult-sex",), "victims": 8}
PLAIN = {**ONE, "pairs": fake_tables.PAIRS[:1]}
ODD = {
    "tasks": ("a-task-with-the-longest-id-one-may-give-x", "t2"),
    "models": ("mlp", "logistic"),
    "extra": ("their-own",),
    "victims": 4,
    "splits": 1,
    "pairs": (("ratio", 0.2, 0.5), ("equal", 0.5, 0.5)),
}


def given(name, shape):
    """Return tables of this shape; only those with all axes hold poisoned victims."""
    one_pair = {"full": True, "pairs": shape.get("pairs", fake_tables.PAIRS)[:1]}
    return fake_tables.tables(**shape | (one_pair if name == "poison" else {}))


@pytest.mark.parametrize("name", OURS)
def test_card_and_imports(name):
    drawing.check_card(name)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "shape"), [*itertools.product(OURS, (FOUR, ODD)), ("ratios", {**ONE, "victims": 6, "full": True})]
)
def test_draws_within_the_page(name, shape):
    """That tables with all axes are drawn so too is in test_legible, which looks at more of such a figure."""
    found, plotted = laid_out(name, given(name, shape))
    width, height = found.get_size_inches()
    assert len(plotted) and width <= 11 and height > 1
    assert set(plotted["scope" if name == "proxies" else "task"]) - {"all"} == set(
        shape.get("tasks", fake_tables.TASKS)
    )
    with _style.style():
        inside = found.get_tightbbox()
    assert inside.x0 > -0.02 and inside.x1 < width + 0.02, "a label is clipped"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", OURS)
def test_without_rows_it_says_so(name):
    found, plotted = laid_out(name, fake_tables.empty())
    assert plotted.empty and len(plotted.columns) > 3
    assert "Nothing to draw" in found.texts[0].get_text()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", OURS)
def test_with_one_defence_and_no_best(name):
    frames = {
        key: frame[frame["defence"] == "none"] if "defence" in frame else frame
        for key, frame in given(name, ONE).items()
    }
    frames["leakage"] = frames["leakage"][frames["leakage"]["adversary"] != "best"]
    frames["sensitivity"] = given(name, ONE)["sensitivity"].iloc[:1].assign(named=np.nan)  # has no row of `none`
    assert len(laid_out(name, frames)[1]) or name in ("control-pairs", "curves")  # there is no pair, and nothing varies


@pytest.mark.filterwarnings("error")
def test_diverged_victims_are_counted_not_drawn():
    frames = dict(fake_tables.tables(**ONE))
    frames["models"] = models = frames["models"].copy()
    mine = (models["defence"] == "fft") & (models["protocol"] == "pure") & (models["world"] == 0)
    models.loc[mine, ["gap", "accuracy", "delta_eo", "delta_eo_floor"]] = np.nan
    models.loc[(models["defence"] == "none") & (models["model_index"] == 0), "gap"] = np.inf
    plotted = laid_out("gap", frames)[1].query("protocol == 'pure'").set_index(["world", "defence"])
    assert plotted.at[(0, "fft"), "not_finite"] == plotted.at[(0, "fft"), "victims"] == 40
    assert plotted.at[(0, "none"), "not_finite"] == 5
    assert len(laid_out("tradeoff", frames)[1]) == 6


def test_gap_numbers_are_the_tables():
    frames = fake_tables.tables(**FOUR)
    plotted = drawn("gap", frames)[1]
    models = frames["models"]
    for row in plotted.to_dict("records"):
        values = select.of(models, **{key: row[key] for key in ("task", "protocol", "world", "defence")})["gap"]
        assert row["drawn"] and row["victims"] == len(values) == 40
        assert row["within_tau"] == pytest.approx((values.abs() < 0.1).mean()) and row["median"] == pytest.approx(
            values.median()
        )


def test_gap_shows_every_pair_of_worlds():
    found, plotted = drawn("gap", fake_tables.tables(**ONE))
    assert set(plotted["protocol"]) == {"pure", "ratio", "equal"}
    assert sum("vs" in axes.get_title() for axes in found.axes) == 3


def test_summary_numbers_are_the_tables():
    frames = fake_tables.tables(**FOUR)
    best = select.of(frames["leakage"], adversary="best", knowledge="informed", protocol="pure").set_index(
        ["task", "defence"]
    )
    pure = select.of(frames["models"], protocol="pure").groupby(["task", "defence"])[["delta_eo", "accuracy"]].mean()
    plotted = drawn("summary", frames)[1]
    assert len(plotted) == 4 * 6 and plotted["drawn"].all()
    for row in plotted.to_dict("records"):
        key = row["task"], row["defence"]
        assert row["leakage"] == best.at[key, "accuracy"] and row["delta_eo"] == pytest.approx(pure.at[key, "delta_eo"])
        cost = 100 * (pure.at[key, "accuracy"] - pure.at[(row["task"], "none"), "accuracy"])
        assert row["cost"] == pytest.approx(cost, abs=1e-9)
        change = pure.at[key, "delta_eo"] - pure.at[(row["task"], "none"), "delta_eo"]
        assert row["delta_eo_change"] == pytest.approx(change, abs=1e-9)


def test_summary_leaves_out_defences_before_tasks_and_says_so():
    """Thirty tasks of six defences have no room: the usual defences stay; of sixty not all have a row."""
    frames = dict(fake_tables.tables(**ONE))
    for table in ("models", "leakage"):
        frames[table] = pd.concat([frames[table].assign(task=f"t{i:02}") for i in range(30)], ignore_index=True)
    found, plotted = drawn("summary", frames)
    assert found.get_size_inches()[1] <= _style.TALLEST and len(plotted) == 30 * 6
    assert set(plotted.loc[plotted["drawn"], "defence"]) == {"none", "fft-rehearsal", "rehearsal"}
    many = {name: pd.concat([frame, frame.assign(task=frame["task"] + "b")], ignore_index=True) if name in ("models", "leakage")
            else frame for name, frame in frames.items()}  # fmt: skip
    found, plotted = drawn("summary", many)
    assert 30 < plotted.loc[plotted["drawn"], "task"].nunique() < 60 and "more not drawn" in found.get_suptitle()


def test_the_message_of_the_summary_counts_intervals_alone():
    """A mean that falls by less than its interval tells is not said to fall."""
    frames = dict(fake_tables.tables(**FOUR))
    models = frames["models"] = frames["models"].copy()
    fair = (models["defence"] == "fft-rehearsal").to_numpy()
    models["delta_eo"] = 0.5
    models.loc[fair, "delta_eo"] = 0.49 + 0.4 * np.resize([1.0, -1.0], fair.sum())
    assert "mean Delta_EO falls in 0 and rises in 0" in drawn("summary", frames)[0].get_suptitle().replace("\n", " ")
    models.loc[fair, "delta_eo"] = 0.49 + 0.0001 * np.resize([1.0, -1.0], fair.sum())
    assert "mean Delta_EO falls in 4 and rises in 0" in drawn("summary", frames)[0].get_suptitle().replace("\n", " ")


def test_control_pairs_show_the_sign_and_the_verdict():
    frames = dict(fake_tables.tables(**ONE))
    table = frames["leakage"] = frames["leakage"].copy()
    fair = (
        table["defence"].isin(["fft", "fft-rehearsal"])
        & (table["adversary"] == "best")
        & (table["knowledge"] == "informed")
    )
    table.loc[~fair, ["difference_vs_control", "verdict_vs_control"]] = [np.nan, None]
    table.loc[fair & (table["defence"] == "fft"), ["difference_vs_control", "verdict_vs_control"]] = [0.07, "higher"]
    table.loc[fair & (table["defence"] != "fft"), ["difference_vs_control", "verdict_vs_control"]] = [-0.08, "lower"]
    found, plotted = drawn("control-pairs", frames)
    assert len(plotted) == 2 * 2, "two fair defences in two pairs of worlds that differ"
    np.testing.assert_allclose(plotted["accuracy"] - plotted["control_accuracy"], plotted["difference"])
    assert "lowers leakage in 2 and raises it in 2 of 4" in found.get_suptitle().replace("\n", " ")
    markers = {line.get_marker() for line in found.axes[0].get_lines()}
    assert {"<", ">", "o"} <= markers
    table.loc[fair & (table["defence"] == "fft"), "verdict_vs_control"] = "not applicable"
    found, plotted = drawn("control-pairs", frames)
    labels = [label.get_text() for label in found.axes[0].get_yticklabels()]
    assert len(labels) == 2 and all(plotted["task"].iloc[0] in label for label in labels), "a row a task"
    assert set(plotted.loc[plotted["drawn"], "defence"]) == {"fft-rehearsal"}
    assert "in 2 more the term never acts" in found.get_suptitle().replace("\n", " ")


def test_leakage_numbers_are_the_tables():
    frames = fake_tables.tables(**FOUR)
    plotted = drawn("leakage", frames)[1]
    both = plotted.merge(frames["leakage"], on=list(plotted.columns[:9]), suffixes=("", "_table"))
    assert len(both) == len(plotted) == len(frames["leakage"])
    assert (both["accuracy"] == both["accuracy_table"]).all()


def test_leakage_draws_the_known_ceiling():
    frames = dict(fake_tables.tables(**ONE))
    frames["leakage"] = frames["leakage"].assign(known_ceiling=0.9)
    labels = [text.get_text() for text in drawn("leakage", frames)[0].legends[0].get_texts()]
    assert "known ceiling" in labels
    assert "known ceiling" not in [
        text.get_text() for text in drawn("leakage", fake_tables.tables(**ONE))[0].legends[0].get_texts()
    ]


def test_tradeoff_and_bound_numbers_are_the_tables():
    frames = fake_tables.tables(**FOUR)
    best = select.of(frames["leakage"], adversary="best", knowledge="informed", protocol="pure").set_index(
        ["task", "defence"]
    )
    pure = select.of(frames["models"], protocol="pure")
    models = pure.groupby(["task", "defence"])["accuracy"].mean()
    floors = pure.groupby(["task", "defence", "world"])["delta_eo_floor"].mean()
    for row in drawn("tradeoff", frames)[1].to_dict("records"):
        assert row["advantage"] == best.at[(row["task"], row["defence"]), "advantage"]
        assert row["accuracy"] == pytest.approx(models[row["task"], row["defence"]])
        assert row["delta_eo_floor"] == pytest.approx(floors[row["task"], row["defence"]].mean())
    bound = drawn("bound", frames)[1]
    assert (bound["side"] == "evaluation").sum() == 4 * 6 * 2 and (bound["side"] == "training").sum() == 4 * 6
    for row in bound[bound["side"] == "evaluation"].to_dict("records"):
        part = select.of(frames["bounds"], **{key: row[key] for key in ("task", "protocol", "defence", "world")})
        assert row["value"] == pytest.approx(part["gap"].mean()) and row["delta_eo_w"] == pytest.approx(
            part["rhs_literal"].mean()
        )
        assert row["floor_w"] == pytest.approx(floors[row["task"], row["defence"], row["world"]] * part["w"].mean())
    for name in ("tradeoff", "bound"):
        said = [text.get_text() for text in drawn(name, frames)[0].legends[0].get_texts()]
        assert "no difference, by chance" in said


def test_sensitivity_numbers_are_the_tables():
    """Twins of equal label rates are left out, and of two pairs of worlds the ratios."""
    table = fake_tables.tables(**FOUR)["sensitivity"]
    plotted = drawn("sensitivity", {"sensitivity": table})[1]
    shown = table[(table["protocol"] == "pure") & ~table["task"].str.endswith("-twin")]
    assert len(plotted) == len(shown) == 4 * 60
    both = plotted.merge(shown, on=["task", "defence"], suffixes=("", "_table"))
    assert len(both) == len(plotted)
    for name in ("travel", "named", "delta_eo_crossed", "model_accuracy_low"):
        assert (both[name] == both[f"{name}_table"]).all()
    alone = table[table["task"].str.endswith("-twin")]
    assert set(drawn("sensitivity", {"sensitivity": alone})[1]["task"]) == {"acs-sex-twin"}


def test_each_setting_has_a_look_of_its_own():
    """Within a rehearsal share, no two lambdas are drawn alike, in colour or in grey."""
    from matplotlib.colors import to_rgb

    from popleak.figures.sensitivity import Looks

    plotted = drawn("sensitivity", fake_tables.tables(**ONE))[1]
    looks, grey = Looks(plotted), []
    weights = sorted(set(plotted.loc[~plotted["eo_chosen"].astype(bool), "eo_weight"]) - {0.0})
    for weight in weights:
        red, green, blue = to_rgb(looks.shade(weight))
        grey.append(0.299 * red + 0.587 * green + 0.114 * blue)
    assert len(weights) == 6 and all(before - after > 0.05 for before, after in itertools.pairwise(grey))
    assert len({looks.marker(share) for share in looks.shares}) == 3


def test_forms_numbers_are_the_tables():
    frames = fake_tables.tables(**FOUR)
    plotted = drawn("forms", frames)[1]
    training = plotted[plotted["side"] == "training"]
    assert len(training) == 4 * 6 * 6  # tasks, defences, adversaries
    for row in training.to_dict("records"):
        cell = {key: row[key] for key in ("task", "protocol", "defence")}
        mine = select.of(frames["leakage"], **cell, adversary=row["name"])
        mine = mine[mine["knowledge"] != "unaware"] if len(mine) > 1 else mine
        assert row["value"] == mine["advantage"].item()
    evaluation = plotted[plotted["side"] == "evaluation"]
    assert len(evaluation) == 4 * 6 * 5
    for row in evaluation[evaluation["name"] == "scores"].to_dict("records"):
        part = select.of(frames["bounds"], **{key: row[key] for key in ("task", "protocol", "defence")})
        assert row["value"] == pytest.approx(part["adv_scores"].mean())
        assert row["bound"] == pytest.approx(part["rhs_scores"].mean())
        assert np.isnan(row["holds"])


@pytest.mark.filterwarnings("error")
def test_forms_without_a_second_attribute_has_no_lane_for_it():
    frames = dict(fake_tables.tables(**ONE))
    none = dict.fromkeys(("adv_groups", "rhs_groups", "groups_holds", "smallest_group_cell"))
    frames["bounds"] = frames["bounds"].assign(**none)
    found, plotted = laid_out("forms", frames)
    assert set(plotted.loc[plotted["side"] == "evaluation", "name"]) == {"balanced", "corrected", "coupling", "scores"}
    assert not any("intersections" in text.get_text() for text in found.legends[0].get_texts())


def test_kqueries_numbers_follow_from_the_tables():
    frames = fake_tables.tables(**FOUR)
    plotted = drawn("kqueries", frames)[1]
    assert set(plotted["defence"]) == {"none", "rehearsal", "fft-rehearsal"}
    for row in plotted[plotted["defence"] == "none"].iloc[::13].to_dict("records"):
        part = select.of(frames["bounds"], **{key: row[key] for key in ("task", "protocol", "defence")})
        values = 1 - (1 - part["rhs_literal"]) ** row["k"]
        assert row["bound"] == pytest.approx(values.mean()) and row["bound_high"] == pytest.approx(values.max())
        assert row["victims"] == len(part) and 0.05 <= row["power_low"] <= row["power"] <= row["power_high"] <= 1


def test_kqueries_of_a_model_without_a_gap_has_the_level_as_power():
    frames = dict(fake_tables.tables(**ONE))
    frames["bounds"] = frames["bounds"].assign(gap=0.0, queries_to_detect=np.nan)
    np.testing.assert_allclose(drawn("kqueries", frames)[1]["power"], 0.05)


def test_plain_keeps_the_plain_game_and_copes_with_older_tables():
    frame = pd.DataFrame({"poison": [0, 0.1, 0, 0], "model": "m", "shadow_model": ["m", "m", "n", "m"],
                          "repeats": [1, 1, 1, 5], "row": range(4)})  # fmt: skip
    assert list(select.plain(frame)["row"]) == [0]
    assert len(select.plain(frame[["model", "row"]])) == 4


def areas(scores):
    """Return the mean over pool splits of the AUC, by KEYS of the figure `roc`: by ranks, since scikit-learn takes long for thousands."""
    by = [*KEYS, "split"]
    ranked = scores.assign(rank=scores.groupby(by)["score"].rank())
    one = ranked[ranked["world"] == 1].groupby(by)["rank"].agg(["sum", "size"])
    other = ranked[ranked["world"] == 0].groupby(by).size()
    by_split = (one["sum"] - one["size"] * (one["size"] + 1) / 2) / (one["size"] * other)
    return by_split.groupby(KEYS).mean()


def test_roc_takes_the_attack_that_is_strongest_on_the_other_splits():
    frames = fake_tables.tables(**FOUR)
    plotted = drawn("roc", frames)[1]
    scores = frames["scores"]
    scores = scores[(scores["adversary"] != "best") & (scores["knowledge"] != "unaware") & (scores["defence"] == "fft")]
    assert "best" not in set(plotted["adversary"])
    chosen = areas(scores[scores["split"] % 2 == 1])
    for (task, pair), mine in select.of(plotted, defence="fft").groupby(["task", "ratio_0"]):
        able = chosen[
            (chosen.index.get_level_values("task") == task) & (chosen.index.get_level_values("ratio_0") == pair)
        ]
        assert set(mine["adversary"]) == {able.idxmax()[KEYS.index("adversary")]}
        shown = select.of(scores, task=task, ratio_0=pair, adversary=mine["adversary"].iloc[0]).query("split % 2 == 0")
        area = np.trapezoid(mine["tpr"], mine["fpr"])
        assert area == pytest.approx(roc_auc_score(shown["world"], shown["score"]))
        assert mine["auc"].iloc[0] == pytest.approx(areas(shown).iloc[0])


@pytest.mark.parametrize("splits", [1, 5])
def test_attacks_that_know_nothing_are_at_chance_in_roc(splits):
    """The highest of five would be at 0.53 on these victims."""
    frames = dict(fake_tables.tables(splits=splits, victims=200 // splits))
    luck = np.random.default_rng(5).normal(size=len(frames["scores"]))
    frames["scores"] = frames["scores"].assign(score=luck)
    found = areas(frames["scores"]).rename("auc").reset_index()
    frames["leakage"] = frames["leakage"].drop(columns="auc").merge(found, on=KEYS)
    picture, plotted = drawn("roc", frames)
    values = plotted.drop_duplicates(KEYS[:6])["auc"]
    assert len(values) == 72 and len(set(plotted["adversary"])) > 3
    assert abs(values.mean() - 0.5) < 0.015 and 25 < (values > 0.5).sum() < 47
    strong, every = map(int, re.search(r"(\d+) of (\d+) cases", " ".join(picture.get_suptitle().split())).groups())
    assert every == 48 and strong <= 8


def test_roc_curve_with_ties():
    fpr, tpr = roc_curve(score=np.array([1.0, 1.0, 0.0, 0.0]), world=np.array([1, 0, 1, 0]))
    assert list(fpr) == [0, 1] and list(tpr) == [0, 1]
    fpr, tpr = roc_curve(score=np.array([3.0, 2.0, 1.0, 0.0]), world=np.array([1, 1, 0, 0]))
    assert list(zip(fpr, tpr, strict=True)) == [(0, 0), (0, 1), (1, 1)]


def test_markers_of_the_roc_are_the_tables_own_and_do_not_interpolate():
    """Ten victims of world 0, equal scores in fours: no threshold has FPR 5 %, and those at 25 and 50 % lie below. Others chose the attack."""
    scores = pd.DataFrame({name: "x" for name in (*select.FACET, "protocol", "defence", "adversary", "knowledge")}, [0])
    score = np.repeat([4.0, 3.0, 2.0, 1.0, 0.0], 4)
    scores = scores.loc[[0] * 20].assign(ratio_0=0.0, ratio_1=1.0, score=score, world=np.tile([0, 1], 10))
    scores = scores.assign(split=0, model_index=range(20))
    both = pd.concat([scores, scores.assign(split=1, score=scores["world"])])
    (curve,) = _curves(both, scores.iloc[:1])
    assert list(curve["fpr"]) == list(curve["tpr"]) == [0, 1]
    np.testing.assert_allclose(curve["marks"], [0, 0.2, 0.4])


def test_looks_are_stable_and_told_apart_in_grey():
    known = _style.defences(_style.DEFENCES)
    assert list(_style.defences({"zz", "fft", "none", "aa"})) == ["none", "fft", "aa", "zz"]
    assert _style.defences(["fft"])["fft"] == known["fft"]
    for names in (_style.DEFENCES, _style.ADVERSARIES):
        for one, other in itertools.pairwise(names.values()):
            assert one.color != other.color and one.marker != other.marker and one.line != other.line
    for looks in (known, _style.adversaries(_style.ADVERSARIES), _style.defences(f"d{i:02}" for i in range(40))):
        assert len({(look.color, look.marker) for look in looks.values()}) == len(looks)
    assert len({look.marker for look in known.values()}) == len(known)
    assert list(_style.adversaries(["best", "kl", "theirs"]))[-2:] == ["theirs", "best"]


def test_pairs_are_ordered_and_the_main_one_is_pure_else_the_widest():
    frame = pd.DataFrame(
        [
            ("t", "m", "equal", 0.5, 0.5),
            ("t", "m", "ratio", 0.4, 0.5),
            ("t", "m", "ratio", 0.1, 0.5),
            ("u", "m", "equal", 0.5, 0.5),
        ],
        columns=["task", "model", "protocol", "ratio_0", "ratio_1"],
    )
    assert [pair.label for pair in select.pairs(frame)] == [
        "ratio: 0.1 vs 0.5",
        "ratio: 0.4 vs 0.5",
        "equal: 0.5 vs 0.5",
    ]
    assert select.main_pairs(frame) == {("t", "m"): select.Pair("ratio", 0.1, 0.5)}


def test_interval_over_splits():
    mean = select.mean_over_splits(pd.Series([0.0, 2.0, 3.0, 5.0, np.nan]), pd.Series([0, 0, 1, 1, 1]))
    assert mean.mean == 2.5 and mean.n == 4
    assert mean.high - mean.mean == pytest.approx(12.706 * np.sqrt(9 / 2) / np.sqrt(2), rel=1e-3)
    single = select.mean_over_splits(pd.Series([1.0, 2.0]), pd.Series([0, 0]))
    assert single.high - single.mean == pytest.approx(12.706 / 2, rel=1e-3)  # two independent models
    agree = select.mean_over_splits(pd.Series([0.0, 2.0, 1.0, 1.0]), pd.Series([0, 0, 1, 1]))
    assert agree.mean == 1.0 and agree.high - agree.mean > 0.5  # splits' means that agree by luck are no certainty
    assert np.isnan(select.mean_over_splits(pd.Series([1.0]), pd.Series([0])).low)
    nothing = select.mean_over_splits(pd.Series([np.nan]), pd.Series([0]))
    assert nothing.n == 0 and np.isnan(nothing[:3]).all()
    values, splits = pd.Series(np.random.default_rng(0).normal(size=13)), pd.Series([0] * 5 + [1] * 2 + [2] * 6)
    assert select.mean_over_splits(values, splits)[:3] == intervals.mean(values.to_numpy(), splits.to_numpy())[:3]


@pytest.mark.parametrize("name", OURS)
def test_stage_writes_equal_bytes_twice(name, tmp_path):
    paths = fake_tables.write(tmp_path / "tables", given(name, PLAIN))
    first = figures.draw(name=name, tables=paths, tau=0.1, stem=tmp_path / "a" / "my.figure")
    second = figures.draw(name=name, tables=paths, tau=0.1, stem=tmp_path / "b" / "my.figure")
    assert [path.name for path in first] == ["my.figure.pdf", "my.figure.png", "my.figure.csv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        [path.name for path in first] + ["my.figure.sha256"]
    )
    pdf, png, csv = (path.read_bytes() for path in first)
    assert (
        b"/Type3" not in pdf
        and b"CreationDate" not in pdf
        and b"matplotlib" not in pdf.lower().replace(b"matplotlib_", b"")
    )
    assert b"Software" not in png and png.startswith(b"\x89PNG")
    plotted = drawn(name, {table: store.read(path).to_pandas() for table, path in paths.items()})[1]
    written = pd.read_csv(first[2])
    assert len(csv) > 100 and list(written.columns) == list(plotted.columns) and len(written) == len(plotted)
    for column in plotted.select_dtypes("number"):
        np.testing.assert_allclose(written[column].astype(float), plotted[column].astype(float), rtol=1e-5, atol=1e-9)


def test_stage_does_not_heed_the_users_matplotlib_settings(tmp_path):
    import matplotlib as mpl

    paths = fake_tables.write(tmp_path, fake_tables.tables(**ONE))
    first = figures.draw(name="gap", tables=paths, tau=0.1, stem=tmp_path / "a")[1].read_bytes()
    with mpl.rc_context({"font.size": 20, "figure.dpi": 40}):
        assert figures.draw(name="gap", tables=paths, tau=0.1, stem=tmp_path / "b")[1].read_bytes() == first


def test_stage_refuses_what_it_cannot_read(tmp_path):
    with pytest.raises(PopleakError, match="needs the table 'leakage'"):
        figures.draw(name="leakage", tables={}, tau=0.1, stem=tmp_path / "x")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(PopleakError, match=r"broken\.parquet"):
        figures.draw(name="leakage", tables={"leakage": tmp_path / "broken.parquet"}, tau=0.1, stem=tmp_path / "x")
    with pytest.raises(PopleakError, match="unknown"):
        figures.draw(name="nope", tables={}, tau=0.1, stem=tmp_path / "x")
    assert not list(tmp_path.glob("x*"))


def test_a_figure_without_room_for_all_tasks_draws_some_of_every_part_of_the_list():
    """Once the first in the alphabet alone, so that whole datasets were in no figure."""
    frames = dict(fake_tables.tables(**ONE))
    for table in ("models", "leakage", "bounds"):
        frames[table] = pd.concat([frames[table].assign(task=f"t{i:02}") for i in range(30)], ignore_index=True)
    for name in ("leakage", "tradeoff", "bound"):
        plotted = drawn(name, frames)[1]
        shown = sorted({int(task[1:]) for task in plotted.loc[plotted["drawn"].astype(bool), "task"]})
        assert 4 < len(shown) < 30 and shown[0] == 0
        assert max(np.diff([*shown, 30])) <= 30 / len(shown) + 1, name
