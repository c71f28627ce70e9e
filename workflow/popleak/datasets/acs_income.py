"""ACS Income (folktables' ACSIncome): does a person earn more than 50,000 dollars a year? US survey, one year.

The task definition (filters, features, label) is that of Ding, Hardt, Miller and Schmidt, "Retiring Adult", 2021. Their
package is not used: its downloader checks nothing and its reader copies whole files as text.
"""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, field_validator

from ..core import settings
from ..core.errors import PopleakError
from . import _cards, _codes, _tables
from ._acs_groups import GROUPS, LAST_STATE
from .base import Card, Dataset, Records, Source

if TYPE_CHECKING:
    import pandas as pd

# FIPS codes; DC is published but is not in folktables' list of states
FIPS = {
    "AL": 1, "AK": 2, "AZ": 4, "AR": 5, "CA": 6, "CO": 8, "CT": 9, "DE": 10, "DC": 11, "FL": 12, "GA": 13,
    "HI": 15, "ID": 16, "IL": 17, "IN": 18, "IA": 19, "KS": 20, "KY": 21, "LA": 22, "ME": 23, "MD": 24, "MA": 25,
    "MI": 26, "MN": 27, "MS": 28, "MO": 29, "MT": 30, "NE": 31, "NV": 32, "NH": 33, "NJ": 34, "NM": 35, "NY": 36,
    "NC": 37, "ND": 38, "OH": 39, "OK": 40, "OR": 41, "PA": 42, "RI": 44, "SC": 45, "SD": 46, "TN": 47, "TX": 48,
    "UT": 49, "VT": 50, "VA": 51, "WA": 53, "WV": 54, "WI": 55, "WY": 56, "PR": 72,
}  # fmt: skip
NUMERIC = ("AGEP", "WKHP", "SCHL")
CODES = ("COW", "MAR", "OCCP", "POBP", "SEX", "RAC1P")
RELATIONSHIP = ("RELP", "RELSHIPP")  # renamed, with other codes, in 2019
STATE = ("ST", "STATE")  # renamed in 2023
# the codes of each column, by the survey's data dictionaries of 2014 to 2024; POBP 0: born in the US, no state told
KNOWN = {
    "AGEP": range(121), "WKHP": range(100), "SCHL": range(1, 25), "COW": range(1, 10), "MAR": range(1, 6),
    "OCCP": range(10, 9921), "POBP": range(555), "SEX": range(1, 3), "RAC1P": range(1, 10), "RELP": range(18),
    "RELSHIPP": range(20, 39), "PINCP": range(-(10**6), 10**8), "PWGTP": range(10**5), "ST": tuple(FIPS.values()),
}  # fmt: skip
CODING = "give the Census Bureau's codes"
MISSING = -1  # for an empty field, which no code uses
# the Census Bureau's major groups of occupations, by the first two digits of the code
OCCUPATIONS = (
    (0, "management"), (5, "business"), (8, "finance"), (10, "computers"), (13, "engineering"), (16, "science"),
    (20, "social-service"), (21, "legal"), (22, "education"), (26, "arts-media"), (30, "health"),
    (36, "health-support"), (37, "protection"), (40, "food"), (42, "cleaning"), (43, "personal-care"), (47, "sales"),
    (50, "office"), (60, "farming"), (62, "construction"), (68, "extraction"), (70, "repair"), (77, "production"),
    (90, "transport"), (98, "military"), (99, "none"),
)  # fmt: skip
FEATURES = ("AGEP", "WKHP", "SCHL", "COW", "MAR", "OCCP", "POBP", "SEX", "RAC1P")
SAMPLE = "acs_income_2018_us_100k.parquet"
PERSON = "{year}/csv_p{state}.zip"
"""The name of a person file, as the card describes it too."""
YEAR = 2018
LISTED = 5  # states that a title names


