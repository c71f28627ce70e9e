"""The report's section on data: one entry a dataset, whatever number of files the stage `dataset` made of it, and the table of the cards used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core import uses
from ..core.uses import UNKNOWN
from . import datasheets
from .words import count, listed

FIRST = ("source", "licence")
"""Fields that are shown without a click."""
MADE = ("attribute", "attribute_in_features", "options", "placebo")
"""Fields that say how the records of one file were made of the dataset."""
SHEET = ("datasheet", "digest")
"""The whole card and its digest, which have a place of their own."""


def entries(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return an entry for each title: its first facts, the files made of it (`variants`, a sentence), the card and the datasheet.

    A fact in which the files differ is given for each of them.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for card in cards:
        groups.setdefault(str(card.get("title") or card.get("name") or "dataset"), []).append(card)
    return [_entry(title, mine) for title, mine in groups.items()]


def shown(labels: uses.Labels | None, entered: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the table of the cards used, and what all of them permit; of files that bear no card neither. entered: `entries`."""
    known = labels or {}
    return {"used": used(known, entered), "together": together(known)}


def used(labels: uses.Labels, entered: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a row for each card of the data behind the public tables. labels: of all these tables, by digest; entered: `entries`."""
    places = {digest: str(entry["id"]) for entry in entered for digest in entry["digests"]}
    return [
        {
            "title": str(one["title"]),
            "place": places.get(digest, ""),
            "consent": str(one["consent"]),
            "permitted": _uses(one["permitted"]),
            "forbidden": _uses(one["forbidden"]),
            "digest": digest[:12],
        }
        for digest, one in sorted(labels.items(), key=lambda item: (item[1]["title"], item[0]))
    ]


def together(labels: uses.Labels) -> str:
    """Return what the results may be used for, as far as the cards of all data behind them say: a sentence, "" without a card."""
    if not labels:
        return ""
    unsaid = sorted({str(one["title"]) for one in labels.values() if one["permitted"] == UNKNOWN})
    allowed = f"The cards of all data behind these tables permit {listed(uses.permitted(labels)) or 'nothing together'}"
    if unsaid:
        allowed = f"No use is known to be permitted for all data behind these tables, since nothing is known of {listed(unsaid)}"
    banned = uses.forbidden(labels)
    return f"{allowed}; {f'at least one forbids {listed(banned)}' if banned else 'none forbids a use'}."


def _uses(value: Sequence[str] | str) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "none"


def _entry(title: str, cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    named: dict[str, list[Mapping[str, Any]]] = {}
    differ = _options(cards)
    for card in cards:
        named.setdefault(_variant(card, differ), []).append(card)
    variants = [f"{name}{_times(mine)}" for name, mine in named.items() if name]
    facts = _facts(cards, named)
    sheets = {str(card["digest"]): card["datasheet"] for card in cards if card.get("datasheet")}
    return {
        "title": title,
        "id": "data-" + (next(iter(sheets))[:12] if sheets else "card"),
        "digests": list(sheets),
        "sheets": [_plainly(datasheets.sheet(content)) for content in sheets.values()],
        "first": [(key, facts[key]) for key in FIRST if key in facts],
        "variants": f"{count(len(variants), 'variant')}: {'; '.join(variants)}." if len(variants) > 1 else "",
        "facts": [(key.replace("_", " "), text) for key, text in facts.items() if key not in FIRST],
    }


def _plainly(sheet: Sequence[tuple[str, Sequence[datasheets.Line]]]) -> list[tuple[str, list[datasheets.Line]]]:
    """Return a datasheet without the marks of Markdown's code."""
    return [(part, [line._replace(text=line.text.replace("`", "")) for line in lines]) for part, lines in sheet]


def _facts(cards: Sequence[Mapping[str, Any]], named: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """Return the facts that are known, in the order of the cards' fields. named: the cards by variant."""
    keys = dict.fromkeys(key for card in cards for key in card if key not in ("title", *MADE, *SHEET))
    facts = {key: _fact({name: _plain(mine[0].get(key)) for name, mine in named.items()}) for key in keys}
    return {key: text for key, text in facts.items() if text}


def _fact(texts: Mapping[str, str]) -> str:
    """Return a fact, given for each variant, once where it is the same for all, else with a line for each that knows it."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "\n".join(f"{name}: {text}" for name, text in texts.items() if text)


def _options(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the options that are not the same for all cards."""
    every = [card.get("options") or {} for card in cards]
    keys = dict.fromkeys(key for options in every for key in options)
    return [key for key in keys if any(options.get(key) != every[0].get(key) for options in every)]


def _variant(card: Mapping[str, Any], differ: Sequence[str]) -> str:
    """Return how one file was made of its dataset, in words."""
    options = card.get("options") or {}
    said = [str(card.get("attribute") or "")]
    said += ["which is a feature too"] if card.get("attribute_in_features") else []
    said += [f"{key.replace('_', ' ')} {_inline(options.get(key))}" for key in differ]
    said += ["with the group column shuffled"] if card.get("placebo") else []
    return ", ".join(one for one in said if one)


def _times(cards: Sequence[Mapping[str, Any]]) -> str:
    return f" ({count(len(cards), 'placebo')})" if cards[0].get("placebo") else ""


def _plain(value: Any) -> str:
    """Return a card's value as text: mappings and lists with a line each."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_inline(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        lines = [_inline(one) for one in value]
        return ("\n" if max(map(len, lines), default=0) > 24 else ", ").join(lines)
    return str(value)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(
            f"{str(key).replace('_', ' ')}: {_inline(one)}" for key, one in value.items() if one is not None
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(_inline(one) for one in value)
    return str(value)
