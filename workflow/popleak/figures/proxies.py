"""Whether numbers that are cheap to come by rank leakage as the best informed adversary does."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = ("proxy", "scope", "cells", "tasks", "rank_correlation", "low", "high", "drawn")


class Proxies(Figure):
    name = "proxies"
    summary = "rank correlation of each cheap proxy with the best informed advantage, over all tasks and by task"
    caption = (
        "Spearman's rank correlation between each proxy, a number that is cheaper to come by than a full attack, "
        "and the best informed adversary's advantage, over the cells task x model x pair of worlds x defence. "
        "Large filled markers: all cells; small hollow ones: those of one task. Bars: 95 % intervals; few cells "
        "give wide ones; tasks beyond the sixth are in the figure's numbers alone. Right: number of cells, of all tasks. On the dashed line a proxy ranks no better than chance; at 1 it "
        "ranks the cells as the attack does. Proxies are sorted by their correlation over all cells."
    )
    tables = ("proxies",)

    def draw(self, tables, *, tau):
        frame = tables["proxies"]
        frame = frame[frame["rank_correlation"].notna()]
        if frame.empty:
            return style.missing("the table `proxies` has no rows"), select.frame_of([], COLUMNS)
        frame = _sorted(frame)
        tasks = [scope for scope in dict.fromkeys(sorted(frame["scope"])) if scope != "all"][: style.MOST - 1]
        every, frame = frame, frame[frame["scope"].isin(["all", *tasks])]
        groups = [(name, part) for name, part in frame.groupby("proxy", sort=False)]
        lines = max(len(part) for _, part in groups)
        looks = _looks(tasks)
        step = min(0.115 * lines + 0.1, (style.TALLEST - 1.5) / len(groups))
        figure = style.blank(style.PAGE, step * len(groups) + 1.5)
        panel = figure.subplots()
        style.bands(panel, len(groups))
        panel.axvline(0, color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
        for place, (_, part) in enumerate(groups):
            _group(panel, place, part, looks)
        style.label_rows(panel, [select.wrapped(str(name)) for name, _ in groups], shown=True)
        low = min(-0.1, float(frame[["rank_correlation", "low"]].min().min()) - 0.05)
        panel.set_xlim(max(-1.05, low), 1.05)
        panel.set_xlabel("rank correlation with the best informed advantage")
        panel.set_title("cells", loc="right", fontsize=style.SMALL, fontweight="normal")
        handles = [style.key(look, "all tasks" if scope == "all" else style.short(scope, 24), filled=scope == "all")
                   for scope, look in looks.items() if (frame["scope"] == scope).any()]  # fmt: skip
        style.message(figure, _said(frame))
        style.legend(figure, [*handles, *style.line_keys(chance="no relation")])
        every = every.assign(drawn=every["scope"].isin(["all", *tasks]))
        return figure, every[list(COLUMNS)].reset_index(drop=True)


def _said(frame):
    """Return the message: which proxy ranks best over all cells, and how well."""
    over_all = select.of(frame, scope="all")
    if over_all.empty:
        return "How well cheap proxies rank leakage"
    first = over_all.iloc[0]
    sure = int((over_all["low"] > 0).sum())
    return (
        f"{first['proxy']} ranks leakage best (rank correlation {first['rank_correlation']:.2f}); {sure} of {len(over_all)} proxies rank better "
        "than chance"
    )


def _sorted(frame):
    """Return the rows by the proxy's correlation over all cells, highest first; `all`, then the tasks."""
    over_all = select.of(frame, scope="all").set_index("proxy")["rank_correlation"].to_dict()
    frame = frame.assign(_rank=[-over_all.get(name, -2.0) for name in frame["proxy"]], _task=frame["scope"] != "all")
    return frame.sort_values(["_rank", "proxy", "_task", "scope"], kind="stable").drop(columns=["_rank", "_task"])


def _looks(tasks):
    """Return the look of each scope: tasks differ in colour and marker."""
    return {"all": style.Look(style.BLACK, "o", size=1.25), **{task: style.look(i) for i, task in enumerate(tasks)}}


def _group(panel, place, part, looks):
    """Draw one proxy's rows around the height `place`."""
    step = 0.86 / len(part)
    for i, row in enumerate(part.to_dict("records")):
        look, y = looks[row["scope"]], place - 0.43 + step * (i + 0.5)
        known = row["low"] == row["low"] and row["high"] == row["high"]
        error = [[max(0.0, row["rank_correlation"] - row["low"])], [max(0.0, row["high"] - row["rank_correlation"])]]
        every = row["scope"] == "all"
        panel.errorbar(
            row["rank_correlation"], y, xerr=error if known else None, color=look.color, marker=look.marker,
            markersize=3.6 * look.size, markerfacecolor=look.color if every else "white", markeredgewidth=0.9,
            elinewidth=1.6 if every else 0.8, zorder=3,
        )  # fmt: skip
        if every or len(part) < 4:  # several numbers in a row have no room; those of tasks are in the figure's numbers
            panel.annotate(f"{int(row['cells'])}", (1, y), xycoords=("axes fraction", "data"), xytext=(3, 0), va="center",
                           textcoords="offset points", fontsize=style.SMALL)  # fmt: skip


PLUGIN = Proxies()