class Options(settings.Settings):
    """Which rows of the survey."""

    format: Literal["auto", "person", "parquet"] = "auto"
    """`person`: the Census Bureau's person files, one a state, fetched; `parquet`: one table of ACSIncome's columns, which is not fetched.
    `auto`: the table where `file` names one of your own; the 2018 sample where it lies in the data folder and neither states nor
    another year are named; else the person files. The plan and the report's card say which was taken."""
    states: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Two-letter codes, including PR and DC. None: California for `person`, every row for `parquet`."""
    year: int = Field(default=YEAR, ge=2014, le=2024)
    """Survey year of the person files; 2020 has no standard one-year file."""
    file: str = Field(default=SAMPLE, min_length=1)
    """Name of the table for `parquet`, below `<data_dir>/acs_income/`; by default that of a sample of 2018, whose content is checked."""
    second: str | None = None
    """Second attribute, for bounds over intersections and for `population.adversary_from`: another of the attributes, or `state` where the rows
    say theirs. None: race where the attribute is sex, else sex."""

    def unused(self) -> set[str]:
        return {"second"} if self.second is None else set()

    @field_validator("second")
    @classmethod
    def _second(cls, second: str | None) -> str | None:
        if second not in (None, "state", *GROUPS):
            raise ValueError(f"{second!r} is unknown: choose from {', '.join(('state', *GROUPS))}")
        return second

    @field_validator("states")
    @classmethod
    def _known(cls, states: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for state in states or ():
            if state not in FIPS:
                raise ValueError(f"{state!r} is not a state: choose from {', '.join(FIPS)}")
        if states is not None and len(set(states)) != len(states):
            raise ValueError("a state is named twice")
        return states

    @field_validator("year")
    @classmethod
    def _surveyed(cls, year: int) -> int:
        if year == 2020:
            raise ValueError("2020 has no standard one-year file: choose another year")
        return year

    def person_states(self) -> tuple[str, ...]:
        return self.states or ("CA",)

    @property
    def ready(self) -> bool:
        """Whether the rows come from a ready table. `auto` that is not settled stands for the person files."""
        return self.format == "parquet"

    @property
    def sample(self) -> bool:
        """Whether the ready table is the sample of 2018."""
        return self.ready and self.file == SAMPLE


class AcsIncome(Dataset):
    """Working people above 16 with an income above 100 dollars, those in neither group of the attribute left out."""

    # the folder of the raw files and the name in a config
    name = "acs-income"
    summary = "ACS Income: income above 50,000 dollars, US survey, any states, 2014 on"
    labels = ("income",)
    attributes = tuple(GROUPS)
    n_features = 51
    Settings = Options

    def sources(self, options: Options) -> tuple[Source, ...]:
        if options.ready:
            return (_cards.packaged(self.name).sources()[SAMPLE] if options.sample else Source(options.file),)
        address = _address()
        return tuple(
            Source(*(text.format(year=options.year, state=state.lower()) for text in (PERSON, address)))
            for state in options.person_states()
        )

    def settle(self, options: Options, here: Callable[[Source], bool]) -> tuple[Options, str]:
        """Choose between the ready table and the person files where the options leave it open."""
        if options.format != "auto":
            return options, ""
        ready, person = (options.model_copy(update={"format": one}) for one in ("parquet", "person"))
        if options.file != SAMPLE:
            return ready, f"{_title(ready)}, since options.file names it"
        if options.states is not None or options.year != YEAR:
            return person, f"{_title(person)}, since the options name states or a year"
        if here(self.sources(ready)[0]):
            return ready, f"{_title(ready)}, since {SAMPLE} is here; for the person files: format: person"
        return (
            person,
            f"{_title(person)}, since {SAMPLE} is not in <data_dir>/acs_income/; the numbers are not those of the sample",
        )

    def remedy(self, source: Source) -> str:
        return (
            f"{super().remedy(source)}, or ask for the Census Bureau's person files, which are fetched: format: person"
        )

    def card(self, options: Options) -> Card:
        about = _cards.packaged(self.name)
        where = f"the Census Bureau's person files of {', '.join(options.person_states())}"
        if options.ready:
            where = f"from the table {options.file}" + (": a random sample of 6 %" if options.sample else "")
        return about.card(
            about.expected(_selection(options)), label=self.labels[0], title=_title(options),
            source=_address().format(year=options.year, state="XX"), notes=(where, *about.notes()),
        )  # fmt: skip

    def reads(self, *, files: Mapping[str, Path], options: Options) -> tuple[str, ...]:
        return (*KNOWN, *STATE[1:], "LABEL")

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        frame = _read(files=files, sources=self.sources(options), options=options)
        file = ", ".join(source.file for source in self.sources(options))
        y = frame.pop("LABEL").to_numpy(dtype=np.int8)
        group = GROUPS[attribute].of(frame)
        card = self.card(options)
        _tables.check(card=card, attribute=attribute, file=file, y=y, group=group)
        if not ((group == 0).any() and (group == 1).any()):
            raise PopleakError(f"{file}: a group of {attribute} has no rows: name other states in options.states")
        second = _second_of(frame, attribute, options, file)
        _join(frame)
        relationship = [column for column in RELATIONSHIP if column in frame][:1]
        features = [name for name in (*FEATURES, *relationship) if name != GROUPS[attribute].column]
        return _tables.records(
            frame=frame,
            y=y,
            group=group,
            groups=GROUPS[attribute].names,
            numeric=[name for name in features if name in NUMERIC],
            categorical=[name for name in features if name not in NUMERIC],
            facts={"relationship": relationship[0] if relationship else "absent"},
            second=second,
        )


def _second_of(frame: pd.DataFrame, attribute: str, options: Options, file: str) -> tuple[str, np.ndarray]:
    """Return the second attribute and its value for each row (N,). Raises PopleakError if it is the attribute, or not there."""
    other = options.second or ("race" if attribute == "sex" else "sex")
    if other == attribute:
        raise PopleakError(f"options.second: {other!r} is the attribute itself: name another")
    return other, _states_of(frame, file) if other == "state" else GROUPS[other].named(frame)


def _states_of(frame: pd.DataFrame, file: str) -> np.ndarray:
    """Return the two-letter code of each row's state (N,). Raises PopleakError if the rows do not say it."""
    if "ST" not in frame:
        raise PopleakError(f"{file}: has no column ST: name another attribute in options.second")
    names = {number: state for state, number in FIPS.items()}
    return np.array([names[number] for number in frame["ST"].to_numpy().tolist()])


