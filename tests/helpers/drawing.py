"""Figures drawn from made-up tables."""

from __future__ import annotations

import ast
import inspect

from popleak.core import plugins
from popleak.figures import _style, base
from popleak.stages import figures


def check_card(name):
    """A figure has its name and its texts, and its file imports nothing heavy at its top."""
    plugin = plugins.load("figures", name)
    assert isinstance(plugin, base.Figure) and plugin.name == name
    assert plugin.summary and "\n" not in plugin.summary and plugin.caption.endswith(".")
    tree = ast.parse(inspect.getsource(inspect.getmodule(type(plugin))))
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    top |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom) if node.module}
    assert not top & {"matplotlib", "pandas", "numpy"}


def drawn(name, frames):
    """Return a figure and the numbers it shows. Its panels and labels have no place yet, which takes longest."""
    with _style.style():
        return plugins.load("figures", name).draw(frames, tau=0.1)


def without_places(patch):
    """Let the stage write figures whose panels and labels have no place: for tests of what is done with the files."""
    patch.setattr(figures, "_settle", lambda figure: figure.set_layout_engine("none"))


def rendered(name, frames):
    """Draw a figure with all that is in it, its panels and labels wherever they are before they have their place."""
    found, _ = drawn(name, frames)
    with _style.style():
        found.set_layout_engine("none")
        found.draw_without_rendering()


def laid_out(name, frames):
    """Return a figure whose panels and labels have their place, as in a file, and the numbers it shows."""
    found, plotted = drawn(name, frames)
    with _style.style():
        found.draw_without_rendering()
        found.draw_without_rendering()
    return found, plotted


ELSEWHERE = {"membership", "shares", "samples", "search"}
"""Tables that the made-up tables of pairs of worlds lack, or have no rows of."""


def of_worlds() -> list[str]:
    """Return the figures that read nothing about single rows or generators, which the made-up tables of pairs of worlds lack."""
    every = {name: plugins.load("figures", name) for name in plugins.names("figures")}
    return [name for name, plugin in every.items() if not ELSEWHERE & set(plugin.tables) and name != "laundering"]
