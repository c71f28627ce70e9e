"""The figure contract: public tables in, one matplotlib figure and the plotted numbers out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas as pd


class Figure:
    """Base of figures. A figure's file must not import matplotlib or pandas at its top."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `popleak list figures`."""
    caption: ClassVar[str]
    """What the reader sees and what the intervals are; shown under the figure in the report."""
    tables: ClassVar[tuple[str, ...]]
    """The public tables it reads, by name: any of models, scores, leakage, bounds, claims."""
    also: ClassVar[tuple[str, ...]] = ()
    """Public tables that it shows too where an experiment makes them; `draw` may be given none of these."""

    @classmethod
    def reads(cls, there: Iterable[str]) -> list[str]:
        """Return which of the tables that are there it reads."""
        return [*cls.tables, *(table for table in cls.also if table in there)]

    def draw(self, tables: dict[str, pd.DataFrame], *, tau: float) -> tuple[matplotlib.figure.Figure, pd.DataFrame]:
        """Return the figure and the plotted numbers; tau: the experiment's accuracy gap that counts as small.

        Sound with one task, with one defence and with no rows to draw."""
        raise NotImplementedError
