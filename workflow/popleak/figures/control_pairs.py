"""Each fair defence joined to its control, which trains on the same rows without the fairness term."""

from __future__ import annotations

from ..measures import verdicts
from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "victims", "accuracy", "accuracy_low", "accuracy_high",
    "control_accuracy", "difference", "difference_low", "difference_high", "margin", "verdict", "drawn",
)  # fmt: skip
IDLE, LOWER, HIGHER = verdicts.IDLE, verdicts.LOWER, verdicts.HIGHER
LOOKS = {
    LOWER: style.Look(style.BLUE, "<", size=1.2),
    HIGHER: style.Look(style.VERMILLION, ">", size=1.2),
    verdicts.SAME: style.Look(style.BLACK, "s"),
    verdicts.OPEN: style.Look(style.GREY, "D"),
    IDLE: style.Look(style.GREY, "x"),
}
"""By verdict: a marker that points to where the fair defence lies."""
STEP, REST = 0.17, 1.3


class ControlPairs(Figure):
    name = "control-pairs"
    summary = "accuracy of the best informed adversary under each fair defence and under its no-EO control, and their difference"
    caption = (
        "A row a fair defence, below its task and pair of worlds, or a row a task if one defence is drawn. Left: share of victims whose training world the best informed adversary names, "
        "under the control (hollow circle), which trains on the same rows without the fairness (EO) term, joined to that under the fair "
        "defence (marker). Right: fair defence minus control, with its 95 % interval, clustered by pool split; left of 0 the fairness term lowers "
        "leakage, right of 0 it raises it. Shaded: differences that do not matter (the experiment's margin). The marker "
        "tells the verdict after Holm's correction, as in the table `leakage`. Not drawn, if there are others: defences that are their control, "
        "since their EO term is vacuous, so that no verdict applies. Equal worlds are left out."
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        frame = _pairs(tables["leakage"].reset_index(drop=True))
        if frame.empty:
            return style.missing("no fair defence with a control in the table `leakage`"), select.frame_of([], COLUMNS)
        tested = frame[frame["verdict"] != IDLE]
        drawn = tested if len(tested) else frame
        shown, left_out = _fitting(drawn, int((style.TALLEST - REST) / STEP))
        frame["drawn"] = select.mark(frame, shown) & frame.index.isin(drawn.index)
        rows = _rows(drawn, shown)
        figure = style.blank(style.PAGE, STEP * len(rows) + REST)
        left, right = figure.subplots(1, 2, sharey=True)
        for y, (_, row) in enumerate(rows):
            if row is None:
                for panel in (left, right):
                    panel.axhspan(y - 0.5, y + 0.5, color=style.BAND, linewidth=0, zorder=0)
            else:
                _pair(left, right, y, row)
        left.set_ylim(len(rows) - 0.5, -0.5)
        left.set_yticks(range(len(rows)), [label for label, _ in rows])
        for label, (_, row) in zip(left.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if row is None else "normal")
        for panel in (left, right):
            panel.tick_params(axis="y", length=0)
            panel.grid(axis="y", color=style.BAND, linewidth=0.8)
        style.chance(left)
        right.axvline(0, color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
        margin = float(frame["margin"].max())
        if margin == margin:
            right.axvspan(-margin, margin, facecolor="#DDDDDD", alpha=0.8, linewidth=0, zorder=0.5)
        left.set_xlabel("share named correctly")
        right.set_xlabel("fair minus control")
        style.message(figure, _said(drawn, idle=len(frame) - len(drawn)), left_out=left_out)
        style.legend(figure, _keys(drawn, margin))
        return figure, frame[list(COLUMNS)]


def _pairs(leakage):
    """Return the rows of `best`, informed, that are compared with a control, in worlds that differ."""
    found = select.alive(select.differ(select.best_informed(leakage)))
    found = found[found["difference_vs_control"].notna() & found["accuracy"].notna()]
    found = found.assign(
        difference=found["difference_vs_control"], difference_low=found["difference_vs_control_low"],
        difference_high=found["difference_vs_control_high"], verdict=found["verdict_vs_control"],
        control_accuracy=found["accuracy"] - found["difference_vs_control"], drawn=False,
    )  # fmt: skip
    order = {name: i for i, name in enumerate(style.defences(found["defence"]))}
    return found.sort_values("defence", key=lambda column: column.map(order), kind="stable").reset_index(drop=True)


def _fitting(frame, most):
    """Return the cells whose rows fit into `most`, in the order to show, and how many do not."""
    every, kept, used = select.cells(frame)[0], [], 0
    for cell in every:
        used += len(_rows(frame, [cell]))
        if used <= most or not kept:
            kept.append(cell)
    kept.sort(key=lambda cell: (cell.pair.rank, cell.facet))
    return kept, len(every) - len(kept)


def _rows(frame, shown):
    """Return (label, row) of each line. With one defence its rows bear the tasks; else those of a task follow a heading, which has no row."""
    alone, lines = frame["defence"].nunique() == 1, []
    for cell in shown:
        head = select.row_label(cell, frame, pair=True)
        rows = cell.of(frame).to_dict("records")
        lines += [(head, row) for row in rows] if alone else [(head, None), *((row["defence"], row) for row in rows)]
    return lines


def _pair(left, right, y, row):
    look = LOOKS.get(row["verdict"], LOOKS[verdicts.OPEN])
    point = {"color": look.color, "marker": look.marker, "markersize": 4.2 * look.size, "linestyle": "none"}
    if look.marker != "x":
        point["markerfacecolor"] = look.color if look.color != style.GREY else "white"
    left.plot([row["control_accuracy"], row["accuracy"]], [y, y], color=look.color, linewidth=1.5, zorder=2)
    left.plot(row["control_accuracy"], y, marker="o", markersize=3.6, markerfacecolor="white", color=style.BLACK,
              markeredgewidth=0.8, zorder=3)  # fmt: skip
    left.plot(row["accuracy"], y, zorder=4, **point)
    low, high = row["difference"] - row["difference_low"], row["difference_high"] - row["difference"]
    error = None if low != low or high != high else [[max(0.0, low)], [max(0.0, high)]]
    right.errorbar(row["difference"], y, xerr=error, elinewidth=0.9, zorder=3, **point)


def _said(drawn, *, idle):
    """Return the message: how often the fairness term lowers and raises leakage. idle: comparisons in which it never acts."""
    if (drawn["verdict"] == IDLE).all():
        return "No fair defence differs from its control"
    counts = drawn["verdict"].value_counts()
    lower, higher, same = (int(counts.get(word, 0)) for word in (LOWER, HIGHER, verdicts.SAME))
    of = f" of {drawn['defence'].iloc[0]}" if drawn["defence"].nunique() == 1 else ""
    never = f"; in {idle} more the term never acts" if idle else ""
    return (
        f"The fairness term{of} lowers leakage in {lower} and raises it in {higher} of {len(drawn)} comparisons with a control on the same rows "
        f"({same} not materially different, {len(drawn) - lower - higher - same} undecided{never})"
    )


def _keys(frame, margin):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=style.BLACK, marker="o", markersize=3.6, markerfacecolor="white", linestyle="none",
               label="no-EO control")
    ]  # fmt: skip
    for verdict, look in LOOKS.items():
        if (frame["verdict"] == verdict).any():
            handles.append(style.key(look, f"fair: {verdict}", filled=look.color != style.GREY))
    handles += style.line_keys(chance="chance; no difference")
    if margin == margin:
        handles.append(Patch(facecolor="#DDDDDD", label=f"within {100 * margin:g} points"))
    return handles


PLUGIN = ControlPairs()
