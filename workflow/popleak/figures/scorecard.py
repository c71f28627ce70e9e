"""Each defence's leakage, utility, fairness, membership and cost in one row."""

from __future__ import annotations

from ..measures.verdicts import ABOVE, BELOW
from . import _defences as defended
from . import _select as select
from . import _style as style
from .base import Figure

ADVANTAGES = ("statistic_advantage", "unaware_advantage", "informed_advantage")
MEASURES = {
    "accuracy": "accuracy",
    "delta_eo": "Delta_EO",
    "membership_auc": "AUC of being\nin S_0",
    "cost": "cost\n(x base)",
}
"""Panels of one measure each, with what stands below."""
NEEDS = {"training": "training", "rows_own": "S_0", "rows_complement": "other world", "rows_public": "public"}
"""What a defence may need, with what stands below."""
COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "kind", "victims",
    *(f"{name}{end}" for name in (*ADVANTAGES, "accuracy", "delta_eo", "membership_auc") for end in ("", "_low", "_high")),
    "against_chance", "certified_advantage", "delta_eo_floor", "cost", "access", "rows_own", "rows_complement", "rows_public", "sd_advantage",
    "diverged", "constant", "drawn",
)  # fmt: skip
ROW, REST, HEAD = 0.135, 1.45, 0.35
"""Inches: of a row, for message, labels and legend, and above each task."""


class Scorecard(Figure):
    name = "scorecard"
    summary = "leakage, utility, fairness, membership and cost of each defence, a row each"
    caption = (
        "Defences by the advantage of the best informed adversary (black), the least first, those below chance by their size; beside it the best unaware adversary, the paper's "
        "statistic and, where a theorem has one, the certified advantage. Hollow: not distinguished from chance. Then mean accuracy, mean Delta_EO (grey: "
        "by chance, without a difference), the AUC of membership inference by the loss (dashed: 0.5), whose members are the rows of S_0 that the "
        "base model was trained on and no others: of rows from elsewhere, which a defence may train on instead, it says nothing; and CPU seconds in units of the training of the "
        "base model, computed from the settings. Squares: what a defence needs; the darker the more rows. Bars: 95 % intervals, by pool split. "
        "Not counted in the title: defences of which more than 5 % of the victims diverged, or most give every record one label. "
        "Pure worlds where they were run, else the widest pair of ratios. Scales differ between tasks, but for advantages."
    )
    tables = ("defences",)

    def draw(self, tables, *, tau):
        table, cells = defended.main(tables["defences"])
        if not cells:
            return style.missing(defended.MISSING), select.frame_of([], COLUMNS)
        table["cost"] = table["seconds_reference"] / table["seconds_base"]
        frame = table.assign(leak=defended.leak(table)).sort_values(
            [*select.FACET, "leak", "accuracy"], ascending=[True, True, True, False], kind="stable"
        )
        counts = {cell: len(cell.of(frame)) for cell in cells}
        shown = _fitting(cells, counts)
        frame = frame.assign(drawn=select.mark(frame, shown)).reindex(columns=list(COLUMNS)).reset_index(drop=True)
        heights = [HEAD + ROW * counts[cell] for cell in shown]
        figure = style.blank(style.PAGE, sum(heights) + REST)
        axes = figure.subplots(
            len(shown),
            2 + len(MEASURES),
            squeeze=False,
            height_ratios=heights,
            width_ratios=[0.62, 2.3, 1.15, 1, 1, 0.9],
        )
        for i, cell in enumerate(shown):
            _card(axes[i], cell.of(frame), title=cell.title.replace("\n", ", "), last=i == len(shown) - 1)
        style.message(figure, _said(frame), left_out=len(cells) - len(shown))
        style.legend(figure, _keys(frame[frame["drawn"]]))
        return figure, frame


def _fitting(cells, counts):
    """Return as many cells as a page has room for, at least one."""
    for most in range(len(cells), 1, -1):
        chosen = select.spread(cells, most)
        if sum(HEAD + ROW * counts[cell] for cell in chosen) + REST <= style.TALLEST:
            return chosen
    return select.spread(cells, 1)


def _card(panels, mine, *, title, last):
    """Draw a task's rows; mine: its numbers, from the top."""
    for panel in panels:
        style.bands(panel, len(mine))
        style.label_rows(panel, [_short(name) for name in mine["defence"]], shown=panel is panels[0])
        panel.tick_params(labelbottom=True)
        panel.spines["left"].set_visible(False)
    _needs(panels[0], mine, last)
    _advantages(panels[1], mine)
    panels[1].set_title(title, loc="left")
    for panel, (name, label) in zip(panels[2:], MEASURES.items(), strict=True):
        _measure(panel, mine, name)
        if last:
            panel.set_xlabel(label)
    if last:
        panels[1].set_xlabel("advantage")


def _short(name, most=30):
    """Return a name, without its middle where it is long: settings stand at the end."""
    return name if len(name) <= most else f"{name[: most - 13]}\u2026{name[-12:]}"


