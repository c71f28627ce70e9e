"""Cards as files: one Croissant 1.0 and RAI 1.0 description in JSON-LD a dataset, and what the loader refuses by it.

The file is the source: the `Card` of a plugin, the digests of its raw files, the counts that are checked on load and the page of datasheets
are read from it. Terms that Croissant lacks are ours, under the prefix `popleak:`. docs/datasets.md says what each means.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import uses
from ..core.errors import PopleakError
from ..core.settings import canonical
from ..core.uses import UNKNOWN
from ._described import Attribute, Card, Source

FOLDER = Path(__file__).with_name("cards")
CORE = ("name", "description", "url", "license", "version", "citeAs")
RAI = (
    "rai:dataCollection", "rai:dataCollectionType", "rai:dataCollectionTimeframe", "rai:dataPreprocessingProtocol",
    "rai:dataAnnotationProtocol", "rai:personalSensitiveInformation", "rai:dataBiases", "rai:dataLimitations",
    "rai:dataUseCases", "rai:dataSocialImpact", "rai:dataReleaseMaintenancePlan",
)  # fmt: skip
OURS = (
    "popleak:purpose", "popleak:permittedUse", "popleak:forbiddenUse", "popleak:consent", "popleak:directIdentifiers",
    "popleak:label", "popleak:sensitiveAttribute", "popleak:redistribution", "popleak:reading", "popleak:expected",
    "popleak:withdrawn",
)  # fmt: skip
FILES = ("distribution", "recordSet")
"""Fields of data that lie in files. A generator has `GENERATED` instead, since there are no bytes whose digest could be stated."""
GENERATED = "popleak:generatedFields"
KNOWN_BY = "popleak:knownBy"
UNPINNED = "popleak:unpinned"
"""Raw files whose bytes the publisher revises or that each user makes: a card can state no digest of them."""
OPTIONAL = (UNPINNED,)
WHO = ("publisher", "paper", "measured", "package", UNKNOWN)
"""Who knows a field: the publisher of the data says so, a paper does, it was measured here, it is this package's own doing, or nobody is known to."""
CONSENT = ("obtained", "public record", "scraped", "no people", UNKNOWN)
RECORDED = ("self-report", "administrative", "annotator", "inferred", "generated", UNKNOWN)
CONFORMS = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]


