"""Whether the leak of the training ratio survives distillation: each student against its teacher."""

from __future__ import annotations

from . import _select as select
from . import _students as taught
from . import _style as style
from .base import Figure

ENDS = ("", "_low", "_high")
COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "teacher", "victims",
    *(f"accuracy{end}" for end in ENDS), *(f"teacher_accuracy{end}" for end in ENDS), "defended", "least", "most", "verdict", "against_chance", "drawn",
)  # fmt: skip
AWAY, ABOVE = 0.1, 0.05
"""Share named correctly: how far a student may be from an undefended teacher, and how far above a defended one."""
WITHIN, BEYOND, OPEN = "within", "beyond", "cannot tell"
HEIGHT, REST, WIDE = 1.9, 1.3, 5


class StudentsRatio(Figure):
    name = "students-ratio"
    summary = "share of victims whose training world is named, of each student against its teacher"
    caption = (
        "A panel a student, a marker a task: share of victims whose training world the best informed adversary names, of the teacher (x) and of the student "
        "(y). It sees answers alone. On the diagonal the student leaks the ratio as its teacher does. Shaded: up to 0.1 on either side of an undefended "
        "teacher's value (none), or no more than 0.05 above that of a defended teacher, whose name the panel bears. Filled: the interval of the "
        "difference of both lies in that band; hollow: it does not. Bars: 95 % intervals, clustered by pool split; the difference takes both for "
        "independent. Dashed: chance. Pure worlds where they were run, else the widest pair of ratios; at most seven tasks are drawn. "
        + style.RINGED
    )
    tables = ("leakage", "membership", "defences")

    def draw(self, tables, *, tau):
        frame = _rows(tables["leakage"], taught.found(tables))
        if frame.empty:
            text = "no student and teacher of pure or ratio worlds that the tables `leakage` and `membership` both have"
            return style.missing(text), select.frame_of([], COLUMNS)
        cells, left_out = select.main_cells(frame, style.MOST)
        every = list(dict.fromkeys(zip(frame["defence"], frame["teacher"], strict=True)))
        wide = min(WIDE, len(every))
        names = every[: wide * style.fits(HEIGHT, rest=REST)]
        shown = [one in names for one in zip(frame["defence"], frame["teacher"], strict=True)]
        frame["drawn"] = select.mark(frame, cells) & shown
        wide = select.columns(len(names), WIDE)
        rows = len(select.cut(names, wide))
        figure = style.blank(style.width(wide), HEIGHT * rows + REST)
        panels = figure.subplots(rows, wide, squeeze=False, sharex=True, sharey=True)
        looks = {cell: style.look(i) for i, cell in enumerate(cells)}
        span = _span(frame[frame["drawn"].astype(bool)])
        for place, panel in enumerate(panels.flat):
            if place >= len(names):
                panel.set_axis_off()
                continue
            defence, teacher = names[place]
            _panel(panel, select.of(frame, defence=defence, teacher=teacher, drawn=True), looks, span)
            panel.set_title(_title(defence, teacher))
            if place % wide == 0:
                panel.set_ylabel("share named, student")
            if place + wide >= len(names):
                panel.set_xlabel("share named, teacher")
                panel.tick_params(labelbottom=True)
        style.message(figure, _said(frame), left_out=left_out + len(every) - len(names))
        style.legend(figure, _keys(looks, frame) + style.ring_keys(frame[frame["drawn"].astype(bool)]))
        return figure, frame


def _rows(leakage, students):
    """Return a row for each student of each task's main pair of worlds, with its teacher's values beside its own."""
    best = select.alive(select.best_informed(leakage.reset_index(drop=True)))
    best = select.differ(best[best["accuracy"].notna()])
    best = best[select.mark(best, select.main_cells(best)[0])]
    by = {(*(one[name] for name in select.FACET), one["defence"]): one for one in best.to_dict("records")}
    rows = []
    for key, student in students.items():
        own, other = by.get(key), by.get((*key[:2], student.teacher))
        if own and other:
            row = {
                **own,
                "teacher": student.teacher,
                **{f"teacher_accuracy{end}": other[f"accuracy{end}"] for end in ENDS},
            }
            rows.append(row | _judged(row, defended=student.defended))
    return select.frame_of(rows, COLUMNS)