def _join(frame: pd.DataFrame) -> None:
    """Join occupations into major groups, and birthplaces into US and abroad."""
    frame["OCCP"] = _occupation(frame["OCCP"].to_numpy())
    born = frame["POBP"].to_numpy()
    frame["POBP"] = np.where(born < 0, "missing", np.where(born <= LAST_STATE, "us", "abroad"))


def _title(options: Options) -> str:
    """Return what the rows are, in a few words."""
    if options.ready:
        whole = (
            f"ACS Income {YEAR}, 100k sample without RELP" if options.sample else f"ACS Income, table {options.file}"
        )
        return f"{whole}, {_places(options.states)}" if options.states else whole
    return f"ACS Income {options.year}, person files of {_places(options.person_states())}"


def _places(states: tuple[str, ...]) -> str:
    return ", ".join(states) if len(states) <= LISTED else f"{len(states)} states"


def _address() -> str:
    """Return the address of a person file, with places for year and state."""
    found: str = _cards.packaged(AcsIncome.name).unpinned()[PERSON]["url"]
    return found


def _selection(options: Options) -> str:
    """Return the selection of rows as the card calls those of which rows and rates were published or counted, else "other"."""
    if options.sample and options.states is None:
        return "sample-2018"
    if not options.ready and options.year == 2018 and options.person_states() == ("CA",):
        return "person-2018-CA"
    return "other"


def _read(*, files: Mapping[str, Path], sources: tuple[Source, ...], options: Options) -> pd.DataFrame:
    """Return int32 columns of the task and LABEL (int8), one row a person that passes the filters."""
    import pandas as pd

    parts = []
    states = [None] if options.ready else options.person_states()
    for source, state in zip(sources, states, strict=True):
        path = _tables.given(files=files, file=source.file)
        parts.append(_task(raw=_parquet(path) if options.ready else _person(path), path=path, state=state))
    frame = pd.concat(parts, ignore_index=True)
    if options.ready and options.states is not None:
        if "ST" not in frame:
            raise PopleakError(f"{sources[0].file}: has no column ST: leave options.states out")
        frame = frame[frame["ST"].isin([FIPS[state] for state in options.states])].reset_index(drop=True)
    if frame.empty:
        raise PopleakError(f"{sources[0].file}: the filters leave no row: name other states in options.states")
    for column in [column for column in RELATIONSHIP if column in frame and (frame[column] == MISSING).all()]:
        del frame[column]
    return frame


def _task(*, raw: pd.DataFrame, path: Path, state: str | None) -> pd.DataFrame:
    """Apply folktables' filters and turn codes into integers, empty fields into -1.

    state: whose person file it is. Raises PopleakError for a code, a label or a state that is none or another's.
    """
    import pandas as pd

    raw = raw.rename(columns=dict.fromkeys(STATE[1:], STATE[0]))
    _once(list(raw.columns), path)
    absent = [column for column in (*NUMERIC, *CODES) if column not in raw]
    if "LABEL" not in raw and "PINCP" not in raw:
        absent.append("PINCP or LABEL")
    if absent:
        raise PopleakError(f"{path}: lacks column {absent[0]}: give a file with ACSIncome's columns")
    columns = {
        name: _codes.whole(values=raw[name], allowed=KNOWN[name], file=path, column=name, remedy=CODING)
        for name in raw.columns
        if name != "LABEL"
    }
    if state is not None and "ST" in columns and not (columns["ST"] == FIPS[state]).all():
        raise PopleakError(f"{path}: holds people of another state than {state}: put the file of {state} there")
    keep = _working(columns)
    wanted = [name for name in (*NUMERIC, *CODES, *RELATIONSHIP, "ST") if name in columns]
    frame = pd.DataFrame({name: columns[name][keep].fillna(MISSING).astype(np.int32) for name in wanted})
    frame["LABEL"] = _label(columns.get("PINCP"), raw, keep, path)
    return frame


