"""How much of a teacher's membership leak is left in its students, and what near-duplicates among the public rows add."""

from __future__ import annotations

from . import _select as select
from . import _students as taught
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio", "adversary", "access", "knowledge", "defence", "compared_with", "near", "victims", "splits",
    "auc", "auc_low", "auc_high", "tau", "tau_low", "tau_high", "drawn",
)  # fmt: skip
CASE = ["task", "model", "ratio"]
ATTACK = "lira"
STEP, REST, LEAST = 0.07, 1.3, 0.2
"""Inches: of a task within a row, of title, axis and legend, and of the lowest row."""
NARROWEST, WIDEST = (-0.25, 1.25), (-1.0, 2.0)
"""Limits of tau: what is always shown, and beyond which bars are cut."""


class Students(Figure):
    name = "students"
    summary = "how much of a teacher's membership leak (AUC - 1/2) is left in each student, and in students of ever more near-duplicates"
    caption = (
        "Transfer tau, the student's AUC - 1/2 at naming training rows over its teacher's on the same models; 0: none of the teacher's leak is left, "
        "1: all of it. Left: a row a student, of undefended models (none) where no other teacher is named. Right: students that differ only in the share of "
        "their public rows that are near-duplicates of the teacher's training rows; shares stand at equal distances. A marker a "
        "task. Attack: informed lira, or the first attack on rows where lira was not run. Bars: 95 % intervals (Fieller's, over pairs "
        "of models with complementary halves), cut at the edge of a panel. There is no point where the teacher's own interval holds "
        "1/2, since the ratio then has no bounds. At most seven tasks are drawn, those of most students and victims first."
    )
    tables = ("membership", "defences")

    def draw(self, tables, *, tau):
        students = taught.found(tables)
        frame = _rows(tables["membership"], students)
        if frame.empty:
            return style.missing("no student beside its teacher in the table `membership`"), select.frame_of(
                [], COLUMNS
            )
        cases, names = _shown(frame)
        frame["drawn"] = [
            case in cases and defence in names for case, defence in zip(_cases(frame), frame["defence"], strict=True)
        ]
        drawn = frame[frame["drawn"].astype(bool)]
        dosed = drawn[drawn["near"].notna()]
        labels = _labels(cases)
        looks = {case: style.look(i) for i, case in enumerate(cases)}
        figure = style.blank(style.PAGE, REST + len(names) * _height(len(cases)))
        left, *others = figure.subplots(
            1, 2 if len(dosed) else 1, squeeze=False, width_ratios=[3, 2] if len(dosed) else None
        )[0]
        span = _span(drawn)
        _students(left, drawn, names, looks, span)
        for right in others:
            _doses(right, dosed, looks, span)
        left_out = len(set(_cases(frame))) - len(cases) + frame["defence"].nunique() - len(names)
        style.message(figure, _said(frame), left_out=left_out)
        style.legend(figure, [*(style.key(look, labels[case]) for case, look in looks.items()), *_keys()])
        return figure, frame[list(COLUMNS)]


def _rows(membership, students):
    """Return the rows of students under one attack a task, the share of near-duplicates in `near` where it is on a curve."""
    frame = select.plain(membership.reset_index(drop=True))
    frame = select.of(frame, protocol=taught.MEMBERSHIP, part="all")
    frame = frame[frame["knowledge"].isin(["informed", "any"])]
    first = {case: _attack(part["adversary"]) for case, part in frame.groupby(CASE, sort=False)}
    keys = list(frame[[*select.FACET, "defence"]].itertuples(index=False, name=None))
    kept = [
        key in students and adversary == first[case]
        for key, adversary, case in zip(keys, frame["adversary"], _cases(frame), strict=True)
    ]
    doses = taught.doses(students)
    frame = frame.assign(near=[doses.get(key, float("nan")) for key in keys], drawn=False)
    return frame[kept].drop_duplicates([*CASE, "defence"]).reset_index(drop=True)


def _attack(names):
    """Return the attack to show of those that were run: fixed before any victim is looked at."""
    return ATTACK if ATTACK in set(names) else names.iloc[0]


def _cases(frame):
    return list(frame[CASE].itertuples(index=False, name=None))


def _shown(frame):
    """Return the cases that are drawn, sorted, and the students, as many as there is room for."""
    size = frame.groupby(CASE).agg(students=("defence", "nunique"), victims=("victims", "max")).reset_index()
    size = size.sort_values(["students", "victims", *CASE], ascending=[False, False, True, True, True])
    cases = sorted(_cases(size)[: style.MOST])
    names = list(dict.fromkeys(frame["defence"]))
    return cases, names[: style.fits(_height(len(cases)), rest=REST)]


def _height(cases):
    return max(LEAST, STEP * cases + 0.06)


