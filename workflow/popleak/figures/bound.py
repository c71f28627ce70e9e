"""What Delta_EO bounds, and what it does not: the gap of a fixed model, and the leakage of its training."""

from __future__ import annotations

from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "side", "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "world", "models",
    "delta_eo_w", "delta_eo_w_low", "delta_eo_w_high", "value", "value_low", "value_high", "literal_holds",
    "against_chance", "floor_w", "drawn",
)  # fmt: skip
FIRST = ("none", "rehearsal", "fft-rehearsal", "finetune", "fft")
"""Defences that are drawn before others."""


class Bound(Figure):
    name = "bound"
    summary = "Delta_EO * W against the evaluation-side gap, which it bounds, and against training-side leakage"
    caption = (
        "Upper panels, evaluation side: mean |accuracy gap| of the victims against their mean "
        "Delta_EO * W, by defence and direction (filled: base in world 0, hollow: world 1); on the line the two are "
        "equal, and below it the literal bound gap <= Delta_EO * W holds for the means. Above: the share of "
        "single models for which a bootstrap does not contradict it. Where the worlds' label rates differ the "
        "literal form may fail and only the corrected one must hold. Lower panels, training side, same x axis: advantage "
        "of the best informed adversary at naming the training world. The line is repeated there to show that it is "
        "no bound: no bound in Delta_EO exists on this side. All rows of the query pool. "
        + style.BY_CHANCE
        + "Bars: 95 % intervals, above t over pool splits, below "
        "clustered by pool split. Pure worlds (W = 1) where they were run, else the widest pair of ratios. "
        + style.RINGED
    )
    tables = ("bounds", "leakage", "models")

    def draw(self, tables, *, tau):
        bounds, leakage = select.plain(tables["bounds"]), select.best_informed(tables["leakage"].reset_index(drop=True))
        chosen = select.main_pairs(bounds)
        if not chosen:
            return style.missing("no rows of pure or ratio worlds in the table `bounds`"), select.frame_of([], COLUMNS)
        cells = select.main_cells(bounds)[0]
        grid = stacked.grid(cells, 2, height=3.3, rest=1.4, sharex=True)
        bounds = _with_floors(bounds, select.plain(select.of(tables["models"], role="victim")))
        left = [row for cell in cells for row in _evaluation(bounds, cell.facet, cell.pair)]
        right = [row for cell in cells for row in _training(bounds, leakage, cell.facet, cell.pair)]
        frame = select.frame_of(left + right, COLUMNS)
        looks = style.defences(style.few(style.defences(frame["defence"]), FIRST))
        frame["drawn"] = select.mark(frame, grid.shown) & frame["defence"].isin(list(looks)).to_numpy()
        drawn = frame[frame["drawn"].astype(bool)]
        evaluation, training = drawn[drawn["side"] == "evaluation"], drawn[drawn["side"] == "training"]
        reach, ceiling, floor = _ends(evaluation, training)
        for cell, (upper, lower), first, _ in grid.stacks:
            mine = cell.of(drawn)
            _evaluation_panel(upper, select.of(mine, side="evaluation"), looks, reach, ceiling, first=first)
            _training_panel(lower, select.of(mine, side="training"), looks, reach, floor, first=first)
            upper.set_title(f"{cell.title}\n{_held(cell.of(bounds))}")
        counted = frame[frame["defence"].isin(list(looks))]
        said = _said(select.of(counted, side="evaluation"), select.of(counted, side="training"))
        style.message(grid.figure, said, left_out=grid.left_out)
        style.legend(grid.figure, _keys(looks, drawn) + style.ring_keys(training))
        return grid.figure, frame


def _said(evaluation, training):
    """Return the message: where the measured gap is below the bound, and where the training side is above it."""
    known = evaluation[evaluation["value"].notna() & evaluation["delta_eo_w"].notna()]
    judged = training[training["value"].notna() & training["delta_eo_w"].notna()]
    kept, above = (known["value"] <= known["delta_eo_w"]).sum(), (judged["value"] > judged["delta_eo_w"]).sum()
    return (
        f"Delta_EO W bounds the mean accuracy gap in {kept} of {len(known)} cases; leakage of the training data lies above it in {above} "
        f"of {len(judged)}"
    )


def _with_floors(bounds, models):
    """Return the rows of `bounds` with what Delta_EO * W would be by chance, from the same victims' rows of `models`."""
    keys = [*select.FACET, *select.PAIR, "poison", "defence", "split", "world", "model_index"]
    found = bounds.merge(models[[*keys, "delta_eo_floor"]], on=keys, how="left")
    return found.assign(floor_w=found["delta_eo_floor"] * found["w"])


def _ends(evaluation, training):
    """Return where the axes end: Delta_EO * W, the gap above, the advantage below."""
    reach = 1.08 * max(0.05, _top(evaluation, "delta_eo_w"), _top(training, "delta_eo_w"))
    ceiling = 1.08 * max(0.05, _top(evaluation, "value"), reach / 1.4)
    floor = min(-0.06, float(training["value_low"].min()) - 0.03) if len(training) else -0.06
    return reach, ceiling, floor


