"""Figures drawn from made-up tables."""

from __future__ import annotations

from popleak.core import plugins
from popleak.figures import _style


def drawn(name, frames):
    with _style.style():
        found, plotted = plugins.load("figures", name).draw(frames, tau=0.1)
        found.draw_without_rendering()
        found.draw_without_rendering()
    return found, plotted
