"""How attacks grow with the distance between the worlds' ratios, and how many direct samples that is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..core.protocols import RATIO
from ..measures.published import PUBLISHED, leaked, means
from . import _select as select
from . import _style as style
from .base import Figure

if TYPE_CHECKING:
    import pandas as pd

CHOSEN = ("threshold", "kl", "meta", "best")
COLUMNS = (
    "task", "model", "ratio", "defence", "adversary", "knowledge", "victims", "accuracy", "accuracy_low",
    "accuracy_high", "n_leaked", "n_leaked_low", "n_leaked_high", "known_ceiling", "against_chance", "dataset", "attribute",
    "rows", "attribute_in_features", "twin_task",
)  # fmt: skip
LIKE = "kl"
"""The attack of the published curve."""
SEEN = style.Look(style.PURPLE, "^", (0, (6, 1.5, 1, 1.5)))
"""How its line is drawn where the models see the attribute, as the published ones do."""
MOST_DEFENCES = 3
MOST_LEAKED = 100.0


class Ratios(Figure):
    name = "ratios"
    summary = "accuracy and n_leaked against the ratio that is told from 0.5, beside the published curve"
    caption = (
        "Upper panels: share of undefended victims whose training world is named, by the ratio r that is told "
        "from 0.5 (either world may be the one at 0.5), for the best informed adversary and chosen attacks; under "
        "a defence (where at most three are run) the best informed adversary alone, hollow. At r = 0.5 the two "
        "worlds are one (equal). Dashed: chance; brown with a band: what the training rows themselves give away; "
        "solid black without markers: the known ceiling, each where it was run or is known. Lower panels: "
        "n_leaked, the direct samples of training data that tell the worlds apart as well (axis linear up to 1, "
        "then logarithmic). Triangles on the upper edge: infinite, because no victim was missed, or beyond the "
        "axis; they are left out of the means. Bars: 95 % intervals, clustered by pool split; none is drawn on "
        "n_leaked where its table has none. Above the lower panels: means of n_leaked over the inner ratios, and over all. "
        "Open grey circles: published medians for Census (ACS 2019), sex, KL with 50,000 training rows (Suri & Evans 2022, "
        "Suri et al. 2023); 100 % is entered as 99.998 %. Their models have the attribute among the features, so like is to be "
        "compared with purple triangles: kl on the same draws, the attribute one more feature, where that was run. Data set, "
        "rows and the label rate of draws still differ. " + style.RINGED
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        frame = select.against_half(tables["leakage"])
        frame = frame.reindex(columns=[*dict.fromkeys([*frame, *COLUMNS])])  # a table may lack columns that came later
        attacks = select.attacks(frame)
        shown = _shown(attacks)
        if shown.empty:
            text = "no pairs of worlds with one at 0.5 in the table `leakage`"
            return style.missing(text), select.frame_of([], COLUMNS)
        own, beside = _apart(shown)
        every = select.facets(own)
        height, rest = 3.7, 1.6
        facets = every[: select.columns(len(every), 3) * style.fits(height, rest=rest)]
        wide = select.columns(len(facets), 3)
        deep = len(select.cut(facets, wide))
        figure = style.blank(style.width(wide), deep * height + rest)
        axes = figure.subplots(2 * deep, wide, squeeze=False, gridspec_kw={"height_ratios": [3, 2.4] * deep})
        low = min(0.45, float(shown[["accuracy", "accuracy_low"]].min().min()) - 0.02)
        for i in range(deep * wide):
            upper, lower = axes[2 * (i // wide), i % wide], axes[2 * (i // wide) + 1, i % wide]
            if i >= len(facets):
                upper.set_axis_off()
                lower.set_axis_off()
                continue
            facet = facets[i]
            mine = select.of(own, task=facet.task, model=facet.model)
            lines = _lines(mine, select.of(beside, twin_task=facet.task, model=facet.model))
            given = select.of(select.data(frame), task=facet.task, model=facet.model, defence="none")
            _accuracy(upper, mine, given, lines)
            _leaked(lower, lines)
            upper.set_title(f"{facet.title}{_what(mine)}")
            upper.set_ylim(max(-0.02, low), 1.03)
            for panel in (upper, lower):
                panel.set(xlim=(-0.04, 1.04))
                panel.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
            lower.set_xlabel("ratio r, told from 0.5")
            if i % wide == 0:
                upper.set_ylabel("share named correctly")
                lower.set_ylabel("$n_{leaked}$: rows sampled\ndirectly that tell as much")
        data = len(select.of(select.data(frame), defence="none")) > 0
        style.message(figure, _said(own), left_out=len(every) - len(facets))
        style.legend(figure, _keys(own, beside, data))
        import pandas as pd

        plotted = pd.concat([shown, select.of(select.data(frame), defence="none")])[list(COLUMNS)]
        order = ["task", "model", "defence", "adversary", "ratio"]
        return figure, plotted.sort_values(order, kind="stable").reset_index(drop=True)


def _said(own):
    """Return the message: how many direct samples the best attack is worth, over the inner ratios, beside the published curve."""
    found = []
    undefended = select.of(own, defence="none")
    name = "best" if (undefended["adversary"] == "best").any() else None
    for _, part in undefended[undefended["adversary"] == name].groupby(select.FACET):
        inner = means(dict(zip(part["ratio"], part["n_leaked"], strict=True))).inner
        found += [inner] if inner == inner else []
    published = means(leaked()).inner
    if not found:
        return f"How attacks grow with the ratio, beside the published curve (50,000 rows; mean n_leaked {published:.1f} over the inner ratios)"
    span = f"{min(found):.1f}" if len(found) == 1 else f"{min(found):.1f} to {max(found):.1f}"
    return (
        f"What undefended models give away is worth {span} direct samples over the inner ratios, by task; {published:.1f} in the curve "
        "published for models of 50,000 rows"
    )


def _shown(attacks):
    """Return the rows to draw: chosen attacks on undefended victims, and `best` under few defences.

    A task with equal worlds alone has no curve."""
    worlds = attacks[attacks["protocol"] == RATIO]
    keys = set(worlds[select.FACET].itertuples(index=False, name=None))
    attacks = select.among(attacks, select.FACET, keys)
    undefended = attacks["defence"] == "none"
    chosen = attacks["adversary"].isin(CHOSEN)
    if not (chosen & undefended).any():
        chosen = chosen | undefended
    others = set(attacks["defence"]) - {"none"}
    few = ~undefended & (attacks["adversary"] == "best") & (len(others) <= MOST_DEFENCES)
    return attacks[(undefended & chosen) | few]


def _apart(shown):
    """Return the rows of panels of their own, and those of `kl` where models see the attribute and the task without it is
    shown: they are drawn in its panel, and the task has none."""
    there = set(zip(shown["task"], shown["model"], strict=True))
    twins = shown[[twin in there for twin in zip(shown["twin_task"], shown["model"], strict=True)]]
    beside = select.of(twins, adversary=LIKE, defence="none")
    moved = set(beside[select.FACET].itertuples(index=False, name=None))
    return shown[[key not in moved for key in zip(shown["task"], shown["model"], strict=True)]], beside


def _what(mine):
    """Return what a panel's title says of its models: their rows, and whether they see the attribute."""
    rows, seen = mine["rows"].dropna(), mine["attribute_in_features"].eq(True)
    said = [f"{int(rows.iloc[0]):,} rows"] if len(rows) else []
    said += [f"{mine['attribute'].iloc[0]} a feature"] if seen.any() else []
    return "\n" + ", ".join(said) if said else ""