def _held(rows):
    """Return in words in which share of the models the literal form is not contradicted."""
    held = rows["literal_holds"].astype(float).mean()
    return "all diverged" if held != held else f"{held:.0%} of models hold"


def _mine(frame, facet):
    return select.of(frame, task=facet.task, model=facet.model)


def _top(frame, name):
    """Return where an axis must end: above the intervals, but one wide interval must not squeeze all points."""
    return float(min(frame[[name, f"{name}_high"]].max().max(), 1.6 * frame[name].max())) if len(frame) else 0.0


def _point(part, value):
    """Return the mean of `value` and of Delta_EO * W over the models of `part`."""
    x = select.mean_over_splits(part["rhs_literal"], part["split"], span=(0.0, 1.0))
    found = {
        "models": len(part),
        "floor_w": float(part["floor_w"].mean()),
        "delta_eo_w": x.mean,
        "delta_eo_w_low": x.low,
        "delta_eo_w_high": x.high,
    }
    if value is not None:
        y = select.mean_over_splits(part[value], part["split"], span=(0.0, 1.0))
        found |= {"value": y.mean, "value_low": y.low, "value_high": y.high}
        found["literal_holds"] = float(part["literal_holds"].astype(float).mean())
    return found


def _evaluation(bounds, facet, pair):
    cell = select.of_pair(_mine(bounds, facet), pair)
    for defence in style.defences(cell["defence"]):
        for world, part in select.of(cell, defence=defence).groupby("world"):
            yield {"side": "evaluation", "task": facet.task, "model": facet.model, **pair._asdict(), "defence": defence,
                   "world": int(world), **_point(part, "gap")}  # fmt: skip


def _training(bounds, leakage, facet, pair):
    cell = select.of_pair(_mine(bounds, facet), pair)
    judged = select.of_pair(_mine(leakage, facet), pair)
    for row in judged.to_dict("records"):
        part = select.of(cell, defence=row["defence"])
        if len(part):
            yield {
                "side": "training", "task": facet.task, "model": facet.model, **pair._asdict(), "world": None,
                "defence": row["defence"], **_point(part, None), "value": row["advantage"],
                "value_low": row["advantage_low"], "value_high": row["advantage_high"], "against_chance": row["against_chance"],
            }  # fmt: skip


def _points(panel, frame, looks):
    for row in frame.to_dict("records"):
        look = looks[row["defence"]]
        error = {}
        for axis, name in (("xerr", "delta_eo_w"), ("yerr", "value")):
            low, high = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
            error[axis] = None if low != low or high != high else [[max(0.0, low)], [max(0.0, high)]]
        panel.errorbar(
            row["delta_eo_w"], row["value"], **error, color=look.color, marker=look.marker, elinewidth=0.8,
            markersize=4 * look.size,
            markerfacecolor="white" if row["world"] == 1 else look.color, markeredgewidth=1, zorder=3,
        )  # fmt: skip


def _evaluation_panel(panel, mine, looks, reach, ceiling, *, first):
    top = max(reach, ceiling)
    panel.fill_between([0, top], [0, top], [top, top], color=style.BAND, linewidth=0, zorder=0)
    panel.plot([0, top], [0, top], color=style.BLACK, linewidth=1.1, zorder=1)
    style.by_chance(panel, mine["floor_w"])
    _points(panel, mine, looks)
    if mine["value"].isna().all():
        style.empty_panel(panel, style.UNKNOWN)
    panel.set(
        xlim=(-0.04 * reach, reach), ylim=(-0.04 * ceiling, ceiling), ylabel="mean |accuracy gap|" if first else ""
    )
    panel.tick_params(labelbottom=False, labelleft=first)
    panel.locator_params(nbins=4)


def _training_panel(panel, mine, looks, reach, floor, *, first):
    panel.axhline(0, color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    panel.plot([0, reach], [0, reach], color=style.BLACK, linewidth=1.1, zorder=1)
    style.by_chance(panel, mine["floor_w"])
    _points(panel, mine, looks)
    style.rings(panel, mine["delta_eo_w"], mine["value"], mine)
    if mine.empty:
        style.empty_panel(panel, "no adversary `best`")
    elif mine["delta_eo_w"].isna().all():
        style.empty_panel(panel, style.UNKNOWN)
    panel.set(xlim=(-0.04 * reach, reach), ylim=(max(-1.05, floor), 1.05), xlabel="mean Delta_EO × W")
    panel.set_ylabel("best informed advantage" if first else "")
    panel.tick_params(labelbottom=True, labelleft=first)
    panel.locator_params(axis="x", nbins=4)


def _keys(looks, frame):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [style.key(look, name) for name, look in looks.items()]
    grey = style.Look(style.REFERENCE, "o")
    if {0, 1} <= set(frame["world"]):
        handles += [style.key(grey, "base in world 0"), style.key(grey, "base in world 1", filled=False)]
    line = Line2D([], [], color=style.BLACK, linewidth=1.1, label="y = Delta_EO × W")
    chance = Line2D([], [], color=style.REFERENCE, linewidth=0.8, linestyle=(0, (4, 2)), label="no advantage")
    above = Patch(facecolor=style.BAND, label="gap above it")
    return [*handles, line, above, chance, style.by_chance_key()]


PLUGIN = Bound()
