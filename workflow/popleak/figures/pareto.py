"""Accuracy against leakage of every defence, and which of them no other one beats."""

from __future__ import annotations

from . import _defences as defended
from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "kind", "victims",
    *(f"{name}{end}" for name in ("accuracy", "informed_advantage", "delta_eo") for end in ("", "_low", "_high")),
    "certified_advantage", "against_chance", "leak", "front", "front_eo", "drawn",
)  # fmt: skip
SIZES = (0.05, 0.15)
"""Delta_EO up to which a marker is small, and medium."""
POINTS = (3.2, 5.0, 7.2)
PALE = "#BDBDBD"


class Pareto(Figure):
    name = "pareto"
    summary = "accuracy, leakage and Delta_EO of every defence, and the front that no other one beats"
    caption = (
        "Each point is a defence at one of its settings: mean accuracy (x) and advantage of the best informed adversary (y); the larger, the larger "
        "its mean Delta_EO. An advantage below chance is drawn by its size, as whoever answers the opposite has it. Down and to the right is better. Line: the front, on which no other defence is at least as accurate and leaks at most as much. "
        "Colour: on the front, or on it once Delta_EO counts too; pale: beaten in all three. Ringed: certified at 0.05 or less. Bars, of what is on the front: 95 % "
        "intervals, by pool split; where they overlap the order of points is not decided. Pure worlds where they were run, else the widest pair of "
        "ratios. Scales of accuracy differ between tasks."
    )
    tables = ("defences",)

    def draw(self, tables, *, tau):
        table, cells = defended.main(tables["defences"])
        if not cells:
            return style.missing(defended.MISSING), select.frame_of([], COLUMNS)
        grid = stacked.grid(cells, 1, height=2.5, rest=1.2, most=3)
        frame = table.assign(leak=defended.leak(table), front=False, front_eo=False)
        for cell in cells:
            mine = cell.of(frame)
            frame.loc[mine.index, "front"] = defended.front(mine, ("accuracy",), ("leak",))
            frame.loc[mine.index, "front_eo"] = defended.front(mine, ("accuracy",), ("leak", "delta_eo"))
        frame = frame.assign(drawn=select.mark(frame, grid.shown)).reindex(columns=list(COLUMNS))
        first = frame[frame["front_eo"]].groupby("kind").size().sort_values(ascending=False, kind="stable")
        looks = style.defences(style.few(style.defences(frame.loc[frame["front_eo"], "kind"]), ["none", *first.index]))
        upright = frame["leak"] == frame["informed_advantage"]
        lows = frame.loc[frame["drawn"].astype(bool) & frame["front"].astype(bool) & upright, "informed_advantage_low"]
        floor = max(-1.05, min(-0.12, float(lows.min()) - 0.04)) if lows.notna().any() else -0.12
        for stack in grid.stacks:
            _panel(stack, stack.cell.of(frame), looks, floor)
        style.message(grid.figure, _said(frame), left_out=grid.left_out)
        style.legend(grid.figure, _keys(looks, frame[frame["drawn"]]))
        return grid.figure, frame


