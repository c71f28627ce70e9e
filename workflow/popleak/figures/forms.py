"""What lies under and over each form of the bound: one record's adversaries, and those who judge the trained model."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "side", "name", "models", "bound", "bound_low",
    "bound_high", "value", "value_low", "value_high", "holds",
    "against_chance",
)  # fmt: skip
# name in the legend, measured side, right side, column that says whether it holds, colour and marker; the last two are
# theorems whose sides are measured apart, so that a share of models that keep them would speak of chance alone
FORMS = (
    ("balanced", "adv_balanced", "rhs_balanced", "balanced_holds", style.BLACK, "o"),
    ("corrected", "gap", "rhs_corrected", "corrected_holds", style.BLUE, "s"),
    ("coupling", "adv", "rhs_coupling", "coupling_holds", style.VERMILLION, "D"),
    ("scores", "adv_scores", "rhs_scores", None, style.GREEN, "^"),
    ("groups", "adv_groups", "rhs_groups", None, style.PURPLE, "v"),
)
ABOUT = {
    "balanced": "label, label-balanced / $\\Delta_{EO} W$",
    "corrected": "accuracy gap / corrected",
    "coupling": "label and y, natural / coupling",
    "scores": "score / $\\Delta_{EO} W$ of scores",
    "groups": "label, 2nd attribute / intersections",
}
LANES = len(FORMS) + 1
TICKS = (-1, -0.5, -0.2, 0, 0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 1)


class Forms(Figure):
    name = "forms"
    summary = "measured advantage of each adversary under or over each form of the bound"
    caption = (
        "One row a defence. Filled marks: measured on all rows of the query pool, mean over the victims; hollow marks, joined to them: the right side "
        "of the form that bounds that quantity, so a filled mark lies left of its hollow one where the form holds for "
        "the means. Top to bottom: advantage of one record's label in the label-balanced game, under Delta_EO * W; "
        "accuracy gap, under the corrected form; advantage of (prediction, label) in the natural game, under the "
        "coupling; advantage of one record's score in ten bins, under the same bound made of scores; advantage of one "
        "who also knows the second attribute, under Delta_EO over the intersections (where a dataset has one). The "
        "last two have both sides measured on points other than those on which rule and groups were chosen: they are "
        "theorems, and a filled mark right of its hollow one is chance. The vertical line through a row is the literal "
        "Delta_EO * W: it bounds the first of these only, and the accuracy gap where label rates are equal. Last lane, "
        "coloured marks: advantage of each informed adversary at naming the training world, which no form bounds. "
        "Square-root scale. Pure worlds where they were run, else the widest pair of ratios; intervals (clustered by "
        "pool split, as in the tables) are in the figure's numbers. " + style.RINGED
    )
    tables = ("bounds", "leakage")

    def draw(self, tables, *, tau):
        bounds, leakage = select.plain(tables["bounds"]), _informed(select.alive(select.plain(tables["leakage"])))
        chosen = select.main_pairs(bounds)
        if not chosen:
            return style.missing("no rows of pure or ratio worlds in the table `bounds`"), select.frame_of([], COLUMNS)
        facets = [facet for facet in select.facets(bounds) if (facet.task, facet.model) in chosen]
        names = list(style.defences(bounds["defence"]))
        frame = select.frame_of(
            [row for facet in facets for row in _rows(bounds, leakage, facet, chosen[facet.task, facet.model], names)],
            COLUMNS,
        )
        looks = style.adversaries(frame.loc[frame["side"] == "training", "name"])
        wide = select.columns(len(facets), 2)
        deep = -(-len(facets) // wide)
        figure = style.blank(1.3 + wide * 4.6, deep * (max(1.6, 0.72 * len(names)) + 0.9) + 1.0)
        axes = figure.subplots(deep, wide, squeeze=False, sharex=True)
        known = frame[["value", "bound"]].astype(float).min().min()  # measured bounds may be below 0 as well
        floor = min(-0.02, float(known)) if known == known else -0.02
        for i in range(deep * wide):
            panel = axes[i // wide, i % wide]
            if i >= len(facets):
                panel.set_axis_off()
                continue
            facet = facets[i]
            mine = select.of(frame, task=facet.task, model=facet.model)
            _panel(panel, mine, names, looks, floor)
            style.label_rows(panel, names, shown=i % wide == 0)
            panel.set_title(f"{facet.title}\n{chosen[facet.task, facet.model].label}")
            panel.set_xlabel("advantage or its bound")
            panel.tick_params(labelbottom=True)
        style.legend(figure, _keys(looks, frame) + style.ring_keys(frame), entry=2.75)
        return figure, frame


def _informed(leakage):
    """Return one row an adversary: informed shadows or none needed; undefended shadows serve for `none`."""
    able = leakage[(leakage["knowledge"] != "unaware") & (leakage["knowledge"] != "aware")]
    spare = leakage[(leakage["knowledge"] == "unaware") & (leakage["defence"] == "none")]
    keys = [*select.FACET, *select.PAIR, "defence", "adversary"]
    seen = set(able[keys].itertuples(index=False, name=None))
    kept = [row not in seen for row in spare[keys].itertuples(index=False, name=None)]
    return able if not any(kept) else _joined(able, spare[kept])


def _joined(*frames):
    import pandas as pd

    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def _rows(bounds, leakage, facet, pair, names):
    """Yield the numbers of one panel."""
    cell = select.of_pair(select.of(bounds, task=facet.task, model=facet.model), pair)
    judged = select.of_pair(select.of(leakage, task=facet.task, model=facet.model), pair)
    for defence in names:
        part = select.of(cell, defence=defence)
        who = {"task": facet.task, "model": facet.model, **pair._asdict(), "defence": defence}
        for name, value, right, holds, _, _ in FORMS:
            measured = select.mean_over_splits(part[value], part["split"], span=(-1.0, 1.0))
            limit = select.mean_over_splits(part[right], part["split"], span=(-1.0, 2.0))
            if measured.n == 0:
                continue
            yield {
                **who, "side": "evaluation", "name": name, "models": measured.n,
                "bound": limit.mean, "bound_low": limit.low, "bound_high": limit.high,
                "value": measured.mean, "value_low": measured.low, "value_high": measured.high,
                "holds": None if holds is None else float(part[holds].astype(float).mean()),
            }  # fmt: skip
        for row in select.of(judged, defence=defence).to_dict("records"):
            yield {
                **who, "side": "training", "name": row["adversary"], "models": row["victims"],
                "value": row["advantage"], "value_low": row["advantage_low"], "value_high": row["advantage_high"],
                "against_chance": row["against_chance"],
            }  # fmt: skip


def _panel(panel, mine, names, looks, floor):
    style.bands(panel, len(names))
    panel.axvline(0, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    for y, defence in enumerate(names):
        rows = select.of(mine, defence=defence)
        _evaluation(panel, y, select.of(rows, side="evaluation").to_dict("records"))
        _training(panel, y + _lane(LANES - 1), select.of(rows, side="training"), looks)
    if mine.empty:
        style.empty_panel(panel, style.UNKNOWN)
    panel.set_xscale("function", functions=(_root, _square))
    panel.set_xlim(1.02 * min(floor, -0.02), 1.03)
    panel.set_xticks([tick for tick in TICKS if tick >= floor], [f"{tick:g}" for tick in TICKS if tick >= floor])


def _evaluation(panel, y, rows):
    """Draw what is measured on one defence's victims and what bounds it, a lane a form, in the row at y."""
    lane = {form[0]: _lane(i) for i, form in enumerate(FORMS)}
    drawn = {form[0]: form[4:] for form in FORMS}
    for row in rows:
        color, marker = drawn[row["name"]]
        at = y + lane[row["name"]]
        panel.plot([row["value"], row["bound"]], [at, at], color=color, linewidth=1, zorder=3)
        panel.plot(row["bound"], at, marker=marker, markersize=5, markerfacecolor="white", color=color, zorder=4)
        panel.plot(row["value"], at, marker=marker, markersize=4, color=color, linestyle="none", zorder=5)
        if row["name"] == "balanced":
            panel.plot([row["bound"]] * 2, [y - 0.5, y + 0.5], color=style.BLACK, linewidth=0.9, zorder=2)


