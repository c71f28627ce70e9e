"""Paired differences in accuracy: how they spread in a finished run, and before a run the victims and splits that a test needs.

A victim's difference is delta + u + e: u the split's own, with standard deviation `between`, e the victim's, with `within`. With n
victims in c splits the mean has the variance between^2 / c + within^2 / n, which more victims do not take below between^2 / c.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import special  # not `stats`, which takes a second to import

from ..core.errors import PopleakError
from . import intervals
from .power import aligned, fewest

POINTS = 4_000
"""Quantiles of the variance between splits over which a power is averaged."""


class Spread(NamedTuple):
    """Standard deviation of one victim's difference within its split, and of the splits' own differences."""

    within: float
    between: float


class Plan(NamedTuple):
    """Victims a split and world for the test of 0 and for that of equivalence; None where no number will do."""

    splits: int
    find: int | None
    equal: int | None


class Powers(NamedTuple):
    """Probability that the test of 0 rejects, and that the test of equivalence does."""

    find: float
    equal: float


def spread(differences: np.ndarray, clusters: np.ndarray) -> Spread:
    """Return the spread of paired differences (n,), clusters (n,): the split's id.

    within^2 = mean square within splits; between^2 = (mean square between - within^2) / n0, at least 0, with n0 = (n - sum
    n_i^2 / n) / (c - 1): the analysis of variance of one random factor (Searle, Casella & McCulloch, Variance Components 1992, 3.6). Five splits tell
    `between` badly. NaN with fewer than two splits, or one victim in each.
    """
    differences, clusters = intervals.pair(differences, clusters, second="clusters")
    ids, member = np.unique(clusters, return_inverse=True)
    units, count = differences.size, ids.size
    if count < 2 or units <= count:
        return Spread(np.nan, np.nan)
    sizes = np.bincount(member)
    means = np.bincount(member, weights=differences) / sizes
    inside = float(((differences - means[member]) ** 2).sum() / (units - count))
    outside = float((sizes * (means - differences.mean()) ** 2).sum() / (count - 1))
    usual = (units - float((sizes**2).sum()) / units) / (count - 1)
    return Spread(float(np.sqrt(inside)), float(np.sqrt(max(0.0, (outside - inside) / usual))))


def powers(
    difference: float, *, victims: float, splits: int, spread: Spread, margin: float, level: float = 0.05
) -> Powers:
    """Return the powers of `intervals.paired_test` (two-sided) and `intervals.equivalence` at a true difference.

    victims: all of them, evenly over two splits or more; level: of both tests. Normal differences. The variance between splits as
    the test sees it is (between^2 / c + within^2 / n) chi^2 / (c - 1) on c - 1 degrees of freedom; given it, the mean is normal and the
    tests' limits are fixed: t at that variance, or at the floor where that is more. Averaged over POINTS quantiles of chi^2.
    """
    between, within = spread.between**2, spread.within**2
    error = np.sqrt(between / splits + within / victims)
    if error == 0.0:
        return Powers(float(difference != 0.0), float(abs(difference) < margin))
    quantile = (np.arange(POINTS) + 0.5) / POINTS
    seen = error * np.sqrt(special.chdtri(splits - 1, 1.0 - quantile) / (splits - 1))
    floor = np.sqrt(intervals.FLOOR * (within + between) / victims)

    def reach(tail: float) -> np.ndarray:
        return np.maximum(
            special.stdtrit(splits - 1, 1.0 - tail) * seen, special.stdtrit(victims - 1, 1.0 - tail) * floor
        )

    two, one = reach(level / 2.0), reach(level)
    find = special.ndtr((difference - two) / error) + special.ndtr((-difference - two) / error)
    room = np.maximum(0.0, margin - one)
    equal = special.ndtr((room - difference) / error) - special.ndtr((-room - difference) / error)
    return Powers(float(find.mean()), float(equal.mean()))


def detectable(*, victims: float, splits: int, spread: Spread, level: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest difference in accuracy that the test of 0 finds with this power; NaN where not even 1 would be found.

    victims: all of them. NaN too for an unknown spread or fewer than two splits.
    """
    if splits < 2 or victims < 2 or np.isnan(spread.within + spread.between):
        return float("nan")

    def lacking(difference: float) -> float:
        found = powers(difference, victims=victims, splits=splits, spread=spread, margin=0.5, level=level)
        return power - found.find

    from scipy.optimize import brentq

    return float(brentq(lacking, 0.0, 1.0, xtol=1e-5)) if lacking(1.0) < 0.0 else float("nan")


