"""Before a run: how many victims and splits an interval of some width needs, and the smallest advantage a number finds.

Victims are spread evenly over splits and worlds. With n of them in c splits and a correlation r within a split (of
being named rightly), the design effect is 1 + (n/c - 1) r: n count as n / design effect, at most c / r however many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

from ..core.errors import PopleakError
from . import intervals

MOST = 100_000
"""Victims a split and world beyond which a width counts as out of reach."""


EXPERIMENTS = 4_000
"""Simulated for a median width, which is then known to 1 %, or a power, to 0.6 points."""
SEED = 20_000


class Plan(NamedTuple):
    """One way to spread victims; None where it does not exist.

    splits; correlation; per_split: victims a split and world; victims: all of them; design_effect; width: median width
    of the 95 % interval (at any other level likewise), `median_width`; detectable: smallest advantage found with the
    wanted power.
    """

    splits: int
    correlation: float
    per_split: int | None
    victims: int | None
    design_effect: float | None
    width: float | None
    detectable: float | None


def design_effect(victims: float, splits: int, correlation: float) -> float:
    """Return 1 + (victims / splits - 1) correlation (Kish 1965)."""
    return 1.0 + max(0.0, victims / splits - 1.0) * correlation


def detectable_advantage(
    victims: float, *, splits: int = 1, level: float = 0.05, power: float = 0.8, design_effect: float = 1.0
) -> float:
    """Return the smallest advantage d that the test of accuracy = 1/2 (`intervals.proportion`) finds with `power`.

    Accuracy is (1 + d)/2, n = victims / design_effect, worlds balanced, the test two-sided at `level`. Its statistic is
    sqrt(1 - d^2) T, T noncentral t with c - 1 degrees of freedom and noncentrality d sqrt(n) / sqrt(1 - d^2); d solves
    P(sqrt(1 - d^2) T > t) = power, t the quantile at 1 - level/2. With one split (a test for that split alone) this is
    d sqrt(n) = z_{1 - level/2} + z_power sqrt(1 - d^2), the normal approximation with each hypothesis's own variance.
    NaN where even d = 1 would not be found.
    """
    size = victims / design_effect
    if splits == 1:
        reject, find = special.ndtri(1.0 - level / 2.0), special.ndtri(power)
        if size < reject**2:
            return float("nan")
        return float((reject * np.sqrt(size) + find * np.sqrt(size + find**2 - reject**2)) / (size + find**2))
    reject = special.stdtrit(splits - 1, 1.0 - level / 2.0)
    if size <= reject**2:
        return float("nan")

    def lacking(d: float) -> float:
        shrunk = np.sqrt(1.0 - d * d)
        missed = special.nctdtr(splits - 1, d * np.sqrt(size) / shrunk, reject / shrunk)
        return power - (1.0 - np.nan_to_num(missed))  # its series gives NaN where nothing is missed any more

    from scipy.optimize import brentq

    most = 1.0 - 1e-3  # nearer to 1 the noncentral t's parameters go out of range
    step = min(most, 0.5 * reject / np.sqrt(size))  # upwards from here: NaN lies far above what is sought
    d = step
    while d < most and lacking(d) > 0.0:
        d = min(most, d + step)
    return float(brentq(lacking, 0.0, d, xtol=1e-6)) if lacking(d) <= 0.0 else float("nan")


def median_width(
    accuracy: float, *, victims: float, splits: int, correlation: float = 0.0, level: float = 0.95
) -> float:
    """Return the median width of `intervals.proportion`'s interval of an accuracy, victims in all.

    Over EXPERIMENTS simulated ones with a fixed seed, outcomes beta-binomial: few failures, and failures in few splits,
    widen an interval in ways that no formula for the variance has. One split: Wilson's interval at that accuracy.
    """
    if splits == 1:
        found = intervals.wilson_hull(accuracy, 0.5, level, [(victims, np.inf)])
        return found.high - found.low
    return middle(_simulated(accuracy, victims, splits, correlation, level)[0])


def middle(widths: np.ndarray) -> float:
    """Return the mean of the middle tenth of (n,): the median, but between the steps that few failures make."""
    return float(np.quantile(widths, np.linspace(0.45, 0.55, 101)).mean())


def correlated_advantage(
    victims: float, *, splits: int, correlation: float, level: float = 0.05, power: float = 0.8
) -> float:
    """Return `detectable_advantage` where outcomes within a split are correlated, by simulation (as `median_width`).

    The formula at the design effect promises too much there: failures that come in few splits leave the test fewer
    degrees of freedom than splits - 1 (power 0.71 to 0.77 for 0.8 at correlation 0.1).
    """

    def found(d: float) -> bool:
        return (_simulated((1.0 + d) / 2.0, victims, splits, correlation, 1.0 - level)[1] < level).mean() >= power

    low, high = 0.0, 1.0 - 1e-3
    if not found(high):
        return float("nan")
    while high - low > 5e-4:
        centre = (low + high) / 2.0
        low, high = (low, centre) if found(centre) else (centre, high)
    return high


def _simulated(
    accuracy: float, victims: float, splits: int, correlation: float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return widths and p values against 1/2 of `intervals.proportion` in EXPERIMENTS, two splits or more."""
    rng, size, shape = np.random.default_rng(SEED), max(1, round(victims / splits)), (EXPERIMENTS, splits)
    scale = 1.0 / correlation - 1.0 if correlation > 0.0 else 0.0
    rates = rng.beta(accuracy * scale, (1.0 - accuracy) * scale, size=shape) if correlation > 0.0 else accuracy
    return proportions(rng.binomial(size, rates, size=shape), size, level=level)


