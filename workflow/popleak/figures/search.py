"""What a search over the model axis found: accuracy, Delta_EO and leakage of configurations, and how far the choosing stage was off."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "role", "sampler", "study_seed", "trial", "point", "stage", "victims", "splits",
    *(f"{name}{end}" for name in ("accuracy", "delta_eo_crossed", "advantage") for end in ("", "_low", "_high")),
    "delta_eo_floor", "accuracy_floor", "front", "optimism_accuracy", "optimism_delta_eo", "optimism_advantage", "drawn",
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
    summary = "accuracy, Delta_EO and leakage of what a search over the model axis found, after stage 2"
    caption = (
        "Each marker is a configuration, as stage 2 measured it on a pool split that the search did not use: mean accuracy (x), mean Delta_EO with label and "
        "sign chosen on one half of the pool and measured on the other (y; 0 on average without a difference), and advantage of the best informed "
        "adversary (colour). Down and to the right is better, and so is a pale colour. Edged in black: no other one of the task is at least as good in all three. "
        "Bars, of these and the defaults: 95 % intervals. Arrows come from where stage 1, on whose values a configuration was chosen, had put it: they are what such a "
        "choice flatters. Dashed: the accuracy floor. " + style.BY_CHANCE.strip()
    )
    tables = ("search",)

    def draw(self, tables, *, tau):
        frame = shown(tables["search"]).reindex(columns=list(COLUMNS))
        tasks = list(dict.fromkeys(frame["task"]))
        if not tasks:
            return style.missing("no configuration in stage 2 in the table `search`"), select.frame_of([], COLUMNS)
        wide = min(MOST, len(tasks))
        figure = style.blank(style.PAGE if wide > 1 else style.COLUMN, 3.6)
        panels = figure.subplots(1, wide, squeeze=False)[0]
        frame["drawn"] = frame["task"].isin(tasks[:wide])
        for panel, task in zip(panels, tasks, strict=False):
            _panel(panel, frame[frame["task"] == task], first=panel is panels[0])
            panel.set_title(task)
        bar = figure.colorbar(_colours(), ax=list(panels), pad=0.01, aspect=30, fraction=0.05)
        bar.set_label("advantage of the best informed adversary")
        style.message(figure, _said(frame), left_out=len(tasks) - wide)
        style.legend(figure, _keys(frame[frame["drawn"]]))
        return figure, frame


def shown(search):
    """Return the rows of stage 2 on searched tasks, with what each is: the sampler that found it, default or undefended."""
    kept = search[
        (search["stage"] == 2) & search["role"].isin(["front", "default", "undefended"]) & search["accuracy"].notna()
    ]
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
    colours = _colours()
    for row in mine.to_dict("records"):
        kind = _kind(row)
        marker, x, y = MARKERS.get(kind, "o"), row["accuracy"], row["delta_eo_crossed"]
        best = bool(row["front"]) or row["role"] != "front"
        if row["optimism_accuracy"] == row["optimism_accuracy"]:
            began = (x + row["optimism_accuracy"], max(0.0, y) - row["optimism_delta_eo"])
            panel.annotate(
                "",
                (x, y),
                began,
                arrowprops={
                    "arrowstyle": "->",
                    "color": style.GREY,
                    "linewidth": 0.6,
                    "alpha": 0.7,
                    "shrinkA": 0,
                    "shrinkB": 2,
                },
            )
            panel.update_datalim([began])
        if best:
            bars = {axis: [[max(0.0, row[name] - row[f"{name}_low"])], [max(0.0, row[f"{name}_high"] - row[name])]]
                    for axis, name in (("xerr", "accuracy"), ("yerr", "delta_eo_crossed"))}  # fmt: skip
            panel.errorbar(x, y, **bars, color=style.GREY, linestyle="none", elinewidth=0.6, zorder=2)
        panel.plot([x], [y], linestyle="none", marker=marker, markersize=SIZES[marker], color=colours.to_rgba(row["advantage"]),
                   markeredgecolor=style.BLACK if best else "white", markeredgewidth=0.8 if best else 0.4, zorder=4 if best else 3)  # fmt: skip
    panel.margins(0.08)
    panel.autoscale_view()
    panel.locator_params(axis="x", nbins=5)
    panel.set_xlabel("accuracy")
    if first:
        panel.set_ylabel("$\\Delta_{EO}$, crossed")


def _said(frame):
    """Return the message: in how many tasks some configuration beats the default in all three."""
    won = tasks = 0
    for _, part in frame.groupby("task", sort=False):
        default = part[part["role"] == "default"]
        if default.empty:
            continue
        base, found = default.iloc[0], part[(part["role"] == "front") & (part["accuracy"] >= part["accuracy_floor"])]
        tasks += 1
        better = found["accuracy"] > base["accuracy"]
        for name in ("delta_eo_crossed", "advantage"):  # luck below 0 is no merit
            better &= found[name].clip(lower=0) < base[name]
        won += bool(better.any())
    if not tasks:
        return "Accuracy, Delta_EO and leakage after stage 2"
    return f"In stage 2 some configuration beats the default in accuracy, Delta_EO and leakage on {won} of {tasks} task{'' if tasks == 1 else 's'}"


def _keys(drawn):
    from matplotlib.lines import Line2D

    kinds = {_kind(row) for row in drawn.to_dict("records")}
    keys = [
        Line2D([], [], linestyle="none", marker=marker, markersize=SIZES[marker], color=style.SKY, markeredgecolor=style.BLACK, label=SAID[kind])
        for kind, marker in MARKERS.items() if kind in kinds
    ]  # fmt: skip
    keys.append(
        Line2D([], [], color=style.GREY, linewidth=0.8, marker=">", markevery=[1], markersize=4, label="from stage 1")
    )
    keys.append(Line2D([], [], color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, label="accuracy floor"))
    return [*keys, style.by_chance_key()]


PLUGIN = Search()
