"""Figures at the size at which a paper shows them: letters, overlaps, how much a panel holds, colours in grey."""

from __future__ import annotations

import itertools

import pytest

import fake_tables
import legible
from drawing import laid_out, of_worlds
from popleak.figures import _style

pytestmark = pytest.mark.slow

NAMES = of_worlds()
FULL = {"tasks": ("adult-sex", "lsac-race"), "victims": 6, "full": True}
HALF = {"tasks": ("adult-sex",), "victims": 6, "full": True, "pairs": (("ratio", 0.3, 0.5), ("ratio", 0.5, 0.8))}
COLUMN = {"tasks": ("adult-sex",), "victims": 8, "pairs": (("pure", 0.0, 1.0),)}
"""One panel: as wide as a column."""
ORDERED = ("sensitivity",)
"""Figures whose shades are the steps of one scale, light to dark: no series of their own."""


SHAPES = [
    *((name, HALF if name == "ratios" else FULL) for name in NAMES),
    *(
        (name, COLUMN) for name in NAMES if name not in ("poison", "ratios", "regression", "confusion")
    ),  # have no rows there
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_a_paper_can_show_it(name, shape):
    found, plotted = laid_out(name, fake_tables.tables(**shape))
    assert len(plotted)
    assert set(plotted["scope" if name == "proxies" else "task"]) - {"all"} == set(shape["tasks"])
    legible.check(found, ordered=name in ORDERED)


def test_the_measure_finds_what_it_is_for():
    """Letters on letters, a label over the edge, and two greys are found."""
    with _style.style():
        figure = _style.blank(3.3, 2)
        axes = figure.subplots()
        axes.text(0.5, 0.5, "one text"), axes.text(0.52, 0.5, "another")
        axes.text(0.9, 0.2, "a text that runs over the edge of the figure")
        axes.plot([0, 1, 2], [0, 1, 0], marker="o", color="#D55E00")
        axes.plot([0, 1, 2], [1, 0, 1], marker="o", color="#C86A10")
        figure.draw_without_rendering()
        boxes = legible.boxes(figure)
    assert ("one text", "another") in legible.overlaps(boxes, figure.dpi)
    assert "a text that runs over the edge of the figure" in legible.clipped(boxes, 3.3 * figure.dpi, 2 * figure.dpi)
    assert legible.alike(axes)


def test_adversaries_that_share_a_panel_share_no_colour():
    names = fake_tables.POISONED[:-1]
    for few in itertools.combinations(_style.ADVERSARIES, 4):
        looks = _style.adversaries(few)
        assert len({look.color for look in looks.values()}) == 4
    assert len(_style.adversaries(names)) == len(names)
