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
LOWER, HIGHER = "lower", "higher"
LOOKS = {
    LOWER: style.Look(style.BLUE, "<", size=1.2),
    HIGHER: style.Look(style.VERMILLION, ">", size=1.2),
    verdicts.SAME: style.Look(style.BLACK, "s"),
    "cannot tell": style.Look(style.GREY, "D"),
    "not applicable": style.Look(style.GREY, "x"),
}
"""By verdict: a marker that points to where the fair defence lies."""
STEP = 0.17


class ControlPairs(Figure):
    name = "control-pairs"
    summary = "accuracy of the best informed adversary under each fair defence and under its no-EO control, and their difference"
    caption = (
        "A row a fair defence, below its task and pair of worlds. Left: share of victims whose training world the best informed adversary names, "
        "under the control (hollow circle), which trains on the same rows without the fairness (EO) term, joined to that under the fair "
        "defence (marker). Right: fair defence minus control, with its 95 % interval, clustered by pool split; left of 0 the fairness term lowers "
        "leakage, right of 0 it raises it. Shaded: differences that do not matter (the experiment's margin). The marker "
        "tells the verdict after Holm's correction, as in the table `leakage`; where the fair defence is its control (its EO term is vacuous), "
        "none applies. Equal worlds are left out."
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        frame = _pairs(tables["leakage"].reset_index(drop=True))
        if frame.empty:
            return style.missing("no fair defence with a control in the table `leakage`"), select.frame_of([], COLUMNS)
        most = int((style.TALLEST - 1.6) / STEP)
        shown, left_out = _fitting(frame, most)
        frame["drawn"] = select.mark(frame, shown)
        rows = _rows(frame, shown)
        figure = style.blank(style.PAGE, STEP * len(rows) + 1.3)
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
        style.chance(left)
        right.axvline(0, color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
        margin = float(frame["margin"].max())
        if margin == margin:
            right.axvspan(-margin, margin, facecolor="#DDDDDD", alpha=0.8, linewidth=0, zorder=0.5)
        left.set_xlabel("share named correctly")
        right.set_xlabel("fair minus control")
        style.message(figure, _said(frame), left_out=left_out)
        style.legend(figure, _keys(frame, margin))
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
    """Return the cells whose rows, a heading each, fit into `most` rows, in the order to show, and how many do not."""
    every = select.cells(frame)[0]
    kept, used = [], 0
    for cell in every:
        used += 1 + len(cell.of(frame))
        if used <= most or not kept:
            kept.append(cell)
    kept.sort(key=lambda cell: (cell.pair.rank, cell.facet))
    return kept, len(every) - len(kept)


def _rows(frame, shown):
    """Return (label, row) of each line: headings have no row."""
    several = len(set(frame["model"])) > 1
    lines = []
    for cell in shown:
        model = f", {cell.facet.model}" if several else ""
        lines.append((f"{style.short(cell.facet.task, 24)}{model} ({cell.pair.label})", None))
        lines += [(row["defence"], row) for row in cell.of(frame).to_dict("records")]
    return lines


def _pair(left, right, y, row):
    look = LOOKS.get(row["verdict"], LOOKS["cannot tell"])
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


def _said(frame):
    """Return the message: how often the fairness term lowers and raises leakage."""
    tested = frame[frame["verdict"] != "not applicable"]
    counts = tested["verdict"].value_counts()
    lower, higher, same = (int(counts.get(word, 0)) for word in (LOWER, HIGHER, verdicts.SAME))
    if tested.empty:
        return "No fair defence differs from its control"
    return (
        f"The fairness term lowers leakage in {lower} and raises it in {higher} of {len(tested)} comparisons with a control on the same rows "
        f"({same} not materially different, the others undecided)"
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
