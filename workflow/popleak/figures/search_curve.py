"""The weight of the EO term alone, at the default configuration: what it does to accuracy, Delta_EO and leakage."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

MEASURES = {"accuracy": "accuracy", "delta_eo_crossed": "$\\Delta_{EO}$, crossed", "advantage": "advantage"}
COLUMNS = (
    "task", "eo_weight", "victims", "splits", *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")), "delta_eo_floor", "drawn",
)  # fmt: skip
MOST = 3
"""Tasks side by side."""


class SearchCurve(Figure):
    name = "search-curve"
    summary = "accuracy, Delta_EO and leakage by the weight of the EO term, at the default configuration"
    caption = (
        "The default configuration with fair fine-tuning at several weights of the EO term, and nothing else changed, as stage 2 of a search measured it. From the top: "
        "mean accuracy, mean Delta_EO with label and sign chosen on one half of the pool and measured on the other, and advantage of the best "
        "informed adversary. Weights at equal distances. Bars: 95 % intervals; with one pool split they are over its models, which share rows and "
        "initial weights at all weights. " + style.BY_CHANCE.strip()
    )
    tables = ("search",)

    def draw(self, tables, *, tau):
        frame = numbers(tables["search"])
        tasks = list(dict.fromkeys(frame["task"]))
        if not tasks:
            return style.missing("no curve in the table `search`"), frame
        wide = min(MOST, len(tasks))
        figure = style.blank(style.width(wide), 4.6)
        axes = figure.subplots(len(MEASURES), wide, squeeze=False, sharex="col")
        frame["drawn"] = frame["task"].isin(tasks[:wide])
        for place, task in enumerate(tasks[:wide]):
            _stack(axes[:, place], frame[frame["task"] == task].sort_values("eo_weight"), first=place == 0)
            axes[0, place].set_title(task)
        style.message(figure, _said(frame), left_out=len(tasks) - wide)
        style.legend(figure, [style.by_chance_key()])
        return figure, frame


def numbers(search):
    """Return the rows of the curve with their weight."""
    import json

    kept = search[(search["role"] == "curve") & search["accuracy"].notna()].reset_index(drop=True)
    kept = kept.assign(eo_weight=[float(json.loads(one)["eo_weight"]) for one in kept["settings"]], drawn=False)
    return kept.reindex(columns=list(COLUMNS)) if len(kept) else select.frame_of([], COLUMNS)


def _stack(panels, mine, *, first):
    places = range(len(mine))
    for panel, (measure, label) in zip(panels, MEASURES.items(), strict=True):
        panel.grid(color=style.BAND, linewidth=0.8)
        if measure == "delta_eo_crossed":
            style.by_chance(panel, mine["delta_eo_floor"], across=True)
        if measure != "accuracy":
            panel.axhline(0, color=style.REFERENCE, linewidth=0.8, linestyle=style.CHANCE, zorder=1)
        panel.errorbar(places, mine[measure], yerr=style.spread(mine, measure), color=style.BLUE, marker="o", markersize=4, linewidth=1.0,
                       elinewidth=0.7, zorder=3)  # fmt: skip
        panel.set_xticks(list(places), [f"{one:g}" for one in mine["eo_weight"]])
        if first:
            panel.set_ylabel(label)
    panels[-1].set_xlabel("weight of the EO term")


def _said(frame):
    """Return the message: what the largest weight does to Delta_EO and to the advantage."""
    parts = []
    for task, mine in frame.sort_values("eo_weight").groupby("task", sort=False):
        ends = mine.iloc[[0, -1]]
        delta, advantage = (
            " to ".join(f"{one:z.2f}" for one in ends[name]) for name in ("delta_eo_crossed", "advantage")
        )
        parts.append(f"{task}: Delta_EO {delta}, advantage {advantage}")
    return f"From the smallest EO weight to the largest, {'; '.join(parts)}"


PLUGIN = SearchCurve()