class Line(NamedTuple):
    """One line of a panel; column `x` of its rows is the ratio, a little aside to show all bars."""

    look: style.Look
    hollow: bool
    name: str
    label: str
    rows: pd.DataFrame


def _lines(mine, beside):
    """Return the lines of a panel: attacks on undefended victims, `kl` where the attribute is seen, `best` under defences."""
    undefended = select.of(mine, defence="none")
    found = [
        Line(look, False, name, style.said(name), select.of(undefended, adversary=name))
        for name, look in style.adversaries(undefended["adversary"]).items()
    ]
    if len(beside):
        found.append(Line(SEEN, False, f"{LIKE}, seen", f"{LIKE}, attribute a feature", beside))
    found += [
        Line(look, True, name, f"{name}: best", select.of(mine, defence=name))
        for name, look in style.defences(set(mine["defence"]) - {"none"}).items()
    ]
    aside = [0.007 * (i - (len(found) - 1) / 2) for i in range(len(found))]
    return [
        line._replace(rows=line.rows.assign(x=line.rows["ratio"] + by)) for line, by in zip(found, aside, strict=True)
    ]


def _published(panel, values):
    panel.plot(
        list(values), list(values.values()), color=style.GREY, linestyle=":", linewidth=1, marker="o", markersize=4.5,
        markerfacecolor="none", markeredgewidth=1, zorder=2,
    )  # fmt: skip


