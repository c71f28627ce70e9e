"""The accuracy gap between the worlds' records, before and after fine-tuning, against the paper's threshold."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "world", "defence", "victims", "not_finite", "within_tau",
    "q05", "q25", "median", "q75", "q95",
)  # fmt: skip


class Gap(Figure):
    name = "gap"
    summary = "accuracy gap of the victims by defence and direction, against the threshold tau"
    caption = (
        "Accuracy on world-0 records minus accuracy on world-1 records, both from all rows of the query pool, one dot a victim, by defence. Upper panels: "
        "base model trained in world 0; lower panels: in world 1; the defence's complementary data come from the "
        "other world. Bar: median; box: middle half; whiskers: 5 % to 95 % of the victims. Shaded: +-tau, the "
        "paper's threshold. Right: share of victims within it. Pure worlds where they were run, else the widest "
        "pair of ratios. A small gap is a statement on effect size, not on what an adversary can find."
    )
    tables = ("models",)

    def draw(self, tables, *, tau):
        frame = select.plain(select.of(tables["models"], role="victim"))
        chosen = select.main_pairs(frame)
        if not chosen:
            text = "no victims in pure or ratio worlds in the table `models`"
            return style.missing(text), select.frame_of([], COLUMNS)
        facets = [facet for facet in select.facets(frame) if (facet.task, facet.model) in chosen]
        parts = {facet: _cell(frame, facet, chosen[facet.task, facet.model]) for facet in facets}
        looks = style.defences(name for part in parts.values() for name in part["defence"])
        figure, cells, wide = _grid(len(facets), len(looks))
        plotted = []
        for i, (facet, upright) in enumerate(zip(facets, cells, strict=True)):
            pair = chosen[facet.task, facet.model]
            for world, panel in enumerate(upright):
                mine = select.of(parts[facet], world=world)
                where = {"task": facet.task, "model": facet.model, **pair._asdict(), "world": world}
                plotted += [where | row for row in _panel(panel, mine, looks, tau)]
                style.label_rows(panel, list(looks), shown=i % wide == 0)
            upright[0].set_title(f"{facet.title}\n{pair.label}")
            upright[1].set_xlabel("accuracy gap")
            upright[1].tick_params(labelbottom=True)
        reach = _reach(plotted, parts.values(), tau)
        cells[0][0].set_xlim(-reach, reach)
        style.legend(figure, _keys(tau), entry=2.0)
        return figure, select.frame_of(plotted, COLUMNS)


def _grid(count, rows):
    """Return a figure, of each facet the panels of world 0 and world 1, one above the other, and how many facets stand side by side.

    rows: defences a panel."""
    wide = select.columns(count)
    deep, height = -(-count // wide), max(1.1, 0.36 * rows + 0.2)
    figure = style.blank(1.2 + wide * style.panel_width(wide), 2 * deep * (height + 0.4) + 0.4)
    axes = figure.subplots(2 * deep, wide, squeeze=False, sharex=True)
    for row, panel in enumerate(axes[:, 0]):
        panel.set_ylabel(f"base in world {row % 2}", fontweight="bold")
    cells = [axes[2 * row : 2 * row + 2, column] for row in range(deep) for column in range(wide)]
    for upright in cells[count:]:
        for panel in upright:
            panel.set_axis_off()
    return figure, cells[:count], wide


def _reach(plotted, parts, tau):
    """Return where the axis ends on either side: one outlier must not squeeze all."""
    usual = max([1.5 * tau, *(abs(row[q]) for row in plotted for q in ("q05", "q95") if row[q] == row[q])])
    every = max(part["gap"].abs().max() for part in parts)
    every = every if every < float("inf") else usual
    return min(1.05 * max(usual, every), 2 * usual)


def _cell(frame, facet, pair):
    return select.of(select.of_pair(frame, pair), task=facet.task, model=facet.model)


def _panel(panel, mine, looks, tau):
    """Draw one panel and return its numbers, a row a defence."""
    import numpy as np

    style.bands(panel, len(looks))
    panel.axvspan(-tau, tau, facecolor=style.SKY, alpha=0.28, linewidth=0, zorder=1)
    for edge in (-tau, tau):
        panel.axvline(edge, color=style.REFERENCE, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    panel.axvline(0, color=style.REFERENCE, linewidth=0.6, zorder=1)
    rows = []
    for y, (name, look) in enumerate(looks.items()):
        values = select.of(mine, defence=name)["gap"].to_numpy(dtype=float)
        finite = np.sort(values[np.isfinite(values)])
        if not len(values):
            continue
        share = float(np.mean(np.abs(finite) < tau)) if len(finite) else float("nan")
        quantiles = np.quantile(finite, [0.05, 0.25, 0.5, 0.75, 0.95]) if len(finite) else np.full(5, np.nan)
        rows.append(
            {
                "defence": name, "victims": len(values), "not_finite": len(values) - len(finite), "within_tau": share,
                **dict(zip(COLUMNS[-5:], map(float, quantiles), strict=True)),
            }
        )  # fmt: skip
        text = f"{share:.0%}" if len(finite) else "diverged"
        panel.annotate(text, (1.0, y), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
                       va="center", fontsize=8)  # fmt: skip
        if len(finite):
            _distribution(panel, y, finite, quantiles, look)
    if not rows:
        style.empty_panel(panel)
    return rows


def _distribution(panel, y, finite, quantiles, look):
    import numpy as np
    from matplotlib.patches import Rectangle

    # the golden ratio's multiples spread the dots evenly: no random numbers, so the same picture each time
    spread = (np.arange(len(finite)) * 0.6180339887 % 1 - 0.5) * 0.6
    panel.plot(finite, y + spread, linestyle="none", marker=".", markersize=2, color=look.color, alpha=0.45,
               markeredgewidth=0, rasterized=len(finite) > 500, zorder=2)  # fmt: skip
    q05, q25, q50, q75, q95 = quantiles
    panel.hlines(y, q05, q95, color=style.BLACK, linewidth=0.8, zorder=3)
    corner, width = (q25, y - 0.24), q75 - q25
    fill = "white" if look.line == "-" else look.color
    panel.add_patch(Rectangle(corner, width, 0.48, facecolor=fill, alpha=0.45, linewidth=0, zorder=3))
    panel.add_patch(Rectangle(corner, width, 0.48, facecolor="none", edgecolor=style.BLACK, linewidth=0.8, zorder=4))
    panel.vlines(q50, y - 0.3, y + 0.3, color=style.BLACK, linewidth=2, zorder=5)


def _keys(tau):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [
        Line2D([], [], color=style.REFERENCE, marker=".", markersize=4, linestyle="none", label="one victim"),
        Line2D(
            [], [], color=style.BLACK, marker="|", markersize=9, markeredgewidth=2, linestyle="none", label="median"
        ),
        Patch(facecolor="white", edgecolor=style.BLACK, linewidth=0.8, label="middle half; 5 to 95 %"),
        Patch(facecolor=style.SKY, alpha=0.28, label=f"within tau = {tau:g}; right: share"),
    ]


PLUGIN = Gap()
