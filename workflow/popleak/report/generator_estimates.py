"""Numbers of generators with their intervals, and when a number holds: what the checks of `generators` are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.seeds import generator
from ..measures import intervals
from ..measures.intervals import UNKNOWN, Estimate
from ..measures.verdicts import FAILS, HOLDS, LEAST_SPLITS, OPEN
from .members import judged

if TYPE_CHECKING:
    import pandas as pd

DRAWN = 2000
"""Resamples of pool splits for the interval of a rank correlation."""


class Check(NamedTuple):
    """name: of the check, A2 to A8, R4 or copies; said: what is to hold; task; what: whom it is about; found: number and interval; verdict;
    beside: what is reported with it."""

    name: str
    said: str
    task: str
    what: str
    found: Estimate
    verdict: str
    beside: str = ""


def counted(found: Estimate, least: float = -np.inf, most: float = np.inf) -> str:
    """Return whether a share of few generators lies in [least, most]: by the number where it does, by the interval where it does not."""
    if np.isnan(found.value) or np.isnan(found.low):
        return OPEN
    if least <= found.value <= most:
        return HOLDS
    return FAILS if found.high < least or found.low > most else OPEN


def throughout(found: Mapping[float, Estimate], least: float, most: float) -> tuple[float, Estimate, str]:
    """Return whether the numbers of all shares lie in [least, most], and the share and number that show it worst.

    It holds where each does and fails where one does: what must hold at every share is not made up for at another. Of those that decide, the
    worst is the furthest from 0.
    """
    verdicts = {level: judged(one, least, most) for level, one in found.items()}
    verdict = both(verdicts.values())
    worst = max((level for level in found if verdicts[level] == verdict), key=lambda level: abs(found[level].value))
    return worst, found[worst], verdict


def listed_by(found: Mapping[float, Estimate], form: str = "{:+.3f}") -> str:
    """Return numbers by share, as they stand beside a check."""
    return ", ".join(f"{form.format(one.value)} at {level:g}" for level, one in found.items())


def mean(values: pd.Series, splits: pd.Series) -> Estimate:
    """Return the mean of the finite values with its interval over pool splits; without limits where there is one split alone.

    Values that are all 0 have no width: those of a rule that fixes them, such as a share that is set, are no sample of anything.
    """
    kept = np.isfinite(values.to_numpy(dtype=float))
    values, splits = values[kept], splits[kept]
    found = intervals.mean(values.to_numpy(dtype=float), splits.to_numpy())
    return found if splits.nunique() >= LEAST_SPLITS else found._replace(low=np.nan, high=np.nan)


def by_ratio(values: pd.Series, rows: pd.DataFrame) -> Estimate:
    """Return the same where each ratio of `rows` weighs the same: ratios are no sample, and errors differ between them."""
    columns = (values, rows["ratio"], rows["split"])
    found = intervals.stratified_mean(*(column.to_numpy(dtype=float) for column in columns))
    return found if rows["split"].nunique() >= LEAST_SPLITS else found._replace(low=np.nan, high=np.nan)


def share(hits: pd.Series, splits: pd.Series) -> Estimate:
    """Return the share of generators that are hits, with its interval over pool splits."""
    groups = hits.astype(float).groupby(splits)
    found = intervals.proportion(groups.sum().to_numpy(), groups.size().to_numpy())
    return found if splits.nunique() >= LEAST_SPLITS else found._replace(low=np.nan, high=np.nan)


def rising(values: pd.Series, levels: pd.Series, splits: pd.Series, key: str) -> Estimate:
    """Return Spearman's correlation of levels and mean values, with the interval of resampled pool splits; unknown below three levels."""
    table = values.groupby([splits, levels]).mean().unstack().dropna(axis=0)
    if table.shape[1] < 3 or not len(table):
        return UNKNOWN
    cells = table.to_numpy(dtype=float)
    value = _ranked(cells.mean(axis=0))
    if len(cells) < LEAST_SPLITS:
        return Estimate(value, np.nan, np.nan, np.nan)
    rng = generator("generators", "rising", key)
    drawn = [_ranked(cells[rng.integers(0, len(cells), len(cells))].mean(axis=0)) for _ in range(DRAWN)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high), np.nan)


def _ranked(values: np.ndarray) -> float:
    """Return Spearman's correlation of values with their order; 0 of values that are all one."""
    from scipy.stats import rankdata

    if np.ptp(values) <= intervals.ROUNDING:
        return 0.0
    return float(np.corrcoef(np.arange(len(values)), rankdata(values))[0, 1])


def slope(rows: pd.DataFrame) -> Estimate:
    """Return the least-squares slope of estimates against ratios, with its interval over pool splits."""
    by_split = rows.groupby("split")[["ratio", "estimate"]]
    slopes = [
        float(np.polyfit(part["ratio"], part["estimate"], 1)[0]) for _, part in by_split if part["ratio"].nunique() > 1
    ]
    if len(slopes) < LEAST_SPLITS:
        return Estimate(slopes[0], np.nan, np.nan, np.nan) if slopes else UNKNOWN
    return intervals.mean(np.array(slopes), np.arange(len(slopes)))


def flat(found: Estimate, bound: float) -> str:
    """Return whether estimates do not follow the ratio, by their slope, up or down: it holds where the whole interval is nearer to 0 than `bound`,
    fails where the slope is not and its interval leaves out 0; else nothing can be told."""
    if np.isnan(found.low) or np.isnan(found.high):
        return OPEN
    if -bound < found.low and found.high < bound:
        return HOLDS
    return FAILS if abs(found.value) >= bound and (found.low > 0 or found.high < 0) else OPEN


def both(verdicts: Iterable[str]) -> str:
    """Return the verdict on what holds where several things do, and fails where one fails."""
    told = set(verdicts)
    return next((word for word in (FAILS, OPEN) if word in told), HOLDS)