def _accuracy(panel, mine, given, lines):
    style.chance(panel, across=False)
    _published(panel, PUBLISHED)
    given = given[given["accuracy"].notna()]
    if len(given):
        panel.fill_between(given["ratio"], given["accuracy_low"], given["accuracy_high"], color=style.DATA_BAND,
                           alpha=0.75, linewidth=0, zorder=0.5)  # fmt: skip
        panel.plot(
            given["ratio"], given["accuracy"], color=style.DATA, linewidth=1.3, linestyle=style.DATA_LINE, zorder=1.5
        )
    known = select.of(mine, defence="none").groupby("ratio")["known_ceiling"].max().dropna()
    if len(known):
        panel.plot(known.index, known, color=style.BLACK, linewidth=1.8, zorder=1.6)
    for look, hollow, _, _, rows in lines:
        panel.errorbar(
            rows["x"], rows["accuracy"], yerr=style.spread(rows, "accuracy"), color=look.color, marker=look.marker,
            linestyle=look.line, linewidth=1, elinewidth=0.8, markersize=3.4 * look.size, markeredgewidth=0.9,
            markerfacecolor="white" if hollow else look.color, zorder=3,
        )  # fmt: skip
        style.rings(panel, rows["x"], rows["accuracy"], rows)


def _leaked(panel, lines):
    """Draw n_leaked; what is infinite or beyond the axis is a triangle on its upper edge."""
    import numpy as np

    published = leaked()
    finite = np.concatenate([line.rows["n_leaked"].to_numpy(dtype=float) for line in lines])
    finite = finite[np.isfinite(finite)]
    top = 1.3 * min(MOST_LEAKED, max(*published.values(), float(finite.max()) if len(finite) else 0.0))
    _published(panel, published)
    said = []
    for look, hollow, name, _, rows in lines:
        rows = rows[rows["n_leaked"].notna()]
        over = rows["n_leaked"] > top
        inside = rows[~over]
        high = inside["n_leaked_high"].clip(upper=2 * top)
        error = style.spread(inside.assign(n_leaked_high=high), "n_leaked")
        panel.errorbar(
            inside["x"], inside["n_leaked"], yerr=error, color=look.color, marker=look.marker, linestyle=look.line,
            linewidth=1, elinewidth=0.8, markersize=3.4 * look.size, markeredgewidth=0.9,
            markerfacecolor="white" if hollow else look.color, zorder=3,
        )  # fmt: skip
        if over.any():  # an empty line outside the clip would upset the layout
            panel.plot(rows.loc[over, "x"], np.full(int(over.sum()), top), color=look.color, marker="^",
                       linestyle="none", markersize=5, markerfacecolor="white" if hollow else look.color,
                       clip_on=False, zorder=4)  # fmt: skip
        if len(rows):
            said.append(_meant(name, dict(zip(rows["ratio"], rows["n_leaked"], strict=True))))
    said.append(_meant("published", published))
    panel.set_yscale("symlog", linthresh=1, linscale=0.7)
    ticks = [tick for tick in (0, 0.5, 1, 2, 5, 10, 20, 50, 100) if tick < top]
    panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    panel.set_ylim(0, top)
    said[0] = f"inner r, all r: {said[0]}"
    panel.set_title(_wrapped(said), fontsize=style.SMALL, fontweight="normal", loc="left", pad=7, linespacing=1.1)


def _meant(name, by_ratio):
    """Return the two means of n_leaked of a line in words."""
    found = means(by_ratio)
    both = ", ".join("\u2013" if value != value else f"{value:.2f}" for value in (found.inner, found.whole))
    return f"{style.short(name)} {both}" + (f" ({found.infinite} infinite)" if found.infinite else "")


def _wrapped(items, most=34):
    lines = [[]]
    for item in items:
        if lines[-1] and len("; ".join([*lines[-1], item])) > most:
            lines.append([])
        lines[-1].append(item)
    return ";\n".join("; ".join(line) for line in lines)


def _keys(own, beside, data):
    import pandas as pd
    from matplotlib.lines import Line2D

    handles = []
    for look, hollow, _, label, _ in _lines(own, beside):
        handles.append(style.key(look, label, filled=not hollow, line=True))
    handles.append(Line2D([], [], color=style.GREY, linestyle=":", marker="o", markerfacecolor="none", markersize=4.5,
                          label="published: Census, 50,000 rows"))  # fmt: skip
    handles += style.ring_keys(pd.concat([own, beside]))
    handles += style.line_keys(data=data, ceiling=own["known_ceiling"].notna().any())
    handles.append(Line2D([], [], color=style.REFERENCE, marker="^", linestyle="none", label="infinite or beyond"))
    return handles


PLUGIN = Ratios()
