"""ROC curves of the strongest adversary against each defence."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = ("task", "model", "protocol", "ratio_0", "ratio_1", "defence", "adversary", "knowledge", "auc", "fpr", "tpr")
MARKS = (0.05, 0.25, 0.5)


class Roc(Figure):
    name = "roc"
    summary = "ROC curve of the adversary with the highest AUC, by defence"
    caption = (
        "ROC curves at naming world 1, one a defence, of the attack with the highest informed AUC in the leakage "
        "table, among those that see a victim's answers alone (`best` left out; attacks that need no shadows "
        "count as informed). The attack is chosen on the victims shown, so the curve is an upper view. Scores are "
        "pooled over pool splits on the judges' own scales, whose threshold is 0 in every split; the AUC in words "
        "is the leakage table's, a mean over splits, and the pooled curve's own area can differ from it. Markers: "
        "largest TPR at an FPR of at most 5 % (dotted line), 25 % and 50 %, as in the table: on the curve or, where "
        "it rises between two thresholds, below it. Lines to compare with, each where it is known: dashed, "
        "chance; brown, what the training rows themselves give away (undefended victims); solid black, as far as "
        "accuracy may reach where the law of the outputs is known: TPR - FPR = 2 ceiling - 1, above which no "
        "attack lies but by chance."
    )
    tables = ("scores", "leakage")

    def draw(self, tables, *, tau):
        import pandas as pd

        scores, leakage = select.plain(tables["scores"]), select.plain(tables["leakage"])
        curves = list(_curves(scores, _strongest(leakage)))
        if not curves:
            return style.missing("no scores of an informed adversary"), select.frame_of([], COLUMNS)
        frame = _long(curves)
        rows_given = _given_the_rows(scores, leakage, {_cell(curve) for curve in curves})
        rows = select.grid(frame)
        looks = style.defences(frame["defence"])
        wide = max(len(row.cells) for row in rows)
        width = min(3.4, style.panel_width(wide) + 0.25)
        heights = [width, 0.15 * (len(looks) + 1)] * len(
            rows
        )  # a legend below each panel: the attack differs between panels
        figure = style.blank(0.3 + wide * width, sum(heights) + 0.45 * len(rows))
        axes = figure.subplots(2 * len(rows), wide, squeeze=False, gridspec_kw={"height_ratios": heights})
        for blank in axes[1::2].flat:
            blank.set_axis_off()
        for r, row in enumerate(rows):
            for panel in axes[2 * r, len(row.cells) :]:
                panel.set_axis_off()
            for c, (facet, pair, _) in enumerate(row.cells):
                panel, key = axes[2 * r, c], (facet.task, facet.model, *pair)
                mine = {curve["defence"]: curve for curve in curves if _cell(curve) == key}
                lines = [curve for curve in rows_given if _cell(curve) == key]
                known = _ceiling(leakage, facet, pair)
                _panel(panel, mine, looks, lines, known)
                _legend(axes[2 * r + 1, c], mine, looks)
                panel.set_title(f"{facet.title}\n{pair.label}")
            axes[2 * r, 0].set_ylabel("true positive rate")
        known = _ceiling(leakage).notna().any()
        style.legend(figure, style.line_keys(data=bool(rows_given), ceiling=known), entry=2.0)
        return figure, pd.concat([frame, _long(rows_given)], ignore_index=True) if rows_given else frame


def _cell(curve):
    """Return task, model and pair of worlds of a curve."""
    return tuple(curve[name] for name in COLUMNS[:5])


def _given_the_rows(scores, leakage, cells):
    """Return the curves, in these cells, of the adversary that is given the training rows of undefended victims."""
    given = select.of(select.data(leakage), defence="none")
    return [curve for curve in _curves(scores, given) if _cell(curve) in cells]


def _strongest(leakage):
    """Return for each task, model, pair and defence the informed row with the highest AUC."""
    able = select.informed(select.black_box(leakage).reset_index(drop=True))
    able = able[~able["adversary"].isin(["best", *select.REFERENCES]) & able["auc"].notna()]
    keys = [*select.FACET, *select.PAIR, "defence"]
    able = able.sort_values([*keys, "auc", "adversary"], ascending=[True] * 6 + [False, True], kind="stable")
    return able.drop_duplicates(keys)


def _curves(scores, strongest):
    """Yield the curve of each row of `strongest`."""
    from ..measures.roc import tpr_at_fpr

    keys = [*select.FACET, *select.PAIR, "defence", "adversary", "knowledge"]
    wanted = scores.merge(strongest[[*keys, "auc"]], on=keys, how="inner")
    for values, part in wanted.groupby([*keys, "auc"], sort=True):
        score = part["score"].to_numpy(dtype=float)
        world = part["world"].to_numpy()
        if 0 < (world == 1).sum() < len(world):
            fpr, tpr = roc_curve(score=score, world=world)
            # the leakage table's own figure: no interpolation, and corners left out of the curve count as well
            marks = [tpr_at_fpr(score, world, fpr=mark) for mark in MARKS]
            yield {**dict(zip([*keys, "auc"], values, strict=True)), "fpr": fpr, "tpr": tpr, "marks": marks}


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


def _panel(panel, mine, looks, lines, known):
    panel.plot([0, 1], [0, 1], color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
    for curve in lines:
        panel.plot(curve["fpr"], curve["tpr"], color=style.DATA, linewidth=1.3, linestyle=style.DATA_LINE, zorder=1.5)
    if len(known):
        up = 2 * float(known.max()) - 1
        panel.plot([0, 1 - up], [up, 1], color=style.BLACK, linewidth=1.8, zorder=1.6)
    panel.axvline(MARKS[0], color=style.REFERENCE, linewidth=0.9, linestyle=":", zorder=1)
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="false positive rate")
    panel.set_xticks([MARKS[0], 0.25, 0.5, 0.75, 1], ["5 %", "0.25", "0.5", "0.75", "1"])
    if not mine:
        style.empty_panel(panel)
    for name, look in looks.items():
        if name in mine:
            curve = mine[name]
            panel.plot(curve["fpr"], curve["tpr"], color=look.color, linestyle=look.line, linewidth=1.4, zorder=2)
            for x, y, size in zip(MARKS, curve["marks"], (5.5, 3.5, 3.5), strict=True):
                panel.plot([x], [y], color=look.color, marker=look.marker, markersize=size * look.size, zorder=3)


def _legend(below, mine, looks):
    labels = {
        name: f"{style.short(name)}: {style.short(mine[name]['adversary'])} {mine[name]['auc']:.2f}" for name in mine
    }
    handles = [
        style.key(look, labels[name], line=True)
        for name, look in looks.items() if name in mine
    ]  # fmt: skip
    if handles:
        found = below.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(-0.1, 1), fontsize=7.5, handlelength=2.8,
            labelspacing=0.25,
            borderaxespad=0, title="defence: attack, AUC", title_fontsize=7.5, alignment="left",
        )  # fmt: skip
        found.set_in_layout(False)  # a long label must not squeeze the panels


PLUGIN = Roc()