def _panel(stack, mine, looks, floor):
    (panel,) = stack.panels
    panel.grid(color=style.BAND, linewidth=0.8)
    panel.axhline(0, color=style.REFERENCE, linewidth=0.8, linestyle=style.CHANCE, zorder=1)
    known = mine[mine["accuracy"].notna() & mine["informed_advantage"].notna()]
    if known.empty:
        style.empty_panel(panel, "no adversary `best`" if mine["accuracy"].notna().any() else style.UNKNOWN)
    edge = known[known["front"].astype(bool)].sort_values("accuracy")
    panel.step(edge["accuracy"], edge["leak"], where="pre", color=style.REFERENCE, linewidth=0.9, zorder=2)
    beaten = known[~known["front_eo"].astype(bool)]
    for row in beaten.to_dict("records"):
        panel.plot([row["accuracy"]], [row["leak"]], marker="o", markersize=_size(row), color=PALE, markerfacecolor="white",
                   markeredgewidth=0.8, linestyle="none", zorder=2)  # fmt: skip
    for row in known[known["front_eo"].astype(bool)].to_dict("records"):
        look = looks.get(row["kind"], style.Look(style.GREY, "o"))
        error = {}
        for axis, name in (("xerr", "accuracy"), ("yerr", "informed_advantage")):
            low, high = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
            if name == "informed_advantage" and row["leak"] != row[name]:
                low, high = high, low  # upside down
            bare = not row["front"] or low != low or high != high
            error[axis] = None if bare else [[max(0.0, low)], [max(0.0, high)]]
        panel.errorbar(row["accuracy"], row["leak"], **error, color=look.color, marker=look.marker, markersize=_size(row) * look.size,
                       elinewidth=0.6, markeredgecolor="white", markeredgewidth=0.4, zorder=4)  # fmt: skip
    for row in known[known["certified_advantage"] <= defended.SMALL].to_dict("records"):
        panel.plot([row["accuracy"]], [row["leak"]], marker="o", markersize=_size(row) + 4.5, markerfacecolor="none",
                   markeredgecolor=style.BLACK, markeredgewidth=0.8, linestyle="none", zorder=5)  # fmt: skip
    panel.set(title=stack.cell.title, ylim=(floor, 1.05))
    panel.margins(x=0.12)
    panel.locator_params(axis="x", nbins=4)
    panel.tick_params(labelleft=stack.first)
    if stack.last:
        panel.set_xlabel("accuracy")
    if stack.first:
        panel.set_ylabel("best informed advantage")


def _size(row):
    """Return the size of a marker, by its Delta_EO."""
    value = row["delta_eo"]
    return POINTS[sum(value > bar for bar in SIZES)] if value == value else POINTS[0]


def _said(frame):
    """Return the message: which kinds of defence are on the front in how many tasks."""
    parts = [part for _, part in frame.groupby(select.FACET, sort=False) if part["front"].any()]
    if not parts:
        return "Accuracy and leakage of every defence"
    kinds: dict[str, int] = {}
    for part in parts:
        for kind in dict.fromkeys(part.loc[part["front"] & (part["defence"] != "none"), "kind"]):
            kinds[kind] = kinds.get(kind, 0) + 1
    ranked = sorted(kinds.items(), key=lambda one: -one[1])
    named = ", ".join(f"{kind} in {count}" for kind, count in ranked[:4])
    of = (
        f" of {len(parts)} {'cases of a task and a model' if frame['model'].nunique() > 1 else 'tasks'}"
        if len(parts) > 1
        else ""
    )
    if not named:
        return "No defence is on the front of accuracy and leakage"
    if not of:
        return f"On the front of accuracy and leakage: {', '.join(kind for kind, _ in ranked[:4])}"
    return f"On the front of accuracy and leakage: {named}{of}"


def _keys(looks, drawn):
    from matplotlib.lines import Line2D

    def dot(label, size, **more):
        return Line2D([], [], linestyle="none", marker="o", color=style.REFERENCE, markersize=size, label=label, **more)

    keys = [style.key(look, name) for name, look in looks.items()]
    if not drawn["front_eo"].all():
        keys.append(dot("beaten", 4, markerfacecolor="white", markeredgecolor=PALE))
    keys += [Line2D([], [], color=style.REFERENCE, linewidth=0.9, label="front")]
    if (drawn["certified_advantage"] <= defended.SMALL).any():
        keys.append(dot("certified", 8, markerfacecolor="none", markeredgecolor=style.BLACK))
    named = (f"Delta_EO up to {SIZES[0]:g}", f"up to {SIZES[1]:g}", "more")
    return [*keys, *(dot(name, size) for name, size in zip(named, POINTS, strict=True))]


PLUGIN = Pareto()