def _needs(panel, mine, last):
    for x, name in enumerate(NEEDS):
        share = mine["access"].eq("training").astype(float) if name == "training" else mine[name].fillna(0.0)
        for y, value in enumerate(share):
            if value > 0:
                color = style.BLACK if name == "training" else str(round(0.75 - 0.55 * min(value, 1.0), 3))
                panel.scatter([x], [y], marker="s", s=14, color=color, linewidths=0, zorder=3)
    panel.set_xlim(-0.6, len(NEEDS) - 0.4)
    panel.set_xticks(range(len(NEEDS)), list(NEEDS.values()) if last else [""] * len(NEEDS), rotation=90)
    panel.tick_params(axis="x", length=0)
    panel.spines["bottom"].set_visible(False)


LOOKS = {
    "statistic_advantage": style.Look(style.ORANGE, "s"),
    "unaware_advantage": style.Look(style.BLUE, "^"),
    "informed_advantage": style.Look(style.BLACK, "o"),
}


def _advantages(panel, mine):
    known = mine["against_chance"].isin([ABOVE, BELOW]).to_numpy()
    for y, (row, told) in enumerate(zip(mine.to_dict("records"), known, strict=True)):
        if row["informed_advantage_low"] == row["informed_advantage_low"]:
            panel.plot(
                [row["informed_advantage_low"], row["informed_advantage_high"]],
                [y, y],
                color=style.BLACK,
                linewidth=0.8,
                zorder=2,
            )
        for name, look in LOOKS.items():
            filled = told or name != "informed_advantage"
            if row[name] == row[name]:
                panel.plot([row[name]], [y], marker=look.marker, color=look.color, markersize=3.6, linestyle="none",
                           markerfacecolor=look.color if filled else "white", markeredgewidth=0.9, zorder=3 + (name == ADVANTAGES[-1]))  # fmt: skip
        if row["certified_advantage"] == row["certified_advantage"]:
            panel.plot(
                [row["certified_advantage"]] * 2, [y - 0.42, y + 0.42], color=style.VERMILLION, linewidth=1.6, zorder=5
            )
    low = float(mine["informed_advantage_low"].min()) if mine["informed_advantage_low"].notna().any() else 0.0
    panel.set_xlim(max(-1.02, min(-0.12, low - 0.03)), 1.05)
    style.chance(panel, 0.0)
    if mine["informed_advantage"].isna().all():
        panel.text(
            0.5,
            0.5,
            "no adversary `best`",
            transform=panel.transAxes,
            ha="center",
            va="center",
            fontsize=style.SMALL,
            color=style.REFERENCE,
        )


def _measure(panel, mine, name):
    known = mine[mine[name].notna()]
    rows = [mine.index.get_loc(i) for i in known.index]
    if name == "membership_auc":
        style.chance(panel, 0.5)
    if name == "delta_eo":
        style.by_chance(panel, mine["delta_eo_floor"])
    error = None if name == "cost" else style.spread(known, name)
    if len(known):
        panel.errorbar(
            known[name],
            rows,
            xerr=error,
            color=style.BLACK,
            marker="o",
            markersize=3,
            linestyle="none",
            elinewidth=0.8,
            zorder=3,
        )
    else:
        panel.set_xticks([])
    if name == "cost" and len(known):
        panel.set_xlim(0, 1.12 * float(known[name].max()))
    if name == "delta_eo":
        panel.set_xlim(left=0)
    panel.margins(x=0.1)
    panel.locator_params(axis="x", nbins=2 if name == "membership_auc" else 3)  # labels of three digits are wide


def _said(frame):
    """Return the message: how many defences, at all their settings and on all tasks, hide the world, and how that is known."""
    others = frame[frame["defence"] != "none"]
    if others.empty:
        return "Leakage, accuracy, fairness and cost without a defence"
    usable = defended.usable(others)
    proven = (others["certified_advantage"] <= defended.SMALL) & usable
    open_ = int((defended.hidden(others) & usable & ~proven.to_numpy()).sum())
    cells = " on a task" if len(frame.groupby(select.FACET)) > 1 else ""
    return (
        f"Of {len(others)} defences{cells}, {int(proven.sum())} are certified at an advantage of {defended.SMALL:g} or less; under {open_} others the "
        f"best informed adversary is not distinguished from chance"
    )


def _keys(drawn):
    from matplotlib.lines import Line2D

    keys = [style.key(look, name.replace("_advantage", "").replace("statistic", "paper's statistic").replace("informed", "best informed")
                      .replace("unaware", "best unaware")) for name, look in LOOKS.items() if drawn[name].notna().any()]  # fmt: skip
    if (~drawn["against_chance"].isin([ABOVE, BELOW])).any():
        keys.append(style.key(LOOKS["informed_advantage"], "not distinguished from chance", filled=False))
    if drawn["certified_advantage"].notna().any():
        keys.append(
            Line2D(
                [],
                [],
                color=style.VERMILLION,
                marker="|",
                markersize=7,
                markeredgewidth=1.6,
                linestyle="none",
                label="certified",
            )
        )
    return [*keys, *style.line_keys(chance="no advantage, or 0.5"), style.by_chance_key()]


PLUGIN = Scorecard()
