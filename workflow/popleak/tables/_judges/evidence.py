"""What a claim is judged by: one task's public tables, and the row that a verdict becomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from ...measures import intervals
from ...measures.deciding import enough
from ...measures.verdicts import IDLE, OPEN, SEARCHED, UNTOLD, Found, Verdict, together
from ...steps.papers import Claim
from ...store.plain import by_group
from .._paired import GAME
from .._victims import DIVERGED

SETTING = [*GAME, "world"]
RATE = (0.0, 1.0)
"""What is possible of a rate or a |gap|."""
NEAR = "the figures lie so close to a limit that no number of pool splits one could run would tell on which side"
WAYS = {
    UNTOLD: "neither accuracy is told from guessing, so that there is no leakage of which one might have less",
    SEARCHED: "lambda was searched for each model, so that what the term does depends on how the model came out",
}
"""Why a claim stays undecided, in plain words, by the verdict's reason."""


class Row(NamedTuple):
    """One verdict; the fields are the public columns. The five from `model` on say of what, where that is one arm in one pair of worlds."""

    claim: str
    task: str
    verdict: str
    statement: str
    evidence: str
    low: float
    high: float
    n: int
    kind: str
    source: str
    plain: str
    splits: float = np.nan
    splits_needed: float = np.nan
    model: str | None = None
    protocol: str | None = None
    ratio_0: float = np.nan
    ratio_1: float = np.nan
    defence: str | None = None
    allowed: float = np.nan


class Part(NamedTuple):
    """A verdict on one figure, the figure, and the values between which the figure had to fall for a word (-inf, +inf: open). splits: those
    that would decide it, where they do not follow from this."""

    verdict: Verdict
    found: Found
    low: float
    high: float
    splits: float | None = None

    @property
    def needs(self) -> float:
        """Return the splits with which this figure would be decided; NaN if it is, or if no number is known."""
        if self.verdict.word != OPEN:
            return np.nan
        return enough(self.found, self.low, self.high) if self.splits is None else self.splits


def needed(parts: Iterable[Part]) -> float:
    """Return the splits with which every undecided figure would be decided; NaN if for one of them no number is known."""
    open_ = [part.needs for part in parts if part.verdict.word == OPEN]
    return max(open_) if open_ and not np.isnan(open_).any() else np.nan


@dataclass(frozen=True)
class Outcome:
    """What a judge found on a claim. names: for the claim's texts. ends: limits of the deciding figures; part: the victims behind
    them, the diverged ones too. needs: pool splits that would decide; arm: GAME and the defence, where the claim is of one; allowed: the
    accuracy that a certificate allows."""

    verdict: Verdict
    names: Mapping[str, str]
    lines: str | Iterable[str]
    ends: Iterable[float]
    part: pd.DataFrame
    arm: tuple = ()
    needs: float = np.nan
    allowed: float = np.nan

    def row(self, claim: Claim, task: str) -> Row:
        """Return the row of the table `claims`."""
        verdict = self.verdict
        evidence = self.lines if isinstance(self.lines, str) else "; ".join(self.lines)
        lost = int((self.part["status"] == DIVERGED).sum())
        evidence += f"; {verdict.word}: {verdict.reason}" if verdict.reason else ""
        evidence += f" ({lost} diverged victims left out)" if lost else ""
        known = [end for end in self.ends if end == end] or [np.nan]
        kept = self.part[self.part["status"] != DIVERGED]
        splits = kept["split"].nunique()
        needs = self.needs if verdict.word == OPEN else np.nan
        return Row(
            claim.id, task, verdict.word, claim.say("statement", self.names), evidence, min(known), max(known), len(kept),
            claim.kind, claim.source, told(claim, verdict, self.names, splits, needs), float(splits), needs, *self.arm,
        )._replace(allowed=self.allowed)  # fmt: skip


def told(claim: Claim, verdict: Verdict, names: Mapping[str, str], splits: int, needs: float) -> str:
    """Return a paragraph for readers without statistics: the question, what was measured, the verdict, and what would decide it."""
    said = explained(claim, verdict, names)
    return f"{said} {remedy(splits, needs, verdict.reason)}" if verdict.word == OPEN else said


def explained(claim: Claim, verdict: Verdict, names: Mapping[str, str]) -> str:
    """Return the question, what was measured, and the verdict, in plain words."""
    said = [claim.say(part, names) for part in ("asks", *(() if verdict.word == IDLE else ("measured",)), verdict.word)]
    return " ".join(one for one in said if one)


