"""Which ratio each attack names for victims of which ratio: confusion matrices."""

from __future__ import annotations

from ..measures.verdicts import BELOW
from . import _many as many
from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (*many.CELL, "ratio", "named", "victims", "share", "drawn")


class Confusion(Figure):
    name = "confusion"
    summary = "confusion matrices of attacks that name one ratio among many, by task, defence and attack"
    caption = (
        "Share of the victims of each true ratio (rows, each summing to 100 %) for which the attack names each "
        "ratio (columns); informed shadows. A panel a task and defence, all for one attack, which is fixed whatever it names (`kl` where it was run). Where it was not run "
        "there, the panel is of the next in a fixed order. Numbers: per cent, left out below 0.5. Frames: right answers. Above "
        "each matrix: the attack; share of victims whose ratio is named, with its 95 % interval (clustered by pool split); "
        "chance is 1 / number of ratios; the bias-corrected mutual information between true and named ratio, in "
        "bits, and the highest accuracy that so much information allows (Fano's inequality); what the training rows of undefended victims "
        "themselves give away, where that was run. Where a page has no room for all panels, those of undefended victims come first. The figure's "
        "numbers hold every attack."
    )
    tables = ("confusion", "regression")

    def draw(self, tables, *, tau):
        every, errors = many.rows(tables["confusion"]), many.rows(tables["regression"])
        frame = select.attacks(every)
        if frame.empty:
            return style.missing("no games of many worlds in the table `confusion`"), select.frame_of([], COLUMNS)
        overall = errors[errors["ratio"].isna()]
        looks = style.adversaries(frame["adversary"])
        places = many.places(frame)
        places.sort(key=lambda place: place.defence != "none")  # stable: by task within
        count = max(len(many.worlds(place)) for place in places)
        wide = select.columns(len(places), 3 if count > 5 else 4)
        side = (style.PAGE - 0.5) / max(2, wide) - 0.35
        height, rest = side + 0.8, 0.6
        shown = places[: wide * style.fits(height, rest=rest)]
        rows = len(select.cut(shown, wide))
        figure = style.blank(style.width(wide), rows * height + rest)
        axes = figure.subplots(rows, wide, squeeze=False)
        for panel in axes.flat[len(shown) :]:
            panel.set_axis_off()
        drawn = {place: many.spokesman(many.at(frame, place)["adversary"]) for place in shown}
        for i, ((place, name), panel) in enumerate(zip(drawn.items(), axes.flat, strict=False)):
            mine = select.of(many.at(frame, place), adversary=name)
            summary = select.of(many.at(overall, place), adversary=name)
            _matrix(panel, mine, many.worlds(place))
            access, note = mine["access"].iloc[0], _note(overall, place)
            told = f"{style.said(name, access)}: {_summary(summary)}{note}"
            panel.set_title(_titled(place), loc="left", pad=7 + 8.6 * (1 + told.count("\n")))
            text = panel.text(
                0, 1.03, told, transform=panel.transAxes, fontsize=style.SMALL, va="bottom", linespacing=1.15
            )
            text.set_in_layout(False)  # a long line must not squeeze the panels
            if i + wide >= len(shown):
                panel.set_xlabel("named ratio")
            if i % wide == 0:
                panel.set_ylabel("true ratio")
        style.message(figure, _said(overall, drawn), left_out=len(places) - len(shown))
        order = {name: i for i, name in enumerate(looks)}
        chosen = [
            drawn.get(key) == name
            for key, name in zip(
                (_place(places, row) for row in frame.to_dict("records")), frame["adversary"], strict=True
            )
        ]
        plotted = frame.assign(drawn=chosen)[list(COLUMNS)]
        plotted = plotted.sort_values("adversary", key=lambda column: column.map(order), kind="stable")
        return figure, plotted.sort_values(list(COLUMNS[:4]), kind="stable").reset_index(drop=True)


def _titled(place):
    """Return a place in one line, or two where it is long."""
    first, *more = place.title.split("\n")
    return style.short(f"{first}, {', '.join(more)}", 30)


def _place(places, row):
    """Return the place of a row."""
    return next(place for place in places if all(getattr(place, name) == row[name] for name in many.CELL[:4]))


def _said(overall, drawn):
    """Return the message: how many times better than chance the ratio is named, at worst and at best."""
    found = [
        float(row["accuracy"]) / float(row["chance"])
        for place, name in drawn.items()
        for row in select.of(many.at(overall, place), adversary=name).to_dict("records")
        if row["accuracy"] == row["accuracy"]
    ]
    if not found:
        return "Which ratio an attack names for victims of each ratio"
    span = f"{min(found):.1f}" if len(found) == 1 else f"{min(found):.1f} to {max(found):.1f}"
    return f"{' or '.join(sorted(set(drawn.values())))} names the ratio itself {span} times as often as chance"


def _note(overall, place):
    """Return what the training rows of undefended victims give away, where it is known."""
    given = select.data(many.at(overall, place._replace(defence="none")))
    return f"\nrows: {_share(given)}" if len(given) and given["accuracy"].notna().any() else ""


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
    said = [f"below chance {row['chance']:.2f}" if row["against_chance"] == BELOW else f"chance {row['chance']:.2f}"]
    said += [f"{bits:.2f} bits"] if bits == bits else []
    said += [f"Fano {ceiling:.2f}"] if ceiling == ceiling else []
    return f"accuracy {_share(rows)}\n{'; '.join(said)}"


def _matrix(panel, mine, worlds):
    """Draw one heat map; the share of row i, column j in per cent."""
    import numpy as np
    from matplotlib.patches import Rectangle

    place = {round(ratio, 9): i for i, ratio in enumerate(worlds)}
    shares = np.zeros((len(worlds), len(worlds)))
    for ratio, named, share in zip(mine["ratio"], mine["named"], mine["share"], strict=True):
        shares[place[round(ratio, 9)], place[round(named, 9)]] = share
    panel.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    for i in range(len(worlds)):
        panel.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=style.VERMILLION, linewidth=0.9))
        for j in range(len(worlds)):
            if shares[i, j] >= 0.005:
                panel.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=style.SMALL,
                           color="white" if shares[i, j] > 0.55 else "black")  # fmt: skip
    labels = [f"{ratio:g}" for ratio in worlds]
    some = slice(None, None, 1 if len(worlds) <= 6 else 2)  # no room for more beside each other
    panel.set_xticks(range(len(worlds))[some], labels[some])
    panel.set_yticks(range(len(worlds))[some], labels[some])
    panel.tick_params(length=0)
    panel.spines[["top", "right"]].set_visible(True)


PLUGIN = Confusion()
