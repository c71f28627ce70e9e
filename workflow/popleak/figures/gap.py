"""The accuracy gap between the worlds' records, before and after a defence, against the paper's threshold."""

from __future__ import annotations

from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "world", "defence", "victims", "not_finite", "within_tau",
    "q05", "q25", "median", "q75", "q95", "drawn",
)  # fmt: skip


class Gap(Figure):
    name = "gap"
    summary = "accuracy gap of the victims before and after each defence, against the threshold tau"
    caption = (
        "Accuracy on world-0 records minus accuracy on world-1 records, both from all rows of the query pool, before (first "
        "row) and after each defence; a panel a task and pair of worlds. Upper, filled box of a row: base model trained in world 0; "
        "lower, hollow box: in world 1; the defence's complementary data come from the other world. Line in a box: median; "
        "box: middle half of the victims; whiskers: 5 % to 95 %. Shaded: +-tau, the paper's threshold. Right: share of "
        "victims of both directions within it. A small gap is a statement on effect size, not on what an adversary can find."
    )
    tables = ("models",)

    def draw(self, tables, *, tau):
        frame = select.plain(select.of(tables["models"], role="victim"))
        if not len(frame):
            return style.missing("no victims in the table `models`"), select.frame_of([], COLUMNS)
        looks = style.defences(frame["defence"])
        every = select.cells(frame)[0]
        grid = stacked.grid(every, 1, height=0.25 * len(looks) + 0.5, rest=1.3, sharex=True)
        parts = {cell: cell.of(frame) for cell in every}
        numbers = {cell: list(_numbers(parts[cell], looks, tau)) for cell in every}
        for cell, (panel,), first, last in grid.stacks:
            _panel(panel, numbers[cell], looks, tau)
            style.label_rows(panel, list(looks), shown=first)
            panel.set_title(cell.title)
            if last:
                panel.set_xlabel("accuracy gap")
                panel.tick_params(labelbottom=True)
        shown = set(grid.shown)
        plotted = [cell.keys | row | {"drawn": cell in shown} for cell in every for row in numbers[cell]]
        reach = _reach(plotted, parts.values(), tau)
        corner = grid.stacks[0].panels[0]
        corner.set_xlim(-reach, reach)
        corner.locator_params(axis="x", nbins=3)
        style.message(grid.figure, _said(parts, looks, tau), left_out=grid.left_out)
        style.legend(grid.figure, _keys(tau))
        return grid.figure, select.frame_of(plotted, COLUMNS)


def _within(part, tau):
    """Return the share of the victims of `part` that did not diverge whose gap is below tau; None of none."""
    import numpy as np

    values = part["gap"].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    return float(np.mean(np.abs(values) < tau)) if len(values) else None


def _said(parts, looks, tau):
    """Return the message: how many victims are within tau before and after the last defence that is paired with a control."""
    after = next((name for name in ("fft-rehearsal", "fft", *looks) if name in looks and name != "none"), None)
    shares = [
        (before, then)
        for cell, part in parts.items()
        if cell.pair.ratio_0 != cell.pair.ratio_1
        and (before := _within(select.of(part, defence="none"), tau)) is not None
        and (then := _within(select.of(part, defence=after), tau)) is not None
    ]
    if not shares:
        return f"Accuracy gap of the victims against tau = {tau:g}"
    more = [sum(share > 0.5 for share in side) for side in zip(*shares, strict=True)]
    if len(shares) == 1:
        return (
            f"{shares[0][0]:.0%} of the victims have a gap below tau = {tau:g} before, {shares[0][1]:.0%} after {after}"
        )
    return f"The gap of most victims is below tau = {tau:g} in {more[0]} of {len(shares)} pairs of differing worlds before, in {more[1]} after {after}"


