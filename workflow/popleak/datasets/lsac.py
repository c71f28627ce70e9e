"""LSAC bar passage: does a law student pass the bar? US law schools, entering class of 1991."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.settings import Settings
from . import _codes, _tables
from .base import Attribute, Card, Dataset, Records, Source

FILE = "law_school_clean.csv"
SOURCE = Source(
    FILE,
    # the commit, not the branch: the address can then never serve another file
    "https://raw.githubusercontent.com/tailequy/fairness_dataset/abb5a18b822ba56a221c5311082e192e85000b95"
    "/experiments/data/" + FILE,
    "23c1b173f3480beb7afc4957b107a9917dfc4a8dc9d87ea6034ec35222152452",
)
NUMERIC = ("decile1b", "decile3", "lsat", "ugpa", "zfygpa", "zgpa", "fam_inc", "tier")
CATEGORICAL = ("fulltime", "male", "race")
LABEL = "pass_bar"
# all values of the columns that are compared, so that no unknown one is taken for "the rest"
KNOWN = {LABEL: (0, 1), "race": ("White", "Non-White"), "male": (0, 1), "fulltime": (1, 2)}
CARRIER = {"race": "race", "sex": "male"}


class Lsac(Dataset):
    """Le Quy et al.'s cleaned table: 20,798 students, nothing missing."""

    name = "lsac"
    summary = "LSAC law school: passes the bar, 20,798 students, entering class of 1991"
    labels = (LABEL,)
    attributes = ("race", "sex")
    n_features = 10

    def sources(self, options: Settings) -> tuple[Source, ...]:
        return (SOURCE,)

    def card(self, options: Settings) -> Card:
        return Card(
            title="LSAC National Longitudinal Bar Passage Study (law school), cleaned table",
            source="https://github.com/tailequy/fairness_dataset",
            licence="not stated; released for research by LSAC, without names",
            citation="Wightman, L. F. (1998). LSAC National Longitudinal Bar Passage Study. LSAC Research Report; "
            "table of Le Quy, T. et al. (2022). A survey on datasets for fairness-aware machine learning. WIREs",
            label="pass_bar: passed the bar",
            attributes={
                "race": Attribute(
                    groups=("White", "Non-White"),
                    recorded="by the study, as the student reported; all other races joined by the table's authors",
                    rows=(17491, 3307),
                    rates=(0.9213, 0.7230),
                ),
                "sex": Attribute(
                    groups=("Male", "Female"),
                    recorded="by the study, as the student reported",
                    rows=(11675, 9123),
                    rates=(0.8990, 0.8779),
                ),
            },
            rows=20798,
            label_rate=0.8897,
            notes=("two rows are doubled", "grades after the first year (decile3, zgpa) are among the features"),
        )

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        columns = (*NUMERIC, *CATEGORICAL, LABEL)
        frame = _tables.read_csv(path=_tables.given(files=files, file=FILE), usecols=list(columns))
        _tables.numbers(frame=frame, columns=(*NUMERIC, "fulltime", "male", LABEL), file=FILE)
        _codes.known(frame=frame, allowed=KNOWN, file=FILE)
        y = (frame[LABEL] == 1).to_numpy(dtype=np.int8)
        named = {
            "race": np.where(frame["race"] != "White", "Non-White", "White"),
            "sex": np.where(frame["male"] != 1, "Female", "Male"),
        }
        group = (named[attribute] == self.card(options).attributes[attribute].groups[1]).astype(np.int8)
        other = "race" if attribute == "sex" else "sex"
        card = self.card(options)
        _tables.check(card=card, attribute=attribute, file=FILE, y=y, group=group)
        frame["male"] = frame["male"].astype(int)
        frame["fulltime"] = frame["fulltime"].astype(int)
        return _tables.records(
            frame=frame,
            y=y,
            group=group,
            groups=card.attributes[attribute].groups,
            numeric=NUMERIC,
            categorical=[column for column in CATEGORICAL if column != CARRIER[attribute]],
            second=(other, named[other]),
        )


PLUGIN = Lsac()