def _working(columns: Mapping[str, pd.Series]) -> pd.Series:
    """Return which people (N,) bool pass folktables' filters; the income and the weight filter as far as the column is there."""
    # comparisons with NaN are false, so people without an income or hours are left out, as in folktables
    keep = (columns["AGEP"] > 16) & (columns["WKHP"] > 0)
    if "PINCP" in columns:
        keep &= columns["PINCP"] > 100
    if "PWGTP" in columns:
        keep &= columns["PWGTP"] >= 1
    return keep


def _label(income: pd.Series | None, raw: pd.DataFrame, keep: pd.Series, path: Path) -> np.ndarray:
    """Return the labels (N,) int8 of the rows to keep: as given in LABEL, else from the income; where both are known they agree."""
    told = None if income is None else (income[keep] > 50000).to_numpy(dtype=np.int8)
    if told is not None and "LABEL" not in raw:
        return told
    label = _codes.binary(
        values=raw["LABEL"][keep],
        file=path,
        column="LABEL",
        remedy="give 1 for more than 50,000 dollars, 0 for the rest",
    )
    if told is not None and (label != told).any():
        raise PopleakError(
            f"{path}: column 'LABEL' is not PINCP > 50000 in {int((label != told).sum()):,} rows: leave out one of the two"
        )
    return label


def _wanted(column: str) -> bool:
    return column in (*KNOWN, *STATE, "LABEL")


def _person(path: Path) -> pd.DataFrame:
    """Return the wanted columns of a person zip, read without unpacking it to disk; other columns are not kept."""
    import pandas as pd

    # only a field with nothing in it is empty: a word such as NA is no code of the survey. All columns are parsed, in pieces,
    # since pandas does not count the fields of a row where it is told which columns to use
    how = {"chunksize": 50_000, "skipinitialspace": True, "keep_default_na": False, "na_values": [""]}
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(name for name in archive.namelist() if name.lower().endswith(".csv"))
            parts = []
            for member in members:
                with archive.open(member) as handle:
                    _check_header(handle.readline(), path)
                with archive.open(member) as handle, pd.read_csv(handle, **how) as pieces:
                    parts += [_piece(piece, path) for piece in pieces]
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError) as error:
        raise PopleakError(f"{path}: not a person file ({str(error)[:100]}): delete it and fetch it again") from error
    if not parts:
        raise PopleakError(f"{path}: holds no .csv file: delete it and fetch it again")
    return pd.concat(parts, ignore_index=True)


def _piece(piece: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the wanted columns of some rows. Raises PopleakError where each row has a field more than the header."""
    import pandas as pd

    if not isinstance(piece.index, pd.RangeIndex):
        raise PopleakError(f"{path}: its rows have more fields than its header: delete it and fetch it again")
    return piece[[column for column in piece.columns if _wanted(column)]]


def _check_header(line: bytes, path: Path) -> None:
    """Raise PopleakError where a column is named twice: pandas would read the first and not say so."""
    names = next(csv.reader([line.decode("utf-8-sig")]), [])
    _once([name.strip() for name in names], path)


def _once(names: list[str], path: Path) -> None:
    twice = [name for name in names if names.count(name) > 1 and _wanted(name)]
    if twice:
        raise PopleakError(f"{path}: column {twice[0]!r} is there {names.count(twice[0])} times: keep one")


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        handle = pq.ParquetFile(path)
        names = [name for name in handle.schema_arrow.names if _wanted(name)]
        _once(names, path)
        return handle.read(columns=names).to_pandas(ignore_metadata=True)
    except (OSError, pa.ArrowException) as error:
        raise PopleakError(f"{path}: truncated or not Parquet ({str(error)[:100]}): replace it") from error


def _occupation(codes: np.ndarray) -> np.ndarray:
    """Return the major group's name for each occupation code (N,); `missing` for an empty field."""
    edges = np.array([first for first, _ in OCCUPATIONS])
    names = np.array([*(name for _, name in OCCUPATIONS), "missing"])
    place = np.searchsorted(edges, codes // 100, side="right") - 1
    return names[np.where(codes < 0, len(OCCUPATIONS), np.maximum(place, 0))]


PLUGIN = AcsIncome()
