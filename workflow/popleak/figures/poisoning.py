"""What a sharer that chose its rows makes of models: unfairness, accuracy and dependence, by the share of rows that it replaced."""

from __future__ import annotations

from ..core.protocols import FLIPPING, UNFAIR
from . import _generated as generated
from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "defence", "receiver", "measure", "share", "models", "splits", "value", "value_low", "value_high", "drawn",
)  # fmt: skip
MEASURES = {"delta_eo": "$\\Delta_{EO}$", "dp_difference": "demographic-parity\ndifference", "accuracy": "accuracy"}
INFORMATION = {"information_own": "the sharer's rows", "information": "rows of the generator"}
FLIPPED = ("none", "synthetic")
"""Receivers whose models are drawn under flipped labels too; the others are in the numbers alone."""
LOOKS = {
    "none": style.Look(style.BLACK, "o"),
    "synthetic": style.Look(style.VERMILLION, "s"),
    "balanced": style.Look(style.SKY, "v"),
    "fair": style.Look(style.GREEN, "^"),
    "balanced-fair": style.Look(style.BLUE, "D"),
}
DASHED = (0, (2.5, 1.5))
SAID = {
    "none": "the sharer's rows", "synthetic": "the generator's", "balanced": "the generator's, balanced",
    "fair": "the generator's, fine-tuned fairly", "balanced-fair": "the generator's, balanced and fine-tuned fairly",
}  # fmt: skip


class Poisoning(Figure):
    name = "poisoning"
    summary = "unfairness, accuracy and I(S; Y) by the share of rows that a sharer chose to be unfair, by what the receiver does"
    caption = (
        "Models that are trained on rows of which a sharer replaced a share, by that share; at 0 nothing was replaced. Solid: by rows of its own that are chosen "
        "to be unfair (fairness poisoning). Dashed, hollow: labels flipped among as many rows, to compare with. From the top: Delta_EO, the demographic-parity "
        "difference, accuracy, and the mutual information of group and label in nats, of the sharer's rows and of rows of "
        "the generator. Chosen rows are to keep I(X; Y) of features and label, which a receiver could look at, within a tenth of its clean value; the check A6 on it "
        "says at which shares they do not, and there the attack is stronger, and easier to see, than the one described. The sharer's rows: the same rows without a generator between. All others train on the generator's rows alone; balanced: "
        "all labels and groups equally often; fine-tuned fairly: with the EO penalty. Markers: means over models, bars: "
        "95 % intervals over pool splits. Models of one number share initial weights and all rows that were not replaced."
    )
    tables = ("models", "samples", "defences")

    def draw(self, tables, *, tau):
        numbers = measured(tables)
        if numbers.empty:
            return style.missing("no victim of a sharer that replaced rows in the table `models`"), select.frame_of(
                [], COLUMNS
            )
        cells = [
            select.Cell(facet, select.Pair(UNFAIR, 0.0, 1.0), facet.title)
            for facet in select.facets(numbers[numbers["measure"] == "delta_eo"])
        ]
        grid = stacked.grid(cells, len(MEASURES) + 1, height=6.6, rest=1.5, most=3)
        kept = numbers["receiver"].notna() & ((numbers["protocol"] == UNFAIR) | numbers["receiver"].isin(FLIPPED))
        for stack in grid.stacks:
            mine = numbers[(numbers["task"] == stack.cell.facet.task) & kept]
            _panels(stack, mine[mine["model"] == stack.cell.facet.model], mine[mine["measure"].isin(list(INFORMATION))])
        places = {cell.facet.task for cell in grid.shown}
        numbers["drawn"] = kept & numbers["task"].isin(list(places))
        style.message(grid.figure, _said(numbers), left_out=grid.left_out)
        style.legend(grid.figure, _keys(numbers[numbers["drawn"]]))
        return grid.figure, numbers[list(COLUMNS)]


def measured(tables):
    """Return a row a task, model, protocol, defence, measure and share, with means and intervals; measures of rows stand under the generator's id."""
    found = []
    roles = {task: generated.receivers(part) for task, part in tables["defences"].groupby("task")}
    for (task, *_), part in victims(tables["models"]).groupby(
        [*select.FACET, "protocol", "defence", "share"], sort=True
    ):
        first = part.iloc[0]
        role = roles.get(task, {}).get(first["defence"], "none" if first["defence"] == "none" else None)
        found += [_row(first, part, measure, first["defence"], role) for measure in MEASURES]
    for _, part in released(tables["samples"]).groupby([*select.FACET, "protocol", "defence", "share"], sort=True):
        first = part.iloc[0]
        role = {"information_own": "none", "information": "synthetic"} if first["defence"] == "none" else {}
        found += [_row(first, part, measure, first["defence"], role.get(measure)) for measure in INFORMATION]
    return select.frame_of(found, COLUMNS)


