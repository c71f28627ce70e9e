"""How often each adversary names the world, by defence."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "adversary", "access", "knowledge", "victims",
    "accuracy", "accuracy_low", "accuracy_high", "known_ceiling", "against_chance", "diverged", "placebo_lowest",
    "placebo_highest", "drawn",
)  # fmt: skip
PLACEBO = list(COLUMNS[-3:-1])
FIRST = ("best", "accuracy-gap", "threshold", "kl", "meta", "ceiling")
"""Adversaries that are drawn before others: of each access, and the paper's own."""
MOST = 6
"""Adversaries a panel: as many as the eye tells apart; the table and the figure `attacks` have all."""


class Leakage(Figure):
    name = "leakage"
    summary = "share of victims whose world is named, by defence and adversary, with intervals"
    caption = (
        "Share of victims whose training world the adversary names, by defence (rows within a panel) and "
        "adversary (marker and colour). A panel a task and pair of worlds: P(a = 1) in world 0 against world 1. "
        "Filled markers: shadows trained with the same defence (informed), or an adversary that needs no shadows; "
        "hollow markers: undefended shadows (unaware). Bars are 95 % intervals, clustered by pool split. Lines to "
        "compare with, each where it is known: dashed, chance, 0.5; brown with a band (95 % interval), what the "
        "training rows themselves give away; short and solid, the best accuracy that any adversary can have, "
        "where the law of the outputs is known. Violet bar beside undefended models: from the least to the greatest accuracy of "
        "`best` where the group column was permuted (placebo), so that there is nothing to read. `best` is for each half of the pool splits the attack that did best on the other half. "
        "At most six adversaries are drawn, unaware shadows for `best` alone; the figure's numbers hold all, with a column that says which are drawn. "
        "Adversaries see answers alone (labels or scores), asked once; those that see more, know of the defence "
        "by name only (aware) or use other shadows are in the figure `attacks`. " + style.RINGED
    )
    tables = ("leakage",)
    also = ("placebo",)

    def draw(self, tables, *, tau):
        import pandas as pd

        every = _with_placebos(select.plain(tables["leakage"].reset_index(drop=True)), tables.get("placebo"))
        every = every[every["accuracy"].notna()]
        judged = _shown(every)
        frame = select.alive(judged)
        if frame.empty:
            return style.missing(
                "the table `leakage` has no rows of plain games, of victims that did not diverge"
            ), select.frame_of([], COLUMNS)
        names = list(style.defences(judged["defence"]))
        height, rest = max(0.7, 0.36 * len(names)) + 0.45, 1.5
        count = len(select.cells(frame)[0])
        shown, left_out = select.cells(frame, select.columns(count) * style.fits(height, rest=rest))
        looks = _looks(frame)
        drawn = frame[_drawn(frame, looks) & select.mark(frame, shown)]
        wide = select.columns(len(shown))
        rows = select.cut(shown, wide)
        figure = style.blank(style.width(wide), len(rows) * height + rest)
        axes = figure.subplots(len(rows), wide, squeeze=False, sharex=True)
        for panel in axes.flat[len(shown) :]:
            panel.set_axis_off()
        for i, (cell, panel) in enumerate(zip(shown, axes.flat, strict=False)):
            _panel(panel, cell.of(drawn), names, looks)
            _diverged(panel, cell.of(judged), cell.of(frame), names)
            if len(cell.of(drawn)):
                style.data_line(panel, select.data_line(every, cell.facet, cell.pair))
            style.label_rows(panel, names, shown=i % wide == 0)
            panel.set_title(cell.title)
            if i + wide >= len(shown):
                panel.set_xlabel("share named correctly")
                panel.tick_params(labelbottom=True)
        low = min(0.4, float(drawn[["accuracy", "accuracy_low", PLACEBO[0]]].min().min()))
        axes[0, 0].set_xlim(max(-0.02, low - 0.03), 1.02)
        axes[0, 0].set_xticks([0.5, 0.75, 1], ["0.5", "0.75", "1"])
        style.message(figure, _said(frame[_drawn(frame, looks)]), left_out=left_out)
        style.legend(figure, _keys(drawn, looks, data=len(select.data(every)) > 0))
        order = {name: i for i, name in enumerate(style.adversaries(frame["adversary"]))}
        frame = frame.assign(drawn=frame.index.isin(drawn.index))
        given = select.data(every)
        frame = pd.concat([frame, given.assign(drawn=select.mark(given, shown))])
        plotted = frame[list(COLUMNS)].sort_values(["adversary"], key=lambda column: column.map(order), kind="stable")
        return figure, plotted.sort_values(list(COLUMNS[:6]), kind="stable").reset_index(drop=True)


