"""The README's figure: how often the best informed adversary names the training world of real models, under each defence.

Drawn from the committed table `leakage` of the experiment `tables`. The plotted numbers stand beside it as CSV, and the PNG carries their
digest, so that a figure of other numbers is noticed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..core import atomic
from ..core.protocols import EQUAL
from ..figures import _select as select
from ..figures import _style as style

if TYPE_CHECKING:
    import matplotlib.figure

EXPERIMENT = "tables"
NAME = "overview"
COLUMNS = ["task", "model", *select.PAIR, "defence", "accuracy", "accuracy_low", "accuracy_high"]
ORDER = ("none", "finetune", "fft", "rehearsal", "fft-rehearsal", "scratch")
"""Rows from the top: each fair variant below its control."""
SHOWN = {
    "none": "no defence", "finetune": "fine-tuning", "fft": "fair fine-tuning", "rehearsal": "fine-tuning + rehearsal",
    "fft-rehearsal": "fair + rehearsal", "scratch": "trained on the mixture",
}  # fmt: skip
DIGEST = "Numbers"
"""Key of the PNG's text that holds the SHA-256 of the plotted numbers."""
WIDTH, HEIGHT = style.PAGE, 2.1


def points(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to draw: the best informed adversary's accuracy with its limits, for pairs of different worlds."""
    rows = select.best_informed(leakage.reset_index(drop=True))
    rows = rows[(rows["protocol"] != EQUAL) & rows["accuracy"].notna() & rows["defence"].isin(ORDER)]
    place = rows["defence"].map({name: i for i, name in enumerate(ORDER)})
    return rows.assign(place=place).sort_values(["task", "model", *select.PAIR, "place"], kind="stable")[COLUMNS]


def csv(points: pd.DataFrame) -> str:
    """Return the plotted numbers as CSV."""
    return points.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def write(folder: Path) -> None:
    """Write `folder`/overview.png and the plotted numbers, if the experiment's table is there; a figure of these numbers is not redrawn."""
    source = folder / EXPERIMENT / "leakage.csv"
    if not source.is_file():
        return
    rows = points(pd.read_csv(source))
    numbers = csv(rows).encode()
    picture = folder / f"{NAME}.png"
    atomic.write(folder / f"{NAME}.csv", numbers)
    if digest_of(picture) == hashlib.sha256(numbers).hexdigest():
        return
    with style.style(), atomic.replacing(picture) as path:
        metadata = {"Software": None, DIGEST: hashlib.sha256(numbers).hexdigest()}
        draw(rows).savefig(path, format="png", dpi=style.PNG_DPI, metadata=metadata)


def digest_of(picture: Path) -> str | None:
    """Return the digest of the numbers that a picture was drawn from; None without a picture."""
    from PIL import Image

    if not picture.is_file():
        return None
    with Image.open(picture) as image:
        return image.info.get(DIGEST)


def draw(points: pd.DataFrame) -> matplotlib.figure.Figure:
    """Return the figure: a panel a task, a row a defence, a marker a pair of worlds. Call it within the style of the figures."""
    facets, pairs = select.facets(points), select.pairs(points)
    figure = style.blank(WIDTH, HEIGHT)
    panels = figure.subplots(1, len(facets), squeeze=False, sharex=True)[0]
    names = [name for name in ORDER if name in set(points["defence"])]
    looks = dict(
        zip(
            pairs,
            (style.Look(style.VERMILLION, "o"), style.Look(style.BLUE, "D"), *map(style.look, range(9))),
            strict=False,
        )
    )
    for panel, facet in zip(panels, facets, strict=True):
        mine = select.of(points, task=facet.task, model=facet.model)
        style.bands(panel, len(names))
        style.chance(panel)
        for pair, look in looks.items():
            part = select.of_pair(mine, pair)
            rows = [names.index(name) for name in part["defence"]]
            panel.errorbar(part["accuracy"], rows, xerr=style.spread(part, "accuracy"), color=look.color, marker=look.marker, linestyle="none",
                           elinewidth=0.9, markersize=4, zorder=3)  # fmt: skip
        style.label_rows(panel, [SHOWN[name] for name in names], shown=panel is panels[0])
        panel.set_title(facet.title)
        panel.set_xticks([0.5, 0.75, 1.0], ["50 %", "75 %", "100 %"])
    panels[0].set_xlim(min(0.42, float(points["accuracy_low"].min()) - 0.02), 1.03)
    style.message(figure, "Share of models whose training population the best informed adversary names")
    style.legend(figure, [style.key(look, pair.label) for pair, look in looks.items()] + style.line_keys())
    return figure
