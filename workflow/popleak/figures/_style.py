"""One look for all figures: Okabe-Ito colours with a marker, a dash pattern each, so that grey reads as well.

A figure is as wide as a column (3.3 inches) or as both (7 inches), and no higher than a page, so that a paper shows it
at its own size: no letter is then below 7 points. Figures are built without pyplot: no global state, no window, the
same bytes wherever they are drawn.
"""

from __future__ import annotations

import contextlib
import logging
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ..core import plugins
from ..measures.verdicts import BELOW

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    from matplotlib.artist import Artist

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#777777"
BAND = "#EFEFEF"
REFERENCE = "#555555"
DATA, DATA_BAND = "#8C510A", "#F1DFC6"
PLACEBO = "#A08CD8"
CHANCE, DATA_LINE = (0, (4, 2)), (0, (7, 1.5, 1.5, 1.5))
PNG_DPI = 200
COLUMN, PAGE, TALLEST = 3.3, 7.0, 9.4
"""Inches: the widths that a figure may have, and the height that none may exceed."""
SMALL, TEXT = 7.0, 7.5
"""Points: of the smallest letters, and of most."""
MOST = 7
"""Lines or kinds of markers that one panel may have."""

PALETTE = (BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE, GREY)
_CYCLE = (GREY, BLUE, PURPLE, GREEN, ORANGE, SKY, VERMILLION)
_MARKERS = (">", "p", "<", "h", "8", "d", "H", "X")
_DASHES = ((5, 1.5), (1, 1), (6, 1.5, 1, 1.5), (3, 1), (8, 2), (3, 1, 1, 1, 1, 1), (2, 2))
_BIG = {"*": 1.7, "P": 1.3, "X": 1.3}  # markers of little ink


class Look(NamedTuple):
    """How one defence or adversary is drawn. `line` is a matplotlib linestyle; `size` multiplies a marker's size."""

    color: str
    marker: str
    line: tuple[float, tuple[float, ...]] | Literal["-"] = "-"
    size: float = 1.0


def _look(color: str, marker: str, place: int) -> Look:
    return Look(color, marker, (0, _DASHES[place % len(_DASHES)]) if place >= 0 else "-", _BIG.get(marker, 1.0))


# in the order to show them; neighbours differ in colour, in marker and in dashes
DEFENCES = {
    "none": _look(BLACK, "o", -1),
    "finetune": _look(SKY, "s", 0),
    "rehearsal": _look(ORANGE, "^", 1),
    "scratch": _look(GREEN, "v", 2),
    "fft": _look(PURPLE, "D", 3),
    "fft-rehearsal": _look(VERMILLION, "P", 4),
    "fft-last-layer": _look(BLUE, "X", 5),
}
ADVERSARIES = {
    "accuracy-gap": _look(SKY, "s", 0),
    "loss": _look(ORANGE, "^", 1),
    "threshold": _look(GREEN, "v", 2),
    "per-point": _look(PURPLE, ">", 3),
    "kl": _look(VERMILLION, "o", 4),
    "kl-label": _look(ORANGE, "<", 5),
    "kl-transductive": _look(GREY, "p", 6),
    "meta": _look(BLUE, "D", 0),
    "meta-mlp": _look(ORANGE, "d", 1),
    "lda": _look(GREEN, "o", 5),
    "lira-point": _look(SKY, ">", 2),
    "nig-point": _look(PURPLE, "<", 0),
    "calibration": _look(ORANGE, "p", 4),
    "snap": _look(GREEN, "X", 2),
    "snap-label": _look(SKY, "8", 3),
    "weights": _look(PURPLE, "h", 4),
    "weights-start": _look(BLUE, "^", 3),
    "pair": _look(VERMILLION, "D", 5),
    "ceiling": _look(BLACK, "P", 6),
    "property-inference": _look(BLUE, "o", 0),
    "property-classifier": _look(VERMILLION, "s", 1),
    "shadow-generators": _look(GREEN, "D", 3),
    "shadow-generators-withheld": _look(PURPLE, "^", 2),
    "label-rate": _look(ORANGE, "v", 4),
    "data": _look(GREY, "H", 0),
    "best": _look(BLACK, "*", -1),
}