def _looks(frame):
    """Return the looks of the adversaries that have room in a panel; `best` last."""
    names = style.few(style.adversaries(frame["adversary"]), FIRST, MOST)
    return style.adversaries(names)


def _drawn(frame, looks):
    """Return which rows to draw: chosen adversaries, and with undefended shadows `best` alone."""
    return frame["adversary"].isin(list(looks)) & ((frame["knowledge"] != "unaware") | (frame["adversary"] == "best"))


def _said(drawn):
    """Return the figure's message: how often the best informed adversary is right, and where its answers tell nothing."""
    best = select.informed(select.differ(drawn[drawn["adversary"] == "best"]))
    known = best[best["accuracy_low"].notna()]
    if known.empty:
        return "Share of victims whose training world is named, by defence and adversary"
    above = int((known["accuracy_low"] > 0.5).sum())
    return (
        f"The best informed adversary names the training world more often than chance in {above} of {len(known)} "
        "cases of a defence and two worlds that differ"
    )


def _with_placebos(frame, placebos):
    """Return the rows with the least and greatest accuracy of the same adversary's placebos, where undefended victims have some."""
    if placebos is None:
        return frame.assign(**dict.fromkeys(PLACEBO, float("nan")))
    keys = [*select.FACET, *select.PAIR, "adversary", "access", "knowledge"]
    every = placebos[placebos["permutation"].isna()].rename(
        columns=dict(zip(("lowest", "highest"), PLACEBO, strict=True))
    )
    return frame.merge(every[[*keys, *PLACEBO]].assign(defence="none"), on=[*keys, "defence"], how="left")


def _panel(panel, cell, names, looks):
    style.bands(panel, len(names))
    style.chance(panel)
    if cell.empty:
        style.empty_panel(panel)
    for _, one in cell[(cell["adversary"] == "best") & cell[PLACEBO[0]].notna()].iterrows():
        style.placebo(panel, names.index(one["defence"]), *one[PLACEBO])
    slot = 0.86 / len(looks)
    for i, (adversary, look) in enumerate(looks.items()):
        mine = cell[cell["adversary"] == adversary]
        both = mine["knowledge"].nunique() > 1
        for knowledge, part in mine.groupby("knowledge", sort=True):
            hollow = knowledge == "unaware"
            shift = (0.22 if hollow else -0.22) * slot * both
            y = [names.index(name) - 0.43 + slot * (i + 0.5) + shift for name in part["defence"]]
            panel.errorbar(
                part["accuracy"], y, xerr=style.spread(part, "accuracy"), color=look.color, marker=look.marker,
                linestyle="none",
                elinewidth=0.8,
                markersize=3.2 * look.size, markeredgewidth=0.7, zorder=3,
                markerfacecolor="white" if hollow else look.color,
            )  # fmt: skip
            style.rings(panel, part["accuracy"], y, part)
    for name, part in cell[cell["known_ceiling"].notna()].groupby("defence"):
        row = names.index(name)
        panel.vlines(part["known_ceiling"].max(), row - 0.46, row + 0.46, color=style.BLACK, linewidth=1.8, zorder=2)


def _diverged(panel, every, cell, names):
    """Say beside a defence without points that all its victims diverged."""
    for name in set(every["defence"]) - set(cell["defence"]):
        panel.annotate("all diverged", (1, names.index(name)), xycoords=("axes fraction", "data"), xytext=(-3, 0),
                       textcoords="offset points", ha="right", va="center", fontsize=style.SMALL, color=style.REFERENCE)  # fmt: skip


def _shown(frame):
    """Return the rows to draw: adversaries that see answers alone; where there is none, all attacks."""
    frame = frame[frame["knowledge"] != "aware"]
    answers = select.black_box(frame)
    return answers if len(answers) else select.attacks(frame)


def _keys(frame, looks, *, data):
    access = dict(zip(frame["adversary"], frame["access"], strict=True))
    handles = [style.key(look, style.said(name, access[name])) for name, look in looks.items()]
    grey = style.Look(style.REFERENCE, "o")
    if (frame["knowledge"] == "unaware").any():
        handles += [style.key(grey, "informed"), style.key(grey, "unaware", filled=False)]
    handles += style.ring_keys(frame)
    shown = frame.loc[frame["adversary"] == "best", PLACEBO[0]].notna().any()
    return handles + style.line_keys(data=data, ceiling=frame["known_ceiling"].notna().any(), placebo=shown)


PLUGIN = Leakage()
