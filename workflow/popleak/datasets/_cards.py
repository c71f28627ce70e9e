"""Cards as files: one Croissant 1.0 and RAI 1.0 description in JSON-LD a dataset, and what the loader refuses by it.

The file is the source: the `Card` of a plugin, the digests of its raw files, the counts that are checked on load and the page of datasheets
are read from it. Terms that Croissant lacks are ours, under the prefix `popleak:`. docs/datasets.md says what each means.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.messages import near
from ..core import uses
from ..core.errors import PopleakError
from ..core.settings import canonical
from ..core.uses import UNKNOWN as UNKNOWN
from ._card_forms import CONFORMS as CONFORMS
from ._card_forms import EXPECTED as EXPECTED
from ._card_forms import GENERATED as GENERATED
from ._card_forms import KNOWN_BY as KNOWN_BY
from ._card_forms import UNPINNED as UNPINNED
from ._card_forms import problems
from ._card_forms import required as required
from ._card_forms import says as says
from ._described import Attribute, Card, Source

FOLDER = Path(__file__).with_name("cards")
FEW = 8
"""Columns that a line has room for."""
UNREAD = "never read, so its type is unknown"
"""The description of a column whose `dataType` says nothing."""


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
        return tuple(dict.fromkeys(_column(field) for field in fields))

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
        """Return the fields that nobody is known to know or that say nothing, and those of which nobody checked what is said."""
        who = self[KNOWN_BY]
        missing = [field for field in who if not says(self.content, field)]
        return missing, [field for field, one in who.items() if field not in missing and not one["verified"]]

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

    def refuse_identifiers(self, columns: Iterable[str], remedy: str, there: Sequence[str] | None = None) -> None:
        """Raise PopleakError if one of the columns that would be read names people. there: all columns of the data, of which each identifier must be
        one, so that a slip of the pen lets nothing pass; None: as the card has them. Where it has none, names are compared without regard to case
        and blanks."""
        there = self.columns() if there is None else there
        for name in self.identifiers() if there else ():
            if name not in there:
                raise PopleakError(
                    f"{self.where}: popleak:directIdentifiers: {name!r} is no column of the data{_nearest(name, there)}: correct it, or "
                    "take it out of the card"
                )
        plain = str if there else _plain
        named = {plain(name) for name in self.identifiers()}
        for column in columns:
            if plain(column) in named:
                raise self._read_identifier(column, remedy)

    def refuse_features(self, features: Iterable[str], remedy: str) -> None:
        """Raise PopleakError if a feature was made of a column that names people: it bears the column's name, and perhaps a value."""
        plain = str if self.columns() else _plain
        for feature in features:
            said = plain(feature)
            if any(
                said in (plain(name), plain(f"{name} missing")) or said.startswith(plain(f"{name}="))
                for name in self.identifiers()
            ):
                raise self._read_identifier(feature.partition("=")[0], remedy)

    def _read_identifier(self, column: str, remedy: str) -> PopleakError:
        return PopleakError(
            f"dataset {self.dataset}: column {column!r} would be read, and is a direct identifier by its card "
            f"({self.where}): {remedy}"
        )

    def refuse_undescribed(self, columns: Iterable[str]) -> None:
        """Raise PopleakError unless the card describes each of these columns of the data."""
        for column in columns:
            if column not in self.columns():
                raise PopleakError(f"{self.where}: recordSet: describes no column {column!r}: add it")


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


def _nearest(name: str, columns: Sequence[str]) -> str:
    """Return the column that was probably meant, else those that there are."""
    alike = next(
        (f" (did you mean {one!r}?)" for one in columns if _plain(one) == _plain(name)), near(name, list(columns))
    )
    return alike or f" ({', '.join(columns[:FEW])}{', ...' if len(columns) > FEW else ''})"


CARRIED = {
    "purpose": "purpose",
    "permitted_use": "permittedUse",
    "forbidden_use": "forbiddenUse",
    "consent": "consent",
    "redistribution": "redistribution",
}
"""Fields of `Card` that are fields of ours."""


def _column(field: Mapping[str, Any]) -> str:
    """Return the name that a field has in the file, which may be another than in the card."""
    source = field.get("source")
    extract = source.get("extract") if isinstance(source, Mapping) else None
    column = extract.get("column") if isinstance(extract, Mapping) else None
    return column if isinstance(column, str) else str(field["name"])


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
    return _read(dataset, str(path), True, state.st_mtime_ns, state.st_size)


def place(dataset: str) -> Path:
    """Return where the card of a dataset of the package lies."""
    return FOLDER / f"{dataset.replace('-', '_')}.json"


def given(dataset: str, path: str | Path) -> CardFile:
    """Return a user's own card. Raises PopleakError for a file that is none, or lacks a field."""
    state = Path(path).stat()
    return _read(dataset, str(path), False, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=256)
def _read(dataset: str, path: str, own: bool, *_: int) -> CardFile:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_once)
    except RecursionError:
        raise PopleakError(f"{path}: not a card (nested too deeply): write it again") from None
    except (OSError, ValueError) as error:
        raise PopleakError(
            f"{path}: not a card ({' '.join(str(error).split())[:100]}): give a file of JSON-LD"
        ) from error
    return of(dataset, content, path, packaged=own)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def of(dataset: str, content: Any, where: str, *, packaged: bool = False) -> CardFile:
    """Return a card of this content. packaged: of one of the package's own datasets. Raises PopleakError with the first field that it lacks or that
    is not what it may be."""
    for problem in problems(content, dataset, packaged=packaged):
        raise PopleakError(f"{where}: {problem}")
    try:
        digest = hashlib.sha256(canonical(content).encode()).hexdigest()
    except ValueError:  # a number that is none, half of a character: Python reads both from JSON
        raise PopleakError(f"{where}: holds NaN, Infinity or half a character: write it again") from None
    return CardFile(dataset, where, digest, content)
