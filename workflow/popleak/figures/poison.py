"""What slipping flipped records into the training data adds to each attack."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "poison", "adversary", "access", "knowledge",
    "victims", "accuracy", "accuracy_low", "accuracy_high", "known_ceiling", "against_chance",
)  # fmt: skip


class Poisoning(Figure):
    name = "poison"
    summary = "accuracy of attacks against the poisoned share of the training data, by defence"
    caption = (
        "Share of victims whose training world is named, by the share of every draw's rows that the adversary "
        "slipped in with flipped labels (0: none), for the attacks run on poisoned victims; informed shadows, "
        "poisoned alike. A column a task, in pure worlds where they were run, else the widest pair of ratios (one "
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
        cells = _cells(frame)
        wanted = {(facet.task, facet.model, *pair) for facet, pair, _ in cells}
        keys = [*select.FACET, *select.PAIR]
        every = select.among(every, keys, wanted)
        frame, given = select.attacks(every), select.of(select.data(every), defence="none")
        names, looks = list(style.defences(frame["defence"])), style.adversaries(frame["adversary"])
        wide = select.columns(len(cells))
        rows = [(cells[i : i + wide], name) for i in range(0, len(cells), wide) for name in names]
        width = {1: 4.6, 2: 3.8, 3: 3.1}.get(wide, 2.45)
        figure = style.blank(0.9 + wide * width, 1.75 * len(rows) + 0.5 * len(rows) / len(names) + 0.9)
        axes = figure.subplots(len(rows), wide, squeeze=False, sharex=True, sharey=True)
        for r, (block, name) in enumerate(rows):
            for panel in axes[r, len(block) :]:
                panel.set_axis_off()
            for c, (facet, pair, title) in enumerate(block):
                panel = axes[r, c]
                lines = select.of_pair(select.of(given, task=facet.task, model=facet.model), pair)
                mine = select.of_pair(select.of(frame, task=facet.task, model=facet.model, defence=name), pair)
                _panel(panel, mine, lines, looks, sorted(set(frame["poison"])))
                if name == names[0]:
                    panel.set_title(title)
                if name == names[-1]:
                    panel.set_xlabel("poisoned share")
                    panel.tick_params(labelbottom=True)
            axes[r, 0].set_ylabel(name, fontweight="bold")
        _axes(axes[0, 0], frame)
        figure.supylabel("share named correctly", fontsize=9)
        access = dict(zip(frame["adversary"], frame["access"], strict=True))
        handles = [style.key(look, style.said(name, access[name]), line=True) for name, look in looks.items()]
        handles += style.ring_keys(frame)
        handles += style.line_keys(data=len(given) > 0, ceiling=frame["known_ceiling"].notna().any())
        style.legend(figure, handles)
        plotted = pd.concat([frame, given])[list(COLUMNS)]
        return figure, plotted.sort_values(list(COLUMNS[:8]), kind="stable").reset_index(drop=True)


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


def _cells(frame):
    """Return a cell (facet, pair, title) a column: each task's main pair; with one task all its pairs."""
    facets = select.facets(frame)
    if len(facets) == 1:
        return [(facets[0], pair, f"{facets[0].title}\n{pair.label}") for pair in select.pairs(frame)]
    chosen = select.main_pairs(frame)
    return [
        (facet, pair, f"{facet.title}\n{pair.label}") for facet in facets for pair in [chosen[facet.task, facet.model]]
    ]


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
            elinewidth=0.8, markersize=4.2 * look.size, zorder=3,
        )  # fmt: skip


def _axes(panel, frame):
    shares = sorted(set(frame["poison"]))
    panel.set_xticks(range(len(shares)), [f"{100 * share:g} %" for share in shares])
    panel.set_xlim(-0.5, len(shares) - 0.5)
    low = min(0.45, float(frame[["accuracy", "accuracy_low"]].min().min()) - 0.02)
    panel.set_ylim(max(-0.02, low), 1.03)


PLUGIN = Poisoning()
