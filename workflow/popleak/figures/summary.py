"""Leakage, fairness and what they cost, of every defence on every task, in one view."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

MEASURES = ("leakage", "delta_eo", "cost")
CHANGES = {"delta_eo": ("delta_eo_change", 1), "accuracy": ("cost", 100)}
"""Column of the change against undefended models, and its unit as parts of one, by measure of a model."""
COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "victims",
    *(f"{name}{end}" for name in (*MEASURES, "accuracy", "delta_eo_change") for end in ("", "_low", "_high")),
    "delta_eo_floor", "against_chance", "drawn",
)  # fmt: skip
FIRST = ("none", "fft-rehearsal", "rehearsal", "fft", "finetune", "scratch")
"""Defences that are drawn before others where a page has no room for all."""
STEP, APART, LEAST, REST = 0.07, 0.035, 0.17, 1.45
"""Inches: of a defence's line, between two rows, of the lowest row, and of all else."""
BEST, TERM, COST = "best informed\nadversary: share named", "Delta_EO", "accuracy of the model\nminus undefended"


class Summary(Figure):
    name = "summary"
    summary = "best informed accuracy, Delta_EO and accuracy cost of every defence, on every task"
    caption = (
        "A row a task and model, in its main pair of worlds (pure where they were run, else the widest pair of ratios), and in it a marker a "
        "defence. Left: share of victims whose training world the best informed adversary names; dashed, chance. Middle: mean Delta_EO on all "
        "rows of the query pool, over the models of both worlds (claim C5 asks of each); grey tick: what it would be by chance without any "
        "difference between the groups. Right: what the defence costs, the mean accuracy of a model minus that of the undefended model of the "
        "same split, world and number, in percentage points. Bars: 95 % intervals, clustered by pool split. Where a page has no room for all "
        "defences, some are left out; the figure's numbers hold all. " + style.RINGED
    )
    tables = ("models", "leakage")

    def draw(self, tables, *, tau):
        frame = numbers(tables["models"], tables["leakage"])
        if frame.empty:
            return style.missing("no victims in pure or ratio worlds in the table `models`"), frame
        every = select.main_cells(frame)[0]
        names, shown = _fitting(frame, every)
        looks = {name: look for name, look in style.defences(frame["defence"]).items() if name in names}
        frame["drawn"] = select.mark(frame, shown) & frame["defence"].isin(names).to_numpy()
        drawn = frame[frame["drawn"].astype(bool)]
        row = _row(len(looks))
        figure = style.blank(style.PAGE, row * len(shown) + REST)
        panels = figure.subplots(1, 3, sharey=True)
        for place, cell in enumerate(shown):
            lines = {name: place + (i + 0.5 - len(looks) / 2) * STEP / row for i, name in enumerate(looks)}
            if place % 2:
                for panel in panels:
                    panel.axhspan(place - 0.5, place + 0.5, color=style.BAND, linewidth=0, zorder=0)
            mine = cell.of(drawn)
            for one in mine.to_dict("records"):
                _points(panels, lines[one["defence"]], one, looks[one["defence"]], STEP / row / 2)
            style.rings(panels[0], mine["leakage"], [lines[name] for name in mine["defence"]], mine)
        _axes(panels, shown, drawn)
        style.message(figure, _said(frame), left_out=len(every) - len(shown))
        floor = style.Look(style.GREY, "|")
        handles = [style.key(look, name) for name, look in looks.items()]
        handles += [style.key(floor, "no difference, by chance"), *style.ring_keys(drawn)]
        style.legend(figure, [*handles, *style.line_keys(chance="chance; no cost")])
        return figure, frame


def numbers(models, leakage):
    """Return leakage, Delta_EO, accuracy and its cost, with intervals: a row a defence in each task's main pair of worlds."""
    victims = select.plain(select.of(models, role="victim"))
    judged = select.alive(select.best_informed(leakage.reset_index(drop=True)))
    cells = select.main_cells(victims)[0]
    rows = [row for cell in cells for row in _rows(cell.of(victims), cell.of(judged), cell)]
    return select.frame_of(rows, COLUMNS)


