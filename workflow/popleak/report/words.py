"""Numbers, names and lists as the report's sentences say them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..measures.verdicts import LEVEL

if TYPE_CHECKING:
    import pandas as pd


def percent(value: float, digits: int = 1) -> str:
    return "\u2013" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}\u00a0%"


def points(value: float, unit: str = " points") -> str:
    """Return a difference of two shares in points, with its sign."""
    return f"{100 * value:+.1f}{unit}".replace("-", "\u2212")


def number(value: Any, digits: int = 3) -> str:
    """Return a number as text, with a dash for none."""
    if value is None or value != value:
        return "\u2013"
    return f"{round(value, digits) + 0.0:.{digits}f}" if isinstance(value, float) else str(value)  # no -0.000


def interval(low: float, high: float, digits: int = 3) -> str:
    return "\u2013" if low != low and high != high else f"{number(float(low), digits)} to {number(float(high), digits)}"


def listed(items: Iterable[str]) -> str:
    """Return 'a', 'a and b' or 'a, b and c'."""
    items = list(items)
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def cell(text: str) -> str:
    """Return text as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def capital(text: str) -> str:
    """Return text with its first letter as a capital, and all others as they are."""
    return f"{text[:1].upper()}{text[1:]}"


def count(many: int | str, one: str) -> str:
    return f"{many} {one}" if str(many) == "1" else f"{many} {one}s"


def facet_name(row: Mapping[str, Any], several: bool) -> str:
    return f"{row['task']} ({row['model']})" if several else str(row["task"])


def with_models(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a public table whose tasks are named with their model, where there are several models."""
    if rows["model"].nunique() < 2:
        return rows
    return rows.assign(task=[facet_name(row, True) for row in rows[["task", "model"]].to_dict("records")])


def beyond_chance(many: int, of: int, rate: float) -> bool:
    """Return whether so many of these intervals are too many where each is such by chance with this rate, as if they were independent
    (binomial tail below 5 %)."""
    from scipy.stats import binom

    return bool(binom.sf(many - 1, of, rate) < LEVEL)


def away_from_half(rows: pd.DataFrame) -> tuple[int, str]:
    """Return how many of these accuracies' 95 % intervals leave out 50 %, and how many would on average by chance alone."""
    outside = (rows["accuracy_low"] > 0.5) | (rows["accuracy_high"] < 0.5)
    return int(outside.sum()), f"{LEVEL * len(rows):.2g}"


def rich(text: str) -> Any:
    """Return text with Markdown's `code` and *emphasis* as HTML, all else escaped."""
    from markupsafe import Markup, escape

    whole = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*([^*]+)\*", r"<em>\1</em>", whole))
