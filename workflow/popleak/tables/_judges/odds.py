"""Judges of Equalized Odds: whether a defence lowers Delta_EO, and whether leakage follows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import NamedTuple

import numpy as np
import pandas as pd

from ...measures.verdicts import FAILS, HOLDS, IDLE, MOSTLY, OPEN, Verdict, below, lacking, price, together
from ...steps.papers import Claim
from ...store.plain import by_group
from .._paired import APART, GAME, TWICE, difference, lower_eo, plug_in
from .._victims import CONSTANT, Victims
from .evidence import SETTING, Evidence, Outcome, Part, decided, direction, game, having, needed, points

SEVERAL = "squared differences of rates are of two classes, and this label has more: see delta_eo, delta_eo_floor and delta_eo_crossed in `models`"
"""Why `eo-falls` is not judged."""
NEVER = "; the fairness term never acts on these models, which would need both groups, so this is what training on other rows does alone"
"""What the fairness term adds, where it is vacuous for all models."""


def eo_falls(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge Delta_EO after a defence, against none (the claim) and against the control (what the EO term adds)."""
    for defence in evidence.of(claim.defences):
        for keys, part in having(evidence.pairs, defence, GAME):
            yield _falls(evidence, defence, keys, part)


def _falls(evidence: Evidence, defence: str, keys: tuple, part: pd.DataFrame) -> Outcome:
    """Judge Delta_EO after one defence in one pair of worlds; keys: of GAME, part: its victims."""
    control = evidence.controls.get(defence)
    starts = {world: _start(one, defence, control) for world, one in part.groupby("world", sort=True)}
    parts = {world: start.part for world, start in starts.items()}
    mine = part[part["defence"] == defence]
    constant = float((mine["status"] == CONSTANT).mean())
    lines = [f"base in world {world}: {start.line}" for world, start in starts.items()]
    lines.append(
        f"median lambda {mine['eo_weight'].median():g}, vacuous EO terms {mine['eo_vacuous'].mean():.2f}, "
        f"models that give one label to all {constant:.2f}"
    )
    verdict, ends = decided([(one.verdict, one.found) for one in parts.values()])
    if mine["small_cells"].notna().any():
        verdict, lines = Verdict(IDLE, SEVERAL), lines[-1:]
    found = evidence.causal(defence, verdict)
    lost = price(constant, -difference(part, "accuracy", defence, "none").value)
    added = points((start.added for start in starts.values()), signed=True)
    idle = bool(len(mine)) and bool((mine["eo_vacuous"] == 1).all())
    beside = f", and by {added} points against {control}, which trains on the same rows" if control else ""
    names = {
        "directions": _directions(parts), "price": _price(lost, constant, found),
        "defence": defence, "game": game(keys), "changes": points((one.found.value for one in parts.values()), signed=True),
        "added": NEVER if idle else beside,
    }  # fmt: skip
    needs = needed(parts.values()) if found == verdict else np.nan
    return Outcome(found, names, lines, ends, mine, (*keys, defence), needs)


class _Start(NamedTuple):
    """The models that start from one world: what the claim is judged by, what the EO term adds (0.0 where it changes no model or
    there is no control), and both in words."""

    part: Part
    added: float
    line: str


def _start(victims: pd.DataFrame, defence: str, control: str | None) -> _Start:
    """Compare Delta_EO of one world's victims under a defence with none and with its control."""
    verdict, change, splits = lower_eo(victims, defence, "none")
    line, added = f"minus none {change}", None
    pair = Victims(victims)
    if control:
        same = pair.idle([defence, control]) or pair.equal(defence, control)
        added = None if same else lower_eo(victims, defence, control).found
        line += f", minus the no-EO control {control} {added or 'the same models'}"
    line += f", plug-in {plug_in(victims, defence)} against {plug_in(victims, 'none')}"
    if change.models > 0 and pair.equal(defence, "none"):
        verdict = Verdict(IDLE, "the models are those of none")
    return _Start(Part(verdict, change, -inf, 0.0, splits), added.value if added else 0.0, line)


def _directions(parts: Mapping[int, Part]) -> str:
    """Return what became of the models of each starting population, in a sentence."""
    said = {world: _became(part) for world, part in parts.items()}
    if len(set(said.values())) == 1 and len(said) > 1:
        return f"The models of both starting populations {next(iter(said.values()))}."
    return "; ".join(f"models that start from world {world} {one}" for world, one in said.items()).capitalize() + "."


def _became(part: Part) -> str:
    verdict, found = part.verdict, part.found
    if verdict.reason == APART:
        return "become fairer by one of two measures and less fair by the other"
    if verdict.word == OPEN and verdict.reason:
        return f"cannot be judged ({verdict.reason})"
    if verdict.word == OPEN and (found.low > 0 or found.high < 0):
        return (
            f"become {'less fair' if found.low > 0 else 'fairer'} by one of two measures, which the other does not show"
        )
    return {
        HOLDS: "become fairer", FAILS: "become less fair", OPEN: "change by too little to be told from no change",
        IDLE: "stay what they are without the defence",
    }[verdict.word]  # fmt: skip


def _price(lost: list[str], constant: float, verdict: Verdict) -> str:
    """Return a sentence on what the models pay, where they pay much, to follow the verdict; else nothing."""
    if not lost:
        return ""
    said = " and ".join(lost)
    useless = constant > MOSTLY and verdict.word == HOLDS
    how = " They became equal by giving one answer, which says nothing about fairness." if useless else ""
    return f" {'But' if verdict.word == HOLDS else 'Besides,'} {said}.{how}"


def eo_follows(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge whether, whenever the label-balanced advantage falls on one half of the pool, the weighted sum falls on the other.

    In the population they are one number, so this asks whether a fall is seen again on other records. Both are signed by the half that they are
    not measured on, so neither has a bias that the other lacks.
    """
    table = by_group(evidence.bounds)
    lines, parts, reasons, ends, counted = [], [], [], [], []
    for defence in evidence.of(claim.defences):
        for keys, part in having(table, defence, SETTING):
            counted.append(part[part["defence"] == defence])
            fell = difference(part, "adv_balanced_measured", defence, "none", TWICE)
            reasons.append(lacking(fell))
            if below(fell, 0.0).word != HOLDS:
                continue
            delta = difference(part, "weighted_delta", defence, "none", TWICE)
            parts.append(Part(below(delta, 0.0), delta, -inf, 0.0))
            lines.append(f"{defence}, {direction(keys)}: advantage {fell}, weighted delta {delta}")
            ends += [delta.low, delta.high]
    if not counted:
        return
    lost = [reason for reason in reasons if reason]
    untold = f"{len(lost)} of {len(reasons)} settings could not be judged"
    if len(lost) == len(reasons):
        verdict, lines = Verdict(OPEN, "; ".join(dict.fromkeys(lost))), ["no setting could be judged"]
    elif parts:
        verdict, lines = together(part.verdict for part in parts), [*lines, *([untold] if lost else [])]
    else:
        verdict = Verdict(OPEN, untold if lost else "")
        lines = [f"the label-balanced advantage fell in no setting{' that could be judged' if lost else ''}"]
    names = {"fell": str(len(parts)), "settings": str(len(reasons))}
    yield Outcome(verdict, names, lines, ends, pd.concat(counted), needs=needed(parts))
