"""The figures of a search: what is drawn, and that what stage 2 chose by is no result."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import drawing
from popleak.figures import _style
from popleak.store.schema.search import SEARCHED

pytestmark = pytest.mark.slow
NAMES = ("search", "search-curve")


def table(tasks=("adult", "compas"), weights=(0, 1, 4)):
    """Return a made-up table `search`."""
    rng, rows = np.random.default_rng(2), []
    for task in tasks:
        for role, sampler in [
            ("default", None),
            ("undefended", None),
            *[("front", one) for one in ("tpe", "random") for _ in range(4)],
            *[("curve", None)] * len(weights),
        ]:
            values = {
                "accuracy": rng.uniform(0.7, 0.9),
                "delta_eo_crossed": rng.uniform(-0.01, 0.2),
                "advantage": rng.uniform(-0.1, 1),
            }
            limits = {
                f"{name}{end}": one + sign * 0.02
                for name, one in values.items()
                for end, sign in (("_low", -1), ("_high", 1))
            }
            weight = weights[sum(row["role"] == "curve" and row["task"] == task for row in rows) % len(weights)]
            mine = {"task": task, "role": role, "sampler": sampler, "stage": 2, "settings": json.dumps({"eo_weight": weight}), "accuracy_floor": 0.72, "point": str(len(rows)), "feasible": True,
                         "delta_eo_floor": 0.02, "front": len(rows) % 3 == 0, "victims": 80, "splits": 1, **values, **limits}  # fmt: skip
            rows.append(mine)
            if role != "curve" and not (role == "front" and sampler == "random"):
                again = {name: value + 0.01 for name, value in (values | limits).items()}
                rows.append(mine | {"stage": 3, "splits": 3} | again)
    return pd.DataFrame(rows, columns=[column.name for column in SEARCHED["search"]])


@pytest.mark.parametrize("name", NAMES)
def test_card(name):
    drawing.check_card(name)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "tasks", [("adult",), ("adult", "compas"), ("a-task-with-the-longest-id-one-may-give-x", "b", "c", "d")]
)
@pytest.mark.parametrize("name", NAMES)
def test_draws_within_the_page(name, tasks):
    figure, plotted = drawing.laid_out(name, {"search": table(tasks)})
    width, height = figure.get_size_inches()
    assert width <= 7 and height <= _style.TALLEST
    assert list(dict.fromkeys(plotted["task"])) == list(tasks) and plotted["drawn"].astype(bool).any()
    with _style.style():
        inside = figure.get_tightbbox()
    assert inside.x0 > -0.02 and inside.x1 < width + 0.02, "a label is clipped"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
def test_without_rows_it_says_so(name):
    figure, plotted = drawing.laid_out(name, {"search": table(())})
    assert plotted.empty and "Nothing to draw" in figure.texts[0].get_text()


def test_arrows_lead_from_where_stage_2_chose_to_the_result():
    figure, plotted = drawing.drawn("search", {"search": table(("adult",))})
    arrows = [one for one in figure.axes[0].texts if getattr(one, "arrow_patch", None) is not None]
    front = plotted[(plotted["role"] == "front") & (plotted["stage"] == 3)]
    assert len(arrows) == len(front) == 4
    for arrow, row in zip(arrows, front.to_dict("records"), strict=True):
        assert arrow.xy == (row["accuracy"], row["delta_eo_crossed"])
        assert arrow.xyann == pytest.approx((row["accuracy"] - 0.01, row["delta_eo_crossed"] - 0.01))


def test_only_values_of_stage_3_are_filled_and_have_bars():
    """What stage 2 chose by is drawn open and small: of many noisy values the best is lucky."""
    figure, plotted = drawing.drawn("search", {"search": table(("adult",))})
    panel = figure.axes[0]
    markers = [
        line for line in panel.lines if len(line.get_xdata()) == 1 and line.get_marker() not in ("None", "", None)
    ]
    at = {stage: set(plotted.loc[plotted["stage"] == stage, "accuracy"]) for stage in (2, 3)}
    filled = {float(line.get_xdata()[0]) for line in markers if line.get_markerfacecolor() != "none"}
    opened = {float(line.get_xdata()[0]) for line in markers if line.get_markerfacecolor() == "none"}
    assert filled == at[3] and opened == at[2] and len(panel.containers) == len(at[3]) == 6


def test_the_message_counts_again_on_fresh_splits_what_beat_the_default():
    frame = table(("adult",))
    values = {
        ("default", 2): (0.7, 0.2, 0.9),
        ("default", 3): (0.7, 0.2, 0.9),
        ("front", 2): (0.8, 0.1, 0.5),
        ("front", 3): (0.8, 0.1, 0.5),
    }
    for (role, stage), each in values.items():
        frame.loc[
            (frame["role"] == role) & (frame["stage"] == stage), ["accuracy", "delta_eo_crossed", "advantage"]
        ] = each
    last = frame.index[(frame["role"] == "front") & (frame["stage"] == 3)][-1]
    frame.loc[last, "advantage"] = 0.95
    figure, _ = drawing.drawn("search", {"search": frame})
    said = " ".join(" ".join(text.get_text() for text in figure.texts).split())
    assert "On fresh pool splits 3 of 4 configurations" in said


def test_the_floors_are_drawn():
    figure, _ = drawing.drawn("search", {"search": table(("adult",))})
    panel = figure.axes[0]
    assert any(np.allclose(line.get_xdata(), 0.72) for line in panel.lines), "the accuracy floor"
    assert any("difference" in text.get_text() for text in figure.legends[0].get_texts()), (
        "the floor of the plug-in Delta_EO"
    )


def test_the_curve_is_in_the_order_of_its_weights():
    _, plotted = drawing.drawn("search-curve", {"search": table(("adult",), weights=(4, 0, 1))})
    assert sorted(plotted["eo_weight"]) == [0, 1, 4]
