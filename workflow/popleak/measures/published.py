"""The published curve of the KL attack on census data, and what is compared with it: a curve of ours by ratio.

What is known of it, from the papers and their public code: American Community Survey 2019 (one year), income above 50,000 dollars, each
ratio of women against 0.5. 105 features after one-hot coding, state of residence among them, sex and race too unless a setting that
is off by default takes them out. MLP (64, 16), 20 epochs, batches of 200. 50,000 training rows; the label rate of a draw is
held fixed, so it does not move with the ratio as in our `natural` draws. 50 shadows a ratio, 0.8 of the pairs i < j.
What is not known: the rows of the very models behind the curve (versions of the code ask for about 48,000 a shadow and 72,000 a
victim, another description is of 50,000 and 200,000), and how many victims and repetitions a median is of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

MIDDLE = 0.5
"""The ratio that each other one is told from."""
PUBLISHED = {
    0.0: 0.99998, 0.1: 0.99, 0.2: 0.90, 0.3: 0.72, 0.4: 0.56, 0.6: 0.56, 0.7: 0.68, 0.8: 0.86, 0.9: 0.975, 1.0: 0.99998,
}  # fmt: skip
"""Median accuracy by ratio of women, in the line of Suri & Evans (2022) and Suri et al. (2023). 100 % is entered as 99.998 %: at 1
the attack would be worth infinitely many samples."""
TASK = ("acs-income", "sex")
"""Dataset and attribute of the tasks that are like it."""
HALF_STEP = 0.0025
"""The values are stated to half a per cent: each stands for all that round to it."""


class Means(NamedTuple):
    """Means of n_leaked over the inner ratios (all but 0 and 1) and over all, infinite ones left out and counted; NaN of none.

    ends: what the ratios 0 and 1 add to the mean over all.
    """

    inner: float
    whole: float
    ends: float
    infinite: int


def means(leaked: Mapping[float, float]) -> Means:
    """Return the means of n_leaked by ratio."""
    known = {ratio: float(value) for ratio, value in leaked.items() if value == value}
    kept = {ratio: value for ratio, value in known.items() if value != float("inf")}
    ends = [value for ratio, value in kept.items() if ratio in (0.0, 1.0)]
    inner = [value for ratio, value in kept.items() if ratio not in (0.0, 1.0)]
    nan = float("nan")
    return Means(
        sum(inner) / len(inner) if inner else nan,
        sum(kept.values()) / len(kept) if kept else nan,
        sum(ends) / len(kept) if kept else nan,
        len(known) - len(kept),
    )


def leaked(ratios: Sequence[float] = tuple(PUBLISHED)) -> dict[float, float]:
    """Return the n_leaked of the published accuracies at these ratios."""
    from .leakage import n_leaked

    return {ratio: float(n_leaked(PUBLISHED[ratio], *sorted((ratio, MIDDLE)))) for ratio in ratios}


def left_out(limits: Mapping[float, tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Return the ratios at which the interval (low, high) lies below all that rounds to the published accuracy, and those
    at which it lies above. At ratios that are not published nothing is compared."""
    below = [ratio for ratio, (_, high) in limits.items() if ratio in PUBLISHED and high < PUBLISHED[ratio] - HALF_STEP]
    above = [ratio for ratio, (low, _) in limits.items() if ratio in PUBLISHED and low > PUBLISHED[ratio] + HALF_STEP]
    return sorted(below), sorted(above)