def check(*, difference: float, margin: float, splits: int, spread: Spread, level: float, power: float) -> None:
    """Raise PopleakError for a number out of range."""
    for name, value in (("difference", difference), ("level", level), ("power", power)):
        if not 0.0 < value < 1.0:
            raise PopleakError(f"{name} must lie between 0 and 1, not {value:g}")
    if not 0.0 < margin < 0.5:
        raise PopleakError(f"margin must lie between 0 and 0.5, not {margin:g}")
    for name, value in (("sd", spread.within), ("between", spread.between)):
        if not 0.0 <= value <= 1.0:
            raise PopleakError(f"{name} must lie between 0 and 1, not {value:g}")
    if splits < 2:
        raise PopleakError(f"splits must be at least 2, not {splits}: one split cannot show how splits differ")


def plan(
    *, difference: float, margin: float, splits: int, spread: Spread, level: float = 0.05, power: float = 0.8
) -> Plan:
    """Return the fewest victims a split and world with which each test has this power: the test of 0 at `difference`, the test of
    equivalence at 0. level: of both tests. Raises PopleakError for numbers out of range.
    """
    check(difference=difference, margin=margin, splits=splits, spread=spread, level=level, power=power)

    def at(count: int, test: str) -> bool:
        where = difference if test == "find" else 0.0
        found = powers(where, victims=2 * splits * count, splits=splits, spread=spread, margin=margin, level=level)
        return getattr(found, test) >= power

    return Plan(splits, *(fewest(functools.partial(at, test=test)) for test in Powers._fields))


def models(splits: int, per_split: int, shadows: int) -> int:
    """Return the models that one defence trains in two worlds: what a run costs, but for a factor."""
    return 2 * splits * (per_split + shadows)


def lines(plans: list[Plan], *, shadows: int) -> list[str]:
    """Return a table of plans with the models that they cost, and a line for each test that names the cheapest number of splits."""
    rows: list[tuple[str, ...]] = [
        ("splits", "victims a split and world to find it", "models a defence", "to show equality", "models a defence")
    ]
    for one in plans:
        cells = [str(one.splits)]
        for count in (one.find, one.equal):
            cells += (
                ["none: more splits", "-"] if count is None else [str(count), str(models(one.splits, count, shadows))]
            )
        rows.append(tuple(cells))
    found = aligned(rows)
    for test, said in (("find", "to find the difference"), ("equal", "to show that there is no material one")):
        costs = [(models(one.splits, count, shadows), one.splits) for one in plans if (count := getattr(one, test))]
        if costs and len(plans) > 1:
            found.append(f"least work {said}: {min(costs)[1]} splits")
    return found


def given(
    per_split: int,
    *,
    difference: float,
    margin: float,
    splits: Iterable[int],
    spread: Spread,
    level: float,
    power: float,
) -> list[str]:
    """Return a table of what so many victims a split and world give: both powers, and the smallest difference found with `power`.

    Raises PopleakError for numbers out of range.
    """
    if per_split < 1:
        raise PopleakError(f"victims must be at least 1 a split and world, not {per_split}")
    rows: list[tuple[str, ...]] = [
        ("splits", "victims a world", "power to find it", "power to show equality", "detects")
    ]
    for count in splits:
        check(difference=difference, margin=margin, splits=count, spread=spread, level=level, power=power)
        victims = 2 * count * per_split
        find, equal = (
            powers(size, victims=victims, splits=count, spread=spread, margin=margin, level=level)
            for size in (difference, 0.0)
        )
        least = detectable(victims=victims, splits=count, spread=spread, level=level, power=power)
        said = "-" if np.isnan(least) else f"{least:.3f}"
        rows.append((str(count), str(count * per_split), f"{find.find:.2f}", f"{equal.equal:.2f}", said))
    return aligned(rows)
