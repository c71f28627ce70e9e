"""Judges of what adversaries achieve: against a defence and its control, and against a certificate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from ...measures import certificates, deciding, intervals, paired
from ...measures.leakage import CHOSEN
from ...measures.verdicts import FAILS, HIGHER, HOLDS, IDLE, LEVEL, LOWER, OPEN, Found, Verdict, lacking
from ...steps.papers import Claim
from ...store.plain import by_group
from .._paired import GAME
from .._victims import Victims
from .evidence import Evidence, Outcome, game, percent, points, where

CHANCE = 0.5
AUDIT = "worst-case"
"""Access of an attack that judges trainings in their worst case."""


def less_than_control(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge the best informed adversary against a defence and its no-EO control, same victims: the verdict of the table `leakage`.

    One difference, judged once: the sentences of the report and that table say the same. Twice it is the advantage's. A difference
    that is shown to be immaterial neither lowers the advantage nor contradicts a claim that gives no size: the word is its own.
    """
    best = _best(evidence)
    for row in best[best["defence"].isin(evidence.of(claim.defences))].to_dict("records"):
        defence, control = row["defence"], evidence.controls.get(row["defence"])
        if control is None:
            continue
        keys = tuple(row[name] for name in GAME)
        part = evidence.pairs[where(evidence.pairs, keys) & evidence.pairs["defence"].isin([defence, control])]
        pair = Victims(part)
        lost = len(pair.diverged(defence, control))
        change, low, high = (row[f"difference_vs_control{end}"] for end in ("", "_low", "_high"))
        found = Found(change, low, high, row["p_vs_control_holm"], row["victims"] - lost, row["splits"], lost)
        twice = found._replace(value=2 * change, low=2 * low, high=2 * high)
        word = {LOWER: HOLDS, HIGHER: FAILS}.get(row["verdict_vs_control"], row["verdict_vs_control"])
        reason, tested = row["reason_vs_control"], ""
        if word == IDLE:
            why = "every EO term was vacuous" if pair.idle([defence, control]) else "all is equal to the last bit"
            reason = f"the models are those of {control}: {why}"
        elif row["p_vs_control"] == row["p_vs_control"]:
            tested = f", twice that in advantage: {twice}; {_tests(row, found)}"
        accuracy = _accuracy(row)
        names = {
            "defence": defence, "control": control, "game": game(keys), "accuracy": percent(accuracy.value),
            "chance": percent(CHANCE), "change": points([change], signed=True), "margin": f"{100 * row['margin']:g}",
            "interval": f"{100 * low:+.1f} to {100 * high:+.1f}" if low == low else "unknown",
        }  # fmt: skip
        names["open"] = _although(word, reason, low, high, found.p, evidence.family)
        # a reason says that more models alone decide nothing
        needs = np.nan if isinstance(reason, str) and reason else _needs(row, found, evidence.family)
        yield Outcome(
            Verdict(word, reason if isinstance(reason, str) else ""), names,
            f"share named {accuracy}, minus control {found}{tested}", twice[1:3], part[part["defence"] == defence],
            (*keys, defence), needs,
        )  # fmt: skip


def _although(word: str, reason: str | None, low: float, high: float, p: float, family: int) -> str:
    """Return why nothing is decided although the interval leaves out 0, to follow the verdict; else nothing."""
    if word != OPEN or (isinstance(reason, str) and reason) or not (low > 0 or high < 0):
        return ""
    return (
        f" The interval leaves out 0, but the difference is not significant after correction for {family:,} "
        f"comparison{'s' if family != 1 else ''} (p = {p:.2g})."
    )


