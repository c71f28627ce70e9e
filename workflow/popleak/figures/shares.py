"""What attacks read off a generator's rows: the estimated against the true ratio of groups, by attack."""

from __future__ import annotations

from . import _generated as generated
from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "defence", "adversary", "access", "knowledge", "samples", "ratio", "generators", "splits", "estimate", "estimate_low",
    "estimate_high", "error", "amplification", "width", "clipped", "drawn",
)  # fmt: skip
ASIDE = 0.011
"""By how much attacks stand beside each other at a ratio."""


class Shares(Figure):
    name = "shares"
    summary = "estimated against true ratio of the sharer's groups, from rows of undefended generators, by attack"
    caption = (
        "The share of group 1 that an adversary estimates from rows that a generator released, against the share among the rows that the generator "
        "was trained on; no sharer's defence. Markers: means over generators, bars: 95 % intervals over pool splits, a little aside of the true ratio so that they can be "
        "told apart. On the diagonal the estimate is right. Shaded: how far from it a share of so many rows, with the group seen, may lie by "
        "the draw of the rows alone, with probability 95 % (Hoeffding). Hollow: some of these estimates were clipped to 0 to 1, or told "
        "nothing, and so look more exact than they are. Attacks named `-withheld`, property-classifier and label-rate do not see the group; "
        "shadow-generators train generators of their own. At most six attacks are drawn."
    )
    tables = ("shares",)

    def draw(self, tables, *, tau):
        frame = generated.judged(tables["shares"])
        frame = select.of(frame, defence="none")
        if frame.empty:
            return style.missing(
                "no estimate of an undefended generator's ratio in the table `shares`"
            ), select.frame_of([], COLUMNS)
        numbers = _numbers(frame)
        names = style.few(style.adversaries(numbers["adversary"]), generated.FIRST, 6)
        looks = style.adversaries(names)
        every = select.facets(numbers)
        height, rest = 2.75, 1.2
        shown = select.spread(every, select.columns(len(every), 3) * style.fits(height, rest=rest))
        wide = select.columns(len(shown), 3)
        deep = len(select.cut(shown, wide))
        figure = style.blank(style.width(wide), deep * height + rest)
        panels = figure.subplots(deep, wide, squeeze=False).ravel()
        for place, panel in enumerate(panels):
            if place >= len(shown):
                panel.set_axis_off()
                continue
            _panel(panel, select.of(numbers, task=shown[place].task, model=shown[place].model), looks)
            panel.set_title(shown[place].title)
            panel.tick_params(labelleft=place % wide == 0, labelbottom=place + wide >= len(shown))
            if place % wide == 0:
                panel.set_ylabel("estimated share of group 1")
            if place + wide >= len(shown):
                panel.set_xlabel("true share of group 1")
        places = {(one.task, one.model) for one in shown}
        numbers["drawn"] = [
            (task, model) in places and name in looks
            for task, model, name in zip(numbers["task"], numbers["model"], numbers["adversary"], strict=True)
        ]
        style.message(figure, _said(frame), left_out=len(every) - len(shown))
        style.legend(figure, _keys(looks, numbers))
        return figure, numbers[list(COLUMNS)]


def _numbers(frame):
    """Return a row an attack and true ratio: the mean estimate with its interval, the mean error, and how many were clipped."""
    rows = []
    keys = [*select.FACET, "defence", "adversary", "access", "knowledge", "ratio"]
    for key, part in frame.groupby(keys, sort=True):
        mean = select.mean_over_splits(part["estimate"], part["split"], span=(0.0, 1.0))
        rows.append(
            dict(zip(keys, key, strict=True)) | {
                "samples": int(part["samples"].max()), "generators": len(part), "splits": part["split"].nunique(), "estimate": mean.mean,
                "estimate_low": mean.low, "estimate_high": mean.high, "error": float((part["estimate"] - part["ratio"]).abs().mean()),
                "amplification": float(part["amplification"].median()), "width": float(part["width"].median()),
                "clipped": float(part["clipped"].astype(float).mean()), "drawn": False,
            }
        )  # fmt: skip
    return select.frame_of(rows, COLUMNS)


def _panel(panel, mine, looks):
    panel.plot([0, 1], [0, 1], color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
    seen = mine[(mine["access"] == generated.SEEN) & (mine["knowledge"] == "any")]
    seen = seen[seen["samples"] == seen["samples"].max()]
    if len(seen) and seen["width"].notna().any():
        width = float(seen["width"].max())
        panel.fill_between([0, 1], [-width, 1 - width], [width, 1 + width], color=style.BAND, linewidth=0, zorder=0.5)
    there = [name for name in looks if (mine["adversary"] == name).any()]
    for place, name in enumerate(there):
        look, part = looks[name], select.of(mine, adversary=name).sort_values("ratio")
        x = part["ratio"] + ASIDE * (place - (len(there) - 1) / 2)
        panel.plot(part["ratio"], part["estimate"], color=look.color, linestyle=look.line, linewidth=0.8, zorder=2)
        panel.errorbar(
            x,
            part["estimate"],
            yerr=style.spread(part, "estimate"),
            color=look.color,
            linestyle="none",
            elinewidth=0.8,
            zorder=3,
        )
        hollow = (part["clipped"] > 0).to_numpy()
        for which, face in ((~hollow, look.color), (hollow, "white")):
            panel.plot(
                x[which], part["estimate"][which], linestyle="none", marker=look.marker, color=look.color, markerfacecolor=face,
                markersize=3.6 * look.size, markeredgewidth=0.9, zorder=4,
            )  # fmt: skip
    panel.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def _said(frame):
    """Return the message: by how much plain attacks miss the ratio on average, by task, with the group in sight and withheld."""
    parts, several = [], frame["task"].nunique() > 1
    kept = generated.chosen(frame)
    plain = kept[~kept["adaptive"].astype(bool)]
    for withheld, where in ((False, "with the group in sight"), (True, "without it")):
        part = plain[plain["withheld"] == withheld]
        if part.empty:
            continue
        errors = (part["estimate"] - part["ratio"]).abs().groupby([part[name] for name in select.FACET]).mean()
        parts.append(f"{generated.span(errors, 3)} {where}")
    if not parts:
        return "What generators' rows give away of the share of group 1 in the sharer's rows"
    return f"From a generator's rows the sharer's ratio of groups is read with a mean error of {' and '.join(parts)}{', by task' if several else ''}"


def _keys(looks, numbers):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys = [style.key(look, name, line=True) for name, look in looks.items()]
    keys.append(Line2D([], [], color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, label="right"))
    if ((numbers["access"] == generated.SEEN) & numbers["width"].notna()).any():
        keys.append(Patch(color=style.BAND, label="95 % by the draw of rows alone"))
    if (numbers["clipped"] > 0).any():
        keys.append(
            Line2D(
                [],
                [],
                color=style.GREY,
                marker="o",
                markerfacecolor="white",
                linestyle="none",
                markersize=4.5,
                label="some clipped",
            )
        )
    return keys


PLUGIN = Shares()
