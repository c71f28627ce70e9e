"""What a search over the model axis found: accuracy, Delta_EO and leakage of configurations, and how far the stage that chose them was off."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "role", "sampler", "study_seed", "trial", "point", "stage", "victims", "splits",
    *(f"{name}{end}" for name in ("accuracy", "delta_eo_crossed", "advantage") for end in ("", "_low", "_high")),
    "delta_eo_floor", "accuracy_floor", "feasible", "front", "drawn",
)  # fmt: skip
MARKERS = {"tpe": "o", "random": "s", "default": "*", "undefended": "X"}
SAID = {
    "tpe": "found by the sampler",
    "random": "by random search",
    "default": "default, fair fine-tuning",
    "undefended": "default, no defence",
}
SIZES = {"o": 5.0, "s": 4.4, "*": 10.0, "X": 7.0}
MOST = 3
"""Tasks side by side."""


class Search(Figure):
    name = "search"
    summary = "accuracy, Delta_EO and leakage of what a search over the model axis found, on fresh pool splits"
    caption = (
        "Filled markers are results: configurations that stage 2 of a search chose, and the defaults, as stage 3 measured them on other pool splits. Mean accuracy "
        "(x), mean Delta_EO with label and sign chosen on one half of the pool and measured on the other (y; 0 on average without a difference), and advantage "
        "of the best informed adversary (colour). Down and to the right is better, and so is a pale colour. Bars: 95 % intervals. Small open markers are no results: "
        "what the studies put forward, as stage 2 saw it when it chose. Arrows lead from there to the result. Dashed: the accuracy floor. "
        + style.BY_CHANCE.strip()
    )
    tables = ("search",)

    def draw(self, tables, *, tau):
        frame = shown(tables["search"]).reindex(columns=list(COLUMNS))
        tasks = list(dict.fromkeys(frame["task"]))
        if not tasks:
            return style.missing("no configuration in stage 2 or 3 in the table `search`"), select.frame_of([], COLUMNS)
        wide = min(MOST, len(tasks))
        figure = style.blank(style.PAGE if wide > 1 else style.COLUMN, 3.6)
        panels = figure.subplots(1, wide, squeeze=False)[0]
        frame["drawn"] = frame["task"].isin(tasks[:wide])
        for panel, task in zip(panels, tasks, strict=False):
            _panel(panel, frame[frame["task"] == task], first=panel is panels[0])
            panel.set_title(task)
        bar = figure.colorbar(_colours(), ax=list(panels), pad=0.01, aspect=30, fraction=0.05)
        bar.set_label("advantage of the best informed adversary")
        style.message(figure, _said(tables["search"]), left_out=len(tasks) - wide)
        style.legend(figure, _keys(frame[frame["drawn"]]))
        return figure, frame


def shown(search):
    """Return the rows of stages 2 and 3 on searched tasks: of the defaults those of stage 3 where there are any, else of stage 2."""
    kept = search[search["role"].isin(["front", "default", "undefended"]) & search["accuracy"].notna()]
    again = set(kept.loc[kept["stage"] == 3, "task"])
    kept = kept[(kept["role"] == "front") | (kept["stage"] == 3) | ~kept["task"].isin(again)]
    return kept.reset_index(drop=True)


def _kind(row):
    return row["sampler"] if row["role"] == "front" else row["role"]


def _colours():
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(0.0, 1.0), "viridis_r")


def _panel(panel, mine, *, first):
    panel.grid(color=style.BAND, linewidth=0.8)
    style.by_chance(panel, mine["delta_eo_floor"], across=True)
    panel.axvline(
        mine["accuracy_floor"].iloc[0], color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1
    )
    panel.axhline(0, color=style.REFERENCE, linewidth=0.6, zorder=1)
    colours, chose = _colours(), mine[(mine["role"] == "front") & (mine["stage"] == 2)]
    for row in chose.to_dict("records"):
        panel.plot([row["accuracy"]], [row["delta_eo_crossed"]], linestyle="none", marker=MARKERS.get(_kind(row), "o"), markersize=3.0, color="none",
                   markeredgecolor=style.GREY, markeredgewidth=0.6, alpha=0.8, zorder=2)  # fmt: skip
    before = chose.drop_duplicates("point").set_index("point")
    for row in mine.drop(chose.index).to_dict("records"):
        marker, x, y = MARKERS.get(_kind(row), "o"), row["accuracy"], row["delta_eo_crossed"]
        if row["role"] == "front" and row["point"] in before.index:
            began = tuple(before.loc[row["point"], ["accuracy", "delta_eo_crossed"]].astype(float))
            arrow = {
                "arrowstyle": "->",
                "color": style.GREY,
                "linewidth": 0.6,
                "alpha": 0.7,
                "shrinkA": 0,
                "shrinkB": 2,
            }
            panel.annotate("", (x, y), began, arrowprops=arrow)
        bars = {axis: [[max(0.0, row[name] - row[f"{name}_low"])], [max(0.0, row[f"{name}_high"] - row[name])]]
                for axis, name in (("xerr", "accuracy"), ("yerr", "delta_eo_crossed"))}  # fmt: skip
        panel.errorbar(x, y, **bars, color=style.GREY, linestyle="none", elinewidth=0.6, zorder=2)
        panel.plot([x], [y], linestyle="none", marker=marker, markersize=SIZES[marker], color=colours.to_rgba(row["advantage"]),
                   markeredgecolor=style.BLACK, markeredgewidth=0.8, zorder=4)  # fmt: skip
    panel.margins(0.08)
    panel.autoscale_view()
    panel.locator_params(axis="x", nbins=5)
    panel.set_xlabel("accuracy")
    if first:
        panel.set_ylabel("$\\Delta_{EO}$, crossed")


def _said(search):
    """Return the message: of the configurations that beat the default where stage 2 chose them, how many do so on fresh pool splits."""
    kept, picked, again = search[search["accuracy"].notna()], 0, 0
    for _, part in kept.groupby("task", sort=False):
        base, front = part[part["role"] == "default"].set_index("stage"), part[part["role"] == "front"]
        if not {2, 3} <= set(base.index):
            continue
        better = {stage: _beating(front[front["stage"] == stage], base.loc[stage]) for stage in (2, 3)}
        measured = set(front.loc[front["stage"] == 3, "point"])
        picked += len(better[2] & measured)
        again += len(better[2] & better[3])
    if not picked:
        return "Accuracy, Delta_EO and leakage on fresh pool splits"
    return f"On fresh pool splits {again} of {picked} configurations that beat the default when chosen beat it in accuracy, Delta_EO and leakage"


def _beating(front, base):
    """Return the points that are better than the default in all three and reach the floor."""
    better = front["feasible"].astype(bool) & (front["accuracy"] > base["accuracy"])
    for name in ("delta_eo_crossed", "advantage"):  # luck below 0 is no merit
        better &= front[name].clip(lower=0) < base[name]
    return set(front.loc[better, "point"])


def _keys(drawn):
    from matplotlib.lines import Line2D

    kinds = {_kind(row) for row in drawn.to_dict("records")}
    keys = [
        Line2D([], [], linestyle="none", marker=marker, markersize=SIZES[marker], color=style.SKY, markeredgecolor=style.BLACK, label=SAID[kind])
        for kind, marker in MARKERS.items() if kind in kinds
    ]  # fmt: skip
    keys.append(
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markersize=3.0,
            color="none",
            markeredgecolor=style.GREY,
            label="as chosen, in stage 2",
        )
    )
    keys.append(
        Line2D(
            [],
            [],
            color=style.GREY,
            linewidth=0.8,
            marker=">",
            markevery=[1],
            markersize=4,
            label="from where it was chosen",
        )
    )
    keys.append(Line2D([], [], color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, label="accuracy floor"))
    return [*keys, style.by_chance_key()]


PLUGIN = Search()
