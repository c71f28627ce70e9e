"""Datasheets: a card's fields in words, each with who knows it. One source for docs/datasets.md and for the report's section on data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..core import plugins
from ..core.uses import UNKNOWN, USES
from ..datasets import _cards
from .words import cell, listed, number, percent

MOST_COLUMNS = 60
"""Columns that are all named; of more, the first and the last."""
FEW = 3
PARTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("What it is", (
        ("description", "description"), ("url", "address"), ("license", "licence"), ("version", "version"), ("citeAs", "citation"),
        ("distribution", "files"), (_cards.UNPINNED, "files without a digest"), ("recordSet", "columns"),
        (_cards.GENERATED, "columns"),
    )),
    ("Whence it comes", (
        ("rai:dataCollection", "collection"), ("rai:dataCollectionType", "type of collection"),
        ("rai:dataCollectionTimeframe", "time frame"), ("rai:dataPreprocessingProtocol", "preprocessing"),
        ("rai:dataAnnotationProtocol", "annotation"), ("popleak:consent", "consent"),
    )),
    ("Whom it is about", (
        ("rai:personalSensitiveInformation", "personal and sensitive information"),
        ("popleak:directIdentifiers", "direct identifiers"), ("popleak:sensitiveAttribute", "sensitive attributes"),
        ("popleak:label", "label"), ("popleak:expected", "expected counts"),
    )),
    ("What it is for", (
        ("popleak:purpose", "purpose"), ("rai:dataUseCases", "use cases"), ("popleak:permittedUse", "permitted use"),
        ("popleak:forbiddenUse", "forbidden use"), ("popleak:redistribution", "redistribution"),
    )),
    ("What to beware of", (
        ("rai:dataBiases", "biases"), ("rai:dataLimitations", "limitations"), ("rai:dataSocialImpact", "social impact"),
        ("popleak:reading", "how it is read here"), ("rai:dataReleaseMaintenancePlan", "maintenance"),
        ("popleak:withdrawn", "withdrawn"),
    )),
)  # fmt: skip
"""The parts of a datasheet: of each field its key in the card, and its name."""


class Line(NamedTuple):
    """One field of a datasheet: its name, what the card says, and who knows it."""

    field: str
    text: str
    who: str


def sheet(content: Mapping[str, Any]) -> list[tuple[str, list[Line]]]:
    """Return the parts of a card's datasheet, each with a line for every field that the card has."""
    return [
        (title, [Line(name, said(content, field), who(content, field)) for field, name in fields if field in content])
        for title, fields in PARTS
    ]


def said(content: Mapping[str, Any], field: str) -> str:
    """Return what a card says in a field."""
    value = content[field]
    if value is None or value == [] or value == UNKNOWN or field == _cards.EXPECTED:
        if not _cards.says(content, field):
            return UNKNOWN
        if not value:
            return "no" if value is None else "none"
    if field in SAID:
        return "; ".join(SAID[field](value))
    return "; ".join(value) if isinstance(value, list) else str(value)


def who(content: Mapping[str, Any], field: str) -> str:
    """Return who knows a field, by which source, and whether that was checked."""
    known = content[_cards.KNOWN_BY].get(field)
    if known is None or not _cards.says(content, field):
        return UNKNOWN if known else ""
    source = f": {known['reference']}" if known.get("reference") else ""
    return f"{known['by']}{source}{'' if known['verified'] else ' (not verified)'}"


