"""What a reader of a drawn figure can make out: sizes of letters, texts that overlap, and looks that are told apart in grey."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from popleak.figures import _style

TICKS = 1.5
"""Points: by so much two boxes may reach into each other, since a box is higher than its letters."""


def texts(figure) -> list[Text]:
    """Return the texts that are drawn: matplotlib keeps the labels of ticks outside an axis, and empty ones."""
    hidden = set()
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            slack = 1e-9 * (high - low)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                outside = not low - slack <= tick.get_loc() <= high + slack
                if outside or not axes.axison:
                    hidden |= {tick.label1, tick.label2}
    return [
        text for text in figure.findobj(Text)
        if text not in hidden and text.get_visible() and text.get_text().strip() and _shown(text)
    ]  # fmt: skip


def _shown(text) -> bool:
    return text.axes is None or text.axes.axison or text not in text.axes.findobj(Text) or _in_legend(text)


def _in_legend(text) -> bool:
    legend = text.axes.get_legend() if text.axes is not None else None
    return legend is not None and text in [*legend.get_texts(), legend.get_title()]


def boxes(figure) -> list[tuple[str, Bbox]]:
    """Return the texts that are drawn, and their boxes in pixels. Call it within the style of the figures, after a draw."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts(figure)]


def overlaps(boxes: list[tuple[str, Bbox]], dpi: float) -> list[tuple[str, str]]:
    """Return the pairs of texts whose boxes overlap."""
    slack = TICKS * dpi / 72
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack
    ]


def clipped(boxes: list[tuple[str, Bbox]], width: float, height: float) -> list[str]:
    """Return the texts that reach over the edge of a figure of this size in pixels."""
    return [name for name, box in boxes if box.x0 < -2 or box.y0 < -2 or box.x1 > width + 2 or box.y1 > height + 2]


def lightness(color) -> float:
    red, green, blue = to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def looks(axes) -> set[tuple]:
    """Return (marker, hollow, line, colour) of each line and kind of marker in a panel that stands for data."""
    found = set()
    for line in axes.get_lines():
        if not len(line.get_xdata()):
            continue
        marker = line.get_marker() if line.get_marker() not in ("None", None, "", " ") else ""
        style = line.get_linestyle() if line.get_linestyle() not in ("None", None, "", " ") else ""
        dashes = str(getattr(line, "_unscaled_dash_pattern", None)) if style else ""
        if not marker and (not dashes or len(np.atleast_1d(line.get_xdata())) < 3):
            continue  # a line to compare with, or one that joins two markers
        if marker in ("|", "_", "o") and line.get_markerfacecolor() == "none":
            continue  # a ring
        hollow = marker and to_rgb(line.get_markerfacecolor()) == (1.0, 1.0, 1.0)
        found.add((marker, bool(hollow), dashes if not marker else "", to_rgb(line.get_color())))
    return found


def alike(axes) -> list[tuple]:
    """Return the pairs of looks in a panel that differ in colour alone, and hardly in lightness."""
    return [
        (one, other)
        for one, other in itertools.combinations(sorted(looks(axes), key=str), 2)
        if one[:3] == other[:3] and abs(lightness(one[3]) - lightness(other[3])) < 0.04
    ]


def check(figure, *, ordered: bool = False) -> None:
    """Fail where a paper cannot show a figure that has its places. ordered: its shades are the steps of one scale, no series of their own."""
    width, height = figure.get_size_inches()
    assert width in (_style.COLUMN, _style.PAGE) and height <= _style.TALLEST
    assert max(width, height) * _style.PNG_DPI <= 1900
    with _style.style():
        inside = figure.get_tightbbox()
        assert inside.x0 > -0.02 and inside.x1 < width + 0.02, "a label is clipped"
        assert min(text.get_fontsize() for text in texts(figure)) >= _style.SMALL
        found = boxes(figure)
    assert not overlaps(found, figure.dpi)
    assert not clipped(found, width * figure.dpi, height * figure.dpi)
    assert figure.get_suptitle(), "no message"
    for axes in figure.axes if not ordered else ():
        colours = {look[-1] for look in looks(axes)}
        assert len(colours) <= _style.MOST + 1, "more series than the eye tells apart"
        assert not alike(axes), "two series are one in grey"
