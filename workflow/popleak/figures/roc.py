"""ROC curves of an attack against each defence, chosen on other victims than those that are shown."""

from __future__ import annotations

from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = ("task", "model", "protocol", "ratio_0", "ratio_1", "defence", "adversary", "knowledge", "auc", "fpr", "tpr")
FIRST = ("none", "rehearsal", "fft-rehearsal", "finetune", "fft")
"""Defences that are drawn before others."""
KEYS = [*COLUMNS[:8]]
MARKS = (0.05, 0.25, 0.5)
LEAST = 0.004
"""Where both axes start unless the victims allow a lower rate."""


class Roc(Figure):
    name = "roc"
    summary = "ROC curve of the attack with the highest AUC on other victims, by defence"
    caption = (
        "ROC curves at naming world 1, both axes logarithmic, since an adversary who must seldom err is judged at their left end; one a defence. The attack is chosen by AUC on the second, fourth and so on of the pool splits, and shown on the others (of a "
        "single split, on every other victim), so that the choice flatters no number here. Candidates see a victim's answers alone and know the "
        "defence, or need no shadows (`best` left out). Scores are "
        "pooled over pool splits on the judges' own scales, whose threshold is 0 in every split; the AUC in words "
        "is a mean over the splits shown, and the pooled curve's own area can differ from it. Markers: "
        "largest TPR at an FPR of at most 5 %, 25 % and 50 %: on the curve or, where "
        "it rises between two thresholds, below it. Dotted, with the shaded part left of it: the lowest FPR above 0 that the number of victims of "
        "world 0 allows, 1 / n; what a curve does left of it is not measured, and a TPR at an FPR of 0 is drawn there. At most seven defences. Lines to compare with, each where it is known: dashed, "
        "chance; brown, what the training rows themselves give away (undefended victims); solid black, as far as "
        "accuracy may reach where the law of the outputs is known: TPR - FPR = 2 ceiling - 1, above which no "
        "attack lies but by chance."
    )
    tables = ("scores", "leakage")

    def draw(self, tables, *, tau):
        import pandas as pd

        scores, leakage = select.plain(tables["scores"]), select.plain(tables["leakage"])
        curves = list(_curves(scores, _chosen(scores, leakage)))
        if not curves:
            return style.missing("no scores of an informed adversary"), select.frame_of([], COLUMNS)
        frame = _long(curves)
        rows_given = _given_the_rows(scores, leakage, {_cell(curve) for curve in curves})
        looks = style.defences(style.few(style.defences(frame["defence"]), FIRST))
        below = 0.135 * (len(looks) + 1)  # a legend below each panel: the attack differs between panels
        height = 1.8 + below
        ratios = (height - 0.5 - below, below)
        grid = stacked.grid(select.cells(frame)[0], 2, height=height, rest=0.8, most=3, ratios=ratios)
        for cell, (panel, legend), first, _ in grid.stacks:
            legend.set_axis_off()
            key = tuple(cell.keys.values())
            mine = {curve["defence"]: curve for curve in curves if _cell(curve) == key}
            lines = [curve for curve in rows_given if _cell(curve) == key]
            _panel(panel, mine, looks, lines, _ceiling(leakage, cell.facet, cell.pair), first=first)
            _legend(legend, mine, looks)
            panel.set_title(cell.title)
        known = _ceiling(leakage).notna().any()
        style.message(grid.figure, _said(curves), left_out=grid.left_out)
        style.legend(grid.figure, [*style.line_keys(data=bool(rows_given), ceiling=known), _least_key()])
        frame = pd.concat([frame, _long(rows_given)], ignore_index=True) if rows_given else frame
        return grid.figure, frame


def _said(curves):
    """Return the message: at how many of the curves the attack is right far more often than wrong where it seldom errs."""
    apart = [curve for curve in curves if curve["ratio_0"] != curve["ratio_1"]]
    strong = sum(curve["marks"][0] > 2 * MARKS[0] for curve in apart)
    return (
        f"At a false positive rate of 5 % an attack that was chosen on other victims is right more than twice as often as chance in {strong} of "
        f"{len(apart)} cases of a defence and two worlds that differ"
    )


def _cell(curve):
    """Return task, model and pair of worlds of a curve."""
    return tuple(curve[name] for name in COLUMNS[:5])


