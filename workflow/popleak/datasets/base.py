"""The dataset contract: raw files in, `Records` and a `Card` out.

A dataset's file must not import pandas, pyarrow or torch at its top: the plan reads every plugin's name and settings
on each parse of the Snakefile. Import them inside `load`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from ..core.errors import PopleakError
from ..core.settings import NoSettings
from ..core.settings import Settings as AnySettings
from . import _cards, _made_cards
from ._cards import CardFile
from ._described import Attribute, Card, Source

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Records:
    """A loaded dataset: N people, d features, the sensitive attribute left out of them (the stage `dataset` puts it back on request).

    x (N, d) float32, standardised or one-hot (generated data: the law's own scale); records of another shape (`Dataset.shape`) laid out
    as rows of d numbers;
    y (N,) int8 in 0..C-1, C being 2 unless `Dataset.classes` says otherwise; a (N,) int8 in {0, 1}, 1 being group 1;
    unit (N,) int64 or None: rows with one unit (the same person, say) go to the same pool;
    cell (N,) int16 or None: a discrete feature, for the models whose output law is known;
    subgroup (N,) int8 from 0 or None: a second sensitive attribute, for bounds over intersections; no feature by this;
    facts: JSON values; `rows`, `label_rate`, `group_rows`, `group_rates` always (for more than two classes `class_rates` and
    `group_class_rates` in place of the rates), and what else the loader found.
    """

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    features: tuple[str, ...]
    groups: tuple[str, str]
    unit: np.ndarray | None = None
    cell: np.ndarray | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    subgroup: np.ndarray | None = None


class Cells(NamedTuple):
    """How many records a dataset has: counts[y][a], as far as is known before it is loaded.

    exact: the counts are the records', and each record is a unit of its own, so that a share of them goes to each pool.
    """

    counts: tuple[tuple[int, int], ...]
    exact: bool

    @classmethod
    def of(cls, y: np.ndarray, a: np.ndarray, *, exact: bool) -> Cells:
        """Return the counts of records with labels 0 and 1 (N,) and groups (N,), -1 being neither group."""
        (n00, n01), (n10, n11) = ([int(((y == label) & (a == group)).sum()) for group in (0, 1)] for label in (0, 1))
        return cls(((n00, n01), (n10, n11)), exact)


class Dataset:
    """Base of datasets. Set the class attributes, implement `load`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    labels: ClassVar[tuple[str, ...]]
    """Allowed label names; the first is the default. Empty: the options name the label."""
    attributes: ClassVar[tuple[str, ...]]
    """Allowed sensitive attributes; the first is the default. Empty: the options name it."""
    n_features: ClassVar[int | None] = None
    """Columns of x with the default options, for estimates of cost; None: unknown until it is loaded."""
    own: ClassVar[bool] = False
    """Whether the options name the user's own file. One that is not there is then a mistake in the config; a task whose
    file only the dataset knows of is left out, and the plan says so."""
    unread: ClassVar[str] = "leave it out of what the dataset reads"
    """What to do about a column that names people and would be read: the end of an error message."""
    examines: ClassVar[bool] = False
    """True: `examine(files=..., options=...)` returns all that is wrong or doubtful at once, and the records or None."""
    Settings: ClassVar[type[AnySettings]] = NoSettings
    """The plugin's own options. The methods are given what was read into them, so each names its own class."""

    def sources(self, options: Any) -> tuple[Source, ...]:
        """Return the raw files that these options need; none for a generated dataset."""
        return ()

    def settle(self, options: Any, here: Callable[[Source], bool]) -> tuple[Any, str]:
        """Return options that leave nothing open, and what was chosen and why: a phrase to print, or "".

        For options that take one of several raw files by what there is; `here` says whether the file of a source is in the data
        folder. What this returns is what the step's identity, `sources`, `load` and `card` see. It is called on each parse of
        the Snakefile, so it reads no file.
        """
        return options, ""

    def remedy(self, source: Source) -> str:
        """Return how to get a file that no publisher serves (`source.url` is None), as the end of an error message."""
        return f"put it into <data_dir>/{self.name.replace('-', '_')}/"

    def card(self, options: Any) -> Card:
        """Return the card."""
        raise NotImplementedError

    def card_file(self, *, files: Mapping[str, Path | None], options: Any) -> CardFile:
        """Return the card with all its fields: the file of the package, or one made of `card`, in which the rest is unknown.

        files: the raw files that are here, by name. Raises PopleakError for a card that lacks a field.
        """
        if _cards.place(self.name).is_file():
            return _cards.packaged(self.name)
        return _made_cards.card(self.name, self.summary, self.card(options), generated=not self.sources(options))

    def admitted(self, *, files: Mapping[str, Path], options: Any) -> CardFile:
        """Return the card with all its fields. Raises PopleakError if it is not what a card may be, if the data were withdrawn, and if a column that
        names people would be read.

        files: the raw files that are here, by name.
        """
        about = self.card_file(files=files, options=options)
        about.refuse_withdrawn()
        about.refuse_identifiers(self.reads(files=files, options=options), self.unread)
        return about

    def card_with(self, about: CardFile, *, label: str, options: Any) -> Card:
        """Return the card as it is kept with the records; by default `card_of`. about: the card with all its fields."""
        return self.card_of(label, options)

    def reads(self, *, files: Mapping[str, Path], options: Any) -> tuple[str, ...]:
        """Return the columns of the raw files that `load` reads, none of which may name people by the card."""
        return ()

    def card_of(self, label: str, options: Any) -> Card:
        """Return the card for one of several labels; by default `card`, which is that of the first."""
        return self.card(options)

    def prepare(self, origin: Path, folder: Path) -> list[str]:
        """Turn what a user downloaded by hand into a raw file that `sources` names, in `folder`; return lines to print.

        For publishers whose files are not tables, or are too many for their digests to be taken on each parse of the Snakefile.
        Raises PopleakError naming the file and the remedy.
        """
        raise PopleakError(
            f"dataset {self.name}: its files are read as they are: run `popleak data` to see where they belong"
        )

    def classes(self, options: Any) -> tuple[str, ...]:
        """Return the names of the label's classes 0..C-1."""
        return ("0", "1")

    def shape(self, options: Any) -> tuple[int, ...] | None:
        """Return the shape of one record, (channels, height, width) of an image say; None for a row of features. `Records.x` and the
        stored table hold rows of numbers all the same, and a model that declares a shape is given it."""
        return None

    def width(self, options: Any) -> int | None:
        """Return how many numbers a record has, for estimates of cost; None where only loading can tell."""
        return self.n_features

    def attribute(self, name: str, options: Any) -> tuple[str, Attribute]:
        """Return an attribute's own name and what the card says of it; where the options name it, a config's name for it is free."""
        known = self.card(options).attributes
        own = name if name in known else next(iter(known))
        return own, known[own]

    def glance(self, *, files: Mapping[str, Path], options: Any) -> list[str]:
        """Return what is wrong with raw files that are here, a line each, as far as a glance tells: the plan asks each time."""
        return []

    def cells(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Any) -> Cells | None:
        """Return the counts of the records, for plans alone; by default the card's, None where it does not state them."""
        known = self.card_of(label, options).attributes.get(attribute)
        if known is None or known.rows is None or known.rates is None:
            return None
        ones = [round(rows * rate) for rows, rate in zip(known.rows, known.rates, strict=True)]
        zeros = [rows - one for rows, one in zip(known.rows, ones, strict=True)]
        return Cells(((zeros[0], zeros[1]), (ones[0], ones[1])), False)

    def original(self, *, files: Mapping[str, Path], options: Any) -> pd.DataFrame | None:
        """Return a row for each record, in their order, of the columns as they stand in the user's own file, without those that are dropped,
        the label and the unit; None where there is no such file."""
        return None

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Any, seed: int) -> Records:
        """Read `files` (by `Source.file`) and return the records. Direct identifiers must not pass this function.

        label, attribute: names that the class allows; where it allows none, the options name the columns, and these two
        are free names that the loader ignores.
        `seed` is for generators; a loader of files ignores it. Raises PopleakError naming the file and the remedy.
        """
        raise NotImplementedError
