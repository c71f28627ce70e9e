"""Judges of bounds: how many models break each form, and the witness that attains it."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import numpy as np
import pandas as pd

from ...core.seeds import generator
from ...measures import bounds, intervals
from ...measures.verdicts import HOLDS, IDLE, OPEN, Found, Verdict, below, together
from ...steps.papers import Claim
from ...store.plain import by_group
from .._paired import CHANGE
from .evidence import Evidence, Outcome, Part, Row, explained, needed, percent, points, share

SMALLEST_CELL = 30
"""Rows of `bounds` with a smaller (y, a) cell are left out."""


def literal_bound(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge the shares of models that break the bound beyond the bootstrap's limits, and that keep it beyond them."""
    table, limit = _large(evidence), claim.share or 0.0
    if table.empty:
        yield from _too_small(evidence)
        return
    found, broken, kept = literal(table, limit)
    rates = [
        f"{name} {(cell['literal_excess_low'] > 0).mean():.2f}"
        for name, cell in table[_known(table)].groupby("defence", sort=False)
    ]
    parts = [Part(below(broken, limit), broken, -inf, limit), Part(below(_rest(kept), 0.5), kept, 0.5, inf)]
    yield Outcome(
        found, {"share": percent(broken.value), "share_kept": percent(kept.value)},
        f"broken beyond the bootstrap's limits by a share {broken} of models, kept beyond them by {kept}; "
        f"broken, by defence: {', '.join(rates) or 'unknown'}", broken[1:3], table, needs=needed(parts),
    )  # fmt: skip


def proven_bounds(claim: Claim, evidence: Evidence) -> Iterator[Outcome]:
    """Judge the shares of models that break forms of the bound which are theorems."""
    table, limit = _large(evidence), claim.share or 0.0
    if table.empty:
        yield from _too_small(evidence)
        return
    shares = {
        name: share(table, table[f"{name}_holds"] == False, table[f"{name}_holds"].notna())  # noqa: E712  (may be null)
        for name in claim.forms
    }
    lines = [f"{name} broken by a share {one} of models" for name, one in shares.items()]
    parts = [Part(below(one, limit), one, -inf, limit) for one in shares.values()]
    worst = max((one.value for one in shares.values() if one.value == one.value), default=np.nan)
    yield Outcome(
        together(part.verdict for part in parts), {"share": percent(worst)},
        "; ".join(lines) + " (they are theorems: this checks the code on real models)",
        [end for one in shares.values() for end in one[1:3]], table, needs=needed(parts),
    )  # fmt: skip


def literal(table: pd.DataFrame, limit: float) -> tuple[Verdict, Found, Found]:
    """Return the verdict on the literal bound in these rows of `bounds`, with status, and the shares of models that break it and
    that keep it, beyond the bootstrap's limits. limit: the share that may break it."""
    known = _known(table)
    broken = share(table, table["literal_excess_low"] > 0, known)
    kept = share(table, table["literal_excess_high"] <= 0, known)
    found = below(broken, limit)
    if found.word == HOLDS and not kept.low > 0.5:  # that few models break it significantly is no evidence for it
        found = Verdict(OPEN, "most models neither break nor keep it beyond the limits")
    return found, broken, kept


def witness(claim: Claim, seed: int, records: int = 20_000) -> Row:
    """Return the row on the tightness witness at D = 0.1, 0.2, ... 0.9, pure worlds."""
    found = []
    for tenth in range(1, 10):
        found.append(bounds.tightness_witness(d=tenth / 10, n=records, rng=generator(seed, "witness", tenth)))
    excess = np.array([one.advantage - one.bound for one in found])
    over = Found(*intervals.mean(excess, np.arange(len(found)), span=CHANGE), models=len(found), splits=len(found))
    inside = sum(one.low <= one.bound <= one.high for one in found)
    widest = max(one.high - one.low for one in found)
    met = over.low <= 0 <= over.high and inside >= len(found) - 2
    line = f"advantage minus D W over D = 0.1 ... 0.9: {over}; D W lies in {inside} of {len(found)} intervals, the widest {widest:.3f}"
    verdict, names = Verdict(HOLDS if met else OPEN), {"change": points([over.value], signed=True)}
    return Row(
        claim.id, "witness", verdict.word, claim.say("statement", names), line, over.low, over.high, len(found) * records,
        claim.kind, claim.source, explained(claim, verdict, names),
    )  # fmt: skip


def _too_small(evidence: Evidence) -> Iterator[Outcome]:
    """Yield that bounds say nothing of a task whose cells are too small; nothing where there are no bounds at all."""
    found = by_group(evidence.bounds)
    if len(found):
        reason = f"the smallest cell of label and group in the query pool has fewer than {SMALLEST_CELL} rows"
        yield Outcome(Verdict(IDLE, reason), {"share": "", "share_kept": ""}, "no bound is judged", (), found)


def _large(evidence: Evidence) -> pd.DataFrame:
    return by_group(evidence.bounds[evidence.bounds["smallest_cell"] >= SMALLEST_CELL])


def _rest(found: Found) -> Found:
    return found._replace(value=1 - found.value, low=1 - found.high, high=1 - found.low)


def _known(table: pd.DataFrame) -> pd.Series:
    return table[["literal_excess_low", "literal_excess_high"]].notna().all(axis=1)