def _given_the_rows(scores, leakage, cells):
    """Return the curves, in these cells, of the adversary that is given the training rows of undefended victims."""
    given = select.of(select.data(leakage), defence="none")
    return [curve for curve in _curves(scores, given) if _cell(curve) in cells]


def _chosen(scores, leakage):
    """Return for each task, model, pair and defence the informed row whose attack has the highest AUC on the victims that are not drawn."""
    from ..measures import roc

    able = select.informed(select.black_box(leakage).reset_index(drop=True))
    able = able[~able["adversary"].isin(["best", *select.REFERENCES]) & able["auc"].notna()]
    found = {}
    for values, part in _judged(scores, able):
        mine = part[~_drawn(part)]
        area = roc.auc(mine["score"].to_numpy(dtype=float), mine["world"].to_numpy(), mine["split"].to_numpy()).value
        found[values] = area if area == area else 0.0
    able = able.assign(other=[found.get(key) for key in able[KEYS].itertuples(index=False, name=None)])
    able = able[able["other"].notna()]
    place = KEYS[:6]
    able = able.sort_values([*place, "other", "adversary"], ascending=[True] * 6 + [False, True], kind="stable")
    return able.drop_duplicates(place)


def _judged(scores, rows):
    """Yield the values of KEYS, and the scores of all victims, of each of these rows of the table `leakage`."""
    rows = rows[KEYS].sort_values(KEYS, kind="stable").reset_index(drop=True)
    victims = scores[[*KEYS, "split", "world", "model_index", "score"]]
    # grouped by one number: millions of rows by eight names take longer
    wanted = victims.merge(rows.assign(place=rows.index), on=KEYS, how="inner").drop(columns=KEYS)
    names = list(rows.itertuples(index=False, name=None))
    for place, part in wanted.groupby("place", sort=True):
        yield names[place], part


def _drawn(part):
    """Return which victims (n,) are drawn: those of the first, third and so on of the pool splits; of a single split, every other one."""
    import numpy as np

    place = np.unique(part["split"], return_inverse=True)[1]
    if len(place) and not place.any():  # within each world, or each half might be of one world
        place = part.groupby("world")["model_index"].rank(method="dense").to_numpy(dtype=int) - 1
    return place % 2 == 0


def _curves(scores, rows):
    """Yield the curve of each of these rows of the table `leakage`, on the victims that are drawn."""
    from ..measures import roc

    for values, part in _judged(scores, rows):
        part = part[_drawn(part)]
        score = part["score"].to_numpy(dtype=float)
        world = part["world"].to_numpy()
        if 0 < (world == 1).sum() < len(world):
            fpr, tpr = roc_curve(score=score, world=world)
            # as in the leakage table: no interpolation, and corners left out of the curve count as well
            marks = [roc.tpr_at_fpr(score, world, fpr=mark) for mark in MARKS]
            area = roc.auc(score, world, part["split"].to_numpy()).value
            found = {"auc": area, "fpr": fpr, "tpr": tpr, "marks": marks, "least": 1 / int((world == 0).sum())}
            yield {**dict(zip(KEYS, values, strict=True)), **found}


def roc_curve(*, score, world):
    """Return (fpr, tpr), from (0, 0) to (1, 1), equal scores being one step; corners only, so that files stay small."""
    import numpy as np

    order = np.argsort(-score, kind="stable")
    score, positive = score[order], world[order] == 1
    last = np.append(score[1:] != score[:-1], True)
    tp = np.append(0, np.cumsum(positive)[last])
    fp = np.append(0, np.cumsum(~positive)[last])
    turn = (
        np.append(True, np.append((np.diff(fp, 2) != 0) | (np.diff(tp, 2) != 0), True)) if len(tp) > 2 else slice(None)
    )
    return fp[turn] / (~positive).sum(), tp[turn] / positive.sum()


def _long(curves):
    rows = []
    for curve in curves:
        fixed = {name: curve[name] for name in COLUMNS[:9]}
        rows += [{**fixed, "fpr": x, "tpr": y} for x, y in zip(curve["fpr"], curve["tpr"], strict=True)]
    return select.frame_of(rows, COLUMNS)


