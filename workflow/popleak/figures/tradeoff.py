"""Utility, fairness and leakage of each defence in one view."""

from __future__ import annotations

from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

MEASURES = ("accuracy", "delta_eo", "advantage")
COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "victims",
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")), "delta_eo_floor", "against_chance", "drawn",
)  # fmt: skip
FIRST = ("none", "rehearsal", "fft-rehearsal", "finetune", "fft", "scratch")
"""Defences that are drawn before others; at most seven are."""


class Tradeoff(Figure):
    name = "tradeoff"
    summary = "accuracy, Delta_EO and leakage of each defence, by task"
    caption = (
        "Each defence's mean accuracy on all rows of the query pool (x) against its mean Delta_EO (upper panels) and against "
        "the advantage of the best informed adversary at naming the training world (lower panels, same x axis). "
        "Down and to the right is better in both. "
        + style.BY_CHANCE
        + "Bars: 95 % intervals, t over pool splits for accuracy and "
        "Delta_EO, clustered by pool split for the advantage. Pure worlds where they were run, else the widest pair "
        "of ratios; victims of both worlds together. Scales differ between tasks. " + style.RINGED
    )
    tables = ("models", "leakage")

    def draw(self, tables, *, tau):
        models = select.plain(select.of(tables["models"], role="victim"))
        leakage = select.best_informed(tables["leakage"].reset_index(drop=True))
        chosen = select.main_pairs(models)
        if not chosen:
            text = "no victims in pure or ratio worlds in the table `models`"
            return style.missing(text), select.frame_of([], COLUMNS)
        every = select.main_cells(models)[0]
        grid = stacked.grid(every, 2, height=3.6, rest=1.2)
        rows = [row for cell in every for row in _rows(models, leakage, cell.facet, cell.pair)]
        frame = select.frame_of(rows, COLUMNS)
        looks = style.defences(style.few(style.defences(frame["defence"]), FIRST))
        frame["drawn"] = select.mark(frame, grid.shown) & frame["defence"].isin(list(looks)).to_numpy()
        drawn = frame[frame["drawn"].astype(bool)]
        top = 1.1 * max(0.05, float(drawn[["delta_eo", "delta_eo_high"]].max().max()))
        floor = float(drawn["advantage_low"].min()) if drawn["advantage_low"].notna().any() else 0.0
        for stack in grid.stacks:
            _stack(stack, stack.cell.of(drawn), looks, top, max(-1.05, min(-0.08, floor - 0.04)))
        style.message(grid.figure, _said(frame[frame["defence"].isin(list(looks))]), left_out=grid.left_out)
        style.legend(grid.figure, _keys(looks) + style.ring_keys(drawn))
        return grid.figure, frame


def _stack(stack, mine, looks, top, floor):
    """Draw a cell's two panels from its numbers; top: where Delta_EO ends, floor: where the advantage starts."""
    upper, lower = stack.panels
    for panel, name in ((upper, "delta_eo"), (lower, "advantage")):
        _points(panel, mine, name, looks)
    style.by_chance(upper, mine["delta_eo_floor"], across=True)
    style.rings(lower, mine["accuracy"], mine["advantage"], mine)
    lower.axhline(0, color=style.REFERENCE, linewidth=0.8, linestyle=style.CHANCE, zorder=1)
    lower.sharex(upper)
    upper.margins(x=0.12)
    upper.set(title=stack.cell.title, ylim=(0, top))
    lower.set(xlabel="accuracy", ylim=(floor, 1.05))
    upper.tick_params(labelbottom=False, labelleft=stack.first)
    lower.tick_params(labelleft=stack.first)
    upper.locator_params(axis="x", nbins=3)
    if stack.first:
        upper.set_ylabel("Delta_EO")
        lower.set_ylabel("best informed advantage")


def _said(drawn):
    """Return the message: on how many tasks the defence of the lowest Delta_EO is also the one of the lowest leakage."""
    both = drawn[(drawn["defence"] != "none") & drawn["advantage"].notna() & drawn["delta_eo"].notna()]
    parts = [part for _, part in both.groupby(select.FACET) if len(part) > 1]
    if not parts:
        return "Accuracy, Delta_EO and leakage of each defence"
    same = sum(part["delta_eo"].idxmin() == part["advantage"].idxmin() for part in parts)
    return f"The defence of the lowest Delta_EO leaks least in {same} of {len(parts)} {'cases of a task and a model' if both['model'].nunique() > 1 else 'tasks'}"


def _rows(models, leakage, facet, pair):
    cell = select.of_pair(select.of(models, task=facet.task, model=facet.model), pair)
    judged = select.of_pair(select.of(leakage, task=facet.task, model=facet.model), pair).set_index("defence")
    for defence in style.defences(cell["defence"]):
        part = select.of(cell, defence=defence)
        row = {"task": facet.task, "model": facet.model, **pair._asdict(), "defence": defence, "victims": len(part)}
        for name in ("accuracy", "delta_eo"):
            found = select.mean_over_splits(part[name], part["split"], span=(0.0, 1.0))
            row |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        row["delta_eo_floor"] = float(part["delta_eo_floor"].mean())
        for name in ("advantage", "advantage_low", "advantage_high"):
            row[name] = float(judged.at[defence, name]) if defence in judged.index else float("nan")
        row["against_chance"] = judged.at[defence, "against_chance"] if defence in judged.index else None
        yield row


def _points(panel, mine, name, looks):
    panel.grid(color=style.BAND, linewidth=0.8)
    if mine["accuracy"].isna().all():
        style.empty_panel(panel, style.UNKNOWN)
    elif mine[name].isna().all():
        style.empty_panel(panel, "no adversary `best`")
    for row in mine[mine[name].notna()].to_dict("records"):
        look = looks[row["defence"]]
        error = {}
        for axis, column in (("xerr", "accuracy"), ("yerr", name)):
            low, high = row[column] - row[f"{column}_low"], row[f"{column}_high"] - row[column]
            error[axis] = None if low != low or high != high else [[max(0.0, low)], [max(0.0, high)]]
        panel.errorbar(row["accuracy"], row[name], **error, color=look.color, marker=look.marker,
                       markersize=4.2 * look.size, elinewidth=0.8, zorder=3)  # fmt: skip


def _keys(looks):
    from matplotlib.lines import Line2D

    chance = Line2D([], [], color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), label="no advantage")
    return [*(style.key(look, name) for name, look in looks.items()), chance, style.by_chance_key()]


PLUGIN = Tradeoff()
