"""Whether a sharer's defence holds against an adversary that trains generators behind it, beside a plain attack."""

from __future__ import annotations

from . import _generated as generated
from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "defence", "adversary", "adaptive", "withheld", "generators", "splits", "error", "error_low", "error_high", "middle", "slope",
    "drawn",
)  # fmt: skip
LOOKS = {
    (False, False): (style.Look(style.BLUE, "o"), True),
    (True, False): (style.Look(style.VERMILLION, "D"), True),
    (False, True): (style.Look(style.BLUE, "o"), False),
    (True, True): (style.Look(style.VERMILLION, "D"), False),
}
"""By adaptive and withheld: the look, and whether it is filled."""
ROW, REST = 0.36, 1.5


class SharesDefended(Figure):
    name = "shares-defended"
    summary = "mean error of the estimated ratio behind each sharer's defence, of a plain and of the adaptive adversary"
    caption = (
        "How far off the sharer's ratio of groups is estimated, by what the sharer does; to the left much is given away. Dashed: always saying the middle of the ratios, which looks "
        "at no row: what lies on it gives nothing away. A defence holds where the adversary with its own generators (diamonds), which trains generators at each ratio behind the same defence, "
        "errs as much as that; that a plain attack (circles) does may say only that it was misled. Filled: the group of released rows is seen, hollow: it is withheld. Markers: "
        "mean absolute errors, bars: 95 % intervals over pool splits, wide for estimates that never varied, which have no spread to judge by. One attack of each kind, fixed beforehand: of plain ones property-inference and property-classifier."
    )
    tables = ("shares",)

    def draw(self, tables, *, tau):
        frame = generated.judged(tables["shares"])
        if frame.empty:
            return style.missing("no estimate of a ratio in the table `shares`"), select.frame_of([], COLUMNS)
        numbers = _numbers(generated.chosen(frame))
        names = list(style.defences(numbers["defence"]))
        right = 1.04 * float(numbers[["error", "error_high", "middle"]].max().max())
        height = ROW * len(names) + 0.5
        every = select.facets(numbers)
        shown = select.spread(every, select.columns(len(every), 3) * style.fits(height, rest=REST))
        wide = select.columns(len(shown), 3)
        deep = len(select.cut(shown, wide))
        figure = style.blank(style.width(wide), deep * height + REST)
        panels = figure.subplots(deep, wide, squeeze=False, sharex=True).ravel()
        for place, panel in enumerate(panels):
            if place >= len(shown):
                panel.set_axis_off()
                continue
            facet = shown[place]
            _panel(panel, select.of(numbers, task=facet.task, model=facet.model), names, right)
            panel.set_title(facet.title)
            style.label_rows(panel, [style.short(name) for name in names], shown=place % wide == 0)
            if place + wide >= len(shown):
                panel.tick_params(labelbottom=True)
                panel.set_xlabel("mean absolute error")
        places = {(one.task, one.model) for one in shown}
        numbers["drawn"] = [key in places for key in zip(numbers["task"], numbers["model"], strict=True)]
        style.message(figure, _said(numbers), left_out=len(every) - len(shown))
        style.legend(figure, _keys(numbers))
        return figure, numbers[list(COLUMNS)]


def _numbers(frame):
    """Return a row a sharer's defence and kind of attack: the mean error with its interval, that of always saying the middle, and the slope."""
    import numpy as np

    from ..measures import intervals

    rows, keys = [], [*select.FACET, "defence", "adaptive", "withheld"]
    for key, part in frame.groupby(keys, sort=True):
        # ratios are no sample: one who always says the middle errs by another amount at each
        error = intervals.stratified_mean(
            (part["estimate"] - part["ratio"]).abs().to_numpy(), part["ratio"].to_numpy(), part["split"].to_numpy()
        )
        several = part["ratio"].nunique() > 1
        rows.append(
            dict(zip(keys, key, strict=True)) | {
                "adversary": part["adversary"].iloc[0], "generators": len(part), "splits": part["split"].nunique(), "error": error.value,
                "error_low": float(np.clip(error.low, 0.0, 1.0)), "error_high": float(np.clip(error.high, 0.0, 1.0)),
                "middle": float((part["ratio"] - part["ratios"].map(generated.middle)).abs().mean()),
                "slope": float(np.polyfit(part["ratio"], part["estimate"], 1)[0]) if several else float("nan"), "drawn": False,
            }
        )  # fmt: skip
    return select.frame_of(rows, COLUMNS)


def _panel(panel, mine, names, right):
    style.bands(panel, len(names))
    for place, (kind, (look, filled)) in enumerate(LOOKS.items()):
        part = select.of(mine, adaptive=kind[0], withheld=kind[1])
        at = [names.index(name) + 0.2 * (place - 1.5) for name in part["defence"]]
        panel.errorbar(
            part["error"], at, xerr=style.spread(part, "error"), color=look.color, marker=look.marker, linestyle="none", elinewidth=0.8,
            markersize=3.8 * look.size, markeredgewidth=0.9, markerfacecolor=look.color if filled else "white", zorder=3,
        )  # fmt: skip
    if len(mine):
        panel.axvline(
            float(mine["middle"].mean()), color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1
        )
    panel.set_xlim(-0.02 * right, right)


def _said(numbers):
    """Return the message: behind how many defences the adaptive adversary is shown to err less than one that always says the middle."""
    defended = numbers[(numbers["defence"] != "none") & numbers["adaptive"].astype(bool)]
    if defended.empty:
        return "How far off the sharer's ratio is estimated, by what the sharer does"
    told = int((defended["error_high"] < defended["middle"]).sum())
    plain = numbers[(numbers["defence"] != "none") & ~numbers["adaptive"].astype(bool)]
    beside = (
        f", a plain attack in {int((plain['error_high'] < plain['middle']).sum())} of {len(plain)}"
        if len(plain)
        else ""
    )
    return (
        f"Behind sharers' defences, the adversary with its own generators is shown to err less than always saying the middle in "
        f"{told} of {len(defended)} cases{beside}"
    )


def _keys(numbers):
    from matplotlib.lines import Line2D

    there = set(zip(numbers["adaptive"].astype(bool), numbers["withheld"].astype(bool), strict=True))
    keys = [
        style.key(look, generated.Seen(*kind).label, filled=filled)
        for kind, (look, filled) in LOOKS.items()
        if kind in there
    ]
    return [
        *keys,
        Line2D([], [], color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, label="always the middle"),
    ]


PLUGIN = SharesDefended()
