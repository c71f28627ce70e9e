"""The one place that turns an estimate into a verdict; tables, sentences and figures take their words from here.

On a claim: holds, fails, cannot tell or not applicable. On a difference between two defences: lower, higher, no material difference,
cannot tell or not applicable; the claim C6, which is such a difference, has `no material difference` too. On an accuracy: above chance, below chance or cannot tell. A verdict needs an interval that carries information:
without models enough, or from one pool split alone, it is `cannot tell`, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

HOLDS, FAILS, OPEN, IDLE = "holds", "fails", "cannot tell", "not applicable"
LOWER, HIGHER, SAME = "lower", "higher", "no material difference"
ABOVE, BELOW = "above", "below"
WORDS = (HOLDS, FAILS, SAME, OPEN, IDLE)
"""Verdicts on claims, in the order in which they are counted."""
LEVEL = 0.05
MARGIN = 0.05
"""Smallest difference in accuracy that is material, unless the config says otherwise: 0.10 in advantage."""
LIGHTS = ("green", "red", "grey")
"""What a light of an audit says: no leak above the margin, a leak, or that the data cannot say (`measures.lights`)."""
ADVANTAGE = 0.1
"""Largest advantage that an audit counts as none, unless the config says otherwise: 55 of 100 instead of 50."""
SMALL = 0.05
"""A certified advantage that counts as small: of what is certified so, no adversary need be asked."""
LEAST_SPLITS = 2
"""One split says nothing of how splits differ: its intervals cover 72 % where 40 gaps of a split are correlated by 0.3 (docs/statistics.md)."""
LEAST_MODELS = 4
"""Fewest whose mean was simulated (docs/statistics.md)."""
MOSTLY, COSTLY = 0.5, 0.03
"""The share of models that give all records one label, and the fall in accuracy, above which the price of a defence is told beside it."""
UNTOLD = "neither is told from chance"
SEARCHED = "lambda was searched for each model"
"""Why such models are no basis for a verdict on what the EO term does: how strong it was depends on how each model came out."""
UNDER = "below chance"
"""What is said of one such accuracy. Of many cells some lie there by chance alone, so whether the answers are informative is a statement about
all cells: `report/findings.py` makes it."""


class Found(NamedTuple):
    """An estimate with its 95 % limits and p value (NaN: no test), the models and pool splits behind it, and how many were left out
    because they diverged."""

    value: float
    low: float
    high: float
    p: float
    models: int
    splits: int
    diverged: int = 0

    def __str__(self) -> str:
        if not self.models:
            return f"unknown ({_lost(self.diverged)})" if self.diverged else "unknown"
        limits = f" [{self.low:.3f}, {self.high:.3f}]" if self.low == self.low else ""
        return f"{self.value + 0.0:.3f}{limits}" if abs(self.value) >= 5e-4 else f"0.000{limits}"


class Verdict(NamedTuple):
    """A word, and why it is no more than that: a reason for `cannot tell` and `not applicable`, else empty."""

    word: str
    reason: str = ""


def lacking(found: Found) -> str:
    """Return why an estimate carries no verdict whatever its limits are; empty if it may carry one."""
    if not found.models:
        return f"no model is left: {_lost(found.diverged)}" if found.diverged else "no model was measured"
    if found.models < LEAST_MODELS:
        left = f", {found.diverged} diverged" if found.diverged else ""
        return f"{found.models} models are too few for an interval{left}"
    if found.splits < LEAST_SPLITS:
        return "from one pool split, whose interval speaks of that split alone"
    return "" if found.low == found.low and found.high == found.high else "no interval is known"


def below(found: Found, limit: float) -> Verdict:
    """Return `holds` if the whole interval is below the limit, `fails` if it is above, else `cannot tell`.

    At the limit 0 the test of 0 must say so too: where all differences are equal the interval takes models for independent, the
    test does not.
    """
    reason = lacking(found)
    if reason:
        return Verdict(OPEN, reason)
    word = HOLDS if found.high < limit else FAILS if found.low > limit else OPEN
    if word != OPEN and limit == 0.0 and not found.p < LEVEL:
        return Verdict(OPEN, f"p = {found.p:.2g} by the sign test over splits")
    return Verdict(word)


def within(found: Found, low: float, high: float) -> Verdict:
    """Return `holds` if the whole interval lies in [low, high], `fails` if it is outside, else `cannot tell`."""
    reason = lacking(found)
    if reason:
        return Verdict(OPEN, reason)
    outside = found.high < low or found.low > high
    return Verdict(FAILS if outside else HOLDS if low <= found.low and found.high <= high else OPEN)


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Return `fails` if any part fails, `holds` if all hold, else `cannot tell`. Parts that are not applicable do not count."""
    verdicts = list(verdicts)
    counted = [one for one in verdicts if one.word != IDLE]
    words = {one.word for one in counted}
    word = IDLE if verdicts and not counted else FAILS if FAILS in words else HOLDS if words == {HOLDS} else OPEN
    reasons = dict.fromkeys(one.reason for one in verdicts if one.reason and one.word == word)
    return Verdict(word, "; ".join(reasons))


