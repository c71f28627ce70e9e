"""What lies under and over each form of the bound: one record's adversaries, and those who judge the trained model."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "side", "name", "models", "bound", "bound_low",
    "bound_high", "value", "value_low", "value_high", "holds",
    "against_chance", "drawn",
)  # fmt: skip
FIRST = ("none", "rehearsal", "fft-rehearsal", "finetune", "fft")
"""Defences that are drawn before others."""
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
    "balanced": "label, label-balanced / Delta_EO W",
    "corrected": "accuracy gap / corrected",
    "coupling": "label and y, natural / coupling",
    "scores": "score / Delta_EO W of scores",
    "groups": "label, 2nd attribute / intersections",
}
LANES = len(FORMS) + 1
TICKS = (-1, -0.5, -0.2, 0, 0.1, 0.25, 0.5, 1)


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
        "star: advantage of the best informed adversary at naming the training world, which no form bounds (the figure's numbers hold every adversary). "
        "Square-root scale. Pure worlds where they were run, else the widest pair of ratios; intervals (clustered by "
        "pool split, as in the tables) are in the figure's numbers. " + style.RINGED
    )
    tables = ("bounds", "leakage")

    def draw(self, tables, *, tau):
        bounds, leakage = select.plain(tables["bounds"]), _informed(select.alive(select.plain(tables["leakage"])))
        chosen = select.main_pairs(bounds)
        if not chosen:
            return style.missing("no rows of pure or ratio worlds in the table `bounds`"), select.frame_of([], COLUMNS)
        cells = select.main_cells(bounds)[0]
        names = list(style.defences(bounds["defence"]))
        rows = [row for cell in cells for row in _rows(bounds, leakage, cell.facet, cell.pair, names)]
        frame = select.frame_of(rows, COLUMNS)
        names = [name for name in names if name in style.few(names, FIRST)]
        height, rest = max(0.9, 0.5 * len(names)) + 0.75, 1.6
        shown, left_out = select.main_cells(bounds, select.columns(len(cells), 2) * style.fits(height, rest=rest))
        wide = select.columns(len(shown), 2)
        deep = len(select.cut(shown, wide))
        figure = style.blank(style.width(wide), deep * height + rest)
        axes = figure.subplots(deep, wide, squeeze=False, sharex=True)
        training = frame["side"] == "training"
        frame["drawn"] = select.mark(frame, shown) & frame["defence"].isin(names).to_numpy()
        frame["drawn"] &= ~training | (frame["name"] == _judge(frame))
        drawn = frame[frame["drawn"].astype(bool)]
        known = drawn[["value", "bound"]].astype(float).min().min()  # measured bounds may be below 0 as well
        floor = min(-0.02, float(known)) if known == known else -0.02
        for panel in axes.flat[len(shown) :]:
            panel.set_axis_off()
        for i, (cell, panel) in enumerate(zip(shown, axes.flat, strict=False)):
            _panel(panel, cell.of(drawn), names, floor)
            style.label_rows(panel, names, shown=i % wide == 0)
            panel.set_title(cell.title)
            panel.set_xlabel("advantage or its bound")
            panel.tick_params(labelbottom=True)
        style.message(figure, _said(drawn), left_out=left_out)
        style.legend(figure, _keys(drawn) + style.ring_keys(drawn))
        return figure, frame


def _judge(frame):
    """Return the adversary whose advantage at naming the worlds is drawn: `best`, else the first of the table."""
    names = list(style.adversaries(frame.loc[frame["side"] == "training", "name"]))
    return names[-1] if names else ""


def _said(drawn):
    """Return the message: in how many cases each form's mean holds, and how often the training side lies above all forms."""
    forms = drawn[(drawn["side"] == "evaluation") & drawn["value"].notna() & drawn["bound"].notna()]
    kept = int((forms["value"] <= forms["bound"]).sum())
    keys = ["task", "model", "defence"]
    most = forms.groupby(keys)["bound"].max()
    judged = drawn[(drawn["side"] == "training") & drawn["value"].notna()].set_index(keys)["value"]
    both = [(value, most[key]) for key, value in judged.items() if key in most.index]
    above = sum(value > limit for value, limit in both)
    return (
        f"Means over the victims lie under the form that bounds them in {kept} of {len(forms)} cases; leakage of the training data lies above "
        f"every form in {above} of {len(both)}"
    )


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


def _panel(panel, mine, names, floor):
    style.bands(panel, len(names))
    panel.axvline(0, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    for y, defence in enumerate(names):
        rows = select.of(mine, defence=defence)
        _evaluation(panel, y, select.of(rows, side="evaluation").to_dict("records"))
        _training(panel, y + _lane(LANES - 1), select.of(rows, side="training"))
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
        panel.plot(row["bound"], at, marker=marker, markersize=3.8, markerfacecolor="white", color=color, zorder=4)
        panel.plot(row["value"], at, marker=marker, markersize=3.2, color=color, linestyle="none", zorder=5)
        if row["name"] == "balanced":
            panel.plot([row["bound"]] * 2, [y - 0.5, y + 0.5], color=style.BLACK, linewidth=0.9, zorder=2)


def _training(panel, at, judged):
    """Draw the best adversary's advantage at naming one defence's worlds, in the lane at `at`."""
    if judged.empty:  # an empty line outside the clip would upset the layout
        return
    panel.plot(judged["value"], [at] * len(judged), marker="*", color=style.ORANGE, markersize=7, linestyle="none",
               markeredgecolor=style.BLACK, markeredgewidth=0.5, zorder=6, clip_on=False)  # fmt: skip
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


def _keys(frame):
    from matplotlib.lines import Line2D

    there = set(frame.loc[frame["side"] == "evaluation", "name"])
    forms = [
        Line2D([], [], color=color, marker=marker, markersize=3.8, linewidth=1, label=ABOUT[name])
        for name, _, _, _, color, marker in FORMS if name in there
    ]  # fmt: skip
    return [
        Line2D([], [], color=style.BLACK, linewidth=0.9, label="vertical: literal Delta_EO W"),
        Line2D(
            [], [], color=style.REFERENCE, marker="o", markersize=5, markerfacecolor="white", linewidth=1,
            label="filled: measured; hollow: bound",
        ),
        *forms,
        Line2D(
            [], [], color=style.ORANGE, marker="*", markersize=7, markeredgecolor=style.BLACK, markeredgewidth=0.5, linestyle="none",
            label="training side: best informed adversary",
        ),
    ]  # fmt: skip


PLUGIN = Forms()
