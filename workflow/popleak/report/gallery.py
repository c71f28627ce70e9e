"""The gallery: each figure with what it shows, how to read it, and the committed pages that show it.

Of each figure one committed picture is shown: that of the first page by name. A figure that no page shows is listed below the pictures.
"""

from __future__ import annotations

from pathlib import Path

from ..core import plugins
from .words import capital

PAGE = "gallery.md"
RESULTS = "results"
SAID = (
    "Every figure that popleak draws: what it shows, an example from the committed results, and how to read it. A run draws those that "
    "its config names under `figures`, and writes each as PDF, PNG and the plotted numbers as CSV. Texts and pictures are put together by "
    "`make docs`."
)


def text(folder: Path, note: str) -> str:
    """Return the page for a folder of docs that holds the committed results in `results`."""
    parts = ["# Gallery", note, SAID]
    unseen = []
    for name in plugins.names("figures"):
        plugin = plugins.load("figures", name)
        shown = sorted(path.parent.name for path in (folder / RESULTS).glob(f"*/{name}.png"))
        if not shown:
            unseen.append(f"- **{name}**: {capital(plugin.summary)}.")
            continue
        pages = ", ".join(f"[{page}]({RESULTS}/{page}.md)" for page in shown)
        parts += [
            f"## {name}",
            f"{capital(plugin.summary)}. Shown on: {pages}.",
            f"![{capital(plugin.summary)}]({RESULTS}/{shown[0]}/{name}.png)",
            f"*How to read it:* {plugin.caption}",
        ]
    if unseen:
        parts += ["## Not on a committed page", "\n".join(unseen)]
    return "\n\n".join(parts) + "\n"
