"""A paper's claims as data: what is claimed, how each claim is judged, and what is said of the outcome.

A file of `popleak/papers` (or a user's own) holds one paper. `config.papers` reads it, the step of the table `claims` carries it, and
`tables/_judges` has a function for each kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from ..core.errors import PopleakError

Kind = Literal[
    "gap-falls", "gap-small", "gap-small-everywhere", "literal-bound", "proven-bounds", "eo-falls", "less-than-control",
    "eo-follows", "witness", "certified",
]  # fmt: skip
Source = Literal["paper", "ours"]
SAID = ("asks", "measured", "holds", "fails", "no material difference", "cannot tell", "not applicable")
"""Parts of a claim's plain text: the question, what was measured, and one sentence for each verdict."""
IDLE = "There is nothing to compare here, so the claim says nothing."
NAME = re.compile(r"\{(\w*)\}")
MOST_ID = 40
"""Characters of a claim's id."""


class Needs(NamedTuple):
    """What a claim of one kind must state beside its texts, and the names that its texts may use."""

    about: str
    fields: tuple[str, ...]
    names: tuple[str, ...]


KINDS: Mapping[str, Needs] = {
    "gap-falls": Needs(
        "the mean accuracy gap lies within `before` without a defence and below `limit` after it, in every direction of pure groups",
        ("defences", "before", "limit"), ("defence", "before", "after", "outside"),
    ),
    "gap-small": Needs(
        "the accuracy gap is below tau in more than `share` of the models, each pair of worlds by itself",
        ("defences", "share"), ("defence", "tau", "tau_points", "game", "share", "share_before"),
    ),
    "gap-small-everywhere": Needs(
        "the mean accuracy gap is below tau in every setting", ("defences",), ("defence", "tau", "tau_points", "gaps"),
    ),
    "literal-bound": Needs(
        "at most `share` of the models break the literal bound beyond the bootstrap's limits, and most keep it",
        ("share",), ("share", "share_kept"),
    ),
    "proven-bounds": Needs(
        "at most `share` of the models break each of the `forms` of the bound", ("share", "forms"), ("share",),
    ),
    "eo-falls": Needs(
        "the defence lowers Delta_EO below that of the model without a defence, each pair of worlds by itself",
        ("defences",), ("defence", "game", "changes", "added", "directions", "price"),
    ),
    "less-than-control": Needs(
        "the best informed adversary's accuracy is lower than against the defence's control: the verdict of the table `leakage`",
        ("defences",), ("defence", "control", "game", "accuracy", "chance", "change", "interval", "margin", "open"),
    ),
    "eo-follows": Needs(
        "wherever the label-balanced advantage falls, the weighted sum of the label-wise differences falls",
        ("defences",), ("fell", "settings"),
    ),
    "witness": Needs("the tightness witness attains its bound", (), ("change",)),
    "certified": Needs(
        "no adversary exceeds the advantage that a theorem allows, for each defence that has a certificate",
        (), ("defence", "certificate", "accuracy", "allowed", "margin"),
    ),
}  # fmt: skip
CHOICES = ("defences", "before", "limit", "share", "forms")
"""Fields that some kinds need and others do not know."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim. statement: the public sentence. plain: its explanation for readers without statistics, in the parts of SAID.
    short: a few words that stand for it in the report's overview.

    datasets: those that it speaks of; none: all. defences: kinds of defences, `-rehearsal` of one that rehearses.
    before (low, high), limit: accuracy gaps. share: of models, 0 to 1. forms: columns `<form>_holds` of the table `bounds`.
    """

    id: str
    kind: Kind
    source: Source
    statement: str
    plain: Mapping[str, str]
    datasets: tuple[str, ...] = ()
    defences: tuple[str, ...] = ()
    before: tuple[float, float] | None = None
    limit: float | None = None
    share: float | None = None
    forms: tuple[Literal["balanced", "corrected", "coupling"], ...] = ()
    short: str = ""

    def say(self, part: str, names: Mapping[str, str]) -> str:
        """Return a part of SAID, or the `statement`, with its names filled in."""
        text = self.statement if part == "statement" else self.plain.get(part, IDLE if part == "not applicable" else "")
        return NAME.sub(lambda found: names[found[1]], text)