@dataclass(frozen=True)
class CardFile:
    """A card: of which dataset, where it stands (for messages), the SHA-256 of its content as canonical JSON, and the content."""

    dataset: str
    where: str
    digest: str
    content: Mapping[str, Any]

    def __getitem__(self, field: str) -> Any:
        return self.content[field]

    def sources(self) -> dict[str, Source]:
        """Return the raw files whose digests the card states, by name. A fragment of an address names the member of an archive."""
        found = {}
        for one in self.content.get("distribution", ()):
            url, _, member = one["contentUrl"].partition("#")
            found[one["name"]] = Source(one["name"], url if "://" in url else None, one.get("sha256"), member or None)
        return found

    def unpinned(self) -> dict[str, Mapping[str, Any]]:
        """Return what the card says of raw files without a digest, by name."""
        return {one["file"]: one for one in self.content.get(UNPINNED, ())}

    def columns(self) -> tuple[str, ...]:
        """Return the columns of the raw files, or of what is generated."""
        sets = self.content.get("recordSet", ())
        fields = [field for one in sets for field in one["field"]] or self.content.get(GENERATED, ())
        return tuple(dict.fromkeys(field["name"] for field in fields))

    def identifiers(self) -> tuple[str, ...]:
        """Return the columns that name people."""
        return tuple(self["popleak:directIdentifiers"])

    def attribute(self, name: str) -> Mapping[str, Any]:
        """Return what the card says of a sensitive attribute."""
        return next(one for one in self["popleak:sensitiveAttribute"] if one["name"] == name)

    def meaning(self, label: str) -> str:
        """Return a label's name and what it means."""
        return next(f"{label}: {one['meaning']}" for one in self["popleak:label"] if one["name"] == label)

    def expected(self, selection: str = "all", label: str | None = None) -> Mapping[str, Any]:
        """Return the counts that the card states of a selection of the data (and of a label, if it has several); none: {}."""
        return next(
            (
                one
                for one in self["popleak:expected"]
                if one["selection"] == selection and label in (None, one.get("label", label))
            ),
            {},
        )

    def card(self, known: Mapping[str, Any], *, label: str, label_text: str | None = None, **other: Any) -> Card:
        """Return the card as the stage `dataset` keeps it. known: counts (`expected`), or {}; label: its name; label_text, other: what the label
        means, and fields of `Card`, where the options decide them."""
        groups = known.get("groups", {})
        attributes = {
            one["name"]: Attribute(
                tuple(one["groups"]), one["how"], *_pair(groups.get(one["name"], {})), kind=one["recorded"]
            )
            for one in self["popleak:sensitiveAttribute"]
        }
        own = {
            "title": self["name"], "source": self["url"], "licence": self["license"], "citation": self["citeAs"],
            "label": label_text or self.meaning(label), "attributes": attributes, "identifiers": self.identifiers(),
            "rows": known.get("rows"), "label_rate": known.get("labelRate"), "notes": self.notes(),
        }  # fmt: skip
        ours = {field: self[f"popleak:{name}"] for field, name in CARRIED.items()}
        lists = {field: tuple(value) if isinstance(value, list) else value for field, value in ours.items()}
        return Card(**{**own, **lists, **other})

    def notes(self) -> tuple[str, ...]:
        """Return how this package reads the data, and the limitations of these."""
        return tuple(one for one in (*self["popleak:reading"], *self["rai:dataLimitations"]) if one != UNKNOWN)

    def label(self) -> dict[str, Any]:
        """Return what of the card flows with what is made of the data."""
        return uses.label(
            dataset=self.dataset, title=self["name"], purpose=self["popleak:purpose"], permitted=self["popleak:permittedUse"],
            forbidden=self["popleak:forbiddenUse"], consent=self["popleak:consent"],
        )  # fmt: skip

    def lacks(self) -> tuple[list[str], list[str]]:
        """Return the fields that nobody is known to know, and those of which nobody checked what is said."""
        who = self[KNOWN_BY]
        missing = [field for field, one in who.items() if one["by"] == UNKNOWN]
        return missing, [field for field, one in who.items() if one["by"] != UNKNOWN and not one["verified"]]

    def covers(self, label: str, attribute: str, groups: Sequence[str], file: str) -> None:
        """Raise PopleakError unless the card describes this label, this attribute with these groups, and this raw file."""
        if label not in {one["name"] for one in self["popleak:label"]}:
            raise PopleakError(f"{self.where}: popleak:label: says nothing of {label!r}: add it, or give another card")
        known = {one["name"]: one["groups"] for one in self["popleak:sensitiveAttribute"]}
        if list(groups) != known.get(attribute):
            raise PopleakError(
                f"{self.where}: popleak:sensitiveAttribute: says nothing of {attribute!r} with the groups {' and '.join(map(repr, groups))}: add "
                "it, or give another card"
            )
        if file not in self.sources():
            raise PopleakError(f"{self.where}: distribution: describes no file {file}: add it, or give another card")

    def refuse_withdrawn(self) -> None:
        """Raise PopleakError if the data were withdrawn."""
        if gone := self["popleak:withdrawn"]:
            raise PopleakError(
                f"dataset {self.dataset}: withdrawn on {gone['date']} ({gone['reason']}; {self.where}): choose another dataset"
            )

    def refuse_identifiers(self, columns: Iterable[str], remedy: str) -> None:
        """Raise PopleakError if one of the columns that would be read names people."""
        for column in columns:
            if column in self.identifiers():
                raise PopleakError(
                    f"dataset {self.dataset}: column {column!r} would be read, and is a direct identifier by its card "
                    f"({self.where}): {remedy}"
                )


CARRIED = {
    "purpose": "purpose",
    "permitted_use": "permittedUse",
    "forbidden_use": "forbiddenUse",
    "consent": "consent",
    "redistribution": "redistribution",
}
"""Fields of `Card` that are fields of ours."""


def _pair(group: Mapping[str, Any]) -> tuple[tuple[int, int] | None, tuple[float, float] | None]:
    rows, rates = group.get("rows"), group.get("labelRates")
    return (None if rows is None else (rows[0], rows[1])), (None if rates is None else (rates[0], rates[1]))


def packaged(dataset: str) -> CardFile:
    """Return the card of a dataset that comes with the package. Raises PopleakError for one that lacks a field."""
    path = place(dataset)
    try:
        state = path.stat()
    except FileNotFoundError:
        raise PopleakError(f"{path}: no such card: install the package again") from None
    return _read(dataset, str(path), state.st_mtime_ns, state.st_size)


def place(dataset: str) -> Path:
    """Return where the card of a dataset of the package lies."""
    return FOLDER / f"{dataset.replace('-', '_')}.json"


def given(dataset: str, path: str | Path) -> CardFile:
    """Return a user's own card. Raises PopleakError for a file that is none, or lacks a field."""
    state = Path(path).stat()
    return _read(dataset, str(path), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=256)
def _read(dataset: str, path: str, *_: int) -> CardFile:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_once)
    except RecursionError:
        raise PopleakError(f"{path}: not a card (nested too deeply): write it again") from None
    except (OSError, ValueError) as error:
        raise PopleakError(
            f"{path}: not a card ({' '.join(str(error).split())[:100]}): give a file of JSON-LD"
        ) from error
    return of(dataset, content, path)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def of(dataset: str, content: Any, where: str) -> CardFile:
    """Return a card of this content. Raises PopleakError with the first field that it lacks or that is not what it may be."""
    for problem in _problems(content):
        raise PopleakError(f"{where}: {problem}")
    digest = hashlib.sha256(canonical(content).encode()).hexdigest()
    return CardFile(dataset, where, digest, content)


