"""Leakage, fairness and accuracy of fine-tuned models against how far fine-tuning took the weights."""

from __future__ import annotations

from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

MEASURES = {
    "named": "best informed\nadversary: share named",
    "delta_eo_crossed": "Delta_EO",
    "model_accuracy": "accuracy",
}
COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "kind", "epochs", "learning_rate", "rehearsal", "eo_weight",
    "eo_chosen", "victims", "constant", "travel", *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
)  # fmt: skip
SHADES = ("#B9DCEE", "#86C0E0", "#549FD0", "#2A7BBA", "#13579B", "#0A3A73", "#051E40")
"""Of lambda, small to large: light to dark, in one blue."""
MARKERS = ("v", "s", "D", "^", "p")
"""Of the rehearsal shares, small to large."""


class Sensitivity(Figure):
    name = "sensitivity"
    summary = "leakage, Delta_EO and accuracy of every setting of fine-tuning, against how far the weights travel"
    caption = (
        "Each point is one setting of a fine-tuning defence: epochs, step size, rehearsal share and lambda. x: how far it takes the weights, as "
        "the mean distance from the base model's over their norm. y: share of victims whose world the best informed adversary names (chance "
        "is one half), mean Delta_EO (label and sign chosen on one half of the query pool, measured on the other), and mean accuracy of the "
        "models on all rows of the query pool. Hollow: without the fairness term; blue, the darker the larger lambda; ringed: lambda chosen "
        "for each model. Form: share of rehearsal rows. Bars: 95 % intervals, by pool split. Pure worlds where they were run, else the widest pair of ratios. Tasks with "
        "equal label rates are left out where the same task is there as it is. Scales of accuracy differ between tasks."
    )
    tables = ("sensitivity",)

    def draw(self, tables, *, tau):
        table = tables["sensitivity"]
        table = table[~table["task"].isin(set(table["balanced_task"].dropna()))]
        chosen = select.main_pairs(table)
        parts = [
            select.of_pair(select.of(table, task=task, model=model), pair) for (task, model), pair in chosen.items()
        ]
        frame = select.frame_of([row for part in parts for row in part.to_dict("records")], COLUMNS)
        if frame["travel"].notna().sum() == 0:
            return style.missing("no fine-tuning defence at several settings in the table `sensitivity`"), frame.iloc[
                :0
            ]
        grid = stacked.grid(select.cells(frame)[0], len(MEASURES), height=4.2, rest=1.3)
        looks = Looks(frame)
        for stack in grid.stacks:
            _stack(stack, stack.cell.of(frame), looks)
        for row in range(2):
            _level([stack.panels[row] for stack in grid.stacks])
        style.message(grid.figure, _said(frame), left_out=grid.left_out)
        style.legend(grid.figure, [*looks.keys(), *style.line_keys()])
        return grid.figure, frame


def _stack(stack, mine, looks) -> None:
    """Draw a cell's panels, one a measure, from its numbers."""
    top, *below = stack.panels
    for panel, (name, label) in zip(stack.panels, MEASURES.items(), strict=True):
        _points(panel, mine, name, looks)
        if stack.first:
            panel.set_ylabel(label)
    for panel in below:
        panel.sharex(top)
    style.chance(top, across=False)
    top.set(title=stack.cell.title)
    top.set_ylim(min(0.45, top.get_ylim()[0]), 1.03)
    top.set_xlim(left=0)
    top.locator_params(axis="x", nbins=3)
    for panel in stack.panels[:-1]:
        panel.tick_params(labelbottom=False, labelleft=stack.first)
    stack.panels[-1].set_xlabel("travel of the weights")


