"""AUC of an attack on rows in each cell of label and group, beside as many rows of all kinds."""

from __future__ import annotations

from . import _membership as member
from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio", "defence", "adversary", "knowledge", "label", "group", "rows",
    "auc", "auc_low", "auc_high", "auc_like", "auc_like_low", "auc_like_high", "stands", "drawn",
)  # fmt: skip
MOST = 4
"""Defences in a panel: each cell has a line for each."""
LINE, REST = 0.095, 1.2
"""Inches: of a line, and for message and legend."""
LIKE = "#CFCFCF"


class MembershipCells(Figure):
    name = "membership-cells"
    summary = "AUC of an attack on single rows, by label and group, beside as many rows of all kinds"
    caption = (
        "How well an attack tells rows that a model was trained on from rows that it was not, apart for each label y and group a. The attack is the same "
        "throughout and fixed beforehand: `lira` where it was run, else `rmia`, then `loss-threshold`; its shadows know the defence. Rows: candidates of this "
        "label and group in a split, half of which each model holds (mean over splits). Points: AUC, mean over models; "
        "bars: 95 % intervals, clustered by pair of models with complementary halves. Grey: between its ends lie 95 % of samples of as many candidates of all kinds "
        "under the same defence, and the tick is their mean. A cell stands out where its AUC lies beyond, as 5 % of cells do by chance. Filled: it does. Dashed: an AUC of 1/2, "
        "of an attack that knows nothing. At most four defences: those of the comparison of fair fine-tuning before others; tasks with one of them alone are left out where others have more."
    )
    tables = ("membership",)

    def draw(self, tables, *, tau):
        frame = _rows(tables["membership"])
        if frame.empty:
            text = "no informed attack on rows by label and group in the table `membership`"
            return style.missing(text), select.frame_of([], COLUMNS)
        looks = member.looks(style.few(style.defences(frame["defence"]), member.FEW, MOST))
        kinds = frame.groupby(list(select.FACET))[["label", "group"]].apply(lambda part: len(part.drop_duplicates()))
        height = 0.6 + LINE * (1 + len(looks)) * int(kinds.max())
        drawn = frame["defence"].isin(list(looks)).to_numpy()
        cells = member.compared(member.cells(frame), frame[drawn])
        grid = stacked.grid(cells, 1, height=height, rest=REST, most=3)
        low, high = _span(frame[drawn])
        for stack in grid.stacks:
            _panel(stack, stack.cell.of(frame[drawn]), looks)
            stack.panels[0].set_xlim(low, high)
        style.message(grid.figure, _said(frame[select.mark(frame, cells)]), left_out=grid.left_out)
        style.legend(grid.figure, _keys(looks))
        frame["drawn"] = drawn & select.mark(frame, grid.shown)
        return grid.figure, frame.reindex(columns=list(COLUMNS))


def _rows(table):
    """Return the rows by label and group of one attack, and on which side of as many rows of all kinds each lies: above, below or neither.
    Defences whose victims all diverged are left out."""
    import numpy as np

    frame = select.of(member.asked(table), part="cell")
    frame = frame[frame["auc"].notna() & ~(frame["diverged"] >= 1)]
    frame = select.of(frame, adversary=member.spokesman(frame["adversary"].unique()))
    above, below = frame["auc"] > frame["auc_like_high"], frame["auc"] < frame["auc_like_low"]
    # each victim is asked about every candidate of its split
    size = (frame["members"] + frame["non_members"]) / frame["victims"].clip(lower=1)
    return frame.assign(
        rows=size.round().astype(int), stands=np.where(above, "above", np.where(below, "below", "neither"))
    ).reset_index(drop=True)


def _span(frame):
    """Return where the axis of all panels starts and ends."""
    ends = frame[["auc", "auc_low", "auc_high", "auc_like_low", "auc_like_high"]]
    low, high = min(0.49, float(ends.min().min())), max(0.55, float(ends.max().max()))
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def _panel(stack, mine, looks):
    (panel,) = stack.panels
    names = sorted(set(mine[["label", "group"]].itertuples(index=False, name=None)))
    step = len(looks) + 1
    for place, (label, group) in enumerate(names):
        part = select.of(mine, label=label, group=group).set_index("defence")
        if place % 2 == 0:
            panel.axhspan(place * step - 1, (place + 1) * step - 1, color=style.BAND, linewidth=0, zorder=0)
        for line, name in enumerate(looks):
            if name in part.index:
                _line(panel, place * step + line, part.loc[name], looks[name])
    style.chance(panel)
    panel.grid(axis="x", color=style.BAND, linewidth=0.8)
    middles = [place * step + (len(looks) - 1) / 2 for place in range(len(names))]
    panel.set_yticks(middles, [_label(mine, *name) for name in names])
    panel.tick_params(axis="y", length=0)
    panel.set(ylim=(len(names) * step - 1, -1), title=stack.cell.title)
    panel.locator_params(axis="x", nbins=4)
    if stack.last:
        panel.set_xlabel("AUC")


def _label(mine, label, group):
    """Return how a cell is called, with its number of rows."""
    rows = select.of(mine, label=label, group=group)["rows"].iloc[0]
    return f"y={label}, a={group}\n{rows} rows"


def _line(panel, y, row, look):
    low, high = row["auc_like_low"], row["auc_like_high"]
    if low == low and high == high:
        panel.barh(y, high - low, left=low, height=0.95, facecolor=LIKE, linewidth=0, zorder=1.1)
        panel.plot([row["auc_like"]] * 2, [y - 0.47, y + 0.47], color=style.GREY, linewidth=0.9, zorder=1.2)
    if row["auc_low"] == row["auc_low"]:
        panel.plot([row["auc_low"], row["auc_high"]], [y, y], color=look.color, linewidth=0.9, zorder=2)
    panel.plot([row["auc"]], [y], marker=look.marker, markersize=3.6 * look.size, color=look.color, linestyle="none", markeredgewidth=0.9,
               markerfacecolor=look.color if row["stands"] != "neither" else "white", zorder=3)  # fmt: skip


def _said(frame):
    """Return the message: the cell that stands out above as many rows of all kinds in most tasks without a defence, or under the first
    defence where there is none."""
    name = next(iter(style.defences(frame["defence"])))
    base = select.of(frame, defence=name)
    count = len(member.cells(base))
    found = base[base["stands"] == "above"].groupby(["label", "group"]).size()
    where = "without a defence" if name == "none" else f"under {name}"
    of = f"{count} {'task' if base['task'].nunique() == count else 'case'}{'s' if count > 1 else ''}"
    if found.empty:
        return f"Membership shows more in rows of no label and group than in as many rows of all kinds, in any of {of} {where}"
    first = [f"label {label}, group {group}" for (label, group), times in found.items() if times == found.max()]
    each = " each" if len(first) > 1 else ""
    return (
        f"Membership shows more than in as many rows of all kinds most often in rows of {' and of '.join(first)}: "
        f"in {found.max()} of {of}{each} {where}"
    )


def _keys(looks):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys = [style.key(look, name) for name, look in looks.items()]
    keys.append(Line2D([], [], color=style.GREY, marker="o", markersize=3.6, markerfacecolor="white", linestyle="none",
                       label="does not stand out"))  # fmt: skip
    return [*keys, Patch(color=LIKE, label="as many rows of all kinds"), *style.line_keys(chance="AUC 1/2")]


PLUGIN = MembershipCells()
