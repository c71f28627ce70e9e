"""How well attacks name the ratio itself: estimate against truth, its error, what that is worth in direct samples."""

from __future__ import annotations

import itertools

from . import _many as many
from . import _select as select
from . import _style as style
from .base import Figure

COLUMNS = (
    *many.CELL, "ratio", "victims", "q05", "q25", "median", "q75", "q95", "mae", "mae_low", "mae_high",
    "n_leaked", "n_leaked_low", "n_leaked_high",
)  # fmt: skip
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


class Regression(Figure):
    name = "regression"
    summary = "estimated against true ratio, mean absolute error and n_leaked, by task and defence"
    caption = (
        "Victims of many worlds, whose ratio P(a = 1) each attack estimates; informed shadows. Upper panels: "
        "estimates by true ratio; marker: median, thick bar: middle half, thin bar: 5 % to 95 % of the victims "
        "(these are no confidence intervals); on the diagonal the estimate is right. Middle: mean absolute error; "
        "dashed: always naming the mean of the ratios, which needs no victim. Lower: n_leaked = r (1 - r) / MSE, "
        "the direct samples of training data whose mean would estimate the ratio as well; not defined at 0 and 1. "
        "Bars there: 95 % intervals, clustered by pool split. Brown, with its interval as a band: what the "
        "training rows themselves give away, worth as many samples as there are rows, so left out below. Attacks "
        "stand a little aside of the true ratio so that they can be told apart."
    )
    tables = ("estimates", "regression")

    def draw(self, tables, *, tau):
        estimates, errors = many.rows(tables["estimates"]), many.rows(tables["regression"])
        attacks = select.attacks(estimates)
        if attacks.empty:
            return style.missing("no games of many worlds in the table `estimates`"), select.frame_of([], COLUMNS)
        frame = _numbers(estimates, errors)
        places = many.places(attacks)
        looks = style.adversaries(style.few(style.adversaries(attacks["adversary"]), many.FIRST))
        places.sort(key=lambda place: place.defence != "none")  # stable: by task within
        height, rest = 4.0, 1.1
        every, places = len(places), places[: select.columns(len(places)) * style.fits(height, rest=rest)]
        wide = select.columns(len(places))
        deep = len(select.cut(places, wide))
        figure = style.blank(style.width(wide), deep * height + rest)
        axes = figure.subplots(3 * deep, wide, squeeze=False, gridspec_kw={"height_ratios": [1.7, 1, 1] * deep})
        shown = select.attacks(frame)
        top = 1.05 * float(shown[["mae", "mae_high"]].max().max())
        leaked = shown["n_leaked_high"].where(shown["n_leaked_high"] < float("inf"), shown["n_leaked"])
        leaked = leaked[leaked < float("inf")].max()
        for i in range(deep * wide):
            panels = axes[3 * (i // wide) : 3 * (i // wide) + 3, i % wide]
            if i >= len(places):
                for panel in panels:
                    panel.set_axis_off()
                continue
            mine = many.at(frame, places[i])
            # what rows give away is that of undefended victims, for every defence
            given = select.data(many.at(frame, places[i]._replace(defence="none")))
            _estimates(panels[0], select.attacks(mine), looks)
            _errors(panels[1], select.attacks(mine), given, looks, many.worlds(places[i]))
            _lines(panels[2], select.attacks(mine), looks, "n_leaked")
            panels[0].set_title(places[i].title)
            panels[1].set_ylim(0, top if top > 0.02 else 0.02)  # also where there is none
            panels[2].set_ylim(0, 1.05 * leaked if leaked == leaked and leaked > 0 else 1)
            panels[2].set_xlabel("true ratio")
            for panel in panels:
                panel.set_xlim(-0.06, 1.06)
                panel.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
                panel.tick_params(labelleft=i % wide == 0)
            if i % wide == 0:
                for panel, label in zip(panels, ("estimated ratio", "mean abs. error", "$n_{leaked}$"), strict=True):
                    panel.set_ylabel(label)
        access = dict(zip(attacks["adversary"], attacks["access"], strict=True))
        handles = [style.key(look, style.said(name, access[name]), line=True) for name, look in looks.items()]
        figure_keys = style.line_keys(data=len(select.data(frame)) > 0, chance="always the mean ratio")
        style.message(figure, _said(shown), left_out=every - len(places))
        style.legend(figure, [*handles, *figure_keys])
        return figure, frame


def _said(shown):
    """Return the message: what the estimates of one attack are worth in direct samples, by task."""
    known = shown[(shown["defence"] == "none") & shown["n_leaked"].notna() & (shown["n_leaked"] < float("inf"))]
    if known.empty:
        return "How well attacks estimate the ratio of the training data"
    name = many.spokesman(known["adversary"])
    worth = select.of(known, adversary=name).groupby([*select.FACET, "ratios"])["n_leaked"].median()
    span = f"{worth.min():.1f}" if len(worth) == 1 else f"{worth.min():.1f} to {worth.max():.1f}"
    return f"An estimate of the ratio by {name} is worth {span} rows sampled directly (median over ratios, undefended models)"


def _numbers(estimates, errors):
    """Return a row a cell and true ratio: quantiles of the estimates and the table's errors."""
    import pandas as pd

    keys = [*many.CELL, "ratio"]
    groups = estimates.groupby(keys, sort=True)["estimate"]
    found = pd.DataFrame(
        {
            name: groups.quantile(level)
            for name, level in zip(("q05", "q25", "median", "q75", "q95"), LEVELS, strict=True)
        }
    )
    found["victims"] = groups.size()
    found = found.reset_index()
    errors = errors[errors["ratio"].notna()]
    measured = errors[[*keys, *COLUMNS[-6:]]].drop_duplicates(keys)
    # ratios are one number in both tables, but may differ in the last bit
    found["at"], measured = found["ratio"].round(9), measured.assign(at=measured["ratio"].round(9))
    merged = found.merge(measured.drop(columns="ratio"), on=[*many.CELL, "at"], how="left")
    return merged[list(COLUMNS)]


def _aside(mine, looks):
    """Yield (name, look, rows) of each attack with the x of its markers."""
    gaps = sorted(set(mine["ratio"]))
    # no wider than a tenth of the axis: markers at 0 and 1 must stay inside it
    gap = min((0.1, *(b - a for a, b in itertools.pairwise(gaps))))
    for i, (name, look) in enumerate(looks.items()):
        rows = select.of(mine, adversary=name)
        yield look, rows, rows["ratio"] + 0.65 * gap * ((i + 0.5) / len(looks) - 0.5)


def _estimates(panel, mine, looks):
    panel.plot([0, 1], [0, 1], color=style.REFERENCE, linewidth=0.9, zorder=1)
    for look, rows, x in _aside(mine, looks):
        panel.vlines(x, rows["q05"], rows["q95"], color=look.color, linewidth=0.7, zorder=2)
        panel.vlines(x, rows["q25"], rows["q75"], color=look.color, linewidth=1.6, zorder=2)
        panel.plot(x, rows["median"], color=look.color, marker=look.marker, linestyle="none", zorder=3,
                   markersize=2.8 * look.size, markeredgecolor="white", markeredgewidth=0.4)  # fmt: skip
    panel.set_ylim(-0.06, 1.06)


def _lines(panel, mine, looks, column):
    panel.grid(color=style.BAND, linewidth=0.8)
    for look, rows, x in _aside(mine, looks):
        known = rows[column].notna() & (rows[column] < float("inf"))
        rows, x = rows[known], x[known]
        panel.errorbar(x, rows[column], yerr=style.spread(rows, column), color=look.color, marker=look.marker,
                       linewidth=0.9, linestyle=look.line, markersize=2.8 * look.size, elinewidth=0.8,
                       zorder=3)  # fmt: skip


def _errors(panel, mine, given, looks, ratios):
    mean = sum(ratios) / len(ratios)
    panel.plot(ratios, [abs(ratio - mean) for ratio in ratios], color=style.REFERENCE, linewidth=0.9,
               linestyle=style.CHANCE, zorder=1)  # fmt: skip
    given = given[given["mae"].notna()]
    if len(given):
        panel.fill_between(given["ratio"], given["mae_low"], given["mae_high"], color=style.DATA_BAND, alpha=0.75,
                           linewidth=0, zorder=0.5)  # fmt: skip
        panel.plot(given["ratio"], given["mae"], color=style.DATA, linewidth=1.3, linestyle=style.DATA_LINE, zorder=1.5)
    _lines(panel, mine, looks, "mae")


PLUGIN = Regression()
