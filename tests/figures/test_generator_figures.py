"""The figures of generators and of poisoning, on made-up tables."""

from __future__ import annotations

import numpy as np
import pytest

import drawing
import fake_generators as fake
import fake_tables
import legible
from drawing import drawn, laid_out
from popleak.figures import _generated as generated

pytestmark = pytest.mark.slow

MADE = {
    "shares": fake.released,
    "poisoning": fake.poisoned,
    "shares-defended": fake.released,
    "laundering": fake.laundered,
}
NAMES = tuple(MADE)


def said(figure):
    return " ".join(figure.get_suptitle().split())


def labels(figure):
    return {text.get_text() for text in figure.legends[0].get_texts()}


@pytest.mark.parametrize("name", NAMES)
def test_card_and_imports(name):
    drawing.check_card(name)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "tasks",
    [
        ("adult",),
        ("acs", "adult"),
        ("a-task-with-the-longest-id-one-may-give-x", "t2"),
        tuple(f"task-{i:02}" for i in range(11)),
    ],
    ids=["one task", "usual", "odd", "many tasks"],
)
def test_a_paper_can_show_it(name, tasks):
    found, plotted = laid_out(name, MADE[name](tasks=tasks))
    legible.check(found)
    assert set(plotted["task"]) == set(tasks) and plotted["drawn"].any()
    missing = len(set(tasks)) - plotted.loc[plotted["drawn"].astype(bool), "task"].nunique()
    assert bool(missing) == ("more not drawn" in said(found)), "what the page has no room for is said"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
def test_without_rows_it_says_so(name):
    found, plotted = laid_out(name, fake_tables.empty())
    assert plotted.empty and len(plotted.columns) > 3
    assert "Nothing to draw" in found.texts[0].get_text()


def test_shares_are_the_means_of_the_table():
    frames = fake.released(tasks=("adult",))
    plotted = drawn("shares", frames)[1]
    assert len(plotted) == len(fake.ATTACKS) * len(fake.RATIOS) and set(plotted["defence"]) == {"none"}
    for row in plotted.to_dict("records"):
        mine = frames["shares"].query("defence == 'none' and adversary == @row['adversary'] and ratio == @row['ratio']")
        assert row["estimate"] == pytest.approx(mine["estimate"].mean()) and row["generators"] == len(mine) == 10
        assert (
            row["clipped"] == pytest.approx(mine["clipped"].mean())
            and row["estimate_low"] < row["estimate"] < row["estimate_high"]
        )


def test_what_was_clipped_is_hollow():
    frames = fake.released(tasks=("adult",), attacks=("property-inference",))
    assert "some clipped" not in labels(drawn("shares", frames)[0])
    table = frames["shares"]
    table.loc[table.index[table["ratio"] == 0.9][0], "clipped"] = True
    figure, plotted = drawn("shares", frames)
    assert "some clipped" in labels(figure) and list(plotted["clipped"] > 0) == [False] * 4 + [True]
    white = [len(line.get_xdata()) for line in figure.axes[0].get_lines() if line.get_markerfacecolor() == "white"]
    assert white == [1], "one marker of five is hollow"


def test_the_band_is_of_the_attack_that_sees_the_group():
    figure = drawn("shares", fake.released(tasks=("adult",)))[0]
    (band,) = [
        one
        for one in figure.axes[0].collections
        if type(one).__name__ in ("PolyCollection", "FillBetweenPolyCollection")
    ]
    points = band.get_paths()[0].vertices
    assert np.abs(points[:, 1] - points[:, 0]).max() == pytest.approx((np.log(40) / 8000) ** 0.5)
    withheld = fake.released(tasks=("adult",), attacks=("property-classifier", "label-rate"))
    assert "95 % by the draw of rows alone" not in labels(drawn("shares", withheld)[0])


def test_unaware_adversaries_and_diverged_generators_are_left_out():
    frames = fake.released(tasks=("adult",))
    frames["shares"].loc[frames["shares"]["adversary"] == "shadow-generators", "knowledge"] = "unaware"
    frames["shares"].loc[frames["shares"]["ratio"] == 0.5, "finite"] = False
    plotted = drawn("shares", frames)[1]
    assert "shadow-generators" not in set(plotted["adversary"]) and 0.5 not in set(plotted["ratio"])


def test_one_attack_of_each_kind_is_chosen_by_what_it_sees():
    kept = generated.chosen(generated.judged(fake.shares(tasks=("adult",))))
    found = {(row.adaptive, row.withheld): row.adversary for row in kept.itertuples()}
    assert found == {
        (False, False): "property-inference", (False, True): "property-classifier", (True, False): "shadow-generators",
        (True, True): "shadow-generators-withheld",
    }  # fmt: skip


def test_a_receiver_is_known_by_its_settings():
    assert generated.receivers(fake.defences(tasks=("adult",))) == {name: name for name in fake.RECEIVERS}
    other = fake.defences(tasks=("adult",)).assign(settings='{"sharer": "rehearsal"}')
    assert set(generated.receivers(other)) == {"none"}, "rows of a defended sharer are another question"


