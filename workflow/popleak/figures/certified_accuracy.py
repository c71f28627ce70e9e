"""What a certificate costs in accuracy."""

from __future__ import annotations

from ..core import plugins
from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "kind", "victims", "certified_advantage", "accuracy", "accuracy_low",
    "accuracy_high", "delta_eo", "delta_eo_low", "delta_eo_high", "drawn",
)  # fmt: skip
NEAR = 0.01
"""Accuracy that counts as the same: a point in a hundred."""
SMALL = 0.05
"""Advantage that counts as small."""
UNBOUND = 1.3
"""Where defences without a certificate stand on the x axis."""
FIRST = ("none", "rehearsal", "scratch", "scratch-fair", "noisy-rehearsal", "noisy-fft", "noisy-restart")


class CertifiedAccuracy(Figure):
    name = "certified-accuracy"
    summary = "accuracy and Delta_EO of each defence against its certified advantage, by task"
    caption = (
        "Each defence's certified advantage (x; at the right edge what has none) against its mean accuracy on all rows of the query "
        "pool (upper panels) and its mean Delta_EO (lower panels). Up and to the left is better above, down and to the left below. "
        "Defences of one kind at several settings have one colour. Dashed: `scratch`, which is certified at 0. Bars: 95 % intervals, "
        "t over pool splits. Pure worlds where they were run, else the widest pair of ratios; victims of both worlds together. "
        "Scales of accuracy differ between tasks."
    )
    tables = ("models",)

    def draw(self, tables, *, tau):
        models = select.plain(select.of(tables["models"], role="victim"))
        certified = models[models["certified_advantage"].notna()]
        if not select.main_pairs(certified):
            return style.missing("no victim with a certificate in the table `models`"), select.frame_of([], COLUMNS)
        every = select.main_cells(certified)[0]
        grid = stacked.grid(every, 2, height=3.4, rest=1.1, sharex=True)
        frame = select.frame_of([row for cell in every for row in _rows(models, cell)], COLUMNS)
        looks = style.defences(style.few(style.defences(frame["kind"]), FIRST))
        frame["drawn"] = select.mark(frame, grid.shown) & frame["kind"].isin(list(looks)).to_numpy()
        for stack in grid.stacks:
            _stack(stack, stack.cell.of(frame[frame["drawn"].astype(bool)]), looks)
        style.message(grid.figure, _said(frame), left_out=grid.left_out)
        style.legend(grid.figure, _keys(looks))
        return grid.figure, frame


def kind(defence: str) -> str:
    """Return the plugin whose name a defence's id begins with, the longest; the id itself if there is none."""
    found = [name for name in plugins.names("defences") if defence == name or defence.startswith(f"{name}-")]
    return max(found, key=len, default=defence)


def _rows(models, cell):
    mine = cell.of(models)
    for defence, part in mine.groupby("defence", sort=False):
        known = part["certified_advantage"]
        row = {**cell.keys, "defence": defence, "kind": kind(defence), "victims": len(part)}
        row["certified_advantage"] = float("nan") if known.isna().any() else float(known.mean())
        for name in ("accuracy", "delta_eo"):
            found = select.mean_over_splits(part[name], part["split"], span=(0.0, 1.0))
            row |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        yield row


def _stack(stack, mine, looks):
    upper, lower = stack.panels
    for panel, name in ((upper, "accuracy"), (lower, "delta_eo")):
        panel.grid(color=style.BAND, linewidth=0.8)
        for defence, part in mine[mine[name].notna()].groupby("kind", sort=False):
            look = looks[defence]
            panel.errorbar(part["certified_advantage"].fillna(UNBOUND), part[name], yerr=style.spread(part, name), color=look.color,
                           marker=look.marker, markersize=3.8 * look.size, linestyle="none", elinewidth=0.7, zorder=3)  # fmt: skip
        for value in mine.loc[mine["defence"] == "scratch", name].dropna():
            panel.axhline(value, color=style.REFERENCE, linewidth=0.8, linestyle=style.CHANCE, zorder=1)
    upper.set(title=stack.cell.title, xlim=(-0.06, UNBOUND + 0.06))
    lower.set_ylim(bottom=0)
    lower.set_xticks([0, 0.5, 1, UNBOUND], ["0", "0.5", "1", "none"])
    upper.tick_params(labelbottom=False)
    if stack.last:
        lower.set_xlabel("certified advantage")
    if stack.first:
        upper.set_ylabel("accuracy")
        lower.set_ylabel("Delta_EO")


def _said(frame):
    """Return the message: of the cells of a defence that starts from M_0 and is certified at little, how many are about as accurate as
    `scratch`. All settings count, so that the luckiest of many says nothing."""
    reached = known = 0
    for _, part in frame.groupby(["task", "model"], sort=False):
        scratch = part.loc[part["defence"] == "scratch", "accuracy"]
        tuned = part[~part["kind"].isin(["scratch", "scratch-fair"]) & (part["certified_advantage"] <= SMALL)]
        if scratch.notna().any():
            known += len(tuned)
            reached += int((tuned["accuracy"] >= scratch.max() - NEAR).sum())
    if not known:
        return "Accuracy and Delta_EO against the certified advantage"
    cells = "cells" if known != 1 else "cell"
    return (
        f"Of {known} {cells} of a fine-tuned defence certified at {SMALL:g} or less, {reached} lose at most {100 * NEAR:g} point of mean "
        f"accuracy against `scratch`"
    )


def _keys(looks):
    from matplotlib.lines import Line2D

    line = Line2D([], [], color=style.REFERENCE, linewidth=0.8, linestyle=style.CHANCE, label="scratch")
    return [*(style.key(look, name) for name, look in looks.items()), line]


PLUGIN = CertifiedAccuracy()