def _rows(models, leakage, cell):
    """Yield a cell's numbers, a row a defence."""
    judged = leakage.drop_duplicates("defence").set_index("defence")
    for defence in style.defences(models["defence"]):
        part = select.of(models, defence=defence)
        row = {**cell.keys, "defence": defence, "victims": len(part)}
        for name in ("delta_eo", "accuracy"):
            mean = select.mean_over_splits(part[name], part["split"], span=(0.0, 1.0))
            row |= {name: mean.mean, f"{name}_low": mean.low, f"{name}_high": mean.high}
        for name, (column, unit) in CHANGES.items():
            change = _change(part, select.of(models, defence="none"), name, unit)
            if defence == "none" and change.n:
                change = select.Mean(0.0, float("nan"), float("nan"), change.n)  # of the models themselves: no estimate
            row |= {column: change.mean, f"{column}_low": change.low, f"{column}_high": change.high}
        row["delta_eo_floor"] = float(part["delta_eo_floor"].mean())
        for end in ("", "_low", "_high"):
            row[f"leakage{end}"] = (
                float(judged.at[defence, f"accuracy{end}"]) if defence in judged.index else float("nan")
            )
        row["against_chance"] = judged.at[defence, "against_chance"] if defence in judged.index else None
        yield row


def _change(part, base, name, unit):
    """Return the mean of the models' `name` minus that of undefended ones of the same split, world and number, times `unit`."""
    keys = ["split", "world", "model_index"]
    both = part.merge(base[[*keys, name]], on=keys, suffixes=("", "_none"))
    found = unit * (both[name] - both[f"{name}_none"]).astype(float)
    return select.mean_over_splits(found, both["split"], span=(-float(unit), float(unit)))


def _row(defences):
    """Return the height in inches of a row with so many defences."""
    return max(LEAST, STEP * defences + APART)


def _fitting(frame, every):
    """Return the defences and the cells to draw: fewer defences before fewer tasks."""
    names = style.few(style.defences(frame["defence"]), FIRST)
    while len(names) > 3 and len(every) * _row(len(names)) > style.TALLEST - REST:
        names = names[:-1]
    return names, select.spread(every, style.fits(_row(len(names)), rest=REST))


def _points(panels, y, row, look, half):
    """Draw a defence's measures at the height y, and what Delta_EO would be by chance: a tick of `half` up and down."""
    for panel, name in zip(panels, MEASURES, strict=True):
        _point(panel, y, row, name, look)
    floor = row["delta_eo_floor"]
    if floor == floor:
        panels[MEASURES.index("delta_eo")].vlines(floor, y - half, y + half, color=style.GREY, linewidth=1.6, zorder=2)


def _point(panel, y, row, name, look):
    if row[name] != row[name]:
        return
    low, high = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
    error = None if low != low or high != high else [[max(0.0, low)], [max(0.0, high)]]
    panel.errorbar(row[name], y, xerr=error, color=look.color, marker=look.marker, markersize=3.6 * look.size, elinewidth=0.9,
                   linestyle="none", zorder=3)  # fmt: skip


def _axes(panels, shown, drawn):
    left, middle, right = panels
    left.set_ylim(len(shown) - 0.5, -0.5)
    pairs = {cell.pair for cell in shown}
    left.set_yticks(range(len(shown)), [select.row_label(cell, drawn, pair=len(pairs) > 1) for cell in shown])
    alone = f"\n({next(iter(pairs)).label})" if len(pairs) == 1 else ""
    for panel, title in zip(panels, (BEST + alone, TERM, COST), strict=True):
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x", color=style.BAND, linewidth=0.8)
        panel.set_xlabel(title)
    style.chance(left)
    left.set_xlim(max(-0.02, min([0.42, *(drawn["leakage_low"].dropna() - 0.03)])), 1.03)
    middle.set_xlim(left=0)
    right.axvline(0, color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
    right.locator_params(axis="x", nbins=5)


def _said(frame):
    """Return the message: what the fair defence does to leakage, Delta_EO and accuracy, over the tasks and models."""
    fair = next((name for name in ("fft-rehearsal", "fft") if (frame["defence"] == name).any()), None)
    found = select.of(frame, defence=fair)
    kept, changed = found[found["leakage_low"].notna()], found[found["delta_eo_change_low"].notna()]
    if fair is None or kept.empty:
        return "Leakage, Delta_EO and accuracy cost of each defence"
    still = int((kept["leakage_low"] > 0.5).sum())
    said = [f"{fair}: the world is still named above chance in {still} of {len(kept)} cases"]
    if len(changed):
        down, up = int((changed["delta_eo_change_high"] < 0).sum()), int((changed["delta_eo_change_low"] > 0).sum())
        said.append(f"mean Delta_EO falls in {down} and rises in {up}")
    cost = found["cost"].dropna()
    if len(cost):
        said.append(f"accuracy changes by {cost.median():+.1f} points (median)".replace("-", "\u2212"))
    return "; ".join(said)


PLUGIN = Summary()
