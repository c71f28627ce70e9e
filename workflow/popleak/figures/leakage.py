"""How often each adversary names the world, by defence."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "adversary", "access", "knowledge", "victims",
    "accuracy", "accuracy_low", "accuracy_high", "known_ceiling",
)  # fmt: skip


class Leakage(Figure):
    name = "leakage"
    summary = "share of victims whose world is named, by defence and adversary, with intervals"
    caption = (
        "Share of victims whose training world the adversary names, by defence (rows within a panel) and adversary "
        "(marker and colour). A panel a task and pair of worlds: P(a = 1) in world 0 against world 1. Filled "
        "markers: shadows trained with the same defence (informed), or an adversary that needs no shadows; hollow "
        "markers: undefended shadows (unaware). Bars are 95 % intervals, clustered by pool split. Dashed line: "
        "chance, 0.5. Short solid line, where drawn: the best accuracy that any adversary can have, where the law "
        "of the outputs is known. `best` is the attack that did best on the other pool splits."
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        frame = tables["leakage"].reset_index(drop=True)
        frame = frame[frame["accuracy"].notna()]
        if frame.empty:
            return style.missing("the table `leakage` has no rows"), select.frame_of([], COLUMNS)
        rows = select.grid(frame)
        looks = style.adversaries(frame["adversary"])
        wide = max(len(row.cells) for row in rows)
        names = [_names(frame, row) for row in rows]
        step = max(0.28, 0.085 * len(looks))
        heights = [max(0.9, step * len(row) + 0.2) for row in names]
        figure = style.blank(1.2 + wide * style.panel_width(wide), sum(heights) + 0.45 * len(rows) + 0.9)
        axes = figure.subplots(len(rows), wide, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights})
        for r, row in enumerate(rows):
            for panel in axes[r, len(row.cells) :]:
                panel.set_axis_off()
            for c, (facet, pair, title) in enumerate(row.cells):
                panel = axes[r, c]
                cell = select.of(select.of_pair(frame, pair), task=facet.task, model=facet.model)
                _panel(panel, cell, names[r], looks)
                style.label_rows(panel, names[r], shown=c == 0)
                panel.set_title(title)
                if r + 1 == len(rows) or any(title for *_, title in rows[r + 1].cells):
                    panel.set_xlabel("share named correctly")
                    panel.tick_params(labelbottom=True)
            axes[r, 0].set_ylabel(row.label, fontweight="bold")
        low = min(0.4, float(frame[["accuracy", "accuracy_low"]].min().min()))
        axes[0, 0].set_xlim(max(-0.02, low - 0.03), 1.02)
        style.legend(figure, _keys(frame, looks))
        order = {name: i for i, name in enumerate(looks)}
        plotted = frame[list(COLUMNS)].sort_values(["adversary"], key=lambda column: column.map(order), kind="stable")
        return figure, plotted.sort_values(list(COLUMNS[:6]), kind="stable").reset_index(drop=True)


def _names(frame, row):
    """Return the defences to list in a row of panels."""
    keys = {(facet.task, facet.model, *pair) for facet, pair, _ in row.cells}
    columns = [*select.FACET, *select.PAIR, "defence"]
    return list(
        style.defences(values[-1] for values in frame[columns].itertuples(index=False) if tuple(values[:5]) in keys)
    )


def _panel(panel, cell, names, looks):
    style.bands(panel, len(names))
    panel.axvline(0.5, color=style.REFERENCE, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    if cell.empty:
        style.empty_panel(panel)
    slot = 0.86 / len(looks)
    for i, (adversary, look) in enumerate(looks.items()):
        mine = cell[cell["adversary"] == adversary]
        both = mine["knowledge"].nunique() > 1
        for knowledge, part in mine.groupby("knowledge", sort=True):
            hollow = knowledge == "unaware"
            shift = (0.22 if hollow else -0.22) * slot * both
            y = [names.index(name) - 0.43 + slot * (i + 0.5) + shift for name in part["defence"]]
            spread = [
                (part["accuracy"] - part["accuracy_low"]).clip(lower=0).fillna(0),
                (part["accuracy_high"] - part["accuracy"]).clip(lower=0).fillna(0),
            ]
            panel.errorbar(
                part["accuracy"], y, xerr=spread, color=look.color, marker=look.marker, linestyle="none",
                elinewidth=0.9,
                markersize=3.8 * look.size, markeredgewidth=0.8, zorder=3,
                markerfacecolor="white" if hollow else look.color,
            )  # fmt: skip
    for name, part in cell[cell["known_ceiling"].notna()].groupby("defence"):
        row = names.index(name)
        panel.vlines(part["known_ceiling"].max(), row - 0.46, row + 0.46, color=style.BLACK, linewidth=1.8, zorder=2)


def _keys(frame, looks):
    from matplotlib.lines import Line2D

    handles = [style.key(look, name) for name, look in looks.items()]
    grey = style.Look(style.REFERENCE, "o")
    if (frame["knowledge"] == "unaware").any():
        handles += [style.key(grey, "informed"), style.key(grey, "unaware", filled=False)]
    handles.append(Line2D([], [], color=style.REFERENCE, linewidth=0.9, linestyle=(0, (4, 2)), label="chance"))
    if frame["known_ceiling"].notna().any():
        handles.append(Line2D([], [], color=style.BLACK, linewidth=1.8, label="known ceiling"))
    return handles


PLUGIN = Leakage()