def _training(panel, at, judged, looks):
    """Draw each adversary's advantage at naming one defence's worlds, in the lane at `at`."""
    for row in sorted(judged.to_dict("records"), key=lambda row: list(looks).index(row["name"])):
        look, best = looks[row["name"]], row["name"] == "best"
        panel.plot(
            row["value"], at, marker=look.marker, color=look.color, markersize=5.5 * look.size, linestyle="none",
            markerfacecolor="none" if best else look.color, markeredgecolor=look.color if best else "white",
            markeredgewidth=0.8 if best else 0.4, zorder=6, clip_on=False,
        )  # fmt: skip
    style.rings(panel, judged["value"], [at] * len(judged), judged)


def _lane(number):
    """Return the place of a lane within its row, 0 being the middle."""
    return (number + 0.65) / (LANES + 0.4) - 0.5


def _root(values):
    import numpy as np

    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values):
    import numpy as np

    return np.sign(values) * np.square(values)


def _keys(looks, frame):
    from matplotlib.lines import Line2D

    there = set(frame.loc[frame["side"] == "evaluation", "name"])
    forms = [
        Line2D([], [], color=color, marker=marker, markersize=4.5, linewidth=1, label=ABOUT[name])
        for name, _, _, _, color, marker in FORMS if name in there
    ]  # fmt: skip
    return [
        Line2D([], [], color=style.BLACK, linewidth=0.9, label="vertical: literal $\\Delta_{EO} W$"),
        Line2D(
            [], [], color=style.REFERENCE, marker="o", markersize=5, markerfacecolor="white", linewidth=1,
            label="filled: measured; hollow: bound",
        ),
        *forms,
        *(style.key(look, f"training side: {name}", filled=name != "best") for name, look in looks.items()),
    ]  # fmt: skip


PLUGIN = Forms()
