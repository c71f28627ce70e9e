"""What fair fine-tuning costs and saves: leak of the ratio, leak of single rows, accuracy and fairness, beside its control."""

from __future__ import annotations

from . import _membership as member
from . import _select as select
from . import _style as style
from .base import Figure

MEASURES = {
    "advantage": "advantage at naming\nthe ratio",
    "membership_auc": "AUC of naming\nmembers",
    "accuracy": "accuracy",
    "delta_eo": "Delta_EO",
}
"""Panels, with what stands below."""
AGAINST = ("advantage_vs_none", "membership_auc_vs_control")
COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "membership_ratio", "defence", "adversary", "victims", "membership_victims",
    *(f"{name}{end}" for name in (*MEASURES, *AGAINST) for end in ("", "_low", "_high")),
    "against_chance", "compared_with", "delta_eo_floor", "drawn",
)  # fmt: skip
FAIR, CONTROL = "fft-rehearsal", "rehearsal"
LABELS = {
    "none": "none: the base",
    FAIR: f"{FAIR}: fair fine-tuning",
    CONTROL: f"{CONTROL}: its control, without the EO term",
    "scratch": "scratch: anew on the mixed rows",
}
ROW, REST, HEAD = 0.115, 1.75, 0.08
"""Inches: of a defence's line, for message, labels and legend, and between two tasks."""


class Bill(Figure):
    name = "bill"
    summary = "leak of the ratio and of single rows, accuracy and Delta_EO: base, fair fine-tuning, its control and training anew"
    caption = (
        "The bill of fair fine-tuning (FFt): a line each for the base model, FFt with rehearsal, its control, which trains on the same rows without "
        "the fairness (EO) term, and training anew on the mixed rows. From the left: advantage of the best informed adversary at naming the training world "
        "(2 x accuracy - 1; dashed: 0); AUC of an attack that tells rows of the training draw from others (`lira` where it was run, else `rmia`, then "
        "`loss-threshold`; dashed: 1/2); mean accuracy and mean Delta_EO on the query pool. Grey: what Delta_EO would be by chance, without a difference. Bars: 95 % intervals, for the advantage "
        "clustered by pool split, for the AUC by pair of models with complementary halves, for accuracy and Delta_EO t over pool splits. In the title an interval "
        "of the paired difference excludes 0: for the ratio, from the base model, for members, from the control, of the same models. Models of one kind, not the same ones: the AUC is of models of one ratio "
        "(the lowest, of several), the rest of pure worlds, or of the widest pair of ratios. " + style.RINGED
    )
    tables = ("leakage", "models", "membership")

    def draw(self, tables, *, tau):
        frame, cells = _numbers(tables)
        if frame.empty:
            text = "no victims of membership and of two worlds under the same defence"
            return style.missing(text), select.frame_of([], COLUMNS)
        known = style.defences(frame["defence"])
        looks = {name: known[name] for name in member.FEW if name in known}
        height = HEAD + ROW * len(looks)
        shown = select.spread(cells, style.fits(height, rest=REST))
        frame["drawn"] = select.mark(frame, shown)
        drawn = frame[frame["drawn"]]
        figure = style.blank(style.PAGE, REST + height * len(shown))
        panels = figure.subplots(1, len(MEASURES), sharey=True)
        for panel, (name, label) in zip(panels, MEASURES.items(), strict=True):
            style.bands(panel, len(shown))
            _panel(panel, drawn, shown, name, looks)
            panel.set_xlabel(label)
            panel.tick_params(axis="y", length=0)
        style.label_rows(panels[0], [select.row_label(cell, frame, pair=False) for cell in shown], shown=True)
        style.message(figure, _said(frame), left_out=len(cells) - len(shown))
        style.legend(figure, _keys(looks, drawn))
        return figure, frame.reindex(columns=list(COLUMNS))


def _numbers(tables):
    """Return the rows to draw, one for each task, model and defence, and the cells: those of games of worlds in which members were asked about
    too. Tasks with nothing to compare the base with are left out where others have more."""
    models = select.plain(select.of(tables["models"], role="victim"))
    judged = select.best_informed(tables["leakage"].reset_index(drop=True))
    asked = select.of(member.asked(tables["membership"]), part="all")
    asked = select.of(asked, adversary=member.spokesman(asked["adversary"].unique()))
    rows = {}
    for cell in select.main_cells(models)[0]:
        mine = next((one for one in member.first(member.cells(asked)) if one.facet[:2] == cell.facet[:2]), None)
        if mine is not None:
            rows[cell] = list(_rows(cell, cell.of(models), cell.of(judged), mine.of(asked)))
    frame = select.frame_of([row for found in rows.values() for row in found], COLUMNS)
    kept = member.compared(rows, frame)
    return frame[select.mark(frame, kept)].reset_index(drop=True), kept


