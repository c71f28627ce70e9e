"""A grid of panels for cells: each cell has one panel or several, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from . import _select as select
from . import _style as style

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure


class Stack(NamedTuple):
    """A cell's panels, from the top. first: they are the left-most of their row; last: no cell lies below them."""

    cell: select.Cell
    panels: tuple[matplotlib.axes.Axes, ...]
    first: bool
    last: bool


class Grid(NamedTuple):
    """A figure with a stack for each cell that it shows, row by row, and how many cells the page has no room for."""

    figure: matplotlib.figure.Figure
    stacks: list[Stack]
    left_out: int

    @property
    def shown(self) -> list[select.Cell]:
        return [stack.cell for stack in self.stacks]


def grid(
    cells: Sequence[select.Cell],
    panels: int,
    *,
    height: float,
    rest: float,
    most: int = 4,
    ratios: Sequence[float] | None = None,
    sharex: bool = False,
    sharey: bool = False,
) -> Grid:
    """Return a figure with so many panels for each of `cells`, or for as many as fit a page (`select.spread`).

    height: inches of one stack; rest: inches for title and legend; most: stacks side by side; ratios: of the heights of a stack's
    panels, None for equal ones; sharex, sharey: over all panels.
    """
    shown = select.spread(cells, select.columns(len(cells), most) * style.fits(height, rest=rest))
    wide = select.columns(len(shown), most)
    rows = len(select.cut(shown, wide))
    figure = style.blank(style.width(wide), rows * height + rest)
    heights = None if ratios is None else [*ratios] * rows
    axes = figure.subplots(panels * rows, wide, squeeze=False, sharex=sharex, sharey=sharey, height_ratios=heights)
    stacks = []
    for place in range(rows * wide):
        row, column = divmod(place, wide)
        stack = axes[panels * row : panels * (row + 1), column]
        if place < len(shown):
            stacks.append(Stack(shown[place], tuple(stack), first=column == 0, last=place + wide >= len(shown)))
        else:
            for panel in stack:
                panel.set_axis_off()
    return Grid(figure, stacks, len(cells) - len(shown))
