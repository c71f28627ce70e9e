"""Figures drawn from made-up tables."""

from __future__ import annotations

from popleak.core import plugins
from popleak.figures import _style


def drawn(name, frames):
    """Return a figure and the numbers it shows. Its panels and labels have no place yet, which takes longest."""
    with _style.style():
        return plugins.load("figures", name).draw(frames, tau=0.1)


def laid_out(name, frames):
    """Return a figure whose panels and labels have their place, as in a file, and the numbers it shows."""
    found, plotted = drawn(name, frames)
    with _style.style():
        found.draw_without_rendering()
        found.draw_without_rendering()
    return found, plotted