def _reach(plotted, parts, tau):
    """Return where the axis ends on either side: one outlier must not squeeze all."""
    usual = max([1.5 * tau, *(abs(row[q]) for row in plotted for q in ("q05", "q95") if row[q] == row[q])])
    every = max(part["gap"].abs().max() for part in parts)
    every = every if every < float("inf") else usual
    return min(1.05 * max(usual, every), 2 * usual)


def _numbers(mine, looks, tau):
    """Yield the numbers of a panel: a row a defence and direction."""
    import numpy as np

    for name in looks:
        for world in (0, 1):
            part = select.of(mine, defence=name, world=world)
            values = part["gap"].to_numpy(dtype=float)
            finite = values[np.isfinite(values)]
            if not len(values):
                continue
            quantiles = np.quantile(finite, [0.05, 0.25, 0.5, 0.75, 0.95]) if len(finite) else np.full(5, np.nan)
            share = _within(part, tau)
            yield {
                "world": world, "defence": name, "victims": len(values), "not_finite": len(values) - len(finite),
                "within_tau": float("nan") if share is None else share,
                **dict(zip(COLUMNS[-6:-1], map(float, quantiles), strict=True)),
            }  # fmt: skip


def _panel(panel, rows, looks, tau):
    """Draw one panel from its numbers."""
    style.bands(panel, len(looks))
    panel.axvspan(-tau, tau, facecolor=style.SKY, alpha=0.28, linewidth=0, zorder=1)
    for edge in (-tau, tau):
        panel.axvline(edge, color=style.REFERENCE, linewidth=0.8, linestyle=style.CHANCE, zorder=1)
    panel.axvline(0, color=style.REFERENCE, linewidth=0.5, zorder=1)
    if "none" in looks and len(looks) > 1:
        panel.axhline(0.5, color=style.BLACK, linewidth=0.7, zorder=1)
    if not rows:
        style.empty_panel(panel)
    for y, (name, look) in enumerate(looks.items()):
        mine = [row for row in rows if row["defence"] == name]
        panel.annotate(_share(mine), (1.0, y), xycoords=("axes fraction", "data"), xytext=(2, 0), textcoords="offset points",
                       va="center", fontsize=style.SMALL)  # fmt: skip
        for row in mine:
            if row["median"] == row["median"]:
                _box(panel, y + (0.2 if row["world"] else -0.2), row, look)


def _share(rows):
    """Return in words the share of the victims of both directions within tau."""
    finite = [row["victims"] - row["not_finite"] for row in rows]
    if not sum(finite):
        return "div." if rows else ""
    return f"{sum(n * row['within_tau'] for n, row in zip(finite, rows, strict=True) if n) / sum(finite):.0%}"


def _box(panel, y, row, look):
    """Draw one direction's quantiles around the height y: filled for world 0, hollow for world 1."""
    from matplotlib.patches import Rectangle

    face = "white" if row["world"] else style.GREY if look.line == "-" else look.color
    panel.hlines(y, row["q05"], row["q95"], color=style.BLACK, linewidth=0.7, zorder=3)
    corner, width = (row["q25"], y - 0.14), row["q75"] - row["q25"]
    panel.add_patch(Rectangle(corner, width, 0.28, facecolor=face, edgecolor=style.BLACK, linewidth=0.6, zorder=4))
    panel.vlines(row["median"], y - 0.18, y + 0.18, color=style.BLACK, linewidth=1.5, zorder=5)


def _keys(tau):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    box = {"edgecolor": style.BLACK, "linewidth": 0.6}
    return [
        Patch(facecolor=style.GREY, **box, label="base in world 0: middle half, 5 to 95 %"),
        Patch(facecolor="white", **box, label="base in world 1"),
        Line2D(
            [], [], color=style.BLACK, marker="|", markersize=7, markeredgewidth=1.5, linestyle="none", label="median"
        ),
        Patch(facecolor=style.SKY, alpha=0.28, label=f"within tau = {tau:g}; right: share of victims"),
    ]


PLUGIN = Gap()
