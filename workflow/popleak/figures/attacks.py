"""Every attack by what it sees of a victim and what it knows of the defence; other shadows, repeated queries."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "group", "adversary", "access", "shadow_model", "repeats",
    "defence", "knowledge", "victims", "accuracy", "accuracy_low", "accuracy_high", "known_ceiling", "against_chance", "diverged",
)  # fmt: skip
GROUPS = {
    "labels": style.BLUE, "scores": style.GREEN, "best of these": style.BLACK, "weights": style.VERMILLION,
    "pair": style.PURPLE, "other shadows": style.ORANGE, "asked again": style.SKY,
}  # fmt: skip
KNOWLEDGE = {"unaware": "none", "aware": "left", "informed": "full", "any": "full"}
MOST = 7


class Attacks(Figure):
    name = "attacks"
    summary = "every attack by access, defence and knowledge; other shadows and repeated queries"
    caption = (
        "Share of victims whose training world is named: a row an attack, grouped by what it sees of a victim "
        "(labels; scores; weights: white box; pair: scores of the base model too), a column a defence, a block a "
        "task, in pure worlds where they were run, else the widest pair of ratios. Marker: what is known of the "
        "defence: hollow, nothing (undefended shadows); half filled, the kind of defence but not its settings "
        "(shadows with the defaults); filled, both, or no shadows are used. Where no half-filled marker is drawn, "
        "the defence runs at its default settings and aware is informed. Groups below: shadows of another "
        "architecture than the victim's; each query asked several times (defences that answer at random). An "
        "attack marked (transductive) scales its scores over all victims and breaks the game's rule; it is shown "
        "to compare with published numbers. Bars: 95 % intervals, clustered by pool split. Dashed: chance; brown "
        "with a band: what the training rows themselves give away (rows of undefended victims); solid: the known "
        "ceiling, where there is one. " + style.RINGED
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        import pandas as pd

        every = _labelled(tables["leakage"].reset_index(drop=True))
        chosen = select.main_pairs(every)
        parts = [
            select.of_pair(select.of(every, task=task, model=model), pair) for (task, model), pair in chosen.items()
        ]
        every = pd.concat(parts) if parts else every.iloc[:0]
        judged = select.attacks(every)
        frame = select.alive(judged)
        if frame.empty:
            text = "no attacks in pure or ratio worlds in the table `leakage`, on victims that did not diverge"
            return style.missing(text), select.frame_of([], COLUMNS)
        facets, names = select.facets(frame), list(style.defences(judged["defence"]))
        wide = select.columns(len(names), MOST)
        blocks = [(facet, names[i : i + wide]) for facet in facets for i in range(0, len(names), wide)]
        lines = {facet: _order(select.of(frame, task=facet.task, model=facet.model)) for facet in facets}
        heights = [0.19 * len(lines[facet]) + 0.2 for facet, _ in blocks]
        width = {1: 4.0, 2: 3.0, 3: 2.5, 4: 2.0}.get(wide, 9.0 / wide)
        figure = style.blank(2.0 + wide * width, sum(heights) + 0.75 * len(blocks) + 0.9)
        axes = figure.subplots(len(blocks), wide, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights})
        for r, (facet, block) in enumerate(blocks):
            pair = chosen[facet.task, facet.model]
            given = select.data_line(select.plain(every), facet, pair)
            for c in range(wide):
                panel = axes[r, c]
                if c >= len(block):
                    panel.set_axis_off()
                    continue
                mine = select.of(frame, task=facet.task, model=facet.model, defence=block[c])
                gone = len(select.of(judged, task=facet.task, model=facet.model, defence=block[c])) > 0
                _panel(panel, mine, lines[facet], given, named=c == 0, empty="all diverged" if gone else "not run")
                panel.set_title(block[c], fontweight="normal")
                panel.tick_params(labelbottom=True)
            title = f"{facet.title}\n{pair.label}"
            axes[r, 0].annotate(title, (0, 1), xycoords="axes fraction", xytext=(-8, 6), textcoords="offset points",
                                ha="right", va="bottom", fontweight="bold", fontsize=9)  # fmt: skip
        axes[-1, 0].set_xlabel("share named correctly", loc="left")
        low = min(0.4, float(frame[["accuracy", "accuracy_low"]].min().min()))
        axes[0, 0].set_xlim(max(-0.02, low - 0.03), 1.03)
        style.legend(figure, _keys(frame, len(select.data(every)) > 0), entry=1.9)
        order = {name: i for i, name in enumerate(names)}
        plotted = pd.concat([frame, select.data(every)])[list(COLUMNS)]
        plotted = plotted.sort_values("defence", key=lambda column: column.map(order), kind="stable")
        return figure, plotted.sort_values(["task", "model"], kind="stable").reset_index(drop=True)


def _labelled(leakage):
    """Return unpoisoned rows of two-world games with the group and the label of their line."""
    frame = select.plain(leakage.assign(shadow_model=leakage["model"], repeats=1))[["model"]]
    frame = leakage.loc[frame.index]
    frame = frame[frame["accuracy"].notna()]
    repeats = frame["repeats"].fillna(1).astype(int)
    shadows = frame["shadow_model"].where(frame["shadow_model"].notna(), frame["model"])
    return frame.assign(
        repeats=repeats, shadow_model=shadows,
        group=[
            "asked again" if asked > 1 else "other shadows" if shadow != model
            else "best of these" if access == "any" else access
            for asked, shadow, model, access in zip(repeats, shadows, frame["model"], frame["access"], strict=True)
        ],
        line=[
            style.said(name)
            + (f", {shadow} shadows" if shadow != model else "")
            + (f", {asked} times" if asked > 1 else "")
            for name, shadow, model, asked in zip(frame["adversary"], shadows, frame["model"], repeats, strict=True)
        ],
    )  # fmt: skip


def _order(mine):
    """Return the lines (group, label) of a block, group by group, attacks in the order of all figures."""
    rank = {name: i for i, name in enumerate(style.adversaries(mine["adversary"]))}
    groups = {name: i for i, name in enumerate(GROUPS)}
    found = mine.drop_duplicates(["group", "line"])
    keys = [
        (groups.get(group, len(groups)), rank[name], line, group)
        for group, name, line in zip(found["group"], found["adversary"], found["line"], strict=True)
    ]
    return [(group, line) for *_, line, group in sorted(keys)]


def _panel(panel, mine, lines, given, *, named, empty):
    style.chance(panel)
    style.data_line(panel, given)
    edges = [i for i in range(1, len(lines)) if lines[i][0] != lines[i - 1][0]]
    for edge in edges:
        panel.axhline(edge - 0.5, color=style.REFERENCE, linewidth=0.6, zorder=1)
    for i in range(0, len(lines), 2):
        panel.axhspan(i - 0.5, i + 0.5, color=style.BAND, alpha=0.6, linewidth=0, zorder=0)
    panel.set_ylim(len(lines) - 0.5, -0.5)
    style.label_rows(panel, [line for _, line in lines], shown=named)
    panel.tick_params(axis="y", labelsize=7.5)
    panel.set_xticks([0.5, 0.75, 1], ["0.5", "0.75", "1"])
    known = mine["known_ceiling"].dropna()
    if len(known):
        panel.axvline(known.max(), color=style.BLACK, linewidth=1.8, zorder=1.6)
    if mine.empty:
        style.empty_panel(panel, empty)
    several = len(set(mine["knowledge"]) - {"any"}) > 1
    place = {line: i for i, line in enumerate(lines)}
    for knowledge, part in mine.groupby("knowledge", sort=True):
        shift = {"unaware": -0.27, "informed": 0.27}.get(knowledge, 0.0) if several else 0.0
        for group, rows in part.groupby("group", sort=True):
            color = GROUPS.get(group, style.GREY)
            y = [place[group, line] + shift for line in rows["line"]]
            style.rings(panel, rows["accuracy"], y, rows)
            panel.errorbar(
                rows["accuracy"], y,
                xerr=style.spread(rows, "accuracy"), color=color, linestyle="none", marker="o", markersize=4,
                fillstyle=KNOWLEDGE.get(knowledge, "full"), markerfacecoloralt="white", elinewidth=0.8,
                markeredgewidth=0.8, zorder=3,
            )  # fmt: skip


def _keys(frame, data):
    from matplotlib.lines import Line2D

    said = {
        "unaware": "unaware", "aware": "aware (default settings)", "informed": "informed",
        "any": "needs no shadows",
    }  # fmt: skip
    if (frame["knowledge"] == "informed").any() and (frame["knowledge"] == "any").any():
        said |= {"informed": "informed, or no shadows"}
        del said["any"]
    handles = [
        Line2D([], [], color=style.REFERENCE, marker="o", linestyle="none", fillstyle=KNOWLEDGE[name],
               markerfacecoloralt="white", label=label)
        for name, label in said.items() if (frame["knowledge"] == name).any()
    ]  # fmt: skip
    handles += style.ring_keys(frame)
    present = set(frame["group"])
    handles += [
        Line2D([], [], color=color, marker="o", linestyle="-", linewidth=0.8, label=style.said_access(name))
        for name, color in GROUPS.items()
        if name in present
    ]
    return handles + style.line_keys(data=data, ceiling=frame["known_ceiling"].notna().any())


PLUGIN = Attacks()
