"""ROC curves of one attack on rows, by task and defence, on logarithmic axes."""

from __future__ import annotations

from ..core.protocols import MEMBERSHIP, UNSEEN
from . import _membership as member
from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio", "defence", "adversary", "knowledge", "auc", "auc_low", "auc_high", "least",
    "fpr", "tpr", "tpr_low", "tpr_high", "drawn",
)  # fmt: skip
CURVE = ["task", "model", "ratio", "defence"]
MARKS = (0.001, 0.01)
"""False positive rates that the message may speak of, the first of them that all curves reach."""
LOWEST = 0.0001
"""Where both axes start unless a lower rate is measured."""
NULL = "#A8A8A8"


class MembershipRoc(Figure):
    name = "membership-roc"
    summary = "ROC curves of an attack on single rows, by defence, on logarithmic axes"
    caption = (
        "How well an attack tells rows that a model was trained on from rows that it was not, one curve a defence, both axes logarithmic: what matters is "
        "whom it names while it seldom errs. The attack is the same throughout and fixed beforehand: `lira` where it was run, else `rmia`, then "
        "`loss-threshold`; its shadows know the defence. Trials of all victims are one curve, whose threshold no adversary knows; it is measured at four rates "
        "a decade, with straight lines between. Shaded: 95 % intervals, clustered by pair of models with complementary halves. "
        "Dashed: chance. Thick grey, where it was run: the same attack on undefended models and rows that none was trained on, where there is nothing "
        "to find. The title counts curves whose interval lies above chance. Hatched: rates below one over the non-members asked about, which are not measured. At most seven defences: those of the "
        "comparison of fair fine-tuning, and of the others some at equal distances in the order of their mean AUC, the highest first."
    )
    tables = ("membership_roc", "membership")

    def draw(self, tables, *, tau):
        curves, null = (
            _measured(*(member.asked(tables[name], protocol) for name in self.tables))
            for protocol in (MEMBERSHIP, UNSEEN)
        )
        attack = member.spokesman(curves["adversary"].unique())
        if attack is None:
            text = "no informed attack on rows in the table `membership_roc`"
            return style.missing(text), select.frame_of([], COLUMNS)
        curves = select.of(curves, adversary=attack).reset_index(drop=True)
        null = select.of(null, adversary=attack, defence="none")
        looks = member.looks(_few(curves))
        grid = stacked.grid(member.cells(curves), 1, height=1.85, rest=1.2)
        start = min(float(curves["fpr"].min()), LOWEST) / 1.5
        for stack in grid.stacks:
            mine = stack.cell.of(curves)
            unseen = select.of(null, task=stack.cell.facet.task, model=stack.cell.facet.model)
            _panel(stack, mine, unseen[unseen["ratio"] == stack.cell.pair.ratio_0], looks, start)
        counted = curves[~curves["task"].isin(member.of_checks(tables["membership"])).to_numpy()]
        style.message(grid.figure, _said(counted, null, attack), left_out=grid.left_out)
        hidden = any(_least(stack.cell.of(curves)) > start for stack in grid.stacks)
        style.legend(grid.figure, _keys(looks, null=len(null) > 0, hidden=hidden))
        drawn = select.mark(curves, grid.shown) & curves["defence"].isin(list(looks)).to_numpy()
        return grid.figure, _numbers(curves.assign(drawn=drawn), null, grid.shown)


def _numbers(curves, null, shown):
    """Return all curves and those of unseen rows, and which are drawn."""
    import pandas as pd

    places = {(cell.facet.task, cell.facet.model, cell.pair.ratio_0) for cell in shown}
    null = null.assign(drawn=[key in places for key in null[CURVE[:3]].itertuples(index=False, name=None)])
    parts = [part for part in (curves, null) if len(part)]
    return pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))


def _measured(curves, table):
    """Return the curves with the AUC and the lowest rate that can be told; those of defences whose victims all diverged are left out."""
    rows = select.of(table, part="all")
    rows = rows[~(rows["diverged"] >= 1).to_numpy()]
    rows = rows.assign(least=1 / rows["non_members"].clip(lower=1))
    keys = [*CURVE, "adversary", "knowledge"]
    kept = rows[[*keys, "auc", "auc_low", "auc_high", "least"]].drop_duplicates(keys)
    return curves.merge(kept, on=keys, how="inner").sort_values([*CURVE, "fpr"], kind="stable", ignore_index=True)