def _rows(cell, models, judged, asked):
    """Yield a task's rows; models, judged and asked: its victims, and its rows of the best adversary and of membership."""
    judged, asked = judged.set_index("defence"), asked.set_index("defence")
    for defence in member.FEW:
        victims = select.of(models, defence=defence)
        if victims.empty or defence not in asked.index:
            continue
        row = {**cell.keys, "defence": defence, "victims": len(victims), "drawn": False}
        for name in ("accuracy", "delta_eo"):
            found = select.mean_over_splits(victims[name], victims["split"], span=(0.0, 1.0))
            row |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        row["delta_eo_floor"] = float(victims["delta_eo_floor"].mean())
        if defence in judged.index:
            row |= _taken(judged.loc[defence], {"advantage": "advantage", "advantage_vs_none": "difference_vs_none"})
            row["against_chance"] = judged.loc[defence, "against_chance"]
            for end in ("", "_low", "_high"):  # of accuracies; an advantage is twice as far from another
                row[f"advantage_vs_none{end}"] *= 2
        own = asked.loc[defence]
        if not own["diverged"] >= 1:
            row |= _taken(own, {"membership_auc": "auc"})
        row |= {"membership_ratio": own["ratio"], "membership_victims": own["victims"], "adversary": own["adversary"]}
        if own["compared_with"] == CONTROL:
            row |= {"compared_with": CONTROL, **_taken(own, {"membership_auc_vs_control": "auc_vs"})}
        yield row


def _taken(row, names):
    """Return the values and limits of a row under other names."""
    return {
        f"{name}{end}": float(row[f"{given}{end}"]) for name, given in names.items() for end in ("", "_low", "_high")
    }


def _panel(panel, drawn, shown, name, looks):
    """Draw a measure of all tasks: within a task's row a line for each defence."""
    panel.grid(axis="x", color="white", linewidth=0.8)
    if name in ("advantage", "membership_auc"):
        style.chance(panel, 0.0 if name == "advantage" else 0.5)
    step = 0.86 / len(looks)
    for place, cell in enumerate(shown):
        mine = cell.of(drawn)
        if name == "delta_eo":
            _by_chance(panel, place, mine["delta_eo_floor"].dropna())
        for line, (defence, look) in enumerate(looks.items()):
            part = select.of(mine, defence=defence)
            part = part[part[name].notna()]
            if len(part):
                y = place + (line - (len(looks) - 1) / 2) * step
                panel.errorbar(part[name], [y], xerr=style.spread(part, name), color=look.color, marker=look.marker,
                               markersize=3.8 * look.size, elinewidth=0.9, linestyle="none", zorder=3)  # fmt: skip
                if name == "advantage":
                    style.rings(panel, part[name], [y], part)
    if drawn[name].isna().all():
        style.empty_panel(panel, "not known")
        panel.set_xticks([])
    elif name == "delta_eo":
        panel.set_xlim(left=0)
    panel.locator_params(axis="x", nbins=4)
    panel.spines["left"].set_visible(False)


def _by_chance(panel, place, floors):
    """Draw beside a task's lines what Delta_EO would be by chance, from the least to the most over the defences."""
    if len(floors):
        panel.barh(place, floors.max() - floors.min(), left=floors.min(), height=0.92, facecolor="#D5D5D5", edgecolor=style.GREY,
                   linewidth=0.7, zorder=1.1)  # fmt: skip


def _said(frame):
    """Return the message: in how many tasks fair fine-tuning lowers the ratio's leak, and what it does to members against its control."""
    fair = frame[frame["defence"] == FAIR]
    ratio, members = (fair[fair[f"{name}_low"].notna() & fair[f"{name}_high"].notna()] for name in AGAINST)
    if ratio.empty and members.empty:
        return "Leak of the ratio and of single rows, accuracy and Delta_EO"
    parts = []
    if len(ratio):
        lower = int((ratio[f"{AGAINST[0]}_high"] < 0).sum())
        parts.append(f"lowers the ratio's leak in {lower} of {_cases(ratio)}")
    if len(members):
        higher = int((members[f"{AGAINST[1]}_low"] > 0).sum())
        lower = int((members[f"{AGAINST[1]}_high"] < 0).sum())
        parts.append(
            f"against its control raises the AUC of naming members in {higher} and lowers it in {lower} of {_cases(members)}"
        )
    return f"Fair fine-tuning {', and '.join(parts)}, as far as intervals tell"


def _cases(rows):
    word = "task" if rows["task"].nunique() == len(rows) else "case"
    return f"{len(rows)} {word}{'s' if len(rows) > 1 else ''}"


def _keys(looks, drawn):
    keys = [style.key(look, LABELS.get(name, name)) for name, look in looks.items()]
    keys += [*style.line_keys(chance="no advantage, or 1/2"), style.by_chance_key()]
    return keys + style.ring_keys(drawn)


PLUGIN = Bill()
