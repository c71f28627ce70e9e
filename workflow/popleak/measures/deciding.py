"""How many pool splits would turn `cannot tell` into a verdict, if the estimates stay what they are."""

from __future__ import annotations

import math

from scipy import special

from .paired import Spread, powers
from .verdicts import LEAST_SPLITS, Found, lacking

MOST = 100_000
"""Beyond this many splits no number is given: NaN."""
SCALE = ((special.ndtri(0.975) + special.ndtri(0.8)) / special.ndtri(0.975)) ** 2
"""An interval whose half width is the distance to the limit decides in one of two runs; one narrower by the root of this, in four of five."""


def enough(found: Found, low: float, high: float) -> float:
    """Return the pool splits with which a 95 % interval decides, with power 0.8, on which side of the limits its figure lies.

    low, high: the nearest limits below and above which the word changes; -inf or inf where there is none. With as many models in
    each split the half width shrinks as one over the root of the splits. NaN without an interval, or at a limit itself; 2 where only
    the second split is missing.
    """
    if found.models and found.splits < LEAST_SPLITS:
        return float(LEAST_SPLITS)
    if lacking(found):
        return math.nan
    distance = min(abs(found.value - limit) for limit in (low, high))
    if not 0.0 < distance < math.inf:
        return math.nan
    side = found.high - found.value if _nearest(found.value, low, high) > found.value else found.value - found.low
    wanted = math.ceil(found.splits * SCALE * (side / distance) ** 2)
    return float(max(wanted, found.splits + 1)) if wanted <= MOST else math.nan


def _nearest(value: float, low: float, high: float) -> float:
    return low if abs(value - low) < abs(value - high) else high


def difference(
    value: float, *, spread: Spread, per_split: float, margin: float, level: float, power: float = 0.8
) -> float:
    """Return the fewest pool splits with which a paired difference of this size is found, or shown to lie within the margin.

    per_split: victims in each split, of both worlds; level: of both tests (`measures.paired.powers`). NaN for an unknown spread, and
    where no number up to MOST is enough.
    """
    if math.isnan(value + spread.within + spread.between + per_split) or per_split <= 0:
        return math.nan

    def reached(splits: int) -> bool:
        found = powers(value, victims=per_split * splits, splits=splits, spread=spread, margin=margin, level=level)
        return max(found.find, found.equal) >= power

    fewest = LEAST_SPLITS
    while not reached(fewest):
        fewest *= 2
        if fewest > MOST:
            return math.nan
    low = max(fewest // 2, LEAST_SPLITS)
    while low < fewest:  # power grows with the splits
        middle = (low + fewest) // 2
        low, fewest = (low, middle) if reached(middle) else (middle + 1, fewest)
    return float(fewest)
