"""How attacks grow with the distance between the worlds' ratios, and how many direct samples that is worth."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

MIDDLE = 0.5
PUBLISHED = {
    0.0: 0.99998, 0.1: 0.99, 0.2: 0.90, 0.3: 0.72, 0.4: 0.56, 0.6: 0.56, 0.7: 0.68, 0.8: 0.86, 0.9: 0.975, 1.0: 0.99998,
}  # fmt: skip
"""Published in the line of Suri & Evans (2022) and Suri et al. (2023): median accuracy of the KL attack at telling a
ratio from 0.5; Census (ACS 2019), sex, 50,000 training rows. 100 % is entered as 99.998 %: at 1 the attack would be
worth infinitely many samples."""
CHOSEN = ("threshold", "kl", "meta", "best")
COLUMNS = (
    "task", "model", "ratio", "defence", "adversary", "knowledge", "victims", "accuracy", "accuracy_low",
    "accuracy_high", "n_leaked", "n_leaked_low", "n_leaked_high", "known_ceiling", "against_chance",
)  # fmt: skip
MOST_DEFENCES = 3
MOST_LEAKED = 100.0


class Ratios(Figure):
    name = "ratios"
    summary = "accuracy and n_leaked against the ratio that is told from 0.5, beside the published curve"
    caption = (
        "Upper panels: share of undefended victims whose training world is named, by the ratio r that is told "
        "from 0.5 (either world may be the one at 0.5), for the best informed adversary and chosen attacks; under "
        "a defence (where at most three are run) the best informed adversary alone, hollow. At r = 0.5 the two "
        "worlds are one (null). Dashed: chance; brown with a band: what the training rows themselves give away; "
        "solid black without markers: the known ceiling, each where it was run or is known. Lower panels: "
        "n_leaked, the direct samples of training data that tell the worlds apart as well (axis linear up to 1, "
        "then logarithmic). Triangles on the upper edge: infinite, because no victim was missed, or beyond the "
        "axis; they are left out of the means. Bars: 95 % intervals, clustered by pool split; none is drawn on "
        "n_leaked where its table has none. Open grey circles: published medians for Census (ACS 2019), sex, KL "
        "with 50,000 training rows (Suri & Evans 2022, Suri et al. 2023), another data set and size: to compare "
        "the shape, not the height; 100 % is entered as 99.998 %. " + style.RINGED
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        frame = _rows(tables["leakage"])
        attacks = select.attacks(frame)
        shown = _shown(attacks)
        if shown.empty:
            text = "no pairs of worlds with one at 0.5 in the table `leakage`"
            return style.missing(text), select.frame_of([], COLUMNS)
        facets = select.facets(shown)
        wide = select.columns(len(facets), 3)
        deep = -(-len(facets) // wide)
        width = {1: 5.6, 2: 4.6}.get(wide, 3.5)
        figure = style.blank(0.6 + wide * width, deep * 5.3 + 1.0)
        heights = [3, 2.3] * deep
        axes = figure.subplots(2 * deep, wide, squeeze=False, gridspec_kw={"height_ratios": heights})
        low = min(0.45, float(shown[["accuracy", "accuracy_low"]].min().min()) - 0.02)
        for i in range(deep * wide):
            upper, lower = axes[2 * (i // wide), i % wide], axes[2 * (i // wide) + 1, i % wide]
            if i >= len(facets):
                upper.set_axis_off()
                lower.set_axis_off()
                continue
            facet = facets[i]
            mine = select.of(shown, task=facet.task, model=facet.model)
            given = select.of(select.data(frame), task=facet.task, model=facet.model, defence="none")
            _accuracy(upper, mine, given)
            _leaked(lower, mine)
            upper.set_title(facet.title)
            upper.set_ylim(max(-0.02, low), 1.03)
            for panel in (upper, lower):
                panel.set(xlim=(-0.04, 1.04))
                panel.set_xticks([0, 0.2, 0.4, 0.5, 0.6, 0.8, 1], ["0", "0.2", "0.4", "", "0.6", "0.8", "1"])
            lower.set_xlabel("ratio r, told from 0.5")
            if i % wide == 0:
                upper.set_ylabel("share named correctly")
                lower.set_ylabel("$n_{leaked}$")
        data = len(select.of(select.data(frame), defence="none")) > 0
        style.legend(figure, _keys(shown, data), entry=1.9)
        import pandas as pd

        plotted = pd.concat([shown, select.of(select.data(frame), defence="none")])[list(COLUMNS)]
        order = ["task", "model", "defence", "adversary", "ratio"]
        return figure, plotted.sort_values(order, kind="stable").reset_index(drop=True)


def _rows(leakage):
    """Return the informed rows against 0.5 with the other ratio in `ratio`."""
    import numpy as np

    frame = select.plain(leakage).reset_index(drop=True)
    null = (frame["protocol"] == "null") & (frame["ratio_0"] == MIDDLE) & (frame["ratio_1"] == MIDDLE)
    middle_0, middle_1 = (np.isclose(frame[name].astype(float), MIDDLE) for name in ("ratio_0", "ratio_1"))
    frame = frame[((frame["protocol"] == "ratio") & (middle_0 | middle_1)) | null]
    frame = select.alive(frame[frame["accuracy"].notna()]).reset_index(drop=True)
    frame["ratio"] = np.where(
        np.isclose(frame["ratio_0"].astype(float), MIDDLE), frame["ratio_1"], frame["ratio_0"]
    ).astype(float)
    for name in ("n_leaked_low", "n_leaked_high"):
        if name not in frame:
            frame[name] = np.nan
    frame = select.informed(frame).sort_values("ratio", kind="stable")
    # one pair may be given in either order; its rows belong to one point, the first given
    return frame.drop_duplicates(["task", "model", "ratio", "defence", "adversary"])


def _shown(attacks):
    """Return the rows to draw: chosen attacks on undefended victims, and `best` under few defences.

    A task with null worlds alone has no curve."""
    worlds = attacks[attacks["protocol"] == "ratio"]
    keys = set(worlds[select.FACET].itertuples(index=False, name=None))
    attacks = select.among(attacks, select.FACET, keys)
    undefended = attacks["defence"] == "none"
    chosen = attacks["adversary"].isin(CHOSEN)
    if not (chosen & undefended).any():
        chosen = chosen | undefended
    others = set(attacks["defence"]) - {"none"}
    few = ~undefended & (attacks["adversary"] == "best") & (len(others) <= MOST_DEFENCES)
    return attacks[(undefended & chosen) | few]


def _lines(mine):
    """Return (look, hollow, rows) of each line of a panel; `x` is the ratio, a little aside to show all bars."""
    undefended = select.of(mine, defence="none")
    found = [
        (look, False, select.of(undefended, adversary=name))
        for name, look in style.adversaries(undefended["adversary"]).items()
    ]
    found += [
        (look, True, select.of(mine, defence=name))
        for name, look in style.defences(set(mine["defence"]) - {"none"}).items()
    ]
    aside = [0.007 * (i - (len(found) - 1) / 2) for i in range(len(found))]
    return [
        (look, hollow, rows.assign(x=rows["ratio"] + by)) for (look, hollow, rows), by in zip(found, aside, strict=True)
    ]


def _published(panel, values):
    panel.plot(
        list(values), list(values.values()), color=style.GREY, linestyle=":", linewidth=1, marker="o", markersize=5.5,
        markerfacecolor="none", markeredgewidth=1, zorder=2,
    )  # fmt: skip


def _accuracy(panel, mine, given):
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
    for look, hollow, rows in _lines(mine):
        panel.errorbar(
            rows["x"], rows["accuracy"], yerr=style.spread(rows, "accuracy"), color=look.color, marker=look.marker,
            linestyle=look.line, linewidth=1, elinewidth=0.8, markersize=4.5 * look.size, markeredgewidth=0.9,
            markerfacecolor="white" if hollow else look.color, zorder=3,
        )  # fmt: skip
        style.rings(panel, rows["x"], rows["accuracy"], rows)


def _leaked(panel, mine):
    """Draw n_leaked; what is infinite or beyond the axis is a triangle on its upper edge."""
    import numpy as np

    from ..measures.leakage import n_leaked

    published = {ratio: float(n_leaked(w, *sorted((ratio, MIDDLE)))) for ratio, w in PUBLISHED.items()}
    finite = mine["n_leaked"].to_numpy(dtype=float)
    finite = finite[np.isfinite(finite)]
    top = 1.3 * min(MOST_LEAKED, max(*published.values(), float(finite.max()) if len(finite) else 0.0))
    _published(panel, published)
    said = []
    for look, hollow, rows in _lines(mine):
        rows = rows[rows["n_leaked"].notna()]
        over = rows["n_leaked"] > top
        inside = rows[~over]
        high = inside["n_leaked_high"].clip(upper=2 * top)
        error = style.spread(inside.assign(n_leaked_high=high), "n_leaked")
        panel.errorbar(
            inside["x"], inside["n_leaked"], yerr=error, color=look.color, marker=look.marker, linestyle=look.line,
            linewidth=1, elinewidth=0.8, markersize=4.5 * look.size, markeredgewidth=0.9,
            markerfacecolor="white" if hollow else look.color, zorder=3,
        )  # fmt: skip
        if over.any():  # an empty line outside the clip would upset the layout
            panel.plot(rows.loc[over, "x"], np.full(int(over.sum()), top), color=look.color, marker="^",
                       linestyle="none", markersize=7, markerfacecolor="white" if hollow else look.color,
                       clip_on=False, zorder=4)  # fmt: skip
        if len(rows):
            name = rows["defence"].iloc[0] if hollow else rows["adversary"].iloc[0]
            kept = rows.loc[np.isfinite(rows["n_leaked"].astype(float)), "n_leaked"]
            gone = len(rows) - len(kept)
            mean = f"{kept.mean():.2f}" if len(kept) else "\u2013"
            said.append(f"{style.short(name)} {mean}" + (f" ({gone} infinite)" if gone else ""))
    said.append(f"published {np.mean(list(published.values())):.2f}")
    panel.set_yscale("symlog", linthresh=1, linscale=0.7)
    ticks = [tick for tick in (0, 0.5, 1, 2, 5, 10, 20, 50, 100) if tick < top]
    panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    panel.set_ylim(0, top)
    panel.set_title("mean: " + _wrapped(said), fontsize=7.5, fontweight="normal", loc="left", pad=9)


def _wrapped(items, most=56):
    lines = [[]]
    for item in items:
        if lines[-1] and len("; ".join([*lines[-1], item])) > most:
            lines.append([])
        lines[-1].append(item)
    return ";\n".join("; ".join(line) for line in lines)


def _keys(shown, data):
    from matplotlib.lines import Line2D

    handles = []
    for look, hollow, rows in _lines(shown):
        name = f"{rows['defence'].iloc[0]}: best" if hollow else style.said(rows["adversary"].iloc[0])
        handles.append(style.key(look, name, filled=not hollow, line=True))
    handles.append(Line2D([], [], color=style.GREY, linestyle=":", marker="o", markerfacecolor="none", markersize=5.5,
                          label="published (Census)"))  # fmt: skip
    handles += style.ring_keys(shown)
    handles += style.line_keys(data=data, ceiling=shown["known_ceiling"].notna().any())
    handles.append(Line2D([], [], color=style.REFERENCE, marker="^", linestyle="none", label="infinite or beyond"))
    return handles


PLUGIN = Ratios()
