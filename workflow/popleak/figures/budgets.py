"""What fewer shadows, and fewer queries, leave of each adversary."""

from __future__ import annotations

from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "adversary", "access", "knowledge", "repeats", "shadows", "queries", "ask",
    "victims", "accuracy", "accuracy_low", "accuracy_high", "auc", "drawn",
)  # fmt: skip
FIRST = ("best", "kl", "meta", "lda", "nig-point", "calibration", "lira-point")
"""Adversaries that are drawn before others."""
PANELS = {
    "shadows a world": ("shadows", ""),
    "queries, at random": ("queries", "drawn"),
    "queries, chosen": ("queries", "separating"),
}


class Budgets(Figure):
    name = "budgets"
    summary = "accuracy against the number of shadow models and of query points, for each attack"
    caption = (
        "Share of victims whose training world is named by adversaries who may use less than all: a column of panels a task and pair "
        "of worlds, undefended victims. From the top: shadow models a world, with all query points; query points drawn at random from both "
        "worlds in turn, with all shadows; as many points on which the adversary's own shadows differ most. At most seven "
        "adversaries; best is, of each budget, the attack that did best on the other half of the pool splits. Band: the 95 % interval of "
        "best, clustered by pool split. Dashed: chance. The figure's numbers hold all attacks, defences and knowledge; a column says what "
        "is drawn."
    )
    tables = ("budgets",)

    def draw(self, tables, *, tau):
        every = select.differ(tables["budgets"].reset_index(drop=True))
        shown = select.plain(every)
        shown = shown[(shown["defence"] == "none") & shown["accuracy"].notna()]
        if shown.empty:
            text = "no undefended victims of pure or ratio worlds in the table `budgets`"
            return style.missing(text), select.frame_of([], COLUMNS)
        panels = {label: what for label, what in PANELS.items() if len(_panel_rows(shown, *what))}
        names = style.few(dict.fromkeys(shown["adversary"]), FIRST)
        looks = style.adversaries(names)
        grid = stacked.grid(
            select.cells(shown)[0], len(panels), height=1.45 * len(panels) + 0.35, rest=1.1, sharey=True
        )
        for stack in grid.stacks:
            part = stack.cell.of(shown)
            for panel, (label, what) in zip(stack.panels, panels.items(), strict=True):
                rows = _panel_rows(part, *what)
                for name, look in looks.items():
                    _line(
                        panel, select.of(rows, adversary=name).sort_values(what[0]), what[0], look, band=name == "best"
                    )
                style.chance(panel, across=False)
                panel.set_xscale("log")
                panel.set_xlabel(label)
                ticks = sorted(set(_panel_rows(shown, *what)[what[0]]))
                panel.set_xticks(_apart(ticks), [f"{one:,}" for one in _apart(ticks)])
                panel.minorticks_off()
                if stack.first:
                    panel.set_ylabel("share named correctly")
            stack.panels[0].set_title(stack.cell.title)
        style.message(grid.figure, _said(shown), left_out=grid.left_out)
        style.legend(grid.figure, [style.key(look, name, line=True) for name, look in looks.items()])
        drawn = every.index.isin(shown.index[shown["adversary"].isin(names)]) & select.mark(every, grid.shown)
        return grid.figure, every.assign(drawn=drawn)[list(COLUMNS)].reset_index(drop=True)


def _panel_rows(frame, column, ask):
    return frame[(frame[column] > 0) & (frame["ask"] == ask)]


def _apart(ticks):
    """Return the last number and those before it that are at most a third of the one shown after, a quarter if that is a long one, so that
    their labels have room."""
    kept = ticks[-1:]
    for one in reversed(ticks[:-1]):
        if kept[0] >= (4 if kept[0] >= 1000 else 3) * one:
            kept.insert(0, one)
    return kept


def _line(panel, rows, column, look, *, band):
    if rows.empty:
        return
    at = rows[column].to_numpy(dtype=float)
    if band:
        panel.fill_between(
            at, rows["accuracy_low"].to_numpy(dtype=float), rows["accuracy_high"].to_numpy(dtype=float),
            color=look.color, alpha=0.12, linewidth=0, zorder=1,
        )  # fmt: skip
    panel.plot(
        at, rows["accuracy"].to_numpy(dtype=float), color=look.color, linestyle=look.line, marker=look.marker,
        markersize=3.5 * look.size, linewidth=1.0, zorder=3,
    )  # fmt: skip


def _said(shown):
    """Return the message: what the fewest and the most shadows, and queries, leave of the best adversary, as means over the panels."""
    best = select.of(shown, adversary="best")
    found = []
    for column, ask, word in (("shadows", "", "shadows"), ("queries", "drawn", "queries")):
        mean = _panel_rows(best, column, ask).groupby(column)["accuracy"].mean()
        if len(mean) > 1:
            ends = [f"{100 * mean.iloc[end]:.0f} % with {mean.index[end]:,}" for end in (0, -1)]
            found.append(f"{' and '.join(ends)} {word}")
    return (
        f"Best names the world of {'; of '.join(found)}"
        if found
        else "What fewer shadows and fewer queries leave of each adversary"
    )


PLUGIN = Budgets()
