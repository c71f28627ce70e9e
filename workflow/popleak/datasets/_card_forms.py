"""What a card must hold and in which form. What nothing reads is refused, since nobody would notice that it is not enforced."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator, model_validator

from ..config import messages
from ..core import uses
from ..core.settings import Settings
from ..core.uses import UNKNOWN

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
EXPECTED = "popleak:expected"
UNPINNED = "popleak:unpinned"
"""Raw files whose bytes the publisher revises or that each user makes: a card can state no digest of them."""
OPTIONAL = (UNPINNED,)
PREFIX = "popleak:"
WHO = ("publisher", "paper", "measured", "package", UNKNOWN)
"""Who knows a field: the publisher of the data says so, a paper does, it was measured here, it is this package's own doing, or nobody is known to."""
ELSEWHERE = ("publisher", "paper")
"""Of these, those whose words can be looked up."""
CONSENT = ("obtained", "public record", "scraped", "no people", UNKNOWN)
CONFORMS = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]

COMPARED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "acs-income": {"sample-2018": ("rows", "labelRate", "groups"), "person-2018-CA": ("rows", "labelRate")},
    "adult": {"all": ("rows", "labelRate", "groups")},
    "bias-in-bios": {"extract": ("rows", "classes"), "small": ("rows",)},
    "compas": {"filtered": ("rows", "labelRate", "groups"), "file": ("rows", "labelRate")},
    "digits": {"all": ("rows", "digits")},
    "german": {"all": ("rows", "labelRate", "groups")},
    "lsac": {"all": ("rows", "labelRate", "groups")},
    "synthetic": {},
    "synthetic-classes": {},
    "synthetic-images": {},
    "synthetic-twin": {},
    "utkface": {"complete": ("rows", "labelRate", "groups")},
}
"""What the loaders of the package's own datasets compare with the records: the counts of each selection. A card of these states all of it, and
no more. Of generated records the options say it."""
USUAL: Mapping[str, tuple[str, ...]] = {"all": ("rows", "labelRate", "groups")}
"""The same of any other data, of which a card states what is known."""

Text = Annotated[str, Field(min_length=1)]
Rows = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, le=1)]
Two = Field(min_length=2, max_length=2)


