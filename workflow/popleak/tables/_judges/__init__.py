"""One function a kind of claim (`steps.papers.KINDS`): a claim and one task's evidence in, outcomes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ...steps.papers import Claim
from . import gaps, leaks, limits, odds
from .evidence import Evidence, Outcome

JUDGES: Mapping[str, Callable[[Claim, Evidence], Iterator[Outcome]]] = {
    "gap-falls": gaps.gap_falls,
    "gap-small": gaps.gap_small,
    "gap-small-everywhere": gaps.gap_small_everywhere,
    "literal-bound": limits.literal_bound,
    "proven-bounds": limits.proven_bounds,
    "eo-falls": odds.eo_falls,
    "less-than-control": leaks.less_than_control,
    "eo-follows": odds.eo_follows,
    "certified": leaks.certified,
}
"""All kinds but `witness`, which needs no task."""
