"""Which ratio each attack names for victims of which ratio: confusion matrices."""

from __future__ import annotations

from ..measures.verdicts import BELOW
from . import _many as many
from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (*many.CELL, "ratio", "named", "victims", "share")
MOST = 24
"""Panels; of more, those of undefended victims alone."""


class Confusion(Figure):
    name = "confusion"
    summary = "confusion matrices of attacks that name one ratio among many, by task, defence and attack"
    caption = (
        "Share of the victims of each true ratio (rows, each summing to 100 %) for which the attack names each "
        "ratio (columns); informed shadows. Numbers: per cent, left out below 0.5. Frames: right answers. Above "
        "each matrix: share of victims whose ratio is named, with its 95 % interval (clustered by pool split); "
        "chance is 1 / number of ratios; the bias-corrected mutual information between true and named ratio, in "
        "bits, and the highest accuracy that so much information allows (Fano's inequality). Rows of panels: task "
        "and defence, with what the training rows of undefended victims themselves give away, where that was run. "
        "With more than 24 panels those of defended victims are left out."
    )
    tables = ("confusion", "regression")

    def draw(self, tables, *, tau):
        every, errors = many.rows(tables["confusion"]), many.rows(tables["regression"])
        frame = select.attacks(every)
        if frame.empty:
            return style.missing("no games of many worlds in the table `confusion`"), select.frame_of([], COLUMNS)
        keys = [*many.CELL[:4], "adversary"]
        if len(frame[keys].drop_duplicates()) > MOST and (frame["defence"] == "none").any():
            frame = select.of(frame, defence="none")
        places, looks = many.places(frame), style.adversaries(frame["adversary"])
        overall = errors[errors["ratio"].isna()]
        blocks = [(place, names) for place in places for names in _rows_of(many.at(frame, place), looks)]
        wide = max(len(names) for _, names in blocks)
        count = max(len(many.worlds(place)) for place in places)
        side = min(3.1, max(2.4, 0.27 * count + 0.2))
        figure = style.blank(1.0 + wide * (side + 0.15), len(blocks) * (side + 0.85))
        axes = figure.subplots(len(blocks), wide, squeeze=False)
        for r, (place, names) in enumerate(blocks):
            for panel in axes[r, len(names) :]:
                panel.set_axis_off()
            for c, name in enumerate(names):
                mine = select.of(many.at(frame, place), adversary=name)
                summary = select.of(many.at(overall, place), adversary=name)
                _matrix(axes[r, c], mine, many.worlds(place))
                access = mine["access"].iloc[0]
                axes[r, c].set_title(f"{style.said(name, access)}\n", loc="left", pad=13)
                axes[r, c].text(0, 1.015, _summary(summary), transform=axes[r, c].transAxes, fontsize=7.5, va="bottom",
                                linespacing=1.25)  # fmt: skip
                axes[r, c].set_xlabel("named ratio")
            axes[r, 0].set_ylabel("true ratio")
            axes[r, 0].annotate(
                f"{place.title}{_note(overall, place)}", (0, 0.5), xycoords="axes fraction", xytext=(-36, 0), rotation=90, ha="right",
                textcoords="offset points", va="center", fontweight="bold", multialignment="center",
            )  # fmt: skip
        order = {name: i for i, name in enumerate(looks)}
        plotted = frame[list(COLUMNS)].sort_values("adversary", key=lambda column: column.map(order), kind="stable")
        return figure, plotted.sort_values(list(COLUMNS[:4]), kind="stable").reset_index(drop=True)


def _rows_of(frame, looks):
    """Return the names of the attacks in `frame`, three to a row of panels."""
    names = [name for name in looks if (frame["adversary"] == name).any()]
    return [names[i : i + 3] for i in range(0, len(names), 3)]


def _note(overall, place):
    """Return what the training rows of undefended victims give away, where it is known."""
    given = select.data(many.at(overall, place._replace(defence="none")))
    return f"\n(rows: {_share(given)})" if len(given) and given["accuracy"].notna().any() else ""


def _share(rows):
    row = rows.iloc[0]
    text = f"{row['accuracy']:.2f}"
    low, high = row["accuracy_low"], row["accuracy_high"]
    return text if low != low or high != high else f"{text} [{low:.2f}, {high:.2f}]"


def _summary(rows):
    """Return two lines: accuracy and chance; information and ceiling."""
    if rows.empty:
        return ""
    row = rows.iloc[0]
    bits, ceiling = row["mutual_information"], row["fano_ceiling"]
    said = [f"{bits:.2f} bits"] if bits == bits else []
    said += [f"Fano ceiling {ceiling:.2f}"] if ceiling == ceiling else []
    chance = ", below chance" if row["against_chance"] == BELOW else "; chance"
    return f"accuracy {_share(rows)}{chance} {row['chance']:.2f}\n{'; '.join(said)}"


def _matrix(panel, mine, worlds):
    """Draw one heat map; the share of row i, column j in per cent."""
    import numpy as np
    from matplotlib.patches import Rectangle

    place = {round(ratio, 9): i for i, ratio in enumerate(worlds)}
    shares = np.zeros((len(worlds), len(worlds)))
    for ratio, named, share in zip(mine["ratio"], mine["named"], mine["share"], strict=True):
        shares[place[round(ratio, 9)], place[round(named, 9)]] = share
    panel.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    size = 7.5 if len(worlds) <= 8 else 6.5
    for i in range(len(worlds)):
        panel.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=style.VERMILLION, linewidth=0.9))
        for j in range(len(worlds)):
            if shares[i, j] >= 0.005:
                panel.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=size,
                           color="white" if shares[i, j] > 0.55 else "black")  # fmt: skip
    labels = [f"{ratio:g}" for ratio in worlds]
    panel.set_xticks(range(len(worlds)), labels, fontsize=7)
    panel.set_yticks(range(len(worlds)), labels, fontsize=7)
    panel.tick_params(length=0)
    panel.spines[["top", "right"]].set_visible(True)


PLUGIN = Confusion()
