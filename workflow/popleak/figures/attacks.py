"""Every attack by what it sees of a victim and what it knows of the defence; other shadows, repeated queries."""

from __future__ import annotations

import itertools

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "group", "adversary", "access", "shadow_model", "repeats",
    "defence", "knowledge", "victims", "accuracy", "accuracy_low", "accuracy_high", "known_ceiling", "against_chance", "diverged", "drawn",
)  # fmt: skip
GROUPS = ("labels", "scores", "weights", "weights-start", "pair", "other shadows", "asked again", "best of these")
"""Blocks of rows, from the top."""
ASIDE = ("threshold", "kl", "meta", "best")
"""Attacks that are drawn with other shadows and asked again."""
KNOWLEDGE = ("unaware", "aware", "informed", "any")
FIRST = ("none", "rehearsal", "fft-rehearsal", "finetune", "fft")
"""Defences that are drawn before others."""


class Attacks(Figure):
    name = "attacks"
    summary = "every attack by access and defence; the best by knowledge; other shadows and repeated queries"
    caption = (
        "Share of victims whose training world is named: a panel a task and pair of worlds, a row an attack, the marker tells the "
        "defence (at most seven). Blocks of rows, from the top, by what an attack sees of a victim: labels; scores; weights (white box); "
        "pair (scores of the base model too); then shadows of another architecture than the victim's, and each query asked several times "
        "(defences that answer at random), for some attacks alone. In these blocks the defence is known in full (informed), or no shadows are used. Last block: the "
        "best of those that see answers alone, by what is known of the defence: nothing (unaware: undefended shadows), its kind "
        "but not its settings (aware), both (informed). An "
        "attack marked (transductive) scales its scores over all victims and breaks the game's rule; it is shown "
        "to compare with published numbers. Bars: 95 % intervals, clustered by pool split. Dashed: chance; brown "
        "with a band: what the training rows themselves give away (rows of undefended victims); solid: the known "
        "ceiling, where there is one. The figure's numbers hold all attacks with every knowledge; a column says what is drawn. "
        + style.RINGED
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        import pandas as pd

        every = _labelled(select.differ(tables["leakage"].reset_index(drop=True)))
        judged = select.attacks(every)
        frame = select.alive(judged)
        if frame.empty:
            text = "no attacks in pure or ratio worlds in the table `leakage`, on victims that did not diverge"
            return style.missing(text), select.frame_of([], COLUMNS)
        names = list(style.defences(judged["defence"]))
        looks = style.defences(style.few(names, FIRST))
        drawn = frame[_drawn(frame, looks)]
        cells = select.cells(drawn)[0]
        across = select.columns(len(cells))
        # a row of panels names its lines once, on the left: those of all its panels
        height, rest = STEP * len(_order(drawn)) + 0.45, 1.3
        shown, left_out = select.cells(drawn, across * style.fits(height, rest=rest))
        # panels with as many lines side by side: no row of panels is half empty
        shown.sort(key=lambda cell: -len(_order(cell.of(drawn))))
        wide = select.columns(len(shown))
        rows = select.cut(shown, wide)
        lines = [_order(pd.concat([cell.of(drawn) for cell in row])) for row in rows]
        heights = [STEP * len(one) + 0.05 for one in lines]
        figure = style.blank(style.width(wide), sum(heights) + 0.45 * len(rows) + rest)
        axes = figure.subplots(len(rows), wide, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights})
        for panel in axes.flat[len(shown) :]:
            panel.set_axis_off()
        for i, (cell, panel) in enumerate(zip(shown, axes.flat, strict=False)):
            given = select.data_line(select.plain(every), cell.facet, cell.pair)
            _panel(panel, cell.of(drawn), looks, lines[i // wide], given, named=i % wide == 0)
            panel.set_title(cell.title)
            if i + wide >= len(shown):
                panel.set_xlabel("share named correctly")
                panel.tick_params(labelbottom=True)
        low = min(0.4, float(drawn[["accuracy", "accuracy_low"]].min().min()))
        axes[0, 0].set_xlim(max(-0.02, low - 0.03), 1.03)
        axes[0, 0].set_xticks([0.5, 0.75, 1], ["0.5", "0.75", "1"])
        style.message(figure, _said(drawn), left_out=left_out)
        style.legend(figure, _keys(drawn, looks, len(select.data(every)) > 0))
        order = {name: i for i, name in enumerate(names)}
        given = select.data(every)
        frame = frame.assign(drawn=frame.index.isin(drawn.index) & select.mark(frame, shown))
        plotted = pd.concat([frame, given.assign(drawn=select.mark(given, shown))])[list(COLUMNS)]
        plotted = plotted.sort_values("defence", key=lambda column: column.map(order), kind="stable")
        return figure, plotted.sort_values(["task", "model"], kind="stable").reset_index(drop=True)


STEP = 0.14
"""Height of a row in inches."""


def _drawn(frame, looks):
    """Return which rows to draw: informed attacks, and `best` with every knowledge, under the defences that have a look."""
    kept = frame["knowledge"].isin(["informed", "any"]) | (frame["group"] == "best of these")
    # undefended shadows are informed ones for undefended victims
    kept |= frame.index.isin(select.informed(frame).index)
    side = frame["group"].isin(["other shadows", "asked again"])
    own = (frame["shadow_model"] == frame["model"]) | (frame["repeats"] == 1)
    return kept & frame["defence"].isin(list(looks)) & (~side | (own & frame["adversary"].isin(ASIDE)))


def _said(drawn):
    """Return the message: how often an attack that sees more than answers does better, and worse, than the best that does not.

    Each such attack is compared by itself. The one that did best on these victims would seem to win more often than it does.
    """
    keys = [*select.FACET, *select.PAIR, "defence"]
    more = drawn[drawn["group"].isin(["weights", "weights-start", "pair"])]
    best = select.informed(drawn[drawn["group"] == "best of these"])
    both = more.merge(best[[*keys, "accuracy_low", "accuracy_high"]], on=keys, suffixes=("", "_best"))
    both = both[both[["accuracy_low", "accuracy_low_best"]].notna().all(axis=1)]
    if both.empty:
        return "Share of victims whose training world is named, by attack and defence"
    above = int((both["accuracy_low"] > both["accuracy_high_best"]).sum())
    below = int((both["accuracy_high"] < both["accuracy_low_best"]).sum())
    return (
        f"Attacks that see weights or the base model beat the best on answers alone, their intervals apart, in {above} of {len(both)} cases "
        f"of such an attack, a defence and two worlds, and fall behind it in {below}"
    )


def _labelled(leakage):
    """Return unpoisoned rows of two-world games with the group and the label of their line."""
    frame = select.plain(leakage.assign(shadow_model=leakage["model"], repeats=1))[["model"]]
    frame = leakage.loc[frame.index]
    frame = frame[frame["accuracy"].notna()]
    repeats = frame["repeats"].fillna(1).astype(int)
    shadows = frame["shadow_model"].where(frame["shadow_model"].notna(), frame["model"])
    best = frame["access"].eq("any")
    return frame.assign(
        repeats=repeats, shadow_model=shadows,
        group=[
            "asked again" if asked > 1 else "other shadows" if shadow != model
            else "best of these" if access == "any" else access
            for asked, shadow, model, access in zip(repeats, shadows, frame["model"], frame["access"], strict=True)
        ],
        line=[
            (knowledge if group and knowledge != "any" else style.said(name))
            + (f", {shadow} shadows" if shadow != model else "")
            + (f", {asked} times" if asked > 1 else "")
            for name, shadow, model, asked, group, knowledge in zip(
                frame["adversary"], shadows, frame["model"], repeats, best & (repeats == 1) & (shadows == frame["model"]), frame["knowledge"],
                strict=True,
            )
        ],
    )  # fmt: skip


def _order(mine):
    """Return the lines (group, label) of a row of panels, group by group, attacks in the order of all figures."""
    rank = {name: i for i, name in enumerate(style.adversaries(mine["adversary"]))}
    found = mine.drop_duplicates(["group", "line"])
    keys = [
        (_place(GROUPS, group), rank[name], _place(KNOWLEDGE, knowledge) if name == "best" else 0, line, group)
        for group, name, knowledge, line in zip(
            found["group"], found["adversary"], found["knowledge"], found["line"], strict=True
        )
    ]
    return [(group, line) for *_, line, group in sorted(keys)]


def _place(names, name):
    return names.index(name) if name in names else len(names)


def _panel(panel, mine, looks, lines, given, *, named):
    """Draw one panel; given: what the training rows tell; named: it names its rows."""
    style.chance(panel)
    style.data_line(panel, given)
    _blocks(panel, [group for group, _ in lines])
    style.label_rows(panel, [style.short(label, 27) for label in _row_names(lines)], shown=named)
    known = mine["known_ceiling"].dropna()
    if len(known):
        panel.axvline(known.max(), color=style.BLACK, linewidth=1.8, zorder=1.6)
    if mine.empty:
        style.empty_panel(panel)
    place = {line: i for i, line in enumerate(lines)}
    for i, (name, look) in enumerate(looks.items()):
        rows = mine[mine["defence"] == name]
        y = [place[key] + 0.7 * ((i + 0.5) / len(looks) - 0.5) for key in zip(rows["group"], rows["line"], strict=True)]
        style.rings(panel, rows["accuracy"], y, rows)
        panel.errorbar(
            rows["accuracy"], y, xerr=style.spread(rows, "accuracy"), color=look.color, linestyle="none", marker=look.marker,
            markersize=3.2 * look.size, elinewidth=0.7, zorder=3,
        )  # fmt: skip


def _blocks(panel, groups):
    """Draw a line between blocks of rows, and shade every other row. groups: of each row."""
    for i, (above, below) in enumerate(itertools.pairwise(groups)):
        if above != below:
            panel.axhline(i + 0.5, color=style.REFERENCE, linewidth=0.6, zorder=1)
    for i in range(0, len(groups), 2):
        panel.axhspan(i - 0.5, i + 0.5, color=style.BAND, alpha=0.6, linewidth=0, zorder=0)
    panel.set_ylim(len(groups) - 0.5, -0.5)


def _row_names(lines):
    """Return the names of the rows; the last block, of `best`, has what is known of the defence."""
    groups = [group for group, _ in lines]
    first = groups.index("best of these") if "best of these" in groups else len(lines)
    return [f"best, {line}" if i >= first and line in KNOWLEDGE else line for i, (_, line) in enumerate(lines)]


def _keys(frame, looks, data):
    handles = [style.key(look, name) for name, look in looks.items() if (frame["defence"] == name).any()]
    return [
        *handles,
        *style.ring_keys(frame),
        *style.line_keys(data=data, ceiling=frame["known_ceiling"].notna().any()),
    ]


PLUGIN = Attacks()