def victims(models):
    """Return each victim of a sharer that replaces rows once, with the share that it replaced; the clean world is in each of its pairs."""
    rows = models[((models["role"] == "victim") & models["protocol"].isin([UNFAIR, FLIPPING])).to_numpy()]
    rows = rows.assign(share=rows["ratio_0"].where(rows["world"] == 0, rows["ratio_1"]).astype(float))
    return rows.drop_duplicates([*select.FACET, "protocol", "defence", "share", "split", "model_index"])


def released(samples):
    """Return what each generator of such a sharer released once, with the share that it replaced in `share`."""
    rows = samples[(samples["protocol"].isin([UNFAIR, FLIPPING]) & samples["finite"].astype(bool)).to_numpy()]
    rows = rows.rename(columns={"share": "group_share"}).assign(share=rows["ratio"].astype(float))
    return rows.drop_duplicates([*select.FACET, "protocol", "defence", "share", "split", "model_index"])


def _row(first, part, measure, defence, receiver):
    import numpy as np

    mean = select.mean_over_splits(part[measure], part["split"])
    most = np.inf if measure in INFORMATION else 1.0  # rates and their differences end at 1
    return {
        "task": first["task"], "model": first["model"], "protocol": first["protocol"], "defence": defence, "receiver": receiver, "measure": measure,
        "share": float(first["share"]), "models": mean.n, "splits": part["split"].nunique(), "value": mean.mean, "value_low": np.clip(mean.low, 0.0, most),
        "value_high": np.clip(mean.high, 0.0, most), "drawn": False,
    }  # fmt: skip


def _panels(stack, mine, information):
    for panel, measure in zip(stack.panels, MEASURES, strict=False):
        for receiver, look in LOOKS.items():
            for protocol in (UNFAIR, FLIPPING):
                part = select.of(mine, measure=measure, receiver=receiver, protocol=protocol)
                _line(panel, part, look, protocol == FLIPPING)
        if measure != "accuracy":
            panel.set_ylim(bottom=0)
    for measure, receiver in zip(INFORMATION, FLIPPED, strict=True):
        for protocol in (UNFAIR, FLIPPING):
            _line(
                stack.panels[-1],
                select.of(information, measure=measure, protocol=protocol),
                LOOKS[receiver],
                protocol == FLIPPING,
            )
    stack.panels[-1].set_ylim(bottom=0)
    shares = sorted(set(mine["share"]))
    for panel, label in zip(stack.panels, (*MEASURES.values(), "I(S; Y), nats"), strict=True):
        panel.set_xlim(-0.03, max(shares, default=0) + 0.03)
        panel.tick_params(labelbottom=panel is stack.panels[-1])
        if stack.first:
            panel.set_ylabel(label)
    stack.panels[0].set_title(stack.cell.title)
    stack.panels[-1].set_xlabel("share of rows replaced")


def _line(panel, part, look, dashed):
    part = part[part["value"].notna()].sort_values("share")
    if part.empty:
        return
    panel.errorbar(
        part["share"], part["value"], yerr=style.spread(part, "value"), color=look.color, marker=look.marker, linestyle=DASHED if dashed else "-",
        linewidth=1.0, elinewidth=0.7, markersize=3.4 * look.size, markeredgewidth=0.9, markerfacecolor="white" if dashed else look.color, zorder=3,
    )  # fmt: skip


def _said(numbers):
    """Return the message: what the largest share does to models of the generator's rows, and to those of a receiver who balances and fine-tunes fairly."""
    unfair = numbers[(numbers["protocol"] == UNFAIR) & (numbers["measure"] == "delta_eo")]
    top = float(unfair["share"].max()) if len(unfair) else float("nan")
    parts = []
    for receiver, share, text in (
        ("synthetic", 0.0, "from {} without poison"), ("synthetic", top, "to {} at a share of {:g}"), ("balanced-fair", top, "{} where the receiver balances and fine-tunes fairly"),
    ):  # fmt: skip
        values = unfair[(unfair["receiver"] == receiver) & (unfair["share"] == share)]["value"].dropna()
        if len(values):
            parts.append(text.format(generated.span(values), share))
    if len(parts) < 2:
        return "How unfair and how accurate models are, by the share of rows that a sharer chose to be unfair"
    return f"Delta_EO of models of a generator's rows goes {parts[0]} {parts[1]}" + (
        f"; it is {parts[2]}" if len(parts) > 2 else ""
    )


def _keys(drawn):
    from matplotlib.lines import Line2D

    receivers = set(drawn["receiver"])
    keys = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="-", linewidth=1.0, markersize=4.2 * look.size, label=SAID[name])
        for name, look in LOOKS.items() if name in receivers
    ]  # fmt: skip
    if (drawn["protocol"] == FLIPPING).any():
        keys.append(
            Line2D(
                [],
                [],
                color=style.GREY,
                marker="o",
                markerfacecolor="white",
                linestyle=DASHED,
                markersize=4.2,
                label="labels flipped",
            )
        )
    return keys


PLUGIN = Poisoning()
