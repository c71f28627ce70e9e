"""Text of unknown origin, such as the name of a task in a stranger's table, in files that programs act on.

What we write ourselves passes unchanged. LaTeX has its own (`report/paper.escaped`), and jinja2 escapes the report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_NUMBER = re.compile(r"[-+\u2212\d.,%\[\]()\s<eE]*")


def markdown(text: str) -> str:
    """Return Markdown in which no HTML tag or comment begins, so that no text ends a block that is between two comments."""
    return _TAG.sub("&lt;", text)


def cell(text: str) -> str:
    """Return the text of a CSV cell, with `'` before what a spreadsheet would take for a formula (CWE-1236)."""
    begins = text.lstrip(" ")[:1]
    formula = begins in ("=", "@", "\t", "\r", "\n") if begins else False
    if begins in ("+", "-"):
        formula = not _NUMBER.fullmatch(text)
    return f"'{text}" if formula else text


def frame(table: pd.DataFrame) -> pd.DataFrame:
    """Return a data frame whose words are such cells, and its columns' names."""
    words = {
        name: column.map(cell, na_action="ignore")
        for name, column in table.items()
        if column.dtype == object or str(column.dtype) in ("str", "string", "category")
        if column.map(lambda value: isinstance(value, str) and cell(value) != value).any()
    }
    return table.assign(**words).rename(columns=lambda name: cell(name) if isinstance(name, str) else name)