class Part(Settings):
    """Base of the parts of a card: JSON as it stands, so text is no number, and no other keys than these."""

    model_config = ConfigDict(strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers(cls, value: Any, info: ValidationInfo) -> Any:
        return value  # in place of the base's, which takes text for a number as a command line writes it


class Open(Part):
    """A part in the terms of Croissant, which has more than are read here."""

    model_config = ConfigDict(extra="allow")


class File(Open):
    id: Text = Field(alias="@id")
    name: Text
    contentUrl: Text
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Column(Open):
    name: Text
    dataType: Text


class Columns(Open):
    name: Text
    field: list[Column] = Field(min_length=1)


class Unpinned(Part):
    file: Text
    why: Text
    url: Text | None = None
    rows: Rows | None = None


class Meaning(Part):
    name: Text
    meaning: Text


class Attribute(Part):
    name: Text
    groups: list[Text] = Two
    recorded: Literal["self-report", "administrative", "annotator", "inferred", "generated", "unknown"]
    how: Text


class Group(Part):
    """Counts of the two groups of an attribute."""

    rows: list[Rows] | None = Field(default=None, min_length=2, max_length=2)
    labelRates: list[Rate] | None = Field(default=None, min_length=2, max_length=2)


class Selection(Part):
    """Counts of some of the rows. classes: rows of each class in the two groups; digits: rows of each digit."""

    selection: Text
    label: Text | None = None
    rows: Rows | None = None
    labelRate: Rate | None = None
    groups: dict[str, Group] = {}
    classes: dict[str, Annotated[list[Rows], Two]] | None = None
    digits: list[Rows] | None = Field(default=None, min_length=10, max_length=10)

    @model_validator(mode="after")
    def _sums(self) -> Selection:
        whole = {"classes": sum(map(sum, (self.classes or {}).values())), "digits": sum(self.digits or ())}
        parts = {f"groups.{name}": sum(one.rows or ()) for name, one in self.groups.items()}
        for name, many in (whole | parts).items():
            if self.rows is not None and (many > self.rows or (name in whole and 0 < many < self.rows)):
                raise ValueError(f"rows are {self.rows:,}, and those of {name} {many:,}: correct what is wrong")
        return self

    def counts(self) -> set[str]:
        """Return the names of the counts that are stated."""
        groups = any(one.rows or one.labelRates for one in self.groups.values())
        found = {name for name in ("rows", "labelRate", "classes", "digits") if getattr(self, name) is not None}
        return found | ({"groups"} if groups else set())


class Gone(Part):
    date: Text
    reason: Text


class Known(Part):
    by: Literal["publisher", "paper", "measured", "package", "unknown"]
    verified: bool
    reference: Text | None = None

    @model_validator(mode="after")
    def _checked(self) -> Known:
        if self.verified and self.by == UNKNOWN:
            raise ValueError("what nobody is known to know is not verified: say verified: false, or who knows it")
        if self.verified and self.by in ELSEWHERE and self.reference is None:
            raise ValueError(
                f"what a {self.by} says is verified against something: name it (reference), or say verified: false"
            )
        return self


PARTS: Mapping[str, tuple[Any, type[Part], str]] = {
    "distribution": (list[File], File, "a list of FileObjects with @id, name, contentUrl and sha256"),
    "recordSet": (list[Columns], Columns, "a list of RecordSets whose fields have a name and a dataType"),
    GENERATED: (list[Column], Column, "a list of fields with a name and a dataType"),
    UNPINNED: (list[Unpinned], Unpinned, "a list of files, with why"),
    "popleak:label": (
        Annotated[list[Meaning], Field(min_length=1)], Meaning, "a list of labels, each with name and meaning"
    ),
    "popleak:sensitiveAttribute": (
        Annotated[list[Attribute], Field(min_length=1)], Attribute,
        "a list of attributes, each with name, two groups, how, and recorded",
    ),
    EXPECTED: (
        list[Selection], Selection, "a list of selections, each with rows, labelRate and groups as far as they are known"
    ),
    "popleak:withdrawn": (Gone | None, Gone, "null, or a date and a reason"),
    KNOWN_BY: (
        dict[str, Known], Known,
        f"for each field: by, one of {', '.join(WHO)}; verified, true or false; and, if there is one, a reference",
    ),
}  # fmt: skip
"""Fields whose values have parts: the form, the parts, and what that is in words."""
ADAPTERS = {field: TypeAdapter(form) for field, (form, _, _) in PARTS.items()}
ONE_OF_A_NAME = {
    "distribution": "name", UNPINNED: "file", "popleak:label": "name", "popleak:sensitiveAttribute": "name"
}  # fmt: skip
"""Of which key two parts of a field may not have the same value, since only one of them would count."""


def required(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that a card must have: of generated data no file."""
    files = (GENERATED,) if GENERATED in content else FILES
    return (*CORE, *files, *RAI, *OURS)


def problems(content: Any, dataset: str, *, packaged: bool) -> Iterator[str]:
    """Yield what is wrong with a card, the first thing first. packaged: of the package's own dataset, whose loader compares known counts."""
    if not isinstance(content, dict):
        yield "not a card: give a JSON object"
        return
    if content.get("conformsTo") != CONFORMS:
        yield f"conformsTo: must be {' and '.join(CONFORMS)}: add them"
    fields = required(content)
    for field in (*fields, KNOWN_BY):
        if field not in content:
            yield f"lacks the field {field}: add it; where nobody knows, say {UNKNOWN!r}, or []"
    yield from _strange(content, (*fields, *OPTIONAL, KNOWN_BY))
    there = [*fields, *(one for one in OPTIONAL if one in content)]
    for field in (*there, KNOWN_BY):
        yield from _formed(field, content[field])
    yield from _known(content[KNOWN_BY], fields, there)
    yield from _counted(content, COMPARED[dataset] if packaged else USUAL)
    if packaged:
        yield from _uncounted(content, COMPARED[dataset])


def _known(named: Mapping[str, Any], fields: Sequence[str], there: Sequence[str]) -> Iterator[str]:
    """Yield fields of which the card does not say who knows them, and others of which it does."""
    for field in fields:
        if field not in named:
            yield f"{KNOWN_BY}: says nothing of {field}: say who knows it"
    for field in named:
        if field not in there:
            yield f"{KNOWN_BY}.{field}: is no field of this card{_near(field, there)}: correct the name, or take it out"


def _strange(content: Mapping[str, Any], fields: Sequence[str]) -> Iterator[str]:
    """Yield fields of ours, or of files beside those of a generator, that nothing reads."""
    for field in content:
        if (str(field).startswith(PREFIX) or field in FILES) and field not in fields:
            yield f"{field}: nothing reads it{_near(field, fields)}: correct the name, or take it out"


def _near(field: str, fields: Sequence[str]) -> str:
    """Return the field that was probably meant, in brackets. Prefixes do not count, since many fields share one."""
    bare = {one.partition(":")[2] or one: one for one in fields}
    found = difflib.get_close_matches(str(field).partition(":")[2] or str(field), list(bare), 1)
    return f" (did you mean {bare[found[0]]!r}?)" if found else ""


def _formed(field: str, value: Any) -> Iterator[str]:
    if field in PARTS:
        yield from _parted(field, value)
    elif field in FORMS:
        fits, said = FORMS[field]
        if not fits(value):
            yield f"{field}: must be {said}: correct it"
    elif not _is_text(value):
        yield f"{field}: must be text, or a list of texts: correct it"


def _parted(field: str, value: Any) -> Iterator[str]:
    _, part, said = PARTS[field]
    try:
        ADAPTERS[field].validate_python(value)
    except ValidationError as error:
        place, text = messages.said(error, part)
        yield f"{field}.{place}: {text}" if place else f"{field}: must be {said}: correct it"
        return
    if key := ONE_OF_A_NAME.get(field):
        names = [one[key] for one in value]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            yield f"{field}: {twice!r} is there twice: leave one"


def _selections(content: Mapping[str, Any]) -> list[Selection]:
    return [Selection.model_validate(one) for one in content[EXPECTED]]


def _counted(content: Mapping[str, Any], compared: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield counts that nothing compares, and names that nothing has."""
    labels = [one["name"] for one in content["popleak:label"]]
    attributes = [one["name"] for one in content["popleak:sensitiveAttribute"]]
    seen: set[tuple[str, str | None]] = set()
    for number, one in enumerate(_selections(content)):
        place = f"{EXPECTED}.{number}"
        if seen & {(one.selection, one.label), (one.selection, None)}:
            yield f"{place}: the selection {one.selection!r} was counted before: leave one, or name a label in each"
        seen.add((one.selection, one.label))
        yield from _named(f"{place}.selection", [one.selection], list(compared))
        yield from _named(f"{place}.label", [one.label] if one.label else [], labels)
        yield from _named(f"{place}.groups", list(one.groups), attributes)
        yield from _named(place, sorted(one.counts()), compared[one.selection])


def _uncounted(content: Mapping[str, Any], compared: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield what a card of the package's own data lacks: files, columns, and counts that the loader compares."""
    for field in (*FILES, GENERATED):
        if field in content and not says(content, field):
            yield f"{field}: says nothing, and the loader reads what it describes: describe it"
    selections = _selections(content)
    attributes = [one["name"] for one in content["popleak:sensitiveAttribute"]]
    for number, one in enumerate(selections):
        yield from _lacking(f"{EXPECTED}.{number}", one, compared[one.selection], attributes)
    for selection in compared:
        if selection not in {one.selection for one in selections}:
            yield f"{EXPECTED}: lacks the selection {selection!r}, which the loader compares: add it"
    yield from _labelled(selections, [one["name"] for one in content["popleak:label"]])


def _lacking(place: str, one: Selection, compared: Sequence[str], attributes: Sequence[str]) -> Iterator[str]:
    if lacks := set(compared) - one.counts():
        yield f"{place}: lacks {', '.join(sorted(lacks))}, which the loader compares: add it"
    for name in attributes if "groups" in compared else ():
        if name not in one.groups or one.groups[name].rows is None:
            yield f"{place}.groups.{name}: lacks rows, which the loader compares: add them"


def _labelled(selections: Sequence[Selection], labels: Sequence[str]) -> Iterator[str]:
    """Yield labels that lack counts where other labels have some of their own."""
    for selection in {one.selection: None for one in selections if one.label}:
        named = {one.label for one in selections if one.selection == selection}
        for label in labels:
            if label not in named:
                yield f"{EXPECTED}: lacks the selection {selection!r} of the label {label!r}: add it"


def _named(place: str, names: Sequence[str], allowed: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name not in allowed:
            choice = f"choose from {', '.join(allowed)}" if allowed else "leave it out"
            yield f"{place}: nothing compares {name!r}{messages.near(name, list(allowed))}: {choice}"


def says(content: Mapping[str, Any], field: str) -> bool:
    """Return whether a card says anything in a field, and somebody is known to know it."""
    value = content[field]
    if value == UNKNOWN or content[KNOWN_BY].get(field, {}).get("by") == UNKNOWN:
        return False
    if field in (*FILES, GENERATED):
        return bool(value)
    if field == EXPECTED and GENERATED not in content:
        return any(Selection.model_validate(one).counts() for one in value)
    return True


def _is_text(value: Any) -> bool:
    return bool(value) and (isinstance(value, str) or _texts(value))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _terms(value: Any) -> bool:
    return value == UNKNOWN or (_texts(value) and set(value) <= set(uses.USES))


FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "rai:dataCollectionTimeframe": (_texts, "a list of dates, or []"),
    "popleak:reading": (_texts, "a list of texts, or []"),
    "popleak:permittedUse": (_terms, f"{UNKNOWN!r}, or a list of {', '.join(uses.USES)}"),
    "popleak:forbiddenUse": (
        lambda value: value != UNKNOWN and _terms(value), f"a list, which may be empty, of {', '.join(uses.USES)}"
    ),
    "popleak:consent": (lambda value: value in CONSENT, f"one of {', '.join(CONSENT)}"),
    "popleak:directIdentifiers": (_texts, "a list of columns, or []"),
}  # fmt: skip
"""Whether a field's value is what it may be, and what that is. All others are text, or lists of texts."""
