"""What slipping flipped records into the training data adds to each attack."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "poison", "adversary", "access", "knowledge",
    "victims", "accuracy", "accuracy_low", "accuracy_high", "known_ceiling", "against_chance", "drawn",
)  # fmt: skip


FIRST = ("snap", "snap-label", "meta", "kl", "best", "threshold", "weights")
"""Attacks that are drawn before others; at most seven are."""


class Poisoning(Figure):
    name = "poison"
    summary = "accuracy of attacks against the poisoned share of the training data, by defence"
    caption = (
        "Share of victims whose training world is named, by the share of every draw's rows that the adversary "
        "slipped in with flipped labels (0: none), for the attacks run on poisoned victims; informed shadows, "
        "poisoned alike; at most seven attacks are drawn, the figure's numbers hold all. A column a task, in pure worlds where they were run, else the widest pair of ratios (one "
        "task: a column a pair); a row a defence. Bars: 95 % intervals, clustered by pool split; attacks stand a "
        "little aside of the share so that they can be told apart. Dashed: chance; brown with a band: what the "
        "training rows of undefended victims themselves give away; solid black without markers: the known "
        "ceiling, where there is one. " + style.RINGED
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        import pandas as pd

        every = _rows(tables["leakage"])
        frame = select.attacks(every)
        if frame.empty:
            return style.missing("no poisoned victims in the table `leakage`"), select.frame_of([], COLUMNS)
        every_name = list(style.defences(frame["defence"]))
        looks = style.adversaries(style.few(style.adversaries(frame["adversary"]), FIRST))
        names = [name for name in every_name if name in style.few(every_name, ("none",), 5)]
        count = len(_cells(frame)[0])
        height, rest = 1.35 * len(names) + 0.4, 1.5
        cells, left_out = _cells(frame, select.columns(count) * style.fits(height, rest=rest))
        wide = select.columns(len(cells))
        rows = [(block, name) for block in select.cut(cells, wide) for name in names]
        figure = style.blank(style.width(wide), 1.35 * len(rows) + 0.4 * len(rows) / len(names) + rest)
        axes = figure.subplots(len(rows), wide, squeeze=False, sharex=True, sharey=True)
        every = every[select.mark(every, _cells(frame)[0])]
        frame, given = select.attacks(every), select.of(select.data(every), defence="none")
        for r, (block, name) in enumerate(rows):
            for panel in axes[r, len(block) :]:
                panel.set_axis_off()
            for c, cell in enumerate(block):
                panel = axes[r, c]
                mine = cell.of(select.of(frame, defence=name))
                _panel(panel, mine, cell.of(given), looks, sorted(set(frame["poison"])))
                if name == names[0]:
                    panel.set_title(cell.title)
                if name == names[-1]:
                    panel.set_xlabel("poisoned share")
                    panel.tick_params(labelbottom=True)
            axes[r, 0].set_ylabel(name, fontweight="bold")
        _axes(axes[0, 0], frame)
        figure.supylabel("share named correctly", fontsize=style.TEXT)
        style.message(figure, _said(frame), left_out=left_out)
        access = dict(zip(frame["adversary"], frame["access"], strict=True))
        handles = [style.key(look, style.said(name, access[name]), line=True) for name, look in looks.items()]
        handles += style.ring_keys(frame)
        handles += style.line_keys(data=len(given) > 0, ceiling=frame["known_ceiling"].notna().any())
        style.legend(figure, handles)
        frame = frame.assign(
            drawn=select.mark(frame, cells) & frame["adversary"].isin(list(looks)) & frame["defence"].isin(names)
        )
        plotted = pd.concat([frame, given.assign(drawn=select.mark(given, cells))])[list(COLUMNS)]
        return figure, plotted.sort_values(list(COLUMNS[:8]), kind="stable").reset_index(drop=True)


def _said(frame):
    """Return the message: in how many cases the largest share of poison lets an attack do better than none, the intervals apart."""
    keys = [*select.FACET, *select.PAIR, "defence", "adversary"]
    low, high = (frame[frame["poison"] == share].set_index(keys) for share in (0.0, frame["poison"].max()))
    both = [key for key in high.index if key in low.index]
    gained = sum(high.at[key, "accuracy_low"] > low.at[key, "accuracy_high"] for key in both)
    return (
        f"Flipping the labels of {100 * frame['poison'].max():g} % of the rows helps an attack, its intervals apart, in {gained} of {len(both)} "
        "cases of an attack, defence and two worlds"
    )


def _rows(leakage):
    """Return informed rows, asked once, of the games and attacks that were run with a poisoned share above 0."""
    frame = leakage.reset_index(drop=True)
    share = frame["poison"].fillna(0.0)
    frame = frame.loc[select.plain(frame.assign(poison=0.0)).index].assign(poison=share)
    frame = select.alive(frame)
    frame = select.informed(select.differ(frame[frame["accuracy"].notna()]))
    keys = [*select.FACET, *select.PAIR, "defence", "adversary"]
    poisoned = select.attacks(frame[frame["poison"] > 0])
    shown = select.among(frame, keys, set(poisoned[keys].itertuples(index=False, name=None)))
    given = select.among(select.data(frame), keys[:5], set(poisoned[keys[:5]].itertuples(index=False, name=None)))
    return frame.loc[shown.index.union(given.index)]


def _cells(frame, most=None):
    """Return the cells to draw, and how many are left out: each task's main pair; with one task all its pairs."""
    return (select.cells if len(select.facets(frame)) == 1 else select.main_cells)(frame, most)


def _panel(panel, mine, given, looks, shares):
    style.chance(panel, across=False)
    if mine.empty:
        style.empty_panel(panel)
        return
    if len(given) == 1:  # not run on poisoned victims
        style.data_line(panel, given[["accuracy", "accuracy_low", "accuracy_high"]].iloc[0], across=False)
    elif len(given):
        given = given.sort_values("poison")
        at = given["poison"].map(shares.index)
        panel.fill_between(at, given["accuracy_low"], given["accuracy_high"], color=style.DATA_BAND,
                           alpha=0.75, linewidth=0, zorder=0.5)  # fmt: skip
        panel.plot(at, given["accuracy"], color=style.DATA, linewidth=1.3, linestyle=style.DATA_LINE, zorder=1.5)
    known = mine["known_ceiling"].dropna()
    if len(known):
        panel.axhline(known.max(), color=style.BLACK, linewidth=1.8, zorder=1.6)
    for i, (name, look) in enumerate(looks.items()):
        rows = select.of(mine, adversary=name).sort_values("poison")
        x = rows["poison"].map(shares.index) + 0.7 * ((i + 0.5) / len(looks) - 0.5)
        style.rings(panel, x, rows["accuracy"], rows)
        panel.errorbar(
            x, rows["accuracy"],
            yerr=style.spread(rows, "accuracy"), color=look.color, marker=look.marker, linestyle=look.line, linewidth=1,
            elinewidth=0.7, markersize=3.2 * look.size, zorder=3,
        )  # fmt: skip


def _axes(panel, frame):
    shares = sorted(set(frame["poison"]))
    panel.set_xticks(range(len(shares)), [f"{100 * share:g} %" for share in shares])
    panel.set_xlim(-0.5, len(shares) - 0.5)
    low = min(0.45, float(frame[["accuracy", "accuracy_low"]].min().min()) - 0.02)
    panel.set_ylim(max(-0.02, low), 1.03)


PLUGIN = Poisoning()