def _labels(cases):
    """Return how each case is named: by its task, and by model and ratio where there are several."""
    models, ratios = ({case[i] for case in cases} for i in (1, 2))
    return {
        case: style.short(case[0], 24)
        + (f", {case[1]}" if len(models) > 1 else "")
        + (f", ratio {case[2]:g}" if len(ratios) > 1 else "")
        for case in cases
    }


def _span(drawn):
    """Return the limits of tau: all points, and their intervals as far as these are of use."""
    low, high = (
        float(drawn[name].min() if end < 1 else drawn[name].max()) for name, end in (("tau_low", 0), ("tau_high", 1))
    )
    points = float(drawn["tau"].min()), float(drawn["tau"].max())
    # comparisons with NaN are false: without a point or an interval the narrowest is left
    lowest = min(NARROWEST[0], max(WIDEST[0], low) - 0.05 if low == low else NARROWEST[0])
    highest = max(NARROWEST[1], min(WIDEST[1], high) + 0.05 if high == high else NARROWEST[1])
    if points[0] == points[0]:
        lowest, highest = min(lowest, points[0] - 0.05), max(highest, points[1] + 0.05)
    return lowest, highest


def _students(panel, drawn, names, looks, span):
    style.bands(panel, len(names))
    step = 0.84 / len(looks)
    for i, (case, look) in enumerate(looks.items()):
        part = _known(drawn, case)
        at = [names.index(name) + step * (i - (len(looks) - 1) / 2) for name in part["defence"]]
        panel.errorbar(part["tau"], at, xerr=style.spread(part, "tau"), **_point(look), linestyle="none")
    if drawn["tau"].isna().all():
        style.empty_panel(panel, "no teacher's leak is shown")
    for value, line in _REFERENCES.values():
        panel.axvline(value, color=style.REFERENCE, linewidth=0.9, linestyle=line, zorder=1)
    teacher = dict(zip(drawn["defence"], drawn["compared_with"], strict=True))
    style.label_rows(panel, [_row(name, teacher[name]) for name in names], shown=True)
    panel.set(xlim=span, xlabel="tau, by student")


def _row(name, teacher):
    short = style.short(name)
    return short if teacher == "none" else f"{short}\n(of {style.short(teacher)})"


def _doses(panel, dosed, looks, span):
    shares = sorted(set(dosed["near"]))
    for i, (case, look) in enumerate(looks.items()):
        part = _known(dosed, case).sort_values("near")
        at = [shares.index(share) + 0.09 * (i - (len(looks) - 1) / 2) for share in part["near"]]
        panel.errorbar(
            at, part["tau"], yerr=style.spread(part, "tau"), **_point(look), linestyle=look.line, linewidth=1.0
        )
    if dosed["tau"].isna().all():
        style.empty_panel(panel, "no teacher's leak is shown")
    for value, line in _REFERENCES.values():
        panel.axhline(value, color=style.REFERENCE, linewidth=0.9, linestyle=line, zorder=1)
    panel.set_xticks(range(len(shares)), [f"{100 * share:.3g} %" for share in shares])
    panel.set(xlim=(-0.5, len(shares) - 0.5), ylim=span, xlabel="near-duplicates among public rows", ylabel="tau")


_REFERENCES = {"none of the leak left": (0, style.CHANCE), "all of it left": (1, (0, (1, 1)))}


def _known(frame, case):
    part = select.of(frame, **dict(zip(CASE, case, strict=True)))
    return part[part["tau"].notna()]


def _point(look):
    return {"color": look.color, "marker": look.marker, "markersize": 3.6 * look.size, "elinewidth": 0.7, "zorder": 3}


def _said(frame):
    """Return the message: in how many cases some of the leak is left and some is not, by the interval, and the lowest and highest mean."""
    known = frame[frame["tau"].notna()]
    if known.empty:
        return "No teacher's membership leak is shown, so that it is not known how much of it is left in students"
    means = known.groupby("defence", sort=False)["tau"].mean()
    low, high = means.idxmin(), means.idxmax()
    span = (
        f"runs from {means[low]:.2f} ({low}) to {means[high]:.2f} ({high})" if low != high else f"is {means[low]:.2f}"
    )
    some, less = int((known["tau_low"] > 0).sum()), int((known["tau_high"] < 1).sum())
    count = f"{some} of {len(known)} {'cases of a student and a task' if len(known) > 1 else 'case'}"
    return (
        f"Students keep some of their teacher's membership leak in {count}, and less than all of it in {less}, by the interval; "
        f"on average tau {span}"
    )


def _keys():
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=style.REFERENCE, linewidth=0.9, linestyle=line, label=label)
        for label, (_, line) in _REFERENCES.items()
    ]


PLUGIN = Students()
