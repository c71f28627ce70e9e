"""Leakage, fairness and what they cost, of every defence on every task, in one view."""

from __future__ import annotations

from . import _select as select
from . import _style as style
from .base import Figure

MEASURES = ("leakage", "delta_eo", "cost")
COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "victims",
    *(f"{name}{end}" for name in (*MEASURES, "accuracy") for end in ("", "_low", "_high")), "delta_eo_floor", "against_chance", "drawn",
)  # fmt: skip
FIRST = ("none", "fft-rehearsal", "rehearsal", "fft", "finetune", "scratch")
"""Defences that are drawn before others where a page has no room for all."""
STEP = 0.135
BEST, TERM, COST = "best informed\nadversary: share named", "$\\Delta_{EO}$", "accuracy of the model\nminus undefended"


class Summary(Figure):
    name = "summary"
    summary = "best informed accuracy, Delta_EO and accuracy cost of every defence, on every task"
    caption = (
        "A row a defence, below its task and pair of worlds (pure where they were run, else the widest pair of ratios). Left: share of "
        "victims whose training world the best informed adversary names; dashed, chance. Middle: mean Delta_EO on all rows of the query "
        "pool; grey tick: what it would be by chance without any difference between the groups. Right: what the defence costs, the mean "
        "accuracy of a model minus that of the undefended model of the same split, world and number, in percentage points. Bars: 95 % intervals, clustered by pool split. Where a page has no room for all "
        "defences, some are left out; the figure's numbers hold all. " + style.RINGED
    )
    tables = ("models", "leakage")

    def draw(self, tables, *, tau):
        frame = numbers(tables["models"], tables["leakage"])
        if frame.empty:
            return style.missing("no victims in pure or ratio worlds in the table `models`"), frame
        every = select.main_cells(frame)[0]
        names, shown = _fitting(frame, every, int((style.TALLEST - 1.5) / STEP))
        looks = {name: look for name, look in style.defences(frame["defence"]).items() if name in names}
        frame["drawn"] = select.mark(frame, shown) & frame["defence"].isin(names).to_numpy()
        lines = _lines(frame, shown)
        figure = style.blank(style.PAGE, STEP * len(lines) + 1.5)
        panels = figure.subplots(1, 3, sharey=True)
        for y, (_, row) in enumerate(lines):
            if row is None:
                _heading(panels, y)
            else:
                _points(panels, y, row, looks[row["defence"]])
        _axes(panels, lines)
        drawn = frame[frame["drawn"].astype(bool)]
        place = {tuple(row[name] for name in COLUMNS[:6]): y for y, (_, row) in enumerate(lines) if row}
        at = [place[key] for key in drawn[list(COLUMNS[:6])].itertuples(index=False, name=None)]
        style.rings(panels[0], drawn["leakage"], at, drawn)
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
        cost = _cost(part, select.of(models, defence="none"))
        if defence == "none" and cost.n:
            cost = select.Mean(0.0, float("nan"), float("nan"), cost.n)  # of the models themselves: no estimate
        row |= {"cost": cost.mean, "cost_low": cost.low, "cost_high": cost.high}
        row["delta_eo_floor"] = float(part["delta_eo_floor"].mean())
        for end in ("", "_low", "_high"):
            row[f"leakage{end}"] = (
                float(judged.at[defence, f"accuracy{end}"]) if defence in judged.index else float("nan")
            )
        row["against_chance"] = judged.at[defence, "against_chance"] if defence in judged.index else None
        yield row


def _cost(part, base):
    """Return the mean of the models' accuracy minus that of undefended ones of the same split, world and number, in points."""
    keys = ["split", "world", "model_index"]
    both = part.merge(base[[*keys, "accuracy"]], on=keys, suffixes=("", "_none"))
    points = 100 * (both["accuracy"] - both["accuracy_none"]).astype(float)
    return select.mean_over_splits(points, both["split"], span=(-100.0, 100.0))


def _fitting(frame, every, most):
    """Return the defences and the cells to draw, of so many lines at most: fewer defences before fewer tasks."""
    names = style.few(style.defences(frame["defence"]), FIRST)
    while len(names) > 3 and len(every) * (1 + len(names)) > most:
        names = names[:-1]
    return names, every[: max(1, most // (1 + len(names)))]


def _lines(frame, shown):
    """Return (label, row) of each line; a task's heading has no row."""
    several, lines = len(set(frame["model"])) > 1, []
    for cell in shown:
        model = f", {cell.facet.model}" if several else ""
        lines.append((f"{style.short(cell.facet.task, 24)}{model} ({cell.pair.label})", None))
        lines += [(row["defence"], row) for row in cell.of(frame).to_dict("records") if row["drawn"]]
    return lines


def _heading(panels, y):
    for panel in panels:
        panel.axhspan(y - 0.5, y + 0.5, color=style.BAND, linewidth=0, zorder=0)


def _points(panels, y, row, look):
    """Draw a defence's measures at the height y, and what Delta_EO would be by chance."""
    for panel, name in zip(panels, MEASURES, strict=True):
        _point(panel, y, row, name, look)
    floor = row["delta_eo_floor"]
    if floor == floor:
        panels[MEASURES.index("delta_eo")].vlines(floor, y - 0.42, y + 0.42, color=style.GREY, linewidth=1.6, zorder=2)


def _point(panel, y, row, name, look):
    if row[name] != row[name]:
        return
    low, high = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
    error = None if low != low or high != high else [[max(0.0, low)], [max(0.0, high)]]
    panel.errorbar(row[name], y, xerr=error, color=look.color, marker=look.marker, markersize=3.8 * look.size, elinewidth=0.9,
                   linestyle="none", zorder=3)  # fmt: skip


def _axes(panels, lines):
    left, middle, right = panels
    left.set_ylim(len(lines) - 0.5, -0.5)
    left.set_yticks(range(len(lines)), [label for label, _ in lines])
    for label, (_, row) in zip(left.get_yticklabels(), lines, strict=True):
        label.set_fontweight("bold" if row is None else "normal")
    for panel, title in zip(panels, (BEST, TERM, COST), strict=True):
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x", color=style.BAND, linewidth=0.8)
        panel.set_xlabel(title)
    style.chance(left)
    known = [row["leakage_low"] for _, row in lines if row and row["leakage_low"] == row["leakage_low"]]
    left.set_xlim(max(-0.02, min([0.42, *(low - 0.03 for low in known)])), 1.03)
    middle.set_xlim(left=0)
    right.axvline(0, color=style.REFERENCE, linewidth=0.9, linestyle=style.CHANCE, zorder=1)
    right.locator_params(axis="x", nbins=5)


def _said(frame):
    """Return the message: what the fair defence does to leakage, Delta_EO and accuracy, over the tasks."""
    fair = next((name for name in ("fft-rehearsal", "fft") if (frame["defence"] == name).any()), None)
    keys = ["task", "model"]
    both = select.of(frame, defence="none").merge(select.of(frame, defence=fair), on=keys, suffixes=("_none", ""))
    if fair is None or both.empty:
        return "Leakage, Delta_EO and accuracy cost of each defence"
    kept = both[both["leakage_low"].notna()]
    still = int((kept["leakage_low"] > 0.5).sum())
    down = int((both["delta_eo"] < both["delta_eo_none"]).sum())
    cost = both["cost"].dropna()
    said = f"; median cost {-cost.median():.1f} points of accuracy" if len(cost) else ""
    return f"{fair}: Delta_EO is lower in {down} of {len(both)} tasks, the world is still named above chance in {still} of {len(kept)}{said}"


PLUGIN = Summary()