def test_poisoning_is_the_means_of_the_tables_and_counts_clean_models_once():
    frames = fake.poisoned(tasks=("adult",))
    plotted = drawn("poisoning", frames)[1]
    models = plotted[plotted["measure"].isin(["delta_eo", "dp_difference", "accuracy"])]
    assert len(models) == 5 * 2 * 8 * 3 and set(models["models"]) == {10}
    for row in models.to_dict("records"):
        world = "world == 1 and ratio_1 == @row['share']" if row["share"] else "world == 0"
        mine = frames["models"].query(f"defence == @row['defence'] and protocol == @row['protocol'] and {world}")
        assert row["value"] == pytest.approx(mine[row["measure"]].mean())
    rows = plotted[plotted["measure"] == "information_own"]
    assert len(rows) == 2 * 8 and (rows["receiver"] == "none").all()
    only = plotted[(plotted["protocol"] == "label-flipping") & plotted["drawn"].astype(bool)]
    assert set(only["receiver"]) == {"none", "synthetic"}, (
        "the other receivers under flipped labels are in the numbers alone"
    )


def test_the_message_on_poison():
    frames = fake.poisoned(tasks=("adult",))
    models = frames["models"]
    for defence, world, value in (("synthetic", 0, 0.1), ("synthetic", 1, 0.3), ("balanced-fair", 1, 0.12)):
        models.loc[(models["defence"] == defence) & (models["world"] == world), "delta_eo"] = value
    assert "from 0.10 without poison to 0.30 at a share of 0.7; it is 0.12" in said(drawn("poisoning", frames)[0])


@pytest.mark.filterwarnings("error")
def test_diverged_models_are_no_point():
    frames = fake.poisoned(tasks=("adult",))
    models = frames["models"]
    gone = (models["defence"] == "fair") & (models["world"] == 1) & (models["ratio_1"] == 0.7)
    models.loc[gone, ["delta_eo", "dp_difference", "accuracy"]] = np.nan
    plotted = laid_out("poisoning", frames)[1]
    mine = plotted[(plotted["defence"] == "fair") & (plotted["share"] == 0.7)]
    assert (mine["models"] == 0).all() and mine["value"].isna().all()


def error_of(frames, sharer, kind):
    """Return a row of `shares-defended`; kind: adaptive and withheld."""
    plotted = drawn("shares-defended", frames)[1]
    (row,) = plotted[
        (plotted["defence"] == sharer) & (plotted["adaptive"] == kind[0]) & (plotted["withheld"] == kind[1])
    ].to_dict("records")
    return row


def test_defended_errors_are_the_tables_beside_the_middle():
    frames = fake.released(tasks=("adult",))
    row = error_of(frames, "fair", (True, False))
    mine = frames["shares"].query("defence == 'fair' and adversary == 'shadow-generators'")
    assert row["error"] == pytest.approx((mine["estimate"] - mine["ratio"]).abs().mean()) and row["generators"] == len(
        mine
    )
    assert row["middle"] == pytest.approx(0.24) and abs(row["slope"]) < 0.05
    assert error_of(frames, "none", (True, False))["slope"] == pytest.approx(1, abs=0.05)


def test_the_message_says_behind_how_many_defences_something_is_told():
    frames = fake.released(tasks=("adult",), sharers=("none", "fair"))
    assert "in 0 of 2 cases, a plain attack in 0 of 2" in said(drawn("shares-defended", frames)[0])
    table = frames["shares"]
    mine = (table["adversary"] == "shadow-generators") & (table["defence"] == "fair")
    table.loc[mine, "estimate"] = table.loc[mine, "ratio"] + 0.01 * table.loc[mine, "split"]
    assert "in 1 of 2 cases, a plain attack in 0 of 2" in said(drawn("shares-defended", frames)[0])
    undefended = fake.released(tasks=("adult",), sharers=("none",))
    assert said(drawn("shares-defended", undefended)[0]).startswith("How far off")


def test_laundering_shows_classifiers_of_generators_rows_beside_undefended_ones():
    frames = fake.laundered(tasks=("adult",))
    figure, plotted = drawn("laundering", frames)
    assert set(plotted["defence"]) == {"none", "synthetic", "synthetic-fair", "fft-generated"}, (
        "rehearsal trains on no generated row"
    )
    table = frames["regression"]
    for row in plotted.to_dict("records"):
        mine = table[
            (table["defence"] == row["defence"]) & (table["adversary"] == row["adversary"]) & table["ratio"].isna()
        ]
        assert row["mae"] == mine["mae"].item() and row["middle"] == pytest.approx(0.24)
    assert "The attack kl is shown to err less than" in said(
        figure
    ) and "in 1 of 1 cases from classifiers trained on the rows themselves, and in 1 of 2 cases" in said(figure)


def test_laundering_leaves_out_tasks_without_a_generator():
    frames = fake.laundered(tasks=("adult", "compas"))
    told = frames["defences"]
    frames["defences"] = told[(told["task"] == "adult") | (told["kind"] == "none")]
    assert set(drawn("laundering", frames)[1]["task"]) == {"adult"}
    frames["defences"] = told[told["kind"] == "none"]
    assert drawn("laundering", frames)[1].empty