def _judged(row, *, defended):
    """Return the band about the teacher's value, and whether the interval of the difference of both keeps within it. defended: its teacher is,
    so that it may leak less."""
    import numpy as np

    from ..measures.intervals import Estimate, apart

    mine, teacher = (Estimate(*(float(row[f"{who}accuracy{end}"]) for end in ENDS), np.nan) for who in ("", "teacher_"))
    least, most = (-teacher.value, ABOVE) if defended else (-AWAY, AWAY)
    found = apart(mine, teacher)
    # limits that are not known decide nothing: comparisons with NaN are false
    inside = (defended or found.low >= least) and found.high <= most
    beyond = (not defended and found.high < least) or found.low > most
    verdict = WITHIN if inside else BEYOND if beyond else OPEN
    return {
        "defended": defended, "least": teacher.value + least, "most": teacher.value + most, "verdict": verdict,
    }  # fmt: skip


def _span(drawn):
    """Return the limits of both axes."""
    values = [drawn[f"{who}accuracy{end}"].min() for who in ("", "teacher_") for end in ("", "_low")]
    return max(-0.03, min(0.45, *(float(value) - 0.03 for value in values if value == value))), 1.03


def _title(defence, teacher):
    name = style.short(defence)
    return name if teacher == "none" else f"{name}\n(of {style.short(teacher)})"


def _panel(panel, mine, looks, span):
    defended = bool(mine["defended"].any())
    low, high = span
    under = [0.0, 0.0] if defended else [low - AWAY, high - AWAY]
    over = ABOVE if defended else AWAY
    panel.fill_between([low, high], under, [low + over, high + over], color="#DDDDDD", linewidth=0, zorder=0.5)
    panel.plot([low, high], [low, high], color=style.REFERENCE, linewidth=0.9, zorder=1)
    for across in (True, False):
        style.chance(panel, across=across)
    for cell, look in looks.items():
        for row in cell.of(mine).to_dict("records"):
            error = {axis: _bar(row, name) for axis, name in (("xerr", "teacher_accuracy"), ("yerr", "accuracy"))}
            filled = look.color if row["verdict"] == WITHIN else "white"
            panel.errorbar(row["teacher_accuracy"], row["accuracy"], **error, color=look.color, marker=look.marker, markerfacecolor=filled,
                           markersize=3.8 * look.size, elinewidth=0.7, zorder=3)  # fmt: skip
    style.rings(panel, mine["teacher_accuracy"], mine["accuracy"], mine)
    panel.set(xlim=span, ylim=span)
    panel.locator_params(nbins=4)


def _bar(row, name):
    low, high = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
    return None if low != low or high != high else [[max(0.0, low)], [max(0.0, high)]]


def _said(frame):
    """Return the message: of how many students the interval of the difference from their teacher lies within the band."""
    defended = frame["defended"].astype(bool)
    bands = [
        (frame[~defended], f"within {AWAY:g} of an undefended teacher's"),
        (frame[defended], f"at most {ABOVE:g} above a defended teacher's"),
    ]
    parts = [
        f"{where} in {int((part['verdict'] == WITHIN).sum())} of {len(part)}" for part, where in bands if len(part)
    ]
    beyond, unclear = (int((frame["verdict"] == word).sum()) for word in (BEYOND, OPEN))
    return (
        f"A student's leak of the ratio is {' and '.join(parts)} {'cases' if len(frame) > 1 else 'case'}, by its interval "
        f"({beyond} outside, {unclear} undecided)"
    )


def _keys(looks, frame):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys = [style.key(look, select.row_label(cell, frame, pair=False)) for cell, look in looks.items()]
    same = Line2D([], [], color=style.REFERENCE, linewidth=0.9, label="as the teacher")
    return [
        *keys,
        same,
        Patch(facecolor="#DDDDDD", label="filled: the difference lies in this band"),
        *style.line_keys(),
    ]


PLUGIN = StudentsRatio()
