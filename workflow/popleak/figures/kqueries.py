"""How many queries it takes: the bound on k records, and the power of a test for the measured gap."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "victims", "k",
    "bound", "bound_low", "bound_high", "power", "power_low", "power_high",
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
        facets = [facet for facet in select.facets(bounds) if (facet.task, facet.model) in chosen]
        looks = _few(bounds["defence"])
        wide = select.columns(len(facets))
        blocks = [facets[i : i + wide] for i in range(0, len(facets), wide)]
        figure = style.blank(0.6 + wide * style.panel_width(wide), len(blocks) * 4.3 + 0.6)
        axes = figure.subplots(2 * len(blocks), wide, squeeze=False, sharex=True, sharey=True)
        plotted = []
        for b, block in enumerate(blocks):
            for c in range(wide):
                upper, lower = axes[2 * b, c], axes[2 * b + 1, c]
                if c >= len(block):
                    upper.set_axis_off()
                    lower.set_axis_off()
                    continue
                facet, pair = block[c], chosen[block[c].task, block[c].model]
                mine = select.of(select.of_pair(bounds, pair), task=facet.task, model=facet.model)
                for defence, look in looks.items():
                    curve = _curve(select.of(mine, defence=defence))
                    who = {"task": facet.task, "model": facet.model, **pair._asdict(), "defence": defence}
                    plotted += [who | row for row in curve]
                    _line(upper, curve, "bound", look)
                    _line(lower, curve, "power", look)
                _frame(upper, lower, first=c == 0)
                _marks(lower, tau)
                upper.set_title(f"{facet.title}\n{pair.label}")
        style.legend(figure, _keys(looks), entry=1.9)
        return figure, select.frame_of(plotted, COLUMNS)


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
        markevery=(4, 16), markersize=4.5 * look.size, zorder=3,
    )  # fmt: skip


def _frame(upper, lower, *, first):
    upper.set(xscale="log", xlim=(1, 10_000), ylim=(0, 1.03))
    lower.axhline(0.8, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    lower.axhline(0.05, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    upper.set_xlabel("k records of one world")
    lower.set_xlabel("k queries from each world")
    upper.tick_params(labelbottom=True)
    lower.tick_params(labelbottom=True)
    if first:
        upper.set_ylabel("bound on the advantage\n$1 - (1 - \\Delta_{EO} W)^k$")
        lower.set_ylabel("power of a test\nfor the measured gap")


def _marks(panel, tau):
    """Mark where the threshold's gap and a smaller one are found with power 0.8."""
    from ..measures import bounds

    for gap, side in sorted({tau: "right", SMALL_GAP: "center"}.items(), reverse=True):
        queries = float(bounds.queries_to_detect(gap, accuracy=ACCURACY))
        panel.plot(queries, 0.8, marker="*", markersize=9, color=style.BLACK, linestyle="none", zorder=5, clip_on=False)
        panel.annotate(
            f"gap {gap:g}:\n{_rounded(queries)}", (queries, 0.8), xytext=(-4 if side == "right" else 0, 5),
            textcoords="offset points", ha=side, va="bottom", fontsize=7.5, linespacing=0.95, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        )  # fmt: skip


def _rounded(queries):
    """Return a number of queries to two digits."""
    return f"{float(f'{queries:.1e}'):,.0f}"


def _keys(looks):
    from matplotlib.lines import Line2D

    return [
        *(style.key(look, name, line=True) for name, look in looks.items()),
        Line2D([], [], color=style.BLACK, marker="*", markersize=9, linestyle="none", label="a gap of this size"),
        Line2D([], [], color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), label="power 0.8"),
        Line2D([], [], color=style.REFERENCE, linewidth=0.8, linestyle=(0, (1, 2)), label="level 0.05"),
    ]


PLUGIN = KQueries()
