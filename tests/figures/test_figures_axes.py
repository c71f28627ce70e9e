"""Figures, report and claims on tables with every axis: poison, shadows, repeats, knowledge, access, many worlds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fake_tables
import told
from drawing import drawn, laid_out
from popleak.figures import _many, _style, ratios
from popleak.figures import _select as select
from popleak.measures.leakage import n_leaked
from popleak.report import findings
from popleak.store.plain import plain
from popleak.tables import claims

pytestmark = pytest.mark.slow

FULL = {"tasks": ("adult-sex", "lsac-race"), "victims": 6, "full": True}
AGAINST_HALF = tuple(("ratio", *sorted((tenth / 10, 0.5))) for tenth in (0, 3, 8))
CURVE = {"tasks": ("adult-sex",), "victims": 6, "full": True, "pairs": (*AGAINST_HALF, ("equal", 0.5, 0.5))}
KEYS = ["task", "model", "protocol", "ratio_0", "ratio_1", "defence", "adversary", "knowledge"]


def by_hand(frames):
    """Return the rows without poison, other shadows and repeats, by other means than `plain`."""
    kept = {}
    for name, frame in frames.items():
        for column, value in {"poison": 0.0, "repeats": 1}.items():
            frame = frame.query(f"{column} == {value}") if column in frame else frame
        kept[name] = frame.query("shadow_model == model") if "shadow_model" in frame else frame
    return kept


def test_plain_needs_none_of_the_columns():
    frame = pd.DataFrame({"model": ["mlp", "mlp"], "value": [1, 2]})
    assert plain(frame).equals(frame)
    frame = frame.assign(poison=[np.nan, 0.1], shadow_model=[None, "mlp"], repeats=[np.nan, 1])
    assert list(plain(frame)["value"]) == [1]
    assert plain(frame.assign(poison=0.0, protocol=["k-ary", "pure"]))["value"].tolist() == [2]


@pytest.mark.parametrize("name", ["bound", "gap", "leakage", "ratios", "roc", "tradeoff", "regression", "confusion"])
def test_axes_that_a_figure_does_not_show_change_nothing(name):
    frames = fake_tables.tables(**FULL)
    pd.testing.assert_frame_equal(drawn(name, frames)[1], drawn(name, by_hand(frames))[1])


def test_axes_change_no_sentence_of_the_report():
    frames = fake_tables.tables(**FULL)
    for said in (findings.findings, lambda tables, tau: findings.matrix(tables["leakage"])):
        assert said(frames, tau=0.1) == said(by_hand(frames), tau=0.1)
    told = dict(findings.asked({}, frames))
    assert told["Victims"].startswith("30 for each world") and told["Knowledge"] == "unaware, aware and informed"
    assert told["Poisoned share of a draw"] == "0.02, 0.05 and 0.1" and told["Other shadows"] == "logistic"
    assert any(
        line.startswith("For comparison: an adversary who sees the training rows")
        for line in findings.findings(frames, tau=0.1)
    )


def test_axes_change_no_claim():
    frames = fake_tables.tables(**FULL)
    tasks = FULL["tasks"]
    settings = {
        "tasks": tasks, "searched": {}, "kinds": {task: {name: name for name in fake_tables.DEFENCES} for task in tasks},
        "datasets": dict.fromkeys(tasks, "acs-income"),
        "controls": {task: {"fft-rehearsal": "rehearsal"} for task in tasks},
        "tau": 0.1, "seed": 1,
    }  # fmt: skip
    given = {name: frames[name].assign() for name in ("models", "leakage", "bounds")}
    found = [
        claims.make(parts=[], tables=tables, settings=told.table("claims", settings))
        for tables in (given, by_hand(given))
    ]
    assert found[0].equals(found[1]) and {"C1", "C2", "C3", "C5", "C6"} <= set(found[0]["claim"].to_pylist())


def test_aware_is_not_informed():
    frame = fake_tables.tables(**FULL)["leakage"]
    best = select.best_informed(frame)
    assert set(best["knowledge"]) == {"informed"} and not best.duplicated([*KEYS[:6]]).any()
    unaware = frame.assign(
        knowledge=frame["knowledge"].replace("informed", "aware").where(frame["defence"] != "none", "unaware")
    )
    assert set(select.best_informed(unaware)["defence"]) == {"none"}


def test_leakage_leaves_out_what_sees_more_than_answers():
    plotted = drawn("leakage", fake_tables.tables(**FULL))[1]
    names = set(plotted["adversary"])
    assert {"data", "best", "meta-mlp", "snap-label"} <= names and not {"weights", "pair", "kl-transductive"} & names
    assert not plotted.duplicated(KEYS).any() and "aware" not in set(plotted["knowledge"])


def test_lines_to_compare_with_are_drawn_and_named():
    frames = dict(fake_tables.tables(**FULL))
    frames["leakage"] = frames["leakage"].assign(known_ceiling=0.97)
    for name in ("leakage", "roc", "attacks", "poison", "ratios"):
        labels = {text.get_text() for text in drawn(name, frames)[0].legends[0].get_texts()}
        assert {"chance", "training rows (data)", "known ceiling"} <= labels, name


def test_roc_takes_answers_alone():
    plotted = drawn("roc", fake_tables.tables(**FULL))[1]
    taken = set(plotted.loc[plotted["adversary"] != "data", "adversary"])
    assert taken and not taken & {"weights", "pair", "kl-transductive", "ceiling", "best"}
    assert set(plotted.loc[plotted["adversary"] == "data", "defence"]) == {"none"}


def test_attacks_has_every_row_of_worlds_that_differ():
    frames = fake_tables.tables(**FULL)
    plotted = drawn("attacks", frames)[1]
    table = frames["leakage"].query("ratio_0 != ratio_1 and poison == 0")
    assert len(plotted) == len(table) > len(table.query("protocol == 'pure'"))
    assert set(plotted["group"]) == {
        "labels", "scores", "best of these", "weights", "pair", "rows", "other shadows", "asked again",
    }  # fmt: skip
    labels = [text.get_text() for axes in drawn("attacks", frames)[0].axes for text in axes.get_yticklabels()]
    assert {"kl (transductive)", "kl, logistic shadows", "kl, 10 times"} <= set(labels) and "data" not in labels


def test_adversaries_that_break_the_rules_or_see_more_are_marked():
    assert _style.said("kl-transductive") == "kl (transductive)" and _style.said("kl", "scores") == "kl"
    assert _style.said("weights", "weights") == "weights (white box)"
    assert _style.said("transductive") == "transductive (transductive)"


def test_the_published_curve_leaks_what_was_published():
    leaked = [n_leaked(accuracy, *sorted((ratio, 0.5))) for ratio, accuracy in ratios.PUBLISHED.items()]
    assert len(leaked) == 10 and np.mean(leaked) == pytest.approx(4.16, abs=0.005)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("columns", ["with", "without"])
def test_ratios_draws_the_curve_and_marks_the_infinite(columns):
    frames = dict(fake_tables.tables(**CURVE))
    table = frames["leakage"] = frames["leakage"].copy()
    mine = (table["ratio_0"] == 0) & (table["adversary"] == "best") & (table["defence"] == "none")
    table.loc[mine, ["accuracy", "n_leaked", "n_leaked_high"]] = [1.0, np.inf, np.inf]
    if columns == "without":
        frames["leakage"] = table.drop(columns=["n_leaked_low", "n_leaked_high"])
    found, plotted = laid_out("ratios", frames)
    undefended = plotted[plotted["defence"] == "none"]
    assert sorted(set(plotted["ratio"])) == [0, 0.3, 0.5, 0.8]
    assert set(undefended["adversary"]) == {"threshold", "kl", "meta", "best", "data"}
    assert not plotted.duplicated(["task", "model", "ratio", "defence", "adversary"]).any()
    title = found.axes[1].get_title(loc="left")
    assert "(1 infinite)" in title and "published 1.80, 4.16" in title


def test_ratios_takes_either_order_of_worlds_as_one_ratio():
    frames = dict(fake_tables.tables(**CURVE | {"pairs": (("ratio", 0.5, 0.2), ("ratio", 0.8, 0.5))}))
    assert set(drawn("ratios", frames)[1]["ratio"]) == {0.2, 0.8}


def test_poison_shows_each_share_of_the_attacks_that_were_run_on_it():
    frames = fake_tables.tables(**FULL)
    plotted = drawn("poison", frames)[1]
    assert set(plotted["adversary"]) == set(fake_tables.POISONED) and set(plotted["protocol"]) == {"pure"}
    assert set(plotted["poison"]) == set(fake_tables.SHARES)
    assert not plotted.duplicated([*KEYS[:7], "poison"]).any()
    clean = dict(frames, leakage=frames["leakage"].query("adversary != 'data' or poison == 0"))
    assert len(drawn("poison", clean)[1].query("adversary == 'data'")) == 2


def test_regression_and_confusion_numbers_are_the_tables():
    frames = fake_tables.tables(**FULL)
    plotted = drawn("regression", frames)[1]
    row = plotted.query(
        "task == 'lsac-race' and defence == 'fft-rehearsal' and adversary == 'meta' and ratio == 0.3"
    ).iloc[0]
    where = "task == 'lsac-race' and defence == 'fft-rehearsal' and adversary == 'meta' and knowledge == 'informed'"
    values = frames["estimates"].query(f"{where} and ratio == 0.3")["estimate"]
    assert row["median"] == pytest.approx(values.median()) and row["victims"] == len(values)
    assert row["mae"] == pytest.approx((values - 0.3).abs().mean())
    found, plotted = drawn("confusion", frames)
    mine, table = plotted.query(where), frames["confusion"].query(where)
    assert len(mine) == 121 and mine["share"].sum() == pytest.approx(table["share"].sum()) == pytest.approx(11)
    assert "data" not in set(plotted["adversary"]) and "unaware" not in set(plotted["knowledge"])
    assert any("accuracy" in text.get_text() and "Fano" in text.get_text() for text in found.axes[0].texts)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["regression", "confusion"])
def test_many_worlds_without_intervals_or_errors(name):
    frames = dict(fake_tables.tables(**FULL))
    table = frames["regression"].copy()
    table.loc[:, [column for column in table if column.endswith(("_low", "_high"))]] = np.nan
    assert len(laid_out(name, dict(frames, regression=table))[1])
    assert len(laid_out(name, dict(frames, regression=table.iloc[:0]))[1])


def title(name, frames):
    return " ".join(drawn(name, frames)[0].get_suptitle().split())


@pytest.mark.parametrize("lucky", ["meta", "kl"])
def test_many_worlds_speak_of_one_attack_whichever_did_best(lucky):
    """The maximum over attacks on the victims that are shown would flatter them."""
    frames = dict(fake_tables.tables(**FULL))
    table = frames["regression"].copy()
    mine = table["adversary"] == lucky
    table.loc[mine, ["accuracy", "n_leaked"]] = [0.999, 77.0]
    table.loc[~mine, ["accuracy", "n_leaked"]] = [0.1, 3.0]
    frames["regression"] = table
    named, worth = {"kl": ("11.0", "77.0"), "meta": ("1.1", "3.0")}[lucky]
    assert title("confusion", frames).startswith(
        f"kl names the ratio itself {named} to {named} times as often as chance"
    )
    assert title("regression", frames).startswith(f"An estimate of the ratio by kl is worth {worth} to {worth} rows")
    assert set(drawn("confusion", frames)[1].query("drawn")["adversary"]) == {"kl"}


def test_the_attack_that_is_spoken_of_is_fixed():
    assert _many.spokesman(["meta", "weights", "kl"]) == "kl" and _many.spokesman(["weights", "meta"]) == "meta"
    assert _many.spokesman(["their-own", "weights"]) == _many.spokesman(["weights", "their-own"]) == "weights"


def test_attacks_that_see_more_are_compared_one_by_one():
    """Three white-box attacks of which one is lucky once won in every cell."""
    frames = dict(fake_tables.tables(**FULL))
    table = frames["leakage"]
    table = table[
        ~table["access"].isin(["weights", "pair"]) & (table["protocol"] == "pure") & (table["defence"] == "fft")
    ].copy()
    table.loc[table["adversary"] == "best", ["accuracy", "accuracy_low", "accuracy_high"]] = [0.6, 0.55, 0.65]
    best = table.query("adversary == 'best' and knowledge == 'informed'")
    more = [
        best.assign(
            adversary=name, access="weights", accuracy=value, accuracy_low=value - 0.05, accuracy_high=value + 0.05
        )
        for name, value in (("weights", 0.8), ("weights-flat", 0.6), ("weights-sorted", 0.4))
    ]
    frames["leakage"] = pd.concat([table, *more], ignore_index=True)
    assert "in 2 of 6 cases of such an attack, a defence and two worlds, and fall behind it in 2" in title(
        "attacks", frames
    )
