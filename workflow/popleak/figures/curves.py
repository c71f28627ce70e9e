"""What mixing, forgetting and fairness each do: leakage, accuracy and Delta_EO along each setting that varies while all else is equal."""

from __future__ import annotations

from . import _axes as settings
from . import _defences as defended
from . import _select as select
from . import _style as style
from .base import Figure

MEASURES = {"informed_advantage": "best informed\nadvantage", "accuracy": "accuracy", "delta_eo": "Delta_EO"}
COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "axis", "value", "kind", "defence", "victims",
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")), "drawn",
)  # fmt: skip
HEIGHT, REST = 3.6, 1.0
LABELS = 4
"""Ticks of a panel that are named at most."""


class Curves(Figure):
    name = "curves"
    summary = "leakage, accuracy and Delta_EO along each setting of the defences that varies while all else is equal"
    caption = (
        "Each column is one setting, and along a line nothing else varies: the share of S_0 in the fine-tuning rows and the number of these rows (mixing), step "
        "size and epochs (forgetting), and the weight of the EO term (fairness; 0 is the control). Rows: advantage of the best informed adversary (dashed: "
        "none), mean accuracy and mean Delta_EO. Values stand at equal distances, whatever they are. Bars: 95 % intervals, by pool split. "
        "Pure worlds where they were run, else the widest pair of ratios. Settings that no defence is run at several values of are not drawn."
    )
    tables = ("defences",)

    def draw(self, tables, *, tau):
        table, cells = defended.main(tables["defences"])
        found = {cell: settings.curves(cell.of(table).to_dict("records")) for cell in cells}
        found = {cell: some for cell, some in found.items() if some}
        if not found:
            return style.missing(
                "no setting of a defence takes several values in the table `defences`"
            ), select.frame_of([], COLUMNS)
        shown = _chosen(found, style.fits(HEIGHT, rest=REST))
        frame = select.frame_of(
            [row for cell, some in found.items() for row in _rows(cell, some, cell.of(table))], COLUMNS
        )
        axes_of = [axis for axis in settings.AXES if any(one.axis == axis for some in found.values() for one in some)]
        looks = style.defences(style.few(style.defences(frame["kind"]), ("rehearsal", "fft-rehearsal", "scratch")))
        frame["drawn"] = select.mark(frame, shown) & frame["kind"].isin(list(looks)).to_numpy()
        figure = style.blank(style.width(len(axes_of)), HEIGHT * len(shown) + REST)
        panels = figure.subplots(len(MEASURES) * len(shown), len(axes_of), squeeze=False, sharey="row")
        for i, cell in enumerate(shown):
            title = cell.title.replace("\n", ", ") if len(found) > 1 else ""
            block = panels[len(MEASURES) * i : len(MEASURES) * (i + 1)]
            _block(block, cell.of(frame[frame["drawn"].astype(bool)]), found[cell], axes_of, looks, title)
        style.message(figure, _said(frame), left_out=len(found) - len(shown))
        style.legend(figure, [style.key(look, name, line=True) for name, look in looks.items()])
        return figure, frame


def _chosen(found, most):
    """Return the cells to draw, `most` at most: of those in which the most settings vary, and of others only where these are too few."""
    varied = {cell: len({one.axis for one in some}) for cell, some in found.items()}
    chosen = []
    for many in sorted(set(varied.values()), reverse=True):
        alike = [cell for cell in found if varied[cell] == many]
        chosen += select.spread(alike, most - len(chosen)) if len(chosen) < most else []
    return [cell for cell in found if cell in chosen]


def _block(panels, mine, found, axes_of, looks, title):
    """Draw a cell's panels, a column a setting."""
    for column, axis in enumerate(axes_of):
        order = settings.positions(axis, [one for one in found if one.axis == axis])
        _column([row[column] for row in panels], mine[mine["axis"] == axis], axis, order, looks)
    for row, label in zip(panels, MEASURES.values(), strict=True):
        row[0].set_ylabel(label)
    panels[0][0].set_title(title, loc="left")


def _rows(cell, found, mine):
    by = mine.set_index("defence")
    for curve in found:
        for value, arm in zip(curve.values, curve.arms, strict=True):
            row = by.loc[arm]
            yield {
                **cell.keys, "axis": curve.axis, "value": value, "kind": curve.kind, "defence": arm, "victims": row["victims"],
                **{f"{name}{end}": row[f"{name}{end}"] for name in MEASURES for end in ("", "_low", "_high")},
            }  # fmt: skip


def _column(panels, mine, axis, order, looks):
    """Draw the panels of one setting, from the top; order: its values."""
    for panel, name in zip(panels, MEASURES, strict=True):
        panel.grid(color=style.BAND, linewidth=0.8)
        if name == "informed_advantage":
            style.chance(panel, 0.0, across=False)
        for i, (kind, look) in enumerate(looks.items()):
            part = mine[(mine["kind"] == kind) & mine[name].notna()]
            if part.empty:
                continue
            part = part.assign(place=[order.index(value) for value in part["value"]]).sort_values("place")
            shift = 0.06 * (i - (len(looks) - 1) / 2)
            panel.errorbar(part["place"] + shift, part[name], yerr=style.spread(part, name), color=look.color, marker=look.marker,
                           markersize=3.6 * look.size, linestyle=look.line, linewidth=1.0, elinewidth=0.7, zorder=3)  # fmt: skip
        if not len(mine) or mine[name].isna().all():
            style.empty_panel(panel, "does not vary" if not len(mine) else "not known")
        every = max(1, -(-len(order) // LABELS))
        named = [settings.label(axis, value) if i % every == 0 else "" for i, value in enumerate(order)]
        last = panel is panels[-1]
        panel.set_xticks(range(len(order)), named if last else [""] * len(order))
        panel.set_xlim(-0.4, max(len(order) - 0.6, 0.4))
        panel.locator_params(axis="y", nbins=4)
    about, _, what = settings.AXES[axis].partition(": ")
    panels[-1].set_xlabel(f"{what}\n({about})")


def _said(frame):
    """Return the message: by how much leakage differs along each setting, at most."""
    ranges = {}
    for axis in settings.AXES:
        parts = frame[(frame["axis"] == axis) & frame["informed_advantage"].notna()].groupby([*select.FACET, "kind"])
        spans = [
            part["informed_advantage"].max() - part["informed_advantage"].min() for _, part in parts if len(part) > 1
        ]
        if spans:
            ranges[settings.AXES[axis].partition(": ")[2]] = sum(spans) / len(spans)
    if not ranges:
        return "Leakage, accuracy and Delta_EO along each setting of the defences"
    ranked = sorted(ranges.items(), key=lambda one: -one[1])
    named = ", ".join(f"{name} {value:.2f}" for name, value in ranked)
    return f"How far the best informed advantage moves along each setting, on average: {named}"


PLUGIN = Curves()
