"""How many queries it takes: the bound on k records, and the power of a test for the measured gap."""

from __future__ import annotations

from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "victims", "k",
    "bound", "bound_low", "bound_high", "power", "power_low", "power_high", "drawn",
)  # fmt: skip
FEW = ("none", "rehearsal", "fft-rehearsal")
SMALL_GAP = 0.04
"""The gap that the paper reports after fine-tuning; the method names both."""
ACCURACY = 0.7
"""Accuracy at which the marked gaps are found."""


class KQueries(Figure):
    name = "kqueries"
    summary = "the bound 1 - (1 - Delta_EO W)^k on k records, and when a test finds the measured gap"
    caption = (
        "Upper panels: the bound 1 - (1 - Delta_EO * W)^k on the advantage of an adversary who sees predictions and "
        "labels of k independent records of one world, the model being fixed; a theorem for equal label rates. Lower "
        "panels: power of a one-sided two-sample test at level 0.05 for a model's measured gap, at its own accuracy, "
        "after k queries from each world. Lines: mean over the victims of both directions; shaded between "
        "thin lines: lowest to highest victim. At most three defences: none, rehearsal fine-tuning with and without the EO term, where they were "
        "run. Stars: the queries from each world that find a gap of tau and of 0.04 with power 0.8 at accuracy 0.7: a "
        "gap below tau is small, not hidden. Pure worlds where they were run, else the widest pair of ratios."
    )
    tables = ("bounds",)

    def draw(self, tables, *, tau):
        bounds = select.plain(tables["bounds"])
        chosen = select.main_pairs(bounds)
        if not chosen:
            return style.missing("no rows of pure or ratio worlds in the table `bounds`"), select.frame_of([], COLUMNS)
        looks = _few(bounds["defence"])
        every = select.main_cells(bounds)[0]
        grid = stacked.grid(every, 2, height=3.2, rest=1.2, sharex=True, sharey=True)
        parts = {cell: cell.of(bounds) for cell in every}
        curves = {(cell, name): _curve(select.of(parts[cell], defence=name)) for cell in every for name in looks}
        for stack in grid.stacks:
            for name, look in looks.items():
                for panel, what in zip(stack.panels, ("bound", "power"), strict=True):
                    _line(panel, curves[stack.cell, name], what, look)
            _frame(*stack.panels, first=stack.first)
            _marks(stack.panels[1], tau)
            stack.panels[0].set_title(stack.cell.title)
        style.message(grid.figure, _said(curves), left_out=grid.left_out)
        style.legend(grid.figure, _keys(looks))
        shown = set(grid.shown)
        plotted = [
            {**cell.keys, "defence": name, **row, "drawn": cell in shown}
            for (cell, name), curve in curves.items()
            for row in curve
        ]
        return grid.figure, select.frame_of(plotted, COLUMNS)


def _said(curves):
    """Return the message: how many queries from each world find the mean gap, before and after the last defence shown."""
    found = {}
    for (_, defence), curve in curves.items():
        at = next((row["k"] for row in curve if row["power"] >= 0.8), None)
        if curve:
            found.setdefault(defence, []).append(at)
    said = [
        f"{sum(at is not None and at <= 1000 for at in ends)} of {len(ends)} tasks under {name}" if name != "none"
        else f"{sum(at is not None and at <= 1000 for at in ends)} of {len(ends)} tasks without a defence"
        for name, ends in found.items()
    ]  # fmt: skip
    return f"1,000 queries from each world find the gap in {', '.join(said)}" if said else "Queries that find a gap"


def _few(names):
    """Return the looks of at most three defences: the usual ones first, then in the order of every figure."""
    looks = style.defences(names)
    order = [*(name for name in FEW if name in looks), *(name for name in looks if name not in FEW)][:3]
    return {name: look for name, look in looks.items() if name in order}


def _curve(part):
    """Return the mean and range over victims of both curves, a row a k."""
    import numpy as np

    from ..measures import bounds

    part = part[np.isfinite(part["rhs_literal"].astype(float)) & np.isfinite(part["gap"].astype(float))]
    if part.empty:
        return []
    k = np.geomspace(1, 10_000, 65)
    one = part["rhs_literal"].to_numpy(dtype=float)[:, None]
    queries = part["queries_to_detect"].to_numpy(dtype=float)[:, None]
    queries = np.where(np.isnan(queries), np.inf, queries)  # no gap: found as often as the level allows
    curves = {
        "bound": bounds.k_queries(one, 1.0, k),
        "power": bounds.detection_power(k, queries=np.maximum(queries, 1e-9)),
    }
    return [
        {
            "victims": len(part), "k": float(at),
            **{f"{name}{end}": float(of(values[:, i]))
               for name, values in curves.items() for end, of in (("", np.mean), ("_low", np.min), ("_high", np.max))},
        }
        for i, at in enumerate(k)
    ]  # fmt: skip


def _line(panel, curve, name, look):
    if not curve:
        return
    k = [row["k"] for row in curve]
    low, high = ([row[name + end] for row in curve] for end in ("_low", "_high"))
    panel.fill_between(k, low, high, color=look.color, alpha=0.1, linewidth=0, zorder=2)
    for edge in (low, high):
        panel.plot(k, edge, color=look.color, linestyle=look.line, linewidth=0.5, zorder=2)
    panel.plot(
        k, [row[name] for row in curve], color=look.color, linestyle=look.line, marker=look.marker,
        markevery=(4, 16), markersize=3.5 * look.size, zorder=3,
    )  # fmt: skip


def _frame(upper, lower, *, first):
    upper.set(xscale="log", xlim=(1, 10_000), ylim=(0, 1.03))
    lower.axhline(0.8, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    lower.axhline(0.05, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    upper.set_xlabel("k records of one world")
    lower.set_xlabel("k queries from each world")
    upper.set_xticks([1, 10, 100, 1000, 10_000], ["1", "10", "100", "1,000", ""])
    upper.minorticks_off()
    upper.tick_params(labelbottom=True)
    lower.tick_params(labelbottom=True)
    if first:
        upper.set_ylabel("bound on the advantage,\n1 - (1 - Delta_EO W)^k")
        lower.set_ylabel("power of a test\nfor the measured gap")


def _marks(panel, tau):
    """Mark where the threshold's gap and a smaller one are found with power 0.8."""
    from ..measures import bounds

    for gap, side in sorted({tau: "right", SMALL_GAP: "center"}.items(), reverse=True):
        queries = float(bounds.queries_to_detect(gap, accuracy=ACCURACY))
        panel.plot(queries, 0.8, marker="*", markersize=7, color=style.BLACK, linestyle="none", zorder=5, clip_on=False)
        panel.annotate(
            f"gap {gap:g}:\n{_rounded(queries)}", (queries, 0.8), xytext=(-4 if side == "right" else 0, 5),
            textcoords="offset points", ha=side, va="bottom", fontsize=style.SMALL, linespacing=0.95, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        )  # fmt: skip


def _rounded(queries):
    """Return a number of queries to two digits."""
    return f"{float(f'{queries:.1e}'):,.0f}"


def _keys(looks):
    from matplotlib.lines import Line2D

    return [
        *(style.key(look, name, line=True) for name, look in looks.items()),
        Line2D([], [], color=style.BLACK, marker="*", markersize=7, linestyle="none", label="a gap of this size"),
        Line2D([], [], color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), label="power 0.8"),
        Line2D([], [], color=style.REFERENCE, linewidth=0.8, linestyle=(0, (1, 2)), label="level 0.05"),
    ]


PLUGIN = KQueries()
