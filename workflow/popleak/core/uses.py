"""What data may be used for, as far as it can be compared: the terms of cards, and what holds for data that are joined.

The labels of a file are the short form of the cards of all data that it was made from, by the digest of each card. They flow from file to
file (`store/parquet.provenance`), so a public table, and rows drawn from a generator, bear those of the data behind them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import PopleakError

UNKNOWN = "unknown"
USES = {
    "research": "to study methods, models and populations, and to publish what holds for many people together",
    "teaching": "to teach with, in exercises and examples",
    "audit": "to judge the owner's own models",
    "commercial use": "in a product, or for gain",
    "decisions about people": "to decide on, or to score, the people in the data or others",
    "identifying people": "to find out who a record is of, or to link it with records elsewhere",
    "recognising faces": "to train or to test the recognition of persons",
    "showing records": "to show or quote single records, pictures or texts, in a report, a figure or a paper",
    "redistribution": "to hand the records on to others",
}
"""The terms of `permittedUse` and `forbiddenUse`, and what each means."""

Labels = Mapping[str, Mapping[str, Any]]


def label(
    *, dataset: str, title: str, purpose: str, permitted: Sequence[str] | str, forbidden: Sequence[str], consent: str
) -> dict[str, Any]:
    """Return the short form of a card. permitted: terms of USES, or `unknown`."""
    return {
        "dataset": dataset,
        "title": title,
        "purpose": purpose,
        "permitted": permitted if isinstance(permitted, str) else list(permitted),
        "forbidden": list(forbidden),
        "consent": consent,
    }


def permitted(labels: Labels) -> list[str]:
    """Return what all of these data may be used for: what each card permits and none forbids, none where a card does not say."""
    each = [set() if one["permitted"] == UNKNOWN else set(one["permitted"]) for one in labels.values()]
    left = set.intersection(*each) if each else set()
    return sorted(left - set(forbidden(labels)))


def forbidden(labels: Labels) -> list[str]:
    """Return what at least one of these cards forbids."""
    return sorted({use for one in labels.values() for use in one["forbidden"]})


def join(labels: Labels, where: str) -> None:
    """Raise PopleakError if data of several cards meet in one model, draw or judgement, and no use is permitted for all of them.

    labels: by the digest of each card; where: the start of the message.
    """
    if len(labels) < 2 or permitted(labels):
        return
    names = " and ".join(sorted({f"{one['dataset']} ({_said(one)})" for one in labels.values()}))
    raise PopleakError(
        f"{where}: would join data for which no use is permitted together: {names}: give files of one dataset, or data whose cards "
        "permit the same use"
    )


def _said(one: Mapping[str, Any]) -> str:
    if one["permitted"] == UNKNOWN:
        return "permitted uses unknown"
    left = [use for use in one["permitted"] if use not in one["forbidden"]]
    return f"permits {', '.join(left) or 'nothing'}"