def _looks(names: Iterable[str], known: Mapping[str, Look]) -> dict[str, Look]:
    """Known names keep their look in every figure; a third party's follow in alphabetical order with the next ones."""
    given = set(names)
    looks = {name: look for name, look in known.items() if name in given}
    for i, name in enumerate(sorted(given - set(known))):
        looks[name] = look(i)
    return _apart(looks)


def _apart(looks: dict[str, Look]) -> dict[str, Look]:
    """Return the looks with another colour for those whose colour one before them has, as long as there is a free one."""
    free = [color for color in PALETTE if color not in {look.color for look in looks.values()}]
    seen: set[str] = set()
    for name in sorted(looks, key=lambda name: name != "best"):  # which is black in every figure
        one = looks[name]
        if one.color in seen and free:
            looks[name] = one = one._replace(color=free.pop(0))
        seen.add(one.color)
    return looks


def few(names: Iterable[str], first: Sequence[str], most: int = MOST) -> list[str]:
    """Return at most so many of `names`: those in `first` before others, each in the order given."""
    names = list(names)
    return [*(name for name in first if name in names), *(name for name in names if name not in first)][:most]


def look(place: int) -> Look:
    """Return the look of the `place`-th of things that have no look of their own (tasks, a third party's plugins)."""
    # 7 colours and 8 markers have no common factor: 56 combinations before one repeats
    return _look(_CYCLE[place % len(_CYCLE)], _MARKERS[place % len(_MARKERS)], place)


def defences(names: Iterable[str]) -> dict[str, Look]:
    """Return the look of each defence in `names`, in the order to show them: `none` first, unknown names last."""
    return _looks(names, DEFENCES)


def adversaries(names: Iterable[str]) -> dict[str, Look]:
    """Return the look of each adversary in `names`, in the order to show them; `best` comes last of all."""
    looks = _looks(names, ADVERSARIES)
    if "best" in looks:
        looks["best"] = looks.pop("best")
    return looks


def _grave(record: logging.LogRecord) -> bool:
    return record.levelno > logging.WARNING


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw and save inside this context: matplotlib's own defaults, not the user's, then ours."""
    # without a home that can be written it keeps its list of fonts in a temporary folder, and says so at length
    logging.getLogger("matplotlib").addFilter(_grave)
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
                "font.size": TEXT,
                "axes.titlesize": TEXT,
                "axes.titleweight": "bold",
                "axes.titlepad": 4,
                "axes.labelsize": TEXT,
                "axes.labelpad": 2,
                "xtick.labelsize": SMALL,
                "ytick.labelsize": SMALL,
                "xtick.major.size": 2.5,
                "ytick.major.size": 2.5,
                "legend.fontsize": SMALL,
                "legend.frameon": False,
                "hatch.linewidth": 0.6,
                "figure.constrained_layout.h_pad": 0.03,
                "figure.constrained_layout.w_pad": 0.03,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.linewidth": 0.7,
                "axes.axisbelow": True,
                "lines.linewidth": 1.3,
                "lines.markersize": 5,
                "pdf.fonttype": 42,
                "ps.fonttype": 42,
                "figure.facecolor": "white",
                "savefig.facecolor": "white",
            }
        )
        yield


def blank(width: float, height: float) -> matplotlib.figure.Figure:
    """Return an empty figure of this size in inches whose layout keeps labels and legends apart."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, min(height, TALLEST)), layout="constrained")


def width(columns: int) -> float:
    """Return a figure's width in inches for so many panels side by side: a column for one, else a page."""
    return COLUMN if columns == 1 else PAGE


def fits(height: float, *, rest: float, most: int | None = None) -> int:
    """Return how many rows of panels of this height fit a page, `rest` inches being taken by title and legend; at least 1."""
    found = max(1, int((TALLEST - rest) / height))
    return found if most is None else min(found, most)


