"""COMPAS: is a defendant charged again within two years? Broward County, Florida, gathered by ProPublica.

The file names real people next to criminal records. Only the columns in `COLUMNS` are ever read into a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.settings import Settings
from . import _cards, _codes, _tables
from .base import Card, Dataset, Records, Source

FILE = "compas-scores-two-years.csv"
NUMERIC = ("age", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count")
CATEGORICAL = ("c_charge_degree", "race", "sex")
FILTER = ("days_b_screening_arrest", "is_recid", "score_text")
COLUMNS = (*NUMERIC, *CATEGORICAL, *FILTER, "two_year_recid")
GROUPS = {"race": ("Caucasian", "African-American"), "sex": ("Male", "Female")}
# all values of the columns that are compared, so that no unknown one is taken for "the rest"
KNOWN = {
    "two_year_recid": (0, 1),
    "is_recid": (-1, 0, 1),
    "c_charge_degree": ("F", "M", "O"),
    "score_text": ("Low", "Medium", "High", "N/A"),
    "race": (*GROUPS["race"], "Asian", "Hispanic", "Native American", "Other"),
    "sex": GROUPS["sex"],
}


class Compas(Dataset):
    """6,172 defendants after ProPublica's own filters; for `race`, the 5,278 of the two largest groups."""

    name = "compas"
    summary = "COMPAS: charged again within two years, 6,172 defendants, ProPublica's filters"
    labels = ("two_year_recid",)
    attributes = ("race", "sex")
    n_features = 7

    def sources(self, options: Settings) -> tuple[Source, ...]:
        return (_cards.packaged(self.name).sources()[FILE],)

    def card(self, options: Settings) -> Card:
        about = _cards.packaged(self.name)
        return about.card(about.expected("filtered"), label=self.labels[0])

    def reads(self, *, files: Mapping[str, Path], options: Settings) -> tuple[str, ...]:
        return COLUMNS

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        # priors_count occurs twice in the header; pandas calls the second one priors_count.1, so the first is read
        frame = _tables.read_csv(
            path=_tables.given(files=files, file=FILE),
            twice=("decile_score", "priors_count"),
            usecols=list(COLUMNS),
            keep_default_na=False,
            na_values=[""],
        )
        whole = _cards.packaged(self.name).expected("file")
        _tables.compare(file=FILE, what="rows before the filters", expected=whole["rows"], found=len(frame))
        _tables.numbers(frame=frame, columns=(*NUMERIC, "is_recid", "two_year_recid"), file=FILE)
        _codes.known(frame=frame, allowed=KNOWN, file=FILE)
        rate = float(frame["two_year_recid"].mean())
        _tables.compare(file=FILE, what="label rate before the filters", expected=whole["labelRate"], found=rate)
        # a screening without a date (NaN) is left out as well: the comparison is false
        near = frame["days_b_screening_arrest"].abs() <= 30
        usable = (frame["is_recid"] != -1) & (frame["c_charge_degree"] != "O") & (frame["score_text"] != "N/A")
        frame = frame.loc[near & usable].reset_index(drop=True)
        y = (frame["two_year_recid"] == 1).to_numpy(dtype=np.int8)
        group = np.full(len(frame), -1, dtype=np.int8)
        for number, value in enumerate(GROUPS[attribute]):
            group[(frame[attribute] == value).to_numpy()] = number
        other = "race" if attribute == "sex" else "sex"
        _tables.check(card=self.card(options), attribute=attribute, file=FILE, y=y, group=group)
        return _tables.records(
            frame=frame,
            y=y,
            group=group,
            groups=GROUPS[attribute],
            numeric=NUMERIC,
            categorical=[column for column in CATEGORICAL if column != attribute],
            second=(other, np.where(frame[other].isin(GROUPS[other]), frame[other], "other")),
        )


PLUGIN = Compas()
