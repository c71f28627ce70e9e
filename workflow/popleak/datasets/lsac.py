"""LSAC bar passage: does a law student pass the bar? US law schools, entering class of 1991."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.settings import Settings
from . import _cards, _codes, _tables
from .base import Card, Dataset, Records, Source

FILE = "law_school_clean.csv"
NUMERIC = ("decile1b", "decile3", "lsat", "ugpa", "zfygpa", "zgpa", "fam_inc", "tier")
CATEGORICAL = ("fulltime", "male", "race")
LABEL = "pass_bar"
COLUMNS = (*NUMERIC, *CATEGORICAL, LABEL)
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
        return (_cards.packaged(self.name).sources()[FILE],)

    def card(self, options: Settings) -> Card:
        about = _cards.packaged(self.name)
        return about.card(about.expected(), label=self.labels[0])

    def reads(self, *, files: Mapping[str, Path], options: Settings) -> tuple[str, ...]:
        return COLUMNS

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        frame = _tables.read_csv(path=_tables.given(files=files, file=FILE), usecols=list(COLUMNS))
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