def message(figure: matplotlib.figure.Figure, text: str, *, left_out: int = 0) -> None:
    """Put the figure's one message above all panels; left_out: panels or rows that the page has no room for, which is
    said too."""
    if left_out:
        more = f"{left_out} more not drawn: see the figure's numbers)"
        text = f"{text[:-1]}; {more}" if text.endswith(")") else f"{text} ({more}"
    most = int(figure.get_figwidth() * 72 / (0.63 * 8.5))
    figure.suptitle(
        textwrap.fill(text, most, break_on_hyphens=False),
        x=0.01,
        ha="left",
        fontsize=8.5,
        fontweight="bold",
        linespacing=1.1,
    )


def missing(text: str) -> matplotlib.figure.Figure:
    """Return a figure that says what there is nothing of."""
    figure = blank(PAGE, 1.2)
    figure.text(0.5, 0.5, f"Nothing to draw: {text}", ha="center", va="center", color=REFERENCE, wrap=True)
    return figure


UNKNOWN = "no known values: all diverged"


def empty_panel(axes: matplotlib.axes.Axes, text: str = "not run") -> None:
    """Say within a panel that its cell of the grid has no rows."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=REFERENCE, fontsize=SMALL)


def _grow(figure: matplotlib.figure.Figure, by: float) -> None:
    """Make a figure higher by so many inches, as far as the page goes, so that a long legend or message squeezes no panel."""
    if by > 0:
        figure.set_figheight(min(TALLEST, figure.get_figheight() + by))


def legend(figure: matplotlib.figure.Figure, handles: Sequence) -> None:
    """Put a legend below all panels, in as many columns as the longest entry allows."""
    if not handles:
        return
    longest = max(len(str(handle.get_label()).replace("$", "").replace("\\", "")) for handle in handles)
    entry = (3.6 + 0.51 * longest) * SMALL / 72  # inches
    fit = min(max(1, int((figure.get_figwidth() - 0.1) / entry)), len(handles))
    rows = math.ceil(len(handles) / fit)
    _grow(figure, 0.14 * (rows - 3))
    figure.legend(
        handles=list(handles), loc="outside lower center", ncols=math.ceil(len(handles) / rows), handletextpad=0.4,
        columnspacing=1.0, labelspacing=0.25, handlelength=2.0, borderaxespad=0.1,
    )  # fmt: skip


def short(name: str, most: int = 16) -> str:
    """Return `name`, cut where it is longer than `most` characters."""
    return name if len(name) <= most else name[: most - 1] + "\u2026"


def said(name: str, access: str = "") -> str:
    """Return an adversary's name as figures say it, marked if it breaks the game's rules or sees more than answers."""
    if "transductive" in name:
        bare = name.replace("-transductive", "").replace("transductive", "").strip("-") or name
        return f"{bare} (transductive)"
    return _marked(name, access)


def said_access(access: str) -> str:
    """Return what an adversary sees, with what it is called."""
    return _marked(access, access)


def _marked(text: str, access: str) -> str:
    plugin = plugins.find("access", access)
    return f"{text} ({plugin.mark})" if plugin and plugin.mark else text


def chance(axes: matplotlib.axes.Axes, value: float = 0.5, *, across: bool = True) -> None:
    """Draw chance: a dashed line, upright where accuracy runs `across`, else level."""
    (axes.axvline if across else axes.axhline)(value, color=REFERENCE, linewidth=0.9, linestyle=CHANCE, zorder=1)


BY_CHANCE = (
    "Thin grey band: what a mean Delta_EO of models without any difference between the groups would be by chance, on as many rows "
    "(least to most over the defences). "
)


def by_chance(axes: matplotlib.axes.Axes, floors, *, across: bool = False) -> None:
    """Draw what Delta_EO would be without a difference: a band from the least to the largest of `floors` that are known, level
    where Delta_EO runs upwards, else upright (not `across`). One value alone is a line."""
    known = np.asarray(floors, dtype=float)
    known = known[np.isfinite(known)]
    if len(known):
        (axes.axhspan if across else axes.axvspan)(known.min(), known.max(), **_NO_DIFFERENCE, zorder=1.2)


_NO_DIFFERENCE: dict[str, Any] = {"facecolor": "#D5D5D5", "edgecolor": GREY, "linewidth": 0.7}


def by_chance_key():
    """Return the legend's entry of `by_chance`."""
    from matplotlib.patches import Patch

    return Patch(**_NO_DIFFERENCE, label="no difference, by chance")