def change(
    found: Found, *, equal: float = float("nan"), told: bool = True, same: bool = False, searched: bool = False
) -> Verdict:
    """Return what may be said of a difference between two defences; found.p and `equal` are p values corrected for their families.

    The first that applies: not applicable, where the models are the `same`; cannot tell, where their lambda was `searched`, where
    the estimate carries no verdict, or where neither accuracy is `told` from chance, for there is then no leakage of which one
    might have less; no material difference, where
    the test of equivalence (p value `equal`) says that the difference is within the margin, be it significant or not; lower or
    higher, where the test of 0 does; cannot tell.
    """
    if found.models and same:
        return Verdict(IDLE, "the models are the same")
    reason = SEARCHED if searched else lacking(found) or ("" if told else UNTOLD)
    if reason:
        return Verdict(OPEN, reason)
    if equal < LEVEL:
        return Verdict(SAME)
    if not found.p < LEVEL:
        return Verdict(OPEN)
    return Verdict(LOWER if found.value < 0 else HIGHER)


def side(found: Found) -> Verdict:
    """Return lower or higher where the 95 % interval leaves out 0, else cannot tell: for a difference that has no test of its own."""
    reason = lacking(found)
    if reason:
        return Verdict(OPEN, reason)
    return Verdict(LOWER if found.high < 0 else HIGHER if found.low > 0 else OPEN)


def against_chance(found: Found, chance: float) -> str | None:
    """Return above or below where the interval of an accuracy leaves chance out and may carry a verdict, cannot tell else; None
    without an interval."""
    if found.low != found.low or found.high != found.high:
        return None
    if lacking(found):
        return OPEN
    return ABOVE if found.low > chance else BELOW if found.high < chance else OPEN


def marks(row: Mapping[str, Any]) -> list[str]:
    """Return what must be said beside an accuracy of the table `leakage`, lest it be read wrongly: below chance, diverged victims."""
    found = [UNDER] if row["against_chance"] == BELOW else []
    lost = row["diverged"]
    if lost is not None and lost > 0:  # a null is not
        found.append(f"{int(lost)} of {int(row['victims'])} victims diverged and answer 0.5 to all")
    return found


def price(constant: float, fall: float) -> list[str]:
    """Return what must be said beside a defence for its price, lest models that became useless pass for fair or private ones.

    constant: share of its models that give all records one label; fall: of mean accuracy, against the models without a defence. NaN: unknown.
    """
    found = []
    if constant > MOSTLY:
        share = "all" if constant == 1.0 else f"{min(round(100 * constant), 99)} %"
        found.append(f"{share} of these models give every record one label")
    if fall > COSTLY:
        found.append(f"accuracy falls by {100 * fall:.1f} points")
    return found


def _lost(diverged: int) -> str:
    return f"all {diverged} diverged"
