"""Judges of the accuracy gap: the paper's own statistic, before and after a defence."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pandas as pd

from ...core.protocols import PURE
from ...measures.verdicts import FAILS, Found, below, within
from ...steps.papers import Claim
from .._paired import GAME
from .evidence import (
    SETTING,
    Evidence,
    Outcome,
    Part,
    decided,
    direction,
    game,
    mean,
    needed,
    percent,
    points,
    share,
    where,
)


def gap_falls(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge the gap before and after in each direction of pure groups by itself."""
    pure = evidence.victims[evidence.victims["protocol"] == PURE]
    least, most = claim.before or (0.0, 1.0)
    limit = claim.limit or 0.0
    for defence in evidence.of(claim.defences):
        lines, parts, outside = [], [], []
        counted = pure[pure["defence"].isin(["none", defence])]
        for keys, part in counted.groupby(SETTING, sort=False):
            before, after = (part[part["defence"] == name] for name in ("none", defence))
            first, second = mean(before, before["gap"].abs()), mean(after, after["gap"].abs())
            parts += [
                Part(within(first, least, most), first, least, most),
                Part(below(second, limit), second, -inf, limit),
            ]
            for figure, when, wanted in (
                (parts[-2], "before", f"{100 * least:g} to {100 * most:g}"), (parts[-1], "after", f"below {100 * limit:g}"),
            ):  # fmt: skip
                if figure.verdict.word == FAILS:
                    told = f"the gap {when}, of models that start from world {keys[-1]}, is {points([figure.found.value])} points"
                    outside.append(f"{told}, where the paper's figure is read as {wanted}")
            lines.append(f"{direction(keys)}: mean |gap| {first} before, {second} after")
        if lines:
            verdict, ends = decided([(part.verdict, part.found) for part in parts])
            names = {
                "defence": defence, "before": points(part.found.value for part in parts[::2]),
                "after": points(part.found.value for part in parts[1::2]), "outside": "; ".join(outside),
            }  # fmt: skip
            yield Outcome(verdict, names, lines, ends, counted, needs=needed(parts))


def gap_small(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge the share of runs under tau, each pair of worlds by itself: a small W makes any gap small."""
    wanted = claim.share or 0.5
    for defence in evidence.of(claim.defences):
        part = evidence.pairs[evidence.pairs["defence"] == defence]
        for keys, cell in part.groupby(GAME, sort=False):
            found = _under(cell, evidence.tau)
            raw = evidence.pairs[(evidence.pairs["defence"] == "none") & where(evidence.pairs, keys)]
            before = _under(raw, evidence.tau)
            against = found._replace(value=1 - found.value, low=1 - found.high, high=1 - found.low)
            limit = 1 - wanted
            verdict = below(against, limit)
            names = {
                **_tau(evidence), "defence": defence, "game": game(keys), "share": percent(found.value),
                "share_before": percent(before.value),
            }  # fmt: skip
            yield Outcome(
                verdict, names, f"share of runs below: {found}; before: {before}", found[1:3], cell, (*keys, defence),
                Part(verdict, against, -inf, limit).needs,
            )  # fmt: skip


def gap_small_everywhere(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge the mean gap of all settings together."""
    for defence in evidence.of(claim.defences):
        part = evidence.pairs[evidence.pairs["defence"] == defence]
        found = {keys: mean(cell, cell["gap"].abs()) for keys, cell in part.groupby(SETTING, sort=False)}
        if not found:
            continue
        lines = [f"{direction(keys)}: {one}" for keys, one in found.items()]
        parts = [Part(below(one, evidence.tau), one, -inf, evidence.tau) for one in found.values()]
        verdict, ends = decided([(one.verdict, one.found) for one in parts])
        names = {**_tau(evidence), "defence": defence, "gaps": points(one.value for one in found.values())}
        yield Outcome(verdict, names, "mean |gap| by setting: " + "; ".join(lines), ends, part, needs=needed(parts))


def _under(part: pd.DataFrame, tau: float) -> Found:
    return share(part, part["gap"].abs() < tau, part["gap"].notna())


def _tau(evidence: Evidence) -> dict[str, str]:
    return {"tau": f"{evidence.tau:g}", "tau_points": f"{100 * evidence.tau:g}"}