def data_line(axes: matplotlib.axes.Axes, line: Sequence[float] | None, *, across: bool = True) -> None:
    """Draw what the training rows themselves tell, (value, low, high), as a line through all rows with its interval."""
    if line is None:
        return
    value, low, high = line
    if low == low and high == high:
        (axes.axvspan if across else axes.axhspan)(low, high, color=DATA_BAND, alpha=0.75, linewidth=0, zorder=0.5)
    (axes.axvline if across else axes.axhline)(value, color=DATA, linewidth=1.3, linestyle=DATA_LINE, zorder=1.5)


def placebo(axes: matplotlib.axes.Axes, row: int, low: float, high: float) -> None:
    """Draw beside a row what placebos read, from the least to the greatest accuracy: with an edge, since one placebo has no width."""
    axes.barh(row, high - low, left=low, height=0.9, facecolor=PLACEBO, edgecolor=PLACEBO, linewidth=1.8, zorder=1.1)


def line_keys(
    *, data: bool = False, ceiling: bool = False, placebo: bool = False, chance: str = "chance"
) -> list[Artist]:
    """Return the legend's entries of the lines to compare with."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: list[Artist] = []
    if chance:
        keys.append(Line2D([], [], color=REFERENCE, linewidth=0.9, linestyle=CHANCE, label=chance))
    if data:
        keys.append(Line2D([], [], color=DATA, linewidth=1.3, linestyle=DATA_LINE, label="training rows (data)"))
    if ceiling:
        keys.append(Line2D([], [], color=BLACK, linewidth=1.8, label="known ceiling"))
    if placebo:
        keys.append(Patch(color=PLACEBO, label="best, groups permuted"))
    return keys


def rings(axes: matplotlib.axes.Axes, x, y, rows) -> None:
    """Ring the points (x, y) of those rows of the table `leakage` that are significantly below chance."""
    under = (rows["against_chance"] == BELOW).to_numpy()
    if under.any():  # an empty line outside the clip would upset the layout
        axes.plot(np.asarray(x)[under], np.asarray(y)[under], linestyle="none", marker="o", markersize=7,
                  markerfacecolor="none", markeredgecolor=BLACK, markeredgewidth=0.9, clip_on=False, zorder=5)  # fmt: skip


def ring_keys(rows) -> list:
    """Return the legend's entry of `rings`, where there is one."""
    from matplotlib.lines import Line2D

    if not (rows["against_chance"] == BELOW).any():
        return []
    return [
        Line2D([], [], color=BLACK, marker="o", markersize=7, markerfacecolor="none", markeredgewidth=0.9, linestyle="none",
               label="below chance")
    ]  # fmt: skip


RINGED = (
    "Ringed: the interval lies below chance, as 2.5 % of intervals do by chance alone; the findings say whether so many do. "
    "Where all victims of a defence diverged there is no point."
)


def spread(part, name: str) -> np.ndarray:
    """Return the lengths of error bars (2, rows) of column `name` of a frame; 0 where there is no interval."""
    low, high = part[name] - part[f"{name}_low"], part[f"{name}_high"] - part[name]
    return np.stack([side.clip(lower=0).fillna(0).to_numpy() for side in (low, high)])


def key(look: Look, label: str, *, filled: bool = True, line: bool = False):
    """Return a legend entry for `look`."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color=look.color, marker=look.marker, linestyle=look.line if line else "none", label=label,
        markerfacecolor=look.color if filled else "white", markersize=4.5 * look.size,
    )  # fmt: skip


def bands(axes: matplotlib.axes.Axes, count: int) -> None:
    """Shade every other of `count` rows at 0, 1, ...: the eye follows a row without grid lines."""
    for row in range(0, count, 2):
        axes.axhspan(row - 0.5, row + 0.5, color=BAND, linewidth=0, zorder=0)
    axes.set_ylim(count - 0.5, -0.5)


def label_rows(axes: matplotlib.axes.Axes, names: Sequence[str], *, shown: bool) -> None:
    """Name the rows on the left-most panel only."""
    axes.set_yticks(range(len(names)), names if shown else [""] * len(names))
    axes.tick_params(axis="y", length=0)
