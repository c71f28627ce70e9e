"""ACS Income (folktables' ACSIncome): does a person earn more than 50,000 dollars a year? US survey, one year.

The task definition (filters, features, label) is that of Ding, Hardt, Miller and Schmidt, "Retiring Adult", 2021. Their
package is not used: its downloader checks nothing and its reader copies whole files as text.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from .. import settings
from ..errors import PopleakError
from . import _tables
from .base import Attribute, Card, Dataset, Records, Source

if TYPE_CHECKING:
    import pandas as pd

URL = "https://www2.census.gov/programs-surveys/acs/data/pums/{year}/1-Year/csv_p{state}.zip"
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
FILTER = ("PINCP", "PWGTP")
MISSING = -1  # for an empty field, which no code uses
# the Census Bureau's major groups of occupations, by the first two digits of the code
OCCUPATIONS = (
    (0, "management"), (5, "business"), (8, "finance"), (10, "computers"), (13, "engineering"), (16, "science"),
    (20, "social-service"), (21, "legal"), (22, "education"), (26, "arts-media"), (30, "health"),
    (36, "health-support"), (37, "protection"), (40, "food"), (42, "cleaning"), (43, "personal-care"), (47, "sales"),
    (50, "office"), (60, "farming"), (62, "construction"), (68, "extraction"), (70, "repair"), (77, "production"),
    (90, "transport"), (98, "military"), (99, "none"),
)  # fmt: skip
LAST_STATE = 56  # POBP: up to here the 50 states and DC (0 where they are not told apart), above it abroad
FEATURES = ("AGEP", "WKHP", "SCHL", "COW", "MAR", "OCCP", "POBP", "SEX", "RAC1P")
CARRIER = {"sex": "SEX", "race": "RAC1P"}
SAMPLE = "acs_income_2018_us_100k.parquet"


class Settings(settings.Settings):
    """Which rows of the survey."""

    format: Literal["person", "parquet"] = "person"
    """`person`: the Census Bureau's person files, one a state, fetched; `parquet`: one table of ACSIncome's columns."""
    states: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Two-letter codes, PR and DC among them. None: California for `person`, every row for `parquet`."""
    year: int = Field(default=2018, ge=2014, le=2024)
    """Survey year of the person files; 2020 has no standard one-year file."""
    file: str = Field(default=SAMPLE, min_length=1)
    """Name of the table for `parquet`, below `<data_dir>/acs_income/`."""

    @field_validator("states")
    @classmethod
    def _known(cls, states: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for state in states or ():
            if state not in FIPS:
                raise ValueError(f"{state!r} is no state: choose from {', '.join(FIPS)}")
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


class AcsIncome(Dataset):
    """Working people above 16 with an income above 100 dollars; for `race`, those who are White or Black alone."""

    # the folder of the raw files and the name in a config
    name = "acs-income"
    summary = "ACS Income: income above 50,000 dollars, US survey, any states, 2014 on"
    labels = ("income",)
    attributes = ("sex", "race")
    n_features = 51
    Settings = Settings

    def sources(self, options: Settings) -> tuple[Source, ...]:
        if options.format == "parquet":
            return (Source(options.file),)
        return tuple(
            Source(f"{options.year}/csv_p{state.lower()}.zip", URL.format(year=options.year, state=state.lower()))
            for state in options.person_states()
        )

    def card(self, options: Settings) -> Card:
        known = _known_numbers(options)
        sample = options.format == "parquet" and options.file == SAMPLE
        parquet = f"from the table {options.file}" + (": a random sample of 6 %, RELP is absent" if sample else "")
        where = parquet if options.format == "parquet" else f"{', '.join(options.person_states())}"
        return Card(
            title="ACS Income 2018, 100k sample without RELP" if sample else f"ACS Income {options.year}",
            source=URL.format(year=options.year, state="XX"),
            licence="public domain (US Government work); users are asked not to try to identify anyone",
            citation="Ding, F., Hardt, M., Miller, J. and Schmidt, L. (2021). Retiring Adult: New Datasets for Fair "
            "Machine Learning. NeurIPS; US Census Bureau, American Community Survey, Public Use Microdata Sample",
            label="income: more than 50,000 dollars in the past twelve months",
            attributes={
                "sex": Attribute(
                    ("Male", "Female"), "by the survey, as the household's respondent reported", **known.get("sex", {})
                ),
                "race": Attribute(
                    ("White", "Black"),
                    "by the survey, as the household's respondent reported; RAC1P 1 and 2, others left out",
                    **known.get("race", {}),
                ),
            },
            rows=known.get("rows"),
            label_rate=known.get("label_rate"),
            notes=(
                where,
                "age above 16, income above 100 dollars, working hours above 0, weight at least 1, as in folktables",
                "occupations are joined into 26 major groups, birthplaces into US and abroad",
                "people of one household are present together; rows are not weighted",
            ),
        )

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        frame = _read(files=files, sources=self.sources(options), options=options)
        file = ", ".join(source.file for source in self.sources(options))
        y = frame.pop("LABEL").to_numpy(dtype=np.int8)
        code = frame[CARRIER[attribute]].to_numpy()
        group = np.full(len(frame), -1, dtype=np.int8)
        group[code == 1] = 0
        group[code == 2] = 1
        card = self.card(options)
        _tables.check(card=card, attribute=attribute, file=file, y=y, group=group)
        if not ((group == 0).any() and (group == 1).any()):
            raise PopleakError(f"{file}: a group of {attribute} has no rows: name other states in options.states")
        other = "race" if attribute == "sex" else "sex"
        names = np.array(["other", *card.attributes[other].groups])
        value = frame[CARRIER[other]].to_numpy()
        second = names[np.where((value == 1) | (value == 2), value, 0)]
        frame["OCCP"] = _occupation(frame["OCCP"].to_numpy())
        born = frame["POBP"].to_numpy()
        frame["POBP"] = np.where(born < 0, "missing", np.where(born <= LAST_STATE, "us", "abroad"))
        relationship = next((column for column in RELATIONSHIP if column in frame), None)
        features = [*FEATURES, *([relationship] if relationship else [])]
        return _tables.records(
            frame=frame,
            y=y,
            group=group,
            groups=card.attributes[attribute].groups,
            numeric=NUMERIC,
            categorical=[name for name in features if name not in (*NUMERIC, CARRIER[attribute])],
            facts={"relationship": relationship or "absent"},
            second=(other, second),
        )


def _known_numbers(options: Settings) -> dict[str, Any]:
    """Return the card's rows and rates for the selections for which they were published or counted."""
    if options.format == "parquet" and options.file == SAMPLE and options.states is None:
        return {
            "rows": 100000,
            "label_rate": 0.3679,
            "sex": {"rows": (51967, 48033), "rates": (0.4424, 0.2873)},
            "race": {"rows": (78091, 8812), "rates": (0.3898, 0.2451)},
        }
    if options.format == "person" and options.year == 2018 and options.person_states() == ("CA",):
        return {"rows": 195665, "label_rate": 0.4106}
    return {}


def _read(*, files: Mapping[str, Path], sources: Sequence[Source], options: Settings) -> pd.DataFrame:
    """Return int32 columns of the task and LABEL (bool), one row a person that passes the filters."""
    import pandas as pd

    parts = []
    for source in sources:
        path = _tables.given(files=files, file=source.file)
        raw = _parquet(path) if options.format == "parquet" else _person(path)
        parts.append(_task(raw=raw, path=path))
    frame = pd.concat(parts, ignore_index=True)
    if options.format == "parquet" and options.states is not None:
        if "ST" not in frame:
            raise PopleakError(f"{sources[0].file}: has no column ST: leave options.states out")
        frame = frame[frame["ST"].isin([FIPS[state] for state in options.states])].reset_index(drop=True)
    if frame.empty:
        raise PopleakError(f"{sources[0].file}: no row is left by the filters: name other states in options.states")
    for column in [column for column in RELATIONSHIP if column in frame and (frame[column] == MISSING).all()]:
        del frame[column]
    return frame


def _task(*, raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Apply folktables' filters and turn codes into integers, empty fields into -1."""
    import pandas as pd

    absent = [column for column in (*NUMERIC, *CODES) if column not in raw]
    if "LABEL" not in raw and "PINCP" not in raw:
        absent.append("PINCP or LABEL")
    if absent:
        raise PopleakError(f"{path}: lacks column {absent[0]}: give a file with ACSIncome's columns")
    columns = {name: pd.to_numeric(raw[name], errors="coerce") for name in raw.columns}
    # comparisons with NaN are false, so people without an income or hours are left out, as in folktables
    keep = (columns["AGEP"] > 16) & (columns["WKHP"] > 0)
    for name, least in (("PINCP", columns.get("PINCP", 101) > 100), ("PWGTP", columns.get("PWGTP", 1) >= 1)):
        if name in columns:
            keep &= least
    label = columns["PINCP"] > 50000 if "PINCP" in columns else columns["LABEL"] == 1
    wanted = [name for name in (*NUMERIC, *CODES, *RELATIONSHIP, "ST") if name in columns]
    frame = pd.DataFrame({name: columns[name][keep].fillna(MISSING).astype(np.int32) for name in wanted})
    frame["LABEL"] = label[keep].astype(bool)
    return frame


def _wanted(column: str) -> bool:
    return column in (*NUMERIC, *CODES, *RELATIONSHIP, *FILTER, "ST", "LABEL")


def _person(path: Path) -> pd.DataFrame:
    """Return the wanted columns of a person zip, read without unpacking it to disk; other columns are not kept."""
    import pandas as pd

    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(name for name in archive.namelist() if name.lower().endswith(".csv"))
            parts = []
            for member in members:
                with archive.open(member) as handle:
                    parts.append(pd.read_csv(handle, usecols=_wanted, skipinitialspace=True, low_memory=False))
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError) as error:
        raise PopleakError(f"{path}: not a person file ({str(error)[:100]}): delete it and fetch it again") from error
    if not parts:
        raise PopleakError(f"{path}: holds no .csv file: delete it and fetch it again")
    return pd.concat(parts, ignore_index=True)


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        handle = pq.ParquetFile(path)
        names = [name for name in handle.schema_arrow.names if _wanted(name)]
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
