"""What of a dataset is described: its raw files, its sensitive attributes, and the card that is kept with its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.uses import UNKNOWN


@dataclass(frozen=True)
class Source:
    """One raw file: where it lies below `<data_dir>/<dataset>/`, and where its publisher keeps it.

    sha256 is None only where the publisher revises the file or states no digest; the digest of the first fetch is then
    written beside the file and later fetches must agree with it.
    member: if the URL serves a zip archive, the archive's member that is this file.
    """

    file: str
    url: str | None = None
    sha256: str | None = None
    member: str | None = None


@dataclass(frozen=True)
class Attribute:
    """A sensitive attribute: `groups` names group 0 and group 1; `recorded` says who recorded it and how.

    rows, rates: the records of each group and their label rates, or None where only loading can tell. kind: `self-report`,
    `administrative`, `annotator`, `inferred`, `generated` or `unknown`.
    """

    groups: tuple[str, str]
    recorded: str
    rows: tuple[int, int] | None = None
    rates: tuple[float, float] | None = None
    kind: str = UNKNOWN


@dataclass(frozen=True)
class Card:
    """What a reader must know of a dataset. `rows` and `rates` are what the unchanged files give, checked on load.

    rows, label_rate: all records that pass the dataset's own filters, those in neither group included; None where only
    loading can tell. Of generated datasets, rates are the law's. identifiers: columns of the files that name people and
    are never read. permitted_use, forbidden_use: terms of `core/uses.USES`, or `unknown`. Of the package's own datasets all of it stands in
    the card's file (`_cards`).
    """

    title: str
    source: str
    licence: str
    citation: str
    label: str
    attributes: Mapping[str, Attribute]
    identifiers: tuple[str, ...] = ()
    rows: int | None = None
    label_rate: float | None = None
    notes: tuple[str, ...] = ()
    purpose: str = UNKNOWN
    permitted_use: tuple[str, ...] | str = UNKNOWN
    forbidden_use: tuple[str, ...] = ()
    consent: str = UNKNOWN
    redistribution: str = UNKNOWN
