"""What adversaries achieve against what a theorem allows them."""

from __future__ import annotations

from . import _select as select
from . import _stacked as stacked
from . import _style as style
from .base import Figure

COLUMNS = (
    "task", "model", "protocol", "ratio_0", "ratio_1", "defence", "adversary", "access", "certified_advantage", "victims",
    "advantage", "advantage_low", "advantage_high", "against_chance", "drawn",
)  # fmt: skip
AUDIT = "worst-case"
LOOKS = {"best": style.Look(style.BLACK, "o"), AUDIT: style.Look(style.VERMILLION, "D", size=0.9)}


class Certificates(Figure):
    name = "certificates"
    summary = "measured against certified advantage of each defence that has a certificate, by task"
    caption = (
        "For each defence with a certificate, the advantage that no adversary exceeds (x) against the advantage that was measured "
        "(y): of the best informed adversary, and of the audit of the worst case, which is given the rows and both "
        "starts. Points belong below the diagonal; the worst case comes near it where the certificate is tight, and the best "
        "adversary stays far below where the certificate is cautious. Bars: 95 % intervals, clustered by pool split. Pure worlds "
        "where they were run, else the widest pair of ratios. " + style.RINGED
    )
    tables = ("leakage",)

    def draw(self, tables, *, tau):
        leakage = select.plain(tables["leakage"].reset_index(drop=True))
        leakage = leakage[leakage["certified_advantage"].notna() & leakage["advantage"].notna()]
        best = select.of(select.informed(leakage), adversary="best")
        audit = leakage[leakage["access"] == AUDIT]
        frame = select.frame_of([*best.to_dict("records"), *audit.to_dict("records")], COLUMNS)
        if not select.main_pairs(frame):
            return style.missing("no defence with a certificate in the table `leakage`"), select.frame_of([], COLUMNS)
        every = select.main_cells(frame)[0]
        frame = frame[select.mark(frame, every)].reset_index(drop=True)
        grid = stacked.grid(every, 1, height=2.0, rest=1.1, sharex=True, sharey=True)
        frame["drawn"] = select.mark(frame, grid.shown)
        low = min(-0.1, float(frame["advantage_low"].min(skipna=True)))
        for stack in grid.stacks:
            _panel(stack, stack.cell.of(frame), low)
        style.message(grid.figure, _said(frame), left_out=grid.left_out)
        style.legend(grid.figure, _keys(frame) + style.ring_keys(frame[frame["drawn"].astype(bool)]))
        return grid.figure, frame


def _panel(stack, mine, low):
    (panel,) = stack.panels
    panel.plot([0, 1], [0, 1], color=style.REFERENCE, linewidth=0.9, zorder=1)
    panel.axhline(0, color=style.REFERENCE, linewidth=0.8, linestyle=style.CHANCE, zorder=1)
    panel.grid(color=style.BAND, linewidth=0.8)
    for audited, look in ((False, LOOKS["best"]), (True, LOOKS[AUDIT])):
        part = mine[(mine["access"] == AUDIT) == audited]
        if len(part):
            panel.errorbar(part["certified_advantage"], part["advantage"], yerr=style.spread(part, "advantage"), color=look.color,
                           marker=look.marker, markersize=3.6 * look.size, linestyle="none", elinewidth=0.7, zorder=2 + audited)  # fmt: skip
    style.rings(panel, mine["certified_advantage"], mine["advantage"], mine)
    panel.set(title=stack.cell.title, xlim=(-0.04, 1.04), ylim=(low, 1.05))
    if stack.last:
        panel.set_xlabel("certified advantage")
        panel.tick_params(labelbottom=True)
    if stack.first:
        panel.set_ylabel("measured advantage")


def _said(frame):
    over = int((frame["advantage_low"] > frame["certified_advantage"]).sum())
    chance = "were they equal, chance would put it there in 1 of 40"
    return (
        f"The interval of the measured advantage lies above what is certified in {over} of {len(frame)} cells; {chance}"
    )


def _keys(frame):
    from matplotlib.lines import Line2D

    names = {False: ("best informed adversary", LOOKS["best"]), True: ("worst-case audit", LOOKS[AUDIT])}
    found = [
        style.key(look, text) for audited, (text, look) in names.items() if (frame["access"].eq(AUDIT) == audited).any()
    ]
    bound = Line2D([], [], color=style.REFERENCE, linewidth=0.9, label="the certificate")
    return [*found, bound, *style.line_keys(chance="no advantage")]


PLUGIN = Certificates()
