"""Cards of data that bring none: a user's own table, a stranger's dataset. What nobody has said is `unknown` in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from . import _cards
from ._cards import UNKNOWN, CardFile
from ._described import Card

WHERE = "the card that is made of the options"
NAMESPACE = "urn:x-popleak:card:"
"""Of our terms. No address: the project has none of its own."""
JSON_FIELDS = (
    "popleak:expected", _cards.GENERATED, _cards.KNOWN_BY, "popleak:label", "popleak:sensitiveAttribute", _cards.UNPINNED,
    "popleak:withdrawn",
)  # fmt: skip
"""Fields whose values are JSON objects, and no nodes of a graph."""
LISTS = ("rai:dataCollectionTimeframe", "popleak:forbiddenUse", "popleak:directIdentifiers", "popleak:reading")
"""Fields that are lists, also where nothing is known."""
MEASURED = {
    "distribution": "the SHA-256 of the file",
    "recordSet": "the header, and what the loader takes the values for; columns that are not read have no known type",
}
"""How fields of a file were measured."""
RATE_DIGITS = 4
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "popleak": NAMESPACE,
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "sc": "https://schema.org/",
    "source": "cr:source",
    **{field: {"@id": NAMESPACE + field.partition(":")[2], "@type": "@json"} for field in JSON_FIELDS},
}
"""The terms of every card."""


def card(
    dataset: str,
    summary: str,
    known: Card,
    *,
    generated: bool,
    by: str = "the plugin",
    columns: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> CardFile:
    """Return the card of data of which a plugin says what it knows. by: who says it; columns: of the file, the type of each or "" if it is never
    read; files: the SHA-256 of each raw file by name, without which the card describes no file."""
    said = _said(summary, known)
    data = {_cards.GENERATED: []} if generated else described(files or {}, columns or {})
    content = {"@context": dict(CONTEXT), "@type": "sc:Dataset", "conformsTo": list(_cards.CONFORMS), **said, **data}
    content |= {one: _empty(one) for one in _cards.required(content) if one not in content}
    counted = {"popleak:expected", *data} if files else set()
    content[_cards.KNOWN_BY] = {one: _who(one, said, counted, by) for one in _cards.required(content)}
    return _cards.of(dataset, content, WHERE)


def _who(field: str, said: Collection[str], counted: Collection[str], by: str) -> dict[str, Any]:
    if field in counted:
        return {"by": "measured", "reference": MEASURED.get(field, "counted by the loader"), "verified": True}
    if field in said and field != "popleak:expected":
        return {"by": "package", "reference": by, "verified": False}
    return {"by": UNKNOWN, "verified": False}


def _said(summary: str, known: Card) -> dict[str, Any]:
    """Return the fields of which something is known. That no column names people, and that nobody withdrew the data, is said by nobody."""
    label, _, meaning = known.label.partition(": ")
    counts = {
        name: {
            "rows": list(one.rows or ()) or None,
            "labelRates": [round(rate, RATE_DIGITS) for rate in one.rates or ()] or None,
        }
        for name, one in known.attributes.items()
    }
    rate = None if known.label_rate is None else round(known.label_rate, RATE_DIGITS)
    found: dict[str, Any] = {
        "name": known.title,
        "popleak:label": [{"name": label, "meaning": meaning or label}],
        "popleak:sensitiveAttribute": [
            {"name": name, "groups": list(one.groups), "recorded": one.kind, "how": one.recorded}
            for name, one in known.attributes.items()
        ],
        "popleak:expected": [
            {"selection": "all", "rows": known.rows, "labelRate": rate, "groups": counts}
        ],
    }  # fmt: skip
    told = {
        "description": summary,
        "popleak:directIdentifiers": list(known.identifiers),
        "popleak:reading": list(known.notes),
        "url": known.source if "://" in known.source else UNKNOWN,
        "license": known.licence,
        "citeAs": known.citation,
        "popleak:purpose": known.purpose,
        "popleak:permittedUse": _listed(known.permitted_use),
        "popleak:forbiddenUse": list(known.forbidden_use),
        "popleak:consent": known.consent,
        "popleak:redistribution": known.redistribution,
    }
    return found | {field: value for field, value in told.items() if value not in (UNKNOWN, [])}


def _listed(value: Sequence[str] | str) -> Any:
    return value if isinstance(value, str) else list(value)


def _empty(field: str) -> Any:
    """Return what stands in a field of which nothing is known."""
    if field == "popleak:withdrawn":
        return None
    return [] if field in LISTS else UNKNOWN


def described(files: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that describe tables: their digests (SHA-256 by name), and columns that are in each, by name with their type. Identifiers
    in a card hold no blanks, so they are numbers: names of files and columns may have some."""
    return {
        "distribution": [
            {
                "@type": "cr:FileObject", "@id": f"file-{number}", "name": name, "contentUrl": name, "encodingFormat": _format(name),
                "sha256": digest,
            }
            for number, (name, digest) in enumerate(files.items())
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet", "@id": f"records-{number}", "name": f"records of {name}",
                "field": [
                    {
                        "@type": "cr:Field", "@id": f"records-{number}/column-{place}", "name": column, **_typed(kind),
                        "source": {"fileObject": {"@id": f"file-{number}"}, "extract": {"column": column}},
                    }
                    for place, (column, kind) in enumerate(columns.items())
                ],
            }
            for number, name in enumerate(files)
        ],
    }  # fmt: skip


def _typed(kind: str) -> dict[str, str]:
    """Return a column's type; Croissant asks for one also where nobody knows it."""
    return {"dataType": kind} if kind else {"dataType": "sc:Text", "description": _cards.UNREAD}


def _format(name: str) -> str:
    if name.lower().endswith((".parquet", ".pq")):
        return "application/vnd.apache.parquet"
    return "text/tab-separated-values" if name.lower().endswith(".tsv") else "text/csv"
