"""What attacks on rows show: what is to be checked of the question of membership, task by task, each with its interval and verdict.

A check is a number, its 95 % interval and a range that it is to lie in. It holds where the whole interval does, fails where none of it
does, and else nothing can be told. Nothing here is chosen by what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.protocols import MEMBERSHIP, POISONED, UNSEEN
from ..core.seeds import generator
from ..figures._membership import of_checks
from ..measures.intervals import Estimate, apart
from ..measures.verdicts import FAILS, HIGHER, HOLDS, LOWER, OPEN
from . import victims
from .victims import ANY, INDIRECT

if TYPE_CHECKING:
    import pandas as pd

Frames = Mapping[str, "pd.DataFrame"]
DRAWN = 2000
"""Resamples of pairs of twins for the interval of a rank correlation."""


class Check(NamedTuple):
    """name: of the check, B1 to B8; said: what is to hold; task; what: whom it is about; found: number and interval; verdict;
    about_all: of all rows, not of a label and group; either: HIGHER or LOWER in place of a range."""

    name: str
    said: str
    task: str
    what: str
    found: Estimate
    verdict: str
    about_all: bool = True
    either: bool = False


def judged(found: Estimate, least: float = -np.inf, most: float = np.inf) -> str:
    """Return whether a number lies in [least, most] by its interval."""
    if np.isnan(found.low) or np.isnan(found.high):
        return OPEN
    if least <= found.low and found.high <= most:
        return HOLDS
    return FAILS if found.high < least or found.low > most else OPEN


def checks(frames: Frames) -> list[Check]:
    """Return the checks that the tables allow: of `membership`, `membership_victims`, `defences` and `leakage`."""
    found: list[Check] = []
    aside = of_checks(frames["membership"])
    for task, model in sorted(set(zip(frames["membership"]["task"], frames["membership"]["model"], strict=True))):
        one = victims.Task.of(frames, task, model)
        alone = () if task in aside else (_undefended, _students, _duplicates, _indirect, _fairness, _ratio)
        for of in (_unseen, *alone, _poison):
            found += [check for check in of(one) if np.isfinite(check.found.value)]
    return sorted(found, key=lambda check: check.name)


def _unseen(one: victims.Task) -> Iterator[Check]:
    rows = one.rows(UNSEEN)
    if len(rows):
        missed = int(((rows["auc_low"] > 0.5) | (rows["auc_high"] < 0.5)).sum())
        share, (low, high) = missed / len(rows), _binomial(missed, len(rows))
        said = "of rows that no model saw, the share of attacks whose AUC's interval excludes 1/2 is that of 95 % intervals"
        # attacks on the same models lean together, so that more than so many must miss before anything is wrong
        verdict = HOLDS if share <= 0.05 or low <= 0.05 else FAILS
        yield Check(
            "B1", said, one.name, f"{len(rows)} attacks and defences", Estimate(share, low, high, np.nan), verdict
        )


def _binomial(hits: int, of: int) -> tuple[float, float]:
    from ..measures.thresholds import clopper_pearson

    low, high = clopper_pearson(hits, of)
    return float(low), float(high)


def _undefended(one: victims.Task) -> Iterator[Check]:
    found = one.auc("none")
    yield Check(
        "B2", "undefended models give members away: AUC above 1/2", one.name, "none", found, judged(found, 0.5 + 1e-12)
    )


def _students(one: victims.Task) -> Iterator[Check]:
    soft, hard, own = (one.who.get(role) for role in ("soft", "hard", "own"))
    if own:
        found = one.tau(own)
        yield Check(
            "B3",
            "self-distillation on the teacher's rows keeps at least .75 of its leak",
            one.name,
            own,
            found,
            judged(found, 0.75),
        )
    if soft:
        found = one.tau(soft)
        yield Check(
            "B3",
            "soft labels on public rows keep between .2 and .9 of the teacher's leak",
            one.name,
            soft,
            found,
            judged(found, 0.2, 0.9),
        )
    if soft and hard:
        found = one.difference(hard, soft)
        said = "hard labels keep less than soft ones: AUC less that of soft labels, of the same teachers, below 0"
        yield Check("B3", said, one.name, f"{hard} - {soft}", found, judged(found, most=-1e-12))


def _duplicates(one: victims.Task) -> Iterator[Check]:
    doses = one.doses()
    each = [one.areas(name) for name in doses.values()]
    if len(doses) < 3 or not len(each[0]) or len({len(areas) for areas in each}) > 1:
        return
    areas = np.stack(each)
    pairs = areas.reshape(len(areas), -1, 2).mean(axis=2)
    rng = generator("near-duplicates", one.name)
    drawn = [
        _ranked(list(doses), pairs[:, rng.integers(0, pairs.shape[1], pairs.shape[1])].mean(axis=1))
        for _ in range(DRAWN)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = Estimate(_ranked(list(doses), pairs.mean(axis=1)), float(low), float(high), np.nan)
    said = "the leak rises with the share of near-duplicates: Spearman's correlation above .9"
    yield Check("B4", said, one.name, f"{len(doses)} shares", found, judged(found, 0.9))
    first, *_, last = doses.values()
    more = one.difference(last, first)
    said = "near-duplicates of all rows leak more than none: AUC less that without them above 0"
    yield Check("B4", said, one.name, f"{last} - {first}", more, judged(more, 1e-12))


def _ranked(doses: list[float], values: np.ndarray) -> float:
    from ..measures.intervals import ROUNDING

    if np.ptp(values) <= ROUNDING:
        return 0.0
    order = np.argsort(np.argsort(values))
    return float(np.corrcoef(np.argsort(np.argsort(doses)), order)[0, 1])


def _indirect(one: victims.Task) -> Iterator[Check]:
    soft = one.who.get("soft")
    if soft and len(one.rows(MEMBERSHIP, INDIRECT)):
        found = one.difference(soft, None, INDIRECT, level=0.98)
        said = "a student gives rows away that were never asked: AUC less 1/2 above 0, one-sided at 1 % (98 % interval)"
        yield Check("B5", said, one.name, soft, found, judged(found, 1e-12))


def _fairness(one: victims.Task) -> Iterator[Check]:
    fair = one.who.get("fair")
    if not fair:
        return
    said = "fair fine-tuning and its control without the fairness term: difference of AUC (either sign is a result)"
    for row in one.compared(fair, one.control(fair)):
        found = victims.estimate(row, "auc_vs")
        where = "all rows" if row["label"] == ANY else f"label {row['label']}, group {row['group']}"
        verdict = HIGHER if found.low > 0 else LOWER if found.high < 0 else OPEN
        yield Check("B6", said, one.name, where, found, verdict, row["label"] == ANY, True)


def _ratio(one: victims.Task) -> Iterator[Check]:
    best = one.best()
    for role, least, most, said in (
        ("soft", -0.1, 0.1, "a student of the base names the world as its teacher does: accuracies within .1"),
        (
            "of-fair",
            -np.inf,
            0.05,
            "a student of fair fine-tuning leaks no more of the ratio than its teacher: accuracy at most .05 above",
        ),
    ):
        student = one.who.get(role)
        teacher = one.who.get("fair") if role == "of-fair" else "none"
        if student in best and teacher in best:
            found = apart(best[student], best[teacher])
            yield Check("B7", said, one.name, f"{student} - {teacher}", found, judged(found, least, most))


def _poison(one: victims.Task) -> Iterator[Check]:
    clean, poisoned = one.rate(MEMBERSHIP), one.rate(POISONED)
    if clean is None or poisoned is None or not clean.value > 0 or not poisoned.value > 0:
        return
    with np.errstate(divide="ignore"):
        top, bottom = (
            Estimate(float(np.log(rate.value)), float(np.log(rate.low)), float(np.log(rate.high)), np.nan)
            for rate in (poisoned, clean)
        )
    found = apart(top, bottom)
    ratio = Estimate(float(np.exp(found.value)), float(np.exp(found.low)), float(np.exp(found.high)), np.nan)
    said = "flipped copies of a row double the TPR at an FPR of 1 % on it: ratio at least 2"
    yield Check("B8", said, one.name, "none, targets", ratio, judged(ratio, 2.0))
