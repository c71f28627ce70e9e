"""The contract of figures: drawn of tables with rows and without, at a paper's size, in letters that can be read there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..figures.base import Figure
from ..store import schema
from .plugin import check_imports, check_names

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    "adversary": ("kl", "best"), "dataset": ("demo",), "defence": ("none", "finetune"), "knowledge": ("informed",),
    "model": ("mlp",), "protocol": ("pure",), "role": ("victim",), "task": ("demo-sex", "demo-race"),
}  # fmt: skip
"""What stands in columns of words; `a` in all others."""


def made_up_tables(names: Sequence[str], rows: int = 48, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return public tables of the right columns and types: two tasks, one model, two defences, numbers from 0 to 1.

    They look like results and mean nothing. With `rows` = 0 they are empty.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    kinds = {"bool": bool, "double": np.float64, "int64": np.int64, "string": object}
    found = {}
    for name in names:
        frame = {}
        for column in schema.TABLES[name]:
            values: Sequence | np.ndarray
            if column.type == "string":
                words = WORDS.get(column.name, ("a",))
                values = [words[i // (2 if column.name == "task" else 1) % len(words)] for i in range(rows)]
            elif column.name in ("ratio_0", "ratio_1"):
                values = np.full(rows, float(column.name[-1]))
            elif column.type == "double":
                values = rng.random(rows) * (column.name != "poison")
            else:
                values = np.arange(rows) // 4 % 2
            frame[column.name] = pd.Series(values, dtype=kinds[column.type])
        found[name] = pd.DataFrame(frame)
    return found


def check_figure(figure: Figure, *, tables: Mapping[str, pd.DataFrame] | None = None) -> None:
    """Raise AssertionError naming what was broken, if `figure` breaks the contract.

    tables: public tables that it draws; by default `made_up_tables`, which suit a figure that reads `models`.
    """
    from matplotlib.text import Text

    from ..figures import _style

    check_names(figure)
    assert figure.caption.endswith("."), "caption must be sentences"
    unknown = {*figure.tables, *figure.also} - schema.TABLES.keys()
    assert figure.tables and not unknown, f"tables must be public tables, not {', '.join(sorted(unknown)) or 'none'}"
    check_imports(figure)
    wanted = figure.reads(schema.TABLES)
    with _style.style():
        for frames in (dict(made_up_tables(wanted) if tables is None else tables), made_up_tables(wanted, rows=0)):
            rows = sum(map(len, frames.values()))
            drawn, plotted = figure.draw(frames, tau=0.1)
            drawn.draw_without_rendering()
            assert len(plotted.columns), "the plotted numbers must have columns"
            assert bool(len(plotted)) == bool(rows), f"{rows} rows were given, and {len(plotted)} numbers plotted"
            width, height = drawn.get_size_inches()
            assert width in (_style.COLUMN, _style.PAGE) and height <= _style.TALLEST, (
                f"{width} by {height} inches: use figures._style.blank"
            )
            small = [
                text.get_text()
                for text in drawn.findobj(Text)
                if text.get_text() and float(text.get_fontsize()) < _style.SMALL
            ]
            assert not small, f"letters below {_style.SMALL} points: {small[0]!r}"