def proportions(successes: np.ndarray, size: int, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the widths and p values of `intervals.proportion` for rows of successes (n, c) of `size` units each."""
    clusters, units = successes.shape[1], size * successes.shape[1]
    value = successes.sum(axis=1) / units
    spread = value * (1.0 - value)
    variance = clusters / (clusters - 1.0) * ((successes - (size * value)[:, None]) ** 2).sum(axis=1) / units**2
    flat = variance < 1e-15
    rarer = np.where((value <= 0.5)[:, None], successes, size - successes).astype(np.float64)
    seen, squares = rarer.sum(axis=1), (rarer**2).sum(axis=1)
    degrees = np.clip(seen**2 / np.maximum(squares, 1e-300), min(intervals.LEAST, clusters - 1.0), clusters - 1.0)
    own = units / np.maximum(np.where(flat, 1.0, intervals.FLOOR), intervals.SILENT - seen)
    between = np.where(flat, own, spread / np.where(flat, 1.0, variance))
    tail, distance = (1.0 - level) / 2.0, -2.0 * np.abs(value - 0.5)
    p_own = 2.0 * special.ndtr(distance * np.sqrt(own))
    p_between = np.where(flat, p_own, 2.0 * special.stdtr(degrees, distance * np.sqrt(between)))
    t = np.where(flat, special.ndtri(tail), special.stdtrit(degrees, tail))
    low, high = value.copy(), value.copy()
    for n, z in ((own, special.ndtri(tail)), (between, t)):
        n = np.maximum(n, 1e-300)
        centre = (value + z**2 / (2.0 * n)) / (1.0 + z**2 / n)
        half = np.abs(z) * np.sqrt(spread / n + z**2 / (4.0 * n**2)) / (1.0 + z**2 / n)
        low, high = np.minimum(low, centre - half), np.maximum(high, centre + half)
    return np.minimum(high, 1.0) - np.maximum(low, 0.0), np.maximum(p_own, p_between)


def plan(
    *,
    accuracy: float,
    width: float | None = None,
    per_split: int | None = None,
    splits: int = 5,
    correlation: float = 0.0,
    level: float = 0.95,
    power: float = 0.8,
) -> Plan:
    """Return how many victims a split and world an interval of this median width needs, or what `per_split` give.

    Just one of width and per_split. Raises PopleakError for numbers out of range.
    """
    _check(accuracy=accuracy, splits=splits, correlation=correlation, level=level, power=power)

    def at(count: int) -> float:
        return median_width(
            accuracy, victims=2 * splits * count, splits=splits, correlation=correlation, level=level
        )  # fmt: skip

    if per_split is None:
        if width is None or not 0.0 < width < 1.0:
            raise PopleakError(f"width must lie between 0 and 1, not {width}")
        wanted = width
        per_split = fewest(lambda count: at(count) <= wanted)
        if per_split is None:
            return Plan(splits, correlation, None, None, None, None, None)
    elif per_split < 1:
        raise PopleakError(f"victims must be at least 1 a split and world, not {per_split}")
    victims = 2 * splits * per_split
    effect = design_effect(victims, splits, correlation)
    if correlation > 0.0:
        found = correlated_advantage(
            victims, splits=splits, correlation=correlation, level=1.0 - level, power=power
        )  # fmt: skip
    else:
        found = detectable_advantage(victims, splits=splits, level=1.0 - level, power=power)
    return Plan(
        splits, correlation, per_split, victims, effect, at(per_split), None if np.isnan(found) else found
    )  # fmt: skip


def _check(*, accuracy: float, splits: int, correlation: float, level: float, power: float) -> None:
    """Raise PopleakError for a number out of range."""
    for name, value in (("accuracy", accuracy), ("level", level), ("power", power)):
        if not 0.0 < value < 1.0:
            raise PopleakError(f"{name} must lie between 0 and 1, not {value:g}")
    if not 0.0 <= correlation < 1.0:
        raise PopleakError(f"correlation must be at least 0 and below 1, not {correlation:g}")
    if splits < 1:
        raise PopleakError(f"splits must be at least 1, not {splits}")
    if splits == 1 and correlation > 0.0:
        raise PopleakError("one split cannot show a correlation within splits: ask for 2 splits or more")


def fewest(enough: Callable[[int], bool]) -> int | None:
    """Return the smallest number for which `enough` is true, None beyond `MOST`. `enough` is true from there on."""
    if not enough(MOST):
        return None
    few, count = 0, MOST
    while count - few > 1:
        half = (few + count) // 2
        few, count = (few, half) if enough(half) else (half, count)
    return count


def lines(plans: list[Plan], *, scale: float = 1.0) -> list[str]:
    """Return a table of plans, a line each below its head; scale: 1 for widths of an accuracy, 2 of an advantage."""
    head = (
        "splits",
        "correlation",
        "victims a split and world",
        "victims a world",
        "design effect",
        "width",
        "detects",
    )
    rows: list[tuple[str, ...]] = [head]
    for one in plans:
        if one.victims is None or one.width is None:
            rows.append((str(one.splits), f"{one.correlation:g}", "none: more splits", "-", "-", "-", "-"))
            continue
        found = "-" if one.detectable is None else f"{one.detectable:.3f}"
        rows.append(
            (
                str(one.splits), f"{one.correlation:g}", str(one.per_split), str(one.victims // 2),
                f"{one.design_effect:.2f}", f"{scale * one.width:.3f}", found,
            )
        )  # fmt: skip
    return aligned(rows)


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(size) for cell, size in zip(row, widths, strict=True)) for row in rows]