@dataclass(frozen=True, kw_only=True)
class Absent:
    """A part of a paper that is not reproduced, and why not."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A paper and its claims, in the order in which they are shown.

    question: what the paper asks, answered on the report's first screen. statistic: name of the attack that decides as the paper does, with
    which other adversaries are compared there. absent: what cannot be reproduced.
    """

    title: str
    reference: str
    claims: tuple[Claim, ...]
    question: str = ""
    statistic: str = ""
    absent: tuple[Absent, ...] = ()

    def judged(self) -> Paper:
        """Return the paper without what the report alone shows, so that an edit of it judges no claim anew."""
        claims = tuple(replace(claim, short="") for claim in self.claims)
        return Paper(title=self.title, reference=self.reference, claims=claims)


def wrong(paper: Paper) -> Iterator[str]:
    """Yield what is wrong with a paper's claims, a line each."""
    yield from _wrong_head(paper)
    yield from _wrong_ids(paper.claims)
    for claim in paper.claims:
        yield from (f"claim {claim.id}: {problem}" for problem in _wrong(claim))


def _wrong_head(paper: Paper) -> Iterator[str]:
    for key, text in (("title", paper.title), ("reference", paper.reference)):
        if not text.strip():
            yield f"{key}: is empty: give it a text"
    for number, part in enumerate(paper.absent):
        if not part.what.strip() or not part.why.strip():
            yield f"absent.{number}: `what` and `why` must not be empty: give both a text"


def _wrong_ids(claims: Sequence[Claim]) -> Iterator[str]:
    if not claims:
        yield "claims: there is none: give one"
    for number, claim in enumerate(claims):
        if not claim.id or claim.id != claim.id.strip() or not claim.id.isprintable() or len(claim.id) > MOST_ID:
            yield f"claims.{number}.id: {claim.id[:MOST_ID]!r} is no id: give a short one, such as C{number + 1}"
    ids = [claim.id for claim in claims]
    for name in dict.fromkeys(one for one in ids if ids.count(one) > 1):
        yield f"claims: two have the id {name}: give each its own"


def _wrong(claim: Claim) -> Iterator[str]:
    needs = KINDS[claim.kind]
    yield from _wrong_fields(claim, needs)
    yield from _wrong_numbers(claim)
    yield from _wrong_texts(claim, needs)


def _wrong_fields(claim: Claim, needs: Needs) -> Iterator[str]:
    for name in CHOICES:
        given = getattr(claim, name) not in ((), None)
        if name in needs.fields and not given:
            yield f"kind {claim.kind} needs `{name}`"
        if given and name not in needs.fields:
            yield f"kind {claim.kind} does not know `{name}`: leave it out"
    for name in ("datasets", "defences", "forms"):
        values = getattr(claim, name)
        if twice := [one for one in values if values.count(one) > 1]:
            yield f"{name}: {twice[0]!r} is there {values.count(twice[0])} times: keep one"
    if claim.kind == "witness" and claim.datasets:
        yield "kind witness does not know `datasets`, since it needs no data: leave it out"
    if "none" in claim.defences:
        yield "defences: none is what the others are compared with: name a defence"


def _wrong_numbers(claim: Claim) -> Iterator[str]:
    if claim.share is not None and not 0 < claim.share < 1:
        yield f"share must lie between 0 and 1, not {claim.share:g}"
    if claim.limit is not None and not 0 < claim.limit <= 1:
        yield f"limit must be an accuracy gap above 0, and 1 at most, not {claim.limit:g}"
    if claim.before is not None and not 0 <= claim.before[0] < claim.before[1] <= 1:
        yield f"before must be two accuracy gaps from 0 to 1, the smaller first, not {claim.before[0]:g} and {claim.before[1]:g}"


def _wrong_texts(claim: Claim, needs: Needs) -> Iterator[str]:
    for part in sorted(set(claim.plain) - set(SAID)):
        yield f"plain: unknown part {part!r}: the parts are {', '.join(SAID)}"
    for part in [one for one in SAID[:2] if one not in claim.plain]:
        yield f"plain: `{part}` is missing"
    for part in [part for part, text in {"statement": claim.statement, **claim.plain}.items() if not text.strip()]:
        yield f"{part}: is empty: give it a text{'' if part in ('statement', *SAID[:2]) else ', or leave it out'}"
    for part, text in {"statement": claim.statement, **claim.plain}.items():
        unknown = [name for name in NAME.findall(text) if name not in needs.names]
        if unknown:
            yield f"{part}: unknown name {{{unknown[0]}}}: kind {claim.kind} knows {', '.join(needs.names)}"


def check(paper: Paper, what: str) -> Paper:
    """Return the paper. Raises PopleakError with the first thing that is wrong with it."""
    for problem in wrong(paper):
        raise PopleakError(f"{what}: {problem}")
    return paper
