"""German Credit (Statlog): is a customer a good credit risk? A southern German bank, 1973 to 1975."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.settings import Settings
from . import _cards, _codes, _tables
from .base import Card, Dataset, Records, Source

FILE = "german.data"
COLUMNS = (
    "checking", "duration", "history", "purpose", "amount", "savings", "employment", "installment-rate", "status-sex",
    "debtors", "residence", "property", "age", "other-plans", "housing", "credits", "job", "liable", "telephone",
    "foreign", "risk",
)  # fmt: skip
NUMERIC = ("duration", "amount", "installment-rate", "residence", "age", "credits", "liable")
CATEGORICAL = tuple(column for column in COLUMNS if column not in (*NUMERIC, "risk"))
FEMALE = ("A92", "A95")
# all values of the columns that are compared, so that no unknown one is taken for "the rest"
KNOWN = {"risk": (1, 2), "status-sex": ("A91", "A92", "A93", "A94", "A95")}
# sex is coded together with marital status, so the whole code is left out, or what stays would give sex away
CARRIER = {"sex": "status-sex", "age": "age"}


class German(Dataset):
    """1,000 customers, 20 attributes, nothing missing."""

    name = "german"
    summary = "German Credit (Statlog): good credit risk, 1,000 customers"
    labels = ("credit",)
    attributes = ("sex", "age")
    n_features = 55

    def sources(self, options: Settings) -> tuple[Source, ...]:
        return (_cards.packaged(self.name).sources()[FILE],)

    def card(self, options: Settings) -> Card:
        about = _cards.packaged(self.name)
        return about.card(about.expected(), label=self.labels[0])

    def reads(self, *, files: Mapping[str, Path], options: Settings) -> tuple[str, ...]:
        return COLUMNS

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Settings, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        frame = _tables.read_csv(
            path=_tables.given(files=files, file=FILE),
            sep=r"\s+",
            header=None,
            names=list(COLUMNS),
            keep_default_na=False,
            dtype=str,
        )
        _tables.numbers(frame=frame, columns=(*NUMERIC, "risk"), file=FILE)
        _codes.known(frame=frame, allowed=KNOWN, file=FILE)
        y = (frame["risk"] == 1).to_numpy(dtype=np.int8)
        second = frame["status-sex"].isin(FEMALE) if attribute == "sex" else frame["age"] <= 25
        group = second.to_numpy(dtype=np.int8)
        card = self.card(options)
        _tables.check(card=card, attribute=attribute, file=FILE, y=y, group=group)
        return _tables.records(
            frame=frame,
            y=y,
            group=group,
            groups=card.attributes[attribute].groups,
            numeric=[column for column in NUMERIC if column != CARRIER[attribute]],
            categorical=[column for column in CATEGORICAL if column != CARRIER[attribute]],
        )


PLUGIN = German()
