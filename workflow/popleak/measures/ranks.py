"""Rank correlation over cells that come in blocks."""

from __future__ import annotations

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

from .intervals import FLOOR, UNKNOWN, Estimate, open_share, pair


def spearman(x: np.ndarray, y: np.ndarray, blocks: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Return Spearman's rank correlation of x and y (n,), whose units come in blocks (n,); p is NaN.

    Interval: tanh(z -+ half), z Fisher's transform; half is the larger of
      between  t quantile (B - 1 degrees of freedom) times the delete-one-block jackknife's standard error of z (B blocks);
      within   normal quantile times the root of half of (1 + r^2/2) / (n - 3), the variance for independent units
               (Bonett & Wright, Psychometrika 2000), since few blocks agree by luck. One block: the latter alone, whole.
    At -+1 z is infinite: correlations are kept at least 12 / (n (n^2 - 1)) away, to the nearest that n ranks have, and the
    limits include the value. NaN where x or y is constant; NaN limits below 4 units or where x or y is constant without one
    block. The blocks are taken for a sample: anything that several share (a data set) is held fixed.
    Simulated coverage, 3, 4 and 12 blocks of 6 units, with and without block effects: 94.5 to 99 %
    (docs/statistics.md); other numbers were not tried. Source: Efron & Stein (Ann. Stat. 1981). Raises ValueError for
    values that are not finite.
    """
    open_share(level, "level")
    x, y = pair(x, np.asarray(y, dtype=np.float64), second="y")
    x, blocks = pair(x, blocks, second="blocks")
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise ValueError("values must be finite: leave out the units without a value")
    value = _correlation(x, y)
    if np.isnan(value) or x.size < 4:
        return UNKNOWN._replace(value=value)
    ids = np.unique(blocks)
    normal = float(special.ndtri((1.0 + level) / 2.0))
    own = np.sqrt((1.0 + value**2 / 2.0) / (x.size - 3))
    if ids.size == 1:
        half = normal * own
    else:
        without = np.array([_fisher(x[blocks != one], y[blocks != one]) for one in ids])
        error = np.sqrt((ids.size - 1) / ids.size * ((without - without.mean()) ** 2).sum())
        half = max(float(special.stdtrit(ids.size - 1, (1.0 + level) / 2.0)) * error, normal * np.sqrt(FLOOR) * own)
        if np.isnan(error):
            half = np.nan
    z = _fisher(x, y)
    low, high = np.tanh(z - half), np.tanh(z + half)
    return Estimate(value, float(np.minimum(low, value)), float(np.maximum(high, value)), np.nan)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.stats import rankdata  # slow to import; spearmanr itself mostly makes a p value, once for each block

    if x.size < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return float("nan")
    return float(np.clip(np.corrcoef(rankdata(x), rankdata(y))[0, 1], -1.0, 1.0))


def _fisher(x: np.ndarray, y: np.ndarray) -> float:
    value = _correlation(x, y)
    most = 1.0 - 12.0 / (x.size * (x.size**2 - 1.0)) if x.size > 2 else 0.0
    return float(np.arctanh(np.clip(value, -most, most)))
