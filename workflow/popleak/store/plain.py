"""Which rows of a public table are the plain game: two worlds, nobody poisoned, shadows like the victim, asked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.protocols import MANY, PURE, RATIO

if TYPE_CHECKING:
    import pandas as pd


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of two-world games with poison 0, shadows of the victim's own model and one answer a query.

    For whatever shows none of these axes: its cells would else be doubled or mixed. Each condition only where the table
    has the column; a null in it (a table without that axis) counts as the plain value.
    """
    kept = frame.index == frame.index
    if "protocol" in frame:
        kept &= (frame["protocol"] != MANY).to_numpy()
    if "poison" in frame:
        kept &= (frame["poison"].fillna(0.0) == 0).to_numpy()
    if "shadow_model" in frame and "model" in frame:
        kept &= (frame["shadow_model"].isna() | (frame["shadow_model"] == frame["model"])).to_numpy()
    if "repeats" in frame:
        kept &= (frame["repeats"].fillna(1) == 1).to_numpy()
    return frame[kept]


def differ(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of two worlds that differ: of equal ones nothing can be told."""
    return frame[(frame["ratio_0"] != frame["ratio_1"]).to_numpy()]


def alike(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of two equal worlds, where every attack must sit at chance."""
    return frame[(frame["ratio_0"] == frame["ratio_1"]).to_numpy()]


def by_group(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of two worlds that differ in their groups, of which alone the paper speaks."""
    return frame[frame["protocol"].isin((PURE, RATIO)).to_numpy()]


def alive(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table `leakage` whose victims did not all diverge: models that answer 0.5 to all give nothing away
    and protect nothing."""
    return leakage[~(leakage["diverged"].fillna(0) >= leakage["victims"])]