def _said(frame):
    """Return the message: how leakage goes with the way that the weights travel, by task."""
    found = []
    for _, part in frame.groupby(select.FACET):
        part = part[part["travel"].notna() & part["named"].notna()]
        if len(part) > 2 and part["named"].nunique() > 1 and part["travel"].nunique() > 1:
            found.append(float(part["travel"].rank().corr(part["named"].rank())))
    if not found:
        return "Leakage, Delta_EO and accuracy against how far fine-tuning takes the weights"
    down = sum(value < 0 for value in found)
    return (
        f"The further fine-tuning takes the weights, the less often the world is named in {down} of {len(found)} tasks "
        f"(rank correlation {min(found):.2f} to {max(found):.2f})"
    )


class Looks:
    """How a setting is drawn: the shade tells lambda, the marker the share of rehearsal rows."""

    def __init__(self, frame) -> None:
        fixed = frame[(frame["eo_weight"] > 0) & ~frame["eo_chosen"].astype(bool)]
        self.weights = sorted(set(fixed["eo_weight"]))
        self.shares = sorted(set(frame["rehearsal"]))
        self.bare = bool(((frame["eo_weight"] == 0) & ~frame["eo_chosen"].astype(bool)).any())
        self.chosen = bool(frame["eo_chosen"].astype(bool).any())

    def shade(self, weight: float) -> str:
        """Return the shade of a lambda; of one that was chosen, the median's nearest."""
        if not self.weights:
            return SHADES[len(SHADES) // 2]
        near = min(range(len(self.weights)), key=lambda i: abs(self.weights[i] - weight))
        return SHADES[round(near * (len(SHADES) - 1) / max(1, len(self.weights) - 1))]

    def marker(self, share: float) -> str:
        return MARKERS[self.shares.index(share) % len(MARKERS)]

    def of(self, row) -> dict:
        """Return the arguments of a row's point for matplotlib."""
        bare = row["eo_weight"] == 0 and not row["eo_chosen"]
        color = style.BLACK if bare else self.shade(row["eo_weight"])
        edge = style.VERMILLION if row["eo_chosen"] else color
        face = "white" if bare else color
        return {"marker": self.marker(row["rehearsal"]), "color": edge, "markerfacecolor": face, "ecolor": color,
                "markeredgewidth": 1.3 if bare or row["eo_chosen"] else 0.6}  # fmt: skip

    def keys(self) -> list:
        """Return the legend's entries."""
        from matplotlib.lines import Line2D

        def key(label: str, **look):
            return Line2D([], [], linestyle="none", markersize=4.5, label=label, **look)

        found = []
        if self.bare:
            found.append(
                key("no fairness term", marker="o", color=style.BLACK, markerfacecolor="white", markeredgewidth=1.3)
            )
        found += [key(f"lambda {weight:g}", marker="o", color=self.shade(weight)) for weight in self.weights]
        if self.chosen:
            middle = SHADES[len(SHADES) // 2]
            found.append(
                key("lambda chosen", marker="o", color=style.VERMILLION, markerfacecolor=middle, markeredgewidth=1.3)
            )
        grey = {"color": style.REFERENCE, "markerfacecolor": "white"}
        return found + [key(f"rehearsal {share:g}", marker=self.marker(share), **grey) for share in self.shares]


def _points(panel, mine, name, looks) -> None:
    panel.grid(color=style.BAND, linewidth=0.8)
    known = mine[mine["travel"].notna() & mine[name].notna()]
    if known.empty:
        style.empty_panel(panel, "no adversary `best`" if name == "named" else style.UNKNOWN)
    # without the term last: its points are few, and the others may lie on them
    for i, row in enumerate(known.sort_values("eo_weight", ascending=False, kind="stable").to_dict("records")):
        low, high = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
        error = None if low != low or high != high else [[max(0.0, low)], [max(0.0, high)]]
        panel.errorbar(row["travel"], row[name], yerr=error, markersize=3.6, elinewidth=0.7, zorder=3 + i / 1000,
                       linestyle="none", **looks.of(row))  # fmt: skip


def _level(panels) -> None:
    """Give panels of one measure the same scale."""
    low, high = min(panel.get_ylim()[0] for panel in panels), max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(low, high)


PLUGIN = Sensitivity()