def certified(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge the strongest adversaries against what a theorem allows, in every pair of worlds of a defence together.

    `fails` where an exact test, Holm-corrected over all comparisons of the experiment, shows more than (1 + certificate) / 2;
    `holds` where all upper Clopper-Pearson limits are below that by less than the margin.
    """
    for defence, part in evidence.compared.groupby("defence", sort=False):
        rows = part.to_dict("records")
        found = [
            Found(row["accuracy"], row["low"], row["high"], row["p_holm"], row["victims"], row["splits"])
            for row in rows
        ]
        allowed = [row["allowed"] for row in rows]
        verdict = _within(found, allowed, evidence.margin)
        lines = [
            f"{game(tuple(row[name] for name in GAME))}, {row['adversary']}: share named {one}, allowed {limit:.4f}"
            for row, one, limit in zip(rows, found, allowed, strict=True)
        ]
        worst = max(range(len(rows)), key=lambda i: found[i].value - allowed[i])
        names = {
            "defence": str(defence), "certificate": f"{2 * max(allowed) - 1:.3g}", "accuracy": percent(found[worst].value),
            "allowed": percent(allowed[worst]), "margin": f"{100 * evidence.margin:g}",
        }  # fmt: skip
        needs = [
            deciding.enough(_as_certified(one, limit), -inf, limit + evidence.margin)
            for one, limit in zip(found, allowed, strict=True)
            if not one.high < limit + evidence.margin
        ]
        part = evidence.pairs[evidence.pairs["defence"] == defence]
        ends = [end for one in found for end in one[1:3]]
        arm = (None, None, np.nan, np.nan, defence)
        yield Outcome(verdict, names, lines, ends, part, arm, max(needs, default=np.nan), max(allowed))


def compared(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons of an experiment's adversaries with certificates, a row each: of each defence and pair of worlds the best
    informed adversary, and the worst case where it was audited.

    Columns: those of the cell, `allowed`, the Clopper-Pearson limits `low` and `high` of the accuracy, the p value of an excess
    and `p_holm`. Victims are independent given the pools and the shadows, also within a split, so the test is exact for one
    adversary. `best` was chosen on other victims of the same run: it counts as CHOSEN times fewer.
    """
    table = by_group(leakage)
    table = table[table["certified_advantage"].notna() & table["accuracy"].notna()]
    audit = table["access"] == AUDIT
    table = table[((table["adversary"] == "best") & (table["knowledge"] == "informed")) | audit].copy()
    table["allowed"] = (1 + table["certified_advantage"]) / 2
    counts = table["victims"] / np.where(table["adversary"] == "best", CHOSEN, 1.0)
    right = table["accuracy"] * counts
    ends = [certificates.limits(k, n) for k, n in zip(right, counts, strict=True)]
    table["low"], table["high"] = ([one[i] for one in ends] for i in (0, 1))
    table["p"] = [certificates.excess(*one) for one in zip(right, counts, table["allowed"], strict=True)]
    table["p_holm"] = intervals.holm(table["p"].to_numpy(dtype=float))
    return table


def _as_certified(found: Found, allowed: float) -> Found:
    """Return an accuracy with its interval moved down to what is allowed, where it lies above: as the theorem says, more splits would show it
    there, and not where few of them have put it."""
    over = max(found.value - allowed, 0.0)
    return found._replace(value=found.value - over, low=found.low - over, high=found.high - over)


def _within(found: list[Found], allowed: list[float], margin: float) -> Verdict:
    if any(one.p < LEVEL for one in found):
        return Verdict(FAILS)
    reasons = [reason for one in found if (reason := lacking(one))]
    if reasons:
        return Verdict(OPEN, "; ".join(dict.fromkeys(reasons)))
    inside = all(one.high < limit + margin for one, limit in zip(found, allowed, strict=True))
    return Verdict(HOLDS if inside else OPEN)


def _best(evidence: Evidence) -> pd.DataFrame:
    table = evidence.leakage
    return by_group(table[(table["adversary"] == "best") & (table["knowledge"] == "informed")])


def _accuracy(row: Mapping[str, Any]) -> Found:
    value, low, high = (row[f"accuracy{end}"] for end in ("", "_low", "_high"))
    return Found(value, low, high, np.nan, row["victims"], row["splits"])


def _needs(row: Mapping[str, Any], found: Found, family: int) -> float:
    """Return the splits that decide, at the first and hardest of Holm's steps; family: tests among which it corrects."""
    if not found.splits:
        return np.nan
    return deciding.difference(
        found.value, spread=paired.Spread(row["sd_vs_control"], row["between_vs_control"]), margin=row["margin"],
        per_split=found.models / found.splits, level=LEVEL / max(family, 1),
    )  # fmt: skip


def _tests(row: Mapping[str, Any], found: Found) -> str:
    """Say what the tests of a difference in accuracy gave, and what difference this many victims and splits find."""
    said = (
        f"test of no difference: p = {row['p_vs_control']:.2g}, Holm-corrected {found.p:.2g}; test of equivalence, margin "
        f"{row['margin']:g}: p = {row['p_equal_vs_control']:.2g}, Holm-corrected {row['p_equal_vs_control_holm']:.2g}"
    )
    least = paired.detectable(
        victims=found.models, splits=found.splits, spread=paired.Spread(row["sd_vs_control"], row["between_vs_control"])
    )
    if least == least:
        said += (
            f"; smallest difference found with power 0.8 before correction: {least:.3f}, in advantage {2 * least:.3f}"
        )
    return said


def family(leakage: pd.DataFrame) -> int:
    """Return how many differences the claim on controls tests in a whole experiment: the family among which Holm corrects."""
    table = leakage[(leakage["adversary"] == "best") & (leakage["knowledge"] == "informed")]
    return int(by_group(table)["p_vs_control"].notna().sum())