def remedy(splits: int, needs: float, reason: str = "") -> str:
    """Return the sentence that says how many pool splits would decide a claim, or what stands in the way; reason: of the verdict."""
    if splits < 2:
        return (
            "All models come from one pool split, which cannot show how much the result depends on it: run at least 2."
        )
    if needs != needs:
        return f"What stands in the way: {WAYS.get(reason, reason or NEAR)}. More models of this kind would not decide it for certain."
    return (
        f"With as many models in each, about {needs:,.0f} pool splits would decide it, where {splits} were run, if the "
        "figures stay what they are."
    )


class Evidence(NamedTuple):
    """One task's public tables: victims of `models`, `leakage`, `bounds` with the victims' status; ids by defence kind, of
    what rehearses nothing the kind without rehearsal; the ids whose lambda was searched; the dataset;
    tau; the margin; how many tests of C6's family the experiment holds; its comparisons with certificates (`leaks.compared`)."""

    task: str
    dataset: str
    victims: pd.DataFrame
    leakage: pd.DataFrame
    bounds: pd.DataFrame
    kinds: Mapping[str, list[str]]
    controls: Mapping[str, str]
    searched: Sequence[str]
    tau: float
    margin: float = 0.05
    family: int = 1
    compared: pd.DataFrame = pd.DataFrame({"defence": []})

    def of(self, kinds: Iterable[str]) -> list[str]:
        """Return the ids of the defences of these kinds (`fft`, `fft-rehearsal`, ...)."""
        return [name for kind in kinds for name in self.kinds.get(kind, [])]

    def causal(self, defence: str, verdict: Verdict) -> Verdict:
        """Return the verdict on what a defence does, `cannot tell` where lambda was searched; that models are the same stays so."""
        return Verdict(OPEN, SEARCHED) if defence in self.searched and verdict.word != IDLE else verdict

    @property
    def pairs(self) -> pd.DataFrame:
        """Victims of worlds that differ in their groups."""
        return by_group(self.victims)


def kept(part: pd.DataFrame, values: pd.Series) -> tuple[pd.Series, pd.Series, dict[str, int]]:
    """Return the values that are known, of models that did not diverge, with their splits and what `Found` counts."""
    lost = part["status"] == DIVERGED
    known = values.notna() & ~lost
    split = part["split"][known]
    return values[known], split, {"models": len(split), "splits": split.nunique(), "diverged": int(lost.sum())}


def mean(part: pd.DataFrame, values: pd.Series) -> Found:
    """Return the mean of `values` over models, with its interval."""
    known, split, counts = kept(part, values)
    return Found(*intervals.mean(known.to_numpy(float), split.to_numpy(), span=RATE), **counts)


def share(part: pd.DataFrame, values: pd.Series, known: pd.Series) -> Found:
    """Return the share of models of which `values` is true, among those where it is known."""
    one, split, counts = kept(part, values.astype(float).where(known))
    sums = one.groupby(split).agg(["sum", "size"])
    return Found(*intervals.proportion(sums["sum"].to_numpy(), sums["size"].to_numpy()), **counts)


def decided(parts: list[tuple[Verdict, Found]]) -> tuple[Verdict, list[float]]:
    """Return the verdict on several parts `together`, and the limits of those parts that have its word: of what decided."""
    verdict = together(one for one, _ in parts)
    return verdict, [end for one, found in parts if one.word == verdict.word for end in found[1:3]]


def direction(keys: tuple) -> str:
    """Return a direction in words; keys: of SETTING."""
    model, protocol, ratio_0, ratio_1, world = keys
    return f"{model}, {protocol} {ratio_0:g} against {ratio_1:g}, base in world {world}"


def game(keys: tuple) -> str:
    """Return a pair of worlds in words; keys: of GAME."""
    return f"{keys[0]}, {keys[1]} {keys[2]:g} against {keys[3]:g}"


def where(table: pd.DataFrame, keys: tuple) -> pd.Series:
    """Return which rows are of this pair of worlds."""
    return (table[GAME] == list(keys)).all(axis=1)


def having(table: pd.DataFrame, defence: str, keys: list[str]) -> Iterator[tuple[tuple, pd.DataFrame]]:
    """Yield the parts of a table, by keys, that have victims under a defence."""
    for key, part in table.groupby(keys, sort=False):
        if (part["defence"] == defence).any():
            yield key, part


def percent(value: float) -> str:
    """Return a share as a percentage in words."""
    return f"{100 * value:.1f} %" if value == value else "an unknown share"


def points(values: Iterable[float], signed: bool = False) -> str:
    """Return values in percentage points, as a range where there are several."""
    known = [100 * value for value in values if value == value]
    if not known:
        return "an unknown number of"
    sign = "+" if signed else ""
    low, high = (f"{end + 0.0:{sign}.1f}" for end in (min(known), max(known)))
    return low if low == high else f"{low} to {high}"