def _few(curves):
    """Return the defences to draw: the usual ones, and some of the others over the whole range of their mean AUC."""
    areas = curves.drop_duplicates(CURVE).groupby("defence")["auc"].mean().sort_values(ascending=False, kind="stable")
    known = [name for name in member.FEW if name in areas.index]
    others = [name for name in areas.index if name not in known]
    return [*known, *select.spread(others, style.MOST - len(known))]


def _panel(stack, mine, null, looks, start):
    (panel,) = stack.panels
    panel.plot([start, 1], [start, 1], color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
    least = _least(mine)
    if least > start:
        panel.axvspan(start, least, facecolor="none", edgecolor=style.GREY, hatch="////", linewidth=0, zorder=0.5)
    if len(null):
        _curve(panel, null, NULL, "-", 2.4, start, 1.5)
    for place, name in enumerate(reversed(looks)):  # the base on top
        part = select.of(mine, defence=name)
        if len(part):
            _curve(panel, part, looks[name].color, looks[name].line, 1.2, start, 2 + 0.01 * place)
    panel.set(xscale="log", yscale="log", xlim=(start, 1.05), ylim=(start, 1.2), title=stack.cell.title)
    ticks = [tick for tick in (0.0001, 0.001, 0.01, 0.1, 1) if tick > start]
    percent = [f"{100 * tick:g}" for tick in ticks]
    panel.set_xticks(ticks, percent if stack.last else [""] * len(ticks))
    panel.set_yticks(ticks, percent if stack.first else [""] * len(ticks))
    panel.minorticks_off()
    panel.grid(color=style.BAND, linewidth=0.8)
    if stack.last:
        panel.set_xlabel("false positive rate (%)")
    if stack.first:
        panel.set_ylabel("true positive rate (%)")


def _least(mine):
    return float(mine["least"].max()) if len(mine) else 0.0


def _curve(panel, part, color, line, width, start, order):
    """Draw a curve with its interval; what is 0 lies below the axis."""
    floor = start / 10
    low, tpr, high = (part[name].clip(lower=floor).to_numpy() for name in ("tpr_low", "tpr", "tpr_high"))
    panel.fill_between(part["fpr"].to_numpy(), low, high, color=color, alpha=0.13, linewidth=0, zorder=order - 0.9)
    panel.plot(part["fpr"].to_numpy(), tpr, color=color, linestyle=line, linewidth=width, zorder=order)


def _said(curves, null, attack):
    """Return the message: in how many cases the attack names more members than chance does at a low rate, by its interval."""
    reached = [rate for rate in MARKS if (curves["fpr"] == rate).groupby([curves[name] for name in CURVE]).any().all()]
    if not reached:
        return f"Whom the attack {attack} names as members, by false positive rate"
    at = curves[curves["fpr"] == reached[0]]
    base, others = at[at["defence"] == "none"], at[at["defence"] != "none"]
    unseen = null[null["fpr"] == reached[0]]
    parts = [f"in {_above(base)} of {len(base)} {_cases(base)} without a defence"] if len(base) else []
    parts += [f"in {_above(others)} of {len(others)} cases with one"] if len(others) else []
    parts += [f"on unseen rows in {_above(unseen)} of {len(unseen)}"] if len(unseen) else []
    said = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return (
        f"At a false positive rate of {100 * reached[0]:g} % the attack {attack} names more members than chance {said}"
    )


def _cases(rows):
    many = "" if len(rows) == 1 else "s"
    return f"task{many}" if rows["task"].nunique() == len(rows) else f"case{many}"


def _above(rows):
    return int((rows["tpr_low"] > rows["fpr"]).sum())


def _keys(looks, *, null, hidden):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys = [
        Line2D([], [], color=look.color, linestyle=look.line, linewidth=1.2, label=name) for name, look in looks.items()
    ]
    if null:
        keys.append(Line2D([], [], color=NULL, linewidth=2.4, label="none, unseen rows"))
    if hidden:
        keys.append(Patch(facecolor="none", edgecolor=style.GREY, hatch="////", linewidth=0, label="not measured"))
    return [*keys, *style.line_keys()]


PLUGIN = MembershipRoc()