def _files(value: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in value:
        place = f", {one['contentUrl']}" if "://" in one["contentUrl"] else ""
        yield f"`{one['name']}` (sha256 `{one['sha256']}`{place})"


def _unpinned(value: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in value:
        rows = f", {one['rows']:,} rows" if one.get("rows") else ""
        yield f"`{one['file']}`{rows}: {one['why']}"


def _fields(value: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    by_type: dict[str, list[str]] = {}
    for field in value:
        unread = field.get("description") == _cards.UNREAD
        kind = "not read, type unknown" if unread else field["dataType"].removeprefix("sc:").lower()
        by_type.setdefault(kind, []).append(f"`{field['name']}`")
    for kind, names in by_type.items():
        shown = names if len(names) <= MOST_COLUMNS else [*names[:FEW], "...", names[-1]]
        yield f"{kind}: {', '.join(shown)}"


def _records(value: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in value:
        yield f"{one['name']}: {'; '.join(_fields(one['field']))}"


def _attributes(value: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in value:
        yield f"{one['name']} ({listed(one['groups'])}), {one['recorded']}: {one['how']}"


def _expected(value: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in value:
        named = f"{one['selection']}{', ' + one['label'] if one.get('label') else ''}"
        counts = [f"{one['rows']:,} rows"] if one.get("rows") is not None else []
        counts += [f"label rate {number(one['labelRate'], 4)}"] if one.get("labelRate") is not None else []
        for name, group in one.get("groups", {}).items():
            counts.append(f"{name}: {', '.join(_group(group))}")
        counts += [f"{name} {men:,} and {women:,}" for name, (men, women) in (one.get("classes") or {}).items()]
        counts += [f"rows of each digit {', '.join(map(str, one['digits']))}"] if one.get("digits") else []
        yield f"{named}: {', '.join(counts) or UNKNOWN}"


def _group(group: Mapping[str, Any]) -> Iterator[str]:
    if rows := group.get("rows"):
        yield f"{rows[0]:,} and {rows[1]:,} rows ({percent(rows[1] / sum(rows))} in the second group)"
    if rates := group.get("labelRates"):
        yield f"label rates {listed([number(rate, 4) for rate in rates])}"


def _named(value: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in value:
        yield f"{one['name']}: {one['meaning']}"


def _gone(value: Mapping[str, Any]) -> Iterator[str]:
    yield f"on {value['date']}: {value['reason']}"


SAID: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "distribution": _files,
    _cards.UNPINNED: _unpinned,
    "recordSet": _records,
    _cards.GENERATED: _fields,
    "popleak:sensitiveAttribute": _attributes,
    "popleak:label": _named,
    "popleak:expected": _expected,
    "popleak:withdrawn": _gone,
}
"""How fields are said that are more than texts."""


INTRODUCTION = (
    "Each dataset has a card: one file of JSON-LD in `workflow/popleak/datasets/cards`, in the terms of Croissant 1.0 and its extension for "
    "responsible AI (RAI 1.0), checked by mlcroissant in the tests without a network. The file is the source. The digests of raw files, the "
    "counts that are checked on load, the card in the report and this page are read from it. A card says what is known and who knows it. It "
    "does not say that a use is ethical or lawful, which no card can.",
    "**What is refused.** Before any job: a card that lacks a field, or has a field, key or name that nothing reads and nothing would enforce, "
    "data that were withdrawn, a column that is a direct identifier by the card and would be read, a direct identifier that is no column of the "
    "data (a slip of the pen would let the real one pass), and a table of your own that is not the file that its card describes. On load: a raw "
    "file with another SHA-256, and records with other counts, group shares or label rates than the card states (of generated records, rates "
    "that its law does not give). A card of the package's own data states every count that the loader compares. "
    "Each message names the card and the cause. The digest of the card is part of the id of every step that reads the data, so a changed card "
    "makes the results stale.",
    "**What flows.** Each file that a run makes carries, in its metadata (`cards`), the digest of the card of all data that it was made from, "
    "with purpose, permitted and forbidden uses, and consent. Rows drawn from a generator are bound by the card of the rows that it was "
    "trained on. In public tables several datasets stand side by side, and the report shows what is permitted for all of them. In every "
    "other file they would meet in one model, draw or judgement. A job that is given such files is refused, unless one use is permitted by "
    "all their cards and forbidden by none; where a card does not say what is permitted, nothing is.",
    "**Who knows.** `publisher`: the publisher of the data says so; `paper`: a paper does; `measured`: it was counted here, in the data; "
    "`package`: it is this package's own doing or wish; `unknown`: nobody is known to know. What could not be checked against the source "
    "itself is marked as not verified; what a publisher or a paper says and was checked names its source.",
    "**Terms of our own** have the prefix `popleak:`, which stands for `urn:x-popleak:card:` (no address, since the project has none). "
    "`expected` are the counts that are checked. `reading` is what the loader does with the rows. `unpinned` lists raw files without a digest: "
    "those that their publisher revises, and those that each user makes. `knownBy` says of each field who knows it. Where an address serves "
    "an archive, a fragment (`adult.zip#adult.data`) names its member, and the SHA-256 is the member's. Generated datasets have no file, so "
    "no `distribution` and no `recordSet`, whose fields would need one; `generatedFields` has their columns, and their counts follow from "
    "the options.",
    "**A table of your own** gets a card made of its options, in which all else is unknown; [your own data](own-data.md#the-card) says how to "
    "complete it.",
)
"""What the page says before the datasheets."""


LINE = 8
"""Fields that a line has room for."""


def lacking(about: _cards.CardFile) -> str:
    """Return how much of a card is unknown or unchecked, and which fields where they are few."""
    missing, unchecked = about.lacks()
    every = len(about[_cards.KNOWN_BY])
    plain = {field: name for _, fields in PARTS for field, name in fields} | {"name": "name"}
    which = f" ({', '.join(plain[one] for one in missing)})" if len(missing) <= LINE else ""
    parts = [f"{len(missing)} of {every} fields are unknown{which}"] if missing else []
    parts += [f"{len(unchecked)} are not verified"] if unchecked else []
    return ", ".join(parts)


def page() -> str:
    """Return the datasheets of the package's own datasets as Markdown, with what the terms of cards mean."""
    names = [name for name in plugins.names("datasets") if _cards.place(name).is_file()]
    lines = ["| use | meaning |", "| --- | --- |", *(f"| {use} | {meaning} |" for use, meaning in USES.items())]
    parts = ["\n".join(lines), "## The datasets", listed([f"[{name}](#{name})" for name in names]) + "."]
    for name in names:
        about = _cards.packaged(name)
        parts += [f"### {name}", f"**{about['name']}** (`workflow/popleak/datasets/cards/{_cards.place(name).name}`)"]
        rows = ["| field | what the card says | who knows |", "| --- | --- | --- |"]
        rows += [
            f"| {line.field} | {cell(line.text)} | {cell(line.who)} |"
            for _, one in sheet(about.content)
            for line in one
        ]
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"