def _ceiling(leakage, facet=None, pair=None):
    """Return the known ceilings of undefended victims, of one panel or of all."""
    rows = leakage[(leakage["defence"] == "none") & leakage["known_ceiling"].notna()]
    if facet is not None:
        rows = select.of_pair(select.of(rows, task=facet.task, model=facet.model), pair)
    return rows["known_ceiling"]


def _panel(panel, mine, looks, lines, known, *, first):
    """Draw one panel; mine: a curve by defence; lines: those of the training rows; known: ceilings; first: it names its axes."""
    least = max((curve["least"] for curve in mine.values()), default=LEAST)
    start = min(LEAST, least / 1.6)
    _compared(panel, lines, known, start)
    panel.axvspan(start, least, color=style.BAND, linewidth=0, zorder=0)
    panel.axvline(least, color=style.REFERENCE, linewidth=0.9, linestyle=":", zorder=1)
    panel.set(xscale="log", yscale="log", xlim=(start, 1.05), ylim=(start, 1.12), xlabel="false positive rate")
    ticks = [tick for tick in (0.001, 0.01, 0.1, 1) if tick > start]
    percent = [f"{100 * tick:g} %" for tick in ticks]
    panel.set_xticks(ticks, percent)
    panel.set_yticks(ticks, percent if first else [""] * len(ticks))
    panel.minorticks_off()
    if first:
        panel.set_ylabel("true positive rate")
    if not mine:
        style.empty_panel(panel)
    for name in looks:
        if name in mine:
            _curve(panel, mine[name], looks[name], start)


def _compared(panel, lines, known, start):
    """Draw the lines to compare with: chance, what the training rows themselves tell, and the known ceiling."""
    import numpy as np

    along = np.geomspace(start, 1, 60)
    panel.plot(along, along, color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
    for curve in lines:
        panel.plot(*_steps(curve, start), color=style.DATA, linewidth=1.3, linestyle=style.DATA_LINE, zorder=1.5)
    if len(known):
        up = 2 * float(known.max()) - 1
        panel.plot(along, np.minimum(1, along + up), color=style.BLACK, linewidth=1.8, zorder=1.6)


def _curve(panel, curve, look, start):
    """Draw a defence's curve with its marks."""
    panel.plot(*_steps(curve, start), color=look.color, linestyle=look.line, linewidth=1.2, zorder=2)
    for x, y, size in zip(MARKS, curve["marks"], (4.5, 3, 3), strict=True):
        if y > 0:
            panel.plot([x], [y], color=look.color, marker=look.marker, markersize=size * look.size, zorder=3)


def _steps(curve, start):
    """Return a curve for logarithmic axes: a rate of 0 is drawn at the lowest that the victims allow, or below the axis."""
    import numpy as np

    # between two corners a straight line is bent on these axes: more points of it
    along = np.unique(np.concatenate([curve["fpr"], np.geomspace(start, 1, 120)]))
    x, first = curve["fpr"], curve["least"]
    top = {}
    for fpr, tpr in zip(x, curve["tpr"], strict=True):
        top[float(fpr)] = max(top.get(float(fpr), 0.0), float(tpr))
    keys = np.array(sorted(top))
    values = np.interp(along, keys, [top[key] for key in keys])
    keep = along >= first * (1 - 1e-9)
    x, y = along[keep], values[keep]
    if top.get(0.0, 0.0) > 0:
        x, y = np.append(first, x), np.append(top[0.0], y)
    return x, np.maximum(y, start / 10)


def _least_key():
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color=style.REFERENCE, linewidth=0.9, linestyle=":", label="lowest FPR that the victims allow"
    )


def _legend(below, mine, looks):
    labels = {
        name: f"{style.short(name, 14)}: {style.short(mine[name]['adversary'], 12)} {mine[name]['auc']:.2f}"
        for name in mine
    }
    handles = [
        style.key(look, labels[name], line=True)
        for name, look in looks.items() if name in mine
    ]  # fmt: skip
    if handles:
        found = below.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(-0.12, 1), fontsize=style.SMALL, handlelength=2.0,
            labelspacing=0.15, handletextpad=0.4,
            borderaxespad=0, title="defence: attack, AUC", title_fontsize=style.SMALL, alignment="left",
        )  # fmt: skip
        found.set_in_layout(False)  # a long label must not squeeze the panels


PLUGIN = Roc()