def required(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that a card must have: of generated data no file."""
    files = (GENERATED,) if GENERATED in content else FILES
    return (*CORE, *files, *RAI, *OURS)


def _problems(content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        yield "not a card: give a JSON object"
        return
    if content.get("conformsTo") != CONFORMS:
        yield f"conformsTo: must be {' and '.join(CONFORMS)}: add them"
    fields = required(content)
    for field in (*fields, KNOWN_BY):
        if field not in content:
            yield f"lacks the field {field}: add it; where nobody knows, say {UNKNOWN!r}, or []"
    for field in [*(one for one in (*fields, *OPTIONAL) if one in FORMS and one in content), KNOWN_BY]:
        fits, said = FORMS[field]
        if not _fits(fits, content[field]):
            yield f"{field}: must be {said}: correct it"
    for field in fields:
        if field not in FORMS and not _is_text(content[field]):
            yield f"{field}: must be text, or a list of texts: correct it"
        if field not in content[KNOWN_BY]:
            yield f"{KNOWN_BY}: says nothing of {field}: say who knows it"


def _fits(fits: Callable[[Any], bool], value: Any) -> bool:
    try:
        return fits(value)
    except (TypeError, KeyError, AttributeError, IndexError):  # of another form altogether
        return False


def _is_text(value: Any) -> bool:
    return bool(value) and (isinstance(value, str) or _texts(value))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _terms(value: Any) -> bool:
    return value == UNKNOWN or (_texts(value) and set(value) <= set(uses.USES))


def _known_by(value: Any) -> bool:
    return all(
        one["by"] in WHO and isinstance(one["verified"], bool) and isinstance(one.get("reference", ""), str)
        for one in value.values()
    )


def _attributes(value: Any) -> bool:
    return bool(value) and all(
        isinstance(one["name"], str) and one["recorded"] in RECORDED and isinstance(one["how"], str)
        and _texts(one["groups"]) and len(one["groups"]) == 2
        for one in value
    )  # fmt: skip


def _counts(value: Any) -> bool:
    def whole(number: Any) -> bool:
        return number is None or (isinstance(number, int) and number >= 0)

    def share(number: Any) -> bool:
        return number is None or (isinstance(number, int | float) and 0 <= number <= 1)

    def group(one: Mapping[str, Any]) -> bool:
        rows, rates = one.get("rows") or (0, 0), one.get("labelRates") or (0, 0)
        return len(rows) == len(rates) == 2 and all(map(whole, rows)) and all(map(share, rates))

    return isinstance(value, list) and all(
        isinstance(one["selection"], str) and whole(one.get("rows")) and share(one.get("labelRate"))
        and all(map(group, one.get("groups", {}).values()))
        for one in value
    )  # fmt: skip


FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "distribution": (
        lambda value: all(isinstance(one[key], str) for one in value for key in ("@id", "name", "contentUrl", "sha256")),
        "a list of FileObjects with @id, name, contentUrl and sha256",
    ),
    "recordSet": (
        lambda value: all(isinstance(field["name"], str) and field["dataType"] for one in value for field in one["field"]),
        "a list of RecordSets whose fields have a name and a dataType",
    ),
    GENERATED: (
        lambda value: all(isinstance(field["name"], str) and field["dataType"] for field in value),
        "a list of fields with a name and a dataType",
    ),
    UNPINNED: (lambda value: all(isinstance(one["file"], str) and one["why"] for one in value), "a list of files, with why"),
    "rai:dataCollectionTimeframe": (_texts, "a list of dates, or []"),
    "popleak:reading": (_texts, "a list of texts, or []"),
    "popleak:permittedUse": (_terms, f"{UNKNOWN!r}, or a list of {', '.join(uses.USES)}"),
    "popleak:forbiddenUse": (
        lambda value: value != UNKNOWN and _terms(value), f"a list, which may be empty, of {', '.join(uses.USES)}"
    ),
    "popleak:consent": (lambda value: value in CONSENT, f"one of {', '.join(CONSENT)}"),
    "popleak:directIdentifiers": (_texts, "a list of columns, or []"),
    "popleak:label": (
        lambda value: all(isinstance(one["name"], str) and one["meaning"] for one in value),
        "a list of labels, each with name and meaning",
    ),
    "popleak:sensitiveAttribute": (
        _attributes, f"a list of attributes, each with name, two groups, how, and recorded: one of {', '.join(RECORDED)}"
    ),
    "popleak:expected": (_counts, "a list of selections, each with rows, labelRate and groups as far as they are known"),
    "popleak:withdrawn": (
        lambda value: value is None or all(isinstance(value[key], str) and value[key] for key in ("date", "reason")),
        "null, or a date and a reason",
    ),
    KNOWN_BY: (_known_by, f"for each field: by, one of {', '.join(WHO)}; verified, true or false; and, if there is one, a reference"),
}  # fmt: skip
"""Whether a field's value is what it may be, and what that is. All others are text, or lists of texts."""
