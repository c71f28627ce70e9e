"""Whether classifiers that are trained on a generator's rows alone still give the ratio of the sharer's rows away."""

from __future__ import annotations

from . import _generated as generated
from . import _many as many
from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "ratios", "defence", "kind", "adversary", "access", "victims", "splits", "mae", "mae_low", "mae_high", "middle", "drawn",
)  # fmt: skip
REST = 1.4
STEP, LEAST = 0.09, 0.3
"""Inches: of an adversary within a row, and of the lowest row."""


class Laundering(Figure):
    name = "laundering"
    summary = (
        "mean error of the ratio that is estimated from classifiers of the rows themselves and of a generator's rows"
    )
    caption = (
        "How far off attacks on a classifier estimate the ratio of groups of the rows behind it; to the left much is given away. Rows: what the classifier was trained on. None: the rows "
        "themselves, S_0; synthetic and the like: rows of a generator of S_0 alone; fft-generated: S_0, then fair fine-tuning whose complement comes "
        "from a generator. Dashed: always saying the middle of the ratios, which looks at no classifier. Markers: mean absolute errors over all ratios, "
        "bars: 95 % intervals over pool splits; informed shadows, which know the defence."
    )
    tables = ("regression", "defences")

    def draw(self, tables, *, tau):
        numbers = _numbers(tables["regression"], tables["defences"])
        if numbers[numbers["kind"] != "none"].empty:
            text = "no estimate from classifiers of a generator's rows in the table `regression`"
            return style.missing(text), select.frame_of([], COLUMNS)
        names = list(style.defences(numbers["defence"]))
        looks = style.adversaries(style.few(style.adversaries(numbers["adversary"]), many.FIRST, 5))
        right = 1.04 * float(numbers[["mae", "mae_high", "middle"]].max().max())
        height = max(LEAST, STEP * len(looks) + 0.08) * len(names) + 0.5
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
            _panel(panel, select.of(numbers, task=facet.task, model=facet.model), names, looks, right)
            panel.set_title(facet.title)
            style.label_rows(panel, [style.short(name) for name in names], shown=place % wide == 0)
            if place + wide >= len(shown):
                panel.tick_params(labelbottom=True)
                panel.set_xlabel("mean absolute error")
        places = {(one.task, one.model) for one in shown}
        numbers["drawn"] = [
            (task, model) in places and name in looks
            for task, model, name in zip(numbers["task"], numbers["model"], numbers["adversary"], strict=True)
        ]
        style.message(figure, _said(numbers), left_out=len(every) - len(shown))
        access = dict(zip(numbers["adversary"], numbers["access"], strict=True))
        keys = [style.key(look, style.said(name, access[name])) for name, look in looks.items()]
        style.legend(figure, [*keys, *style.line_keys(chance="always the middle")])
        return figure, numbers[list(COLUMNS)]


def _numbers(regression, defences):
    """Return the rows of all ratios together, of undefended classifiers and of those of a generator's rows, where a task has both."""
    frame = many.rows(regression)
    frame = select.attacks(frame[frame["ratio"].isna() & frame["mae"].notna()])
    kinds = {(row.task, row.defence): row.kind for row in defences.drop_duplicates(["task", "defence"]).itertuples()}
    kind = [
        "none" if defence == "none" else kinds.get((task, defence), "")
        for task, defence in zip(frame["task"], frame["defence"], strict=True)
    ]
    frame = frame.assign(kind=kind, drawn=False)
    frame = frame[frame["kind"].isin(["none", *generated.GENERATED])]
    both = set(frame.loc[frame["kind"] != "none", "task"])
    frame = frame[frame["task"].isin(list(both))].reset_index(drop=True)
    limits = {name: frame[name].clip(0.0, 1.0) for name in ("mae_low", "mae_high")}  # of an error between shares
    middles = [_middle(ratios) for ratios in frame["ratios"]]
    return frame.assign(**limits, middle=middles).reindex(columns=list(COLUMNS))


def _middle(ratios):
    """Return the mean absolute error of always saying the middle of these ratios, each as often."""
    middle = generated.middle(ratios)
    values = [abs(float(ratio) - middle) for ratio in ratios.split()]
    return sum(values) / len(values)


def _panel(panel, mine, names, looks, right):
    style.bands(panel, len(names))
    for place, (adversary, look) in enumerate(looks.items()):
        part = select.of(mine, adversary=adversary)
        at = [names.index(name) + 0.75 / len(looks) * (place - (len(looks) - 1) / 2) for name in part["defence"]]
        panel.errorbar(
            part["mae"], at, xerr=style.spread(part, "mae"), color=look.color, marker=look.marker, linestyle="none", elinewidth=0.8,
            markersize=3.6 * look.size, zorder=3,
        )  # fmt: skip
    if len(mine):
        panel.axvline(
            float(mine["middle"].mean()), color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1
        )
    panel.set_xlim(-0.02 * right, right)


def _said(numbers):
    """Return the message: in how many tasks one attack, fixed beforehand, errs less than the middle on classifiers of either kind."""
    name = many.spokesman(numbers["adversary"])
    mine = select.of(numbers, adversary=name)
    parts = []
    for kind, text in (
        ("none", "trained on the rows themselves"),
        ("synthetic", "trained on a generator's rows alone"),
    ):
        part = mine[mine["kind"] == kind]
        if len(part):
            parts.append(
                f"{int((part['mae_high'] < part['middle']).sum())} of {len(part)} cases from classifiers {text}"
            )
    if not parts:
        return "How far off the ratio is estimated from classifiers, by what they were trained on"
    return f"The attack {name} is shown to err less than always saying the middle in {', and in '.join(parts)}"


PLUGIN = Laundering()
